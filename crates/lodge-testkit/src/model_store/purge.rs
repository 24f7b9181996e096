//! What ages, and what keeps it from being removed.

use super::state::State;
use lodge_domain::ports::{FeedItem, PurgeClass};
use lodge_domain::{BrandName, ConversationId, NewWork, Timestamp, WorkKind};

/// Removes what `class` has that is older than `before`; how many went.
pub(super) fn purge(state: &mut State, class: PurgeClass, before: Timestamp) -> u64 {
    match class {
        PurgeClass::Dedupe => {
            let count = state.dedupe.len();
            state.dedupe.retain(|_, receipt| receipt.accepted_at >= before);
            state.sources.retain(|_, (_, at)| *at >= before);
            (count - state.dedupe.len()) as u64
        }
        PurgeClass::Conversations => {
            let old = state.conversations.values().filter(|c| c.last_contact_at < before);
            let ids: Vec<_> = old
                .filter(|c| !is_needed(state, |new| new.conversation.as_ref() == Some(&c.id)))
                .map(|c| (c.brand.clone(), c.id.clone()))
                .collect();
            ids.iter().for_each(|(brand, id)| forget(state, brand, id));
            ids.len() as u64
        }
        PurgeClass::Feed => {
            let forwards = |item: &FeedItem, new: &NewWork| {
                new.kind == WorkKind::Forward && new.brand == item.brand && new.subject == item.event.as_str()
            };
            let (old, mut feed): (Vec<_>, Vec<_>) = std::mem::take(&mut state.feed)
                .into_iter()
                .partition(|(_, item)| item.at < before && !is_needed(state, |new| forwards(item, new)));
            feed.sort_by_key(|(number, _)| *number);
            state.feed = feed;
            old.len() as u64
        }
        PurgeClass::Timelines => {
            let count = state.timelines.len();
            state.timelines.retain(|_, timeline| timeline.last >= before);
            (count - state.timelines.len()) as u64
        }
        PurgeClass::Transient => {
            let count = |state: &State| state.guards.len() + state.budgets.len() + state.leases.len();
            let all = count(state);
            state.guards.retain(|_, (_, at)| *at >= before);
            state.budgets.retain(|_, window| window.until >= before);
            state.leases.retain(|_, held| held.until >= before);
            (all - count(state)) as u64
        }
    }
}

/// Whether work or a dead letter is about what `about` says.
fn is_needed(state: &State, about: impl Fn(&NewWork) -> bool) -> bool {
    let mut work = state.work.iter().map(|item| &item.work.new);
    work.any(&about) || state.dead_letters.iter().any(|letter| about(&letter.work))
}

/// Removes a conversation with all that is only known through it.
fn forget(state: &mut State, brand: &BrandName, id: &ConversationId) {
    state.conversations.remove(&(brand.clone(), id.clone()));
    state.keys.retain(|(of, _), to| of != brand || to != id);
    state.recorded.retain(|(of, _), to| of != brand || to != id);
    let in_it = |of: &BrandName, conversation: &ConversationId| of == brand && conversation == id;
    let mut subjects = vec![id.to_string()];
    state.envelopes.retain(|(of, envelope), kept| {
        let goes = in_it(of, &kept.receipt.conversation);
        if goes {
            subjects.push(envelope.to_string());
        }
        !goes
    });
    for envelopes in state.traces.values_mut() {
        envelopes.retain(|envelope| !subjects.iter().any(|subject| subject == envelope.as_str()));
    }
    state.traces.retain(|_, envelopes| !envelopes.is_empty());
    state.outbound.retain(|(of, record)| !in_it(of, &record.message.conversation));
    state.journal.retain(|(of, line)| of != brand || !subjects.contains(&line.subject));
}
