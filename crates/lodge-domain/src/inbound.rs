//! What a door hands to the hallway.

use crate::{Contact, InboxId, OutboundId, TraceKey, delivery::RecipientState};
use serde::{Deserialize, Serialize};

/// One thing that came in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Inbound {
    /// Somebody or something said something.
    Contact(Box<Contact>),
    /// News about something we sent.
    Report(Box<DeliveryReport>),
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

/// A bounce, receipt or complaint that names something we sent and proves it (a signed id of ours).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeliveryReport {
    /// What it is about.
    pub about: OutboundId,
    /// What it says of each recipient.
    pub recipients: Vec<RecipientState>,
    /// The report as a contact: filed as one where the store does not know `about`.
    pub contact: Contact,
}
