//! What a purge removes, portion by portion, inside the writer's transaction.
//!
//! Candidates are found by readers; here each is looked at again, for it may be in use by now.

use crate::error::Failure;
use crate::writer::Tx;
use lodge_domain::{EventId, WorkId, WorkKind};
use rusqlite::{Connection, OptionalExtension as _, params};

/// Records in one portion, so that accepts in between wait for milliseconds.
pub(crate) const PORTION: usize = 200;

/// Old conversations without work or dead letters, after number `after`.
pub(crate) const OLD_CONVERSATIONS: &str = "SELECT pos FROM conversations c WHERE pos > ?2 AND last_contact_at < ?1 \
     AND NOT EXISTS (SELECT 1 FROM work w WHERE w.conversation = c.id) \
     AND NOT EXISTS (SELECT 1 FROM dead_letters d WHERE d.conversation = c.id) ORDER BY pos LIMIT ?3";

/// Old events without a forward that is pending or dead, after number `after`.
pub(crate) const OLD_EVENTS: &str = "SELECT pos FROM feed WHERE pos > ?2 AND at < ?1 \
     AND (event, brand) NOT IN (SELECT subject, brand FROM work WHERE kind = 'forward') \
     AND (event, brand) NOT IN (SELECT subject, brand FROM dead_letters WHERE kind = 'forward') \
     ORDER BY pos LIMIT ?3";

/// Old timelines, after number `after`.
pub(crate) const OLD_TIMELINES: &str =
    "SELECT pos FROM timelines WHERE pos > ?2 AND last_at < ?1 ORDER BY pos LIMIT ?3";

/// The numbers that one of the queries above names.
pub(crate) fn portion(db: &Connection, query: &str, before: i64, after: i64) -> Result<Vec<i64>, Failure> {
    let mut statement = db.prepare_cached(query)?;
    let most = crate::codec::int(PORTION as u64);
    Ok(statement.query_map([before, after, most], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Forgets dedupe and source entries, and the envelopes that nothing else holds.
pub(crate) fn dedupe(tx: &Tx<'_>, before: i64) -> Result<usize, Failure> {
    let select =
        "SELECT pos FROM envelopes WHERE known = 1 AND accepted_at < ?1 ORDER BY accepted_at LIMIT ?2";
    let mut statement = tx.db.prepare_cached(select)?;
    let most = crate::codec::int(PORTION as u64);
    let old: Vec<i64> = statement.query_map([before, most], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for pos in &old {
        let gone = "DELETE FROM envelopes WHERE pos = ?1 AND record IS NULL";
        if tx.db.prepare_cached(gone)?.execute([pos])? == 0 {
            let unknown = "UPDATE envelopes SET known = 0, source = NULL WHERE pos = ?1";
            tx.db.prepare_cached(unknown)?.execute([pos])?;
        }
    }
    Ok(old.len())
}

/// Forgets one conversation with all that is only known through it; `false` where it is in use.
pub(crate) fn conversation(tx: &Tx<'_>, pos: i64, before: i64) -> Result<bool, Failure> {
    let select = "SELECT id, brand FROM conversations c WHERE pos = ?1 AND last_contact_at < ?2 \
                  AND NOT EXISTS (SELECT 1 FROM work w WHERE w.conversation = c.id) \
                  AND NOT EXISTS (SELECT 1 FROM dead_letters d WHERE d.conversation = c.id)";
    let mut statement = tx.db.prepare_cached(select)?;
    let row = statement.query_row([pos, before], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((id, brand)): Option<(String, i64)> = row else { return Ok(false) };
    let of_conv = [
        "DELETE FROM journal WHERE subject IN (SELECT id FROM envelopes WHERE conv = ?1)",
        "DELETE FROM traces WHERE envelope IN (SELECT pos FROM envelopes WHERE conv = ?1)",
        "DELETE FROM envelopes WHERE conv = ?1 AND known = 0",
        "UPDATE envelopes SET conv = NULL, record = NULL, decision = NULL WHERE conv = ?1",
        "DELETE FROM participants WHERE conv = ?1",
        "DELETE FROM keys WHERE conv = ?1",
        "DELETE FROM recorded WHERE conv = ?1",
        "DELETE FROM conversations WHERE pos = ?1",
    ];
    for statement in of_conv {
        tx.db.prepare_cached(statement)?.execute([pos])?;
    }
    let by_id = [
        "DELETE FROM journal WHERE subject = ?1 AND brand = ?2",
        "DELETE FROM outbound WHERE conversation = ?1 AND brand = ?2",
    ];
    for statement in by_id {
        tx.db.prepare_cached(statement)?.execute(params![id, brand])?;
    }
    Ok(true)
}

/// Forgets one event; `false` where its forward was enqueued meanwhile.
pub(crate) fn event(tx: &Tx<'_>, pos: i64) -> Result<bool, Failure> {
    let select = "SELECT event, brand FROM feed WHERE pos = ?1";
    let mut statement = tx.db.prepare_cached(select)?;
    let row = statement.query_row([pos], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((event, brand)): Option<(String, i64)> = row else { return Ok(false) };
    let event = crate::codec::text(&event, EventId::parse)?;
    let forward = WorkId::of(event.as_str(), WorkKind::Forward.as_str(), 0);
    let pending = "SELECT 1 FROM work WHERE id = ?1 AND brand = ?2";
    if tx.db.prepare_cached(pending)?.exists(params![forward.as_str(), brand])? {
        return Ok(false);
    }
    Ok(tx.db.prepare_cached("DELETE FROM feed WHERE pos = ?1")?.execute([pos])? == 1)
}

/// Forgets one timeline; `false` where it has news.
pub(crate) fn timeline(tx: &Tx<'_>, pos: i64, before: i64) -> Result<bool, Failure> {
    let delete = "DELETE FROM timelines WHERE pos = ?1 AND last_at < ?2";
    if tx.db.prepare_cached(delete)?.execute([pos, before])? == 0 {
        return Ok(false);
    }
    tx.db.prepare_cached("DELETE FROM timeline_entries WHERE timeline = ?1")?.execute([pos])?;
    Ok(true)
}

/// Forgets guards, windows and leases that are over.
pub(crate) fn transient(tx: &Tx<'_>, before: i64) -> Result<usize, Failure> {
    let over = [
        "DELETE FROM guards WHERE at < ?1",
        "DELETE FROM budgets WHERE until < ?1",
        "DELETE FROM leases WHERE until < ?1",
    ];
    let mut went = 0;
    for statement in over {
        went += tx.db.prepare_cached(statement)?.execute([before])?;
    }
    Ok(went)
}
