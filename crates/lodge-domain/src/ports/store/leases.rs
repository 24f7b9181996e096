//! One holder a name, for a while.

use super::StoreError;
use async_trait::async_trait;
use std::time::Duration;

/// A lease that was won.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What is leased.
    pub name: String,
    /// Who holds it.
    pub holder: String,
    /// Grows with every new holder.
    pub fence: u64,
}

/// One holder a name, for a while. Saves work; never guards correctness.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Takes `name` for `ttl` if it is free, expired, or already `holder`'s (which prolongs it under the same fence).
    async fn acquire(&self, name: &str, holder: &str, ttl: Duration) -> Result<Option<Lease>, StoreError>;

    /// Gives it back, if it still is this holder's.
    async fn release(&self, lease: &Lease) -> Result<(), StoreError>;
}
