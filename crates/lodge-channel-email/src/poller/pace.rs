//! How long to wait after a failed session: soon after a lost connection, ever later while it goes on, and very late where
//! the server refuses our password, so that we never lock the account ourselves (T77).

use crate::error::MailError;
use lodge_channel::Backoff;
use std::time::Duration;

const LOST: Option<Backoff> = Backoff::new(Duration::from_secs(1), Duration::from_secs(300));
const LOGIN: Option<Backoff> = Backoff::new(Duration::from_secs(30), Duration::from_secs(600));
/// Refused log-ins in a row after which we hardly try any more.
const PATIENT_AFTER: u32 = 5;
const HARDLY: Duration = Duration::from_secs(3600);

/// Failures in a row.
#[derive(Debug, Default)]
pub(super) struct Pace {
    failures: u32,
    refusals: u32,
}

impl Pace {
    /// A session got all mail: the next failure is a first one again.
    pub(super) fn synced(&mut self) {
        *self = Self::default();
    }

    /// Failures in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether we hardly try any more.
    pub(super) fn gave_up(&self) -> bool {
        self.refusals >= PATIENT_AFTER
    }

    /// How long to wait after `error`; `random` is any random number.
    pub(super) fn after(&mut self, error: Option<&MailError>, random: u64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        if matches!(error, Some(MailError::Login(_))) {
            self.refusals = self.refusals.saturating_add(1);
            if self.gave_up() {
                return HARDLY;
            }
            return LOGIN.map_or(HARDLY, |backoff| backoff.delay(self.refusals, random));
        }
        LOST.map_or(HARDLY, |backoff| backoff.delay(self.failures, random))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t77_five_refused_log_ins_in_a_row_end_the_trying() {
        let mut pace = Pace::default();
        let refused = MailError::Login("no".to_owned());
        for _ in 0..4 {
            let wait = pace.after(Some(&refused), 9);
            assert!(wait >= Duration::from_secs(15) && wait < HARDLY && !pace.gave_up(), "{wait:?}");
        }
        assert_eq!((pace.after(Some(&refused), 9), pace.gave_up()), (HARDLY, true));
    }

    #[test]
    fn a15_delays_grow_and_only_a_completed_sync_resets_them() {
        let mut pace = Pace::default();
        let waits: Vec<Duration> = (0..12).map(|_| pace.after(Some(&MailError::Lost), 0)).collect();
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]), "{waits:?}");
        assert!(waits[0] < Duration::from_secs(2) && waits[11] >= Duration::from_secs(150), "{waits:?}");
        pace.synced();
        assert!(pace.after(Some(&MailError::Lost), 0) < Duration::from_secs(2));
    }
}
