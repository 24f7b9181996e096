//! What the ledger decides on, and what it answers.

use crate::hash::{Digest, digest_parts};
use crate::{
    Assurance, BrandName, Contact, ConversationId, EnvelopeId, Flag, InboxName, OriginKind, PartyHandle,
    Placement,
};
use crate::{NewEntry, Reference, ReturnPath, ThreadKey, ThreadKeyValue};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The identity of a contact: scope, the source's own id, and a hash of what was said (protocol.md 3.2 of the design).
///
/// All three equal: the same contact again. Scope and source id equal, content other: a contact of its own, flagged
/// `conflict`, so that nobody can suppress a contact by using its id first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DedupeKey {
    /// Namespace the door chose, such as `email` or `voice/hotline`; the brand is added to it.
    pub scope: String,
    /// The source's id for it, or `-` where the source gives none.
    pub source: String,
    /// SHA-256 over what the party said, 64 lower-case hexadecimal digits.
    pub content: String,
}

impl DedupeKey {
    /// The digest over brand and all three parts.
    #[must_use]
    pub fn digest(&self, brand: &BrandName) -> Digest {
        let parts = [brand.as_str(), &self.scope, &self.source, &self.content];
        digest_parts(&parts.map(str::as_bytes))
    }

    /// The digest over brand, scope and source id alone: equal for contacts that would be in conflict. `None` where
    /// the source gave no id, since then nothing can be in conflict.
    #[must_use]
    pub fn source_digest(&self, brand: &BrandName) -> Option<Digest> {
        (self.source != "-").then(|| {
            digest_parts(&[b"src", brand.as_str().as_bytes(), self.scope.as_bytes(), self.source.as_bytes()])
        })
    }
}

/// A contact prepared for accept: all ids derived, all keys hashed, the record encoded.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Whose conversations it may join.
    pub brand: BrandName,
    /// The inbox it came in by; a conversation keeps that of its founder.
    pub inbox: InboxName,
    /// [`DedupeKey::digest`].
    pub dedupe: Digest,
    /// [`DedupeKey::source_digest`].
    pub source: Option<Digest>,
    /// The id it gets.
    pub envelope: EnvelopeId,
    /// The conversation it founds, where it founds one.
    pub founds: ConversationId,
    /// The references that conversation may get, in order of preference.
    pub references: Vec<Reference>,
    /// Keys that may place it, strongest first; no more than [`ThreadKey::MOST`].
    pub thread_keys: Vec<ThreadKey>,
    /// Keys it registers for its conversation; the first writer of a key keeps it.
    pub registers: Vec<ThreadKeyValue>,
    /// Keys that from now on lead to the conversation this one ends up in, wherever they led before; the last writer has
    /// them. For keys we vouch for, such as a session's: after its conversation was closed for good, the next contact
    /// founds another, and the one after that must find it.
    pub rebinds: Vec<ThreadKeyValue>,
    /// Trace keys it registers for itself.
    pub traces: Vec<ThreadKeyValue>,
    /// The sender.
    pub party: PartyHandle,
    /// How sure we are of the sender.
    pub assurance: Assurance,
    /// Person, program or ourselves: only people reopen, take part, and change the way back.
    pub origin: OriginKind,
    /// Whom the sender brought along.
    pub introduces: Vec<PartyHandle>,
    /// The normalised subject, hashed.
    pub topic: Option<ThreadKeyValue>,
    /// The way back.
    pub return_path: Option<ReturnPath>,
    /// Flags the door already raised.
    pub flags: BTreeSet<Flag>,
    /// The contact, as JSON of [`Contact`].
    pub record: Bytes,
    /// What is appended to a timeline in the same step.
    pub entry: Option<NewEntry>,
    /// When this gateway took it in.
    pub accepted_at: Timestamp,
}

impl Candidate {
    /// Days of silence after which a changed topic no longer continues a conversation by a copied key.
    pub const IDLE_DAYS: i64 = 30;

    /// Derives all ids of `contact` and encodes it.
    ///
    /// # Errors
    /// Only if the contact cannot be written as JSON, which no contact made by an adapter is.
    pub fn new(contact: &Contact, accepted_at: Timestamp) -> Result<Self, serde_json::Error> {
        let brand = contact.brand();
        let dedupe = contact.dedupe.digest(brand);
        let envelope = EnvelopeId::of_contact(&dedupe);
        let founds = ConversationId::founded_by(&envelope);
        let references = (0..Reference::PROBES).map(|probe| Reference::derive(&founds, probe)).collect();
        Ok(Self {
            brand: brand.clone(),
            inbox: contact.inbox.name.clone(),
            dedupe,
            source: contact.dedupe.source_digest(brand),
            references,
            founds,
            envelope,
            thread_keys: contact.thread_keys.iter().take(ThreadKey::MOST).cloned().collect(),
            registers: contact.registers.clone(),
            rebinds: contact.rebinds.clone(),
            traces: contact.trace_keys.iter().filter_map(crate::TraceKey::value).collect(),
            party: contact.from.handle.clone(),
            assurance: contact.from.assurance,
            origin: contact.origin.kind,
            introduces: contact.introduces.clone(),
            topic: contact.topic,
            return_path: contact.return_path.clone(),
            flags: contact.flags.clone(),
            record: serde_json::to_vec(contact)?.into(),
            entry: contact.entry.clone(),
            accepted_at,
        })
    }
}

/// What a door gets back for one contact. The same contact again gets the same receipt, placed [`Placement::Duplicate`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Its id.
    pub envelope: EnvelopeId,
    /// Where it landed.
    pub conversation: ConversationId,
    /// The number the customer is told.
    pub reference: Reference,
    /// Its place in the conversation, from 1.
    pub sequence: u64,
    /// New, appended or already known.
    pub placement: Placement,
    /// The conversation something pointed to without the right to join it.
    pub suggested_parent: Option<Reference>,
    /// The conversation it would have continued, had that not been closed too long ago.
    pub follows: Option<Reference>,
    /// Whether it reopened its conversation.
    pub reopens: bool,
    /// Flags that accept itself raised (`conflict`, `new_participant`, `subject_changed`).
    pub flags: BTreeSet<Flag>,
    /// The label of the thread key that placed it.
    pub matched: Option<String>,
    /// When it was accepted first.
    pub accepted_at: Timestamp,
    /// The number of the timeline entry that was appended with it, where it has one; the same for a duplicate as long as
    /// the timeline is kept. Belongs to the answer, not to the envelope that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
}
