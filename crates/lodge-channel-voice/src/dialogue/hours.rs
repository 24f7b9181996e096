//! Opening hours: whether a dialogue's house is open at a moment, in its own time zone (RFC 9636 names).

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// The days as they are written.
pub(super) const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// Whether it is open `now`; never where the zone is not known, which the check refuses.
pub(super) fn is_open(zone: &str, days: &BTreeMap<String, Vec<String>>, now: Timestamp) -> bool {
    let Ok(zone) = TimeZone::get(zone) else { return false };
    let here = now.to_zoned(zone);
    let today = DAYS.iter().find(|(_, day)| *day == here.weekday()).map_or("", |(name, _)| *name);
    let spans = days.get(today).into_iter().flatten().filter_map(|text| span(text));
    let time = here.time();
    spans.into_iter().any(|(from, to)| from <= time && time < to)
}

/// Reads `09:00-17:00`.
pub(super) fn span(text: &str) -> Option<(Time, Time)> {
    let (from, to) = text.split_once('-')?;
    let clock = |text: &str| Time::strptime("%H:%M", text.trim()).ok();
    let (from, to) = (clock(from)?, clock(to)?);
    (from < to).then_some((from, to))
}
