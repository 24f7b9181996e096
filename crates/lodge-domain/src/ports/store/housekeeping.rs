//! Counting, purging by age, and what a store says about itself.

use super::StoreError;
use async_trait::async_trait;
use jiff::Timestamp;

/// Classes of records that age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurgeClass {
    /// Dedupe and source entries, by when their contact was accepted.
    Dedupe,
    /// Conversations whose last contact is old, with their keys, envelopes, journals and outbound records; none that
    /// still has work or dead letters.
    Conversations,
    /// Events in the feed that are old and whose forward (work of kind Forward with the event as subject) is neither
    /// pending nor among the dead letters.
    Feed,
    /// Timelines whose last entry and note are old, whole.
    Timelines,
    /// Guards of commands by when they were kept, windows of budgets and leases by when they ended. Fences never go back.
    Transient,
}

/// How much lies in a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneDepth {
    /// The lane.
    pub lane: String,
    /// All items.
    pub depth: u64,
    /// When the oldest was enqueued.
    pub oldest: Option<Timestamp>,
}

/// Counts for reconciliation and the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Envelopes kept.
    pub envelopes: u64,
    /// Conversations kept.
    pub conversations: u64,
    /// Events in the feed.
    pub events: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// Work by lane.
    pub lanes: Vec<LaneDepth>,
}

/// Upkeep.
#[async_trait]
pub trait Housekeeping: Send + Sync {
    /// Removes records of `class` older than `before`, in bounded portions; how many went.
    async fn purge(&self, class: PurgeClass, before: Timestamp) -> Result<u64, StoreError>;

    /// What is there.
    async fn counts(&self) -> Result<Counts, StoreError>;

    /// Makes sure that writing works right now, and says what an accepted contact survives here.
    async fn check(&self) -> Result<String, StoreError>;
}
