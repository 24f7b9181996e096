//! What accept reads: first receipts, sources, conversations behind keys, who takes part.

use crate::codec::{self, optional, read_flags, read_reference, text};
use crate::error::Failure;
use crate::writer::Tx;
use lodge_domain::{
    Assurance, Candidate, ConversationId, EnvelopeId, Placement, Receipt, Reference, ThreadKey,
};
use rusqlite::{OptionalExtension as _, Row, params};

/// What accept needs to know of a conversation.
pub(super) struct Facts {
    pub(super) pos: i64,
    pub(super) id: ConversationId,
    pub(super) reference: Reference,
    pub(super) sequence: i64,
    pub(super) status: i64,
    pub(super) reopen_until: Option<i64>,
    pub(super) topic: Option<[u8; 16]>,
    pub(super) last_contact_at: i64,
    pub(super) merged_into: Option<String>,
}

/// The columns that [`read_receipt`] reads.
pub(crate) const RECEIPT: &str = "id, conversation, reference, sequence, founded, suggested_parent, follows, reopens, \
                                  flags, matched, accepted_at";

/// Reads a receipt from the columns [`RECEIPT`].
pub(crate) fn read_receipt(row: &Row<'_>) -> Result<Receipt, Failure> {
    let reference = |at: usize| -> Result<Option<Reference>, Failure> {
        optional(row.get::<_, Option<String>>(at)?, Reference::parse)
    };
    Ok(Receipt {
        envelope: text(row.get_ref(0)?.as_str().unwrap_or_default(), EnvelopeId::parse)?,
        conversation: text(row.get_ref(1)?.as_str().unwrap_or_default(), ConversationId::parse)?,
        reference: read_reference(row.get_ref(2)?.as_str().unwrap_or_default())?,
        sequence: codec::count(row.get(3)?),
        placement: if row.get::<_, bool>(4)? { Placement::New } else { Placement::Appended },
        suggested_parent: reference(5)?,
        follows: reference(6)?,
        reopens: row.get(7)?,
        flags: read_flags(row.get(8)?),
        matched: row.get(9)?,
        accepted_at: codec::time(row.get(10)?)?,
        entry: None,
    })
}

/// 1. Known: the first receipt.
pub(super) fn known(tx: &Tx<'_>, candidate: &Candidate) -> Result<Option<Receipt>, Failure> {
    let select = format!("SELECT {RECEIPT} FROM envelopes WHERE id = ?1");
    let mut statement = tx.db.prepare_cached(&select)?;
    let mut rows = statement.query([candidate.envelope.as_str()])?;
    rows.next()?.map(read_receipt).transpose()
}

/// 2. The same source id with other content.
pub(super) fn is_conflict(tx: &Tx<'_>, brand: i64, candidate: &Candidate) -> Result<bool, Failure> {
    let Some(source) = candidate.source else { return Ok(false) };
    let select = "SELECT 1 FROM envelopes WHERE source = ?1 AND brand = ?2";
    Ok(tx.db.prepare_cached(select)?.exists(params![source, brand])?)
}

pub(super) const FACTS: &str = "c.pos, c.id, c.reference, c.sequence, c.status, c.reopen_until, c.topic, c.last_contact_at, \
                     c.merged_into";

pub(super) fn read_facts(row: &Row<'_>) -> Result<Facts, Failure> {
    Ok(Facts {
        pos: row.get(0)?,
        id: text(row.get_ref(1)?.as_str().unwrap_or_default(), ConversationId::parse)?,
        reference: read_reference(row.get_ref(2)?.as_str().unwrap_or_default())?,
        sequence: row.get(3)?,
        status: row.get(4)?,
        reopen_until: row.get(5)?,
        topic: row.get(6)?,
        last_contact_at: row.get(7)?,
        merged_into: row.get(8)?,
    })
}

/// The conversation that a key is bound to, after following merges.
pub(super) fn conversation_of(tx: &Tx<'_>, brand: i64, key: &ThreadKey) -> Result<Option<Facts>, Failure> {
    let select = format!(
        "SELECT {FACTS} FROM keys k JOIN conversations c ON c.pos = k.conv WHERE k.key = ?1 AND k.brand = ?2"
    );
    let mut statement = tx.db.prepare_cached(&select)?;
    let mut rows = statement.query(params![key.value.0, brand])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut facts = read_facts(row)?;
    while let Some(survivor) = facts.merged_into.take() {
        let select = format!("SELECT {FACTS} FROM conversations c WHERE c.id = ?1 AND c.brand = ?2");
        let mut statement = tx.db.prepare_cached(&select)?;
        let mut rows = statement.query(params![survivor, brand])?;
        // A survivor that was purged counts no longer.
        let Some(row) = rows.next()? else { break };
        facts = read_facts(row)?;
    }
    Ok(Some(facts))
}

pub(super) fn participation(
    tx: &Tx<'_>,
    conv: i64,
    candidate: &Candidate,
) -> Result<Option<Assurance>, Failure> {
    let select = "SELECT assurance FROM participants WHERE conv = ?1 AND kind = ?2 AND handle = ?3";
    let kind = codec::handle_kind(candidate.party.kind);
    let mut statement = tx.db.prepare_cached(select)?;
    let known: Option<i64> =
        statement.query_row(params![conv, kind, candidate.party.value], |row| row.get(0)).optional()?;
    known.map(codec::read_assurance).transpose()
}
