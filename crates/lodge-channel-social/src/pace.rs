//! How fast an account speaks: no faster than its provider takes, over all and to each party, so that nobody has to tell it to
//! wait (F07). What a provider says all the same is heeded beside this.
//!
//! Each gateway keeps the pace by itself, without asking anybody; where a provider counts over longer than a few seconds, all
//! gateways of one store take from one allowance besides. What is counted over less is over before it was told around.

use jiff::{SignedDuration, Timestamp};
use lodge_domain::digest_parts;
use lodge_domain::ports::Tally;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// So many parties are kept in mind; those who could be spoken to at once are forgotten first.
const MOST: usize = 10_000;
/// How long a message waits in place; beyond that it gives way to others.
const PATIENCE: SignedDuration = SignedDuration::from_secs(2);
/// From how many seconds on all gateways count together.
const SHARED: u32 = 10;

/// So many within so long, all of them at once where nothing went before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    count: i32,
    seconds: u32,
}

/// How fast a provider lets an account speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// To everybody.
    all: Rate,
    /// To one party.
    each: Rate,
}

impl Pace {
    /// `all` over everybody and `each` to one party, both as (how many, within how many seconds); none of them 0.
    pub(crate) const fn new(all: (i32, u32), each: (i32, u32)) -> Self {
        Self { all: Rate { count: all.0, seconds: all.1 }, each: Rate { count: each.0, seconds: each.1 } }
    }
}

impl Pace {
    /// What one more to `party` takes from all gateways' allowances of `account`; empty where nothing is counted for so long.
    pub(crate) fn tallies(self, account: &str, party: &str) -> Vec<Tally> {
        let both = [(self.all, "to everybody", ""), (self.each, "to one party", party)];
        let shared = both.into_iter().filter(|(rate, ..)| rate.seconds >= SHARED);
        let tally = |(rate, whom, party): (Rate, &str, &str)| Tally {
            key: digest_parts(&[b"social pace", account.as_bytes(), whom.as_bytes(), party.as_bytes()]),
            label: format!("{} within {} s {whom}", rate.count, rate.seconds),
            window: std::time::Duration::from_secs(rate.seconds.into()),
            limit: rate.count.unsigned_abs().into(),
            amount: 1,
        };
        shared.map(tally).collect()
    }
}

impl Rate {
    fn within(self) -> SignedDuration {
        SignedDuration::from_secs(self.seconds.into())
    }

    fn interval(self) -> SignedDuration {
        self.within() / self.count.max(1)
    }

    /// How long until one more may go, where those before it are paid for at `paid`.
    fn wait(self, paid: Option<Timestamp>, now: Timestamp) -> SignedDuration {
        let ahead = paid.map_or(SignedDuration::ZERO, |paid| paid.duration_since(now));
        (ahead - (self.within() - self.interval())).max(SignedDuration::ZERO)
    }

    fn pay(self, paid: Option<Timestamp>, now: Timestamp) -> Timestamp {
        let from = paid.map_or(now, |paid| paid.max(now));
        from.checked_add(self.interval()).unwrap_or(Timestamp::MAX)
    }
}

/// What one account said lately.
pub(crate) struct Pacer {
    pace: Pace,
    paid: Mutex<(Option<Timestamp>, HashMap<String, Timestamp>)>,
}

impl Pacer {
    pub(crate) fn new(pace: Pace) -> Self {
        Self { pace, paid: Mutex::default() }
    }

    /// Books the next turn to `party`; how long it is until then.
    ///
    /// # Errors
    /// How long it would be, where that is longer than a message waits in place; nothing is booked then.
    pub(crate) fn book(&self, party: &str, now: Timestamp) -> Result<SignedDuration, SignedDuration> {
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, each) = &mut *paid;
        let theirs = each.get(party).copied();
        let wait = self.pace.all.wait(*all, now).max(self.pace.each.wait(theirs, now));
        if wait > PATIENCE {
            return Err(wait);
        }
        *all = Some(self.pace.all.pay(*all, now));
        if each.len() >= MOST {
            each.retain(|_, paid| *paid > now);
        }
        if each.len() >= MOST {
            each.clear();
        }
        each.insert(party.to_owned(), self.pace.each.pay(theirs, now));
        Ok(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f07_a_burst_goes_at_once_and_then_one_at_a_time() {
        let pacer = Pacer::new(Pace::new((6, 6), (3, 3)));
        let at = |seconds: i64| Timestamp::from_second(1_000_000 + seconds).unwrap();
        let second = SignedDuration::from_secs;
        for expected in [0, 0, 0, 1, 2] {
            assert_eq!(pacer.book("a", at(0)), Ok(second(expected)));
        }
        assert_eq!(pacer.book("a", at(0)), Err(second(3)), "it gives way");
        assert_eq!(pacer.book("b", at(0)), Ok(second(0)), "to whom has waited");
        assert_eq!(pacer.book("c", at(0)), Ok(second(1)), "all of them together have a pace too");
        assert_eq!(pacer.book("a", at(3)), Ok(second(0)));
        assert_eq!(pacer.book("a", at(60)), Ok(second(0)));
    }
}
