//! The port of this name.

use crate::codec::{self, WORK, nanos, read_work};
use crate::enqueue;
use crate::error::Failure;
use crate::store::EmbeddedStore;
use crate::writer::{Kind, Tx};
use async_trait::async_trait;
use lodge_domain::ports::{DeadLetter, DeadLetters, StoreError};
use lodge_domain::{BrandName, ConversationId, WorkId, WorkKind};
use rusqlite::{Connection, Row, params};

/// Letters as work `w`, under the columns that work has; a letter keeps its lane's name itself.
fn select() -> String {
    let columns = WORK.replace("lanes.name", "w.lane");
    format!(
        "SELECT {columns}, w.attempts, w.reason, w.error, w.at FROM dead_letters w \
         JOIN brands ON brands.id = w.brand WHERE brands.name = ?1"
    )
}

fn read_letter(row: &Row<'_>) -> Result<DeadLetter, Failure> {
    Ok(DeadLetter {
        work: read_work(row)?,
        attempts: row.get(9)?,
        reason: row.get(10)?,
        error: row.get(11)?,
        at: codec::time(row.get(12)?)?,
    })
}

fn one(db: &Connection, brand: &str, id: &str) -> Result<Option<DeadLetter>, Failure> {
    let mut statement = db.prepare_cached(&format!("{} AND w.id = ?2", select()))?;
    let mut rows = statement.query([brand, id])?;
    rows.next()?.map(read_letter).transpose()
}

fn remove(db: &Connection, brand: &str, id: &str) -> Result<bool, Failure> {
    let delete = "DELETE FROM dead_letters WHERE id = ?2 AND brand = (SELECT id FROM brands WHERE name = ?1)";
    Ok(db.prepare_cached(delete)?.execute([brand, id])? == 1)
}

#[async_trait]
impl DeadLetters for EmbeddedStore {
    async fn bury(&self, letter: DeadLetter) -> Result<(), StoreError> {
        let bury = move |tx: &mut Tx<'_>| {
            let brand = tx.brand(&letter.work.brand)?;
            let new = &letter.work;
            let insert = "INSERT INTO dead_letters(brand, lane, id, kind, conversation, subject, sequence, payload, \
                          due, attempts, reason, error, at) \
                          VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) ON CONFLICT DO NOTHING";
            tx.db.prepare_cached(insert)?.execute(params![
                brand,
                new.lane.to_string(),
                new.id.as_str(),
                new.kind.as_str(),
                new.conversation.as_ref().map(ConversationId::as_str),
                new.subject,
                new.sequence.map(codec::int),
                new.payload,
                nanos(new.due),
                letter.attempts,
                letter.reason,
                letter.error,
                nanos(letter.at),
            ])?;
            Ok(())
        };
        self.write(Kind::Other, bury).await
    }

    async fn page(
        &self,
        brand: &BrandName,
        after: Option<&WorkId>,
        most: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let (brand, after) = (brand.to_string(), after.map(ToString::to_string));
        let page = move |db: &Connection| {
            let select = format!(
                "{} AND w.pos > coalesce((SELECT pos FROM dead_letters d WHERE d.id = ?2 AND d.brand = brands.id), 0) \
                 ORDER BY w.pos LIMIT ?3",
                select()
            );
            let mut statement = db.prepare_cached(&select)?;
            let mut rows = statement.query(params![brand, after, codec::int(most as u64)])?;
            let mut letters = Vec::new();
            while let Some(row) = rows.next()? {
                letters.push(read_letter(row)?);
            }
            Ok(letters)
        };
        self.readers.read(page).await
    }

    async fn dead_letter(&self, brand: &BrandName, id: &WorkId) -> Result<Option<DeadLetter>, StoreError> {
        let (brand, id) = (brand.to_string(), id.to_string());
        self.readers.read(move |db| one(db, &brand, &id)).await
    }

    async fn replay(&self, brand: &BrandName, id: &WorkId) -> Result<bool, StoreError> {
        let (now, brand, id) = (self.now(), brand.to_string(), id.to_string());
        let replay = move |tx: &mut Tx<'_>| {
            let letter = one(tx.db, &brand, &id)?.filter(|letter| letter.work.kind != WorkKind::Quarantine);
            let Some(mut letter) = letter else { return Ok(false) };
            remove(tx.db, &brand, &id)?;
            letter.work.due = now;
            enqueue::insert(tx, &letter.work, now)?;
            Ok(true)
        };
        self.write(Kind::Other, replay).await
    }

    async fn discard(&self, brand: &BrandName, id: &WorkId) -> Result<bool, StoreError> {
        let (brand, id) = (brand.to_string(), id.to_string());
        self.write(Kind::Other, move |tx| remove(tx.db, &brand, &id)).await
    }
}
