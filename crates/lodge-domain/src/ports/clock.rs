//! Time comes in through this port: there is no other source of it below the composition root.

use jiff::Timestamp;

/// Tells wall time. Safety never depends on it: it dates records and times leases and schedules.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}
