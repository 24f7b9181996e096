//! The store itself: what its facets share, and how it is opened.

use crate::accept::Accepting;
use crate::address::Address;
use crate::brands::Brands;
use crate::connection::Wire;
use crate::durability::{self, Durability};
use crate::error::OpenError;
use crate::settle::Settling;
use crate::signals::Signals;
use lodge_domain::NodeName;
use lodge_domain::ports::{Clock, Entropy, StoreError};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::{mpsc, oneshot};

/// What the store needs from outside.
pub struct Options {
    /// Tells wall time, for due times, leases and dates.
    pub clock: Arc<dyn Clock>,
    /// Makes tokens of claims and identities of new records.
    pub entropy: Arc<dyn Entropy>,
    /// The name of this process among several on one store; its commits are a lane of their own.
    pub node: NodeName,
    /// How many calls of accept, and as many of settle, may wait; more are answered [`StoreError::Busy`].
    pub queue: usize,
}

/// What all facets share.
pub(crate) struct Core {
    pub(crate) wire: Wire,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) node: NodeName,
    /// Names this process in the answers it keeps; another one after every start.
    pub(crate) process: String,
    pub(crate) brands: Brands,
    pub(crate) signals: Signals,
    pub(crate) losses: AtomicU64,
    pub(crate) last_loss: Mutex<Option<String>>,
    pub(crate) rotation: AtomicUsize,
    /// Where the feed ended when this process last read to its end.
    pub(crate) feed_end: Mutex<Option<BTreeMap<String, u64>>>,
}

/// The store over Redis. Dropping it ends its writers once they answered who waits.
pub struct RedisStore {
    pub(crate) core: Arc<Core>,
    pub(crate) accepting: mpsc::Sender<Accepting>,
    pub(crate) settling: mpsc::Sender<Settling>,
    pub(crate) durability: Mutex<Durability>,
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStore").field("address", self.core.wire.address()).finish_non_exhaustive()
    }
}

impl RedisStore {
    /// Opens the store at `url` and makes sure that a contact may be confirmed on it.
    ///
    /// # Errors
    /// Where the address cannot be read, nobody answers or lets us in, the server is older than 7.0, or would evict
    /// records to make room.
    pub async fn connect(url: &str, options: Options) -> Result<Arc<Self>, OpenError> {
        let wire = Wire::new(Address::parse(url)?)?;
        let durability = durability::examine(&wire).await?;
        let core = Arc::new(Core {
            wire,
            clock: options.clock,
            process: options.entropy.token(),
            entropy: options.entropy,
            node: options.node,
            brands: Brands::default(),
            signals: Signals::default(),
            losses: AtomicU64::new(0),
            last_loss: Mutex::new(None),
            rotation: AtomicUsize::new(0),
            feed_end: Mutex::new(None),
        });
        let (accepting, accepts) = mpsc::channel(options.queue.max(1));
        let (settling, settles) = mpsc::channel(options.queue.max(1));
        drop(tokio::spawn(crate::accept::run(Arc::clone(&core), accepts)));
        drop(tokio::spawn(crate::settle::run(Arc::clone(&core), settles)));
        Ok(Arc::new(Self { core, accepting, settling, durability: Mutex::new(durability) }))
    }

    /// How often, since this process started, the server had forgotten what it had confirmed.
    #[must_use]
    pub fn losses(&self) -> u64 {
        self.core.losses.load(Ordering::Relaxed)
    }
}

/// Hands a request to a writer and waits for its answer.
pub(crate) async fn ask<T, R>(
    queue: &mpsc::Sender<T>,
    request: impl FnOnce(oneshot::Sender<Result<R, StoreError>>) -> T,
) -> Result<R, StoreError> {
    let (answer, answered) = oneshot::channel();
    queue.try_send(request(answer)).map_err(|error| match error {
        mpsc::error::TrySendError::Full(_) => StoreError::Busy,
        mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
    })?;
    answered.await.unwrap_or(Err(StoreError::Closed))
}
