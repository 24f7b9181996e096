//! Wakes who waits in this process for work or for events.

use lodge_domain::Lane;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

#[derive(Default)]
pub(crate) struct Signals {
    lanes: Mutex<HashMap<Lane, Arc<Notify>>>,
    pub(crate) feed: Notify,
}

impl Signals {
    /// What wakes the waiters of `lane`.
    pub(crate) fn of(&self, lane: &Lane) -> Arc<Notify> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lanes.get(lane) {
            return Arc::clone(known);
        }
        Arc::clone(lanes.entry(lane.clone()).or_default())
    }

    /// Wakes the waiters of `lane`, if there ever were any.
    pub(crate) fn wake(&self, lane: &Lane) {
        if let Some(known) = self.lanes.lock().unwrap_or_else(PoisonError::into_inner).get(lane) {
            known.notify_waiters();
        }
    }
}
