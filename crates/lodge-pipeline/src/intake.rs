//! Accept: what doors hand in becomes durable, or is refused with a time to come back.

use crate::allowance;
use crate::answered;
use crate::burst;
use crate::events;
use crate::pipeline::Shared;
use crate::report;
use crate::supplement;
use async_trait::async_trait;
use lodge_domain::effect::Step;
use lodge_domain::ports::{BudgetVerdict, Intake, Lookup, Outcome, Refusal, StoreError};
use lodge_domain::{
    Candidate, Contact, Effect, EnvelopeId, Inbound, InboxId, JournalLine, Placement, Receipt, TraceKey,
};
use lodge_telemetry::catalogue::metrics;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// What doors hold.
pub(crate) struct Door(pub(crate) Arc<Shared>);

/// What became of an item so far.
#[expect(clippy::large_enum_variant, reason = "a handful of them lives for the length of one call")]
enum Slot {
    /// Its contact waits for accept, at this place among the candidates.
    Contact(usize),
    /// Already known.
    Known(Outcome),
}

#[async_trait]
impl Intake for Door {
    async fn accept(&self, batch: Vec<Inbound>) -> Result<Vec<Outcome>, Refusal> {
        let shared = &self.0;
        let inbox = batch.first().and_then(inbox_of).map(|inbox| inbox.name.to_string()).unwrap_or_default();
        if shared.closing.load(Ordering::Acquire) {
            events::Refused { inbox: &inbox, reason: "closing", error: String::new() }.emit();
            return Err(Refusal::Closing);
        }
        let Ok(_permit) = shared.accepts.try_acquire() else {
            events::Refused { inbox: &inbox, reason: "busy", error: String::new() }.emit();
            return Err(Refusal::Busy { retry_after: Duration::from_secs(1) });
        };
        let started = Instant::now();
        let outcome = accept(shared, batch).await.map_err(|error| refusal(&inbox, &error));
        metrics().accept_latency_seconds.observe(started.elapsed().as_secs_f64());
        outcome
    }

    async fn known(&self, inbox: &InboxId, key: &TraceKey) -> Result<Option<EnvelopeId>, Refusal> {
        let Some(key) = key.value() else { return Ok(None) };
        let found = self.0.store.ledger.find(&inbox.brand, Lookup::Trace(key)).await;
        let found = found.map_err(|error| refusal(inbox.name.as_str(), &error))?;
        let mut own = found.into_iter().filter(|envelope| envelope.contact.inbox == *inbox);
        Ok(own.next_back().map(|envelope| envelope.receipt.envelope))
    }

    async fn grant(&self, contact: &Contact, bytes: u64) -> BudgetVerdict {
        let verdict = allowance::bytes(&self.0, contact, bytes).await;
        if let BudgetVerdict::Exhausted { label, .. } = &verdict {
            events::OverBytes { labels: &events::labels(contact), label }.emit();
        }
        verdict
    }
}

async fn accept(shared: &Shared, batch: Vec<Inbound>) -> Result<Vec<Outcome>, StoreError> {
    let mut slots = Vec::with_capacity(batch.len());
    let mut contacts: Vec<Contact> = Vec::new();
    for item in batch {
        let slot = match item {
            Inbound::Contact(contact) => {
                contacts.push(*contact);
                Slot::Contact(contacts.len() - 1)
            }
            Inbound::Report(news) => match report::take(shared, &news).await? {
                Some(event) => Slot::Known(Outcome::Reported(event)),
                None => match news.contact {
                    Some(contact) => {
                        contacts.push(contact);
                        Slot::Contact(contacts.len() - 1)
                    }
                    None => Slot::Known(Outcome::Skipped),
                },
            },
            Inbound::Supplement(addition) => Slot::Known(supplement::take(shared, &addition).await?),
            Inbound::Answered(answer) => {
                answered::take(shared, &answer).await?;
                Slot::Known(Outcome::Counted)
            }
            Inbound::Skipped { inbox, reason, .. } => {
                events::ContactSkipped { inbox: inbox.name.as_str(), reason: &reason }.emit();
                Slot::Known(Outcome::Skipped)
            }
            _ => return Err(StoreError::Unreadable("an item of an unknown kind".to_owned())),
        };
        slots.push(slot);
    }
    for contact in &mut contacts {
        if let Some((sender, why, until)) = allowance::too_many(shared, contact).await {
            burst::hold(contact, &sender, &why, until);
        }
    }
    let receipts = file(shared, &contacts).await?;
    let outcome = |slot| match slot {
        Slot::Known(outcome) => outcome,
        Slot::Contact(at) => receipts.get(at).cloned().map_or(Outcome::Skipped, Outcome::Accepted),
    };
    Ok(slots.into_iter().map(outcome).collect())
}

/// Accepts contacts: one receipt each.
async fn file(shared: &Shared, contacts: &[Contact]) -> Result<Vec<Receipt>, StoreError> {
    if contacts.is_empty() {
        return Ok(Vec::new());
    }
    let now = shared.now();
    let candidates: Result<Vec<Candidate>, _> = contacts.iter().map(|one| Candidate::new(one, now)).collect();
    let candidates = candidates.map_err(|error| StoreError::Unreadable(error.to_string()))?;
    let receipts = shared.store.ledger.accept(candidates).await?;
    if receipts.len() != contacts.len() {
        return Err(StoreError::Unavailable("it answered for another number of contacts".to_owned()));
    }
    for (contact, receipt) in contacts.iter().zip(&receipts) {
        let duplicate = receipt.placement == Placement::Duplicate;
        let placement = match receipt.placement {
            Placement::New => "new",
            Placement::Appended => "appended",
            Placement::Duplicate => "duplicate",
        };
        let labels = events::labels(contact);
        events::ContactAccepted { labels: &labels, event: receipt.envelope.as_str(), duplicate, placement }
            .emit();
        if !duplicate && burst::is_held(contact) {
            events::ContactCollapsed { labels: &labels }.emit();
        }
        if duplicate {
            note_other_inbox(shared, contact, receipt).await;
        }
    }
    supplement::take_up(shared, &receipts).await;
    Ok(receipts)
}

/// A duplicate by another inbox is worth a line in its trace; that line failing is not worth a refusal.
async fn note_other_inbox(shared: &Shared, contact: &Contact, receipt: &Receipt) {
    let brand = contact.brand();
    let known = shared.store.ledger.find(brand, Lookup::Envelope(receipt.envelope.clone())).await;
    let first = known.ok().and_then(|envelopes| envelopes.into_iter().next());
    if first.is_none_or(|first| first.contact.inbox.name == contact.inbox.name) {
        return;
    }
    let line = JournalLine {
        subject: receipt.envelope.to_string(),
        at: shared.now(),
        step: "seen again".to_owned(),
        text: format!("the same contact came in by inbox {}", contact.inbox.name),
    };
    let step = Step { brand: brand.clone(), guard: None, effects: vec![Effect::Journal(line)] };
    if let Err(error) = shared.store.ledger.apply(step).await {
        tracing::debug!(%error, "a duplicate was not noted in the trace");
    }
}

fn inbox_of(item: &Inbound) -> Option<&InboxId> {
    match item {
        Inbound::Contact(contact) => Some(&contact.inbox),
        Inbound::Report(news) => Some(&news.inbox),
        Inbound::Supplement(addition) => Some(&addition.inbox),
        Inbound::Answered(answer) => Some(&answer.inbox),
        Inbound::Skipped { inbox, .. } => Some(inbox),
        _ => None,
    }
}

fn refusal(inbox: &str, error: &StoreError) -> Refusal {
    let reason = match error {
        StoreError::Busy => "store busy",
        StoreError::Full(_) => "store full",
        _ => "store unavailable",
    };
    events::Refused { inbox, reason, error: error.to_string() }.emit();
    match error {
        StoreError::Busy => Refusal::Busy { retry_after: Duration::from_secs(1) },
        StoreError::Closed => Refusal::Closing,
        StoreError::Full(_) => {
            Refusal::Unavailable { reason: error.to_string(), retry_after: Duration::from_secs(60) }
        }
        StoreError::Unavailable(_) | StoreError::Unreadable(_) => {
            Refusal::Unavailable { reason: error.to_string(), retry_after: Duration::from_secs(5) }
        }
    }
}
