//! What the calls of the core work with.

use super::replay::ReplayMemory;
use crate::signature::SigningSecrets;
use lodge_domain::digest_parts;
use lodge_domain::ports::{Blobs, Clock, CoreCommands, Feed, Ledger};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use subtle::{Choice, ConstantTimeEq};
use tokio_util::sync::CancellationToken;

/// What [`super::router`] is made from.
#[derive(Clone)]
pub struct CommandsState {
    /// Carries commands out.
    pub commands: Arc<dyn CoreCommands>,
    /// Finished events.
    pub feed: Arc<dyn Feed>,
    /// Keeps attachments of replies.
    pub blobs: Arc<dyn Blobs>,
    /// Secrets that sign the core's calls; `None` where it only uses tokens.
    pub verifier: Option<SigningSecrets>,
    /// Bearer tokens the core may use instead.
    pub tokens: Vec<SecretString>,
    /// Dates signatures.
    pub clock: Arc<dyn Clock>,
    /// Given only where no core address is configured: a poll with a later cursor then journals what came before it as
    /// forwarded.
    pub settles: Option<Arc<dyn Ledger>>,
    /// Ends waiting polls when the gateway stops.
    pub closing: CancellationToken,
}

/// The state, with what the router itself keeps.
pub(super) struct Shared {
    pub(super) given: CommandsState,
    pub(super) replays: ReplayMemory,
    pub(super) polls: super::events::Polls,
    /// Requests signed before this second were maybe seen by the process before us, whose memory is gone.
    pub(super) started: i64,
    tokens: Vec<[u8; 32]>,
}

impl Shared {
    pub(super) fn new(given: CommandsState) -> Self {
        let started = given.clock.now().as_second();
        // A blank token would let everybody in.
        let tokens = given.tokens.iter().map(|token| token.expose_secret().trim());
        let tokens = tokens.filter(|token| !token.is_empty()).map(fingerprint).collect();
        let (replays, polls) = (ReplayMemory::new(), super::events::Polls::default());
        Self { given, replays, polls, started, tokens }
    }

    /// Whether `token` is one of ours: hashed first, so that the comparison tells neither length nor prefix.
    pub(super) fn knows(&self, token: &str) -> bool {
        let given = fingerprint(token);
        let known = self.tokens.iter().fold(Choice::from(0), |known, one| known | one.ct_eq(&given));
        known.into()
    }
}

fn fingerprint(token: &str) -> [u8; 32] {
    digest_parts(&[b"token", token.as_bytes()])
}
