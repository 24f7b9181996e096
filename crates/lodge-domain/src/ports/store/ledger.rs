//! The record of accepted contacts and their conversations; where placement is decided.

use super::StoreError;
use crate::effect::{Applied, Step};
use crate::{
    BrandName, Candidate, Conversation, ConversationId, Envelope, EnvelopeId, JournalLine, OutboundId,
};
use crate::{OutboundRecord, Receipt, Reference, ThreadKeyValue};
use async_trait::async_trait;

/// How to find an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// By its id.
    Envelope(EnvelopeId),
    /// All of a conversation.
    Conversation(ConversationId),
    /// All of the conversation with this reference.
    Reference(Reference),
    /// By a trace key.
    Trace(ThreadKeyValue),
}

/// The record of accepted contacts and their conversations.
///
/// # Accept
/// One receipt for each candidate, in order; every candidate is decided in one atomic step, in the order given, and is
/// durable when the call returns. For each:
/// 1. `dedupe` known: [`crate::Placement::Duplicate`] with the first receipt; nothing is written. It is known at least
///    until both its entry and its envelope were purged.
/// 2. `source` known with another `dedupe`: goes on as a contact of its own, flagged `conflict`.
/// 3. Placement, by the first thread key that decides, following merges (a cycle is never written):
///    - `Always` that matches: appended. A party that does not take part is flagged `new_participant`.
///    - `IfParticipant` that matches: appended if `assurance` is not `Failed`, and the party takes part with no higher
///      assurance than this contact has; else the conversation is remembered as suggested parent, and the next key is
///      looked at.
///    - `IfParticipantOnTopic`: as `IfParticipant`; where it would append and both topics are known and differ, then if
///      the last contact is more than [`Candidate::IDLE_DAYS`] ago it is remembered as suggested parent instead, else
///      appended and flagged `subject_changed`.
///    - `Hint` that matches: remembered as suggested parent.
///
///    Where none appends: new, with the first remembered conversation as `suggested_parent`.
/// 4. A conversation to append to that is closed: human origin and `reopen_until` not before `accepted_at`: appended,
///    `reopens`, and the status is open again. Human origin and too late (or no `reopen_until`): new, with that
///    conversation as `follows`. Not human: appended, it stays closed.
/// 5. Written together: the envelope (record, receipt), the dedupe and source entries, `registers` bound to the
///    conversation (first writer wins), `rebinds` bound to it (last writer wins), `traces` bound to the envelope, the
///    `entry` appended to its timeline (see [`super::Timelines`]), the next sequence number, and one work item
///    (lane Triage, kind Triage, subject and order key the envelope and its conversation, id
///    `WorkId::of(envelope, "triage", 0)`, due at `accepted_at`).
/// 6. Taking part: a founder does. A participant's assurance rises to the highest seen. A human, not failed contact by
///    a participant (or founder) sets the way back, and if authenticated adds `introduces` (as unverified).
///    A newcomer (`new_participant`) adds nobody and changes no way back.
/// 7. A new conversation takes the first of `references` that no other conversation of the brand has; where all are
///    taken the call fails and nothing of the batch is written.
///
/// Read closely: an appended contact has no `suggested_parent`, nor has one with `follows`. Flags of rule 3 belong to
/// appending, so one that rule 4 makes new carries neither `new_participant` nor `subject_changed`. `matched` is the
/// label of the key that decided, also for `follows`; it is `None` where no key did. A merge brings the
/// participants along, each with the higher assurance, to where the contacts land by then (C05). A merge whose survivor
/// was purged counts no longer. A trace key may be bound to several envelopes.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// See the trait.
    async fn accept(&self, batch: Vec<Candidate>) -> Result<Vec<Receipt>, StoreError>;

    /// Applies a step: all of its effects or none. `LeaseLost` is never answered here. The guard is looked at first, then
    /// the versions of outbound records; a stale step leaves no guard behind.
    async fn apply(&self, step: Step) -> Result<Applied, StoreError>;

    /// The envelopes that `lookup` names, ordered by conversation and sequence; empty where there are none. Merges are
    /// not followed.
    async fn find(&self, brand: &BrandName, lookup: Lookup) -> Result<Vec<Envelope>, StoreError>;

    /// The facts of a conversation, itself and not what it was merged into.
    async fn conversation(
        &self,
        brand: &BrandName,
        id: &ConversationId,
    ) -> Result<Option<Conversation>, StoreError>;

    /// The conversation with this reference, itself and not what it was merged into.
    async fn by_reference(
        &self,
        brand: &BrandName,
        reference: &Reference,
    ) -> Result<Option<Conversation>, StoreError>;

    /// Something we sent.
    async fn outbound(
        &self,
        brand: &BrandName,
        id: &OutboundId,
    ) -> Result<Option<OutboundRecord>, StoreError>;

    /// All that was sent in a conversation, in the order it was asked for.
    async fn outbound_of(
        &self,
        brand: &BrandName,
        conversation: &ConversationId,
    ) -> Result<Vec<OutboundRecord>, StoreError>;

    /// The journal lines of these subjects, in order of time.
    async fn journal(&self, brand: &BrandName, subjects: &[String]) -> Result<Vec<JournalLine>, StoreError>;

    /// The brands that ever accepted a contact, applied a step or buried a dead letter here, sorted.
    async fn brands(&self) -> Result<Vec<BrandName>, StoreError>;
}
