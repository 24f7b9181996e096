//! Hallway to door: the way back to a party.

use crate::delivery::{Announced, DeliveryError, OutboundMessage, Sent};
use async_trait::async_trait;

/// Sends through one inbox.
#[async_trait]
pub trait Replier: Send + Sync {
    /// The keys by which an answer to `message` will be recognised, known before it is sent; empty where the far side
    /// gives the ids. Pure: the same message gets the same answer.
    fn announce(&self, message: &OutboundMessage) -> Announced;

    /// Sends `message`. Safe to call twice with the same id where [`Replier::is_idempotent`]; elsewhere an error that
    /// leaves doubt says so (`in_doubt`), and the caller never repeats it by itself.
    async fn send(&self, message: &OutboundMessage) -> Result<Sent, DeliveryError>;

    /// Whether the far side recognises a repeated send and does nothing.
    fn is_idempotent(&self) -> bool {
        false
    }
}
