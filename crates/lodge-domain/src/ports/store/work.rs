//! The durable lanes between the rooms.

use super::StoreError;
use crate::effect::{Applied, Effect};
use crate::{Claim, Lane, Settlement};
use async_trait::async_trait;
use std::time::Duration;

/// The durable lanes.
///
/// A claim is exclusive until its lease ends; then the work can be claimed again (`claims` tells). Within one
/// conversation a lane hands work out in the order it was enqueued, the next only after the one before was settled
/// `Done` or `Dead`; one that waits for its retry holds the others of its conversation back, and nobody else.
/// Claims rotate over brands, so that a flood in one does not starve another. Leases never guard correctness: whatever
/// is done twice must be recognised by the far side.
///
/// Read closely: a lease is lost once somebody else claimed the work, or it was settled; one that merely ended can
/// still be settled, renewed and marked. Work whose lease ended counts as due since then. "In the order it was enqueued"
/// is within one brand, lane and conversation; a dead letter that is replayed goes to the end. Work without a
/// conversation waits for nobody. `Dead` keeps the attempts as they were counted so far. A quarantined letter that was
/// never work is only ever a dead letter.
#[async_trait]
pub trait WorkQueue: Send + Sync {
    /// Up to `most` items of `lane` that are due, each leased for `lease`; oldest due first within a brand.
    async fn claim(&self, lane: &Lane, most: usize, lease: Duration) -> Result<Vec<Claim>, StoreError>;

    /// Ends claims, each with its effects, each in one atomic step of its own; one answer each, in order. A lost lease
    /// answers [`Applied::LeaseLost`] and changes nothing.
    async fn settle(
        &self,
        settled: Vec<(Claim, Settlement, Vec<Effect>)>,
    ) -> Result<Vec<Applied>, StoreError>;

    /// Prolongs a claim by `lease` from now; `false` where it was lost.
    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool, StoreError>;

    /// Marks, durably, that the far side may be reached from here on; the next claim of this work shows the mark,
    /// whatever happens, until a `RetryAt` clears it. `false` where the lease was lost.
    async fn mark(&self, claim: &Claim) -> Result<bool, StoreError>;

    /// Returns when `lane` may have something due, at the latest after `most`. Wakes at once for work enqueued through
    /// this handle, within a second for work of other processes and for work that becomes due.
    async fn wait(&self, lane: &Lane, most: Duration);

    /// The lanes that hold work.
    async fn lanes(&self) -> Result<Vec<Lane>, StoreError>;
}
