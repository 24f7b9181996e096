//! What was given up or could not be understood, kept until somebody decides.

use super::StoreError;
use crate::{BrandName, NewWork, WorkId};
use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Something that was given up or could not be understood. Never deleted by age.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The work as it was.
    pub work: NewWork,
    /// How many tries counted.
    pub attempts: u32,
    /// Why it was given up, in a fixed phrase.
    pub reason: String,
    /// The last error.
    pub error: String,
    /// When.
    pub at: Timestamp,
}

/// What was given up: kept, shown, replayed or discarded.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// Adds one that never was work (a raw original in quarantine); nothing where its id is there already.
    async fn bury(&self, letter: DeadLetter) -> Result<(), StoreError>;

    /// Those of a brand, in the order they were given up, after `after`, up to `most`; from the oldest where `after` is
    /// not (or no longer) among them.
    async fn page(
        &self,
        brand: &BrandName,
        after: Option<&WorkId>,
        most: usize,
    ) -> Result<Vec<DeadLetter>, StoreError>;

    /// One.
    async fn dead_letter(&self, brand: &BrandName, id: &WorkId) -> Result<Option<DeadLetter>, StoreError>;

    /// Puts one back into its lane, due at once, with no attempts, claims or mark, and removes it here, in one step;
    /// `false` where there is none. Not for quarantine, which its door takes in again.
    async fn replay(&self, brand: &BrandName, id: &WorkId) -> Result<bool, StoreError>;

    /// Removes one for good; `false` where there is none.
    async fn discard(&self, brand: &BrandName, id: &WorkId) -> Result<bool, StoreError>;
}
