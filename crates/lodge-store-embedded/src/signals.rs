//! Wakes who waits in this process for work or for events.

use bytes::Bytes;
use lodge_domain::{BrandName, Lane, TimelineId};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

#[derive(Default)]
pub(crate) struct Signals {
    lanes: Mutex<HashMap<Lane, Arc<Notify>>>,
    pub(crate) feed: Notify,
    pub(crate) timelines: Notify,
    hints: Mutex<Hints>,
}

/// The last hints of this process, and how many there ever were.
#[derive(Default)]
struct Hints {
    given: u64,
    last: VecDeque<(BrandName, TimelineId, Bytes)>,
}

/// How many hints are kept for followers who are slow.
const MOST_HINTS: usize = 256;

impl Signals {
    /// Keeps a hint for whoever follows right now.
    pub(crate) fn hint(&self, brand: BrandName, timeline: TimelineId, hint: Bytes) {
        let mut hints = self.hints.lock().unwrap_or_else(PoisonError::into_inner);
        hints.given += 1;
        hints.last.push_back((brand, timeline, hint));
        if hints.last.len() > MOST_HINTS {
            hints.last.pop_front();
        }
        drop(hints);
        self.timelines.notify_waiters();
    }

    /// The hints given in `brand` after the first `seen`, and how many there are by now.
    pub(crate) fn hints(&self, brand: &BrandName, seen: u64) -> (Vec<(TimelineId, Bytes)>, u64) {
        let hints = self.hints.lock().unwrap_or_else(PoisonError::into_inner);
        let new = usize::try_from(hints.given.saturating_sub(seen)).unwrap_or(MOST_HINTS);
        let newest = hints.last.iter().rev().take(new).rev();
        let of_brand = newest.filter(|(of, _, _)| of == brand);
        (of_brand.map(|(_, timeline, hint)| (*timeline, hint.clone())).collect(), hints.given)
    }

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
