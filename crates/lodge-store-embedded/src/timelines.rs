//! The port of this name. A cursor is the store's own id, the number of the last entry seen, and how many hints were seen;
//! hints live in the process that gives them, since one gateway runs on an embedded store.

use crate::codec::{self, count, int, nanos};
use crate::error::Failure;
use crate::store::EmbeddedStore;
use crate::writer::{Kind, Tx};
use async_trait::async_trait;
use bytes::Bytes;
use lodge_domain::ports::{StateValue, StoreError, TimelineChanges, TimelineCursor, TimelinePage, Timelines};
use lodge_domain::{BrandName, EntryId, NewEntry, TimelineEntry, TimelineId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How often a follower looks for itself, for what another process appended.
const LOOK: Duration = Duration::from_millis(250);
/// The largest note.
const MOST_NOTE: usize = 1 << 16;

/// Appends an entry, unless it is there; its number.
pub(crate) fn append(tx: &mut Tx<'_>, brand: i64, new: &NewEntry) -> Result<u64, Failure> {
    if let Some(known) = number(tx, brand, new)? {
        return Ok(known);
    }
    let at = nanos(new.at);
    let upsert = "INSERT INTO timelines(brand, id, entries, last_at) VALUES (?1, ?2, 1, ?3) \
                  ON CONFLICT(id, brand) DO UPDATE SET entries = entries + 1, last_at = max(last_at, ?3) \
                  RETURNING pos, entries";
    let (timeline, sequence): (i64, i64) = tx
        .db
        .prepare_cached(upsert)?
        .query_row(params![brand, new.timeline.0, at], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let insert = "INSERT INTO timeline_entries(timeline, sequence, id, at, body) VALUES (?1, ?2, ?3, ?4, ?5)";
    tx.db.prepare_cached(insert)?.execute(params![timeline, sequence, new.id.0, at, &new.body[..]])?;
    tx.wakes_timelines();
    Ok(count(sequence))
}

/// The number that an entry has in its timeline.
pub(crate) fn number(tx: &Tx<'_>, brand: i64, new: &NewEntry) -> Result<Option<u64>, Failure> {
    let select = "SELECT e.sequence FROM timelines t JOIN timeline_entries e ON e.timeline = t.pos \
                  WHERE t.id = ?1 AND t.brand = ?2 AND e.id = ?3";
    let row = params![new.timeline.0, brand, new.id.0];
    let found: Option<i64> = tx.db.prepare_cached(select)?.query_row(row, |row| row.get(0)).optional()?;
    Ok(found.map(count))
}

fn write_note(
    tx: &mut Tx<'_>,
    brand: &BrandName,
    timeline: TimelineId,
    expected: u64,
    note: &[u8],
    at: i64,
) -> Result<Option<u64>, Failure> {
    let brand = tx.brand(brand)?;
    let select = "SELECT note_version FROM timelines WHERE id = ?1 AND brand = ?2";
    let row = params![timeline.0, brand];
    let stored: Option<i64> = tx.db.prepare_cached(select)?.query_row(row, |row| row.get(0)).optional()?;
    if stored.map_or(0, count) != expected {
        return Ok(None);
    }
    let upsert = "INSERT INTO timelines(brand, id, last_at, note_version, note) VALUES (?1, ?2, ?3, 1, ?4) \
                  ON CONFLICT(id, brand) DO UPDATE SET note_version = note_version + 1, note = ?4, \
                                                       last_at = max(last_at, ?3)";
    tx.db.prepare_cached(upsert)?.execute(params![brand, timeline.0, at, note])?;
    Ok(Some(expected + 1))
}

fn read_entry(row: &Row<'_>) -> Result<TimelineEntry, Failure> {
    Ok(TimelineEntry {
        sequence: count(row.get(0)?),
        id: EntryId(row.get(1)?),
        at: codec::time(row.get(2)?)?,
        body: Bytes::from(row.get::<_, Vec<u8>>(3)?),
    })
}

fn page(
    db: &Connection,
    brand: &str,
    timeline: TimelineId,
    after: i64,
    most: i64,
) -> Result<TimelinePage, Failure> {
    let select = "SELECT t.pos, t.entries FROM timelines t JOIN brands b ON b.id = t.brand \
                  WHERE t.id = ?1 AND b.name = ?2";
    let row = params![timeline.0, brand];
    let found = db.prepare_cached(select)?.query_row(row, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((pos, last)): Option<(i64, i64)> = found else {
        return Ok(TimelinePage { entries: Vec::new(), last: 0 });
    };
    let mut entries = Vec::new();
    if last > after {
        let select = "SELECT sequence, id, at, body FROM timeline_entries WHERE timeline = ?1 AND sequence > ?2 \
                      ORDER BY sequence LIMIT ?3";
        let mut statement = db.prepare_cached(select)?;
        let mut rows = statement.query([pos, after, most])?;
        while let Some(row) = rows.next()? {
            entries.push(read_entry(row)?);
        }
    }
    // Both reads are of one moment only within a transaction: what came in between makes the timeline longer.
    let last = entries.last().map_or(0, |entry: &TimelineEntry| entry.sequence).max(count(last));
    Ok(TimelinePage { entries, last })
}

/// The timelines of `brand` with entries after number `after`, and the number of the newest entry of all brands.
fn news(db: &Connection, brand: &str, after: i64) -> Result<(Vec<TimelineId>, i64), Failure> {
    let newest = newest(db)?;
    if newest <= after {
        return Ok((Vec::new(), after));
    }
    let select = "SELECT DISTINCT t.id FROM timeline_entries e JOIN timelines t ON t.pos = e.timeline \
                  JOIN brands b ON b.id = t.brand WHERE e.pos > ?1 AND e.pos <= ?2 AND b.name = ?3";
    let mut statement = db.prepare_cached(select)?;
    let mut rows = statement.query(params![after, newest, brand])?;
    let mut changed = Vec::new();
    while let Some(row) = rows.next()? {
        changed.push(TimelineId(row.get(0)?));
    }
    Ok((changed, newest))
}

fn newest(db: &Connection) -> Result<i64, Failure> {
    let select = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'timeline_entries'";
    Ok(db.prepare_cached(select)?.query_row([], |row| row.get(0))?)
}

impl EmbeddedStore {
    /// What a cursor of this very file saw: entries, hints.
    fn seen(&self, cursor: &TimelineCursor) -> Option<(i64, u64)> {
        let mut parts = cursor.0.split('-');
        let (store, entries, hints) =
            (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        (store == self.id && entries >= 0).then_some((entries, hints))
    }

    fn cursor(&self, entries: i64, hints: u64) -> TimelineCursor {
        TimelineCursor(format!("{}-{entries}-{hints}", self.id))
    }
}

#[async_trait]
impl Timelines for EmbeddedStore {
    async fn append(&self, brand: &BrandName, entries: Vec<NewEntry>) -> Result<Vec<u64>, StoreError> {
        let brand = brand.clone();
        let act = move |tx: &mut Tx<'_>| {
            let brand = tx.brand(&brand)?;
            entries.iter().map(|new| append(tx, brand, new)).collect()
        };
        self.write(Kind::Other, act).await
    }

    async fn entries(
        &self,
        brand: &BrandName,
        timeline: &TimelineId,
        after: u64,
        most: usize,
    ) -> Result<TimelinePage, StoreError> {
        let (brand, timeline) = (brand.to_string(), *timeline);
        let (after, most) = (int(after), int(most as u64));
        self.readers.read(move |db| page(db, &brand, timeline, after, most)).await
    }

    async fn note(&self, brand: &BrandName, timeline: &TimelineId) -> Result<Option<StateValue>, StoreError> {
        let (brand, timeline) = (brand.to_string(), *timeline);
        let read = move |db: &Connection| {
            let select = "SELECT t.note_version, t.note FROM timelines t JOIN brands b ON b.id = t.brand \
                          WHERE t.id = ?1 AND b.name = ?2 AND t.note IS NOT NULL";
            let note = |row: &Row<'_>| {
                Ok(StateValue { version: count(row.get(0)?), value: Bytes::from(row.get::<_, Vec<u8>>(1)?) })
            };
            Ok(db.prepare_cached(select)?.query_row(params![timeline.0, brand], note).optional()?)
        };
        self.readers.read(read).await
    }

    async fn write_note(
        &self,
        brand: &BrandName,
        timeline: &TimelineId,
        expected: u64,
        note: Bytes,
        at: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        if note.len() > MOST_NOTE {
            return Err(StoreError::Full(format!("a note of {} bytes, 64 KiB fit", note.len())));
        }
        let (brand, timeline, at) = (brand.clone(), *timeline, nanos(at));
        self.write(Kind::Other, move |tx| write_note(tx, &brand, timeline, expected, &note, at)).await
    }

    async fn hint(&self, brand: &BrandName, timeline: &TimelineId, hint: Bytes) -> Result<(), StoreError> {
        self.signals.hint(brand.clone(), *timeline, hint);
        Ok(())
    }

    async fn changes(
        &self,
        brand: &BrandName,
        after: Option<&TimelineCursor>,
        most: Duration,
    ) -> Result<TimelineChanges, StoreError> {
        let Some((entries, hints)) = after.and_then(|cursor| self.seen(cursor)) else {
            let newest = self.readers.read(newest).await?;
            let (_, given) = self.signals.hints(brand, u64::MAX);
            let next = self.cursor(newest, given);
            return Ok(TimelineChanges { changed: Vec::new(), hints: Vec::new(), missed: true, next });
        };
        let end = Instant::now() + most;
        let name = brand.to_string();
        let mut from = entries;
        loop {
            let mut woken = std::pin::pin!(self.signals.timelines.notified());
            woken.as_mut().enable();
            let of = name.clone();
            let (changed, newest) = self.readers.read(move |db| news(db, &of, from)).await?;
            let (new_hints, given) = self.signals.hints(brand, hints);
            if !changed.is_empty() || !new_hints.is_empty() || Instant::now() >= end {
                let next = self.cursor(newest, given);
                return Ok(TimelineChanges { changed, hints: new_hints, missed: false, next });
            }
            from = newest;
            // Over or woken, the next look tells.
            drop(timeout_at(end.min(Instant::now() + LOOK), woken).await);
        }
    }
}
