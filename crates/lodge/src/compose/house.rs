//! The house while it runs: its store, its hallway, how its parts fare.

use super::Building;
use lodge_channel::{Health, HealthReport};
use lodge_domain::ports::{Clock, Store};
use lodge_pipeline::Pipeline;
use lodge_telemetry::catalogue::{LaneLabels, metrics};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What the internal pages look at.
pub struct House {
    store: Arc<dyn Store>,
    pipeline: Arc<Pipeline>,
    clock: Arc<dyn Clock>,
    closing: CancellationToken,
    health: Mutex<Vec<Arc<Health>>>,
    lanes_seen: Mutex<Vec<String>>,
}

/// A lane that does not move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedLane {
    /// The lane.
    pub lane: String,
    /// Since when.
    pub since: Option<jiff::Timestamp>,
    /// Why, in the far side's words.
    pub why: Option<String>,
}

impl House {
    /// The house of `building`, with the doors that `health` speaks for.
    #[must_use]
    pub fn new(building: &Building, health: Vec<Arc<Health>>) -> Arc<Self> {
        Arc::new(Self {
            store: building.store(),
            pipeline: building.pipeline(),
            clock: building.clock(),
            closing: building.closing(),
            health: Mutex::new(health),
            lanes_seen: Mutex::default(),
        })
    }

    /// Its store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Why contacts cannot be accepted now; empty where they can.
    pub async fn not_ready(&self) -> Vec<String> {
        const PATIENCE: Duration = Duration::from_secs(3);
        let mut reasons = Vec::new();
        if self.closing.is_cancelled() {
            reasons.push("the gateway is stopping".to_owned());
        }
        match tokio::time::timeout(PATIENCE, self.store.check()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => reasons.push(error.to_string()),
            Err(_) => reasons.push(format!("the store does not answer within {} s", PATIENCE.as_secs())),
        }
        reasons
    }

    /// How the doors fare.
    #[must_use]
    pub fn health(&self) -> Vec<HealthReport> {
        self.health
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|health| health.report())
            .collect()
    }

    /// The lanes that do not move.
    #[must_use]
    pub fn lanes(&self) -> Vec<ParkedLane> {
        let halted = self.pipeline.health().into_iter().filter(|lane| !lane.is_healthy());
        let parked = halted.map(|lane| ParkedLane {
            lane: lane.lane.to_string(),
            since: lane.halted_since,
            why: lane.why,
        });
        parked.collect()
    }

    /// Brings the gauges up to date before they are read. A store that does not answer leaves them as they were.
    pub async fn refresh_gauges(&self) {
        let Ok(counts) = self.store.counts().await else { return };
        let now = self.clock.now();
        metrics().dead_letters.set(i64::try_from(counts.dead_letters).unwrap_or(i64::MAX));
        let mut seen = self.lanes_seen.lock().unwrap_or_else(PoisonError::into_inner);
        for lane in seen.iter().filter(|lane| !counts.lanes.iter().any(|depth| depth.lane == **lane)) {
            let labels = LaneLabels { lane: lane.clone() };
            metrics().lane_depth.get_or_create(&labels).set(0);
            metrics().lane_oldest_seconds.get_or_create(&labels).set(0);
        }
        for depth in &counts.lanes {
            let labels = LaneLabels { lane: depth.lane.clone() };
            metrics().lane_depth.get_or_create(&labels).set(i64::try_from(depth.depth).unwrap_or(i64::MAX));
            let age = depth.oldest.map_or(0, |at| now.duration_since(at).as_secs().max(0));
            metrics().lane_oldest_seconds.get_or_create(&labels).set(age);
            if !seen.contains(&depth.lane) {
                seen.push(depth.lane.clone());
            }
        }
    }
}
