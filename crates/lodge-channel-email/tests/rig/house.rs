//! A house around one mail inbox: the model store, a hallway that files into it, and the door's task running or "crashed".

use super::trap::{Trap, Trapped, TrappedNetwork};
use async_trait::async_trait;
use lodge_channel::door::{Context, Door, Neighbour, Parts};
use lodge_channel::{Health, Secret, SecretError, SecretSource};
use lodge_channel_email::EmailSettings;
use lodge_domain::ports::{Blobs, BudgetVerdict, Clock, InboxState, Intake, Ledger, Outcome, Refusal};
use lodge_domain::{
    BrandName, Candidate, Contact, EnvelopeId, Flag, Inbound, InboxId, InboxName, KeyRing, NodeName,
    Placement, Receipt, Timestamp,
};
use lodge_testkit::{MemoryBlobs, ModelStore, SeededEntropy};
use secrecy::SecretString;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The machine's clock: servers date mail by it.
pub(crate) struct WallClock;

impl Clock for WallClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "a real server dates the mails that this test compares with"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Every secret is `secret`.
pub(crate) struct Secrets;

impl SecretSource for Secrets {
    fn read(&self, _: &Secret) -> Result<SecretString, SecretError> {
        Ok("secret".to_owned().into())
    }
}

/// Files into the model store, and remembers what came.
pub(crate) struct Hallway {
    store: ModelStore,
    /// How many bytes may still be kept of all senders.
    pub(crate) allowance: Mutex<u64>,
    /// How many of the next calls are refused.
    pub(crate) refusals: AtomicU32,
    filed: Mutex<Vec<(Contact, Receipt)>>,
    skipped: Mutex<Vec<String>>,
}

#[async_trait]
impl Intake for Hallway {
    async fn accept(&self, batch: Vec<Inbound>) -> Result<Vec<Outcome>, Refusal> {
        if self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
            return Err(Refusal::Busy { retry_after: Duration::from_millis(100) });
        }
        let mut outcomes = Vec::new();
        for inbound in batch {
            outcomes.push(match inbound {
                Inbound::Contact(contact) => {
                    let candidate = Candidate::new(&contact, WallClock.now()).unwrap();
                    let receipt = self.store.accept(vec![candidate]).await.unwrap().remove(0);
                    self.filed.lock().unwrap().push((*contact, receipt.clone()));
                    Outcome::Accepted(receipt)
                }
                Inbound::Skipped { reason, .. } => {
                    self.skipped.lock().unwrap().push(reason);
                    Outcome::Skipped
                }
                _ => Outcome::Reported(EnvelopeId::of_contact(&[0; 32])),
            });
        }
        Ok(outcomes)
    }

    async fn grant(&self, _: &Contact, bytes: u64) -> BudgetVerdict {
        let mut left = self.allowance.lock().unwrap();
        let Some(rest) = left.checked_sub(bytes) else {
            return BudgetVerdict::Exhausted {
                label: "more than is left".to_owned(),
                until: WallClock.now(),
            };
        };
        *left = rest;
        BudgetVerdict::Granted
    }
}

/// The house.
pub(crate) struct House {
    pub(crate) settings: EmailSettings,
    pub(crate) store: ModelStore,
    pub(crate) blobs: MemoryBlobs,
    pub(crate) hallway: Arc<Hallway>,
    pub(crate) folder: PathBuf,
}

impl House {
    /// A house with an inbox of these settings; `change` may alter them.
    pub(crate) fn new(port: u16, username: &str, change: impl FnOnce(&mut Value)) -> Self {
        let mut value = serde_json::json!({
            "provider": "imap", "from": "Acme Support <support@acme.example>",
            "imap": {
                "host": "127.0.0.1", "port": port, "tls": "none", "username": username, "password": "env:P",
                "start": "all", "poll": "300ms", "timeout": "5s"
            }
        });
        change(&mut value);
        let settings = serde_json::from_value(value).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(WallClock);
        let store = ModelStore::new(Arc::clone(&clock), Arc::new(SeededEntropy::new(7)));
        let hallway = Arc::new(Hallway {
            store: store.clone(),
            allowance: Mutex::new(u64::MAX),
            refusals: AtomicU32::new(0),
            filed: Mutex::default(),
            skipped: Mutex::default(),
        });
        Self { settings, store, blobs: MemoryBlobs::new(clock), hallway, folder: PathBuf::from("/nowhere") }
    }

    /// The inbox.
    pub(crate) fn inbox() -> InboxId {
        InboxId { brand: BrandName::unbranded(), name: InboxName::parse("support").unwrap() }
    }

    /// What the house gives the door of `node`.
    pub(crate) fn context(&self, node: &str, trap: &Trap, shutdown: &CancellationToken) -> Context {
        let intake: Arc<dyn Intake> = self.hallway.clone();
        let state: Arc<dyn InboxState> = Arc::new(self.store.clone());
        let blobs: Arc<dyn Blobs> = Arc::new(self.blobs.clone());
        Context {
            inbox: Self::inbox(),
            node: NodeName::parse(node).unwrap(),
            public_url: None,
            folder: self.folder.clone(),
            neighbours: Arc::new(vec![Neighbour {
                inbox: Self::inbox().name,
                addresses: vec!["support@acme.example".to_owned()],
            }]),
            intake: Arc::new(Trapped(intake, trap.clone())),
            timelines: Arc::new(self.store.clone()),
            files: Arc::new(NoFiles),
            hours: Arc::default(),
            state: Arc::new(Trapped(state, trap.clone())),
            leases: Arc::new(self.store.clone()),
            budgets: Arc::new(self.store.clone()),
            dead_letters: Arc::new(self.store.clone()),
            blobs: Arc::new(Trapped(blobs, trap.clone())),
            clock: Arc::new(WallClock),
            entropy: Arc::new(SeededEntropy::new(3)),
            connector: Arc::new(TrappedNetwork(trap.clone())),
            keys: Arc::new(KeyRing::new(&[(1, vec![1; 32])]).unwrap()),
            secrets: Arc::new(Secrets),
            shutdown: shutdown.clone(),
        }
    }

    /// Opens the door.
    pub(crate) fn open(&self) -> Open {
        self.open_as("one", &Trap::at(0))
    }

    /// Opens the door on `node`, behind a trap.
    pub(crate) fn open_as(&self, node: &str, trap: &Trap) -> Open {
        let shutdown = CancellationToken::new();
        let parts: Parts = self.settings.build(self.context(node, trap, &shutdown)).unwrap();
        let task = parts.tasks.into_iter().next().unwrap();
        let running = tokio::spawn(async move { task.start().await.unwrap() });
        Open { shutdown, running, health: parts.health }
    }

    /// All contacts that were handed over, repeats included.
    pub(crate) fn filed(&self) -> Vec<(Contact, Receipt)> {
        self.hallway.filed.lock().unwrap().clone()
    }

    /// What was looked at and not filed.
    pub(crate) fn skipped(&self) -> Vec<String> {
        self.hallway.skipped.lock().unwrap().clone()
    }

    /// The subjects of the tickets there are, sorted; a repeat makes none.
    pub(crate) fn tickets(&self) -> Vec<String> {
        let fresh = |(_, receipt): &&(Contact, Receipt)| receipt.placement != Placement::Duplicate;
        let filed = self.filed();
        let mut subjects: Vec<String> =
            filed.iter().filter(fresh).filter_map(|(contact, _)| contact.subject.clone()).collect();
        subjects.sort();
        subjects
    }

    /// The contacts with this flag.
    pub(crate) fn flagged(&self, flag: Flag) -> Vec<Contact> {
        self.filed()
            .into_iter()
            .map(|(contact, _)| contact)
            .filter(|contact| contact.flags.contains(&flag))
            .collect()
    }
}

/// An open door.
pub(crate) struct Open {
    pub(crate) shutdown: CancellationToken,
    running: JoinHandle<()>,
    pub(crate) health: Vec<Arc<Health>>,
}

impl Open {
    /// Closes it in order.
    pub(crate) async fn close(self) {
        self.shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(10), self.running).await.expect("closes in time").unwrap();
    }

    /// Ends it at once, as a crash would.
    pub(crate) async fn crash(self) {
        self.running.abort();
        assert!(self.running.await.unwrap_err().is_cancelled());
    }

    /// Why fetching fails, if it does.
    pub(crate) fn failing(&self) -> Option<String> {
        self.health[0].report().failing.map(|(_, reason)| reason)
    }

    /// Whether all mail was read at least once.
    pub(crate) fn synced(&self) -> bool {
        self.health[0].report().last_success.is_some()
    }
}

/// Nobody is given a link here.
struct NoFiles;

impl lodge_channel::FileLinks for NoFiles {
    fn href(&self, _: &lodge_domain::BlobRef, _: &str, _: &str, _: Timestamp) -> Option<String> {
        None
    }
}
