//! The port of this name. Fences are numbered over all names, in a counter that no purge touches.

use crate::codec::{count, int, later, nanos};
use crate::error::Failure;
use crate::store::EmbeddedStore;
use crate::writer::{Kind, Tx};
use async_trait::async_trait;
use lodge_domain::ports::{Lease, Leases, StoreError};
use rusqlite::{OptionalExtension as _, params};
use std::time::Duration;

fn next_fence(tx: &Tx<'_>) -> Result<i64, Failure> {
    let upsert = "INSERT INTO meta(name, value) VALUES ('fence', '1') \
                  ON CONFLICT(name) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) \
                  RETURNING CAST(value AS INTEGER)";
    Ok(tx.db.prepare_cached(upsert)?.query_row([], |row| row.get(0))?)
}

fn acquire(tx: &Tx<'_>, name: &str, holder: &str, now: i64, until: i64) -> Result<Option<i64>, Failure> {
    let select = "SELECT holder, fence, until FROM leases WHERE name = ?1";
    let held: Option<(String, i64, i64)> = tx
        .db
        .prepare_cached(select)?
        .query_row([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let fence = match held {
        Some((by, fence, _)) if by == holder => fence,
        Some((_, _, ends)) if ends > now => return Ok(None),
        _ => next_fence(tx)?,
    };
    let upsert = "INSERT INTO leases(name, holder, fence, until) VALUES (?1, ?2, ?3, ?4) \
                  ON CONFLICT(name) DO UPDATE SET holder = ?2, fence = ?3, until = ?4";
    tx.db.prepare_cached(upsert)?.execute(params![name, holder, fence, until])?;
    Ok(Some(fence))
}

#[async_trait]
impl Leases for EmbeddedStore {
    async fn acquire(&self, name: &str, holder: &str, ttl: Duration) -> Result<Option<Lease>, StoreError> {
        let (now, until) = (nanos(self.now()), later(self.now(), ttl));
        let (name, holder) = (name.to_owned(), holder.to_owned());
        let take = move |tx: &mut Tx<'_>| {
            let fence = acquire(tx, &name, &holder, now, until)?;
            Ok(fence.map(|fence| Lease { name: name.clone(), holder: holder.clone(), fence: count(fence) }))
        };
        self.write(Kind::Other, take).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        let lease = lease.clone();
        let release = move |tx: &mut Tx<'_>| {
            let delete = "DELETE FROM leases WHERE name = ?1 AND holder = ?2 AND fence = ?3";
            tx.db.prepare_cached(delete)?.execute(params![lease.name, lease.holder, int(lease.fence)])?;
            Ok(())
        };
        self.write(Kind::Other, release).await
    }
}
