//! What a provider's file provides: how to read its bodies, and how to speak with it.

use crate::heard::{Heard, Media};
use crate::pace::Pace;
use crate::watch::Watch;
use async_trait::async_trait;
use axum::http::StatusCode;
use bytes::Bytes;
use jiff::Timestamp;
use lodge_channel::fetch::{Credentials, MediaError, MediaPolicy};
use lodge_channel::webhook::{Answer, Forged, Unverified, Verified};
use lodge_channel::{Context, Problem, Registrar, Secret, SecretSource};
use lodge_domain::delivery::OutboundKind;
use lodge_domain::ports::{Outcome, Refusal};
use lodge_domain::{DeliveryError, Disposition, OutboundId, PartyHandle};
use serde_json::Value;
use std::sync::Arc;

/// How a provider counts the length of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Unicode characters.
    Characters,
    /// UTF-16 code units.
    Utf16,
    /// Bytes of UTF-8.
    Bytes,
    /// Characters, of which those beyond the alphabets count twice.
    Weighted,
}

/// Which files a provider takes from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FilesOut {
    /// None.
    None,
    /// Any; some may still be refused there.
    All,
    /// Those that [`Speech::carries`] names; in words.
    Some(&'static str),
}

/// How a file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carries {
    /// Its bytes are handed over.
    Bytes,
    /// The provider fetches it by a link.
    Link,
    /// Not at all.
    Not,
}

/// What a provider can do; the matrix in the documentation is made of this.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capabilities {
    /// How its webhooks are verified.
    pub(crate) verified_by: &'static str,
    /// The longest text it sends.
    pub(crate) text: (usize, Unit),
    /// How long after the last contact it can be answered, in words.
    pub(crate) window: &'static str,
    /// Whether public posts come in.
    pub(crate) public: bool,
    /// Whether files come in.
    pub(crate) files_in: bool,
    /// Which files go out.
    pub(crate) files_out: FilesOut,
    /// Whether it tells of edits and deletions.
    pub(crate) changes: &'static str,
    /// Whether it tells how what we sent fares.
    pub(crate) receipts: &'static str,
    /// Whether `lodge webhook register` can point it here.
    pub(crate) registers: bool,
    /// How fast it lets an account speak.
    pub(crate) pace: Pace,
}

/// The settings of one provider, and what its bodies say by them alone.
pub(crate) trait Settings: Send + Sync {
    /// What the provider can do.
    fn capabilities(&self) -> Capabilities;

    /// Every secret it names, with the key that names it.
    fn secrets(&self) -> Vec<(&'static str, &Secret)>;

    /// What else is wrong with them.
    fn problems(&self) -> Vec<Problem> {
        Vec::new()
    }

    /// What is wrong with the form of a value behind a reference, or of one that only a provider's console shows; what
    /// cannot be read is told by others.
    fn ill_formed(&self, source: &dyn SecretSource) -> Option<Problem> {
        let _ = source;
        None
    }

    /// Whether its signatures are over the address that it calls.
    fn signs_address(&self) -> bool {
        false
    }

    /// Our account's address there, for siblings and operators.
    fn account(&self) -> Option<String> {
        None
    }

    /// Why what they say about their people is believed.
    fn vouches(&self) -> &'static str {
        "verified webhook"
    }

    /// What a body says. Pure, and never fails: what is not understood is [`Heard::Strange`].
    fn understand(&self, body: &[u8], now: Timestamp) -> Vec<Heard>;

    /// The same where the request itself has an id that the provider signs.
    fn understand_as(&self, id: Option<&str>, body: &[u8], now: Timestamp) -> Vec<Heard> {
        let _ = id;
        self.understand(body, now)
    }

    /// Builds what speaks with the provider. Reads secrets, touches no network.
    ///
    /// # Errors
    /// Where a secret cannot be read or used.
    fn connect(&self, context: &Context) -> Result<Arc<dyn Speech>, Problem>;
}

/// One part of a text, on its way.
pub(crate) struct Outgoing<'a> {
    /// The id of what it is part of; the same on every attempt.
    pub(crate) id: &'a OutboundId,
    /// Acknowledgment or reply.
    pub(crate) kind: OutboundKind,
    /// Which part, from 0.
    pub(crate) part: usize,
    /// The way back, in the provider's own words.
    pub(crate) way: &'a Value,
    /// Until when it can be answered, and now.
    pub(crate) window: Option<(Timestamp, Timestamp)>,
    /// What is said.
    pub(crate) content: Content<'a>,
}

/// What is said.
pub(crate) enum Content<'a> {
    /// Words, within the provider's limit.
    Text(&'a str),
    /// A file.
    File {
        /// Its name.
        name: &'a str,
        /// Its media type.
        media_type: &'a str,
        /// Its bytes.
        bytes: Bytes,
    },
    /// A file that the provider fetches.
    Link {
        /// Its name.
        name: &'a str,
        /// Its media type.
        media_type: &'a str,
        /// Its length in bytes.
        size: u64,
        /// Where it is, for a week.
        href: &'a str,
    },
}

/// Speaks with a provider.
#[async_trait]
pub(crate) trait Speech: Send + Sync {
    /// See [`lodge_channel::webhook::Provider::body_limit`].
    fn body_limit(&self) -> usize {
        1024 * 1024
    }

    /// See [`lodge_channel::webhook::Provider::media_types`].
    fn media_types(&self) -> &[&str] {
        &["application/json"]
    }

    /// See [`lodge_channel::webhook::Provider::handshake`].
    fn handshake(&self, request: &Unverified) -> Option<Answer> {
        let _ = request;
        None
    }

    /// See [`lodge_channel::webhook::Provider::prepare`].
    ///
    /// # Errors
    /// A refusal where nothing could be verified now.
    async fn prepare(&self, request: &Unverified) -> Result<(), Refusal> {
        let _ = request;
        Ok(())
    }

    /// See [`lodge_channel::webhook::Provider::verify`].
    ///
    /// # Errors
    /// [`Forged`] where the provider did not make the request.
    fn verify<'r>(&self, request: &'r Unverified, now: Timestamp) -> Result<Verified<'r>, Forged> {
        let _ = (request, now);
        Err(Forged("this provider calls nobody"))
    }

    /// See [`lodge_channel::webhook::Provider::disbelief`].
    fn disbelief(&self) -> Answer {
        Answer::empty(StatusCode::UNAUTHORIZED)
    }

    /// What looks for news, where the provider has to be asked for them.
    fn watch(self: Arc<Self>) -> Option<Arc<dyn Watch>> {
        None
    }

    /// Whether a provider that has to be asked calls as well, to say that there is something; else no request of its own is
    /// served.
    fn calls_too(&self) -> bool {
        false
    }

    /// See [`lodge_channel::webhook::Provider::encodings`].
    fn encodings(&self) -> &[&str] {
        &[]
    }

    /// What a request says, where its body is encrypted.
    fn opened(&self, request: &Verified<'_>) -> Option<Bytes> {
        let _ = request;
        None
    }

    /// The id of a request, where the provider signs one.
    fn id_of(&self, request: &Verified<'_>) -> Option<String> {
        let _ = request;
        None
    }

    /// See [`lodge_channel::webhook::Provider::respond`].
    fn answer(&self, request: &Verified<'_>, outcomes: &[Outcome]) -> Answer {
        let _ = (request, outcomes);
        Answer::empty(StatusCode::OK)
    }

    /// Whether an answer outside of its window may still go, by what the configuration allows; else what would be allowed.
    ///
    /// # Errors
    /// What the operator or agent could do instead.
    fn beyond_window(&self, ended: Timestamp, now: Timestamp) -> Result<(), String> {
        let _ = (ended, now);
        Err("wait until the customer writes again".to_owned())
    }

    /// The longest text that goes this way in one part, where that depends on the way or on the text; else what the
    /// capabilities say.
    fn limit(&self, way: &Value, words: &str) -> Option<(usize, Unit)> {
        let _ = (way, words);
        None
    }

    /// How a file goes this way, where only some files go.
    fn carries(&self, way: &Value, media_type: &str, size: u64) -> Carries {
        let _ = (way, media_type, size);
        Carries::Not
    }

    /// Sends one part; the id that the provider gives it, where it gives one.
    async fn send(&self, outgoing: &Outgoing<'_>) -> Result<Option<String>, DeliveryError>;

    /// Where files may come from.
    fn media_policy(&self) -> MediaPolicy {
        MediaPolicy::new(&[], None)
    }

    /// The address of a file and what its host asks for.
    async fn locate(&self, media: &Media) -> Result<(String, Credentials), MediaError> {
        if media.by_id { Err(MediaError::Refused) } else { Ok((media.handle.clone(), Credentials::None)) }
    }

    /// The name of an account, for providers that do not send it along.
    async fn name_of(&self, account: &str) -> Option<String> {
        let _ = account;
        None
    }

    /// The way to a party from whom nothing came in, where an address alone is a way there.
    fn way_to(&self, party: &PartyHandle) -> Option<Value> {
        let _ = party;
        None
    }

    /// What points the provider's webhook here, where it has an API for that.
    fn registrar(self: Arc<Self>) -> Option<Arc<dyn Registrar>> {
        None
    }
}

/// The family of a media type, where providers have a way of its own for it; else `other`.
pub(crate) fn family<'a>(media_type: &str, other: &'a str) -> &'a str {
    let named = media_type.split('/').next();
    ["image", "audio", "video"].into_iter().find(|family| named == Some(*family)).unwrap_or(other)
}

/// Files cannot go out this way.
pub(crate) fn no_files() -> DeliveryError {
    DeliveryError::new(Disposition::Never, "send a file, which this channel has no way for")
}
