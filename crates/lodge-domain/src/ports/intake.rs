//! Door to hallway.

use super::BudgetVerdict;
use crate::{Contact, EnvelopeId, Inbound, InboxId, Receipt, TraceKey};
use async_trait::async_trait;
use std::time::Duration;

/// Takes in what doors understood.
///
/// `Ok` means durable: one outcome for each item, in order. The same item again gets the same receipt, placed
/// `Duplicate`. `Err` means that nothing is promised: the door answers its source with "later" and keeps nothing
/// of its own; part of the batch may have been accepted, which a repeat makes harmless.
#[async_trait]
pub trait Intake: Send + Sync {
    /// Accepts a batch, in order.
    async fn accept(&self, batch: Vec<Inbound>) -> Result<Vec<Outcome>, Refusal>;

    /// The last contact of this inbox that carries `key`, for doors whose sources name an earlier contact by their own id
    /// alone (an edit, a deletion). `None` where there is none, or not yet.
    async fn known(&self, inbox: &InboxId, key: &TraceKey) -> Result<Option<EnvelopeId>, Refusal> {
        let _ = (inbox, key);
        Ok(None)
    }

    /// Whether `bytes` of original and attachments of `contact` may be kept: asked before they are, by doors whose source
    /// keeps what they do not take. They are taken off the allowances of its sender and its brand (T32); a contact that is
    /// known already costs nothing. Where they are used up, the door files a stub with the same identity and leaves the
    /// original where it is. Without an answer of the store the bytes are granted: accept will be refused then.
    async fn grant(&self, contact: &Contact, bytes: u64) -> BudgetVerdict {
        let (_, _) = (contact, bytes);
        BudgetVerdict::Granted
    }
}

/// What became of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A contact: filed, or known already.
    Accepted(Receipt),
    /// News about something we sent: recorded there; the id of the event that tells the core.
    Reported(EnvelopeId),
    /// A supplement: the event that tells the core is queued, or was before.
    Supplemented(EnvelopeId),
    /// A question that an article answered: counted, now or before.
    Counted,
    /// A supplement that waits, durably, for its contact.
    Waits,
    /// Nothing to file.
    Skipped,
}

/// Why a batch was not taken in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too much at once.
    #[error("busy, try again in {} s", .retry_after.as_secs())]
    Busy {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The store does not answer or is full.
    #[error("the store cannot take it now: {reason}")]
    Unavailable {
        /// What is wrong, for the operator; never shown to strangers.
        reason: String,
        /// How long to wait.
        retry_after: Duration,
    },
    /// The gateway is stopping.
    #[error("closing")]
    Closing,
}

impl Refusal {
    /// How long the source should wait before it tries again.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::Busy { retry_after } | Self::Unavailable { retry_after, .. } => *retry_after,
            Self::Closing => Duration::from_secs(5),
        }
    }
}
