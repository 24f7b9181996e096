//! Accept, rule by rule as [`lodge_domain::ports::Ledger`] numbers them, inside the writer's transaction.
//!
//! Everything is decided before the first write, except the reference, whose collision shows in its own insert.

use crate::codec::{self, flags, int, nanos, optional, read_flags, read_reference, text};
use crate::enqueue;
use crate::error::Failure;
use crate::writer::Tx;
use lodge_domain::ports::StoreError;
use lodge_domain::{
    Assurance, Candidate, ConversationId, ConversationStatus, EnvelopeId, Flag, JoinCondition, Lane, NewWork,
    OriginKind, Placement, Receipt, Reference, ThreadKey, Timestamp, WorkId, WorkKind,
};
use rusqlite::{OptionalExtension as _, Row, params};
use std::collections::BTreeSet;

/// What accept needs to know of a conversation.
struct Facts {
    pos: i64,
    id: ConversationId,
    reference: Reference,
    sequence: i64,
    status: i64,
    reopen_until: Option<i64>,
    topic: Option<[u8; 16]>,
    last_contact_at: i64,
    merged_into: Option<String>,
}

/// A conversation to append to.
struct Joined {
    facts: Facts,
    /// The assurance the party takes part with; `None` for a newcomer.
    known_with: Option<Assurance>,
    is_topic_changed: bool,
    matched: String,
    reopens: bool,
}

/// Where a contact goes.
enum Place {
    Append(Joined),
    Found { suggested_parent: Option<Reference>, follows: Option<Reference>, matched: Option<String> },
}

/// Accepts one candidate.
pub(crate) fn accept(tx: &mut Tx<'_>, candidate: &Candidate, now: Timestamp) -> Result<Receipt, Failure> {
    let brand = tx.brand(&candidate.brand)?;
    if let Some(first) = known(tx, candidate)? {
        return Ok(Receipt { placement: Placement::Duplicate, ..first });
    }
    let is_conflict = is_conflict(tx, brand, candidate)?;
    let place = closed(candidate, placement(tx, brand, candidate)?);
    let (pos, mut receipt) = match place {
        Place::Append(joined) => append(tx, candidate, joined)?,
        Place::Found { suggested_parent, follows, matched } => {
            let (pos, mut receipt) = found(tx, brand, candidate)?;
            receipt.suggested_parent = suggested_parent;
            receipt.follows = follows;
            receipt.matched = matched;
            (pos, receipt)
        }
    };
    if is_conflict {
        receipt.flags.insert(Flag::Conflict);
    }
    write(tx, brand, pos, candidate, &receipt)?;
    // Whatever is dead under this id would have kept its conversation, and that its envelope.
    enqueue::insert(tx, &triage_work(candidate, &receipt), now)?;
    Ok(receipt)
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
    })
}

/// 1. Known: the first receipt.
fn known(tx: &Tx<'_>, candidate: &Candidate) -> Result<Option<Receipt>, Failure> {
    let select = format!("SELECT {RECEIPT} FROM envelopes WHERE id = ?1");
    let mut statement = tx.db.prepare_cached(&select)?;
    let mut rows = statement.query([candidate.envelope.as_str()])?;
    rows.next()?.map(read_receipt).transpose()
}

/// 2. The same source id with other content.
fn is_conflict(tx: &Tx<'_>, brand: i64, candidate: &Candidate) -> Result<bool, Failure> {
    let Some(source) = candidate.source else { return Ok(false) };
    let select = "SELECT 1 FROM envelopes WHERE source = ?1 AND brand = ?2";
    Ok(tx.db.prepare_cached(select)?.exists(params![source, brand])?)
}

/// 3. The first key that decides.
fn placement(tx: &Tx<'_>, brand: i64, candidate: &Candidate) -> Result<Place, Failure> {
    let mut suggested_parent = None;
    for key in &candidate.thread_keys {
        let Some(facts) = conversation_of(tx, brand, key)? else { continue };
        let known_with = participation(tx, facts.pos, candidate)?;
        match joins(&facts, known_with, key.condition, candidate) {
            Some(is_topic_changed) => {
                let matched = key.label.clone();
                return Ok(Place::Append(Joined {
                    facts,
                    known_with,
                    is_topic_changed,
                    matched,
                    reopens: false,
                }));
            }
            None => suggested_parent = suggested_parent.or(Some(facts.reference)),
        }
    }
    Ok(Place::Found { suggested_parent, follows: None, matched: None })
}

/// Whether the key lets the candidate join (`Some`), and whether that changes the topic.
fn joins(
    facts: &Facts,
    known_with: Option<Assurance>,
    condition: JoinCondition,
    candidate: &Candidate,
) -> Option<bool> {
    let may_join = candidate.assurance != Assurance::Failed
        && known_with.is_some_and(|known_with| known_with <= candidate.assurance);
    match condition {
        JoinCondition::Always => Some(false),
        JoinCondition::IfParticipant => may_join.then_some(false),
        JoinCondition::IfParticipantOnTopic => {
            let is_changed = matches!((facts.topic, candidate.topic), (Some(a), Some(b)) if a != b.0);
            let idle = nanos(candidate.accepted_at).saturating_sub(facts.last_contact_at);
            let is_idle = idle > Candidate::IDLE_DAYS * 86_400_000_000_000;
            (may_join && !(is_changed && is_idle)).then_some(is_changed)
        }
        JoinCondition::Hint => None,
    }
}

fn read_facts(row: &Row<'_>) -> Result<Facts, Failure> {
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

const FACTS: &str = "c.pos, c.id, c.reference, c.sequence, c.status, c.reopen_until, c.topic, c.last_contact_at, \
                     c.merged_into";

/// The conversation that a key is bound to, after following merges.
fn conversation_of(tx: &Tx<'_>, brand: i64, key: &ThreadKey) -> Result<Option<Facts>, Failure> {
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

fn participation(tx: &Tx<'_>, conv: i64, candidate: &Candidate) -> Result<Option<Assurance>, Failure> {
    let select = "SELECT assurance FROM participants WHERE conv = ?1 AND kind = ?2 AND handle = ?3";
    let kind = codec::handle_kind(candidate.party.kind);
    let mut statement = tx.db.prepare_cached(select)?;
    let known: Option<i64> =
        statement.query_row(params![conv, kind, candidate.party.value], |row| row.get(0)).optional()?;
    known.map(codec::read_assurance).transpose()
}

/// 4. A closed conversation: reopened in time by people, followed by a new one when late, left closed by programs.
fn closed(candidate: &Candidate, place: Place) -> Place {
    let Place::Append(mut joined) = place else { return place };
    let is_closed = joined.facts.status == codec::status(ConversationStatus::Closed);
    if !is_closed || candidate.origin != OriginKind::Human {
        return Place::Append(joined);
    }
    if joined.facts.reopen_until.is_some_and(|until| until >= nanos(candidate.accepted_at)) {
        joined.reopens = true;
        return Place::Append(joined);
    }
    let (follows, matched) = (Some(joined.facts.reference), Some(joined.matched));
    Place::Found { suggested_parent: None, follows, matched }
}

/// Whether the contact may set the way back, if its party takes part.
fn is_credible(candidate: &Candidate) -> bool {
    candidate.origin == OriginKind::Human && candidate.assurance != Assurance::Failed
}

fn way_back(candidate: &Candidate) -> Result<Option<String>, Failure> {
    let path = candidate.return_path.as_ref().filter(|_| is_credible(candidate));
    path.map(codec::to_json).transpose()
}

fn receipt(candidate: &Candidate, conversation: ConversationId, reference: Reference) -> Receipt {
    Receipt {
        envelope: candidate.envelope.clone(),
        conversation,
        reference,
        sequence: 1,
        placement: Placement::New,
        suggested_parent: None,
        follows: None,
        reopens: false,
        flags: BTreeSet::new(),
        matched: None,
        accepted_at: candidate.accepted_at,
    }
}

/// Appends to a conversation (6 included); its number and the receipt.
fn append(tx: &Tx<'_>, candidate: &Candidate, joined: Joined) -> Result<(i64, Receipt), Failure> {
    let Joined { facts, known_with, is_topic_changed, matched, reopens } = joined;
    let sequence = facts.sequence + 1;
    let path = if known_with.is_some() { way_back(candidate)? } else { None };
    let update = "UPDATE conversations SET sequence = ?2, last_contact_at = ?3, \
                  status = CASE WHEN ?4 THEN ?5 ELSE status END, \
                  reopen_until = CASE WHEN ?4 THEN NULL ELSE reopen_until END, \
                  return_path = coalesce(?6, return_path) WHERE pos = ?1";
    let (at, open) = (nanos(candidate.accepted_at), codec::status(ConversationStatus::Open));
    tx.db.prepare_cached(update)?.execute(params![facts.pos, sequence, at, reopens, open, path])?;
    if let Some(known_with) = known_with {
        if candidate.assurance > known_with {
            let update =
                "UPDATE participants SET assurance = ?4 WHERE conv = ?1 AND kind = ?2 AND handle = ?3";
            let kind = codec::handle_kind(candidate.party.kind);
            let assurance = codec::assurance(candidate.assurance);
            tx.db.prepare_cached(update)?.execute(params![
                facts.pos,
                kind,
                candidate.party.value,
                assurance
            ])?;
        }
        introduce(tx, facts.pos, candidate)?;
    }
    let mut receipt = receipt(candidate, facts.id, facts.reference);
    receipt.placement = Placement::Appended;
    receipt.sequence = codec::count(sequence);
    receipt.reopens = reopens;
    receipt.matched = Some(matched);
    receipt.flags.extend(known_with.is_none().then_some(Flag::NewParticipant));
    receipt.flags.extend(is_topic_changed.then_some(Flag::SubjectChanged));
    Ok((facts.pos, receipt))
}

/// Adds whom an authenticated person brings along, as unverified.
fn introduce(tx: &Tx<'_>, conv: i64, candidate: &Candidate) -> Result<(), Failure> {
    if !is_credible(candidate) || candidate.assurance != Assurance::Authenticated {
        return Ok(());
    }
    for handle in &candidate.introduces {
        add_participant(tx, conv, handle, Assurance::Unverified)?;
    }
    Ok(())
}

/// Lets somebody take part; nothing where they do already.
pub(crate) fn add_participant(
    tx: &Tx<'_>,
    conv: i64,
    handle: &lodge_domain::PartyHandle,
    assurance: Assurance,
) -> Result<(), Failure> {
    let insert = "INSERT INTO participants(conv, kind, handle, assurance) VALUES (?1, ?2, ?3, ?4) \
                  ON CONFLICT DO NOTHING";
    let (kind, assurance) = (codec::handle_kind(handle.kind), codec::assurance(assurance));
    tx.db.prepare_cached(insert)?.execute(params![conv, kind, handle.value, assurance])?;
    Ok(())
}

/// Founds a conversation (6 and 7 included); its number and the receipt.
fn found(tx: &Tx<'_>, brand: i64, candidate: &Candidate) -> Result<(i64, Receipt), Failure> {
    let path = way_back(candidate)?;
    let insert = "INSERT INTO conversations(brand, id, reference, inbox, sequence, status, return_path, topic, \
                                            last_contact_at) \
                  VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7, ?8) ON CONFLICT(reference, brand) DO NOTHING";
    let mut statement = tx.db.prepare_cached(insert)?;
    for reference in &candidate.references {
        let inserted = statement.execute(params![
            brand,
            candidate.founds.as_str(),
            reference.as_str(),
            candidate.inbox.as_str(),
            codec::status(ConversationStatus::Open),
            path,
            candidate.topic.map(|topic| topic.0),
            nanos(candidate.accepted_at),
        ])?;
        if inserted == 1 {
            let pos = tx.db.last_insert_rowid();
            add_participant(tx, pos, &candidate.party, candidate.assurance)?;
            introduce(tx, pos, candidate)?;
            return Ok((pos, receipt(candidate, candidate.founds.clone(), reference.clone())));
        }
    }
    Err(StoreError::Unavailable("no reference is free".to_owned()).into())
}

/// 5. The envelope with its dedupe and source entries, and the keys.
fn write(
    tx: &Tx<'_>,
    brand: i64,
    conv: i64,
    candidate: &Candidate,
    receipt: &Receipt,
) -> Result<(), Failure> {
    let insert = "INSERT INTO envelopes(brand, id, source, known, conv, conversation, reference, sequence, founded, \
                                        suggested_parent, follows, reopens, flags, matched, accepted_at, record) \
                  VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
    tx.db.prepare_cached(insert)?.execute(params![
        brand,
        receipt.envelope.as_str(),
        candidate.source,
        conv,
        receipt.conversation.as_str(),
        receipt.reference.as_str(),
        int(receipt.sequence),
        receipt.placement == Placement::New,
        receipt.suggested_parent.as_ref().map(Reference::as_str),
        receipt.follows.as_ref().map(Reference::as_str),
        receipt.reopens,
        flags(&receipt.flags),
        receipt.matched,
        nanos(receipt.accepted_at),
        &candidate.record[..],
    ])?;
    let envelope = tx.db.last_insert_rowid();
    bind(tx, brand, conv, &candidate.registers)?;
    trace(tx, brand, envelope, &candidate.traces)
}

/// Binds keys to a conversation; the first writer of a key keeps it.
pub(crate) fn bind(
    tx: &Tx<'_>,
    brand: i64,
    conv: i64,
    keys: &[lodge_domain::ThreadKeyValue],
) -> Result<(), Failure> {
    let insert = "INSERT INTO keys(key, brand, conv) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    let mut statement = tx.db.prepare_cached(insert)?;
    for key in keys {
        statement.execute(params![key.0, brand, conv])?;
    }
    Ok(())
}

/// Binds trace keys to an envelope.
pub(crate) fn trace(
    tx: &Tx<'_>,
    brand: i64,
    envelope: i64,
    keys: &[lodge_domain::ThreadKeyValue],
) -> Result<(), Failure> {
    let insert = "INSERT INTO traces(key, brand, envelope) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    let mut statement = tx.db.prepare_cached(insert)?;
    for key in keys {
        statement.execute(params![key.0, brand, envelope])?;
    }
    Ok(())
}

fn triage_work(candidate: &Candidate, receipt: &Receipt) -> NewWork {
    NewWork {
        id: WorkId::of(candidate.envelope.as_str(), WorkKind::Triage.as_str(), 0),
        lane: Lane::Triage,
        kind: WorkKind::Triage,
        brand: candidate.brand.clone(),
        conversation: Some(receipt.conversation.clone()),
        subject: candidate.envelope.to_string(),
        sequence: Some(receipt.sequence),
        payload: String::new(),
        due: candidate.accepted_at,
    }
}
