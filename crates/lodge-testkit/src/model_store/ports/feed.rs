//! The port of this name, over the model's records.

use crate::model_store::ModelStore;
use async_trait::async_trait;
use lodge_domain::ports::{Feed, FeedCursor, FeedItem, FeedPage, StoreError};
use lodge_domain::{BrandName, EventId};
use std::time::Duration;

/// Cursors are `m` and the number of the last event read.
fn number(cursor: &FeedCursor) -> Option<u64> {
    cursor.0.strip_prefix('m')?.parse().ok()
}

#[async_trait]
impl Feed for ModelStore {
    async fn read(&self, after: Option<&FeedCursor>, most: usize) -> Result<Option<FeedPage>, StoreError> {
        let Some(after) = after.map_or(Some(0), number) else { return Ok(None) };
        let state = self.read();
        let newer: Vec<&(u64, FeedItem)> =
            state.feed.iter().filter(|(number, _)| *number > after).take(most).collect();
        let last = newer.last().map_or(after, |(number, _)| *number);
        let items = newer.into_iter().map(|(_, item)| item.clone()).collect();
        Ok(Some(FeedPage { items, next: FeedCursor(format!("m{last}")) }))
    }

    async fn event(&self, brand: &BrandName, event: &EventId) -> Result<Option<FeedItem>, StoreError> {
        let state = self.read();
        let mut items = state.feed.iter().map(|(_, item)| item);
        Ok(items.find(|item| item.brand == *brand && item.event == *event).cloned())
    }

    async fn wait_feed(&self, most: Duration) {
        let published = self.read().published;
        self.wait_until(most.min(Duration::from_millis(250)), |state| state.published > published).await;
    }
}
