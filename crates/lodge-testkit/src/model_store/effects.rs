//! What a step changes: the guard first, then the versions of outbound records, then every effect in order.

use super::state::State;
use lodge_domain::effect::{Applied, Effect, Guard, Step};
use lodge_domain::ports::FeedItem;
use lodge_domain::{
    Assurance, BrandName, ConversationChange, ConversationId, ConversationStatus, Lane, NewWork,
    OutboundRecord, Timestamp, WorkId, WorkKind,
};
use std::collections::HashMap;

/// Applies `step` whole or not at all.
pub(super) fn apply(state: &mut State, step: &Step, now: Timestamp) -> Applied {
    state.brands.insert(step.brand.clone());
    if let Some(answer) = step.guard.as_ref().and_then(|guard| guarded(state, &step.brand, guard)) {
        return answer;
    }
    if is_stale(state, &step.brand, &step.effects) {
        return Applied::Stale;
    }
    for effect in &step.effects {
        perform(state, &step.brand, effect, now);
    }
    if let Some(guard) = &step.guard {
        state.guards.insert((step.brand.clone(), guard.key), (guard.clone(), now));
    }
    Applied::Done
}

fn guarded(state: &State, brand: &BrandName, guard: &Guard) -> Option<Applied> {
    let (first, _) = state.guards.get(&(brand.clone(), guard.key))?;
    let same = first.content == guard.content;
    Some(if same { Applied::Repeated(first.value.clone()) } else { Applied::Conflict })
}

/// Whether any outbound record is not the next version of what is there (or of an earlier one in the same step).
pub(super) fn is_stale(state: &State, brand: &BrandName, effects: &[Effect]) -> bool {
    let mut versions = HashMap::new();
    for effect in effects {
        let Effect::Outbound(record) = effect else { continue };
        let stored = state.outbound.iter().find(|(of, known)| of == brand && known.id == record.id);
        let version = versions.entry(&record.id).or_insert(stored.map_or(0, |(_, known)| known.version));
        *version += 1;
        if record.version != *version {
            return true;
        }
    }
    false
}

/// One effect; harmless when repeated.
pub(super) fn perform(state: &mut State, brand: &BrandName, effect: &Effect, now: Timestamp) {
    match effect {
        Effect::Enqueue(new) => state.enqueue(new.clone(), now),
        Effect::Record { event, conversation, part, at } => {
            let Some(landing) = state.survivor(brand, conversation) else { return };
            if state.recorded.insert((brand.clone(), event.clone()), landing.clone()).is_some() {
                return;
            }
            let new = NewWork {
                id: WorkId::of(event.as_str(), WorkKind::Announce.as_str(), 0),
                lane: Lane::Triage,
                kind: WorkKind::Announce,
                brand: brand.clone(),
                sequence: Some(state.next_sequence(brand, &landing)),
                conversation: Some(landing),
                subject: event.to_string(),
                payload: String::from_utf8_lossy(part).into_owned(),
                due: *at,
            };
            state.enqueue(new, now);
        }
        Effect::Publish { event, conversation, body, at } => {
            let known = |(_, item): &(u64, FeedItem)| item.brand == *brand && item.event == *event;
            if !state.feed.iter().any(known) {
                let item = FeedItem {
                    event: event.clone(),
                    brand: brand.clone(),
                    conversation: conversation.clone(),
                    body: body.clone(),
                    at: *at,
                };
                state.published += 1;
                state.feed.push((state.published, item));
            }
        }
        Effect::Decide { envelope, decision } => {
            if let Some(kept) = state.envelopes.get_mut(&(brand.clone(), envelope.clone())) {
                kept.decision = Some((**decision).clone());
            }
        }
        Effect::Learn { conversation, keys } => {
            if state.conversation(brand, conversation).is_some() {
                keys.iter().for_each(|key| state.bind(brand, *key, conversation));
            }
        }
        Effect::Trace { envelope, keys } => {
            if state.envelopes.contains_key(&(brand.clone(), envelope.clone())) {
                keys.iter().for_each(|key| state.trace(brand, *key, envelope));
            }
        }
        Effect::Change { conversation, change } => alter(state, brand, conversation, change),
        Effect::Outbound(record) => write_outbound(state, brand, record),
        Effect::Journal(line) => {
            let same = |(of, known): &(BrandName, lodge_domain::JournalLine)| {
                (of, &known.subject, &known.step, &known.text)
                    == (brand, &line.subject, &line.step, &line.text)
            };
            if !state.journal.iter().any(same) {
                state.journal.push((brand.clone(), line.clone()));
            }
        }
    }
}

fn alter(state: &mut State, brand: &BrandName, id: &ConversationId, change: &ConversationChange) {
    let merged_into = change.merged_into.as_ref().filter(|into| may_merge(state, brand, id, into)).cloned();
    if let Some(into) = &merged_into {
        bring_along(state, brand, id, into);
    }
    let Some(conversation) = state.conversation_mut(brand, id) else { return };
    if let Some(status) = change.status {
        conversation.status = status;
        let closed = status == ConversationStatus::Closed;
        conversation.reopen_until = change.reopen_until.filter(|_| closed);
    }
    if change.external_id.is_some() {
        conversation.external_id.clone_from(&change.external_id);
    }
    if change.queue.is_some() {
        conversation.queue.clone_from(&change.queue);
    }
    if let Some(handle) = &change.participant
        && conversation.participation(handle).is_none()
    {
        conversation.participants.push((handle.clone(), Assurance::Unverified));
    }
    if merged_into.is_some() {
        conversation.merged_into = merged_into;
    }
}

/// Who takes part in `id` takes part where its contacts land from now on.
fn bring_along(state: &mut State, brand: &BrandName, id: &ConversationId, into: &ConversationId) {
    let people = state.conversation(brand, id).map(|from| from.participants.clone()).unwrap_or_default();
    let survivor = state.survivor(brand, into);
    let Some(to) = survivor.and_then(|survivor| state.conversation_mut(brand, &survivor)) else { return };
    for (handle, assurance) in people {
        match to.participants.iter_mut().find(|(known, _)| *known == handle) {
            Some((_, highest)) => *highest = (*highest).max(assurance),
            None => to.participants.push((handle, assurance)),
        }
    }
}

/// Whether merging `id` into `into` would make no cycle.
fn may_merge(state: &State, brand: &BrandName, id: &ConversationId, into: &ConversationId) -> bool {
    let mut at = state.conversation(brand, into);
    if at.is_none() {
        return false;
    }
    while let Some(conversation) = at {
        if conversation.id == *id {
            return false;
        }
        at = conversation.merged_into.as_ref().and_then(|next| state.conversation(brand, next));
    }
    true
}

fn write_outbound(state: &mut State, brand: &BrandName, record: &OutboundRecord) {
    let known = state.outbound.iter_mut().find(|(of, known)| of == brand && known.id == record.id);
    match known {
        Some((_, known)) => *known = record.clone(),
        None => state.outbound.push((brand.clone(), record.clone())),
    }
}
