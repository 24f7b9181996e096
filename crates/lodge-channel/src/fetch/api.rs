//! Calls to a provider's API: one base address, deadlines, and an error that says whether to try again.

use super::Credentials;
use bytes::BytesMut;
use jiff::{SignedDuration, Timestamp};
use lodge_domain::{DeliveryError, Disposition};
use lodge_telemetry::redact;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Method};
use secrecy::ExposeSecret;
use serde_json::Value;
use std::error::Error;
use std::time::Duration;
use url::Url;

/// A longer answer of an API is cut off.
const LONGEST_ANSWER: usize = 1024 * 1024;

/// A text of others as one piece of a path or of a query: all but ASCII letters and digits escaped (RFC 3986).
#[must_use]
pub fn escaped(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Where an API is.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// Below which address its calls lie.
    pub base: Url,
    /// How long one call may take.
    pub deadline: Duration,
}

/// Why an API cannot be called at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The address cannot be used.
    #[error("api_base is https://…, or http:// to this machine or a private network")]
    Base,
    /// The client cannot be made.
    #[error("the HTTP client cannot be made: {0}")]
    Client(String),
}

/// Calls one provider's API.
#[derive(Clone)]
pub struct ApiClient {
    /// As it is configured: where calls without a path go.
    named: Url,
    /// The same as a folder, below which all others lie.
    base: Url,
    client: Client,
}

/// One call. `Debug` is left out: paths and bodies may hold tokens.
pub struct ApiCall<'a> {
    /// The method.
    pub method: Method,
    /// The path below the base; see [`escaped`] for what others wrote.
    pub path: &'a str,
    /// Who we are.
    pub credentials: &'a Credentials,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// What is said.
    pub body: ApiBody<'a>,
}

/// What a call says.
pub enum ApiBody<'a> {
    /// Nothing.
    Empty,
    /// JSON.
    Json(&'a Value),
    /// A form.
    Form(&'a [(&'a str, String)]),
    /// Bytes as they are.
    Bytes {
        /// Their media type.
        media_type: &'a str,
        /// The bytes.
        bytes: bytes::Bytes,
    },
    /// A form with a file.
    File {
        /// The fields before the file.
        fields: Vec<(String, String)>,
        /// The file's field.
        field: String,
        /// Its name.
        name: String,
        /// Its media type.
        media_type: String,
        /// Its bytes.
        bytes: bytes::Bytes,
    },
}

/// What an API answered, whatever it was.
#[derive(Clone, Debug)]
pub struct ApiAnswer {
    /// The status.
    pub status: u16,
    /// How long it asks to wait.
    pub retry_after: Option<SignedDuration>,
    /// When its limit ends, where it names a time instead (`x-rate-limit-reset` and its relatives).
    pub reset_at: Option<Timestamp>,
    /// How many more calls it takes until then, where it says so.
    pub remaining: Option<u32>,
    /// Its body, where it is JSON; else null.
    pub body: Value,
}

impl ApiClient {
    /// A client for `settings`.
    ///
    /// # Errors
    /// [`ApiError`] where the address cannot be used.
    pub fn new(settings: &ApiSettings) -> Result<Self, ApiError> {
        let mut base = settings.base.clone();
        super::Origin::of(&base).ok_or(ApiError::Base)?;
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let client = super::builder(settings.deadline).build();
        let named = settings.base.clone();
        Ok(Self { named, base, client: client.map_err(|error| ApiError::Client(innermost(&error)))? })
    }

    /// Where it is.
    #[must_use]
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// The address of a path below the base; without a path, the base to the letter, with the query that it may have.
    ///
    /// # Errors
    /// Where it would lead elsewhere: out of the base, or by dots to another call than the one that is written there.
    pub fn at(&self, path: &str) -> Result<Url, DeliveryError> {
        let path = path.trim_start_matches('/');
        if path.is_empty() {
            return Ok(self.named.clone());
        }
        let named = path.split(['?', '#']).next().unwrap_or_default();
        // Below the base in any case: a colon in the first part of a path would make it an address of its own.
        let url =
            self.base.join(&format!("./{path}")).ok().filter(|_| !named.split(['/', '\\']).any(is_dots));
        let held = url.filter(|url| super::Origin::of(&self.base).is_some_and(|base| base.holds(url)));
        held.ok_or_else(wrong)
    }

    /// Makes one call.
    ///
    /// # Errors
    /// Where no answer came: in doubt unless not even a connection was made.
    pub async fn call(&self, call: ApiCall<'_>) -> Result<ApiAnswer, DeliveryError> {
        let url = self.at(call.path)?;
        let mut request = self.client.request(call.method, url);
        request = match call.credentials {
            Credentials::None => request,
            Credentials::Bearer(token) => request.bearer_auth(token.expose_secret()),
            Credentials::Basic(name, password) => request.basic_auth(name, Some(password.expose_secret())),
            Credentials::Whole(value) => request.header("authorization", value.expose_secret()),
        };
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        request = match call.body {
            ApiBody::Empty => request,
            ApiBody::Json(value) => {
                request.header("content-type", "application/json").body(value.to_string())
            }
            ApiBody::Form(pairs) => {
                let mut text = url::form_urlencoded::Serializer::new(String::new());
                text.extend_pairs(pairs);
                request.header("content-type", "application/x-www-form-urlencoded").body(text.finish())
            }
            ApiBody::Bytes { media_type, bytes } => {
                let value = reqwest::header::HeaderValue::from_str(media_type).map_err(|_| wrong())?;
                request.header("content-type", value).body(bytes)
            }
            ApiBody::File { fields, field, name, media_type, bytes } => {
                let part = reqwest::multipart::Part::stream(bytes).file_name(name);
                let part = part.mime_str(&media_type).map_err(|_| wrong())?;
                let mut form = reqwest::multipart::Form::new();
                for (key, value) in fields {
                    form = form.text(key, value);
                }
                request.multipart(form.part(field, part))
            }
        };
        let response = request.send().await.map_err(|error| unreached(&error))?;
        read(response).await
    }
}

fn wrong() -> DeliveryError {
    DeliveryError::new(Disposition::Never, "write the provider's address")
}

/// Whether a part of a path means its own place or the one above, which an escaped full stop does as well (WHATWG URL,
/// section 4.1): a stranger's `..` stays one however it is written.
fn is_dots(part: &str) -> bool {
    let plain: String = part.chars().filter(|c| !c.is_control() && *c != ' ').collect();
    matches!(plain.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

async fn read(mut response: reqwest::Response) -> Result<ApiAnswer, DeliveryError> {
    let status = response.status().as_u16();
    let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
    let seconds = retry_after.and_then(|text| text.trim().parse::<u32>().ok());
    let retry_after = seconds.map(|seconds| SignedDuration::from_secs(i64::from(seconds.min(86_400))));
    let limit = |what: &str| {
        let names = ["x-rate-limit", "x-ratelimit", "ratelimit"].map(|name| format!("{name}-{what}"));
        let value = names.iter().find_map(|name| response.headers().get(name.as_str()))?;
        Some(value.to_str().ok()?.trim().to_owned())
    };
    // Seconds since 1970, or a time in words (RFC 3339).
    let reset_at = limit("reset").and_then(|text| match text.parse() {
        Ok(seconds) => Timestamp::from_second(seconds).ok(),
        Err(_) => text.parse().ok(),
    });
    let remaining = limit("remaining").and_then(|text| text.parse().ok());
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(piece)) if body.len() + piece.len() <= LONGEST_ANSWER => body.extend_from_slice(&piece),
            Ok(Some(_)) => break,
            Ok(None) => break,
            // The status is what counts; what it took over is in doubt only where we cannot know its id.
            Err(_) if status >= 300 => break,
            Err(error) => return Err(unreached(&error)),
        }
    }
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Ok(ApiAnswer { status, retry_after, reset_at, remaining, body })
}

impl ApiAnswer {
    /// Whether the API says that it worked.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A text of the body by its JSON pointer; numbers are written out, since ids are texts to us.
    #[must_use]
    pub fn text(&self, pointer: &str) -> Option<String> {
        match self.body.pointer(pointer)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// What an error status means where the provider says nothing better; `doing` is what failed.
    #[must_use]
    pub fn error(&self, doing: &str, words: Option<&str>) -> DeliveryError {
        let disposition = match self.status {
            401 | 403 => Disposition::Misconfigured,
            300..=399 => Disposition::Misconfigured,
            408 | 425 | 429 | 500..=599 => Disposition::Later { after: self.retry_after },
            400..=499 => Disposition::Never,
            _ => Disposition::Later { after: None },
        };
        self.error_as(disposition, doing, words)
    }

    /// An error of this disposition, with the provider's words.
    #[must_use]
    pub fn error_as(&self, disposition: Disposition, doing: &str, words: Option<&str>) -> DeliveryError {
        let said = words.map(|words| redact::line(words.trim(), 200)).filter(|words| !words.is_empty());
        let status = self.status;
        let detail = said.map_or_else(|| format!("HTTP {status}"), |said| format!("HTTP {status}: {said}"));
        let error = DeliveryError::new(disposition, doing).detail(detail);
        // A gateway that gave up waiting does not know what became of it.
        if self.status == 504 { error.doubtful() } else { error }
    }
}

fn unreached(error: &reqwest::Error) -> DeliveryError {
    let connecting = error.is_connect() || error.is_builder();
    let message = if connecting { "connect to the provider" } else { "get an answer from the provider" };
    let failed = DeliveryError::later(message).unanswered().detail(innermost(error));
    if connecting { failed } else { failed.doubtful() }
}

/// The innermost cause: the outer ones repeat the address, which may hold a token.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    let mut depth = 0;
    while let Some(inner) = cause.source() {
        (cause, depth) = (inner, depth + 1);
    }
    if depth == 0 {
        return if error.is_timeout() {
            "no answer in time".to_owned()
        } else {
            "the exchange broke off".to_owned()
        };
    }
    redact::line(&cause.to_string(), 200)
}

#[cfg(test)]
mod tests;
