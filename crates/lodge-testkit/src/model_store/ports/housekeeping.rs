//! The port of this name, over the model's records.

use crate::model_store::{ModelStore, purge};
use async_trait::async_trait;
use lodge_domain::Timestamp;
use lodge_domain::ports::{Counts, Housekeeping, LaneDepth, PurgeClass, StoreError};
use std::collections::BTreeMap;

#[async_trait]
impl Housekeeping for ModelStore {
    async fn purge(&self, class: PurgeClass, before: Timestamp) -> Result<u64, StoreError> {
        Ok(self.write(|state| purge::purge(state, class, before)))
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        let state = self.read();
        let mut lanes: BTreeMap<String, LaneDepth> = BTreeMap::new();
        for item in &state.work {
            let lane = item.work.new.lane.to_string();
            let empty = LaneDepth { lane: lane.clone(), depth: 0, oldest: None };
            let depth = lanes.entry(lane).or_insert(empty);
            depth.depth += 1;
            let since = item.work.enqueued_at;
            depth.oldest = Some(depth.oldest.map_or(since, |oldest| oldest.min(since)));
        }
        Ok(Counts {
            envelopes: state.envelopes.len() as u64,
            conversations: state.conversations.len() as u64,
            events: state.feed.len() as u64,
            dead_letters: state.dead_letters.len() as u64,
            lanes: lanes.into_values().collect(),
        })
    }

    async fn check(&self) -> Result<String, StoreError> {
        Ok("an accepted contact survives nothing: the model store is memory".to_owned())
    }
}
