//! The reference of the store's contract: all ports in memory under one lock, written to be read.
//!
//! [`accept`] says the ledger's rules one function a rule, [`effects`] what each effect changes, [`queue`] who may claim
//! what. Real stores must answer as this one does; the suite in [`crate::conformance::store`] compares them. It keeps
//! nothing across a restart and is never meant to be fast.

mod accept;
mod effects;
mod ports;
mod purge;
mod queue;
mod state;

use lodge_domain::Timestamp;
use lodge_domain::ports::{Clock, Entropy};
use state::State;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// The model store. A clone is another handle to the same records.
#[derive(Clone)]
pub struct ModelStore {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
}

impl ModelStore {
    /// An empty store.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy, state: Arc::default(), changed: Arc::new(Notify::new()) }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn read(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the records and wakes who waits for them.
    fn write<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let answer = change(&mut self.read());
        self.changed.notify_waiters();
        answer
    }

    /// Returns when `ready` says so, at the latest after `most`; looks at every change, and often in between.
    async fn wait_until(&self, most: Duration, ready: impl Fn(&State) -> bool) {
        let end = tokio::time::Instant::now() + most;
        loop {
            let change = self.changed.notified();
            if ready(&self.read()) {
                return;
            }
            let look_again = end.min(tokio::time::Instant::now() + Duration::from_millis(100));
            let _waited = tokio::time::timeout_at(look_again, change).await;
            if tokio::time::Instant::now() >= end {
                return;
            }
        }
    }
}
