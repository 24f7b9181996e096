//! Passwords by which the audio of one message comes to us: made of house key, inbox, call and turn, so that none opens
//! another call's door, and any gateway knows them without a store.

use data_encoding::BASE64URL_NOPAD;
use lodge_channel::Context;
use lodge_channel::webhook::{BasicCredentials, Forged, Unverified};
use lodge_domain::{InboxId, KeyRing};
use secrecy::SecretString;
use std::sync::Arc;

/// The name that goes with every password; both together are short, since not every switch sends more than 90 bytes of them.
pub(crate) const NAME: &str = "lodge";

const PURPOSE: &str = "voice-audio";

/// The passwords of one inbox.
#[derive(Clone)]
pub(crate) struct Tickets {
    keys: Arc<KeyRing>,
    inbox: InboxId,
}

impl Tickets {
    pub(crate) fn new(context: &Context) -> Self {
        Self { keys: Arc::clone(&context.keys), inbox: context.inbox.clone() }
    }

    /// The password of a call's turn.
    pub(crate) fn password(&self, call: &str, turn: u32) -> String {
        let (name, turn) = (self.inbox.name.to_string(), turn.to_string());
        let parts = [name.as_bytes(), call.as_bytes(), turn.as_bytes()];
        let (_, mac) = self.keys.sign(PURPOSE, &self.inbox.brand, &parts);
        BASE64URL_NOPAD.encode(&mac)
    }

    /// Whether the request has it.
    ///
    /// # Errors
    /// [`Forged`] where it has not.
    pub(crate) fn verify(&self, request: &Unverified, call: &str, turn: u32) -> Result<(), Forged> {
        let password = SecretString::from(self.password(call, turn));
        BasicCredentials::new([(NAME, &password)]).verify(request).map(drop)
    }
}
