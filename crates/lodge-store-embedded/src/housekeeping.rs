//! The port of this name. A purge goes portion by portion, so that accepts come in between.

use crate::codec::{self, nanos};
use crate::error::Failure;
use crate::forget::{self, OLD_CONVERSATIONS, OLD_EVENTS, OLD_TIMELINES, PORTION};
use crate::store::EmbeddedStore;
use crate::writer::{Kind, Tx};
use async_trait::async_trait;
use lodge_domain::Timestamp;
use lodge_domain::ports::{Counts, Housekeeping, LaneDepth, PurgeClass, StoreError};
use rusqlite::Connection;

#[async_trait]
impl Housekeeping for EmbeddedStore {
    async fn purge(&self, class: PurgeClass, before: Timestamp) -> Result<u64, StoreError> {
        let before = nanos(before);
        match class {
            PurgeClass::Dedupe => self.purge_dedupe(before).await,
            PurgeClass::Conversations => {
                self.purge_found(OLD_CONVERSATIONS, before, move |tx, pos| {
                    forget::conversation(tx, pos, before)
                })
                .await
            }
            PurgeClass::Feed => self.purge_found(OLD_EVENTS, before, forget::event).await,
            PurgeClass::Timelines => {
                self.purge_found(OLD_TIMELINES, before, move |tx, pos| forget::timeline(tx, pos, before))
                    .await
            }
            PurgeClass::Transient => {
                let went = self.write(Kind::Other, move |tx| forget::transient(tx, before)).await?;
                Ok(went as u64)
            }
        }
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.readers.read(counts).await
    }

    async fn check(&self) -> Result<String, StoreError> {
        let now = self.now().to_string();
        let touch = move |tx: &mut Tx<'_>| {
            let upsert = "INSERT INTO meta(name, value) VALUES ('checked', ?1) \
                          ON CONFLICT(name) DO UPDATE SET value = ?1";
            tx.db.prepare_cached(upsert)?.execute([&now])?;
            Ok(())
        };
        self.write(Kind::Other, touch).await?;
        let survives = if self.is_scratch {
            "an accepted contact survives a crash of the gateway, but no power cut: nothing is synced to the disk"
        } else {
            "an accepted contact survives a crash of the gateway, of the machine, and a power cut: it is synced to the \
             disk before its source hears yes"
        };
        Ok(survives.to_owned())
    }
}

impl EmbeddedStore {
    async fn purge_dedupe(&self, before: i64) -> Result<u64, StoreError> {
        let mut went = 0;
        loop {
            let portion = self.write(Kind::Other, move |tx| forget::dedupe(tx, before)).await?;
            went += portion as u64;
            if portion < PORTION {
                return Ok(went);
            }
        }
    }

    /// Removes what `query` finds, each by `remove`.
    async fn purge_found(
        &self,
        query: &'static str,
        before: i64,
        remove: impl Fn(&Tx<'_>, i64) -> Result<bool, Failure> + Copy + Send + 'static,
    ) -> Result<u64, StoreError> {
        let (mut went, mut after) = (0, 0);
        loop {
            let found = self.readers.read(move |db| forget::portion(db, query, before, after)).await?;
            let Some(last) = found.last().copied() else { return Ok(went) };
            after = last;
            let remove_all = move |tx: &mut Tx<'_>| {
                let mut removed = 0;
                for pos in &found {
                    removed += u64::from(remove(tx, *pos)?);
                }
                Ok(removed)
            };
            went += self.write(Kind::Other, remove_all).await?;
        }
    }
}

fn counts(db: &Connection) -> Result<Counts, Failure> {
    let count = |from: &str| -> Result<u64, Failure> {
        let mut statement = db.prepare_cached(&format!("SELECT count(*) FROM {from}"))?;
        Ok(codec::count(statement.query_row([], |row| row.get(0))?))
    };
    let select = "SELECT lanes.name, count(*), min(w.enqueued_at) FROM work w JOIN lanes ON lanes.id = w.lane \
                  GROUP BY lanes.id ORDER BY lanes.name";
    let mut statement = db.prepare_cached(select)?;
    let mut rows = statement.query([])?;
    let mut lanes = Vec::new();
    while let Some(row) = rows.next()? {
        let oldest = row.get::<_, Option<i64>>(2)?.map(codec::time).transpose()?;
        lanes.push(LaneDepth { lane: row.get(0)?, depth: codec::count(row.get(1)?), oldest });
    }
    Ok(Counts {
        envelopes: count("envelopes WHERE conv IS NOT NULL")?,
        conversations: count("conversations")?,
        events: count("feed")?,
        dead_letters: count("dead_letters")?,
        lanes,
    })
}
