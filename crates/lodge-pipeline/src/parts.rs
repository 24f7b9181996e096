//! What the composer hands in.

use crate::settings::{Limits, Live};
use jiff::Timestamp;
use lodge_domain::ports::{
    Blobs, Budgets, Clock, DeadLetters, Entropy, Feed, Housekeeping, InboxState, Leases, Ledger, Store,
    TicketSink, WorkQueue,
};
use lodge_domain::{BlobRef, BrandName, ConversationId, NodeName, PartyHandle};
use std::sync::Arc;

/// The facets of the store that this room uses.
#[derive(Clone)]
pub struct Facets {
    /// Contacts and conversations.
    pub ledger: Arc<dyn Ledger>,
    /// Durable work.
    pub work: Arc<dyn WorkQueue>,
    /// Finished events.
    pub feed: Arc<dyn Feed>,
    /// What was given up.
    pub dead_letters: Arc<dyn DeadLetters>,
    /// Allowances.
    pub budgets: Arc<dyn Budgets>,
    /// One holder a name.
    pub leases: Arc<dyn Leases>,
    /// Small versioned values: what waits for its contact.
    pub state: Arc<dyn InboxState>,
    /// Upkeep.
    pub housekeeping: Arc<dyn Housekeeping>,
}

impl Facets {
    /// All of them from one store.
    #[must_use]
    pub fn of(store: &Arc<dyn Store>) -> Self {
        Self {
            ledger: Arc::clone(store) as Arc<dyn Ledger>,
            work: Arc::clone(store) as Arc<dyn WorkQueue>,
            feed: Arc::clone(store) as Arc<dyn Feed>,
            dead_letters: Arc::clone(store) as Arc<dyn DeadLetters>,
            budgets: Arc::clone(store) as Arc<dyn Budgets>,
            leases: Arc::clone(store) as Arc<dyn Leases>,
            state: Arc::clone(store) as Arc<dyn InboxState>,
            housekeeping: Arc::clone(store) as Arc<dyn Housekeeping>,
        }
    }
}

/// Makes the links that stand in events and acknowledgments.
///
/// Pure: the same arguments make the same link, so that triage done twice makes the same event.
pub trait Links: Send + Sync {
    /// A signed link to a blob, good until `expires`; `None` where blobs cannot be reached from outside.
    fn blob(
        &self,
        blob: &BlobRef,
        name: Option<&str>,
        media_type: &str,
        expires: Timestamp,
    ) -> Option<String>;

    /// A signed link to a participant's own page of a conversation; `None` where there is no such page.
    fn page(
        &self,
        brand: &BrandName,
        conversation: &ConversationId,
        party: &PartyHandle,
        expires: Timestamp,
    ) -> Option<String> {
        let (_, _, _, _) = (brand, conversation, party, expires);
        None
    }
}

/// No links at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLinks;

impl Links for NoLinks {
    fn blob(&self, _: &BlobRef, _: Option<&str>, _: &str, _: Timestamp) -> Option<String> {
        None
    }
}

/// Everything a [`crate::Pipeline`] is made of, except the repliers, which are built with its intake.
pub struct Parts {
    /// The store.
    pub store: Facets,
    /// Where originals and attachments are kept; swept by age where given.
    pub blobs: Option<Arc<dyn Blobs>>,
    /// Where events are forwarded; `None` leaves them in the feed.
    pub sink: Option<Arc<dyn TicketSink>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Seed of jitter.
    pub entropy: Arc<dyn Entropy>,
    /// This process.
    pub node: NodeName,
    /// Maker of links.
    pub links: Arc<dyn Links>,
    /// Rules, settings and texts in force.
    pub live: Live,
    /// Bounds.
    pub limits: Limits,
}
