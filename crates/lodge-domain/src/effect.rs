//! What a settled claim or a command changes, all in one atomic step. Every effect is harmless when repeated.

use crate::ThreadKeyValue;
use crate::delivery::OutboundRecord;
use crate::{BrandName, ConversationChange, ConversationId, Decision, Digest, EnvelopeId, EventId, NewWork};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One change. A list of them is applied whole or not at all.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Adds work; nothing where its id is pending, dead, or was settled `Done` in this same step.
    Enqueue(NewWork),
    /// Gives the next sequence number of `conversation` (after following merges) to a later event and enqueues an
    /// [`crate::WorkKind::Announce`] item in lane Triage for it (id `WorkId::of(event, "announce", 0)`, payload the part,
    /// due at `at`); nothing where the event was recorded before or the conversation is unknown.
    Record {
        /// The event's id.
        event: EventId,
        /// Where it belongs.
        conversation: ConversationId,
        /// The event's own part, as JSON of [`crate::ticket::LaterPart`].
        part: Bytes,
        /// When it happened.
        at: Timestamp,
    },
    /// Adds a finished event to the feed; nothing where it is there already. Its bytes never change again.
    Publish {
        /// The event's id.
        event: EventId,
        /// Where it belongs.
        conversation: Option<ConversationId>,
        /// The event as it is sent, byte by byte.
        body: Bytes,
        /// When it was finished.
        at: Timestamp,
    },
    /// Keeps triage's decision with its envelope.
    Decide {
        /// The envelope.
        envelope: EnvelopeId,
        /// The decision.
        decision: Box<Decision>,
    },
    /// Binds keys to a conversation, if that is known; a key that is bound already stays where it is.
    Learn {
        /// The conversation.
        conversation: ConversationId,
        /// The keys.
        keys: Vec<ThreadKeyValue>,
    },
    /// Binds trace keys to an envelope, if that is known, so that an operator finds it by them.
    Trace {
        /// The envelope.
        envelope: EnvelopeId,
        /// The keys.
        keys: Vec<ThreadKeyValue>,
    },
    /// Changes the facts of a conversation, itself and not what it was merged into; nothing where it is unknown.
    Change {
        /// The conversation.
        conversation: ConversationId,
        /// What changes.
        change: Box<ConversationChange>,
    },
    /// Writes an outbound record. `record.version` must be one more than the stored one (1 for a first), else
    /// nothing of the whole step is applied and the answer is [`Applied::Stale`].
    Outbound(Box<OutboundRecord>),
    /// Adds a line to a journal.
    Journal(JournalLine),
}

/// A line of the history of an envelope or a conversation. A line equal in subject, step and text is kept once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalLine {
    /// The envelope's or conversation's id.
    pub subject: String,
    /// When.
    pub at: Timestamp,
    /// What happened, in a fixed word or two: `triaged`, `forwarded`, `acknowledgment suppressed`, ….
    pub step: String,
    /// The reason or result; never what a party said.
    pub text: String,
}

/// Makes a command harmless when repeated: the first one under `key` is applied and `value` kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The command's key, its scope included.
    pub key: Digest,
    /// Hash of what is asked.
    pub content: Digest,
    /// What a repeat is answered with.
    pub value: String,
}

/// What became of a list of effects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// All applied.
    Done,
    /// The guard knows this very command; nothing changed; the value kept from the first.
    Repeated(String),
    /// The guard knows the key with other content; nothing changed.
    Conflict,
    /// An outbound record changed meanwhile; nothing applied.
    Stale,
    /// The claim's lease was lost; nothing applied.
    LeaseLost,
}

/// A list of effects to be applied at once, all in one brand.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Whose records change.
    pub brand: BrandName,
    /// Makes the step harmless when repeated.
    pub guard: Option<Guard>,
    /// What changes, in order.
    pub effects: Vec<Effect>,
}
