//! The port of this name.

use crate::codec::{self, int, later, nanos};
use crate::error::Failure;
use crate::store::EmbeddedStore;
use crate::writer::{Kind, Tx};
use async_trait::async_trait;
use lodge_domain::ports::{BudgetVerdict, Budgets, StoreError, Tally};
use lodge_domain::{BrandName, Digest, Timestamp};
use rusqlite::{OptionalExtension as _, params};
use std::collections::HashMap;

/// What is taken of each window so far, and when it ends.
type Windows = HashMap<Digest, (i64, i64)>;

/// Looks at every tally before anything is taken.
fn take(tx: &Tx<'_>, brand: &str, tallies: &[Tally], now: Timestamp) -> Result<BudgetVerdict, Failure> {
    let mut windows = Windows::new();
    for tally in tallies {
        let (taken, until) = match windows.get(&tally.key) {
            Some(window) => *window,
            None => current(tx, brand, tally, now)?,
        };
        let more = taken.saturating_add(int(tally.amount));
        if more > int(tally.limit) {
            let label = tally.label.clone();
            return Ok(BudgetVerdict::Exhausted { label, until: codec::time(until)? });
        }
        windows.insert(tally.key, (more, until));
    }
    let upsert = "INSERT INTO budgets(key, brand, taken, until) VALUES (?1, ?2, ?3, ?4) \
                  ON CONFLICT(key, brand) DO UPDATE SET taken = ?3, until = ?4";
    let mut statement = tx.db.prepare_cached(upsert)?;
    for (key, (taken, until)) in windows {
        statement.execute(params![key, brand, taken, until])?;
    }
    Ok(BudgetVerdict::Granted)
}

/// The window that is open now, or a fresh one.
fn current(tx: &Tx<'_>, brand: &str, tally: &Tally, now: Timestamp) -> Result<(i64, i64), Failure> {
    let select = "SELECT taken, until FROM budgets WHERE key = ?1 AND brand = ?2 AND until > ?3";
    let mut statement = tx.db.prepare_cached(select)?;
    let row = params![tally.key, brand, nanos(now)];
    let open = statement.query_row(row, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(open.unwrap_or((0, later(now, tally.window))))
}

#[async_trait]
impl Budgets for EmbeddedStore {
    async fn take(&self, brand: &BrandName, tallies: &[Tally]) -> Result<BudgetVerdict, StoreError> {
        let (now, brand, tallies) = (self.now(), brand.to_string(), tallies.to_vec());
        self.write(Kind::Other, move |tx| take(tx, &brand, &tallies, now)).await
    }
}
