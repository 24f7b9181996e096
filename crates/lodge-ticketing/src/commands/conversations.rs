//! Conversations as the core sees them: how far they are, what they were merged into, what happened to them.

use super::problem::Problem;
use super::replies::read;
use super::state::Shared;
use crate::sink::is_ticket;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use bytes::Bytes;
use http::StatusCode;
use lodge_domain::delivery::{OutboundKind, OutboundState, RecipientState};
use lodge_domain::ports::{Hint, History, StatusChange};
use lodge_domain::{
    Channel, Conversation, ConversationId, ConversationStatus, Decision, Envelope, EnvelopeId, Flag,
    JournalLine, OutboundId, OutboundRecord, Placement, Reference, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusBody {
    status: ConversationStatus,
    ticket: Option<String>,
    note: Option<String>,
    #[serde(default)]
    notify: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MergeBody {
    into: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PresenceBody {
    state: Presence,
    author: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Presence {
    Typing,
    Read,
}

pub(super) async fn status(
    State(shared): State<Arc<Shared>>,
    reference: Result<Path<String>, PathRejection>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let reference = named(reference)?;
    let body: StatusBody = read(&body)?;
    if body.ticket.as_ref().is_some_and(|ticket| !is_ticket(ticket)) {
        return Err(Problem::invalid("ticket is 1 to 256 characters without control characters"));
    }
    if body.note.as_ref().is_some_and(|note| note.chars().count() > 2000) {
        return Err(Problem::invalid("note has at most 2,000 characters"));
    }
    if body.notify {
        // Said aloud: a customer who was to be told must not be left untold in silence.
        let detail = "nothing tells the customer about a new status: send a reply instead";
        return Err(lodge_domain::ports::CommandError::Impossible(detail.to_owned()).into());
    }
    let change = StatusChange { status: body.status, ticket: body.ticket, note: body.note };
    shared.given.commands.status(&reference, change).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn merge(
    State(shared): State<Arc<Shared>>,
    reference: Result<Path<String>, PathRejection>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let from = named(reference)?;
    let body: MergeBody = read(&body)?;
    let into = Reference::parse(&body.into).ok_or_else(|| Problem::unknown("conversation"))?;
    shared.given.commands.merge(&from, &into).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn presence(
    State(shared): State<Arc<Shared>>,
    reference: Result<Path<String>, PathRejection>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let reference = named(reference)?;
    let body: PresenceBody = read(&body)?;
    if body.author.as_ref().is_some_and(|author| author.chars().count() > 200) {
        return Err(Problem::invalid("author has at most 200 characters"));
    }
    let hint = match body.state {
        Presence::Typing => Hint::Typing { author: body.author },
        Presence::Read => Hint::Read,
    };
    shared.given.commands.show(&reference, hint).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn revoke(
    State(shared): State<Arc<Shared>>,
    reference: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    shared.given.commands.revoke(&named(reference)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn history(
    State(shared): State<Arc<Shared>>,
    reference: Result<Path<String>, PathRejection>,
) -> Result<Json<HistoryDocument>, Problem> {
    let reference = named(reference)?;
    Ok(Json(HistoryDocument::from(shared.given.commands.history(&reference).await?)))
}

fn named(reference: Result<Path<String>, PathRejection>) -> Result<Reference, Problem> {
    let reference = reference.ok().and_then(|Path(text)| Reference::parse(&text));
    reference.ok_or_else(|| Problem::unknown("conversation"))
}

/// A conversation's history with reasons. What people wrote is not in it: the core has it from the events, where card
/// numbers are masked.
#[derive(Serialize)]
pub(super) struct HistoryDocument {
    reference: Reference,
    conversation: ConversationId,
    status: ConversationStatus,
    reopen_until: Option<Timestamp>,
    external_id: Option<String>,
    inbox: String,
    queue: Option<String>,
    sequence: u64,
    participants: Vec<ParticipantDocument>,
    merged_into: Option<ConversationId>,
    last_contact_at: Timestamp,
    contacts: Vec<ContactDocument>,
    sent: Vec<SentDocument>,
    journal: Vec<JournalLine>,
}

#[derive(Serialize)]
struct ParticipantDocument {
    handle: String,
    assurance: lodge_domain::Assurance,
}

#[derive(Serialize)]
struct ContactDocument {
    id: EnvelopeId,
    sequence: u64,
    placement: Placement,
    matched: Option<String>,
    channel: Channel,
    provider: String,
    inbox: String,
    from: String,
    received_at: Timestamp,
    accepted_at: Timestamp,
    flags: BTreeSet<Flag>,
    attachments: usize,
    decision: Option<Decision>,
}

#[derive(Serialize)]
struct SentDocument {
    id: OutboundId,
    kind: OutboundKind,
    acknowledges: Option<EnvelopeId>,
    state: OutboundState,
    in_doubt: bool,
    recipients: Vec<RecipientState>,
    author: Option<String>,
    created_at: Timestamp,
    resends: u32,
}

impl From<History> for HistoryDocument {
    fn from(history: History) -> Self {
        let Conversation { id, reference, inbox, sequence, status, reopen_until, external_id, .. } =
            history.conversation;
        let participants = history.conversation.participants.into_iter();
        let participants = participants
            .map(|(handle, assurance)| ParticipantDocument { handle: handle.value, assurance })
            .collect();
        Self {
            reference,
            conversation: id,
            status,
            reopen_until,
            external_id,
            inbox: inbox.to_string(),
            queue: history.conversation.queue,
            sequence,
            participants,
            merged_into: history.conversation.merged_into,
            last_contact_at: history.conversation.last_contact_at,
            contacts: history.envelopes.into_iter().map(ContactDocument::from).collect(),
            sent: history.outbound.into_iter().map(SentDocument::from).collect(),
            journal: history.journal,
        }
    }
}

impl From<Envelope> for ContactDocument {
    fn from(envelope: Envelope) -> Self {
        let Envelope { contact, receipt, decision } = envelope;
        Self {
            id: receipt.envelope,
            sequence: receipt.sequence,
            placement: receipt.placement,
            matched: receipt.matched,
            channel: contact.address.channel,
            provider: contact.address.provider,
            inbox: contact.inbox.name.to_string(),
            from: contact.from.handle.value,
            received_at: contact.received_at,
            accepted_at: receipt.accepted_at,
            flags: contact.flags.union(&receipt.flags).copied().collect(),
            attachments: contact.attachments.len(),
            decision,
        }
    }
}

impl From<OutboundRecord> for SentDocument {
    fn from(record: OutboundRecord) -> Self {
        Self {
            id: record.id,
            kind: record.message.kind,
            acknowledges: record.acknowledges,
            state: record.state,
            in_doubt: record.in_doubt,
            recipients: record.recipients,
            author: record.message.author,
            created_at: record.created_at,
            resends: record.resends,
        }
    }
}
