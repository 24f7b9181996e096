//! Reads the records that scripts keep: receipts, envelopes, conversations, work, dead letters, feed items.

use crate::encode::{read_flag, read_people, read_status, read_time};
use crate::error::unreadable;
use crate::reply::{Pairs, utf8};
use lodge_domain::ports::{DeadLetter, FeedItem, StoreError};
use lodge_domain::{
    BrandName, Conversation, ConversationId, Envelope, EnvelopeId, EventId, InboxName, Lane, NewWork,
    OutboundRecord, Placement, Receipt, Reference, ThreadKeyValue, Timestamp, Work, WorkId, WorkKind,
};
use std::collections::HashMap;

/// What separates the fields of a receipt.
pub(crate) const SEPARATOR: char = '\u{1f}';

/// Puts the prefix back that keys and fields go without.
pub(crate) fn conversation_id(short: &str) -> Option<ConversationId> {
    ConversationId::parse(&format!("{}{short}", ConversationId::PREFIX))
}

/// The same for envelopes and events.
pub(crate) fn envelope_id(short: &str) -> Option<EnvelopeId> {
    EnvelopeId::parse(&format!("{}{short}", EnvelopeId::PREFIX))
}

/// The same for work.
pub(crate) fn work_id(short: &str) -> Option<WorkId> {
    WorkId::parse(&format!("{}{short}", WorkId::PREFIX))
}

/// Reads the receipt of `envelope` as accept wrote it.
pub(crate) fn receipt(envelope: EnvelopeId, text: &str) -> Result<Receipt, StoreError> {
    read_receipt(envelope, text).ok_or_else(|| unreadable("a receipt"))
}

fn read_receipt(envelope: EnvelopeId, text: &str) -> Option<Receipt> {
    let mut fields = text.splitn(11, SEPARATOR);
    let mut next = || fields.next();
    let optional = |text: &str| -> Option<Option<Reference>> {
        if text.is_empty() { Some(None) } else { Reference::parse(text).map(Some) }
    };
    let conversation = conversation_id(next()?)?;
    let reference = Reference::parse(next()?)?;
    let sequence = next()?.parse().ok()?;
    let placement = match next()? {
        "N" => Placement::New,
        "A" => Placement::Appended,
        _ => return None,
    };
    let suggested_parent = optional(next()?)?;
    let follows = optional(next()?)?;
    let reopens = next()? == "1";
    let flags = next()?.chars().map(read_flag).collect::<Option<_>>()?;
    let accepted_at = read_time(next()?)?;
    let matched = next()? != "0";
    let label = next()?;
    Some(Receipt {
        envelope,
        conversation,
        reference,
        sequence,
        placement,
        suggested_parent,
        follows,
        reopens,
        flags,
        matched: matched.then(|| label.to_owned()),
        accepted_at,
        entry: None,
    })
}

/// Reads an envelope: four digits of length, the receipt, the contact.
pub(crate) fn envelope(id: EnvelopeId, raw: &[u8], decision: Option<&[u8]>) -> Result<Envelope, StoreError> {
    let damaged = || unreadable("an envelope");
    let size: usize = utf8(raw.get(..4).ok_or_else(damaged)?)?.parse().map_err(|_| damaged())?;
    let text = utf8(raw.get(4..4 + size).ok_or_else(damaged)?)?;
    let record = raw.get(4 + size..).ok_or_else(damaged)?;
    Ok(Envelope {
        receipt: receipt(id, text)?,
        contact: json(record, "a contact")?,
        decision: decision.map(|raw| json(raw, "a decision")).transpose()?,
    })
}

/// Reads JSON.
pub(crate) fn json<T: serde::de::DeserializeOwned>(raw: &[u8], what: &str) -> Result<T, StoreError> {
    serde_json::from_slice(raw).map_err(|error| StoreError::Unreadable(format!("{what}: {error}")))
}

/// Reads the facts of a conversation.
pub(crate) fn conversation(
    brand: &BrandName,
    id: &ConversationId,
    fields: Pairs,
    back: Option<&[u8]>,
) -> Result<Conversation, StoreError> {
    let facts: HashMap<Vec<u8>, Vec<u8>> = fields.into_iter().collect();
    let back = back.map(|raw| json(raw, "a return path")).transpose()?;
    let text = |name: &str| facts.get(name.as_bytes()).and_then(|raw| std::str::from_utf8(raw).ok());
    let read = || {
        let topic = facts.get(b"topic".as_slice()).filter(|raw| !raw.is_empty());
        Some(Conversation {
            id: id.clone(),
            brand: brand.clone(),
            reference: Reference::parse(text("ref")?)?,
            inbox: InboxName::parse(text("inbox")?)?,
            sequence: text("seq")?.parse().ok()?,
            status: read_status(text("status")?)?,
            reopen_until: text("reopen").filter(|t| !t.is_empty()).and_then(read_time),
            external_id: text("ext").map(str::to_owned),
            participants: read_people(text("people")?)?,
            return_path: back,
            queue: text("queue").map(str::to_owned),
            topic: topic.map(|raw| raw.as_slice().try_into().map(ThreadKeyValue)).transpose().ok()?,
            last_contact_at: read_time(text("last")?)?,
            merged_into: text("merged").and_then(conversation_id),
        })
    };
    read().ok_or_else(|| unreadable("a conversation"))
}

/// Work as `lua/work.lua` lays it out, and until when it is leased by which token.
pub(crate) fn work(
    brand: &BrandName,
    id: &str,
    raw: &[u8],
) -> Result<(Work, String, Option<Timestamp>), StoreError> {
    read_work(brand, id, raw).ok_or_else(|| unreadable("a work record"))
}

fn read_work(brand: &BrandName, id: &str, raw: &[u8]) -> Option<(Work, String, Option<Timestamp>)> {
    let (line, rest) = first_line(raw)?;
    let fields: Vec<&str> = line.split(',').collect();
    let &[attempts, claims, marked, token, until, due, enqueued, lane, conv, seq, kind, _, length] =
        fields.as_slice()
    else {
        return None;
    };
    let (subject, payload) = statics(rest, length)?;
    let new = NewWork {
        id: work_id(id)?,
        lane: Lane::parse(lane)?,
        kind: WorkKind::parse(kind)?,
        brand: brand.clone(),
        conversation: if conv.is_empty() { None } else { Some(conversation_id(conv)?) },
        subject,
        sequence: if seq.is_empty() { None } else { Some(seq.parse().ok()?) },
        payload,
        due: read_time(due)?,
    };
    let work = Work {
        new,
        attempts: attempts.parse().ok()?,
        claims: claims.parse().ok()?,
        marked: marked == "1",
        enqueued_at: read_time(enqueued)?,
    };
    Some((work, token.to_owned(), read_time(until)))
}

/// A dead letter as `lua/work.lua` lays it out.
pub(crate) fn dead_letter(brand: &BrandName, id: &str, raw: &[u8]) -> Result<DeadLetter, StoreError> {
    read_dead_letter(brand, id, raw).ok_or_else(|| unreadable("a dead letter"))
}

fn read_dead_letter(brand: &BrandName, id: &str, raw: &[u8]) -> Option<DeadLetter> {
    let (line, rest) = first_line(raw)?;
    let fields: Vec<&str> = line.split(',').collect();
    let &[_, attempts, at, lane, conv, seq, kind, due, length, reason] = fields.as_slice() else {
        return None;
    };
    let (subject, payload) = statics(rest, length)?;
    let tail = rest.get(length.parse::<usize>().ok()?..)?;
    let (reason, error) = tail.split_at_checked(reason.parse().ok()?)?;
    let work = NewWork {
        id: work_id(id)?,
        lane: Lane::parse(lane)?,
        kind: WorkKind::parse(kind)?,
        brand: brand.clone(),
        conversation: if conv.is_empty() { None } else { Some(conversation_id(conv)?) },
        subject,
        sequence: if seq.is_empty() { None } else { Some(seq.parse().ok()?) },
        payload,
        due: read_time(due)?,
    };
    Some(DeadLetter {
        work,
        attempts: attempts.parse().ok()?,
        reason: String::from_utf8(reason.to_vec()).ok()?,
        error: String::from_utf8(error.to_vec()).ok()?,
        at: read_time(at)?,
    })
}

fn first_line(raw: &[u8]) -> Option<(&str, &[u8])> {
    let end = raw.iter().position(|b| *b == b'\n')?;
    Some((std::str::from_utf8(&raw[..end]).ok()?, &raw[end + 1..]))
}

/// Subject and payload.
fn statics(rest: &[u8], length: &str) -> Option<(String, String)> {
    let text = std::str::from_utf8(rest.get(..length.parse().ok()?)?).ok()?;
    let (subject, payload) = text.split_once('\n')?;
    Some((subject.to_owned(), payload.to_owned()))
}

/// The part of a work record that never changes.
pub(crate) fn write_statics(subject: &str, payload: &str) -> String {
    format!("{}\n{payload}", subject.replace('\n', " "))
}

/// A feed item and its place among those of other brands: when (20 digits), stamp (20), conversation (26 letters or
/// blanks), body.
pub(crate) fn feed_item(
    brand: &BrandName,
    event: EventId,
    mut raw: Vec<u8>,
) -> Result<(u64, FeedItem), StoreError> {
    let damaged = || unreadable("a feed item");
    if raw.len() < 66 {
        return Err(damaged());
    }
    let body = raw.split_off(66);
    let head = utf8(&raw)?;
    let field = |range| head.get(range).ok_or_else(damaged);
    let at = read_time(field(0..20)?).ok_or_else(damaged)?;
    let stamp = field(20..40)?.parse().map_err(|_| damaged())?;
    let conversation = match field(40..66)?.trim() {
        "" => None,
        id => Some(conversation_id(id).ok_or_else(damaged)?),
    };
    Ok((stamp, FeedItem { event, brand: brand.clone(), conversation, body: body.into(), at }))
}

/// An outbound record: its version on the first line, then JSON.
pub(crate) fn outbound(raw: &[u8]) -> Result<OutboundRecord, StoreError> {
    let (_, record) = first_line(raw).ok_or_else(|| unreadable("an outbound record"))?;
    json(record, "an outbound record")
}

/// The ids of one kind (`e` envelopes, `o` outbound) in a conversation's inventory, in the order they came.
pub(crate) fn inventory(raw: &[u8], kind: u8) -> Vec<String> {
    let (mut at, mut out) = (0, Vec::new());
    while let Some(letter) = raw.get(at) {
        let item = raw.get(at + 1..at + 27);
        if *letter == kind
            && let Some(text) = item.and_then(|item| std::str::from_utf8(item).ok())
        {
            out.push(text.to_owned());
        }
        at += 27;
    }
    out
}
