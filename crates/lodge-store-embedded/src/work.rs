//! The port of this name. Claims and settlements go through the writer; waiting listens to it, and looks twice a second
//! for what other processes wrote and for what has become due.

use crate::codec::{self, WORK, later, nanos, read_work, text};
use crate::effects::{is_stale, perform};
use crate::error::Failure;
use crate::store::EmbeddedStore;
use crate::writer::{Kind, Tx};
use async_trait::async_trait;
use lodge_domain::effect::{Applied, Effect};
use lodge_domain::ports::{StoreError, WorkQueue};
use lodge_domain::{Claim, Lane, Settlement, Timestamp, Work};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How often a waiter looks for itself.
const LOOK: Duration = Duration::from_millis(500);

#[async_trait]
impl WorkQueue for EmbeddedStore {
    async fn claim(&self, lane: &Lane, most: usize, lease: Duration) -> Result<Vec<Claim>, StoreError> {
        let (now, lane, token) = (self.now(), lane.clone(), self.entropy.token());
        self.write(Kind::Other, move |tx| claim(tx, &lane, most, lease, now, &token)).await
    }

    async fn settle(
        &self,
        settled: Vec<(Claim, Settlement, Vec<Effect>)>,
    ) -> Result<Vec<Applied>, StoreError> {
        let now = self.now();
        let settle_all = move |tx: &mut Tx<'_>| {
            let mut answers = Vec::with_capacity(settled.len());
            for (claim, settlement, effects) in &settled {
                answers.push(settle(tx, claim, settlement, effects, now)?);
            }
            Ok(answers)
        };
        self.write(Kind::Settle, settle_all).await
    }

    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool, StoreError> {
        let (claim, until) = (claim.clone(), later(self.now(), lease));
        let renew = move |tx: &mut Tx<'_>| {
            let update = "UPDATE work SET ready = max(due, ?3) WHERE id = ?1 AND token = ?2";
            let row = params![claim.work.new.id.as_str(), claim.token, until];
            Ok(tx.db.prepare_cached(update)?.execute(row)? == 1)
        };
        self.write(Kind::Other, renew).await
    }

    async fn mark(&self, claim: &Claim) -> Result<bool, StoreError> {
        let claim = claim.clone();
        let mark = move |tx: &mut Tx<'_>| {
            let update = "UPDATE work SET marked = 1 WHERE id = ?1 AND token = ?2";
            Ok(tx.db.prepare_cached(update)?.execute(params![claim.work.new.id.as_str(), claim.token])? == 1)
        };
        self.write(Kind::Other, mark).await
    }

    async fn wait(&self, lane: &Lane, most: Duration) {
        let end = Instant::now() + most;
        let signal = self.signals.of(lane);
        let name = lane.to_string();
        loop {
            let mut woken = std::pin::pin!(signal.notified());
            // From here on no wake is missed; what came before shows in the look that follows.
            woken.as_mut().enable();
            let (name, now) = (name.clone(), nanos(self.now()));
            let is_due = self.readers.read(move |db| is_due(db, &name, now)).await;
            // A store in trouble is no reason to spin: the caller finds out when it claims.
            if is_due.unwrap_or(false) || timeout_at(end.min(Instant::now() + LOOK), woken).await.is_ok() {
                return;
            }
            if Instant::now() >= end {
                return;
            }
        }
    }

    async fn lanes(&self) -> Result<Vec<Lane>, StoreError> {
        self.readers
            .read(|db| {
                // Every lane with work has a head, so the index of claimable work knows them all.
                let select = "SELECT name FROM lanes WHERE EXISTS \
                              (SELECT 1 FROM work w WHERE w.lane = lanes.id AND w.blocked = 0) ORDER BY name";
                let mut statement = db.prepare_cached(select)?;
                let names = statement.query_map([], |row| row.get::<_, String>(0))?;
                names.map(|name| text(&name?, Lane::parse)).collect()
            })
            .await
    }
}

fn is_due(db: &Connection, lane: &str, now: i64) -> Result<bool, Failure> {
    let select = "SELECT 1 FROM brands b WHERE EXISTS (SELECT 1 FROM work w WHERE w.blocked = 0 \
                  AND w.lane = (SELECT id FROM lanes WHERE name = ?1) AND w.brand = b.id AND w.ready <= ?2)";
    Ok(db.prepare_cached(select)?.exists(params![lane, now])?)
}

/// Claims in turns over the brands, beginning after the one served last.
fn claim(
    tx: &mut Tx<'_>,
    lane: &Lane,
    most: usize,
    lease: Duration,
    now: Timestamp,
    token: &str,
) -> Result<Vec<Claim>, Failure> {
    let lane_id = tx.lane(lane)?;
    let mut waiting = VecDeque::new();
    for (brand, name) in brands(tx)? {
        let ready = ready(tx, lane_id, brand, most, now)?;
        if !ready.is_empty() {
            waiting.push_back((name, ready));
        }
    }
    let first = tx.served(lane).and_then(|served| waiting.iter().position(|(name, _)| name > served));
    waiting.rotate_left(first.unwrap_or(0));
    let mut taken = Vec::new();
    while taken.len() < most
        && let Some((name, mut ready)) = waiting.pop_front()
    {
        taken.extend(ready.pop_front());
        tx.serves(lane, name.clone());
        if !ready.is_empty() {
            waiting.push_back((name, ready));
        }
    }
    let until = later(now, lease);
    taken.into_iter().map(|pos| take(tx, pos, token, until)).collect()
}

fn brands(tx: &Tx<'_>) -> Result<Vec<(i64, String)>, Failure> {
    let mut statement = tx.db.prepare_cached("SELECT id, name FROM brands ORDER BY name")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What can be claimed of one brand, oldest due first.
fn ready(tx: &Tx<'_>, lane: i64, brand: i64, most: usize, now: Timestamp) -> Result<VecDeque<i64>, Failure> {
    let select = "SELECT pos FROM work WHERE lane = ?1 AND brand = ?2 AND blocked = 0 AND ready <= ?3 \
                  ORDER BY ready, pos LIMIT ?4";
    let mut statement = tx.db.prepare_cached(select)?;
    let row = params![lane, brand, nanos(now), codec::int(most as u64)];
    Ok(statement.query_map(row, |row| row.get(0))?.collect::<Result<_, _>>()?)
}

fn take(tx: &Tx<'_>, pos: i64, token: &str, until: i64) -> Result<Claim, Failure> {
    let update = "UPDATE work SET claims = claims + 1, token = ?2, ready = max(due, ?3) WHERE pos = ?1";
    tx.db.prepare_cached(update)?.execute(params![pos, token, until])?;
    let select = format!(
        "SELECT {WORK}, w.attempts, w.claims, w.marked, w.enqueued_at FROM work w \
         JOIN brands ON brands.id = w.brand JOIN lanes ON lanes.id = w.lane WHERE w.pos = ?1"
    );
    let mut statement = tx.db.prepare_cached(&select)?;
    let mut rows = statement.query([pos])?;
    let row = rows.next()?.ok_or_else(|| Failure::unreadable("work vanished"))?;
    let work = Work {
        new: read_work(row)?,
        attempts: row.get(9)?,
        claims: row.get(10)?,
        marked: row.get(11)?,
        enqueued_at: codec::time(row.get(12)?)?,
    };
    Ok(Claim { work, token: token.to_owned(), until: codec::time(until)? })
}

/// Ends one claim with its effects, whole or not at all.
fn settle(
    tx: &mut Tx<'_>,
    claim: &Claim,
    settlement: &Settlement,
    effects: &[Effect],
    now: Timestamp,
) -> Result<Applied, Failure> {
    let new = &claim.work.new;
    let brand = tx.brand(&new.brand)?;
    let select = "SELECT pos FROM work WHERE id = ?1 AND brand = ?2 AND token = ?3";
    let row = params![new.id.as_str(), brand, claim.token];
    let held = tx.db.prepare_cached(select)?.query_row(row, |row| row.get(0)).optional()?;
    let Some(pos): Option<i64> = held else { return Ok(Applied::LeaseLost) };
    if is_stale(tx, brand, effects)? {
        return Ok(Applied::Stale);
    }
    match settlement {
        Settlement::Done => remove(tx, pos)?,
        Settlement::RetryAt { due, counts, error } => {
            let update = "UPDATE work SET due = ?2, ready = ?2, attempts = attempts + ?3, marked = 0, token = NULL, \
                          error = ?4 WHERE pos = ?1";
            let row = params![pos, nanos(*due), counts, error];
            tx.db.prepare_cached(update)?.execute(row)?;
        }
        Settlement::Dead { reason, error } => {
            let insert = "INSERT INTO dead_letters(brand, lane, id, kind, conversation, subject, sequence, payload, \
                          due, attempts, reason, error, at) SELECT w.brand, lanes.name, w.id, w.kind, w.conversation, \
                          w.subject, w.sequence, w.payload, w.due, w.attempts, ?2, ?3, ?4 FROM work w \
                          JOIN lanes ON lanes.id = w.lane WHERE w.pos = ?1 ON CONFLICT DO NOTHING";
            tx.db.prepare_cached(insert)?.execute(params![pos, reason, error, nanos(now)])?;
            remove(tx, pos)?;
        }
    }
    // The next of its conversation may be ready, and a retry may be due at once.
    tx.wakes(&new.lane);
    for effect in effects {
        // Work that was just settled is not enqueued again by its own settlement.
        if !matches!(effect, Effect::Enqueue(again) if again.id == new.id) {
            perform(tx, &new.brand, effect, now)?;
        }
    }
    Ok(Applied::Done)
}

/// Removes work and lets the next of its conversation go on.
fn remove(tx: &Tx<'_>, pos: i64) -> Result<(), Failure> {
    let delete = "DELETE FROM work WHERE pos = ?1 RETURNING conversation, lane, brand";
    let mut statement = tx.db.prepare_cached(delete)?;
    let (conversation, lane, brand): (Option<String>, i64, i64) =
        statement.query_row([pos], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    if let Some(conversation) = conversation {
        let unblock = "UPDATE work SET blocked = 0 WHERE pos = \
                       (SELECT min(pos) FROM work WHERE conversation = ?1 AND lane = ?2 AND brand = ?3)";
        tx.db.prepare_cached(unblock)?.execute(params![conversation, lane, brand])?;
    }
    Ok(())
}
