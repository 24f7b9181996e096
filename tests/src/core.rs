//! The core ticket service as the contract sees it (section 6): takes ticket events, checks everything it can check about
//! them by means of its own, and answers as told.

mod http;
mod signature;
mod state;

pub use signature::sign;
pub use state::{Answer, Attempt};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use state::State;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;

/// The secret that signs both directions.
pub const SECRET: &str = "whsec_bG9kZ2UtY29yZS1jYW5hcnktc2VjcmV0LTMyLWJ5dGVz";

/// The bearer token that the core may use instead.
pub const TOKEN: &str = "core-token-canary-93c1d7a4e2";

/// A running core; stops when dropped.
pub struct Core {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: tokio::task::AbortHandle,
}

impl Core {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("open the core")?;
        let address = listener.local_addr().context("ask for the core's port")?;
        let state = Arc::new(Mutex::new(State::default()));
        let task = tokio::spawn(http::serve(listener, Arc::clone(&state))).abort_handle();
        Ok(Self { address, state, task })
    }

    /// Where it takes ticket events.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/lodge", self.address)
    }

    /// Answers everything with `answer` from now on.
    pub fn always(&self, answer: Answer) {
        self.lock().always = answer;
    }

    /// Answers what holds `text` with `answer` from now on, whatever else is set.
    pub fn whenever(&self, text: &str, answer: Answer) {
        self.lock().whenever.push((text.to_owned(), answer));
    }

    /// Answers the next `times` events with `answer`.
    pub fn next(&self, answer: &Answer, times: usize) {
        self.lock().next.extend(std::iter::repeat_n(answer.clone(), times));
    }

    /// Takes everything again.
    pub fn relent(&self) {
        let mut state = self.lock();
        state.always = Answer::Take;
        state.next.clear();
        state.whenever.clear();
    }

    /// A replayed dead letter fills its gap late; from now on that is no fault.
    pub fn allow_late(&self) {
        self.lock().allow_late = true;
    }

    /// Every attempt so far, taken or not.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        self.lock().attempts.clone()
    }

    /// Every event taken, each once, in the order of the first time.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        self.lock().events.clone()
    }

    /// How many events were taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.lock().events.len()
    }

    /// The events of one type.
    #[must_use]
    pub fn events_of(&self, kind: &str) -> Vec<Value> {
        self.events().into_iter().filter(|event| event["type"] == kind).collect()
    }

    /// The contacts taken, each once.
    #[must_use]
    pub fn contacts(&self) -> Vec<Value> {
        self.events_of("contact.accepted")
    }

    /// The contact with this subject, if it is there.
    #[must_use]
    pub fn contact(&self, subject: &str) -> Option<Value> {
        self.contacts().into_iter().find(|event| event["subject"] == subject)
    }

    /// Whether all that arrived kept to the contract: signed, the same bytes each time, in order, one at a time.
    ///
    /// # Errors
    /// With every breach.
    pub fn audit(&self) -> Result<()> {
        let faults = self.lock().faults.clone();
        if !faults.is_empty() {
            bail!("the core complains: {}", faults.join("; "));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.task.abort();
    }
}
