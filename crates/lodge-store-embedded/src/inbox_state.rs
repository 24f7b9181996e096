//! The port of this name.

use crate::codec::count;
use crate::error::Failure;
use crate::store::EmbeddedStore;
use crate::writer::{Kind, Tx};
use async_trait::async_trait;
use bytes::Bytes;
use lodge_domain::InboxId;
use lodge_domain::ports::{InboxState, StateValue, StoreError};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

/// The largest value.
const MOST: usize = 1 << 20;

fn read_value(row: &Row<'_>) -> rusqlite::Result<(String, StateValue)> {
    let value = StateValue { version: count(row.get(1)?), value: Bytes::from(row.get::<_, Vec<u8>>(2)?) };
    Ok((row.get(0)?, value))
}

fn save(
    tx: &Tx<'_>,
    inbox: &InboxId,
    key: &str,
    expected: u64,
    value: &[u8],
) -> Result<Option<u64>, Failure> {
    let (brand, inbox) = (inbox.brand.as_str(), inbox.name.as_str());
    let select = "SELECT version FROM inbox_state WHERE brand = ?1 AND inbox = ?2 AND key = ?3";
    let stored = tx.db.prepare_cached(select)?.query_row([brand, inbox, key], |row| row.get(0)).optional()?;
    if stored.map_or(0, count) != expected {
        return Ok(None);
    }
    let upsert = "INSERT INTO inbox_state(brand, inbox, key, version, value) VALUES (?1, ?2, ?3, 1, ?4) \
                  ON CONFLICT(brand, inbox, key) DO UPDATE SET version = version + 1, value = ?4";
    tx.db.prepare_cached(upsert)?.execute(params![brand, inbox, key, value])?;
    Ok(Some(expected + 1))
}

#[async_trait]
impl InboxState for EmbeddedStore {
    async fn load(&self, inbox: &InboxId, key: &str) -> Result<Option<StateValue>, StoreError> {
        let (inbox, key) = (inbox.clone(), key.to_owned());
        let load = move |db: &Connection| {
            let select =
                "SELECT key, version, value FROM inbox_state WHERE brand = ?1 AND inbox = ?2 AND key = ?3";
            let mut statement = db.prepare_cached(select)?;
            let row = [inbox.brand.as_str(), inbox.name.as_str(), &key];
            Ok(statement.query_row(row, read_value).optional()?.map(|(_, value)| value))
        };
        self.readers.read(load).await
    }

    async fn save(
        &self,
        inbox: &InboxId,
        key: &str,
        expected: u64,
        value: Bytes,
    ) -> Result<Option<u64>, StoreError> {
        if value.len() > MOST {
            return Err(StoreError::Full(format!("a value of {} bytes, 1 MiB fits", value.len())));
        }
        let (inbox, key) = (inbox.clone(), key.to_owned());
        self.write(Kind::Other, move |tx| save(tx, &inbox, &key, expected, &value)).await
    }

    async fn list(&self, inbox: &InboxId, prefix: &str) -> Result<Vec<(String, StateValue)>, StoreError> {
        let (inbox, prefix) = (inbox.clone(), prefix.to_owned());
        let list = move |db: &Connection| {
            // substr and not LIKE: nothing in a prefix is a pattern.
            let select = "SELECT key, version, value FROM inbox_state WHERE brand = ?1 AND inbox = ?2 AND key >= ?3 \
                          AND substr(key, 1, length(?3)) = ?3 ORDER BY key";
            let mut statement = db.prepare_cached(select)?;
            let row = [inbox.brand.as_str(), inbox.name.as_str(), &prefix];
            Ok(statement.query_map(row, read_value)?.collect::<Result<_, _>>()?)
        };
        self.readers.read(list).await
    }

    async fn range(
        &self,
        inbox: &InboxId,
        from: &str,
        to: &str,
        most: usize,
    ) -> Result<Vec<(String, StateValue)>, StoreError> {
        let (inbox, from, to) = (inbox.clone(), from.to_owned(), to.to_owned());
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let range = move |db: &Connection| {
            let select = "SELECT key, version, value FROM inbox_state WHERE brand = ?1 AND inbox = ?2 AND key >= ?3 \
                          AND key < ?4 ORDER BY key LIMIT ?5";
            let mut statement = db.prepare_cached(select)?;
            let row = params![inbox.brand.as_str(), inbox.name.as_str(), from, to, most];
            Ok(statement.query_map(row, read_value)?.collect::<Result<_, _>>()?)
        };
        self.readers.read(range).await
    }

    async fn remove(&self, inbox: &InboxId, key: &str) -> Result<(), StoreError> {
        let (inbox, key) = (inbox.clone(), key.to_owned());
        let remove = move |tx: &mut Tx<'_>| {
            let delete = "DELETE FROM inbox_state WHERE brand = ?1 AND inbox = ?2 AND key = ?3";
            tx.db.prepare_cached(delete)?.execute([inbox.brand.as_str(), inbox.name.as_str(), &key])?;
            Ok(())
        };
        self.write(Kind::Other, remove).await
    }
}
