//! What understanding needs to know besides the mail itself, and what it gives back.

use crate::tokens::ReplyAddress;
use bytes::Bytes;
use jiff::Timestamp;
use lodge_domain::{BlobRef, Inbound, InboxId, InboxName, KeyRing};
use std::sync::Arc;

/// An address of ours: mail to it is for `inbox`, mail from it is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnAddress {
    /// The inbox that reads it.
    pub inbox: InboxName,
    /// The address, in any case.
    pub address: String,
}

/// What becomes of one mail that reaches several of our inboxes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Copies {
    /// One contact, in the inbox it reached first.
    #[default]
    One,
    /// One contact an inbox.
    Each,
    /// One contact, in the inbox whose address stands first in To, Cc.
    Primary,
}

/// The inbox a mail was read from, and what it may believe.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The inbox.
    pub inbox: InboxId,
    /// The provider behind it, such as `imap`.
    pub provider: String,
    /// The addresses of all mail inboxes of the installation, this one's included.
    pub own: Vec<OwnAddress>,
    /// The shape of reply addresses; `None` where replies are recognised by Message-IDs alone.
    pub reply_address: Option<ReplyAddress>,
    /// Whose Authentication-Results are believed (RFC 8601 authserv-ids).
    pub authserv_ids: Vec<String>,
    /// Whether `X-Lodge-*` control headers are believed; `false` for anything that strangers can write to.
    pub trusted_headers: bool,
    /// What becomes of copies.
    pub copies: Copies,
    /// The brand's keys.
    pub keys: Arc<KeyRing>,
    /// The right side of our Message-IDs.
    pub message_id_domain: String,
    /// The name in our loop header.
    pub instance: String,
}

/// How a mail arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When the source received it (INTERNALDATE).
    pub received_at: Timestamp,
    /// Now.
    pub now: Timestamp,
    /// From an archive: never acknowledged unless asked for.
    pub backfill: bool,
    /// The full size in bytes where only the head and the beginning are at hand.
    pub truncated: Option<u64>,
}

/// What was understood.
#[derive(Clone, Debug)]
pub struct Understood {
    /// For the hallway.
    pub inbound: Inbound,
    /// Contents that the contact refers to by hash; to be kept before the contact is handed over. The raw original is
    /// not among them: whoever has it keeps it.
    pub blobs: Vec<Bytes>,
    /// The raw original's hash and size.
    pub raw: BlobRef,
}
