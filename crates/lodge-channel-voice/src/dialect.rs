//! What a provider's file has to say: what its settings are, who called us, what that means, and how an answer is written.
//!
//! Nothing here is shaped like one provider. A callback may be a form or JSON, may tell of several things at once, and may
//! come to an address of its own or to the inbox's one. An answer is a document, which goes back with the callback, or
//! a list of orders, which go out to the provider's API while the callback is answered by an empty 200.

use crate::config::Shared;
use crate::dialogue::{Input, Turn};
use crate::places::Script;
use crate::tickets::Tickets;
use async_trait::async_trait;
use axum::http::StatusCode;
use jiff::Timestamp;
use lodge_channel::fetch::{Fetched, MediaError};
use lodge_channel::webhook::{Answer, Forged, Unverified, Verified};
use lodge_channel::{Context, Problem, Secret};
use lodge_domain::delivery::{DeliveryError, Sent};
use lodge_domain::{Assurance, Digest, OutboundId, digest_parts};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The longest id of a call or an account, in bytes: several times as long as any provider's.
const LONGEST_ID: usize = 512;

/// What a provider can do. Dialogues that ask for more are refused when they are checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capabilities {
    /// How its callbacks are verified.
    pub(crate) verified_by: &'static str,
    /// Whether it understands spoken words.
    pub(crate) hears: bool,
    /// Whether it records messages as files.
    pub(crate) records: bool,
    /// Whether it writes recordings down.
    pub(crate) transcribes: bool,
    /// Whether it connects the caller with an operator.
    pub(crate) dials: bool,
    /// Whether it deletes recordings when told to.
    pub(crate) deletes: bool,
    /// Whether it sends text messages.
    pub(crate) texts: bool,
}

/// What each provider can do, as a table in Markdown.
pub(crate) fn matrix(all: &[(&str, Capabilities)]) -> String {
    let yes = |so: bool| if so { "yes" } else { "no" };
    let header = "| provider | verified by | hears words | records | transcribes | operator | deletes recordings | text messages |\n\
                  |---|---|---|---|---|---|---|---|\n";
    all.iter().fold(header.to_owned(), |table, (name, can)| {
        let cells = [can.hears, can.records, can.transcribes, can.dials, can.deletes, can.texts].map(yes);
        table + &format!("| `{name}` | {} | {} |\n", can.verified_by, cells.join(" | "))
    })
}

/// One provider's table.
pub(crate) trait Settings: Shared + Send + Sync {
    /// What the provider can do.
    fn capabilities(&self) -> Capabilities;

    /// Every secret it names, with the key that names it.
    fn secrets(&self) -> Vec<(&'static str, &Secret)>;

    /// What else is wrong with it.
    fn problems(&self) -> Vec<Problem> {
        Vec::new()
    }

    /// Builds what speaks with the provider. Reads secrets, touches no network.
    ///
    /// # Errors
    /// Where a secret cannot be read or used; the key is relative to the table.
    fn connect(&self, context: &Context) -> Result<Arc<dyn Dialect>, Problem>;
}

/// What a provider says of a call whenever it calls us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// The provider's id of the call: the same in all callbacks about it.
    pub(crate) id: String,
    /// The account it belongs to.
    pub(crate) account: String,
    /// What the provider's API names the call by, where that is another id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) control: Option<String>,
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

impl Facts {
    /// A call of which nothing but this is known yet.
    pub(crate) fn of(id: &str, account: &str) -> Self {
        Self {
            id: id.to_owned(),
            account: account.to_owned(),
            control: None,
            from: None,
            to: None,
            name: None,
            assurance: Assurance::Unverified,
            evidence: None,
        }
    }

    /// Whether the ids are as short as ids are: what is kept of a call, and said of it, is never of any length (T71).
    pub(crate) fn are_plausible(&self) -> bool {
        let control = self.control.as_deref().unwrap_or_default();
        [&self.id, &self.account, control].iter().all(|id| id.len() <= LONGEST_ID)
    }
}

/// A callback, understood: which call it is about, and what happened, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Heard {
    pub(crate) facts: Facts,
    pub(crate) events: Vec<Event>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// The call goes on, and waits for what comes next.
    Turn {
        /// The turn whose answer this answers; `None` for a new call.
        number: Option<u32>,
        /// What the caller did.
        input: Input,
        /// The caller is gone.
        gone: bool,
    },
    /// What was waited for within a turn happened, and these orders go out now, once; without a turn before there is any.
    Orders {
        /// The turn that they are part of.
        number: Option<u32>,
        /// What [`Dialect::order`] takes.
        orders: String,
    },
    /// The call is over.
    Ended {
        /// The provider's word for how.
        status: String,
        /// How long it took, in seconds.
        seconds: Option<u32>,
    },
    /// A recording, or what became of it.
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
        /// The words, or where they are.
        words: Words,
        /// How sure the provider is, from 0 to 1.
        confidence: Option<f64>,
        /// The provider's word for its state.
        state: String,
    },
}

/// The words of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    /// Here they are.
    Here(String),
    /// They are to be fetched from there.
    At(String),
    /// There are none.
    None,
}

/// How a turn gets to the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As a document of this media type: the answer to the callback.
    Document(&'static str),
    /// As orders to the provider's API, before the callback is answered.
    Orders,
}

/// A recording, or the words of one, at the provider.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held<'a> {
    /// The account it belongs to.
    pub(crate) account: &'a str,
    /// The call it was made in.
    pub(crate) call: &'a str,
    /// Its id.
    pub(crate) id: &'a str,
    /// Where a callback said that it is.
    pub(crate) address: &'a str,
}

/// A text message on its way out.
pub(crate) struct TextMessage<'a> {
    pub(crate) id: &'a OutboundId,
    pub(crate) account: &'a str,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) text: &'a str,
}

/// Speaks with one provider. What is not async is pure.
#[async_trait]
pub(crate) trait Dialect: Send + Sync {
    /// See [`lodge_channel::webhook::Provider::media_types`].
    fn media_types(&self) -> &[&str];

    /// The subprotocol of the WebSocket by which the audio of messages comes to us, and the passwords that open it; `None`
    /// where it does not come so.
    fn streams(&self) -> Option<(&'static str, Tickets)> {
        None
    }

    /// See [`lodge_channel::webhook::Provider::body_limit`].
    fn body_limit(&self) -> usize {
        1024 * 1024
    }

    /// See [`lodge_channel::webhook::Provider::body_limit_of`].
    fn body_limit_of(&self, request: &Unverified) -> usize {
        let _ = request;
        self.body_limit()
    }

    /// See [`lodge_channel::webhook::Provider::signs_get`].
    fn signs_get(&self) -> bool {
        false
    }

    /// Whether the provider made this request, with all in it that must be there.
    ///
    /// # Errors
    /// [`Forged`] where it did not.
    fn verify<'r>(&self, request: &'r Unverified, now: Timestamp) -> Result<Verified<'r>, Forged>;

    /// What it says; `None` where something that must be there is not.
    fn read(&self, request: &Verified<'_>) -> Option<Heard>;

    /// What two deliveries of one callback have in common, and two callbacks have not.
    fn sameness(&self, request: &Verified<'_>) -> Digest {
        digest_parts(&[request.request().target().as_bytes(), request.body()])
    }

    /// How turns get to the provider.
    fn manner(&self) -> Manner;

    /// A turn in the provider's language. The same turn is always the same text.
    fn write(&self, turn: &Turn, script: &Script<'_>) -> String;

    /// Puts what is not to be kept, such as passwords, into a document on its way out.
    fn seal(&self, document: String) -> String {
        document
    }

    /// Carries out what [`write`](Self::write) made, where that is orders. The same orders may come again, and are the same
    /// to the provider.
    ///
    /// # Errors
    /// Whether to try again.
    async fn order(&self, call: &Facts, orders: &str) -> Result<(), DeliveryError> {
        let _ = (call, orders);
        Ok(())
    }

    /// Whether the caller is still there, where a recording's callback does not say whether they ended it or hung up.
    ///
    /// # Errors
    /// Where no answer came; the provider tells of the recording again.
    async fn present(&self, call: &Facts) -> Result<bool, DeliveryError> {
        let _ = call;
        Ok(true)
    }

    /// The answer to what asks for none.
    fn nothing(&self) -> Answer {
        Answer::empty(StatusCode::NO_CONTENT)
    }

    /// Fetches a recording.
    ///
    /// # Errors
    /// Whether it may be there later.
    async fn recording(&self, held: Held<'_>) -> Result<Fetched, MediaError>;

    /// Fetches the words of a recording, for providers that say where they are; they, and how sure the provider is.
    ///
    /// # Errors
    /// Whether they may be there later.
    async fn transcript(&self, held: Held<'_>) -> Result<(String, Option<f64>), MediaError> {
        let _ = held;
        Err(MediaError::Refused)
    }

    /// Deletes a recording.
    ///
    /// # Errors
    /// Where it is not deleted.
    async fn delete_recording(&self, held: Held<'_>) -> Result<(), DeliveryError>;

    /// Sends a text message.
    ///
    /// # Errors
    /// Whether to try again.
    async fn text(&self, message: &TextMessage<'_>) -> Result<Sent, DeliveryError>;
}
