//! A contact: one inbound communication as a door understood it.

use crate::{
    Assurance, AttachmentPolicy, BrandName, ChannelAddress, DedupeKey, InboxId, Judgement, Party,
    PartyHandle, Recipient, ReturnPath, Suspicion,
};
use crate::{NewEntry, ThreadKey, ThreadKeyValue, TraceKey, ticket::ReportedDelivery};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes kept in blobs: found by their hash, never by a name from outside.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BlobRef {
    /// SHA-256 of the content, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Length in bytes.
    pub size: u64,
}

/// What a party said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Body {
    /// All of the text, plain.
    pub text: String,
    /// Only what this person newly wrote, without quotes; never empty where `text` is not.
    pub reply: String,
    /// Sanitized HTML, still hostile; `None` where there was none.
    pub html: Option<String>,
    /// BCP 47 language tag where it could be told, else `None`.
    pub language: Option<String>,
}

/// A file that came with a contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The name the sender gave, cleaned; display only.
    pub name: Option<String>,
    /// The declared media type.
    pub media_type: String,
    /// Where the bytes are.
    pub blob: BlobRef,
    /// Shown inside the text.
    pub inline: bool,
    /// The id by which HTML refers to it.
    pub content_id: Option<String>,
    /// What its name and its first bytes say it is; `None` where its door did not look.
    #[serde(default)]
    pub judgement: Option<Judgement>,
}

impl Attachment {
    /// Why it is under quarantine where `quarantines` are what puts a file there; empty where it is not.
    #[must_use]
    pub fn held_back_for(&self, quarantines: &BTreeSet<Suspicion>) -> Vec<Suspicion> {
        let seen = self.judgement.iter().flat_map(|judgement| &judgement.suspicions);
        seen.filter(|suspicion| quarantines.contains(suspicion)).copied().collect()
    }

    /// What becomes of it; `None` where nobody looked.
    #[must_use]
    pub fn policy(&self, quarantines: &BTreeSet<Suspicion>) -> Option<AttachmentPolicy> {
        self.judgement.as_ref()?;
        Some(if self.held_back_for(quarantines).is_empty() {
            AttachmentPolicy::Ok
        } else {
            AttachmentPolicy::Quarantine
        })
    }
}

/// Who or what sent a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OriginKind {
    /// A person.
    Human,
    /// A program.
    Automated,
    /// Ourselves: something we sent came back.
    Ours,
}

/// What kind of automatic contact it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OriginClass {
    /// A vacation notice or another automatic answer.
    AutoReply,
    /// A delivery failed or is delayed.
    Bounce,
    /// A receipt.
    DeliveryReport,
    /// A complaint about something sent (RFC 5965).
    Complaint,
    /// A mailing list.
    List,
    /// Mass mail.
    Bulk,
    /// An invitation or its answer.
    Calendar,
    /// A message of a machine.
    Notification,
}

/// Where a contact originates, with the signs that say so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Origin {
    /// Person, program or ourselves.
    pub kind: OriginKind,
    /// The kind of automatic contact, where it is one.
    pub class: Option<OriginClass>,
    /// The signs, such as `auto-submitted: auto-replied`.
    pub evidence: Vec<String>,
}

impl Origin {
    /// A person, with nothing to say against it.
    #[must_use]
    pub fn human() -> Self {
        Self { kind: OriginKind::Human, class: None, evidence: Vec::new() }
    }
}

/// Something about a contact that its reader should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// Joined by a key we signed, but never took part before.
    NewParticipant,
    /// A known id with other content: a contact of its own.
    Conflict,
    /// Could be read in more than one way.
    Ambiguous,
    /// Cut to a limit; the raw original has the rest.
    Truncated,
    /// Could not be understood; the raw original is kept.
    Unparsed,
    /// Encrypted to a key we do not have.
    Encrypted,
    /// Continues a conversation under another subject.
    SubjectChanged,
    /// Same sender, subject and text as one shortly before.
    PossibleDuplicate,
    /// Asks for answers at another address than it came from.
    ReplyToDiffers,
    /// Looks like the verification message of some service.
    Verification,
    /// Held text that a reader would not see.
    HiddenText,
    /// Dated in the future.
    FutureDate,
    /// One of very many in a short time.
    Burst,
    /// The sender's name looks like another address.
    NameLooksLikeAddress,
}

/// What an adapter understood of one inbound communication.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contact {
    /// Layout of this record; readers accept older ones and keep what they do not know.
    pub version: u32,
    /// The inbox it counts for.
    pub inbox: InboxId,
    /// Its door.
    pub address: ChannelAddress,
    /// Its identity: see [`DedupeKey`].
    pub dedupe: DedupeKey,
    /// Keys that may place it, strongest first; at most [`ThreadKey::MOST`] are looked up.
    pub thread_keys: Vec<ThreadKey>,
    /// Keys by which later contacts find the conversation this one ends up in.
    pub registers: Vec<ThreadKeyValue>,
    /// Keys of ours that follow the party: they lead to the conversation this one ends up in, wherever they led before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rebinds: Vec<ThreadKeyValue>,
    /// What is appended to a timeline in the very step that accepts it; not part of the record.
    #[serde(skip)]
    pub entry: Option<NewEntry>,
    /// Texts an operator may look it up by.
    pub trace_keys: Vec<TraceKey>,
    /// The sender.
    pub from: Party,
    /// Whom the sender addressed.
    pub recipients: Vec<Recipient>,
    /// Whom the sender brought along; they take part only if the sender is an authenticated participant.
    pub introduces: Vec<PartyHandle>,
    /// The subject as the sender wrote it, decoded and cleaned.
    pub subject: Option<String>,
    /// The normalised subject, hashed: two contacts on one topic have equal ones.
    pub topic: Option<ThreadKeyValue>,
    /// What was said.
    pub body: Body,
    /// The files.
    pub attachments: Vec<Attachment>,
    /// Person, program or ourselves.
    pub origin: Origin,
    /// Why no acknowledgment may answer it, whatever the rules say; empty where one may.
    pub no_acknowledgment: Vec<String>,
    /// What its reader should know.
    pub flags: BTreeSet<Flag>,
    /// What a bounce or receipt reports.
    pub delivery_reports: Vec<ReportedDelivery>,
    /// What only this channel has; lands in the event's `details`.
    pub details: serde_json::Map<String, serde_json::Value>,
    /// What rules may ask for by name (`header.NAME`), names in lower case.
    pub headers: BTreeMap<String, Vec<String>>,
    /// The raw original.
    pub raw: Option<BlobRef>,
    /// The way back, where there is one.
    pub return_path: Option<ReturnPath>,
    /// When the sender says it happened, clamped to `received_at`.
    pub occurred_at: Timestamp,
    /// When the source received it.
    pub received_at: Timestamp,
    /// Brought in from an archive: never acknowledged unless asked for.
    pub backfill: bool,
    /// The door itself tells the party the reference.
    pub acknowledges_inline: bool,
}

impl Contact {
    /// The layout this build writes.
    pub const VERSION: u32 = 1;

    /// The brand whose keys and conversations it uses.
    #[must_use]
    pub fn brand(&self) -> &BrandName {
        &self.inbox.brand
    }

    /// Whether what it says about its sender may be believed at all.
    #[must_use]
    pub fn is_credible(&self) -> bool {
        self.from.assurance != Assurance::Failed && self.origin.kind == OriginKind::Human
    }
}
