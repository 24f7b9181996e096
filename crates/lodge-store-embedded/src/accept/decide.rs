//! The rules: known, conflict, placement, closed conversations.
//!
//! Everything is decided before the first write, except the reference, whose collision shows in its own insert.

use super::look_up::{Facts, conversation_of, is_conflict, known, participation};
use super::write::{append, found, write};
use crate::codec::{self, nanos};
use crate::enqueue;
use crate::error::Failure;
use crate::timelines;
use crate::writer::Tx;
use lodge_domain::{
    Assurance, Candidate, ConversationStatus, Flag, JoinCondition, Lane, NewWork, OriginKind, Placement,
    Receipt, Reference, Timestamp, WorkId, WorkKind,
};

/// A conversation to append to.
pub(super) struct Joined {
    pub(super) facts: Facts,
    /// The assurance the party takes part with; `None` for a newcomer.
    pub(super) known_with: Option<Assurance>,
    pub(super) is_topic_changed: bool,
    pub(super) matched: String,
    pub(super) reopens: bool,
}

/// Where a contact goes.
enum Place {
    Append(Joined),
    Found { suggested_parent: Option<Reference>, follows: Option<Reference>, matched: Option<String> },
}

/// Accepts one candidate.
pub(crate) fn accept(tx: &mut Tx<'_>, candidate: &Candidate, now: Timestamp) -> Result<Receipt, Failure> {
    let brand = tx.brand(&candidate.brand)?;
    if let Some(first) = known(tx, candidate)? {
        let entry =
            candidate.entry.as_ref().map(|new| timelines::number(tx, brand, new)).transpose()?.flatten();
        return Ok(Receipt { placement: Placement::Duplicate, entry, ..first });
    }
    let is_conflict = is_conflict(tx, brand, candidate)?;
    let place = closed(candidate, placement(tx, brand, candidate)?);
    let (pos, mut receipt) = match place {
        Place::Append(joined) => append(tx, candidate, joined)?,
        Place::Found { suggested_parent, follows, matched } => {
            let (pos, mut receipt) = found(tx, brand, candidate)?;
            receipt.suggested_parent = suggested_parent;
            receipt.follows = follows;
            receipt.matched = matched;
            (pos, receipt)
        }
    };
    if is_conflict {
        receipt.flags.insert(Flag::Conflict);
    }
    write(tx, brand, pos, candidate, &receipt)?;
    // Whatever is dead under this id would have kept its conversation, and that its envelope.
    enqueue::insert(tx, &triage_work(candidate, &receipt), now)?;
    let entry = candidate.entry.as_ref().map(|new| timelines::append(tx, brand, new)).transpose()?;
    Ok(Receipt { entry, ..receipt })
}

/// 3. The first key that decides.
fn placement(tx: &Tx<'_>, brand: i64, candidate: &Candidate) -> Result<Place, Failure> {
    let mut suggested_parent = None;
    for key in &candidate.thread_keys {
        let Some(facts) = conversation_of(tx, brand, key)? else { continue };
        let known_with = participation(tx, facts.pos, candidate)?;
        match joins(&facts, known_with, key.condition, candidate) {
            Some(is_topic_changed) => {
                let matched = key.label.clone();
                return Ok(Place::Append(Joined {
                    facts,
                    known_with,
                    is_topic_changed,
                    matched,
                    reopens: false,
                }));
            }
            None => suggested_parent = suggested_parent.or(Some(facts.reference)),
        }
    }
    Ok(Place::Found { suggested_parent, follows: None, matched: None })
}

/// Whether the key lets the candidate join (`Some`), and whether that changes the topic.
fn joins(
    facts: &Facts,
    known_with: Option<Assurance>,
    condition: JoinCondition,
    candidate: &Candidate,
) -> Option<bool> {
    let may_join = candidate.assurance != Assurance::Failed
        && known_with.is_some_and(|known_with| known_with <= candidate.assurance);
    match condition {
        JoinCondition::Always => Some(false),
        JoinCondition::IfParticipant => may_join.then_some(false),
        JoinCondition::IfParticipantOnTopic => {
            let is_changed = matches!((facts.topic, candidate.topic), (Some(a), Some(b)) if a != b.0);
            let idle = nanos(candidate.accepted_at).saturating_sub(facts.last_contact_at);
            let is_idle = idle > Candidate::IDLE_DAYS * 86_400_000_000_000;
            (may_join && !(is_changed && is_idle)).then_some(is_changed)
        }
        JoinCondition::Hint => None,
    }
}

/// 4. A closed conversation: reopened in time by people, followed by a new one when late, left closed by programs.
fn closed(candidate: &Candidate, place: Place) -> Place {
    let Place::Append(mut joined) = place else { return place };
    let is_closed = joined.facts.status == codec::status(ConversationStatus::Closed);
    if !is_closed || candidate.origin != OriginKind::Human {
        return Place::Append(joined);
    }
    if joined.facts.reopen_until.is_some_and(|until| until >= nanos(candidate.accepted_at)) {
        joined.reopens = true;
        return Place::Append(joined);
    }
    let (follows, matched) = (Some(joined.facts.reference), Some(joined.matched));
    Place::Found { suggested_parent: None, follows, matched }
}

fn triage_work(candidate: &Candidate, receipt: &Receipt) -> NewWork {
    NewWork {
        id: WorkId::of(candidate.envelope.as_str(), WorkKind::Triage.as_str(), 0),
        lane: Lane::Triage,
        kind: WorkKind::Triage,
        brand: candidate.brand.clone(),
        conversation: Some(receipt.conversation.clone()),
        subject: candidate.envelope.to_string(),
        sequence: Some(receipt.sequence),
        payload: String::new(),
        due: candidate.accepted_at,
    }
}
