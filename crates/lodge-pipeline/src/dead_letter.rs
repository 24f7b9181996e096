//! What was given up: listed, put back, or discarded for good, over all brands.

use crate::parts::Facets;
use jiff::Timestamp;
use lodge_domain::ports::{DeadLetter, StoreError};
use lodge_domain::{BrandName, WorkId, WorkKind};

/// How many are read at a time.
const PAGE: usize = 256;

/// Where operators handle dead letters; works beside a running gateway and without one.
pub struct DeadLetterDesk {
    store: Facets,
}

/// What became of a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Put back into their lanes.
    pub replayed: Vec<WorkId>,
    /// Raw originals that could not be understood: their door takes them in again, not their lane.
    pub quarantined: Vec<DeadLetter>,
    /// Asked for, and not there.
    pub unknown: Vec<WorkId>,
}

/// Which dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// These.
    Ids(Vec<WorkId>),
    /// Those given up at or after this time.
    Since(Timestamp),
    /// All of them.
    All,
}

impl DeadLetterDesk {
    /// A desk for this store.
    #[must_use]
    pub fn new(store: Facets) -> Self {
        Self { store }
    }

    /// All of them, brand by brand, in the order they were given up.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn list(&self) -> Result<Vec<DeadLetter>, StoreError> {
        all(&self.store).await
    }

    /// One, by its work's id or by what it is about (an event's or a reply's id).
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn find(&self, id: &str) -> Result<Option<DeadLetter>, StoreError> {
        let all = self.list().await?;
        Ok(all.into_iter().find(|letter| letter.work.id.as_str() == id || letter.work.subject == id))
    }

    /// Puts those selected back into their lanes, due at once, under the same ids: the far side knows them again.
    ///
    /// # Errors
    /// Where the store fails; what was put back until then stays so, and a repeat goes on with the rest.
    pub async fn replay(&self, selection: &Selection) -> Result<Replayed, StoreError> {
        let all = self.list().await?;
        let mut out = Replayed::default();
        if let Selection::Ids(ids) = selection {
            let known = |id: &&WorkId| all.iter().any(|letter| letter.work.id == **id);
            out.unknown = ids.iter().filter(|id| !known(id)).cloned().collect();
        }
        for letter in all {
            let wanted = match selection {
                Selection::Ids(ids) => ids.contains(&letter.work.id),
                Selection::Since(since) => letter.at >= *since,
                Selection::All => true,
            };
            if !wanted {
                continue;
            }
            if letter.work.kind == WorkKind::Quarantine {
                out.quarantined.push(letter);
            } else if self.store.dead_letters.replay(&letter.work.brand, &letter.work.id).await? {
                out.replayed.push(letter.work.id);
            }
        }
        Ok(out)
    }

    /// Removes one for good; `false` where there is none.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn discard(&self, brand: &BrandName, id: &WorkId) -> Result<bool, StoreError> {
        self.store.dead_letters.discard(brand, id).await
    }
}

/// All dead letters of all brands.
pub(crate) async fn all(store: &Facets) -> Result<Vec<DeadLetter>, StoreError> {
    let mut all = Vec::new();
    for brand in store.ledger.brands().await? {
        let mut after: Option<WorkId> = None;
        loop {
            let page = store.dead_letters.page(&brand, after.as_ref(), PAGE).await?;
            let full = page.len() == PAGE;
            after = page.last().map(|letter| letter.work.id.clone());
            all.extend(page);
            if !full || after.is_none() {
                break;
            }
        }
    }
    Ok(all)
}
