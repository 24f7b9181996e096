//! Business hours: when somebody is there. Pure calendar: a time zone, opening times a weekday, days off.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};
use std::collections::BTreeSet;

/// When somebody is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Hours {
    zone: TimeZone,
    week: [Vec<(Time, Time)>; 7],
    days_off: BTreeSet<Date>,
}

/// How far ahead an opening is looked for.
const AHEAD_DAYS: i64 = 366;

impl Hours {
    /// Hours of nobody, in this time zone (an IANA name such as `Europe/Berlin`); `None` where there is no such zone.
    #[must_use]
    pub fn new(zone: &str) -> Option<Self> {
        let zone = TimeZone::get(zone).ok()?;
        Some(Self { zone, week: Default::default(), days_off: BTreeSet::new() })
    }

    /// Opens on `weekday` at times written `09:00-12:30`; an end of `24:00` or of no more than the start is midnight.
    /// `false` where this cannot be read.
    pub fn open(&mut self, weekday: Weekday, times: &str) -> bool {
        let Some((from, to)) = times.split_once('-') else { return false };
        let (Some(from), Some(to)) = (clock(from), clock(to)) else { return false };
        self.week[usize::from(weekday.to_monday_zero_offset().unsigned_abs())].push((from, to));
        true
    }

    /// Closes on a day written `2026-12-25`; `false` where this cannot be read.
    pub fn close(&mut self, day: &str) -> bool {
        day.trim().parse().is_ok_and(|day| {
            self.days_off.insert(day);
            true
        })
    }

    /// Whether somebody is there at `at`.
    #[must_use]
    pub fn is_open(&self, at: Timestamp) -> bool {
        let local = at.to_zoned(self.zone.clone());
        self.of(local.date()).any(|(from, to)| from <= at && at < to)
    }

    /// When somebody is there next: `at` itself where that is open; `None` where nobody comes within a year.
    #[must_use]
    pub fn next_open(&self, at: Timestamp) -> Option<Timestamp> {
        if self.is_open(at) {
            return Some(at);
        }
        let today = at.to_zoned(self.zone.clone()).date();
        for ahead in 0..AHEAD_DAYS {
            let day = today.checked_add(ahead.days()).ok()?;
            let first = self.of(day).map(|(from, _)| from).filter(|from| *from > at).min();
            if first.is_some() {
                return first;
            }
        }
        None
    }

    /// The openings of a day, as instants.
    fn of(&self, day: Date) -> impl Iterator<Item = (Timestamp, Timestamp)> + '_ {
        let times = &self.week[usize::from(day.weekday().to_monday_zero_offset().unsigned_abs())];
        let off = self.days_off.contains(&day);
        times.iter().filter(move |_| !off).filter_map(move |(from, to)| {
            let begins = self.at(day, *from)?;
            let ends = if to <= from {
                self.at(day.tomorrow().ok()?, Time::midnight())?
            } else {
                self.at(day, *to)?
            };
            Some((begins, ends))
        })
    }

    fn at(&self, day: Date, time: Time) -> Option<Timestamp> {
        let zoned: Zoned = day.to_datetime(time).to_zoned(self.zone.clone()).ok()?;
        Some(zoned.timestamp())
    }

    /// How long from `at` until somebody is there; nothing where somebody is, `None` where nobody comes within a year.
    #[must_use]
    pub fn until_open(&self, at: Timestamp) -> Option<SignedDuration> {
        self.next_open(at).map(|open| open.duration_since(at))
    }
}

fn clock(text: &str) -> Option<Time> {
    let (hour, minute) = text.trim().split_once(':')?;
    match (hour.parse().ok()?, minute.parse().ok()?) {
        (24, 0) => Some(Time::midnight()),
        (hour, minute) => Time::new(hour, minute, 0, 0).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> Hours {
        let mut hours = Hours::new("Europe/Berlin").unwrap();
        for day in [Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday, Weekday::Friday]
        {
            assert!(hours.open(day, "09:00-12:30") && hours.open(day, "13:00-24:00"));
        }
        assert!(hours.close("2026-12-25"));
        hours
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn opening_times_are_local_and_days_off_are_closed() {
        let hours = berlin();
        // Winter: one hour ahead of UTC; a Monday.
        assert!(hours.is_open(at("2026-11-23T08:00:00Z")) && !hours.is_open(at("2026-11-23T07:59:59Z")));
        assert!(!hours.is_open(at("2026-11-23T11:45:00Z")), "lunch");
        assert!(hours.is_open(at("2026-11-23T22:59:59Z")) && !hours.is_open(at("2026-11-23T23:00:00Z")));
        // Summer: two hours ahead.
        assert!(hours.is_open(at("2026-07-06T07:00:00Z")));
        assert!(!hours.is_open(at("2026-12-25T10:00:00Z")));
    }

    #[test]
    fn the_next_opening_skips_nights_weekends_and_days_off() {
        let hours = berlin();
        assert_eq!(hours.next_open(at("2026-12-24T23:30:00Z")), Some(at("2026-12-28T08:00:00Z")));
        assert_eq!(hours.next_open(at("2026-11-23T11:45:00Z")), Some(at("2026-11-23T12:00:00Z")));
        assert_eq!(Hours::new("Europe/Berlin").unwrap().next_open(at("2026-11-23T11:45:00Z")), None);
        assert!(Hours::new("Europe/Nowhere").is_none());
        assert!(!berlin().open(Weekday::Monday, "9-17") && !berlin().close("Christmas"));
    }
}
