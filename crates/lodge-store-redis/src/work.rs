//! The durable lanes.

use crate::keys::BrandKeys;
use crate::scripts::{Call, scripts};
use crate::settle::Settling;
use crate::signals::LOOK_AGAIN;
use crate::store::{Core, RedisStore, ask};
use crate::{encode, records, reply};
use async_trait::async_trait;
use futures_util::future::join_all;
use lodge_domain::effect::{Applied, Effect};
use lodge_domain::ports::{StoreError, WorkQueue};
use lodge_domain::{BrandName, Claim, Lane, Settlement, SignedDuration, Timestamp};
use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How many one script claims at most.
const MOST: usize = 512;

#[async_trait]
impl WorkQueue for RedisStore {
    async fn claim(&self, lane: &Lane, most: usize, lease: Duration) -> Result<Vec<Claim>, StoreError> {
        let brands = self.core.all_brands().await?;
        if brands.is_empty() || most == 0 {
            return Ok(Vec::new());
        }
        // Rotates over brands, each with an equal share; what some leave others may have.
        let start = self.core.rotation.fetch_add(1, Ordering::Relaxed) % brands.len();
        let mut waiting: VecDeque<&BrandName> = brands[start..].iter().chain(&brands[..start]).collect();
        let mut claims = Vec::new();
        while claims.len() < most && !waiting.is_empty() {
            let left = most - claims.len();
            let share = (left / waiting.len()).clamp(1, MOST);
            let round: Vec<&BrandName> = waiting.drain(..waiting.len().min(left)).collect();
            let found =
                join_all(round.iter().map(|brand| claim(&self.core, brand, lane, share, lease))).await;
            let mut failed = None;
            for (brand, found) in round.into_iter().zip(found) {
                match found {
                    Ok(some) => {
                        if some.len() == share {
                            waiting.push_back(brand);
                        }
                        claims.extend(some);
                    }
                    Err(error) => failed = Some(error),
                }
            }
            // What was claimed is handed out even if another brand's records cannot be read.
            match failed {
                Some(error) if claims.is_empty() => return Err(error),
                Some(error) => tracing::error!(%lane, %error, "claiming failed for a brand"),
                None => {}
            }
        }
        Ok(claims)
    }

    async fn settle(
        &self,
        settled: Vec<(Claim, Settlement, Vec<Effect>)>,
    ) -> Result<Vec<Applied>, StoreError> {
        if settled.is_empty() {
            return Ok(Vec::new());
        }
        ask(&self.settling, |answer| Settling { settled, answer }).await
    }

    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool, StoreError> {
        hold(&self.core, claim, &encode::time(after(self.core.clock.now(), lease))).await
    }

    async fn mark(&self, claim: &Claim) -> Result<bool, StoreError> {
        hold(&self.core, claim, "").await
    }

    async fn wait(&self, lane: &Lane, most: Duration) {
        let bell = self.core.signals.lane(lane);
        let end = Instant::now() + most;
        loop {
            let mut rung = std::pin::pin!(bell.notified());
            rung.as_mut().enable();
            // Failure to look is no news; the next claim will tell.
            match timeout(end.saturating_duration_since(Instant::now()), is_due(&self.core, lane)).await {
                Err(_) | Ok(Ok(true)) => return,
                Ok(Ok(false) | Err(_)) => {}
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || timeout(left.min(LOOK_AGAIN), rung).await.is_ok() {
                return;
            }
        }
    }

    async fn lanes(&self) -> Result<Vec<Lane>, StoreError> {
        let counts = crate::housekeeping::count(&self.core).await?;
        let lanes: BTreeSet<Lane> =
            counts.lanes.iter().filter_map(|depth| Lane::parse(&depth.lane)).collect();
        Ok(lanes.into_iter().collect())
    }
}

fn after(now: Timestamp, lease: Duration) -> Timestamp {
    SignedDuration::try_from(lease)
        .ok()
        .and_then(|lease| now.checked_add(lease).ok())
        .unwrap_or(Timestamp::MAX)
}

async fn claim(
    core: &Core,
    brand: &BrandName,
    lane: &Lane,
    most: usize,
    lease: Duration,
) -> Result<Vec<Claim>, StoreError> {
    let now = core.clock.now();
    let until = after(now, lease);
    let call = Call::new(&scripts().claim, &BrandKeys::new(brand).head())
        .with(lane.to_string())
        .with(most.to_string())
        .with(encode::time(now))
        .with(encode::time(until))
        .with(core.claim_token());
    let found = reply::pairs(core.wire.call(&call).await?)?;
    let read = |(id, raw): &(Vec<u8>, Vec<u8>)| {
        let (work, token, _) = records::work(brand, reply::utf8(id)?, raw)?;
        Ok(Claim { work, token, until })
    };
    found.iter().map(read).collect()
}

async fn hold(core: &Core, claim: &Claim, until: &str) -> Result<bool, StoreError> {
    let call = Call::new(&scripts().hold, &BrandKeys::new(&claim.work.new.brand).head())
        .with(encode::short(claim.work.new.id.as_str()))
        .with(&claim.token)
        .with(until);
    Ok(reply::number(core.wire.call(&call).await?)? == 1)
}

/// Whether any brand has something due in `lane`.
async fn is_due(core: &Core, lane: &Lane) -> Result<bool, StoreError> {
    let now = encode::micros(core.clock.now());
    let brands = core.recent_brands().await?;
    let looks = brands.iter().map(|brand| {
        let mut command = redis::cmd("ZRANGEBYSCORE");
        command.arg(BrandKeys::new(brand).due(lane)).arg("-inf").arg(&now).arg("LIMIT").arg(0).arg(1);
        async move { reply::list(core.wire.command(&command).await?) }
    });
    for found in join_all(looks).await {
        if !found?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}
