//! Wakes who waits in this process at once; for what other processes do, and for what becomes due, waiters look for
//! themselves twice and more a second. Nobody ever blocks the shared connection.

use lodge_domain::Lane;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How often waiters look for themselves.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Bells of lanes and of the feed. There are as many as lanes were ever used here: inboxes of the configuration.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    lanes: Mutex<HashMap<Lane, Arc<Notify>>>,
    /// Rung when something was published.
    pub(crate) feed: Notify,
    /// Rung when something was appended to a timeline, or hinted at.
    pub(crate) timelines: Notify,
}

impl Signals {
    /// The bell of a lane.
    pub(crate) fn lane(&self, lane: &Lane) -> Arc<Notify> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(lanes.entry(lane.clone()).or_default())
    }

    /// Rings it.
    pub(crate) fn ring(&self, lane: &Lane) {
        self.lane(lane).notify_waiters();
    }
}
