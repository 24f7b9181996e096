//! A clock that only moves when a test moves it.

use jiff::{SignedDuration, Timestamp};
use lodge_domain::ports::Clock;
use std::sync::atomic::{AtomicI64, Ordering};

/// Starts at 2026-03-02T09:00:00Z, a Monday; keeps whole microseconds.
#[derive(Debug)]
pub struct ManualClock {
    micros: AtomicI64,
}

impl ManualClock {
    /// 2026-03-02T09:00:00Z in microseconds since 1970.
    const START: i64 = 1_772_442_000_000_000;

    /// A clock at its start.
    #[must_use]
    pub fn new() -> Self {
        Self { micros: AtomicI64::new(Self::START) }
    }

    /// Goes to `now`, forwards or back.
    pub fn set(&self, now: Timestamp) {
        self.micros.store(now.as_microsecond(), Ordering::SeqCst);
    }

    /// Goes `by` further; a negative duration goes back.
    pub fn advance(&self, by: SignedDuration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.micros.fetch_add(micros, Ordering::SeqCst);
    }

    /// Goes `seconds` further.
    pub fn advance_secs(&self, seconds: i64) {
        self.advance(SignedDuration::from_secs(seconds));
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.micros.load(Ordering::SeqCst)).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_moves_only_when_moved() {
        let clock = ManualClock::new();
        assert_eq!(clock.now().to_string(), "2026-03-02T09:00:00Z");
        clock.advance_secs(90);
        assert_eq!(clock.now().to_string(), "2026-03-02T09:01:30Z");
        clock.set(Timestamp::UNIX_EPOCH);
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH);
    }
}
