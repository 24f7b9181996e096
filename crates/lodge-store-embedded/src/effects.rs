//! What steps and settlements change: the guard first, then the versions of outbound records, then every effect in order.
//!
//! Both checks come before the first write, so that a step that does not apply leaves nothing to be undone.

use crate::accept::{add_participant, bind, trace};
use crate::codec::{self, int, nanos, to_json};
use crate::enqueue::enqueue;
use crate::error::Failure;
use crate::writer::Tx;
use lodge_domain::effect::{Applied, Effect, Guard, Step};
use lodge_domain::{
    Assurance, BrandName, ConversationChange, ConversationId, ConversationStatus, EventId, JournalLine, Lane,
    NewWork, OutboundRecord, Timestamp, WorkId, WorkKind,
};
use rusqlite::{OptionalExtension as _, params};
use std::collections::HashMap;

/// Applies a step whole or not at all.
pub(crate) fn apply(tx: &mut Tx<'_>, step: &Step, now: Timestamp) -> Result<Applied, Failure> {
    let brand = tx.brand(&step.brand)?;
    if let Some(guard) = &step.guard
        && let Some(answer) = guarded(tx, brand, guard)?
    {
        return Ok(answer);
    }
    if is_stale(tx, brand, &step.effects)? {
        return Ok(Applied::Stale);
    }
    for effect in &step.effects {
        perform(tx, &step.brand, effect, now)?;
    }
    if let Some(guard) = &step.guard {
        let insert = "INSERT INTO guards(key, brand, content, value, at) VALUES (?1, ?2, ?3, ?4, ?5)";
        let row = params![guard.key, brand, guard.content, guard.value, nanos(now)];
        tx.db.prepare_cached(insert)?.execute(row)?;
    }
    Ok(Applied::Done)
}

fn guarded(tx: &Tx<'_>, brand: i64, guard: &Guard) -> Result<Option<Applied>, Failure> {
    let select = "SELECT content, value FROM guards WHERE key = ?1 AND brand = ?2";
    let mut statement = tx.db.prepare_cached(select)?;
    let first: Option<([u8; 32], String)> =
        statement.query_row(params![guard.key, brand], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(first.map(
        |(content, value)| {
            if content == guard.content { Applied::Repeated(value) } else { Applied::Conflict }
        },
    ))
}

/// Whether any outbound record is not the next version of what is there, or of an earlier one in the same step.
pub(crate) fn is_stale(tx: &Tx<'_>, brand: i64, effects: &[Effect]) -> Result<bool, Failure> {
    let mut versions: HashMap<&str, i64> = HashMap::new();
    for effect in effects {
        let Effect::Outbound(record) = effect else { continue };
        let id = record.id.as_str();
        let version = match versions.get(id) {
            Some(version) => *version,
            None => stored_version(tx, brand, id)?,
        };
        if int(record.version) != version + 1 {
            return Ok(true);
        }
        versions.insert(id, version + 1);
    }
    Ok(false)
}

fn stored_version(tx: &Tx<'_>, brand: i64, id: &str) -> Result<i64, Failure> {
    let select = "SELECT version FROM outbound WHERE id = ?1 AND brand = ?2";
    let stored = tx.db.prepare_cached(select)?.query_row(params![id, brand], |row| row.get(0)).optional()?;
    Ok(stored.unwrap_or(0))
}

/// One effect; harmless when repeated.
pub(crate) fn perform(
    tx: &mut Tx<'_>,
    brand_name: &BrandName,
    effect: &Effect,
    now: Timestamp,
) -> Result<(), Failure> {
    let brand = tx.brand(brand_name)?;
    match effect {
        Effect::Enqueue(new) => enqueue(tx, new, now),
        Effect::Record { event, conversation, part, at } => {
            let Some(work) = record(tx, brand, event, conversation)? else { return Ok(()) };
            let (conversation, sequence) = work;
            let new = NewWork {
                id: WorkId::of(event.as_str(), WorkKind::Announce.as_str(), 0),
                lane: Lane::Triage,
                kind: WorkKind::Announce,
                brand: brand_name.clone(),
                conversation: Some(conversation),
                subject: event.to_string(),
                sequence: Some(sequence),
                payload: String::from_utf8_lossy(part).into_owned(),
                due: *at,
            };
            enqueue(tx, &new, now)
        }
        Effect::Publish { event, conversation, body, at } => {
            let insert = "INSERT INTO feed(brand, event, conversation, body, at) VALUES (?1, ?2, ?3, ?4, ?5) \
                          ON CONFLICT(event, brand) DO NOTHING";
            let conversation = conversation.as_ref().map(ConversationId::as_str);
            let row = params![brand, event.as_str(), conversation, &body[..], nanos(*at)];
            tx.db.prepare_cached(insert)?.execute(row)?;
            tx.wakes_feed();
            Ok(())
        }
        Effect::Decide { envelope, decision } => {
            let update =
                "UPDATE envelopes SET decision = ?3 WHERE id = ?1 AND brand = ?2 AND record IS NOT NULL";
            let row = params![envelope.as_str(), brand, to_json(decision)?];
            tx.db.prepare_cached(update)?.execute(row)?;
            Ok(())
        }
        Effect::Learn { conversation, keys } => match position(tx, brand, conversation)? {
            Some((pos, _)) => bind(tx, brand, pos, keys),
            None => Ok(()),
        },
        Effect::Trace { envelope, keys } => {
            let select = "SELECT pos FROM envelopes WHERE id = ?1 AND brand = ?2 AND record IS NOT NULL";
            let row = params![envelope.as_str(), brand];
            let pos: Option<i64> =
                tx.db.prepare_cached(select)?.query_row(row, |row| row.get(0)).optional()?;
            pos.map_or(Ok(()), |pos| trace(tx, brand, pos, keys))
        }
        Effect::Change { conversation, change } => alter(tx, brand, conversation, change),
        Effect::Outbound(record) => write_outbound(tx, brand, record),
        Effect::Journal(line) => write_line(tx, brand, line),
    }
}

/// A conversation's number, and what it was merged into.
fn position(tx: &Tx<'_>, brand: i64, id: &ConversationId) -> Result<Option<(i64, Option<String>)>, Failure> {
    let select = "SELECT pos, merged_into FROM conversations WHERE id = ?1 AND brand = ?2";
    let mut statement = tx.db.prepare_cached(select)?;
    Ok(statement.query_row(params![id.as_str(), brand], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// The number and id of the conversation that contacts of `id` land on by now.
fn survivor(tx: &Tx<'_>, brand: i64, id: &ConversationId) -> Result<Option<(i64, ConversationId)>, Failure> {
    let Some(mut at) = position(tx, brand, id)? else { return Ok(None) };
    let mut landing = id.clone();
    while let Some(next) = codec::optional(at.1.take(), ConversationId::parse)? {
        let Some(found) = position(tx, brand, &next)? else { break };
        (at, landing) = (found, next);
    }
    Ok(Some((at.0, landing)))
}

/// Who takes part in the conversation `from` takes part where its contacts land from now on.
fn bring_along(tx: &Tx<'_>, brand: i64, from: i64, into: &ConversationId) -> Result<(), Failure> {
    let Some((to, _)) = survivor(tx, brand, into)? else { return Ok(()) };
    let copy = "INSERT INTO participants(conv, kind, handle, assurance) \
                SELECT ?2, kind, handle, assurance FROM participants WHERE conv = ?1 \
                ON CONFLICT(conv, kind, handle) DO UPDATE SET assurance = max(assurance, excluded.assurance)";
    tx.db.prepare_cached(copy)?.execute(params![from, to])?;
    Ok(())
}

/// Gives a later event its place in the surviving conversation; `None` where it has one, or there is no conversation.
fn record(
    tx: &Tx<'_>,
    brand: i64,
    event: &EventId,
    conversation: &ConversationId,
) -> Result<Option<(ConversationId, u64)>, Failure> {
    let Some((at, landing)) = survivor(tx, brand, conversation)? else { return Ok(None) };
    let insert = "INSERT INTO recorded(event, brand, conv) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    if tx.db.prepare_cached(insert)?.execute(params![event.as_str(), brand, at])? == 0 {
        return Ok(None);
    }
    let update = "UPDATE conversations SET sequence = sequence + 1 WHERE pos = ?1 RETURNING sequence";
    let sequence = tx.db.prepare_cached(update)?.query_row([at], |row| row.get(0))?;
    Ok(Some((landing, codec::count(sequence))))
}

fn alter(tx: &Tx<'_>, brand: i64, id: &ConversationId, change: &ConversationChange) -> Result<(), Failure> {
    let Some((pos, _)) = position(tx, brand, id)? else { return Ok(()) };
    let merged_into = match &change.merged_into {
        Some(into) if may_merge(tx, brand, id, into)? => {
            bring_along(tx, brand, pos, into)?;
            Some(into.as_str())
        }
        _ => None,
    };
    let reopen_until = change.reopen_until.filter(|_| change.status == Some(ConversationStatus::Closed));
    let update = "UPDATE conversations SET status = coalesce(?2, status), \
                  reopen_until = CASE WHEN ?2 IS NULL THEN reopen_until ELSE ?3 END, \
                  external_id = coalesce(?4, external_id), queue = coalesce(?5, queue), \
                  merged_into = coalesce(?6, merged_into) WHERE pos = ?1";
    tx.db.prepare_cached(update)?.execute(params![
        pos,
        change.status.map(codec::status),
        reopen_until.map(nanos),
        change.external_id,
        change.queue,
        merged_into,
    ])?;
    match &change.participant {
        Some(handle) => add_participant(tx, pos, handle, Assurance::Unverified),
        None => Ok(()),
    }
}

/// Whether merging `id` into `into` would make no cycle.
fn may_merge(tx: &Tx<'_>, brand: i64, id: &ConversationId, into: &ConversationId) -> Result<bool, Failure> {
    let Some((_, mut next)) = position(tx, brand, into)? else { return Ok(false) };
    let mut at = into.clone();
    loop {
        if at == *id {
            return Ok(false);
        }
        let Some(further) = codec::optional(next.take(), ConversationId::parse)? else { return Ok(true) };
        let Some((_, after)) = position(tx, brand, &further)? else { return Ok(true) };
        (at, next) = (further, after);
    }
}

fn write_outbound(tx: &Tx<'_>, brand: i64, record: &OutboundRecord) -> Result<(), Failure> {
    let upsert = "INSERT INTO outbound(brand, id, conversation, version, record) VALUES (?1, ?2, ?3, ?4, ?5) \
                  ON CONFLICT(id, brand) DO UPDATE SET version = ?4, record = ?5";
    let conversation = record.message.conversation.as_str();
    let row = params![brand, record.id.as_str(), conversation, int(record.version), to_json(record)?];
    tx.db.prepare_cached(upsert)?.execute(row)?;
    Ok(())
}

fn write_line(tx: &Tx<'_>, brand: i64, line: &JournalLine) -> Result<(), Failure> {
    let insert = "INSERT INTO journal(brand, subject, at, step, text) VALUES (?1, ?2, ?3, ?4, ?5) \
                  ON CONFLICT DO NOTHING";
    let row = params![brand, line.subject, nanos(line.at), line.step, line.text];
    tx.db.prepare_cached(insert)?.execute(row)?;
    Ok(())
}
