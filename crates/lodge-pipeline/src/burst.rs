//! Very many contacts of one sender in a short time: all of them kept, and one event that says how many (T76, ADR 0013).
//!
//! Intake gives a contact over the limit other keys, so that accept puts it into a *holding conversation* of its sender
//! and window: durable, once, numbered. Nobody outside hears of that conversation, so its numbers leave no gap anywhere.
//! When the window ends, the contact that founded it founds an ordinary conversation with a *summary*: a contact flagged
//! `burst` that says how many there were. Which numbers a summary counts follows from the store alone, so a crash at any
//! point makes the same summary once more, and nothing is counted twice or left out.

use crate::pipeline::Shared;
use crate::worker::Ending;
use data_encoding::HEXLOWER;
use lodge_domain::ports::{Lookup, StoreError};
use lodge_domain::{
    Body, Candidate, Contact, ConversationId, DedupeKey, Digest, Effect, Envelope, EnvelopeId, Flag,
    JoinCondition, JournalLine, Placement, Receipt, ThreadKey, ThreadKeyValue, Timestamp, TraceKey,
    digest_parts,
};
use serde_json::{Map, Value, json};

/// The label of the key of a holding conversation, by which a held contact is known.
const HELD: &str = "held back: too many from one sender";
/// Why a summary, and what it stands for, is not acknowledged.
const SILENT: &str = "one of very many from its sender in a short time";

/// Gives `contact` the keys of the holding conversation of its sender's window, which ends at `until`.
pub(crate) fn hold(contact: &mut Contact, sender: &Digest, why: &str, until: Timestamp) {
    let window = format!("{}/{until}", HEXLOWER.encode(sender));
    let Some(value) = ThreadKeyValue::new("burst", &window) else { return };
    // Where it would have gone is still suggested; it joins nothing else, and nothing joins by it.
    for key in &mut contact.thread_keys {
        key.condition = JoinCondition::Hint;
    }
    let holding = ThreadKey { value, condition: JoinCondition::Always, label: HELD.to_owned() };
    contact.thread_keys.insert(0, holding);
    contact.registers = vec![value];
    // A key that follows its party shall not follow it in here, or what comes later would be held as well.
    contact.rebinds.clear();
    contact.introduces.clear();
    contact.topic = None;
    contact.flags.insert(Flag::Burst);
    contact.no_acknowledgment.insert(0, SILENT.to_owned());
    contact.details.insert("burst".to_owned(), json!({"until": until, "reason": why}));
}

/// Whether a contact lies, or is to lie, in a holding conversation.
pub(crate) fn is_held(contact: &Contact) -> bool {
    contact.flags.contains(&Flag::Burst) && contact.thread_keys.first().is_some_and(|key| key.label == HELD)
}

/// Triage of a held contact: its founder waits for the end of the window and tells; the others make sure that they were
/// told.
pub(crate) async fn triage(shared: &Shared, envelope: &Envelope) -> Result<Ending, StoreError> {
    let until = envelope.contact.details.get("burst").and_then(|burst| burst.get("until"));
    let until: Option<Timestamp> = until.and_then(Value::as_str).and_then(|text| text.parse().ok());
    let now = shared.now();
    if let Some(until) = until.filter(|until| *until > now)
        && envelope.receipt.placement == Placement::New
    {
        return Ok(Ending::retry(until, false, "the window of its sender is still open"));
    }
    let told = tell(shared, envelope, until.unwrap_or(now)).await?;
    let Some(Summary { receipt, .. }) = told else {
        // The conversation was erased meanwhile.
        return Ok(Ending::done(Vec::new()));
    };
    let why = envelope.contact.details.get("burst").and_then(|burst| burst.get("reason"));
    let why = why.and_then(Value::as_str).unwrap_or_default();
    let line = |subject: String, text: String| {
        Effect::Journal(JournalLine { subject, at: shared.now(), step: "collapsed".to_owned(), text })
    };
    let own = &envelope.receipt;
    let text = format!(
        "{why}: kept, and told to the core as number {} of a burst, in {}",
        own.sequence, receipt.reference
    );
    let mut effects = vec![line(own.envelope.to_string(), text)];
    if own.placement == Placement::New {
        let text = format!("the contacts it stands for are those of reference {}", own.reference);
        effects.push(line(receipt.envelope.to_string(), text));
    }
    Ok(Ending::done(effects))
}

/// A summary that was accepted.
struct Summary {
    receipt: Receipt,
    last: u64,
}

/// Makes sure that `envelope`, and everything accepted before it, is counted by a summary; the one that counts it.
async fn tell(shared: &Shared, envelope: &Envelope, until: Timestamp) -> Result<Option<Summary>, StoreError> {
    let brand = envelope.contact.brand();
    let holding = &envelope.receipt.conversation;
    let mut told = 0;
    loop {
        let first = told + 1;
        let key = identity(holding, first);
        let id = EnvelopeId::of_contact(&key.digest(brand));
        let known = shared.store.ledger.find(brand, Lookup::Envelope(id)).await?.into_iter().next();
        let summary = match known {
            Some(known) => Summary { last: last_of(&known.contact).unwrap_or(first), receipt: known.receipt },
            None => {
                let Some(conversation) = shared.store.ledger.conversation(brand, holding).await? else {
                    return Ok(None);
                };
                let last = conversation.sequence.max(envelope.receipt.sequence);
                let contact = summary(envelope, key, first, last, until);
                let candidate = Candidate::new(&contact, shared.now())
                    .map_err(|error| StoreError::Unreadable(error.to_string()))?;
                // Somebody else may have been faster, with another count: what is stored counts.
                shared.store.ledger.accept(vec![candidate]).await?;
                continue;
            }
        };
        if summary.last >= envelope.receipt.sequence {
            return Ok(Some(summary));
        }
        told = summary.last.max(first);
    }
}

fn last_of(summary: &Contact) -> Option<u64> {
    summary.details.get("burst")?.get("last")?.as_u64()
}

/// The identity of the summary that counts a holding conversation from number `first`.
fn identity(holding: &ConversationId, first: u64) -> DedupeKey {
    let content = digest_parts(&[b"burst", holding.as_str().as_bytes(), &first.to_be_bytes()]);
    DedupeKey { scope: "burst".to_owned(), source: "-".to_owned(), content: HEXLOWER.encode(&content) }
}

/// The contact that stands for the numbers `first` to `last`: what its sender wrote first, and how many more there are.
fn summary(held: &Envelope, dedupe: DedupeKey, first: u64, last: u64, until: Timestamp) -> Contact {
    let Envelope { contact, receipt, .. } = held;
    let count = last - first + 1;
    let reference = receipt.reference.grouped();
    let text = format!(
        "({count} contacts of this sender came within a short time, more than are told one by one. All of them are kept \
         under {reference}; this is the first of them.)\n\n{}",
        contact.body.text
    );
    let mut details: Map<String, Value> = contact.details.clone();
    let burst = json!({
        "count": count, "reference": receipt.reference, "conversation": receipt.conversation, "first": first, "last": last,
        "since": receipt.accepted_at, "until": until,
    });
    details.insert("burst".to_owned(), burst);
    let hints = contact.thread_keys.iter().filter(|key| key.label != HELD);
    Contact {
        dedupe,
        thread_keys: hints.cloned().collect(),
        registers: Vec::new(),
        trace_keys: vec![TraceKey(receipt.conversation.to_string())],
        body: Body { reply: text.clone(), text, html: None, language: contact.body.language.clone() },
        details,
        acknowledges_inline: false,
        ..contact.clone()
    }
}
