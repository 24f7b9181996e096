//! The port of this name: writing goes through the writer, looking up through the readers.

use crate::accept::{RECEIPT, accept, read_receipt};
use crate::codec::{self, optional, text};
use crate::effects;
use crate::error::Failure;
use crate::store::EmbeddedStore;
use crate::writer::Kind;
use async_trait::async_trait;
use lodge_domain::effect::{Applied, Step};
use lodge_domain::ports::{Ledger, Lookup, StoreError};
use lodge_domain::{
    Assurance, BrandName, Candidate, Conversation, ConversationId, Envelope, InboxName, JournalLine,
    OutboundId, OutboundRecord, PartyHandle, Receipt, Reference,
};
use rusqlite::{Connection, Row, params};

#[async_trait]
impl Ledger for EmbeddedStore {
    async fn accept(&self, batch: Vec<Candidate>) -> Result<Vec<Receipt>, StoreError> {
        let now = self.now();
        self.write(Kind::Accept, move |tx| batch.iter().map(|candidate| accept(tx, candidate, now)).collect())
            .await
    }

    async fn apply(&self, step: Step) -> Result<Applied, StoreError> {
        let now = self.now();
        self.write(Kind::Other, move |tx| effects::apply(tx, &step, now)).await
    }

    async fn find(&self, brand: &BrandName, lookup: Lookup) -> Result<Vec<Envelope>, StoreError> {
        let brand = brand.clone();
        self.readers.read(move |db| find(db, &brand, &lookup)).await
    }

    async fn conversation(
        &self,
        brand: &BrandName,
        id: &ConversationId,
    ) -> Result<Option<Conversation>, StoreError> {
        let (brand, id) = (brand.clone(), id.to_string());
        self.readers.read(move |db| conversation(db, &brand, "c.id = ?1", &id)).await
    }

    async fn by_reference(
        &self,
        brand: &BrandName,
        reference: &Reference,
    ) -> Result<Option<Conversation>, StoreError> {
        let (brand, reference) = (brand.clone(), reference.to_string());
        self.readers.read(move |db| conversation(db, &brand, "c.reference = ?1", &reference)).await
    }

    async fn outbound(
        &self,
        brand: &BrandName,
        id: &OutboundId,
    ) -> Result<Option<OutboundRecord>, StoreError> {
        let (brand, id) = (brand.clone(), id.to_string());
        let found = self.readers.read(move |db| outbound(db, &brand, "o.id = ?1", &id)).await?;
        Ok(found.into_iter().next())
    }

    async fn outbound_of(
        &self,
        brand: &BrandName,
        conversation: &ConversationId,
    ) -> Result<Vec<OutboundRecord>, StoreError> {
        let (brand, id) = (brand.clone(), conversation.to_string());
        self.readers.read(move |db| outbound(db, &brand, "o.conversation = ?1", &id)).await
    }

    async fn journal(&self, brand: &BrandName, subjects: &[String]) -> Result<Vec<JournalLine>, StoreError> {
        let (brand, subjects) = (brand.clone(), subjects.to_vec());
        self.readers.read(move |db| journal(db, &brand, &subjects)).await
    }

    async fn brands(&self) -> Result<Vec<BrandName>, StoreError> {
        self.readers
            .read(|db| {
                let mut statement = db.prepare_cached("SELECT name FROM brands ORDER BY name")?;
                let names = statement.query_map([], |row| row.get::<_, String>(0))?;
                names.map(|name| text(&name?, BrandName::parse)).collect()
            })
            .await
    }
}

fn find(db: &Connection, brand: &BrandName, lookup: &Lookup) -> Result<Vec<Envelope>, Failure> {
    let (condition, value) = match lookup {
        Lookup::Envelope(id) => ("id = ?1", id.as_str().as_bytes()),
        Lookup::Conversation(id) => {
            ("conv = (SELECT pos FROM conversations WHERE id = ?1)", id.as_str().as_bytes())
        }
        Lookup::Reference(reference) => {
            let of_brand = "conv = (SELECT pos FROM conversations WHERE reference = ?1 \
                            AND brand = (SELECT id FROM brands WHERE name = ?2))";
            (of_brand, reference.as_str().as_bytes())
        }
        Lookup::Trace(key) => {
            let of_brand = "pos IN (SELECT envelope FROM traces WHERE key = ?1 \
                            AND brand = (SELECT id FROM brands WHERE name = ?2))";
            (of_brand, &key.0[..])
        }
    };
    let select = format!(
        "SELECT {RECEIPT}, decision, record FROM envelopes WHERE {condition} AND record IS NOT NULL \
         AND brand = (SELECT id FROM brands WHERE name = ?2) ORDER BY conversation, sequence"
    );
    let mut statement = db.prepare_cached(&select)?;
    let is_text = !matches!(lookup, Lookup::Trace(_));
    let mut rows = if is_text {
        statement.query(params![std::str::from_utf8(value).unwrap_or_default(), brand.as_str()])?
    } else {
        statement.query(params![value, brand.as_str()])?
    };
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let decision = row.get_ref(11)?.as_bytes_or_null().map_err(Failure::unreadable)?;
        found.push(Envelope {
            receipt: read_receipt(row)?,
            decision: decision.map(codec::json).transpose()?,
            contact: codec::json(row.get_ref(12)?.as_bytes().map_err(Failure::unreadable)?)?,
        });
    }
    Ok(found)
}

fn conversation(
    db: &Connection,
    brand: &BrandName,
    condition: &str,
    value: &str,
) -> Result<Option<Conversation>, Failure> {
    let select = format!(
        "SELECT pos, c.id, reference, inbox, sequence, status, reopen_until, external_id, return_path, queue, topic, \
         last_contact_at, merged_into FROM conversations c JOIN brands b ON b.id = c.brand \
         WHERE {condition} AND b.name = ?2"
    );
    let mut statement = db.prepare_cached(&select)?;
    let mut rows = statement.query(params![value, brand.as_str()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(Conversation {
        id: text(&row.get::<_, String>(1)?, ConversationId::parse)?,
        brand: brand.clone(),
        reference: codec::read_reference(&row.get::<_, String>(2)?)?,
        inbox: text(&row.get::<_, String>(3)?, InboxName::parse)?,
        sequence: codec::count(row.get(4)?),
        status: codec::read_status(row.get(5)?)?,
        reopen_until: row.get::<_, Option<i64>>(6)?.map(codec::time).transpose()?,
        external_id: row.get(7)?,
        participants: participants(db, row.get(0)?)?,
        return_path: row.get::<_, Option<String>>(8)?.map(|json| codec::json(json.as_bytes())).transpose()?,
        queue: row.get(9)?,
        topic: codec::read_key(row.get(10)?),
        last_contact_at: codec::time(row.get(11)?)?,
        merged_into: optional(row.get(12)?, ConversationId::parse)?,
    }))
}

fn participants(db: &Connection, conv: i64) -> Result<Vec<(PartyHandle, Assurance)>, Failure> {
    let mut statement =
        db.prepare_cached("SELECT kind, handle, assurance FROM participants WHERE conv = ?1")?;
    let mut rows = statement.query([conv])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let kind = codec::read_handle_kind(row.get(0)?)?;
        let handle = PartyHandle::new(kind, row.get::<_, String>(1)?);
        found.push((handle, codec::read_assurance(row.get(2)?)?));
    }
    Ok(found)
}

fn outbound(
    db: &Connection,
    brand: &BrandName,
    condition: &str,
    value: &str,
) -> Result<Vec<OutboundRecord>, Failure> {
    let select = format!(
        "SELECT record FROM outbound o JOIN brands b ON b.id = o.brand WHERE {condition} AND b.name = ?2 ORDER BY pos"
    );
    let mut statement = db.prepare_cached(&select)?;
    let records = statement.query_map(params![value, brand.as_str()], |row| row.get::<_, String>(0))?;
    records.map(|record| codec::json(record?.as_bytes())).collect()
}

fn read_line(row: &Row<'_>) -> Result<(i64, JournalLine), Failure> {
    let line = JournalLine {
        subject: row.get(1)?,
        at: codec::time(row.get(2)?)?,
        step: row.get(3)?,
        text: row.get(4)?,
    };
    Ok((row.get(0)?, line))
}

fn journal(db: &Connection, brand: &BrandName, subjects: &[String]) -> Result<Vec<JournalLine>, Failure> {
    let select = "SELECT pos, subject, at, step, text FROM journal \
                  WHERE subject = ?1 AND brand = (SELECT id FROM brands WHERE name = ?2)";
    let mut statement = db.prepare_cached(select)?;
    let mut lines = Vec::new();
    for subject in subjects {
        let mut rows = statement.query(params![subject, brand.as_str()])?;
        while let Some(row) = rows.next()? {
            lines.push(read_line(row)?);
        }
    }
    lines.sort_by_key(|(pos, line)| (line.at, *pos));
    lines.dedup_by_key(|(pos, _)| *pos);
    Ok(lines.into_iter().map(|(_, line)| line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_by_their_index() {
        let db = Connection::open_in_memory().unwrap();
        crate::schema::migrate(&db, "test").unwrap();
        let plan = "EXPLAIN QUERY PLAN SELECT pos FROM conversations c JOIN brands b ON b.id = c.brand \
                    WHERE c.reference = ?1 AND b.name = ?2";
        let mut statement = db.prepare(plan).unwrap();
        let steps = statement.query_map(["", ""], |row| row.get::<_, String>(3)).unwrap();
        let steps: Vec<String> = steps.map(Result::unwrap).collect();
        assert!(steps.iter().all(|step| step.contains("INDEX") || step.contains("PRIMARY KEY")), "{steps:?}");
    }
}
