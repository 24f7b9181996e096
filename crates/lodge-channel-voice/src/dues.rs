//! What is to be looked at when: keys of the inbox's state that begin with a time, so that looking costs what is due and
//! not what exists. A note says nothing by itself; whoever finds one looks at what it names.

use bytes::Bytes;
use jiff::Timestamp;
use lodge_domain::InboxId;
use lodge_domain::ports::{InboxState, StoreError};
use std::sync::Arc;

/// The most notes read at a time.
pub(crate) const PORTION: usize = 100;

/// Notes of one kind.
pub(crate) struct Dues {
    pub(crate) inbox: InboxId,
    pub(crate) state: Arc<dyn InboxState>,
    /// The first part of their keys.
    pub(crate) kind: &'static str,
}

impl Dues {
    fn before(&self, at: Timestamp) -> String {
        // Nanoseconds since 1970; twenty digits last for 3,000 years.
        format!("{}/{:020}", self.kind, at.as_nanosecond().max(0))
    }

    /// Notes that `name` is to be looked at, at `at`.
    pub(crate) async fn note(&self, at: Timestamp, name: &str) -> Result<(), StoreError> {
        let key = format!("{}/{name}", self.before(at));
        self.state.save(&self.inbox, &key, 0, Bytes::new()).await.map(drop)
    }

    /// What is due at `now`, the oldest first: each note's key, and what it names.
    pub(crate) async fn due(&self, now: Timestamp) -> Result<Vec<(String, String)>, StoreError> {
        // What follows the time in a key is a stroke, and `0` comes right after that.
        let (from, to) = (format!("{}/", self.kind), format!("{}0", self.before(now)));
        let found = self.state.range(&self.inbox, &from, &to, PORTION).await?;
        let named = found.into_iter().filter_map(|(key, _)| {
            let name = key.splitn(3, '/').nth(2)?.to_owned();
            Some((key, name))
        });
        Ok(named.collect())
    }

    /// Strikes a note out.
    pub(crate) async fn strike(&self, key: &str) -> Result<(), StoreError> {
        self.state.remove(&self.inbox, key).await
    }
}
