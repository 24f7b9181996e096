//! Lane Forward: finished events go to the core, byte for byte, until it has them.
//!
//! Only what the core itself answers counts: an outage burns no attempt and makes no dead letter.

use crate::commands;
use crate::pipeline::Shared;
use crate::schedule;
use crate::worker::Ending;
use jiff::{SignedDuration, Timestamp};
use lodge_domain::ports::{SinkAnswer, StoreError};
use lodge_domain::{
    Claim, ConversationChange, ConversationStatus, DeliveryError, Disposition, Effect, EventId, JournalLine,
    Lane,
};
use lodge_telemetry::catalogue::metrics;
use lodge_telemetry::failpoint;
use std::sync::PoisonError;

/// The fewest failures that make a dead letter by age: a few answers after a long outage prove nothing.
const FEWEST_FAILURES: u32 = 24;
/// The most events whose refusals are counted at a time; beyond them the plain count of failures decides.
const MOST_REFUSED: usize = 10_000;

/// Forwards the event that `claim` names.
pub(crate) async fn forward(shared: &Shared, claim: &Claim) -> Result<Ending, StoreError> {
    let work = &claim.work.new;
    let Some(sink) = &shared.sink else {
        return Ok(retry(shared, SignedDuration::from_mins(1), false, "no core is configured"));
    };
    let Some(event) = EventId::parse(&work.subject) else {
        return Ok(Ending::dead("the work names no event", &work.subject));
    };
    let Some(item) = shared.store.feed.event(&work.brand, &event).await? else {
        return Ok(Ending::dead("the event is no longer kept", "it is not in the feed"));
    };
    failpoint::pass("c17-forward-before-send");
    let answer = sink.forward(&event, item.body).await;
    failpoint::pass("c18-forward-sent");
    let ending = match answer {
        Ok(answer) => {
            shared.succeeded(&Lane::Forward);
            done(shared, claim, &answer).await?
        }
        Err(error) => failed(shared, claim, &error),
    };
    failpoint::pass("c19-forward-before-settle");
    Ok(ending)
}

async fn done(shared: &Shared, claim: &Claim, answer: &SinkAnswer) -> Result<Ending, StoreError> {
    let work = &claim.work.new;
    let now = shared.now();
    forget_refusals(shared, claim);
    if let Ok(accepted) = work.payload.parse::<Timestamp>() {
        metrics().forward_latency_seconds.observe(now.duration_since(accepted).as_secs_f64().max(0.0));
    }
    let ticket = answer.ticket.as_deref().map(|ticket| format!(" as {ticket}")).unwrap_or_default();
    let text = format!("the core has it{ticket}, after {} failed tries", claim.work.attempts);
    let mut effects = vec![Effect::Journal(JournalLine {
        subject: work.subject.clone(),
        at: now,
        step: "forwarded".to_owned(),
        text,
    })];
    if let Some(conversation) = &work.conversation
        && (answer.ticket.is_some() || answer.status.is_some())
    {
        let reopen_until = match answer.status {
            Some(ConversationStatus::Closed) => {
                let known = shared.store.ledger.conversation(&work.brand, conversation).await?;
                commands::reopen_until(shared, known.as_ref())
            }
            _ => None,
        };
        let change = ConversationChange {
            status: answer.status,
            reopen_until,
            external_id: answer.ticket.clone(),
            ..ConversationChange::default()
        };
        effects.push(Effect::Change { conversation: conversation.clone(), change: Box::new(change) });
    }
    Ok(Ending::done(effects))
}

fn failed(shared: &Shared, claim: &Claim, error: &DeliveryError) -> Ending {
    let circuit = shared.circuit(&Lane::Forward);
    let now = shared.now();
    let halted_before = circuit.halt().is_some();
    let others_succeed = circuit.others_succeed(now);
    // One event that is gone while others get through says nothing about the rest.
    if error.disposition != Disposition::Gone || !others_succeed {
        shared.failed(&Lane::Forward, error);
    }
    match error.disposition {
        Disposition::Rejected => refused(shared, claim, error),
        Disposition::Never => Ending::dead("the core can never take it", &error.to_string()),
        Disposition::Gone if others_succeed => {
            Ending::dead("the core has no place for it", &error.to_string())
        }
        Disposition::Gone | Disposition::Misconfigured => {
            retry(shared, crate::circuit::PROBE_EVERY, false, &error.to_string())
        }
        Disposition::Later { after } if halted_before || circuit.halt().is_some() || !error.answered => {
            let wait = schedule::uniform(
                SignedDuration::from_secs(1),
                crate::circuit::PROBE_EVERY,
                shared.entropy.number(),
            );
            let asked = after.map(|asked| asked.clamp(SignedDuration::from_secs(1), schedule::MOST_ASKED));
            // What the core answers while nothing gets through is no failure of this event.
            retry(shared, asked.unwrap_or(wait), false, &error.to_string())
        }
        Disposition::Later { after } => {
            let failures = claim.work.attempts + 1;
            let aged =
                circuit.answering_time(claim.work.enqueued_at, now) >= shared.live().settings.forward_retry;
            if failures >= schedule::FAILURES_IN_A_DAY || (aged && failures >= FEWEST_FAILURES) {
                return Ending::dead("the core failed for too long", &error.to_string());
            }
            retry(shared, schedule::wait(failures, after, shared.entropy.number()), true, &error.to_string())
        }
    }
}

/// The core refuses the event as it stands: three tries over a quarter of an hour, in case it was just deployed badly.
fn refused(shared: &Shared, claim: &Claim, error: &DeliveryError) -> Ending {
    let mut refusals = shared.refusals.lock().unwrap_or_else(PoisonError::into_inner);
    let key = claim.work.new.subject.clone();
    let times = if refusals.len() < MOST_REFUSED || refusals.contains_key(&key) {
        let times = refusals.entry(key.clone()).or_default();
        *times += 1;
        *times
    } else {
        claim.work.attempts + 1
    };
    match usize::try_from(times).ok().and_then(|times| schedule::REFUSED.get(times.saturating_sub(1))) {
        Some(wait) => retry(shared, *wait, true, &error.to_string()),
        None => {
            refusals.remove(&key);
            Ending::dead("the core refuses it", &error.to_string())
        }
    }
}

fn forget_refusals(shared: &Shared, claim: &Claim) {
    shared.refusals.lock().unwrap_or_else(PoisonError::into_inner).remove(&claim.work.new.subject);
}

fn retry(shared: &Shared, wait: SignedDuration, counts: bool, error: &str) -> Ending {
    let due = shared.now().checked_add(wait).unwrap_or(Timestamp::MAX);
    Ending::retry(due, counts, error)
}
