//! From raw bytes to what the hallway accepts: understanding on the worker's threads, and keeping raw original and parts.
//! The mailbox reader and everything that brings raw originals by other ways (archives, pipes, released quarantine) share it.

use crate::poller::stub;
use crate::understand::{Arrival, Poison, Surroundings, Understood, Worker, unparsed};
use async_trait::async_trait;
use bytes::Bytes;
use lodge_channel::Importer;
use lodge_domain::Inbound;
use lodge_domain::ports::{BlobError, Blobs, Clock};
use lodge_domain::ports::{BudgetVerdict, Intake};
use std::sync::Arc;

/// Understands mail for one inbox.
pub(crate) struct Reader {
    worker: Worker,
    surroundings: Arc<Surroundings>,
    blobs: Arc<dyn Blobs>,
    clock: Arc<dyn Clock>,
    intake: Arc<dyn Intake>,
}

impl Reader {
    pub(crate) fn new(
        worker: Worker,
        surroundings: Surroundings,
        blobs: Arc<dyn Blobs>,
        clock: Arc<dyn Clock>,
        intake: Arc<dyn Intake>,
    ) -> Self {
        Self { worker, surroundings: Arc::new(surroundings), blobs, clock, intake }
    }

    /// Now.
    pub(crate) fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    /// Understands one mail; an error is a panic or a deadline, never the mail's own faults.
    pub(crate) async fn understand(&self, raw: &Bytes, arrival: &Arrival) -> Result<Understood, Poison> {
        self.worker.understand(raw.clone(), arrival.clone(), Arc::clone(&self.surroundings)).await
    }

    /// What can be said of a mail that cannot be understood.
    pub(crate) fn unparsed(&self, raw: &Bytes, arrival: &Arrival, why: &str) -> Understood {
        unparsed(raw, arrival, &self.surroundings, why)
    }

    /// Keeps contents, durably.
    pub(crate) async fn keep(&self, contents: Vec<Bytes>) -> Result<(), BlobError> {
        self.blobs.put_all(contents).await.map(drop)
    }
}

#[async_trait]
impl Importer for Reader {
    async fn read(&self, raw: Bytes, arrival: lodge_channel::Arrival) -> Result<Inbound, BlobError> {
        let now = self.clock.now();
        let received_at = arrival.received_at.unwrap_or(now);
        let arrival = Arrival { received_at, now, backfill: arrival.backfill, truncated: None };
        let understood = match self.understand(&raw, &arrival).await {
            Ok(understood) => understood,
            Err(poison) => self.unparsed(&raw, &arrival, &poison.to_string()),
        };
        // Whoever hands it over now keeps it, and tries again; an archive is brought in by ourselves.
        if !arrival.backfill
            && let Some(contact) = stub::contact(&understood.inbound)
        {
            let bytes = stub::bytes_of(&raw, &understood);
            if let BudgetVerdict::Exhausted { label, .. } = self.intake.grant(contact, bytes).await {
                return Err(BlobError::NoRoom(label));
            }
        }
        let mut contents = understood.blobs;
        contents.push(raw);
        self.keep(contents).await?;
        Ok(understood.inbound)
    }
}
