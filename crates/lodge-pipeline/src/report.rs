//! News about something we sent: recorded with it, told to the core, and remembered where an address is dead.

use crate::outbound::{self, acknowledgment_event, is_acknowledgment, merge, reply_event};
use crate::pipeline::Shared;
use lodge_domain::delivery::OutboundState;
use lodge_domain::effect::Step;
use lodge_domain::ports::{Lookup, StoreError};
use lodge_domain::ticket::AcknowledgmentState;
use lodge_domain::{
    Applied, BrandName, DeliveryReport, Effect, EventId, OriginClass, OutboundRecord, ThreadKeyValue,
};

/// How often a report is tried again when its record changes under it.
const TRIES: usize = 8;

/// Takes a report over; the id of the event that tells the core, or `None` where we know nothing of what it is about.
pub(crate) async fn take(shared: &Shared, report: &DeliveryReport) -> Result<Option<EventId>, StoreError> {
    let brand = &report.inbox.brand;
    for _ in 0..TRIES {
        let Some(mut record) = shared.store.ledger.outbound(brand, &report.about).await? else {
            return Ok(None);
        };
        let changed = merge(&mut record, &report.recipients);
        let (event, told) = told(shared, &record);
        let mut effects = dead_address(shared, brand, report, &record).await?;
        if changed {
            record.version += 1;
            let text = format!("{}: now {}", record.id, word(record.state));
            effects.push(outbound::journal(&record, shared.now(), "delivery report", text));
            effects.push(Effect::Outbound(Box::new(record)));
            effects.extend(told);
        }
        if effects.is_empty() {
            return Ok(Some(event));
        }
        let step = Step { brand: brand.clone(), guard: None, effects };
        if shared.store.ledger.apply(step).await? != Applied::Stale {
            return Ok(Some(event));
        }
    }
    Err(StoreError::Busy)
}

/// The event for the state a record has now, and the effect that announces it, where the core is to hear of it: of an
/// acknowledgment only that it came back.
fn told(shared: &Shared, record: &OutboundRecord) -> (EventId, Option<Effect>) {
    let now = shared.now();
    let made = if is_acknowledgment(record) {
        let reason = record.recipients.iter().find_map(|recipient| recipient.text.clone());
        let bounced = acknowledgment_event(record, AcknowledgmentState::Bounced, reason, now);
        bounced.map(|(event, effect)| (event, (record.state == OutboundState::Bounced).then_some(effect)))
    } else {
        reply_event(record, now).map(|(event, effect)| (event, Some(effect)))
    };
    made.unwrap_or_else(|| (EventId::of_report("delivery", &[record.id.as_str()]), None))
}

/// Remembers an address that bounced for good or whose owner complained, so that no acknowledgment goes there (E06).
///
/// The memory is a trace key of an envelope in the conversation: durable, as old as that, and erased with the person.
async fn dead_address(
    shared: &Shared,
    brand: &BrandName,
    report: &DeliveryReport,
    record: &OutboundRecord,
) -> Result<Vec<Effect>, StoreError> {
    let complaint =
        report.contact.as_ref().is_some_and(|one| one.origin.class == Some(OriginClass::Complaint));
    let bounced = report.recipients.iter().filter(|to| complaint || to.state == OutboundState::Bounced);
    let mut handles: Vec<&str> = bounced.map(|recipient| recipient.handle.as_str()).collect();
    if handles.is_empty() {
        return Ok(Vec::new());
    }
    // A report may spell the address differently; whom we wrote to is in the record.
    if let [one] = record.recipients.as_slice() {
        handles.push(&one.handle);
    }
    let mut keys = Vec::new();
    for key in handles.into_iter().filter_map(dead_address_key) {
        if shared.store.ledger.find(brand, Lookup::Trace(key)).await?.is_empty() && !keys.contains(&key) {
            keys.push(key);
        }
    }
    let envelope = match (&record.acknowledges, keys.is_empty()) {
        (_, true) => None,
        (Some(envelope), _) => Some(envelope.clone()),
        (None, _) => {
            let conversation = Lookup::Conversation(record.message.conversation.clone());
            let envelopes = shared.store.ledger.find(brand, conversation).await?;
            envelopes.into_iter().next().map(|envelope| envelope.receipt.envelope)
        }
    };
    Ok(envelope.map(|envelope| Effect::Trace { envelope, keys }).into_iter().collect())
}

/// The key under which a dead address is remembered.
pub(crate) fn dead_address_key(handle: &str) -> Option<ThreadKeyValue> {
    ThreadKeyValue::new("dead-address", &handle.to_lowercase())
}

fn word(state: OutboundState) -> &'static str {
    match state {
        OutboundState::Queued => "queued",
        OutboundState::Deferred => "deferred",
        OutboundState::Sent => "sent",
        OutboundState::Failed => "failed",
        OutboundState::Delivered => "delivered",
        OutboundState::Bounced => "bounced",
    }
}
