//! Counts, durably and before the work, how often something was tried: what ends the process is counted too.
//!
//! Crash point C4: a contact that aborts the process while it is parsed would come back after every restart. So a batch
//! writes down what it is about to parse; after a crash the ones written down are tried one by one, and the third
//! failure sends the raw original to quarantine.

use bytes::Bytes;
use lodge_domain::InboxId;
use lodge_domain::ports::{InboxState, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Tries counted under one key of an inbox's state.
pub struct Attempts {
    state: Arc<dyn InboxState>,
    inbox: InboxId,
    key: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    /// How often each item failed or was under way when the process ended.
    tries: BTreeMap<String, u32>,
}

impl Attempts {
    /// How many tries an item has before it goes into quarantine.
    pub const MOST: u32 = 3;

    /// Tries kept under `key`.
    #[must_use]
    pub fn new(state: Arc<dyn InboxState>, inbox: InboxId, key: impl Into<String>) -> Self {
        Self { state, inbox, key: key.into() }
    }

    /// The items that were tried without an end, and how often. They are to be tried one by one.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn pending(&self) -> Result<BTreeMap<String, u32>, StoreError> {
        Ok(self.load().await?.1.tries)
    }

    /// Counts one more try of each of `items`, durably. Call before the work; one write for the whole batch.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn begin(&self, items: &[String]) -> Result<(), StoreError> {
        self.change(|tries| {
            for item in items {
                *tries.entry(item.clone()).or_insert(0) += 1;
            }
        })
        .await
    }

    /// Forgets `items`: they came to an end.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn end(&self, items: &[String]) -> Result<(), StoreError> {
        self.change(|tries| {
            for item in items {
                tries.remove(item);
            }
        })
        .await
    }

    async fn change(&self, edit: impl Fn(&mut BTreeMap<String, u32>) + Send) -> Result<(), StoreError> {
        loop {
            let (version, mut record) = self.load().await?;
            edit(&mut record.tries);
            let value = serde_json::to_vec(&record).map_err(|e| StoreError::Unreadable(e.to_string()))?;
            if self.state.save(&self.inbox, &self.key, version, Bytes::from(value)).await?.is_some() {
                return Ok(());
            }
        }
    }

    async fn load(&self) -> Result<(u64, Record), StoreError> {
        match self.state.load(&self.inbox, &self.key).await? {
            None => Ok((0, Record::default())),
            Some(stored) => {
                let record = serde_json::from_slice(&stored.value);
                Ok((stored.version, record.map_err(|e| StoreError::Unreadable(e.to_string()))?))
            }
        }
    }
}
