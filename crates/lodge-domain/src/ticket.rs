//! The ticket event, version 1: the document the core receives. Its JSON Schema is derived from these types.

use crate::contact::{Body, Flag, Origin};
use crate::decision::{AcknowledgmentDecision, Decision};
use crate::delivery::{OutboundState, RecipientState};
use crate::{
    Assurance, AttachmentPolicy, Channel, ConversationId, Envelope, EventId, HandleKind, OutboundId,
    Placement, Recipient, Reference, Suspicion,
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The name of this layout.
pub const SCHEMA: &str = "lodge.ticket-event.v1";

/// Where an event belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TicketPlace {
    /// The number the customer is told: ten digits, the last a Damm check digit.
    pub reference: Reference,
    /// The conversation's id.
    pub conversation: ConversationId,
    /// `new` for the event that founds the conversation, else `appended`.
    pub placement: EventPlacement,
    /// Counts a conversation's events from 1 without gaps; a dead letter leaves one that its replay fills.
    pub sequence: u64,
    /// The conversation something pointed to without the right to join it.
    pub suggested_parent: Option<Reference>,
    /// The conversation it would have continued, had that not been closed too long ago.
    pub follows: Option<Reference>,
    /// Whether it reopened a closed conversation.
    pub reopens: bool,
    /// The core's own id for the conversation, once it told us.
    pub external_id: Option<String>,
}

/// Founding event or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EventPlacement {
    /// Founds the conversation.
    New,
    /// Continues it.
    Appended,
}

/// The sender, as the core sees them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sender {
    /// The name they gave, cleaned.
    pub name: Option<String>,
    /// Their address.
    pub handle: String,
    /// What the address is.
    pub kind: HandleKind,
    /// How sure we are that it is theirs; never raised by what the contact says.
    pub assurance: Assurance,
    /// What that rests on.
    pub evidence: Vec<String>,
}

/// A file, as the core sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventAttachment {
    /// The name the sender gave, cleaned; for display only.
    pub name: Option<String>,
    /// The declared media type.
    pub media_type: String,
    /// The same, where the content was looked at: what `sniffed` is to be compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<String>,
    /// The media type by the first bytes, where they are something that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sniffed: Option<String>,
    /// Whether it may be opened like any other file; absent where nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<AttachmentPolicy>,
    /// Why it is under quarantine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policy_reasons: Vec<Suspicion>,
    /// Length in bytes.
    pub size: u64,
    /// SHA-256 of the content in lower-case hexadecimal digits.
    pub sha256: String,
    /// Shown inside the text.
    pub inline: bool,
    /// The id by which HTML refers to it.
    pub content_id: Option<String>,
    /// A signed link, good for as long as originals are kept.
    pub href: Option<String>,
}

/// The raw original, as the core sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventRaw {
    /// A signed link; `None` where something was masked in the event.
    pub href: Option<String>,
    /// Length in bytes.
    pub size: u64,
    /// SHA-256 of the content in lower-case hexadecimal digits.
    pub sha256: String,
}

/// What a bounce or receipt says about one recipient (RFC 3464).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReportedDelivery {
    /// The address it is about.
    pub recipient: Option<String>,
    /// `failed`, `delayed`, `delivered`, `relayed` or `expanded`.
    pub action: Option<String>,
    /// Enhanced status code such as `5.1.1` (RFC 3463).
    pub status: Option<String>,
    /// Whether trying again is useless.
    pub permanent: Option<bool>,
    /// The id of the message that is reported on.
    pub original_message_id: Option<String>,
}

/// A contact was accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContactAccepted {
    /// Always `lodge.ticket-event.v1`.
    pub schema: String,
    /// The event's id: derived from the contact, the same on every attempt and after a lost store.
    pub id: EventId,
    /// Where it belongs.
    pub ticket: TicketPlace,
    /// The inbox it came in by.
    pub inbox: String,
    /// The kind of door.
    pub channel: Channel,
    /// The company or protocol behind the door.
    pub provider: String,
    /// The brand; `null` for inboxes that name none.
    pub brand: Option<String>,
    /// When the sender says it happened, clamped to `received_at`.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub occurred_at: Timestamp,
    /// When the source received it.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub received_at: Timestamp,
    /// When this gateway had it durable.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub accepted_at: Timestamp,
    /// The sender.
    pub from: Sender,
    /// Whom the sender addressed.
    pub recipients: Vec<Recipient>,
    /// The subject, where the channel has one.
    pub subject: Option<String>,
    /// What was said; hostile, whatever it looks like.
    pub body: Body,
    /// The files.
    pub attachments: Vec<EventAttachment>,
    /// Person, program or ourselves.
    pub origin: Origin,
    /// What its reader should know.
    pub flags: Vec<Flag>,
    /// What a bounce or receipt reports.
    pub delivery_reports: Vec<ReportedDelivery>,
    /// What triage decided.
    pub decision: Decision,
    /// Whether the customer is told that we have it.
    pub acknowledgment: AcknowledgmentDecision,
    /// What only this channel has.
    pub details: serde_json::Map<String, serde_json::Value>,
    /// The raw original.
    pub raw: Option<EventRaw>,
}

/// How a reply fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplyState {
    /// The reply's id.
    pub id: OutboundId,
    /// How it fares as a whole.
    pub state: OutboundState,
    /// It may have gone out although nobody confirmed it.
    pub in_doubt: bool,
    /// How each recipient fares.
    pub recipients: Vec<RecipientState>,
}

/// What became of an acknowledgment, where that differs from what its contact's event announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AcknowledgmentState {
    /// It went out.
    Sent,
    /// It was held back.
    Suppressed,
    /// It may have gone out; never repeated.
    InDoubt,
    /// It was given up.
    Failed,
    /// It came back.
    Bounced,
}

/// What a later event adds to a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SupplementKind {
    /// The recording of a call.
    Recording,
    /// The words of a recording.
    Transcript,
    /// A file that came later.
    Media,
    /// The sender changed what they said.
    Edit,
    /// The sender took it back.
    Deletion,
    /// The source's own state of it.
    Status,
}

/// The own part of a later event: all but `schema`, `id` and `ticket`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum LaterPart {
    /// Something was added to a contact.
    #[serde(rename = "contact.supplemented")]
    ContactSupplemented {
        /// The event it adds to.
        of: EventId,
        /// What is added.
        kind: SupplementKind,
        /// The addition itself.
        details: serde_json::Map<String, serde_json::Value>,
    },
    /// A reply fares differently than before.
    #[serde(rename = "reply.updated")]
    ReplyUpdated {
        /// The reply and how it fares.
        reply: ReplyState,
    },
    /// An acknowledgment fared differently than announced.
    #[serde(rename = "acknowledgment.updated")]
    AcknowledgmentUpdated {
        /// The event whose contact it acknowledges.
        of: EventId,
        /// What became of it.
        state: AcknowledgmentState,
        /// Why.
        reason: Option<String>,
    },
    /// A customer rated a conversation.
    #[serde(rename = "conversation.rated")]
    ConversationRated {
        /// What they said.
        rating: Rating,
    },
}

/// A customer's rating.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rating {
    /// The score given.
    pub score: u32,
    /// The best possible score.
    pub of: u32,
    /// The customer's words.
    pub comment: Option<String>,
}

/// A later event in a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LaterEvent {
    /// Always `lodge.ticket-event.v1`.
    pub schema: String,
    /// The event's id, derived from what it reports.
    pub id: EventId,
    /// Where it belongs.
    pub ticket: TicketPlace,
    /// Its own part, `type` included.
    #[serde(flatten)]
    pub part: LaterPart,
}

/// Tag of the event that announces a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
enum ContactAcceptedTag {
    #[serde(rename = "contact.accepted")]
    ContactAccepted,
}

/// A document the core receives, only to be made from what was accepted and decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct TicketEvent(EventKind);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum EventKind {
    Contact {
        #[serde(rename = "type")]
        tag: ContactAcceptedTag,
        #[serde(flatten)]
        event: Box<ContactAccepted>,
    },
    Later(Box<LaterEvent>),
}

/// What an event holds besides envelope and decision: links and what the conversation knows by now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventExtras {
    /// The core's own id for the conversation.
    pub external_id: Option<String>,
    /// Signed links of the attachments, in their order.
    pub attachment_links: Vec<Option<String>>,
    /// Signed link of the raw original.
    pub raw_link: Option<String>,
    /// What puts a file under quarantine.
    pub quarantines: BTreeSet<Suspicion>,
}

impl TicketEvent {
    /// The event that announces an envelope, with its decision and whether it is acknowledged.
    #[must_use]
    pub fn contact_accepted(
        envelope: &Envelope,
        decision: &Decision,
        acknowledgment: AcknowledgmentDecision,
        extras: EventExtras,
    ) -> Self {
        let Envelope { contact, receipt, .. } = envelope;
        let ticket = TicketPlace {
            reference: receipt.reference.clone(),
            conversation: receipt.conversation.clone(),
            placement: match receipt.placement {
                Placement::New => EventPlacement::New,
                Placement::Appended | Placement::Duplicate => EventPlacement::Appended,
            },
            sequence: receipt.sequence,
            suggested_parent: receipt.suggested_parent.clone(),
            follows: receipt.follows.clone(),
            reopens: receipt.reopens,
            external_id: extras.external_id,
        };
        let mut links = extras.attachment_links.into_iter();
        let attachments = contact.attachments.iter().map(|attachment| EventAttachment {
            name: attachment.name.clone(),
            media_type: attachment.media_type.clone(),
            declared: attachment.judgement.as_ref().map(|_| attachment.media_type.clone()),
            sniffed: attachment.judgement.as_ref().and_then(|judgement| judgement.sniffed.clone()),
            policy: attachment.policy(&extras.quarantines),
            policy_reasons: attachment.held_back_for(&extras.quarantines),
            size: attachment.blob.size,
            sha256: attachment.blob.sha256.clone(),
            inline: attachment.inline,
            content_id: attachment.content_id.clone(),
            href: links.next().flatten(),
        });
        let event = ContactAccepted {
            schema: SCHEMA.to_owned(),
            id: receipt.envelope.clone(),
            ticket,
            inbox: contact.inbox.name.to_string(),
            channel: contact.address.channel,
            provider: contact.address.provider.clone(),
            brand: contact.inbox.brand.public().map(ToOwned::to_owned),
            occurred_at: contact.occurred_at,
            received_at: contact.received_at,
            accepted_at: receipt.accepted_at,
            from: Sender {
                name: contact.from.name.clone(),
                handle: contact.from.handle.value.clone(),
                kind: contact.from.handle.kind,
                assurance: contact.from.assurance,
                evidence: contact.from.evidence.clone(),
            },
            recipients: contact.recipients.clone(),
            subject: contact.subject.clone(),
            body: contact.body.clone(),
            attachments: attachments.collect(),
            origin: contact.origin.clone(),
            flags: contact.flags.union(&receipt.flags).copied().collect(),
            delivery_reports: contact.delivery_reports.clone(),
            decision: decision.clone(),
            acknowledgment,
            details: contact.details.clone(),
            raw: contact.raw.as_ref().map(|raw| EventRaw {
                href: extras.raw_link,
                size: raw.size,
                sha256: raw.sha256.clone(),
            }),
        };
        Self(EventKind::Contact { tag: ContactAcceptedTag::ContactAccepted, event: Box::new(event) })
    }

    /// A later event in a conversation.
    #[must_use]
    pub fn later(id: EventId, conversation: &crate::Conversation, sequence: u64, part: LaterPart) -> Self {
        let ticket = TicketPlace {
            reference: conversation.reference.clone(),
            conversation: conversation.id.clone(),
            placement: EventPlacement::Appended,
            sequence,
            suggested_parent: None,
            follows: None,
            reopens: false,
            external_id: conversation.external_id.clone(),
        };
        Self(EventKind::Later(Box::new(LaterEvent { schema: SCHEMA.to_owned(), id, ticket, part })))
    }

    /// The event's id.
    #[must_use]
    pub fn id(&self) -> &EventId {
        match &self.0 {
            EventKind::Contact { event, .. } => &event.id,
            EventKind::Later(event) => &event.id,
        }
    }

    /// Where it belongs.
    #[must_use]
    pub fn ticket(&self) -> &TicketPlace {
        match &self.0 {
            EventKind::Contact { event, .. } => &event.ticket,
            EventKind::Later(event) => &event.ticket,
        }
    }
}
