//! Small versioned values of an inbox, changed only by who saw the latest.

use super::StoreError;
use crate::InboxId;
use async_trait::async_trait;
use bytes::Bytes;

/// A small value and how often it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateValue {
    /// Counts the writes from 1.
    pub version: u64,
    /// The value.
    pub value: Bytes,
}

/// Small versioned values of an inbox: a cursor, a rotated token, counted attempts.
#[async_trait]
pub trait InboxState: Send + Sync {
    /// The value under `key`.
    async fn load(&self, inbox: &InboxId, key: &str) -> Result<Option<StateValue>, StoreError>;

    /// Writes `value` (at most 1 MiB) if the stored version is `expected` (0: none), durably; the new version, or
    /// `None` where somebody else wrote meanwhile.
    async fn save(
        &self,
        inbox: &InboxId,
        key: &str,
        expected: u64,
        value: Bytes,
    ) -> Result<Option<u64>, StoreError>;

    /// All values of the inbox whose keys start with `prefix`, sorted by key.
    async fn list(&self, inbox: &InboxId, prefix: &str) -> Result<Vec<(String, StateValue)>, StoreError>;

    /// The first `most` values of the inbox whose keys are `from` or come after it, and come before `to`, sorted by key (in
    /// the order of their bytes). A store's own way costs what it finds,
    /// not what there is; this one is for stand-ins.
    async fn range(
        &self,
        inbox: &InboxId,
        from: &str,
        to: &str,
        most: usize,
    ) -> Result<Vec<(String, StateValue)>, StoreError> {
        let mut all = self.list(inbox, "").await?;
        all.retain(|(key, _)| from <= key.as_str() && key.as_str() < to);
        all.truncate(most);
        Ok(all)
    }

    /// Removes the value under `key`, whatever its version.
    async fn remove(&self, inbox: &InboxId, key: &str) -> Result<(), StoreError>;
}
