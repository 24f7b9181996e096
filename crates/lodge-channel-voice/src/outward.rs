//! The ways out to a provider: calls of its API, and media from where its media lies. Nothing else is ever connected to.

use lodge_channel::fetch::{
    ApiAnswer, ApiBody, ApiCall, ApiClient, ApiSettings, Credentials, Fetched, MediaClient, MediaError,
    MediaPolicy,
};
use lodge_channel::{Context, Problem, Secret, Secrets};
use lodge_domain::delivery::{OutboundState, RecipientState};
use lodge_domain::{DeliveryError, Disposition, Sent, TraceKey};
use reqwest::Method;
use secrecy::SecretString;
use serde_json::Value;
use std::time::Duration;
use url::Url;

/// How long one call to a provider may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(15);

/// A provider's API and media.
pub(crate) struct Outward {
    api: ApiClient,
    media: MediaClient,
}

impl Outward {
    /// The ways to the API at `usual` and to media on `hosts`; both are at `base` where the configuration names one.
    ///
    /// # Errors
    /// Where an address cannot be used.
    pub(crate) fn new(usual: &str, hosts: &[&str], base: Option<&Url>) -> Result<Self, Problem> {
        let problem = |reason: String| Problem::new("api_base", reason, "correct the address");
        let usual = || Url::parse(usual).map_err(|error| problem(error.to_string()));
        let at = base.map_or_else(usual, |base| Ok(base.clone()))?;
        let api = ApiClient::new(&ApiSettings { base: at, deadline: DEADLINE });
        let media = MediaClient::new(MediaPolicy::new(hosts, base.cloned()));
        Ok(Self { api: api.map_err(|error| problem(error.to_string()))?, media: media.map_err(problem)? })
    }

    /// Calls the API.
    ///
    /// # Errors
    /// Where no answer came.
    pub(crate) async fn call(
        &self,
        credentials: &Credentials,
        method: Method,
        path: &str,
        body: ApiBody<'_>,
    ) -> Result<ApiAnswer, DeliveryError> {
        self.api.call(ApiCall { method, path, credentials, headers: Vec::new(), body }).await
    }

    /// Fetches a file.
    ///
    /// # Errors
    /// See [`MediaClient::fetch`].
    pub(crate) async fn fetch(
        &self,
        address: &str,
        credentials: &Credentials,
    ) -> Result<Fetched, MediaError> {
        self.media.fetch(address, credentials).await
    }
}

/// Whether something was deleted; gone already is as good.
///
/// # Errors
/// What the API said.
pub(crate) fn deleted(answer: &ApiAnswer) -> Result<(), DeliveryError> {
    if answer.is_success() || answer.status == 404 {
        return Ok(());
    }
    Err(answer.error("delete the recording", None))
}

/// A text message that was taken over, under the id at `id`; else what the API said at `words`.
///
/// # Errors
/// What the API said.
pub(crate) fn texted(answer: &ApiAnswer, to: &str, id: &str, words: &str) -> Result<Sent, DeliveryError> {
    if !answer.is_success() {
        return Err(answer.error("send the text message", answer.text(words).as_deref()));
    }
    let id = answer.text(id);
    let state = RecipientState { handle: to.to_owned(), state: OutboundState::Sent, text: id.clone() };
    Ok(Sent {
        keys: Vec::new(),
        traces: id.into_iter().map(TraceKey).collect(),
        recipients: vec![state],
        unless_seen: None,
    })
}

/// What cannot be said in a path of the API.
pub(crate) fn never(words: &str) -> DeliveryError {
    DeliveryError::new(Disposition::Never, words)
}

/// The value behind a secret.
///
/// # Errors
/// Where it cannot be read.
pub(crate) fn secret(key: &'static str, secret: &Secret, context: &Context) -> Result<SecretString, Problem> {
    context
        .secrets
        .read(secret)
        .map_err(|error| Problem::new(key, error.to_string(), "set the variable or write the file"))
}

/// The values behind all of them, the newest first.
///
/// # Errors
/// Where one cannot be read.
pub(crate) fn secrets(
    key: &'static str,
    all: &Secrets,
    context: &Context,
) -> Result<Vec<SecretString>, Problem> {
    all.0.iter().map(|one| secret(key, one, context)).collect()
}

/// A text of JSON by its pointer, as a text.
pub(crate) fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.trim().is_empty())
}
