//! Counters within windows, taken all or none: caps on acknowledgments, rates and bytes.

use super::StoreError;
use crate::{BrandName, Digest};
use async_trait::async_trait;
use jiff::Timestamp;
use std::time::Duration;

/// A request for units of a windowed allowance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// What is counted, hashed: never a person in clear.
    pub key: Digest,
    /// What the operator is told when it is used up, such as `3 an hour to one address`.
    pub label: String,
    /// The window; it starts with the first unit taken and ends this much later.
    pub window: Duration,
    /// How many units it holds; at most 2^53.
    pub limit: u64,
    /// How many units are asked for.
    pub amount: u64,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BudgetVerdict {
    /// The units asked for were taken of each.
    Granted,
    /// None was taken: this one has not so many left.
    Exhausted {
        /// Its label.
        label: String,
        /// When its window ends.
        until: Timestamp,
    },
}

/// Windowed allowances.
#[async_trait]
pub trait Budgets: Send + Sync {
    /// Takes the units asked for of every tally, or of none; the first in order that has not so many left is named.
    /// Atomic.
    async fn take(&self, brand: &BrandName, tallies: &[Tally]) -> Result<BudgetVerdict, StoreError>;
}
