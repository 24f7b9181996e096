//! Puts work into its lane. Of each conversation, lane and brand only the first item is claimable (`blocked = 0`).

use crate::codec::{int, nanos};
use crate::error::Failure;
use crate::writer::Tx;
use lodge_domain::{ConversationId, NewWork, Timestamp};
use rusqlite::params;

/// Adds work, unless its id is pending or dead.
pub(crate) fn enqueue(tx: &mut Tx<'_>, new: &NewWork, now: Timestamp) -> Result<(), Failure> {
    let brand = tx.brand(&new.brand)?;
    let is_dead = "SELECT 1 FROM dead_letters WHERE id = ?1 AND brand = ?2";
    if tx.db.prepare_cached(is_dead)?.exists(params![new.id.as_str(), brand])? {
        return Ok(());
    }
    insert(tx, new, now)
}

/// Adds work that is not among the dead letters, unless its id is pending.
pub(crate) fn insert(tx: &mut Tx<'_>, new: &NewWork, now: Timestamp) -> Result<(), Failure> {
    let (brand, lane) = (tx.brand(&new.brand)?, tx.lane(&new.lane)?);
    let insert = "INSERT INTO work(brand, lane, id, kind, conversation, subject, sequence, payload, due, ready, \
                                   enqueued_at, blocked) \
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?10, \
                          EXISTS(SELECT 1 FROM work WHERE conversation = ?5 AND lane = ?2 AND brand = ?1)) \
                  ON CONFLICT(id, brand) DO NOTHING";
    tx.db.prepare_cached(insert)?.execute(params![
        brand,
        lane,
        new.id.as_str(),
        new.kind.as_str(),
        new.conversation.as_ref().map(ConversationId::as_str),
        new.subject,
        new.sequence.map(int),
        new.payload,
        nanos(new.due),
        nanos(now),
    ])?;
    tx.wakes(&new.lane);
    Ok(())
}
