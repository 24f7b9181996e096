//! Hallway to door: the way back to a party.

use crate::delivery::{Announced, DeliveryError, OutboundMessage, Sent};
use crate::{PartyHandle, ReturnPath};
use async_trait::async_trait;

/// What an agent does right now, for the party to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// They are writing.
    Typing {
        /// Their name.
        author: Option<String>,
    },
    /// They have read what the party wrote so far.
    Read,
}

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

    /// The way to a party from whom nothing came in by this inbox, sealed like a return path; `None` where an address
    /// alone is no way there.
    fn path_to(&self, party: &PartyHandle, name: Option<&str>) -> Option<ReturnPath> {
        let _ = (party, name);
        None
    }

    /// Takes from whoever holds it the access to this conversation that the channel gave them; `false` where it gives none.
    /// Durable; a party who proves anew who they are may come back.
    async fn revoke(&self, path: &ReturnPath) -> Result<bool, DeliveryError> {
        let _ = path;
        Ok(false)
    }

    /// Shows the party something fleeting; `false` where this channel has no such thing. May be lost.
    async fn hint(&self, path: &ReturnPath, hint: &Hint) -> bool {
        let _ = (path, hint);
        false
    }
}
