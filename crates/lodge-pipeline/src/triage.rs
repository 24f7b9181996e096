//! Lane Triage: an accepted contact, or a later event, becomes what the core gets; frozen from here on.

use crate::acknowledge::{self, Circumstances, suppressed, verdict};
use crate::burst;
use crate::events;
use crate::mask::mask_details;
use crate::pipeline::Shared;
use crate::preview::{self, Triaged};
use crate::worker::Ending;
use bytes::Bytes;
use lodge_domain::decision::AcknowledgmentVerdict;
use lodge_domain::ports::{Lookup, StoreError};
use lodge_domain::ticket::LaterPart;
use lodge_domain::{
    AcknowledgmentDecision, Claim, Conversation, ConversationChange, Effect, Envelope, EnvelopeId,
    JournalLine, Lane, NewWork, OutboundId, OutboundRecord, Placement, Receipt, ThreadKeyValue, TicketEvent,
    WorkId, WorkKind,
};

/// Claims of one envelope after which it is given up. Each claim that never ended is the trace of a crash, but most often
/// of one that this envelope had no part in: it was only under way when the process was killed.
const MOST_CLAIMS: u32 = 16;

/// Triages the envelope that `claim` names.
pub(crate) async fn envelope(shared: &Shared, claim: &Claim) -> Result<Ending, StoreError> {
    let work = &claim.work.new;
    if claim.work.claims > MOST_CLAIMS {
        return Ok(Ending::dead("processing never ended", "the process ended while triaging it"));
    }
    let Some(id) = EnvelopeId::parse(&work.subject) else {
        return Ok(Ending::dead("the work names no envelope", &work.subject));
    };
    let Some((envelope, conversation)) = read(shared, work, id).await? else {
        // Erased meanwhile.
        return Ok(Ending::done(Vec::new()));
    };
    if burst::is_held(&envelope.contact) {
        return burst::triage(shared, &envelope).await;
    }
    let live = shared.live();
    let triaged = preview::triaged(&live, envelope, conversation.as_ref());
    let acknowledgment = decide(shared, &live, &triaged.envelope).await?;
    let event =
        preview::event(&live, &*shared.links, &triaged, acknowledgment.announced(), conversation.as_ref());
    let body = match serde_json::to_vec(&event) {
        Ok(body) => Bytes::from(body),
        Err(error) => return Ok(Ending::dead("the event cannot be written", &error.to_string())),
    };
    Ok(Ending::done(effects(shared, &triaged, conversation.as_ref(), &acknowledgment, body)))
}

/// The envelope and its conversation, asked for at once where the work names both.
async fn read(
    shared: &Shared,
    work: &NewWork,
    id: EnvelopeId,
) -> Result<Option<(Envelope, Option<Conversation>)>, StoreError> {
    let ledger = &shared.store.ledger;
    let place = async {
        match &work.conversation {
            Some(place) => ledger.conversation(&work.brand, place).await,
            None => Ok(None),
        }
    };
    let (found, place) = tokio::try_join!(ledger.find(&work.brand, Lookup::Envelope(id)), place)?;
    let Some(envelope) = found.into_iter().next() else { return Ok(None) };
    let own = &envelope.receipt.conversation;
    let conversation = match place {
        Some(place) if place.id == *own => Some(place),
        _ => ledger.conversation(&work.brand, own).await?,
    };
    Ok(Some((envelope, conversation)))
}

/// What becomes of the acknowledgment.
enum Verdict {
    /// Decided, and nothing to queue.
    Told(AcknowledgmentDecision),
    /// Goes out; `None` where an earlier triage of the same envelope queued it.
    Goes(Option<Box<OutboundRecord>>),
}

impl Verdict {
    fn announced(&self) -> AcknowledgmentDecision {
        match self {
            Self::Told(decision) => decision.clone(),
            Self::Goes(_) => AcknowledgmentDecision { decision: AcknowledgmentVerdict::Send, reason: None },
        }
    }
}

async fn decide(shared: &Shared, live: &crate::Live, envelope: &Envelope) -> Result<Verdict, StoreError> {
    let contact = &envelope.contact;
    let path = contact.return_path.as_ref();
    let circumstances = Circumstances {
        settings: &live.settings.acknowledgment,
        can_send: path.is_some_and(|path| shared.replier(&path.inbox).is_some()),
        now: shared.now(),
    };
    let decision = verdict(envelope, circumstances);
    let (AcknowledgmentVerdict::Send, Some(path)) = (decision.decision, path) else {
        return Ok(Verdict::Told(decision));
    };
    // A dead letter that is replayed was triaged before: what it queued then is not queued again.
    let id = OutboundId::acknowledgment_of(&envelope.receipt.envelope);
    if shared.store.ledger.outbound(contact.brand(), &id).await?.is_some() {
        return Ok(Verdict::Goes(None));
    }
    Ok(match acknowledge::allowed(shared, live, contact).await {
        Some(reason) => Verdict::Told(suppressed(&reason)),
        None => {
            let record = acknowledge::compose(live, &*shared.links, envelope, path, shared.now());
            Verdict::Goes(Some(Box::new(record)))
        }
    })
}

fn effects(
    shared: &Shared,
    triaged: &Triaged,
    conversation: Option<&Conversation>,
    acknowledgment: &Verdict,
    body: Bytes,
) -> Vec<Effect> {
    let Triaged { envelope, decision, .. } = triaged;
    let Envelope { contact, receipt, .. } = envelope;
    let now = shared.now();
    let brand = contact.brand();
    let place = receipt.conversation.clone();
    let mut effects = Vec::new();
    if receipt.placement == Placement::New {
        // Before anything goes out that names the conversation, it can be found by what it is named.
        effects.push(Effect::Learn { conversation: place.clone(), keys: own_keys(receipt) });
    }
    effects.push(Effect::Decide { envelope: receipt.envelope.clone(), decision: Box::new(decision.clone()) });
    if conversation.is_none_or(|conversation| conversation.queue.as_ref() != Some(&decision.queue)) {
        let change =
            ConversationChange { queue: Some(decision.queue.clone()), ..ConversationChange::default() };
        effects.push(Effect::Change { conversation: place.clone(), change: Box::new(change) });
    }
    effects.push(Effect::Publish {
        event: receipt.envelope.clone(),
        conversation: Some(place.clone()),
        body,
        at: now,
    });
    effects.extend(forward(
        shared,
        &receipt.envelope,
        receipt.sequence,
        &receipt.accepted_at.to_string(),
        |new| NewWork { brand: brand.clone(), conversation: Some(place.clone()), ..new },
    ));
    let told = match acknowledgment {
        Verdict::Goes(record) => {
            effects.extend(record.iter().flat_map(|record| queued(shared, record)));
            ("acknowledgment queued", "goes out by its own lane".to_owned())
        }
        Verdict::Told(AcknowledgmentDecision { decision: AcknowledgmentVerdict::Inline, .. }) => {
            ("acknowledged", "the door itself told the party".to_owned())
        }
        Verdict::Told(decision) => {
            let reason = decision.reason.clone().unwrap_or_default();
            let (inbox, event) = (contact.inbox.name.as_str(), receipt.envelope.as_str());
            events::AcknowledgmentSuppressed { inbox, event, reason: &reason }.emit();
            ("acknowledgment suppressed", reason)
        }
    };
    effects.extend(journal(triaged, told).map(|(step, text)| {
        let subject = receipt.envelope.to_string();
        Effect::Journal(JournalLine { subject, at: now, step: step.to_owned(), text })
    }));
    effects
}

/// The keys by which a conversation is found under its own names.
fn own_keys(receipt: &Receipt) -> Vec<ThreadKeyValue> {
    let names = [("conversation", receipt.conversation.as_str()), ("reference", receipt.reference.as_str())];
    names.into_iter().filter_map(|(namespace, name)| ThreadKeyValue::new(namespace, name)).collect()
}

/// The work that takes an event to the core, where there is one to take it to.
fn forward(
    shared: &Shared,
    event: &EnvelopeId,
    sequence: u64,
    payload: &str,
    complete: impl FnOnce(NewWork) -> NewWork,
) -> Option<Effect> {
    shared.sink.as_ref()?;
    let work = NewWork {
        id: WorkId::of(event.as_str(), "forward", 0),
        lane: Lane::Forward,
        kind: WorkKind::Forward,
        brand: lodge_domain::BrandName::unbranded(),
        conversation: None,
        subject: event.to_string(),
        sequence: Some(sequence),
        payload: payload.to_owned(),
        due: shared.now(),
    };
    Some(Effect::Enqueue(complete(work)))
}

/// The acknowledgment's record and the work that sends it.
fn queued(shared: &Shared, record: &OutboundRecord) -> [Effect; 2] {
    let message = &record.message;
    let work = NewWork {
        id: WorkId::of(record.id.as_str(), "acknowledge", 0),
        lane: Lane::Acknowledge(message.inbox.clone(), shared.node.clone()),
        kind: WorkKind::Acknowledge,
        brand: message.brand.clone(),
        conversation: Some(message.conversation.clone()),
        subject: record.id.to_string(),
        sequence: None,
        payload: String::new(),
        due: shared.now(),
    };
    [Effect::Outbound(Box::new(record.clone())), Effect::Enqueue(work)]
}

fn journal<'t>(
    triaged: &'t Triaged,
    acknowledgment: (&'static str, String),
) -> impl Iterator<Item = (&'static str, String)> + 't {
    let Triaged { envelope, decision, masked } = triaged;
    let receipt = &envelope.receipt;
    let placed = match (&receipt.matched, receipt.placement) {
        (Some(label), Placement::New) => format!("new, not joined by {label}"),
        (None, Placement::New) => "new".to_owned(),
        (Some(label), _) => format!("appended by {label}"),
        (None, _) => "appended".to_owned(),
    };
    let masked = masked.then(|| ("masked", "a card number was masked".to_owned()));
    [("placed", placed)]
        .into_iter()
        .chain(masked)
        .chain(
            decision.reasons.iter().map(|reason| ("triaged", format!("{}: {}", reason.rule, reason.because))),
        )
        .chain([("queue", decision.queue.clone()), acknowledgment])
}

/// Announces the later event that `claim` names.
pub(crate) async fn later(shared: &Shared, claim: &Claim) -> Result<Ending, StoreError> {
    let work = &claim.work.new;
    let (Some(event), Some(place), Some(sequence)) =
        (EnvelopeId::parse(&work.subject), &work.conversation, work.sequence)
    else {
        return Ok(Ending::dead("the work names no later event", &work.subject));
    };
    let mut part: LaterPart = match serde_json::from_str(&work.payload) {
        Ok(part) => part,
        Err(error) => return Ok(Ending::dead("the later event cannot be read", &error.to_string())),
    };
    if let LaterPart::ContactSupplemented { details, .. } = &mut part
        && shared.live().settings.mask_cards
    {
        mask_details(details);
    }
    let Some(conversation) = shared.store.ledger.conversation(&work.brand, place).await? else {
        return Ok(Ending::done(Vec::new()));
    };
    let later = TicketEvent::later(event.clone(), &conversation, sequence, part);
    let body = match serde_json::to_vec(&later) {
        Ok(body) => Bytes::from(body),
        Err(error) => return Ok(Ending::dead("the event cannot be written", &error.to_string())),
    };
    let now = shared.now();
    let mut effects =
        vec![Effect::Publish { event: event.clone(), conversation: Some(place.clone()), body, at: now }];
    effects.extend(forward(shared, &event, sequence, &work.due.to_string(), |new| NewWork {
        brand: work.brand.clone(),
        conversation: Some(place.clone()),
        ..new
    }));
    Ok(Ending::done(effects))
}
