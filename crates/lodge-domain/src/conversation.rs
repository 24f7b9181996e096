//! A conversation: the thread of contacts and replies that the core sees as one ticket.

use crate::{
    Assurance, BrandName, ConversationId, InboxName, PartyHandle, Reference, ReturnPath, ThreadKeyValue,
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far the core says a conversation is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ConversationStatus {
    /// Somebody works on it, or will.
    #[default]
    Open,
    /// Waits for the customer.
    Pending,
    /// Believed to be solved.
    Solved,
    /// Done; a later contact reopens it within its window, else starts a new one.
    Closed,
}

/// The facts about a conversation that other rooms decide by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// Whose it is.
    pub brand: BrandName,
    /// The number the customer is told.
    pub reference: Reference,
    /// The inbox of its founding contact.
    pub inbox: InboxName,
    /// The last sequence number given out.
    pub sequence: u64,
    /// How far it is.
    pub status: ConversationStatus,
    /// Until when a contact reopens it, once closed.
    pub reopen_until: Option<Timestamp>,
    /// The core's own id for it.
    pub external_id: Option<String>,
    /// Who takes part, each with the highest assurance they were seen with.
    pub participants: Vec<(PartyHandle, Assurance)>,
    /// The way back to whoever wrote last.
    pub return_path: Option<ReturnPath>,
    /// The queue, once triage chose one; later contacts inherit it.
    pub queue: Option<String>,
    /// The normalised subject of its founding contact, hashed.
    pub topic: Option<ThreadKeyValue>,
    /// When the last contact was accepted.
    pub last_contact_at: Timestamp,
    /// The conversation it was merged into.
    pub merged_into: Option<ConversationId>,
}

impl Conversation {
    /// The highest assurance `party` takes part with; `None` where they do not.
    #[must_use]
    pub fn participation(&self, party: &PartyHandle) -> Option<Assurance> {
        self.participants.iter().find(|(handle, _)| handle == party).map(|(_, assurance)| *assurance)
    }
}

/// A change to a conversation's facts; fields that are `None` stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConversationChange {
    /// How far it is now.
    pub status: Option<ConversationStatus>,
    /// Until when a contact reopens it; taken together with `status: Closed`, cleared by any other status, and looked at
    /// only where there is a status.
    pub reopen_until: Option<Timestamp>,
    /// The core's own id for it.
    pub external_id: Option<String>,
    /// The queue it is in.
    pub queue: Option<String>,
    /// Somebody the core adds: as unverified; nothing where they take part already.
    pub participant: Option<PartyHandle>,
    /// Later contacts land on this conversation instead, and who took part comes along. Not taken where it is unknown or leads back here over any
    /// number of merges; a later merge replaces an earlier one.
    pub merged_into: Option<ConversationId>,
}
