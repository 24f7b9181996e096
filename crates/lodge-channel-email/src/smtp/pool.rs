//! Connections to the relay, kept for the next mail: at most so many, none that went stale (F39).

use super::connection::{Ready, Relay};
use crate::wire::within;
use lettre::Address;
use lodge_domain::DeliveryError;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// After so long an idle connection is asked whether it still lives.
const DOUBTED: Duration = Duration::from_secs(30);
/// After so long it is dropped: servers end idle sessions after five minutes (RFC 5321 4.5.3.2.7).
const STALE: Duration = Duration::from_secs(240);
/// How long it may take to answer.
const ALIVE: Duration = Duration::from_secs(5);

/// A relay and the connections to it.
pub(crate) struct Pool {
    relay: Relay,
    permits: Semaphore,
    idle: Mutex<Vec<(Ready, Instant)>>,
}

/// A connection, and the right to have it.
pub(super) struct Taken<'a> {
    pub(super) ready: Ready,
    /// Whether it carried a mail before.
    pub(super) reused: bool,
    _permit: SemaphorePermit<'a>,
}

impl Pool {
    /// A pool of at most `most` connections.
    pub(crate) fn new(relay: Relay, most: usize) -> Self {
        Self { relay, permits: Semaphore::new(most.max(1)), idle: Mutex::new(Vec::new()) }
    }

    /// How long each step may take.
    pub(super) fn patience(&self) -> Duration {
        self.relay.target.patience
    }

    /// A connection that is alive as far as can be told; waits where all are in use.
    pub(super) async fn take(&self, fresh: bool) -> Result<Taken<'_>, DeliveryError> {
        let closed = |_| DeliveryError::later("send while the gateway closes").unanswered();
        let permit = self.permits.acquire().await.map_err(closed)?;
        if !fresh {
            while let Some((mut ready, since)) = self.pop() {
                let age = since.elapsed();
                let alive = age < DOUBTED
                    || age < STALE && within(ALIVE, ready.smtp.test_connected()).await.unwrap_or(false);
                if alive && !ready.smtp.has_broken() {
                    return Ok(Taken { ready, reused: true, _permit: permit });
                }
            }
        }
        let ready = self.relay.connect().await?;
        Ok(Taken { ready, reused: false, _permit: permit })
    }

    /// Takes a connection back that just carried a mail to its end.
    pub(super) fn give_back(&self, taken: Taken<'_>) {
        taken.ready.dot.forget();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push((taken.ready, Instant::now()));
    }

    fn pop(&self) -> Option<(Ready, Instant)> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Connects, asks whether mail from `from` to each of `to` would be taken, and says goodbye before there is any.
    pub(crate) async fn try_out(&self, from: &Address, to: &[Address]) -> Result<(), DeliveryError> {
        let mut taken = self.take(true).await?;
        super::send::ask(self, &mut taken, from, to).await?;
        if within(ALIVE, taken.ready.smtp.quit()).await.is_err() {
            tracing::debug!("the relay did not say goodbye");
        }
        Ok(())
    }
}
