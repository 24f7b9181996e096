//! Hallway to core.

use crate::{DeliveryError, EventId};
use async_trait::async_trait;
use bytes::Bytes;

/// What the core answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkAnswer {
    /// Its own id for the ticket.
    pub ticket: Option<String>,
    /// How far it says the ticket is.
    pub status: Option<crate::ConversationStatus>,
}

/// Forwards finished events.
///
/// `Ok` means that the core has the event (it may have had it before). The event's id is the idempotency key: the same
/// on every attempt, so that a repeat makes no second ticket. A failure that leaves doubt is simply tried again.
#[async_trait]
pub trait TicketSink: Send + Sync {
    /// Forwards one event; `body` is sent byte for byte.
    async fn forward(&self, event: &EventId, body: Bytes) -> Result<SinkAnswer, DeliveryError>;
}
