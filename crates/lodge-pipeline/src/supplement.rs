//! Later additions to contacts: told to the core as events of the contact's conversation, in whatever order they come.
//!
//! One that comes before its contact is kept in the store and taken up as soon as that is accepted: by the accept itself
//! in the process that keeps it, by the next sweep in any other. What waited too long becomes a dead letter, whose replay
//! hands it in once more. Contacts that nothing waits for pay with one look into a set in memory.

use crate::events;
use crate::mask::masked;
use crate::pipeline::Shared;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use lodge_domain::effect::Step;
use lodge_domain::ports::{DeadLetter, Lookup, Outcome, StoreError};
use lodge_domain::ticket::{LaterPart, SupplementKind};
use lodge_domain::{
    Attachment, BrandName, Effect, Envelope, EnvelopeId, EventId, InboxId, InboxName, JournalLine, Lane,
    NewWork, Receipt, Supplement, WorkId, WorkKind,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long one waits for its contact.
const PATIENCE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The time between two looks at what waits, for what another process or a crash left.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// The layout of what is kept.
const VERSION: u32 = 1;

/// The contacts for which something waits, as far as this process knows.
#[derive(Default)]
pub(crate) struct Awaited(Mutex<HashSet<EnvelopeId>>);

impl Awaited {
    fn insert(&self, id: &EnvelopeId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
    }

    fn remove(&self, id: &EnvelopeId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    fn contains(&self, id: &EnvelopeId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    fn all(&self) -> HashSet<EnvelopeId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A supplement as it waits.
#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    since: Timestamp,
    supplement: Supplement,
}

/// Takes a supplement over: added to its contact, or kept until that comes. The same again changes nothing.
pub(crate) async fn take(shared: &Shared, supplement: &Supplement) -> Result<Outcome, StoreError> {
    if let Some(event) = add(shared, supplement, None).await? {
        return Ok(Outcome::Supplemented(event));
    }
    let since = shared.now();
    let kept = Kept { version: VERSION, since, supplement: supplement.clone() };
    let value = serde_json::to_vec(&kept).map_err(|error| StoreError::Unreadable(error.to_string()))?;
    let key = key(supplement);
    // Known here before it lies there, and looked for once more after: a contact accepted meanwhile is not missed.
    shared.awaited.insert(&supplement.of);
    shared.store.state.save(&room()?, &key, 0, Bytes::from(value)).await?;
    match add(shared, supplement, Some(since)).await? {
        Some(event) => {
            shared.store.state.remove(&room()?, &key).await?;
            Ok(Outcome::Supplemented(event))
        }
        None => {
            events::Supplemented { inbox: supplement.inbox.name.as_str(), outcome: "waits" }.emit();
            Ok(Outcome::Waits)
        }
    }
}

/// Takes up what waits for contacts that were accepted just now. What fails here is taken up by the next sweep.
pub(crate) async fn take_up(shared: &Shared, receipts: &[Receipt]) {
    for id in receipts.iter().map(|receipt| &receipt.envelope).filter(|id| shared.awaited.contains(id)) {
        match sweep_below(shared, &format!("{PREFIX}{id}/")).await {
            Ok(_) => shared.awaited.remove(id),
            Err(error) => tracing::warn!(%error, event = %id, "what waits for a contact is added later"),
        }
    }
}

/// Looks at all that waits: adds what has its contact by now and gives up what waited too long. How many are left.
pub(crate) async fn sweep(shared: &Shared) -> Result<usize, StoreError> {
    let before = shared.awaited.all();
    let left = sweep_below(shared, PREFIX).await?;
    for gone in before.difference(&left) {
        shared.awaited.remove(gone);
    }
    left.iter().for_each(|id| shared.awaited.insert(id));
    Ok(left.len())
}

/// Sweeps at once, for what a crash left, and then now and again.
pub(crate) async fn keep_swept(shared: Arc<Shared>, soft: CancellationToken, hard: CancellationToken) {
    loop {
        if let Err(error) = sweep(&shared).await {
            tracing::debug!(%error, "what waits for contacts was not looked at, trying again");
        }
        tokio::select! {
            () = tokio::time::sleep(shared.jittered(SWEEP_EVERY)) => {}
            () = soft.cancelled() => return,
            () = hard.cancelled() => return,
        }
    }
}

const PREFIX: &str = "supplement/";

/// Where those that wait are kept, of all inboxes: one place to look at, and small.
fn room() -> Result<InboxId, StoreError> {
    let name = InboxName::parse("lodge.supplements");
    let name = name.ok_or_else(|| StoreError::Unreadable("a constant name is none".to_owned()))?;
    Ok(InboxId { brand: BrandName::unbranded(), name })
}

fn key(supplement: &Supplement) -> String {
    format!("{PREFIX}{}/{}", supplement.of, supplement.event())
}

/// Adds what can be added below `prefix`, gives up what is too old; the contacts still waited for.
async fn sweep_below(shared: &Shared, prefix: &str) -> Result<HashSet<EnvelopeId>, StoreError> {
    let room = room()?;
    let mut left = HashSet::new();
    for (key, stored) in shared.store.state.list(&room, prefix).await? {
        let kept: Kept = match serde_json::from_slice(&stored.value) {
            Ok(kept) => kept,
            Err(error) => {
                tracing::warn!(%error, key, "a waiting supplement cannot be read by this version");
                continue;
            }
        };
        let added = add(shared, &kept.supplement, Some(kept.since)).await?.is_some();
        if !added && shared.now().duration_since(kept.since) < PATIENCE {
            left.insert(kept.supplement.of);
            continue;
        }
        if !added {
            give_up(shared, &kept.supplement).await?;
        }
        shared.store.state.remove(&room, &key).await?;
    }
    Ok(left)
}

/// Adds a supplement to its contact; the event that tells the core, or `None` where the contact is not known.
async fn add(
    shared: &Shared,
    supplement: &Supplement,
    waited_since: Option<Timestamp>,
) -> Result<Option<EventId>, StoreError> {
    let brand = &supplement.inbox.brand;
    let found = shared.store.ledger.find(brand, Lookup::Envelope(supplement.of.clone())).await?;
    let Some(envelope) = found.into_iter().next() else { return Ok(None) };
    let event = supplement.event();
    let effects = effects(shared, supplement, &envelope, &event, waited_since)?;
    shared.store.ledger.apply(Step { brand: brand.clone(), guard: None, effects }).await?;
    events::Supplemented { inbox: supplement.inbox.name.as_str(), outcome: "added" }.emit();
    Ok(Some(event))
}

/// What adding changes; a repeat of it changes nothing, because the event is recorded once.
fn effects(
    shared: &Shared,
    supplement: &Supplement,
    envelope: &Envelope,
    event: &EventId,
    waited_since: Option<Timestamp>,
) -> Result<Vec<Effect>, StoreError> {
    let Supplement { of, kind, attachments, trace_keys, .. } = supplement;
    let now = shared.now();
    let mut details: Map<String, Value> = supplement.details.clone();
    if !attachments.is_empty() {
        let files = attachments.iter().map(|file| attachment(shared, file, now)).collect();
        details.insert("attachments".to_owned(), Value::Array(files));
    }
    let part = LaterPart::ContactSupplemented { of: of.clone(), kind: *kind, details };
    let part = serde_json::to_vec(&part).map_err(|error| StoreError::Unreadable(error.to_string()))?;
    let text = match waited_since {
        Some(since) => format!("{}: {event}, which waited since {since}", word(*kind)),
        None => format!("{}: {event}", word(*kind)),
    };
    let line = JournalLine { subject: of.to_string(), at: now, step: "supplemented".to_owned(), text };
    let keys = trace_keys.iter().filter_map(lodge_domain::TraceKey::value).collect();
    Ok(vec![
        Effect::Record {
            event: event.clone(),
            conversation: envelope.receipt.conversation.clone(),
            part: Bytes::from(part),
            // A source whose clock is ahead does not hold its news back.
            at: supplement.at.min(now),
        },
        Effect::Trace { envelope: of.clone(), keys },
        Effect::Journal(line),
    ])
}

/// A file as the core sees it, with a link that lives as long as originals are kept.
fn attachment(shared: &Shared, file: &Attachment, now: Timestamp) -> Value {
    let live = shared.live();
    let name = file.name.as_ref().map(|name| {
        let hidden = live.settings.mask_cards.then(|| masked(name)).flatten();
        hidden.unwrap_or_else(|| name.clone())
    });
    let expires = now.checked_add(live.settings.retention.originals).unwrap_or(Timestamp::MAX);
    let href = shared.links.blob(&file.blob, name.as_deref(), &file.media_type, expires);
    json!({
        "name": name, "media_type": file.media_type, "size": file.blob.size, "sha256": file.blob.sha256, "href": href,
    })
}

/// Nothing is lost silently: what nobody ever called for stays among the dead letters, and its replay hands it in again.
async fn give_up(shared: &Shared, supplement: &Supplement) -> Result<(), StoreError> {
    let event = supplement.event();
    let payload =
        serde_json::to_string(supplement).map_err(|error| StoreError::Unreadable(error.to_string()))?;
    let work = NewWork {
        id: WorkId::of(event.as_str(), "supplement", 0),
        lane: Lane::Triage,
        kind: WorkKind::Quarantine,
        brand: supplement.inbox.brand.clone(),
        conversation: None,
        subject: event.to_string(),
        sequence: None,
        payload,
        due: shared.now(),
    };
    let error = format!("no contact {} came within {} days", supplement.of, PATIENCE.as_hours() / 24);
    let reason = "a supplement without its contact".to_owned();
    events::Supplemented { inbox: supplement.inbox.name.as_str(), outcome: "given up" }.emit();
    shared.store.dead_letters.bury(DeadLetter { work, attempts: 0, reason, error, at: shared.now() }).await
}

fn word(kind: SupplementKind) -> &'static str {
    match kind {
        SupplementKind::Recording => "recording",
        SupplementKind::Transcript => "transcript",
        SupplementKind::Media => "media",
        SupplementKind::Edit => "edit",
        SupplementKind::Deletion => "deletion",
        SupplementKind::Status => "status",
    }
}
