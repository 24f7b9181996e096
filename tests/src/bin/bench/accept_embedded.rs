//! Accepting contacts into the embedded store against the bare database: the very rows that the store wrote, written
//! again into the same tables by one thread behind the same kind of queue, with the same syncs.

use crate::measure::{Rounds, Watch};
use crate::sample::{RealClock, RealEntropy, candidates};
use anyhow::{Context, Result};
use lodge_domain::Candidate;
use lodge_domain::ports::Ledger;
use lodge_store_embedded::{EmbeddedStore, Options};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

const CONTACTS: usize = 12_000;
const CALLERS: usize = 512;
const BATCH: usize = 256;

/// Measures; goal: 0.8 of the bare database.
pub(crate) async fn run() -> Result<()> {
    let prepared = Arc::new(candidates(CONTACTS)?);
    let mut rounds = Rounds::default();
    for _ in 0..Rounds::COUNT {
        let folder = tempfile::tempdir()?;
        let store = folder.path().join("store");
        let options = Options {
            clock: Arc::new(RealClock),
            entropy: Arc::new(RealEntropy),
            synchronous_off_for_scratch: false,
            queue: 4096,
            run_lock: true,
        };
        let ledger = EmbeddedStore::open(&store, options)?;
        let watch = Watch::start()?;
        accept(ledger.clone(), &prepared).await?;
        rounds.ours.push(watch.stop(CONTACTS)?);
        drop(ledger);
        let written = Written::read(&database(&store)?)?;
        let watch = Watch::start()?;
        replay(written, &folder.path().join("bare.db")).await?;
        rounds.floor.push(watch.stop(CONTACTS)?);
    }
    rounds.report("accept-embedded", 0.8);
    Ok(())
}

/// Has 512 callers accept everything, one contact a call.
pub(crate) async fn accept<L: Ledger + 'static>(
    ledger: Arc<L>,
    prepared: &Arc<Vec<Candidate>>,
) -> Result<()> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (ledger, prepared, next) = (Arc::clone(&ledger), Arc::clone(prepared), Arc::clone(&next));
        callers.spawn(async move {
            while let Some(candidate) = prepared.get(next.fetch_add(1, Ordering::Relaxed)) {
                ledger.accept(vec![candidate.clone()]).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller??;
    }
    Ok(())
}

/// The one database file in the store's folder.
fn database(folder: &Path) -> Result<PathBuf> {
    let mut largest = None;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let size = path.metadata()?.len();
        let name = path.to_string_lossy().into_owned();
        if path.is_file()
            && !name.ends_with("-wal")
            && !name.ends_with("-shm")
            && largest.as_ref().is_none_or(|(most, _)| size > *most)
        {
            largest = Some((size, path));
        }
    }
    largest.map(|(_, path)| path).context("find the database")
}

struct Table {
    insert: String,
    rows: Vec<Vec<Value>>,
}

/// What the store left behind.
struct Written {
    schema: Vec<String>,
    tables: Vec<Table>,
}

impl Written {
    fn read(file: &Path) -> Result<Self> {
        let db = Connection::open(file)?;
        let mut statement =
            db.prepare("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")?;
        let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let found: Vec<(String, String, String)> = found.collect::<Result<_, _>>()?;
        let ours = found.into_iter().filter(|(_, name, _)| !name.starts_with("sqlite_"));
        let (mut schema, mut tables) = (Vec::new(), Vec::new());
        for (kind, name, sql) in ours {
            schema.push(sql);
            if kind == "table" {
                tables.push(Table::read(&db, &name)?);
            }
        }
        Ok(Self { schema, tables })
    }
}

impl Table {
    fn read(db: &Connection, name: &str) -> Result<Self> {
        let mut statement = db.prepare(&format!("SELECT * FROM {name}"))?;
        let columns = statement.column_count();
        let row =
            |row: &rusqlite::Row<'_>| (0..columns).map(|at| row.get(at)).collect::<Result<Vec<Value>, _>>();
        let rows = statement.query_map([], row)?.collect::<Result<_, _>>()?;
        let marks = vec!["?"; columns].join(",");
        Ok(Self { insert: format!("INSERT INTO {name} VALUES ({marks})"), rows })
    }

    /// The share of the rows that belongs to the contact `number`.
    fn share(&self, number: usize) -> &[Vec<Value>] {
        let from = self.rows.len() * number / CONTACTS;
        self.rows.get(from..self.rows.len() * (number + 1) / CONTACTS).unwrap_or_default()
    }
}

/// Writes it again, asked by as many callers, in commits of what queued while the last one was under way.
async fn replay(written: Written, file: &Path) -> Result<()> {
    let db = Connection::open(file)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.set_prepared_statement_cache_capacity(64);
    for sql in &written.schema {
        db.execute_batch(sql)?;
    }
    let (requests, received) = mpsc::sync_channel::<(usize, oneshot::Sender<()>)>(4096);
    let writer = std::thread::spawn(move || write(&db, &written, &received));
    let next = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (requests, next) = (requests.clone(), Arc::clone(&next));
        callers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= CONTACTS {
                    return anyhow::Ok(());
                }
                let (reply, answer) = oneshot::channel();
                requests.try_send((number, reply)).context("the bare writer is overrun")?;
                answer.await?;
            }
        });
    }
    drop(requests);
    while let Some(caller) = callers.join_next().await {
        caller??;
    }
    writer.join().map_err(|_| anyhow::anyhow!("the bare writer panicked"))?
}

fn write(
    db: &Connection,
    written: &Written,
    received: &mpsc::Receiver<(usize, oneshot::Sender<()>)>,
) -> Result<()> {
    while let Ok(first) = received.recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(more) = received.try_recv()
        {
            batch.push(more);
        }
        db.execute_batch("BEGIN IMMEDIATE")?;
        for (number, _) in &batch {
            for table in &written.tables {
                for row in table.share(*number) {
                    db.prepare_cached(&table.insert)?.execute(params_from_iter(row))?;
                }
            }
        }
        db.execute_batch("COMMIT")?;
        for (_, reply) in batch {
            // A caller that has gone away is a bench that was stopped.
            let _gone = reply.send(());
        }
    }
    Ok(())
}
