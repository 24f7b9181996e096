//! Core to hallway: what the core ticket service may ask of us.

use super::Hint;
use crate::delivery::OutboundAttachment;
use crate::ticket::ReplyState;
use crate::{Conversation, ConversationStatus, Envelope, InboxName, JournalLine, OutboundId, Reference};
use async_trait::async_trait;

/// An agent's reply.
#[derive(Clone, Debug, PartialEq)]
pub struct NewReply {
    /// The words.
    pub text: String,
    /// The same, formatted; sanitized before it goes out.
    pub html: Option<String>,
    /// Files, already kept as blobs.
    pub attachments: Vec<OutboundAttachment>,
    /// The agent's name.
    pub author: Option<String>,
    /// The core's own key for this command.
    pub idempotency_key: String,
    /// Hash of the whole request, for telling a repeat from another command under the same key.
    pub content: crate::Digest,
}

/// A reply was taken over, durably.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyQueued {
    /// Its id.
    pub id: OutboundId,
}

/// The core says how far a conversation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusChange {
    /// How far.
    pub status: ConversationStatus,
    /// The core's own id for it.
    pub ticket: Option<String>,
    /// A note for the trace.
    pub note: Option<String>,
}

/// The history of a conversation, with reasons.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// The conversation's facts.
    pub conversation: Conversation,
    /// Its contacts in order.
    pub envelopes: Vec<Envelope>,
    /// Its replies and acknowledgments in order.
    pub outbound: Vec<crate::OutboundRecord>,
    /// What happened to all of them, in order of time.
    pub journal: Vec<JournalLine>,
}

/// How often an article answered a question, in one inbox on one day (UTC).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AnsweredCount {
    /// The day, `2026-11-26`.
    pub day: String,
    /// The inbox.
    pub inbox: InboxName,
    /// The article, by the id that the operator gave it.
    pub article: String,
    /// How often.
    pub count: u64,
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No such conversation or reply.
    #[error("no such {0}")]
    Unknown(&'static str),
    /// The same idempotency key came with another body.
    #[error("the idempotency key was used for another request")]
    Conflict,
    /// It cannot be done as things are.
    #[error("{0}")]
    Impossible(String),
    /// The store does not answer.
    #[error("try again later: {0}")]
    Unavailable(String),
}

/// Commands of the core. `Ok` means durable.
#[async_trait]
pub trait CoreCommands: Send + Sync {
    /// Queues a reply over the customer's channel; the same key and content again gets the same answer.
    async fn reply(&self, reference: &Reference, reply: NewReply) -> Result<ReplyQueued, CommandError>;
    /// How a reply fares.
    async fn reply_state(&self, id: &OutboundId) -> Result<ReplyState, CommandError>;
    /// Sends a failed reply once more.
    async fn resend(&self, id: &OutboundId) -> Result<ReplyState, CommandError>;
    /// Takes over the core's view of a conversation.
    async fn status(&self, reference: &Reference, change: StatusChange) -> Result<(), CommandError>;
    /// Lets later contacts of one conversation land on another.
    async fn merge(&self, from: &Reference, into: &Reference) -> Result<(), CommandError>;
    /// Shows the customer something fleeting, where their channel can: an agent writes, or has read. May be lost.
    async fn show(&self, reference: &Reference, hint: Hint) -> Result<(), CommandError>;
    /// Takes from whoever holds it the access to a conversation that the customer's channel gave them.
    async fn revoke(&self, reference: &Reference) -> Result<(), CommandError>;
    /// What articles answered since `day` (`2026-11-26`, UTC), for which there is no ticket; sorted.
    async fn answered(&self, since: &str) -> Result<Vec<AnsweredCount>, CommandError>;
    /// Everything known about a conversation.
    async fn history(&self, reference: &Reference) -> Result<History, CommandError>;
}
