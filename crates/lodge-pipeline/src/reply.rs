//! Lanes Reply and Acknowledge: what we send to a party goes out at most once.
//!
//! The order is what makes it so: keys by which an answer will be recognised are learned first, then the work is marked,
//! durably, then it is sent, then settled. Work that comes back marked may have gone out: it is in doubt, and never
//! repeated by ourselves, unless the far side recognises repeats. Doubt about an acknowledgment ends in silence; doubt
//! about a reply is told to the core, which may ask to send it again.

use crate::continuity;
use crate::events;
use crate::outbound::{acknowledgment_event, bring_all, is_acknowledgment, journal, merge, reply_event};
use crate::pipeline::Shared;
use crate::schedule;
use crate::worker::{Ending, settle_patiently};
use jiff::{SignedDuration, Timestamp};
use lodge_domain::delivery::{Announced, OutboundState, RecipientState};
use lodge_domain::effect::Step;
use lodge_domain::ports::{Lookup, Replier, StoreError};
use lodge_domain::ticket::AcknowledgmentState;
use lodge_domain::{
    Applied, Claim, DeliveryError, Disposition, Effect, EnvelopeId, OutboundId, OutboundRecord, Sent,
    Settlement, ThreadKeyValue,
};
use lodge_telemetry::failpoint;

/// How often an ending is made anew because its record changed meanwhile.
const TRIES: usize = 8;

/// What became of one try.
enum Fate {
    Sent(Sent),
    InDoubt(String),
    Later { due: Timestamp, counts: bool, error: String },
    Failed(String),
    Suppressed(String),
}

/// Sends what `claim` names. `None` where the claim was settled here, or lost.
pub(crate) async fn send(shared: &Shared, claim: &Claim) -> Result<Option<Ending>, StoreError> {
    let work = &claim.work.new;
    let Some(id) = OutboundId::parse(&work.subject) else {
        return Ok(Some(Ending::dead("the work names nothing to send", &work.subject)));
    };
    let Some(record) = shared.store.ledger.outbound(&work.brand, &id).await? else {
        // Erased meanwhile.
        return Ok(Some(Ending::done(Vec::new())));
    };
    if !matches!(record.state, OutboundState::Queued | OutboundState::Deferred) {
        return Ok(Some(Ending::done(Vec::new())));
    }
    let Some(replier) = shared.replier(&record.message.inbox) else {
        let due = shared.now().checked_add(SignedDuration::from_mins(1)).unwrap_or(Timestamp::MAX);
        return Ok(Some(Ending::retry(due, false, "the inbox cannot send")));
    };
    let fate = if claim.work.marked && !replier.is_idempotent() {
        Fate::InDoubt("the process ended while it was being sent".to_owned())
    } else if let Some(fate) = expired(shared, claim, &record) {
        fate
    } else {
        prepare(shared, &record, &*replier).await?;
        if !shared.store.work.mark(claim).await? {
            // Somebody else has it now, and will see the mark, or none was set.
            return Ok(None);
        }
        failpoint::pass("c22-acknowledgment-marked");
        let answer = replier.send(&record.message).await;
        failpoint::pass("c23-acknowledgment-sent");
        judge(shared, claim, &*replier, answer)
    };
    conclude(shared, claim, &record.id, &fate).await
}

/// Whether it waited too long to still go out.
fn expired(shared: &Shared, claim: &Claim, record: &OutboundRecord) -> Option<Fate> {
    let settings = &shared.live().settings;
    let waited = shared.now().duration_since(claim.work.enqueued_at);
    if is_acknowledgment(record) {
        let most = settings.acknowledgment.max_age;
        return (waited > most)
            .then(|| Fate::Suppressed(format!("could not be sent within {} h", most.as_hours())));
    }
    let most = settings.reply_retry;
    (waited > most).then(|| Fate::Failed(format!("could not be sent within {} h", most.as_hours())))
}

/// Learns, before anything goes out, how an answer will be recognised.
async fn prepare(shared: &Shared, record: &OutboundRecord, replier: &dyn Replier) -> Result<(), StoreError> {
    let Announced { keys, traces } = replier.announce(&record.message);
    let traces = traces.iter().filter_map(lodge_domain::TraceKey::value).collect();
    let effects = learned(shared, record, keys, traces).await?;
    if effects.is_empty() {
        return Ok(());
    }
    let step = Step { brand: record.message.brand.clone(), guard: None, effects };
    shared.store.ledger.apply(step).await.map(|_| ())
}

async fn learned(
    shared: &Shared,
    record: &OutboundRecord,
    keys: Vec<ThreadKeyValue>,
    traces: Vec<ThreadKeyValue>,
) -> Result<Vec<Effect>, StoreError> {
    let mut effects = Vec::new();
    if !keys.is_empty() {
        effects.push(Effect::Learn { conversation: record.message.conversation.clone(), keys });
    }
    if !traces.is_empty()
        && let Some(envelope) = envelope_of(shared, record).await?
    {
        effects.push(Effect::Trace { envelope, keys: traces });
    }
    Ok(effects)
}

/// The envelope that a record is looked up with: the one it acknowledges, else its conversation's last.
async fn envelope_of(shared: &Shared, record: &OutboundRecord) -> Result<Option<EnvelopeId>, StoreError> {
    if record.acknowledges.is_some() {
        return Ok(record.acknowledges.clone());
    }
    let lookup = Lookup::Conversation(record.message.conversation.clone());
    let envelopes = shared.store.ledger.find(&record.message.brand, lookup).await?;
    Ok(envelopes.into_iter().next_back().map(|envelope| envelope.receipt.envelope))
}

/// What the answer of the far side means.
fn judge(shared: &Shared, claim: &Claim, replier: &dyn Replier, answer: Result<Sent, DeliveryError>) -> Fate {
    let lane = &claim.work.new.lane;
    let error = match answer {
        Ok(sent) => {
            shared.succeeded(lane);
            return Fate::Sent(sent);
        }
        Err(error) => error,
    };
    shared.failed(lane, &error);
    if error.in_doubt && !replier.is_idempotent() {
        return Fate::InDoubt(error.to_string());
    }
    let later = |wait: SignedDuration, counts| Fate::Later {
        due: shared.now().checked_add(wait).unwrap_or(Timestamp::MAX),
        counts,
        error: error.to_string(),
    };
    match error.disposition {
        Disposition::Later { after } => {
            let wait = schedule::wait(claim.work.attempts + 1, after, shared.entropy.number());
            later(wait, error.answered)
        }
        Disposition::Misconfigured => later(crate::circuit::PROBE_EVERY, false),
        Disposition::Rejected | Disposition::Gone | Disposition::Never => Fate::Failed(error.to_string()),
    }
}

/// Settles the claim with what became of it, on top of whatever the record has become meanwhile.
async fn conclude(
    shared: &Shared,
    claim: &Claim,
    id: &OutboundId,
    fate: &Fate,
) -> Result<Option<Ending>, StoreError> {
    let brand = &claim.work.new.brand;
    for _ in 0..TRIES {
        let Some(record) = shared.store.ledger.outbound(brand, id).await? else {
            return Ok(Some(Ending::done(Vec::new())));
        };
        let Ending { settlement, effects } = ending(shared, record, fate).await?;
        let batch = vec![(claim.clone(), settlement.clone(), effects)];
        match settle_patiently(shared, batch).await.as_deref() {
            Some([Applied::Stale]) => {}
            Some([applied]) => {
                crate::worker::report(claim, &settlement, applied);
                counted(shared, claim, id, fate).await;
                return Ok(None);
            }
            _ => return Ok(None),
        }
    }
    Err(StoreError::Busy)
}

async fn ending(shared: &Shared, mut record: OutboundRecord, fate: &Fate) -> Result<Ending, StoreError> {
    let before = record.clone();
    let now = shared.now();
    let mut effects = Vec::new();
    let (settlement, step, text) = match fate {
        Fate::Sent(sent) => {
            merge(&mut record, &sent.recipients);
            let refused = sent.recipients.iter().any(|to| to.state == OutboundState::Failed);
            if !refused {
                bring_all(&mut record, OutboundState::Sent, None);
            }
            record.in_doubt = false;
            let traces = sent.traces.iter().filter_map(lodge_domain::TraceKey::value).collect();
            effects.extend(learned(shared, &record, sent.keys.clone(), traces).await?);
            effects.extend(sent.unless_seen.as_ref().and_then(|way| continuity::planned(&record, way)));
            (Settlement::Done, "sent", said(&sent.recipients))
        }
        Fate::InDoubt(why) => {
            bring_all(&mut record, OutboundState::Failed, Some(why));
            record.in_doubt = true;
            (Settlement::Done, "in doubt", why.clone())
        }
        Fate::Failed(why) | Fate::Suppressed(why) => {
            bring_all(&mut record, OutboundState::Failed, Some(why));
            let step = if matches!(fate, Fate::Suppressed(_)) { "suppressed" } else { "failed" };
            (Settlement::Done, step, why.clone())
        }
        Fate::Later { due, counts, error } => {
            bring_all(&mut record, OutboundState::Deferred, Some(error));
            (
                Settlement::RetryAt { due: *due, counts: *counts, error: error.clone() },
                "deferred",
                error.clone(),
            )
        }
    };
    if record != before {
        effects.extend(told(&record, &before, fate, now));
        let what = if is_acknowledgment(&record) { "acknowledgment" } else { "reply" };
        let text = if is_acknowledgment(&record) { text } else { format!("{}: {text}", record.id) };
        effects.push(journal(&record, now, &format!("{what} {step}"), text));
        record.version += 1;
        effects.push(Effect::Outbound(Box::new(record)));
    }
    Ok(Ending { settlement, effects })
}

/// What the core is told: every new state of a reply; of an acknowledgment only what was not announced.
fn told(record: &OutboundRecord, before: &OutboundRecord, fate: &Fate, now: Timestamp) -> Option<Effect> {
    if !is_acknowledgment(record) {
        let same = record.state == before.state && record.in_doubt == before.in_doubt;
        return (!same).then(|| reply_event(record, now)).flatten().map(|(_, effect)| effect);
    }
    let (state, why) = match fate {
        Fate::InDoubt(why) => (AcknowledgmentState::InDoubt, why.clone()),
        Fate::Failed(why) => (AcknowledgmentState::Failed, why.clone()),
        Fate::Suppressed(why) => (AcknowledgmentState::Suppressed, why.clone()),
        Fate::Sent(sent) if record.state == OutboundState::Failed => {
            (AcknowledgmentState::Failed, said(&sent.recipients))
        }
        Fate::Sent(_) | Fate::Later { .. } => return None,
    };
    acknowledgment_event(record, state, Some(why), now).map(|(_, effect)| effect)
}

fn said(recipients: &[RecipientState]) -> String {
    let texts: Vec<&str> = recipients.iter().filter_map(|to| to.text.as_deref()).collect();
    if texts.is_empty() { "handed over".to_owned() } else { texts.join("; ") }
}

/// Counts what became of an acknowledgment, by the inbox of its contact.
async fn counted(shared: &Shared, claim: &Claim, id: &OutboundId, fate: &Fate) {
    let brand = &claim.work.new.brand;
    let record = shared.store.ledger.outbound(brand, id).await.ok().flatten();
    let Some(envelope) = record.and_then(|record| record.acknowledges) else { return };
    let found = shared.store.ledger.find(brand, Lookup::Envelope(envelope)).await;
    let Some(envelope) = found.ok().and_then(|found| found.into_iter().next()) else { return };
    let labels = events::labels(&envelope.contact);
    let event = envelope.receipt.envelope.as_str();
    match fate {
        Fate::Sent(_) => events::AcknowledgmentEnded { labels: &labels, event, in_doubt: false }.emit(),
        Fate::InDoubt(_) => events::AcknowledgmentEnded { labels: &labels, event, in_doubt: true }.emit(),
        Fate::Failed(_) | Fate::Suppressed(_) => {
            let reason =
                if matches!(fate, Fate::Failed(_)) { "could not be sent" } else { "waited too long" };
            events::AcknowledgmentSuppressed { inbox: &labels.inbox, event, reason }.emit();
        }
        Fate::Later { .. } => {}
    }
}
