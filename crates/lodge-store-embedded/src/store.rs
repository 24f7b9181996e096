//! The store itself: opened on a folder, answered by its writer and its readers.

use crate::error::{Failure, OpenError};
use crate::readers::{self, Readers};
use crate::signals::Signals;
use crate::writer::{Call, Kind, Request, Tx, Writer};
use crate::{folder, schema};
use lodge_domain::Timestamp;
use lodge_domain::ports::{Clock, Entropy, StoreError};
use rusqlite::{Connection, OptionalExtension as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// How a store is opened.
#[derive(Clone)]
pub struct Options {
    /// Dates records, times leases and schedules.
    pub clock: Arc<dyn Clock>,
    /// Gives claims their tokens and a new file its id.
    pub entropy: Arc<dyn Entropy>,
    /// Skips every sync: for scratch stores that need not survive a power cut.
    pub synchronous_off_for_scratch: bool,
    /// How many requests may wait for the writer; one more is told [`StoreError::Busy`].
    pub queue: usize,
    /// Takes the folder for one running gateway; commands beside it open without.
    pub run_lock: bool,
}

/// The default durable store. Several may be open on one folder, in one process or many; each has its own writer, and
/// SQLite lets one write at a time.
pub struct EmbeddedStore {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) readers: Readers,
    pub(crate) signals: Arc<Signals>,
    /// The file's own id; cursors of the feed carry it.
    pub(crate) id: String,
    pub(crate) is_scratch: bool,
    /// The newest event that a reader of the feed was shown through this handle.
    pub(crate) shown: AtomicI64,
    requests: Option<SyncSender<Box<dyn Request>>>,
    writer: Option<JoinHandle<()>>,
}

impl EmbeddedStore {
    /// Opens the store in `path`, a folder that is made where it is missing.
    ///
    /// # Errors
    /// Where another gateway runs on it, a newer version wrote it, or the folder or file cannot be used.
    pub fn open(path: &Path, options: Options) -> Result<Arc<Self>, OpenError> {
        folder::prepare(path)?;
        let run_lock = options.run_lock.then(|| folder::lock(path)).transpose()?;
        let is_unclean = run_lock.is_some() && folder::was_left_open(path);
        let file = folder::database(path);
        let db = Connection::open(&file)?;
        schema::refuse_newer(&db)?;
        configure(&db, options.synchronous_off_for_scratch)?;
        schema::migrate(&db, &options.entropy.token())?;
        if run_lock.is_some() {
            free_claims(&db)?;
        }
        let select = "SELECT value FROM meta WHERE name = 'store'";
        let id: Option<String> = db.query_row(select, [], |row| row.get(0)).optional()?;
        if is_unclean {
            examine(file.clone());
        }
        let signals = Arc::new(Signals::default());
        let (requests, received) = sync_channel(options.queue.max(1));
        let writer = Writer::new(db, Arc::clone(&signals));
        let thread = std::thread::Builder::new().name("lodge-store".to_owned());
        let spawned = thread.spawn(move || {
            writer.serve(&received);
            // Held until the last commit is done.
            drop(run_lock);
        });
        let writer = spawned.map_err(|source| OpenError::Folder { path: path.to_owned(), source })?;
        Ok(Arc::new(Self {
            clock: options.clock,
            entropy: options.entropy,
            readers: Readers::new(file),
            signals,
            id: id.unwrap_or_default(),
            is_scratch: options.synchronous_off_for_scratch,
            shown: AtomicI64::new(0),
            requests: Some(requests),
            writer: Some(writer),
        }))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Has the writer run `act` in its next commit; the answer comes after it. `act` may be run again, from the start,
    /// where another request of the same commit is refused.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        kind: Kind,
        act: impl FnMut(&mut Tx<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let requests = self.requests.as_ref().ok_or(StoreError::Closed)?;
        requests.try_send(Box::new(Call { kind, act, result: None, reply })).map_err(
            |error| match error {
                TrySendError::Full(_) => StoreError::Busy,
                TrySendError::Disconnected(_) => StoreError::Closed,
            },
        )?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

impl Drop for EmbeddedStore {
    /// Waits for the commit under way, so that whoever opens the folder next finds it free.
    fn drop(&mut self) {
        self.readers.close();
        drop(self.requests.take());
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the store's writer panicked");
        }
    }
}

fn configure(db: &Connection, is_scratch: bool) -> Result<(), OpenError> {
    db.busy_timeout(Duration::from_secs(5))?;
    db.set_prepared_statement_cache_capacity(256);
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", if is_scratch { "OFF" } else { "FULL" })?;
    // 32 MiB of cache, checkpoints every 16 MiB, and a log that shrinks back to 64 MiB.
    db.execute_batch(
        "PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -32768;
         PRAGMA wal_autocheckpoint = 4096; PRAGMA journal_size_limit = 67108864;",
    )?;
    Ok(())
}

/// Looks the whole file through in the background, and logs what it finds.
fn examine(file: PathBuf) {
    let check = move || {
        let outcome = readers::open(&file)
            .and_then(|db| Ok(db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))?));
        match outcome.map_err(StoreError::from) {
            Ok(text) if text == "ok" => tracing::info!("the store was left open last time; it is intact"),
            Ok(text) => tracing::error!(found = text, "the store is damaged; restore it from a copy"),
            Err(error) => tracing::warn!(%error, "the store could not be examined"),
        }
    };
    let thread = std::thread::Builder::new().name("lodge-store-check".to_owned());
    if let Err(error) = thread.spawn(check) {
        tracing::warn!(%error, "the store could not be examined");
    }
}

/// The one gateway that runs here just started, so nobody works on what was claimed before: it need not wait for leases.
fn free_claims(db: &Connection) -> Result<(), OpenError> {
    db.execute("UPDATE work SET ready = due, token = NULL WHERE token IS NOT NULL", [])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    use lodge_domain::Lane;
    use lodge_domain::Placement;
    use lodge_domain::ports::{Housekeeping as _, Ledger as _, WorkQueue as _};
    use lodge_testkit::samples::sample_time;
    use lodge_testkit::{ManualClock, SeededEntropy, sample_contact};

    fn open(folder: &Path) -> Arc<EmbeddedStore> {
        open_as(folder, false)
    }

    static OPENED: AtomicU64 = AtomicU64::new(1);

    fn open_as(folder: &Path, run_lock: bool) -> Arc<EmbeddedStore> {
        let options = Options {
            clock: Arc::new(ManualClock::new()),
            // Another process draws other tokens.
            entropy: Arc::new(SeededEntropy::new(if run_lock {
                OPENED.fetch_add(1, Ordering::Relaxed)
            } else {
                0
            })),
            synchronous_off_for_scratch: true,
            queue: 64,
            run_lock,
        };
        EmbeddedStore::open(folder, options).unwrap()
    }

    #[tokio::test]
    async fn a_gateway_that_starts_again_goes_on_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let lease = Duration::from_secs(60);
        let store = open_as(folder.path(), true);
        store.accept(vec![sample_contact().candidate(sample_time())]).await.unwrap();
        let before = store.claim(&Lane::Triage, 9, lease).await.unwrap().remove(0);
        drop(store);
        let beside = open(folder.path());
        assert!(beside.claim(&Lane::Triage, 9, lease).await.unwrap().is_empty(), "a command beside waits");
        let store = open_as(folder.path(), true);
        let again = store.claim(&Lane::Triage, 9, lease).await.unwrap().remove(0);
        assert_eq!((again.work.new.id.clone(), again.work.claims), (before.work.new.id.clone(), 2));
        assert!(!store.mark(&before).await.unwrap(), "the right of before is gone");
    }

    async fn limit_pages(store: &EmbeddedStore, most: i64) {
        let limit = move |tx: &mut Tx<'_>| Ok(tx.db.pragma_update(None, "max_page_count", most)?);
        store.write(Kind::Other, limit).await.unwrap();
    }

    #[tokio::test]
    async fn a_full_disk_is_said_and_survived() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let accept = |number: u32| {
            let contact = sample_contact().id(&format!("<{number}@b>")).text(&"x".repeat(100_000));
            store.accept(vec![contact.candidate(sample_time())])
        };
        limit_pages(&store, 150).await;
        let mut number = 0;
        let error = loop {
            match accept(number).await {
                Ok(_) => number += 1,
                Err(error) => break error,
            }
            assert!(number < 20, "the limit is met");
        };
        assert!(matches!(error, StoreError::Full(_)), "{error}");
        assert!(matches!(accept(number).await, Err(StoreError::Full(_))), "it stays full");
        assert_eq!(store.counts().await.unwrap().envelopes, u64::from(number), "nothing is half written");
        limit_pages(&store, 1_000_000).await;
        let receipt = accept(number).await.unwrap().remove(0);
        assert_eq!(receipt.placement, Placement::New, "it recovers by itself");
    }

    #[tokio::test]
    async fn a_request_that_panics_harms_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let panics = |tx: &mut Tx<'_>| -> Result<(), Failure> {
            tx.db.execute("DELETE FROM meta", [])?;
            panic!("on purpose")
        };
        assert!(matches!(store.write(Kind::Other, panics).await, Err(StoreError::Unreadable(_))));
        store.accept(vec![sample_contact().candidate(sample_time())]).await.unwrap();
        drop(store);
        assert_eq!(open(folder.path()).id.len(), 32, "what it did was undone");
    }
}
