//! The port of this name. A cursor is the store's own id and the number of the last event read.

use crate::codec::{self, optional, text};
use crate::error::Failure;
use crate::store::EmbeddedStore;
use async_trait::async_trait;
use bytes::Bytes;
use lodge_domain::ports::{Feed, FeedCursor, FeedItem, FeedPage, StoreError};
use lodge_domain::{BrandName, ConversationId, EventId};
use rusqlite::{Connection, Row, params};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How often a waiter looks for itself.
const LOOK: Duration = Duration::from_millis(500);

const ITEM: &str =
    "f.pos, f.event, b.name, f.conversation, f.body, f.at FROM feed f JOIN brands b ON b.id = f.brand";

fn read_item(row: &Row<'_>) -> Result<(i64, FeedItem), Failure> {
    let item = FeedItem {
        event: text(&row.get::<_, String>(1)?, EventId::parse)?,
        brand: text(&row.get::<_, String>(2)?, BrandName::parse)?,
        conversation: optional(row.get(3)?, ConversationId::parse)?,
        body: Bytes::from(row.get::<_, Vec<u8>>(4)?),
        at: codec::time(row.get(5)?)?,
    };
    Ok((row.get(0)?, item))
}

impl EmbeddedStore {
    /// The number in a cursor of this very file.
    fn number(&self, cursor: &FeedCursor) -> Option<i64> {
        let (store, number) = cursor.0.split_once('-')?;
        let number = number.parse().ok().filter(|number| *number >= 0)?;
        (store == self.id).then_some(number)
    }
}

#[async_trait]
impl Feed for EmbeddedStore {
    async fn read(&self, after: Option<&FeedCursor>, most: usize) -> Result<Option<FeedPage>, StoreError> {
        let Some(after) = after.map_or(Some(0), |cursor| self.number(cursor)) else { return Ok(None) };
        let read = move |db: &Connection| {
            let select = format!("SELECT {ITEM} WHERE f.pos > ?1 ORDER BY f.pos LIMIT ?2");
            let mut statement = db.prepare_cached(&select)?;
            let mut rows = statement.query(params![after, codec::int(most as u64)])?;
            let mut items = Vec::new();
            while let Some(row) = rows.next()? {
                items.push(read_item(row)?);
            }
            Ok(items)
        };
        let items = self.readers.read(read).await?;
        let last = items.last().map_or(after, |(pos, _)| *pos);
        self.shown.fetch_max(last, Ordering::Relaxed);
        let next = FeedCursor(format!("{}-{last}", self.id));
        Ok(Some(FeedPage { items: items.into_iter().map(|(_, item)| item).collect(), next }))
    }

    async fn event(&self, brand: &BrandName, event: &EventId) -> Result<Option<FeedItem>, StoreError> {
        let (brand, event) = (brand.to_string(), event.to_string());
        let read = move |db: &Connection| {
            let select = format!("SELECT {ITEM} WHERE f.event = ?1 AND b.name = ?2");
            let mut statement = db.prepare_cached(&select)?;
            let mut rows = statement.query([event, brand])?;
            rows.next()?.map(|row| Ok(read_item(row)?.1)).transpose()
        };
        self.readers.read(read).await
    }

    async fn wait_feed(&self, most: Duration) {
        let end = Instant::now() + most;
        let mut seen = None;
        loop {
            let mut woken = std::pin::pin!(self.signals.feed.notified());
            woken.as_mut().enable();
            let newest = self.readers.read(|db| Ok(newest(db)?)).await.unwrap_or_default();
            // What was published between the caller's last read and this wait is news as well: the first look compares
            // with what readers were shown, the later ones with the look before.
            let shown = *seen.get_or_insert_with(|| self.shown.load(Ordering::Relaxed));
            if newest > shown || timeout_at(end.min(Instant::now() + LOOK), woken).await.is_ok() {
                self.shown.fetch_max(newest, Ordering::Relaxed);
                return;
            }
            if Instant::now() >= end {
                return;
            }
        }
    }
}

fn newest(db: &Connection) -> rusqlite::Result<i64> {
    let select = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'feed'";
    db.prepare_cached(select)?.query_row([], |row| row.get(0))
}
