//! What an adapter is, what it is built from, and what it is built into.

use crate::health::Health;
use crate::net::Connector;
use crate::secret::SecretSource;
use crate::visitor::FileLinks;
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use lodge_domain::ports::{
    BlobError, Blobs, Budgets, Clock, DeadLetters, Entropy, InboxState, Intake, Leases, Replier, Timelines,
};
use lodge_domain::{BrandName, ChannelAddress, Hours, Inbound, InboxId, InboxName, KeyRing, NodeName};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Something wrong with a configuration: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key it is about, relative to the inbox's table, such as `imap.port`.
    pub key: String,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

impl Problem {
    /// A problem with `key`.
    #[must_use]
    pub fn new(key: impl Into<String>, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { key: key.into(), reason: reason.into(), remedy: remedy.into() }
    }
}

/// A connection that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What was tried, such as `imap.acme.example:993 as support`.
    pub what: String,
    /// What is good to know, or what is wrong and what to do.
    pub result: Result<String, Problem>,
}

/// Another inbox of the same channel, as far as its siblings must know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its name.
    pub inbox: InboxName,
    /// The addresses contacts reach it by.
    pub addresses: Vec<String>,
}

/// What the house gives a door.
#[derive(Clone)]
pub struct Context {
    /// Which inbox it is.
    pub inbox: InboxId,
    /// This process among several on one store.
    pub node: NodeName,
    /// What providers and customers see.
    pub public_url: Option<String>,
    /// Paths in the configuration are relative to this folder.
    pub folder: PathBuf,
    /// All inboxes of this channel, this one included.
    pub neighbours: Arc<Vec<Neighbour>>,
    /// The hallway.
    pub intake: Arc<dyn Intake>,
    /// What was said both ways in sessions.
    pub timelines: Arc<dyn Timelines>,
    /// Links to kept files, for parties.
    pub files: Arc<dyn FileLinks>,
    /// Business hours by name.
    pub hours: Arc<BTreeMap<String, Hours>>,
    /// Small durable values of this inbox.
    pub state: Arc<dyn InboxState>,
    /// One holder a name.
    pub leases: Arc<dyn Leases>,
    /// Allowances that all gateways take from.
    pub budgets: Arc<dyn Budgets>,
    /// Where quarantined originals are noted.
    pub dead_letters: Arc<dyn DeadLetters>,
    /// Where raw originals and attachments are kept.
    pub blobs: Arc<dyn Blobs>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The network.
    pub connector: Arc<dyn Connector>,
    /// Keys that sign what we hand out.
    pub keys: Arc<KeyRing>,
    /// Values behind secret references.
    pub secrets: Arc<dyn SecretSource>,
    /// Cancelled when the house closes its doors: stop taking in, finish what is under way.
    pub shutdown: CancellationToken,
}

/// Why a task ended.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TaskError(pub String);

type TaskFuture = Pin<Box<dyn Future<Output = Result<(), TaskError>> + Send>>;

/// Something that runs as long as the house is open. The supervisor starts it again, with a growing delay, when it ends
/// before `shutdown`, fails or panics.
pub struct Task {
    /// Its name in logs.
    pub name: String,
    start: Box<dyn Fn() -> TaskFuture + Send + Sync>,
}

impl Task {
    /// A task that `start` begins anew each time.
    pub fn new<F, R>(name: impl Into<String>, start: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), TaskError>> + Send + 'static,
    {
        Self { name: name.into(), start: Box::new(move || Box::pin(start())) }
    }

    /// Begins it.
    #[must_use]
    pub fn start(&self) -> TaskFuture {
        (self.start)()
    }
}

/// What a door is built into; the composer plugs the parts.
#[derive(Default)]
pub struct Parts {
    /// What runs while the house is open.
    pub tasks: Vec<Task>,
    /// What it serves on the public listener, with full paths.
    pub routes: Option<axum::Router>,
    /// The way back.
    pub replier: Option<Arc<dyn Replier>>,
    /// How its parts fare.
    pub health: Vec<Arc<Health>>,
}

/// Why a door could not be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("inbox {inbox}: {key}: {reason}; {remedy}", key = .problem.key, reason = .problem.reason, remedy = .problem.remedy)]
pub struct BuildError {
    /// Which inbox.
    pub inbox: InboxName,
    /// What is wrong.
    pub problem: Problem,
}

/// When and how a raw original came in by another way than its door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When the source received it, as far as that is known.
    pub received_at: Option<Timestamp>,
    /// From an archive: never acknowledged.
    pub backfill: bool,
}

/// Reads raw originals that come by other ways than the door's own: archives, pipes, released quarantine.
#[async_trait]
pub trait Importer: Send + Sync {
    /// Understands one raw original and keeps its blobs; what cannot be understood becomes a contact flagged `unparsed`.
    ///
    /// # Errors
    /// Where the blobs cannot be kept.
    async fn read(&self, raw: Bytes, arrival: Arrival) -> Result<Inbound, BlobError>;
}

/// Points a provider's webhook at this gateway by the provider's own API.
#[async_trait]
pub trait Registrar: Send + Sync {
    /// Points it at `url`; what the provider says.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    async fn register(&self, url: &str) -> Result<String, Problem>;

    /// Where it points and how it fares there, as names and values.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    async fn status(&self) -> Result<Vec<(String, String)>, Problem>;
}

/// The settings of one inbox, able to check themselves and to build what they describe.
#[async_trait]
pub trait Door: Send + Sync {
    /// `channel/provider`.
    fn address(&self) -> ChannelAddress;

    /// The brand it names.
    fn brand(&self) -> Option<&BrandName>;

    /// The addresses by which contacts reach it, for its siblings.
    fn addresses(&self) -> Vec<String>;

    /// Everything wrong that can be seen without a network; secrets are read and dropped.
    fn check(&self, secrets: &dyn SecretSource) -> Vec<Problem>;

    /// Everything wrong with the files that it names below `folder`.
    fn check_files(&self, folder: &Path) -> Vec<Problem> {
        let _ = folder;
        Vec::new()
    }

    /// Everything wrong with how others reach it, where `public_url` is what they are told.
    fn check_address(&self, public_url: Option<&str>) -> Vec<Problem> {
        let _ = public_url;
        Vec::new()
    }

    /// The business hours it names, and the key that does.
    fn hours(&self) -> Option<(&'static str, &str)> {
        None
    }

    /// The inbox that it names to answer whoever is no longer there, and the key that does.
    fn continues_by(&self) -> Option<(&'static str, &InboxName)> {
        None
    }

    /// Tries its connections (`lodge check --online`).
    async fn probe(&self, context: &Context) -> Vec<Probe>;

    /// Builds its parts. Needs no network: what cannot be reached yet is tried until it can.
    ///
    /// # Errors
    /// Where a secret cannot be read or a file is not there.
    fn build(&self, context: Context) -> Result<Parts, BuildError>;

    /// Its importer, where raw originals of its channel exist outside of it.
    ///
    /// # Errors
    /// As [`Door::build`].
    fn importer(&self, context: Context) -> Result<Option<Arc<dyn Importer>>, BuildError>;

    /// What sets its webhook up, where its provider has an API for that.
    ///
    /// # Errors
    /// As [`Door::build`].
    fn registrar(&self, context: &Context) -> Result<Option<Arc<dyn Registrar>>, BuildError> {
        let _ = context;
        Ok(None)
    }
}
