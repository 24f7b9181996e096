//! Upkeep: purging, counting, and whether writing works right now.

use crate::keys::{BrandKeys, PROBE};
use crate::scripts::{Call, scripts};
use crate::store::{Core, RedisStore};
use crate::{durability, encode, error::unreadable, purge, reply};
use async_trait::async_trait;
use futures_util::future::join_all;
use lodge_domain::Timestamp;
use lodge_domain::ports::{Counts, Housekeeping, LaneDepth, PurgeClass, StoreError};
use std::collections::BTreeMap;
use std::sync::PoisonError;

#[async_trait]
impl Housekeeping for RedisStore {
    async fn purge(&self, class: PurgeClass, before: Timestamp) -> Result<u64, StoreError> {
        purge::purge(&self.core, class, before).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        count(&self.core).await
    }

    async fn check(&self) -> Result<String, StoreError> {
        let probe = Call::new(&scripts().probe, PROBE).with(encode::time(self.core.clock.now()));
        self.core.wire.call(&probe).await?;
        let found = durability::ask(&self.core.wire).await?;
        if let Some(reason) = found.refusal() {
            return Err(StoreError::Unavailable(reason));
        }
        let mut words = found.words();
        *self.durability.lock().unwrap_or_else(PoisonError::into_inner) = found;
        let losses = self.losses();
        if losses > 0 {
            let last = self
                .core
                .last_loss
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
                .unwrap_or_default();
            words.push_str(&format!(
                "; noticed {losses} time(s) that confirmed contacts were forgotten, last {last}"
            ));
        }
        Ok(words)
    }
}

/// Counts over all brands.
pub(crate) async fn count(core: &Core) -> Result<Counts, StoreError> {
    let brands = core.all_brands().await?;
    let calls = brands.iter().map(|brand| {
        let call = Call::new(&scripts().counts, &BrandKeys::new(brand).head());
        async move { reply::bytes_list(core.wire.call(&call).await?) }
    });
    let mut sums = [0_u64; 4];
    let mut lanes: BTreeMap<String, (u64, Option<Timestamp>)> = BTreeMap::new();
    for answer in join_all(calls).await {
        let mut words = answer?.into_iter();
        let mut next = || words.next().and_then(|raw| String::from_utf8(raw).ok());
        for sum in &mut sums {
            let more: u64 = next().and_then(|text| text.parse().ok()).ok_or_else(|| unreadable("counts"))?;
            *sum += more;
        }
        while let (Some(lane), Some(depth), Some(oldest)) = (next(), next(), next()) {
            let entry = lanes.entry(lane).or_default();
            entry.0 += depth.parse::<u64>().map_err(|_| unreadable("counts"))?;
            let oldest = encode::read_time(&oldest);
            entry.1 = match (entry.1, oldest) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
    }
    let [envelopes, conversations, events, dead_letters] = sums;
    let lanes = lanes.into_iter().map(|(lane, (depth, oldest))| LaneDepth { lane, depth, oldest }).collect();
    Ok(Counts { envelopes, conversations, events, dead_letters, lanes })
}
