//! What we sent, by the ids that the provider gave it: echoes and receipts find their way to it, and a reply in several
//! parts goes on where it stopped.
//!
//! Kept in a few small values of the inbox's state, each for a share of the parties; entries go after two weeks, and the
//! oldest before that where a share is full.

use jiff::{SignedDuration, Timestamp};
use lodge_domain::ports::{InboxState, StoreError};
use lodge_domain::{InboxId, OutboundId, digest_parts};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const KEPT: SignedDuration = SignedDuration::from_hours(24 * 14);
const MOST_ENTRIES: usize = 2000;

/// One part that went out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// To whom.
    pub(crate) party: String,
    /// The provider's id of it, where it gave one.
    pub(crate) id: Option<String>,
    /// What it is part of.
    pub(crate) about: OutboundId,
    /// Which part, from 0.
    pub(crate) part: usize,
    /// When.
    pub(crate) at: Timestamp,
}

/// What one inbox sent.
#[derive(Clone)]
pub(crate) struct Outbox {
    pub(crate) state: Arc<dyn InboxState>,
    pub(crate) inbox: InboxId,
}

impl Outbox {
    /// Notes a part that went out, durably.
    pub(crate) async fn note(&self, entry: Entry) -> Result<(), StoreError> {
        let key = key(&entry.party);
        loop {
            let (version, mut entries) = self.load(&key).await?;
            let limit = entry.at.checked_sub(KEPT).unwrap_or(Timestamp::MIN);
            entries.retain(|old| old.at > limit);
            if entries.len() >= MOST_ENTRIES {
                entries.drain(..=entries.len() - MOST_ENTRIES);
            }
            entries.push(entry.clone());
            let value = serde_json::to_vec(&entries).map_err(|e| StoreError::Unreadable(e.to_string()))?;
            if self.state.save(&self.inbox, &key, version, value.into()).await?.is_some() {
                return Ok(());
            }
        }
    }

    /// All that went to `party`, oldest first.
    pub(crate) async fn to(&self, party: &str) -> Result<Vec<Entry>, StoreError> {
        let (_, entries) = self.load(&key(party)).await?;
        Ok(entries.into_iter().filter(|entry| entry.party == party).collect())
    }

    async fn load(&self, key: &str) -> Result<(u64, Vec<Entry>), StoreError> {
        let Some(stored) = self.state.load(&self.inbox, key).await? else { return Ok((0, Vec::new())) };
        let entries = serde_json::from_slice(&stored.value);
        Ok((stored.version, entries.map_err(|e| StoreError::Unreadable(e.to_string()))?))
    }
}

fn key(party: &str) -> String {
    format!("outbox/{:x}", digest_parts(&[party.as_bytes()])[0] >> 4)
}
