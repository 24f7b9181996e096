//! Which lanes move and which stand still: what readiness and metrics read.

use crate::circuit::Halt;
use jiff::Timestamp;
use lodge_domain::Lane;

/// How one lane fares in this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneReport {
    /// The lane.
    pub lane: Lane,
    /// Since when nothing gets through, if so.
    pub halted_since: Option<Timestamp>,
    /// Whether only an operator can help (credentials, address).
    pub parked: bool,
    /// What the far side says.
    pub why: Option<String>,
}

impl LaneReport {
    pub(crate) fn new(lane: Lane, halt: Option<Halt>) -> Self {
        match halt {
            None => Self { lane, halted_since: None, parked: false, why: None },
            Some(Halt { since, parked, why }) => {
                Self { lane, halted_since: Some(since), parked, why: Some(why) }
            }
        }
    }

    /// Whether it moves.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.halted_since.is_none()
    }
}
