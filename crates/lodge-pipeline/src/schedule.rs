//! The published retry timetable. Pure: jitter comes in as a random number.
//!
//! After the n-th failure that counts, the next try comes after a random time of at most 1 s · 2ⁿ⁻¹, never more than ten
//! minutes ("full jitter"), and never less than 100 ms. A far side that names a time (`Retry-After`, RFC 9110 10.2.3) is
//! given that time, within one second and one hour.

use jiff::SignedDuration;

/// The longest wait of the timetable.
pub const CEILING: SignedDuration = SignedDuration::from_mins(10);
/// The shortest wait.
pub const FLOOR: SignedDuration = SignedDuration::from_millis(100);
/// The longest wait that a far side may ask for.
pub const MOST_ASKED: SignedDuration = SignedDuration::from_hours(1);
/// Failures after which an event has been tried for a day on average, without a far side that names times: used where no
/// process lived long enough to see that day.
pub const FAILURES_IN_A_DAY: u32 = 300;
/// Waits between the three tries that an event gets which the core refuses as it stands: fifteen minutes in all.
pub const REFUSED: [SignedDuration; 2] = [SignedDuration::from_mins(5), SignedDuration::from_mins(10)];

/// The longest wait after the `failures`-th failure (from 1).
#[must_use]
pub fn ceiling(failures: u32) -> SignedDuration {
    let doublings = failures.saturating_sub(1).min(10);
    SignedDuration::from_secs(1_i64 << doublings).min(CEILING)
}

/// The wait after the `failures`-th failure (from 1), where the far side asked for `asked`.
#[must_use]
pub fn wait(failures: u32, asked: Option<SignedDuration>, random: u64) -> SignedDuration {
    match asked {
        None => uniform(FLOOR, ceiling(failures), random),
        Some(asked) => {
            let asked = asked.clamp(SignedDuration::from_secs(1), MOST_ASKED);
            // A little later than asked, so that all who were told the same do not come back together.
            (asked + uniform(SignedDuration::ZERO, asked / 10, random)).min(MOST_ASKED)
        }
    }
}

/// A wait of `low` to `high`.
#[must_use]
pub fn uniform(low: SignedDuration, high: SignedDuration, random: u64) -> SignedDuration {
    let width = u64::try_from((high - low).as_millis()).unwrap_or(0);
    let millis = i64::try_from(random % width.saturating_add(1)).unwrap_or(0);
    low + SignedDuration::from_millis(millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_timetable_doubles_from_a_second_to_ten_minutes() {
        let seconds: Vec<i64> = (1..=12).map(|n| ceiling(n).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        assert_eq!(ceiling(u32::MAX), CEILING);
        let ramp: i64 = (1..=10).map(|n| ceiling(n).as_secs()).sum();
        let mean = ramp / 2 + i64::from(FAILURES_IN_A_DAY - 10) * 300;
        assert!((86_400..93_600).contains(&mean), "{mean} s are about a day");
    }

    proptest! {
        #[test]
        fn j05_every_wait_is_within_its_bounds(failures in 0_u32..400, asked in proptest::option::of(-10_i64..100_000), random: u64) {
            let asked = asked.map(SignedDuration::from_secs);
            let wait = wait(failures, asked, random);
            match asked {
                None => prop_assert!(wait >= FLOOR && wait <= ceiling(failures)),
                Some(asked) => {
                    prop_assert!(wait >= SignedDuration::from_secs(1) && wait <= MOST_ASKED);
                    prop_assert!(wait >= asked.min(MOST_ASKED));
                }
            }
        }
    }
}
