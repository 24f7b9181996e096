//! What we send to a party, how it fares, and how sending fails.

use crate::{
    BlobRef, BrandName, ConversationId, EnvelopeId, InboxName, OutboundId, PartyHandle, Reference, ReturnPath,
};
use crate::{ThreadKeyValue, TraceKey};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kind of thing we send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutboundKind {
    /// The automatic "we have it".
    Acknowledgment,
    /// An agent's words.
    Reply,
}

/// A file that goes out with a reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboundAttachment {
    /// Its name, cleaned.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Where its bytes are.
    pub blob: BlobRef,
}

/// What a replier is asked to send.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutboundMessage {
    /// Its id: the same on every attempt, so that a replier can derive ids of its own from it.
    pub id: OutboundId,
    /// Acknowledgment or reply.
    pub kind: OutboundKind,
    /// Whose keys sign it.
    pub brand: BrandName,
    /// Which inbox sends it.
    pub inbox: InboxName,
    /// The conversation it belongs to.
    pub conversation: ConversationId,
    /// The number the customer is told.
    pub reference: Reference,
    /// The way back, as this inbox's door sealed it.
    pub return_path: ReturnPath,
    /// A subject of our own making, where the channel has subjects; `None` keeps that of the contact answered.
    pub subject: Option<String>,
    /// The words.
    pub text: String,
    /// The same, formatted.
    pub html: Option<String>,
    /// Files.
    pub attachments: Vec<OutboundAttachment>,
    /// The agent's name.
    pub author: Option<String>,
}

/// How something we sent fares. Later states never go back to earlier ones, except by an explicit resend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutboundState {
    /// Durable, and waiting for its turn.
    Queued,
    /// Tried, and to be tried again.
    Deferred,
    /// Handed over to the far side.
    Sent,
    /// Given up.
    Failed,
    /// The far side says it arrived.
    Delivered,
    /// The far side says it did not.
    Bounced,
}

impl OutboundState {
    /// Whether a report of `next` may replace this state.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        match (self, next) {
            // A bounce may follow what looked like success; success never follows a bounce.
            (Self::Delivered, Self::Bounced) => true,
            (Self::Bounced | Self::Failed, _) => false,
            (now, next) => next > now,
        }
    }
}

/// How one recipient of something we sent fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecipientState {
    /// Their address.
    pub handle: String,
    /// How it fares there.
    pub state: OutboundState,
    /// The far side's own words (an SMTP reply, a provider's error), and its queue id where it gave one.
    pub text: Option<String>,
}

/// The durable record of something we send.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutboundRecord {
    /// Its id.
    pub id: OutboundId,
    /// Counts the changes; a change names the version it was made from.
    pub version: u64,
    /// The contact it acknowledges.
    pub acknowledges: Option<EnvelopeId>,
    /// How it fares as a whole.
    pub state: OutboundState,
    /// It may have gone out although nobody confirmed it; never repeated by ourselves.
    pub in_doubt: bool,
    /// How each recipient fares.
    pub recipients: Vec<RecipientState>,
    /// What goes out.
    pub message: OutboundMessage,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// How often the core asked to send it again.
    pub resends: u32,
    /// What carried it on to another inbox, where nobody had come to read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continued_by: Option<OutboundId>,
}

/// What a replier knows before it sends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// Keys by which an answer to it will be recognised.
    pub keys: Vec<ThreadKeyValue>,
    /// How an operator may ask for it.
    pub traces: Vec<TraceKey>,
}

/// What a replier knows after it sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Further keys by which an answer will be recognised (ids that the far side gave it).
    pub keys: Vec<ThreadKeyValue>,
    /// How an operator may ask for it.
    pub traces: Vec<TraceKey>,
    /// What the far side said of each recipient.
    pub recipients: Vec<RecipientState>,
    /// Where it goes as well, unless it is delivered by then.
    pub unless_seen: Option<Continuation>,
}

/// The way on for a reply that nobody came to read: to an address by another inbox, all that waits in one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continuation {
    /// When it goes, unless the reply is delivered by then.
    pub at: Timestamp,
    /// The inbox that sends it.
    pub inbox: InboxName,
    /// To whom.
    pub party: PartyHandle,
    /// Their name, where they gave one.
    pub name: Option<String>,
}

/// What a failed delivery means for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Try again, not before `after` where the far side asked for that. The default for whatever is unknown.
    Later {
        /// How long the far side asked to wait.
        after: Option<SignedDuration>,
    },
    /// The far side refuses this one as it stands; a few more tries in case it was just deployed badly.
    Rejected,
    /// The far side does not know the address; a dead letter if others get through, else [`Self::Misconfigured`].
    Gone,
    /// Proven useless.
    Never,
    /// Wrong credentials or address: nothing will get through; park the lane, loudly, and burn no attempt.
    Misconfigured,
}

/// Why a delivery failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryError {
    /// What it means for the next try.
    pub disposition: Disposition,
    /// It may have gone out all the same.
    pub in_doubt: bool,
    /// Whether the far side answered at all: an outage burns no attempt.
    pub answered: bool,
    /// A lower-case fragment that fits after "failed to".
    pub message: String,
    /// The far side's own words, shortened; never a body.
    pub detail: Option<String>,
}

impl DeliveryError {
    /// A failure to be tried again.
    #[must_use]
    pub fn later(message: impl Into<String>) -> Self {
        Self::new(Disposition::Later { after: None }, message)
    }

    /// A failure of this disposition, in which the far side answered and nothing is in doubt.
    #[must_use]
    pub fn new(disposition: Disposition, message: impl Into<String>) -> Self {
        Self { disposition, in_doubt: false, answered: true, message: message.into(), detail: None }
    }

    /// The same, but the far side never answered.
    #[must_use]
    pub fn unanswered(mut self) -> Self {
        self.answered = false;
        self
    }

    /// The same, but it may have gone out.
    #[must_use]
    pub fn doubtful(mut self) -> Self {
        self.in_doubt = true;
        self
    }

    /// The same, with the far side's words.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

impl std::fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.detail {
            Some(detail) => write!(f, "{}: {detail}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for DeliveryError {}

#[cfg(test)]
mod tests {
    use super::OutboundState::{Bounced, Deferred, Delivered, Failed, Queued, Sent};

    #[test]
    fn f06_states_only_move_forward() {
        assert!(Queued.may_become(Deferred) && Deferred.may_become(Sent) && Sent.may_become(Delivered));
        assert!(Sent.may_become(Bounced) && Delivered.may_become(Bounced) && Queued.may_become(Failed));
        assert!(!Delivered.may_become(Sent) && !Bounced.may_become(Delivered) && !Failed.may_become(Sent));
        assert!(!Sent.may_become(Deferred) && !Sent.may_become(Sent));
    }
}
