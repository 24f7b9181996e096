//! What a provider's file has to say: who called us, what that means, and how an answer is written.

use crate::dialogue::{Input, Turn};
use async_trait::async_trait;
use jiff::Timestamp;
use lodge_channel::fetch::{Fetched, MediaError};
use lodge_channel::webhook::{Answer, Forged, Unverified, Verified};
use lodge_domain::delivery::{DeliveryError, Sent};
use lodge_domain::{Assurance, OutboundId};
use serde::{Deserialize, Serialize};

/// What a provider says of a call whenever it calls us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// The provider's id of the call.
    pub(crate) id: String,
    /// The account it belongs to.
    pub(crate) account: String,
    /// The caller's number, or another address; `None` where it is withheld.
    pub(crate) from: Option<String>,
    /// The number called.
    pub(crate) to: Option<String>,
    /// The caller's name, as the network gives it.
    pub(crate) name: Option<String>,
    /// Whether the network vouches for the caller's number.
    pub(crate) assurance: Assurance,
    /// The network's own words for that.
    pub(crate) evidence: Option<String>,
}

/// A callback, understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Callback {
    /// The call goes on: what the caller did.
    Turn {
        /// The turn whose answer named this address; `None` for a new call.
        number: Option<u32>,
        /// What the caller did.
        input: Input,
        /// The caller is gone.
        gone: bool,
    },
    /// How the call stands.
    Status {
        /// The provider's word for it.
        status: String,
        /// Whether it is the last one.
        last: bool,
        /// How long it took, in seconds.
        seconds: Option<u32>,
    },
    /// A recording.
    Recording {
        /// Its id.
        id: String,
        /// Where it is; `None` where there is none.
        address: Option<String>,
        /// The provider's word for its state.
        state: String,
        /// Its length in seconds.
        seconds: Option<u32>,
    },
    /// The words of a recording.
    Transcript {
        /// Its id.
        id: String,
        /// The recording's id.
        recording: Option<String>,
        /// The words; `None` where there are none.
        text: Option<String>,
        /// How sure the provider is, from 0 to 1.
        confidence: Option<f64>,
        /// The provider's word for its state.
        state: String,
    },
    /// Nothing to do anything about.
    Nothing,
}

/// The addresses that an answer may name: our own, and nothing else.
pub(crate) struct Addresses<'a> {
    /// `https://…/hooks/{inbox}`.
    pub(crate) base: &'a str,
    /// The call's id.
    pub(crate) call: &'a str,
    /// The number of the turn that comes next.
    pub(crate) turn: u32,
}

impl Addresses<'_> {
    pub(crate) fn turn(&self) -> String {
        format!("{}/turn/{}", self.base, self.turn)
    }

    pub(crate) fn nothing_recorded(&self) -> String {
        format!("{}/turn/{}/none", self.base, self.turn)
    }

    pub(crate) fn recording(&self) -> String {
        format!("{}/recording", self.base)
    }

    /// Names the call: not every provider does when it tells the words.
    pub(crate) fn transcript(&self) -> String {
        let call: String = url::form_urlencoded::byte_serialize(self.call.as_bytes()).collect();
        format!("{}/transcript?call={call}", self.base)
    }
}

/// One provider. Everything but the last three is pure.
#[async_trait]
pub(crate) trait Dialect: Send + Sync {
    /// The provider's name.
    fn name(&self) -> &'static str;

    /// The header by which the provider marks retries of one request.
    fn idempotency_header(&self) -> &'static str;

    /// Whether the provider made this request.
    fn verify<'r>(&self, request: &'r Unverified, now: Timestamp) -> Result<Verified<'r>, Forged>;

    /// What it says; `None` where something that must be there is not.
    fn read(&self, request: &Verified<'_>) -> Option<(Facts, Callback)>;

    /// A turn in the provider's language.
    fn answer(&self, turn: &Turn, voices: &Voices<'_>, addresses: &Addresses<'_>) -> String;

    /// The media type of an answer.
    fn media_type(&self) -> &'static str;

    /// The answer to what asks for none.
    fn nothing(&self) -> Answer;

    /// Fetches a recording.
    async fn recording(&self, account: &str, address: &str) -> Result<Fetched, MediaError>;

    /// Deletes a recording.
    async fn delete_recording(&self, account: &str, id: &str) -> Result<(), DeliveryError>;

    /// Sends a text message.
    async fn text(&self, message: &TextMessage<'_>) -> Result<Sent, DeliveryError>;
}

/// The voice by language, as the dialogue names it.
pub(crate) struct Voices<'a>(pub(crate) &'a std::collections::BTreeMap<String, String>);

/// A text message on its way out.
pub(crate) struct TextMessage<'a> {
    pub(crate) id: &'a OutboundId,
    pub(crate) account: &'a str,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) text: &'a str,
}
