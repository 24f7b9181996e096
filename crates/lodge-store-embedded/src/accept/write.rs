//! What accept changes: the conversation, who takes part in it, the envelope and its keys.

use super::decide::Joined;
use crate::codec::{self, flags, int, nanos};
use crate::error::Failure;
use crate::writer::Tx;
use lodge_domain::ports::StoreError;
use lodge_domain::{
    Assurance, Candidate, ConversationId, ConversationStatus, Flag, OriginKind, Placement, Receipt, Reference,
};
use rusqlite::params;
use std::collections::BTreeSet;

/// Whether the contact may set the way back, if its party takes part.
pub(super) fn is_credible(candidate: &Candidate) -> bool {
    candidate.origin == OriginKind::Human && candidate.assurance != Assurance::Failed
}

pub(super) fn way_back(candidate: &Candidate) -> Result<Option<String>, Failure> {
    let path = candidate.return_path.as_ref().filter(|_| is_credible(candidate));
    path.map(codec::to_json).transpose()
}

pub(super) fn receipt(candidate: &Candidate, conversation: ConversationId, reference: Reference) -> Receipt {
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
        entry: None,
    }
}

/// Appends to a conversation (6 included); its number and the receipt.
pub(super) fn append(tx: &Tx<'_>, candidate: &Candidate, joined: Joined) -> Result<(i64, Receipt), Failure> {
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
pub(super) fn introduce(tx: &Tx<'_>, conv: i64, candidate: &Candidate) -> Result<(), Failure> {
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
pub(super) fn found(tx: &Tx<'_>, brand: i64, candidate: &Candidate) -> Result<(i64, Receipt), Failure> {
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
pub(super) fn write(
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
    rebind(tx, brand, conv, &candidate.rebinds)?;
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

/// Binds keys to a conversation wherever they led before.
fn rebind(tx: &Tx<'_>, brand: i64, conv: i64, keys: &[lodge_domain::ThreadKeyValue]) -> Result<(), Failure> {
    let upsert = "INSERT INTO keys(key, brand, conv) VALUES (?1, ?2, ?3) \
                  ON CONFLICT(key, brand) DO UPDATE SET conv = ?3";
    for key in keys {
        tx.db.prepare_cached(upsert)?.execute(params![key.0, brand, conv])?;
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
