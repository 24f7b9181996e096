//! What a door hands to the hallway.

use crate::{Attachment, Contact, EnvelopeId, EventId, InboxId, OutboundId, TraceKey};
use crate::{delivery::RecipientState, ticket::SupplementKind};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One thing that came in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Inbound {
    /// Somebody or something said something.
    Contact(Box<Contact>),
    /// News about something we sent.
    Report(Box<DeliveryReport>),
    /// Something that belongs to a contact, whichever of them comes first.
    Supplement(Box<Supplement>),
    /// A question that an article answered, and whoever asked said so: counted as such, and no contact.
    Answered(Box<Answered>),
    /// Looked at, and nothing to file; kept in the trace with its reason.
    Skipped {
        /// Where it came in.
        inbox: InboxId,
        /// Why nothing is filed; a fixed phrase.
        reason: String,
        /// How an operator may ask for it.
        trace_keys: Vec<TraceKey>,
    },
}

/// A later addition to a contact: a recording, a transcript, late media, an edit, a deletion, a final state.
///
/// The contact is named by its derived id, so that a source's later callbacks find it by what the source calls it, in
/// whatever order they come. One that comes before its contact waits for it, durably.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Supplement {
    /// Where it came in.
    pub inbox: InboxId,
    /// The contact it adds to.
    pub of: EnvelopeId,
    /// What is added.
    pub kind: SupplementKind,
    /// The source's own name for it (a recording's id and its state): the same again is the same supplement.
    pub source: String,
    /// The addition itself, as the core sees it.
    pub details: serde_json::Map<String, serde_json::Value>,
    /// Files that come with it; the core gets links to them in `details.attachments`.
    pub attachments: Vec<Attachment>,
    /// Further texts by which an operator may look its contact up.
    pub trace_keys: Vec<TraceKey>,
    /// When the source says it happened.
    pub at: Timestamp,
}

impl Supplement {
    /// The id of the event that tells the core.
    #[must_use]
    pub fn event(&self) -> EventId {
        let kind = serde_json::to_string(&self.kind).unwrap_or_default();
        EventId::of_report("contact.supplemented", &[self.of.as_str(), &kind, &self.source])
    }
}

/// A question that an article answered. Neither the question nor who asked is part of it: nobody has to act on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// Where it was asked.
    pub inbox: InboxId,
    /// The source's own name for it: the same again is counted once.
    pub source: String,
    /// The article, by the id that the operator gave it.
    pub article: String,
    /// When the answer was accepted.
    pub at: Timestamp,
}

/// A bounce, receipt or complaint that names something we sent and proves it (a signed id of ours).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeliveryReport {
    /// What it is about.
    pub about: OutboundId,
    /// What it says of each recipient.
    pub recipients: Vec<RecipientState>,
    /// The inbox that says so.
    pub inbox: InboxId,
    /// The report as a contact: filed as one where the store does not know `about`. `None` where there is nothing to file.
    pub contact: Option<Contact>,
}
