//! Waiting longer after each failure: a value with bounds, checked when it is made.

use std::time::Duration;

/// Doubling delays between `min` and `max`, with full jitter over the upper half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    min: Duration,
    max: Duration,
}

impl Backoff {
    /// Delays from `min` to `max`; `None` unless `0 < min <= max`.
    #[must_use]
    pub const fn new(min: Duration, max: Duration) -> Option<Self> {
        if min.is_zero() || min.as_nanos() > max.as_nanos() { None } else { Some(Self { min, max }) }
    }

    /// The delay after `failures` failures in a row (from 1). `random` is any random number: half of the delay is
    /// fixed, half is drawn, so that many who failed together do not come back together.
    #[must_use]
    pub fn delay(&self, failures: u32, random: u64) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        let full = self.min.saturating_mul(1 << doublings).min(self.max);
        let share = f64::from(u32::try_from(random & 0xffff).unwrap_or(0)) / 65536.0;
        full.mul_f64(0.5 + share / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a15_delays_double_stay_in_bounds_and_differ() {
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60)).unwrap();
        for failures in 1..40 {
            let full = Duration::from_secs(1 << (failures - 1).min(20)).min(Duration::from_secs(60));
            for random in [0, 77, u64::MAX] {
                let delay = backoff.delay(failures, random);
                assert!(delay >= full / 2 && delay <= full, "{failures}: {delay:?}");
            }
        }
        assert_ne!(backoff.delay(3, 1), backoff.delay(3, 60_000));
        assert!(Backoff::new(Duration::ZERO, Duration::from_secs(1)).is_none());
    }
}
