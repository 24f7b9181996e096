//! What triage decides about an envelope, and why.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a contact asks for, in the words of service management.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TicketType {
    /// Something that worked no longer does.
    Incident,
    /// Something is wanted.
    ServiceRequest,
    /// The cause of several incidents.
    Problem,
    /// An answer is wanted.
    Question,
    /// Praise, complaint or idea.
    Feedback,
}

/// How soon it matters. Ordered from `Low` to `Urgent`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Whenever there is time.
    Low,
    /// In its turn.
    #[default]
    Normal,
    /// Before others.
    High,
    /// Now.
    Urgent,
}

/// Why something was decided: which rule, and what made it match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// The rule's name, or `inbox default`, `fallback queue`, `inherited`, ….
    pub rule: String,
    /// What it saw and what it set; never a secret, at most a few words of the contact.
    pub because: String,
}

/// The result of triage. Every decision has a queue: nothing is unroutable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// What is asked for, where a rule could tell.
    #[serde(rename = "type")]
    pub kind: Option<TicketType>,
    /// The topic, in the installation's own words.
    pub category: Option<String>,
    /// How soon it matters.
    pub priority: Priority,
    /// Words to find it by, sorted, each once.
    pub tags: Vec<String>,
    /// Where it goes.
    pub queue: String,
    /// When the customer is owed a first answer.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub respond_by: Option<Timestamp>,
    /// When the matter is to be resolved.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub resolve_by: Option<Timestamp>,
    /// Why all that, in the order it was decided.
    pub reasons: Vec<Reason>,
}

/// Whether a contact is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AcknowledgmentVerdict {
    /// One goes out.
    Send,
    /// None goes out.
    Suppress,
    /// The door itself told the party.
    Inline,
}

/// Whether a contact is acknowledged, and why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AcknowledgmentDecision {
    /// Sent, suppressed or told by the door.
    pub decision: AcknowledgmentVerdict,
    /// Why it is suppressed.
    pub reason: Option<String>,
}
