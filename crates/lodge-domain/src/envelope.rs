//! An envelope: an accepted contact with its ids and its place.

use crate::{Contact, Decision, Receipt};
use serde::{Deserialize, Serialize};

/// Where accept put a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// It founded a conversation.
    New,
    /// It continues one.
    Appended,
    /// It was known already; the receipt is the first one's.
    Duplicate,
}

/// An accepted contact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// What the door understood.
    pub contact: Contact,
    /// What accept decided; its placement is never `Duplicate`.
    pub receipt: Receipt,
    /// What triage decided, once it has.
    pub decision: Option<Decision>,
}
