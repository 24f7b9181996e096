//! The rules of accept, in the words of [`lodge_domain::ports::Ledger`], one function a rule.

use super::state::{Kept, State};
use lodge_domain::ports::StoreError;
use lodge_domain::{
    Assurance, Candidate, Conversation, ConversationId, ConversationStatus, Flag, JoinCondition, Lane,
    NewWork, OriginKind, Placement, Receipt, Reference, SignedDuration, ThreadKey, Timestamp, WorkId,
    WorkKind,
};
use std::collections::BTreeSet;

/// Where a contact goes.
enum Place {
    /// Into a conversation that is there.
    Append { to: ConversationId, matched: String, flags: BTreeSet<Flag>, reopens: bool },
    /// Into one of its own.
    Found {
        suggested_parent: Option<ConversationId>,
        follows: Option<ConversationId>,
        matched: Option<String>,
    },
}

pub(super) fn accept(
    state: &mut State,
    candidate: &Candidate,
    now: Timestamp,
) -> Result<Receipt, StoreError> {
    state.brands.insert(candidate.brand.clone());
    if let Some(first) = rule_1_known(state, candidate) {
        let entry = candidate.entry.as_ref().and_then(|new| state.entry_number(&candidate.brand, new));
        return Ok(Receipt { placement: Placement::Duplicate, entry, ..first });
    }
    let conflict = rule_2_conflict(state, candidate);
    let place = rule_4_closed(state, candidate, rule_3_placement(state, candidate));
    let reference_of = |state: &State, id: Option<ConversationId>| {
        id.and_then(|id| state.conversation(&candidate.brand, &id).map(|c| c.reference.clone()))
    };
    let receipt = match place {
        Place::Append { to, matched, mut flags, reopens } => {
            let newcomer = flags.contains(&Flag::NewParticipant);
            rule_6_taking_part(state, candidate, &to, newcomer);
            flags.extend(conflict);
            let reference = reference_of(state, Some(to.clone()))
                .ok_or_else(|| StoreError::Unreadable("a conversation vanished".to_owned()))?;
            Receipt {
                envelope: candidate.envelope.clone(),
                sequence: state.next_sequence(&candidate.brand, &to),
                conversation: to,
                reference,
                placement: Placement::Appended,
                suggested_parent: None,
                follows: None,
                reopens,
                flags,
                matched: Some(matched),
                accepted_at: candidate.accepted_at,
                entry: None,
            }
        }
        Place::Found { suggested_parent, follows, matched } => {
            let reference = rule_7_reference(state, candidate)?;
            found(state, candidate, reference.clone());
            rule_6_taking_part(state, candidate, &candidate.founds, false);
            Receipt {
                envelope: candidate.envelope.clone(),
                sequence: state.next_sequence(&candidate.brand, &candidate.founds),
                conversation: candidate.founds.clone(),
                reference,
                placement: Placement::New,
                suggested_parent: reference_of(state, suggested_parent),
                follows: reference_of(state, follows),
                reopens: false,
                flags: conflict.into_iter().collect(),
                matched,
                accepted_at: candidate.accepted_at,
                entry: None,
            }
        }
    };
    rule_5_written_together(state, candidate, &receipt, now);
    let entry = candidate.entry.as_ref().map(|new| state.append(&candidate.brand, new));
    Ok(Receipt { entry, ..receipt })
}

/// 1. A known dedupe key: the first receipt.
fn rule_1_known(state: &State, candidate: &Candidate) -> Option<Receipt> {
    let entry = state.dedupe.get(&(candidate.brand.clone(), candidate.dedupe));
    let kept = state.envelopes.get(&(candidate.brand.clone(), candidate.envelope.clone()));
    entry.or(kept.map(|kept| &kept.receipt)).cloned()
}

/// 2. A known source id with other content: a contact of its own, flagged.
fn rule_2_conflict(state: &State, candidate: &Candidate) -> Option<Flag> {
    let source = candidate.source?;
    let (first, _) = state.sources.get(&(candidate.brand.clone(), source))?;
    (*first != candidate.dedupe).then_some(Flag::Conflict)
}

/// 3. The first key that decides places it; where none does, the first remembered conversation is suggested.
fn rule_3_placement(state: &State, candidate: &Candidate) -> Place {
    let mut remembered = None;
    for key in &candidate.thread_keys {
        let bound = state.keys.get(&(candidate.brand.clone(), key.value));
        let landing = bound.and_then(|id| state.survivor(&candidate.brand, id));
        let Some(conversation) = landing.and_then(|id| state.conversation(&candidate.brand, &id)) else {
            continue;
        };
        match joins(conversation, key, candidate) {
            Some(flags) => {
                let to = conversation.id.clone();
                return Place::Append { to, matched: key.label.clone(), flags, reopens: false };
            }
            None => remembered = remembered.or(Some(conversation.id.clone())),
        }
    }
    Place::Found { suggested_parent: remembered, follows: None, matched: None }
}

/// Whether `key` lets the candidate join, and the flags that go with it.
fn joins(conversation: &Conversation, key: &ThreadKey, candidate: &Candidate) -> Option<BTreeSet<Flag>> {
    let known_with = conversation.participation(&candidate.party);
    let may_join = candidate.assurance != Assurance::Failed
        && known_with.is_some_and(|known_with| known_with <= candidate.assurance);
    match key.condition {
        JoinCondition::Always if known_with.is_some() => Some(BTreeSet::new()),
        JoinCondition::Always => Some(BTreeSet::from([Flag::NewParticipant])),
        JoinCondition::IfParticipant => may_join.then(BTreeSet::new),
        JoinCondition::IfParticipantOnTopic if !may_join => None,
        JoinCondition::IfParticipantOnTopic => {
            let changed = matches!((conversation.topic, candidate.topic), (Some(a), Some(b)) if a != b);
            let idle = candidate.accepted_at.duration_since(conversation.last_contact_at);
            match (changed, idle > SignedDuration::from_hours(24 * Candidate::IDLE_DAYS)) {
                (false, _) => Some(BTreeSet::new()),
                (true, false) => Some(BTreeSet::from([Flag::SubjectChanged])),
                (true, true) => None,
            }
        }
        JoinCondition::Hint => None,
    }
}

/// 4. A closed conversation: reopened in time by people, followed by a new one when late, left closed by programs.
fn rule_4_closed(state: &mut State, candidate: &Candidate, place: Place) -> Place {
    let Place::Append { to, matched, flags, .. } = place else { return place };
    let human = candidate.origin == OriginKind::Human;
    let closed = state
        .conversation_mut(&candidate.brand, &to)
        .filter(|conversation| human && conversation.status == ConversationStatus::Closed);
    let Some(conversation) = closed else { return Place::Append { to, matched, flags, reopens: false } };
    if conversation.reopen_until.is_some_and(|until| until >= candidate.accepted_at) {
        conversation.status = ConversationStatus::Open;
        conversation.reopen_until = None;
        Place::Append { to, matched, flags, reopens: true }
    } else {
        Place::Found { suggested_parent: None, follows: Some(to), matched: Some(matched) }
    }
}

/// 5. Written together: envelope, dedupe and source entries, keys, and one work item. (The sequence number is given out
///    where the receipt is made.)
fn rule_5_written_together(state: &mut State, candidate: &Candidate, receipt: &Receipt, now: Timestamp) {
    let brand = &candidate.brand;
    let kept = Kept { record: candidate.record.clone(), receipt: receipt.clone(), decision: None };
    state.envelopes.insert((brand.clone(), candidate.envelope.clone()), kept);
    state.dedupe.insert((brand.clone(), candidate.dedupe), receipt.clone());
    if let Some(source) = candidate.source {
        let entry = (candidate.dedupe, candidate.accepted_at);
        state.sources.entry((brand.clone(), source)).or_insert(entry);
    }
    for key in &candidate.registers {
        state.bind(brand, *key, &receipt.conversation);
    }
    for key in &candidate.rebinds {
        state.keys.insert((brand.clone(), *key), receipt.conversation.clone());
    }
    for key in &candidate.traces {
        state.trace(brand, *key, &candidate.envelope);
    }
    if let Some(conversation) = state.conversation_mut(brand, &receipt.conversation) {
        conversation.last_contact_at = candidate.accepted_at;
    }
    state.enqueue(triage_work(candidate, receipt), now);
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

/// 6. A founder takes part; assurance rises; people who take part set the way back and bring others along.
fn rule_6_taking_part(state: &mut State, candidate: &Candidate, to: &ConversationId, newcomer: bool) {
    let Some(conversation) = state.conversation_mut(&candidate.brand, to) else { return };
    if newcomer {
        return;
    }
    for (handle, assurance) in &mut conversation.participants {
        if *handle == candidate.party {
            *assurance = candidate.assurance.max(*assurance);
        }
    }
    let credible = candidate.origin == OriginKind::Human && candidate.assurance != Assurance::Failed;
    if credible && candidate.return_path.is_some() {
        conversation.return_path.clone_from(&candidate.return_path);
    }
    if credible && candidate.assurance == Assurance::Authenticated {
        for handle in &candidate.introduces {
            if conversation.participation(handle).is_none() {
                conversation.participants.push((handle.clone(), Assurance::Unverified));
            }
        }
    }
}

/// 7. The first reference that no other conversation of the brand has.
fn rule_7_reference(state: &State, candidate: &Candidate) -> Result<Reference, StoreError> {
    let free = |reference: &&Reference| state.by_reference(&candidate.brand, reference).is_none();
    let first = candidate.references.iter().find(free);
    first.cloned().ok_or_else(|| StoreError::Unavailable("no reference is free".to_owned()))
}

/// The conversation that `candidate` founds, before its first sequence number.
fn found(state: &mut State, candidate: &Candidate, reference: Reference) {
    let conversation = Conversation {
        id: candidate.founds.clone(),
        brand: candidate.brand.clone(),
        reference,
        inbox: candidate.inbox.clone(),
        sequence: 0,
        status: ConversationStatus::Open,
        reopen_until: None,
        external_id: None,
        participants: vec![(candidate.party.clone(), candidate.assurance)],
        return_path: None,
        queue: None,
        topic: candidate.topic,
        last_contact_at: candidate.accepted_at,
        merged_into: None,
    };
    state.conversations.insert((candidate.brand.clone(), candidate.founds.clone()), conversation);
}
