//! The one writer: a thread of its own that turns concurrent requests into few commits.
//!
//! There is no timer: what queued while the last commit was under way is the next batch. Answers go out after the
//! commit, never before. A request that is refused on its own account is taken out of its batch, and the batch is
//! written without it; trouble with the file is the answer to all.

use crate::error::Failure;
use crate::signals::Signals;
use lodge_domain::ports::StoreError;
use lodge_domain::{BrandName, Lane};
use lodge_telemetry::failpoint;
use rusqlite::{Connection, OptionalExtension as _};
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use tokio::sync::oneshot;

/// Requests in one commit at most.
const MOST: usize = 256;

/// What a request does, for the fail points around the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Accept,
    Settle,
    Other,
}

/// A request that may be run more than once before it is answered.
pub(crate) trait Request: Send {
    fn kind(&self) -> Kind;
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), Failure>;
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

/// A request made of a closure.
pub(crate) struct Call<T, F> {
    pub(crate) kind: Kind,
    pub(crate) act: F,
    pub(crate) result: Option<T>,
    pub(crate) reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, F: FnMut(&mut Tx<'_>) -> Result<T, Failure> + Send> Request for Call<T, F> {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        self.result = Some((self.act)(tx)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { result, reply, .. } = *self;
        let answer = outcome.and_then(|()| result.ok_or(StoreError::Closed));
        // A caller that went away needs no answer.
        drop(reply.send(answer));
    }
}

/// What the writer remembers between transactions.
#[derive(Default)]
struct Memory {
    /// Numbers of names; valid as long as no transaction that made one was rolled back.
    brands: HashMap<BrandName, i64>,
    lanes: HashMap<Lane, i64>,
    /// The brand that each lane served last.
    served: HashMap<Lane, String>,
    /// Who is to be woken after the commit.
    woken: HashSet<Lane>,
    published: bool,
    timelines: bool,
}

/// A transaction under way.
pub(crate) struct Tx<'a> {
    pub(crate) db: &'a Connection,
    memory: &'a mut Memory,
}

impl Tx<'_> {
    /// The number of a brand, which is given one where it has none.
    pub(crate) fn brand(&mut self, brand: &BrandName) -> Result<i64, Failure> {
        if let Some(known) = self.memory.brands.get(brand) {
            return Ok(*known);
        }
        let id = named(self.db, "brands", brand.as_str())?;
        self.memory.brands.insert(brand.clone(), id);
        Ok(id)
    }

    /// The number of a lane, which is given one where it has none.
    pub(crate) fn lane(&mut self, lane: &Lane) -> Result<i64, Failure> {
        if let Some(known) = self.memory.lanes.get(lane) {
            return Ok(*known);
        }
        let id = named(self.db, "lanes", &lane.to_string())?;
        self.memory.lanes.insert(lane.clone(), id);
        Ok(id)
    }

    /// Wakes the waiters of `lane` after the commit.
    pub(crate) fn wakes(&mut self, lane: &Lane) {
        if !self.memory.woken.contains(lane) {
            self.memory.woken.insert(lane.clone());
        }
    }

    /// Wakes the readers of the feed after the commit.
    pub(crate) fn wakes_feed(&mut self) {
        self.memory.published = true;
    }

    /// Wakes who follows timelines after the commit.
    pub(crate) fn wakes_timelines(&mut self) {
        self.memory.timelines = true;
    }

    /// The brand that `lane` served last.
    pub(crate) fn served(&self, lane: &Lane) -> Option<&String> {
        self.memory.served.get(lane)
    }

    /// Remembers the brand that `lane` served last.
    pub(crate) fn serves(&mut self, lane: &Lane, brand: String) {
        self.memory.served.insert(lane.clone(), brand);
    }
}

fn named(db: &Connection, table: &str, name: &str) -> Result<i64, Failure> {
    let select = format!("SELECT id FROM {table} WHERE name = ?1");
    let known = db.prepare_cached(&select)?.query_row([name], |row| row.get(0)).optional()?;
    if let Some(known) = known {
        return Ok(known);
    }
    db.prepare_cached(&format!("INSERT INTO {table}(name) VALUES (?1)"))?.execute([name])?;
    Ok(db.last_insert_rowid())
}

/// The writer thread's state.
pub(crate) struct Writer {
    db: Connection,
    signals: Arc<Signals>,
    memory: Memory,
}

impl Writer {
    pub(crate) fn new(db: Connection, signals: Arc<Signals>) -> Self {
        Self { db, signals, memory: Memory::default() }
    }

    /// Serves requests until every sender is gone.
    pub(crate) fn serve(mut self, requests: &Receiver<Box<dyn Request>>) {
        while let Ok(first) = requests.recv() {
            let mut batch = vec![first];
            batch.extend(requests.try_iter().take(MOST - 1));
            self.write(batch);
        }
    }

    /// Writes a batch in one commit, and answers it.
    fn write(&mut self, mut batch: Vec<Box<dyn Request>>) {
        while !batch.is_empty() {
            match self.attempt(&mut batch) {
                Ok(()) => {
                    self.wake();
                    batch.drain(..).for_each(|request| request.answer(Ok(())));
                }
                Err((Some(refused), error)) => batch.remove(refused).answer(Err(error)),
                Err((None, error)) => {
                    tracing::error!(%error, requests = batch.len(), "the store could not write");
                    batch.drain(..).for_each(|request| request.answer(Err(error.clone())));
                }
            }
        }
    }

    /// One transaction over the whole batch. An error names the request that was refused on its own account, if any.
    fn attempt(&mut self, batch: &mut [Box<dyn Request>]) -> Result<(), (Option<usize>, StoreError)> {
        let everybody = |error: rusqlite::Error| (None, StoreError::from(Failure::from(error)));
        self.run_statement("BEGIN IMMEDIATE").map_err(everybody)?;
        for (at, request) in batch.iter_mut().enumerate() {
            let mut tx = Tx { db: &self.db, memory: &mut self.memory };
            let outcome = catch_unwind(AssertUnwindSafe(|| request.run(&mut tx)));
            let outcome = outcome.unwrap_or_else(|_| Err(Failure::unreadable("a request panicked")));
            if let Err(failure) = outcome {
                self.roll_back();
                let refused = (!failure.concerns_everybody()).then_some(at);
                return Err((refused, failure.into()));
            }
        }
        let has = |kind| batch.iter().any(|request| request.kind() == kind);
        let (accepts, settles) = (has(Kind::Accept), has(Kind::Settle));
        pass_where(accepts, "c2-accept-before-commit");
        pass_where(settles, "c25-settle-before-commit");
        if let Err(error) = self.run_statement("COMMIT") {
            self.roll_back();
            return Err(everybody(error));
        }
        pass_where(accepts, "c7-accept-after-commit");
        pass_where(settles, "c20-settle-after-commit");
        Ok(())
    }

    fn run_statement(&self, sql: &str) -> rusqlite::Result<()> {
        self.db.prepare_cached(sql)?.execute([]).map(drop)
    }

    /// Forgets the transaction, and every number that it may have given out.
    fn roll_back(&mut self) {
        if !self.db.is_autocommit()
            && let Err(error) = self.run_statement("ROLLBACK")
        {
            tracing::error!(%error, "the store could not roll back");
        }
        self.memory.brands.clear();
        self.memory.lanes.clear();
        self.memory.woken.clear();
        self.memory.published = false;
        self.memory.timelines = false;
    }

    fn wake(&mut self) {
        self.memory.woken.drain().for_each(|lane| self.signals.wake(&lane));
        if std::mem::take(&mut self.memory.published) {
            self.signals.feed.notify_waiters();
        }
        if std::mem::take(&mut self.memory.timelines) {
            self.signals.timelines.notify_waiters();
        }
    }
}

fn pass_where(holds: bool, name: &str) {
    if holds {
        failpoint::pass(name);
    }
}
