//! Who may claim what, and how claims end.

use super::effects::{is_stale, perform};
use super::state::{Item, State};
use lodge_domain::effect::{Applied, Effect};
use lodge_domain::ports::DeadLetter;
use lodge_domain::{BrandName, Claim, Lane, Settlement, SignedDuration, Timestamp, WorkId};
use std::collections::BTreeMap;

/// Since when `item` can be claimed: when it is due, or when the lease on it ended.
fn ready_since(item: &Item) -> Timestamp {
    item.leased.as_ref().map_or(item.work.new.due, |(_, until)| item.work.new.due.max(*until))
}

/// The items of `lane` that can be claimed now, by brand, oldest due first. Of each conversation only the first item of
/// the lane is looked at.
fn claimable(state: &State, lane: &Lane, now: Timestamp) -> BTreeMap<BrandName, Vec<usize>> {
    let mut seen = Vec::new();
    let mut by_brand: BTreeMap<BrandName, Vec<usize>> = BTreeMap::new();
    for (at, item) in state.work.iter().enumerate().filter(|(_, item)| item.work.new.lane == *lane) {
        let new = &item.work.new;
        if let Some(conversation) = &new.conversation {
            if seen.contains(&(&new.brand, conversation)) {
                continue;
            }
            seen.push((&new.brand, conversation));
        }
        if ready_since(item) <= now {
            by_brand.entry(new.brand.clone()).or_default().push(at);
        }
    }
    for of_brand in by_brand.values_mut() {
        of_brand.sort_by_key(|at| ready_since(&state.work[*at]));
    }
    by_brand
}

pub(super) fn has_claimable(state: &State, lane: &Lane, now: Timestamp) -> bool {
    !claimable(state, lane, now).is_empty()
}

/// Claims up to `most` items, one brand after the other, beginning after the one served last.
pub(super) fn claim(
    state: &mut State,
    lane: &Lane,
    most: usize,
    lease: SignedDuration,
    now: Timestamp,
    token: impl Fn() -> String,
) -> Vec<Claim> {
    let mut waiting = claimable(state, lane, now);
    let mut claims = Vec::new();
    while claims.len() < most && !waiting.is_empty() {
        let served = state.served.get(lane);
        let after = waiting.keys().find(|brand| served.is_none_or(|served| *brand > served));
        let Some(brand) = after.or_else(|| waiting.keys().next()).cloned() else { break };
        if let Some(of_brand) = waiting.get_mut(&brand) {
            let item = &mut state.work[of_brand.remove(0)];
            let (token, until) = (token(), now.saturating_add(lease).unwrap_or(Timestamp::MAX));
            item.work.claims += 1;
            item.leased = Some((token.clone(), until));
            claims.push(Claim { work: item.work.clone(), token, until });
        }
        waiting.retain(|_, of_brand| !of_brand.is_empty());
        state.served.insert(lane.clone(), brand);
    }
    claims
}

/// The item that `claim` still holds.
pub(super) fn held(state: &State, claim: &Claim) -> Option<usize> {
    let holds = |item: &Item| {
        item.work.new.id == claim.work.new.id
            && item.leased.as_ref().is_some_and(|(token, _)| *token == claim.token)
    };
    state.work.iter().position(holds)
}

/// Ends one claim with its effects, whole or not at all.
pub(super) fn settle(
    state: &mut State,
    claim: &Claim,
    settlement: &Settlement,
    effects: &[Effect],
    now: Timestamp,
) -> Applied {
    let Some(at) = held(state, claim) else { return Applied::LeaseLost };
    let brand = state.work[at].work.new.brand.clone();
    if is_stale(state, &brand, effects) {
        return Applied::Stale;
    }
    match settlement {
        Settlement::Done => {
            state.work.remove(at);
        }
        Settlement::RetryAt { due, counts, .. } => {
            let item = &mut state.work[at];
            item.work.new.due = *due;
            item.work.attempts += u32::from(*counts);
            item.work.marked = false;
            item.leased = None;
        }
        Settlement::Dead { reason, error } => {
            let work = state.work.remove(at).work;
            state.dead_letters.push(DeadLetter {
                work: work.new,
                attempts: work.attempts,
                reason: reason.clone(),
                error: error.clone(),
                at: now,
            });
        }
    }
    for effect in effects {
        if !is_settled_here(effect, &claim.work.new.id) {
            perform(state, &brand, effect, now);
        }
    }
    Applied::Done
}

/// Work that was just settled is not enqueued again by its own settlement.
fn is_settled_here(effect: &Effect, settled: &WorkId) -> bool {
    matches!(effect, Effect::Enqueue(new) if new.id == *settled)
}
