//! The finished events, in order, for a core that fetches them.

use super::StoreError;
use crate::{BrandName, ConversationId, EventId};
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use std::time::Duration;

/// A place in the feed; opaque, and only good for the store that gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedCursor(pub String);

/// A finished event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedItem {
    /// Its id.
    pub event: EventId,
    /// Its brand.
    pub brand: BrandName,
    /// Where it belongs.
    pub conversation: Option<ConversationId>,
    /// The event, byte for byte.
    pub body: Bytes,
    /// When it was finished.
    pub at: Timestamp,
}

/// A page of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedPage {
    /// Its events, in the order they were published.
    pub items: Vec<FeedItem>,
    /// Where the next page starts.
    pub next: FeedCursor,
}

/// Finished events in the order they were published; kept until they are purged.
#[async_trait]
pub trait Feed: Send + Sync {
    /// Up to `most` events after `after`, or from the oldest kept. A cursor that cannot be read: `None`.
    async fn read(&self, after: Option<&FeedCursor>, most: usize) -> Result<Option<FeedPage>, StoreError>;

    /// One event by its id.
    async fn event(&self, brand: &BrandName, event: &EventId) -> Result<Option<FeedItem>, StoreError>;

    /// Returns when there may be something newer, at the latest after `most`; as prompt as [`super::WorkQueue::wait`].
    async fn wait_feed(&self, most: Duration);
}
