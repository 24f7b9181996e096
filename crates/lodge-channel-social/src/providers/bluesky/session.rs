//! A session with the account's server: begun with an app password when it is needed, refreshed when its token has expired,
//! and begun once however many wait for it. Its tokens are in memory alone.

use crate::replier::TOO_FAST;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use lodge_channel::fetch::{ApiAnswer, ApiBody, ApiCall, ApiClient, Credentials};
use lodge_domain::ports::Clock;
use lodge_domain::{DeliveryError, Disposition};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::Mutex;

/// A token that is refused so soon is refused for what it may do, not for its age.
const YOUNG: SignedDuration = SignedDuration::from_secs(60);

#[derive(Clone)]
struct Held {
    access: SecretString,
    refresh: SecretString,
    did: String,
    since: Timestamp,
}

/// What is said; said again with another token where the first has expired.
#[derive(Clone, Copy)]
pub(super) enum Say<'a> {
    Nothing,
    Json(&'a Value),
    Bytes(&'a str, &'a Bytes),
}

/// One account at its server.
pub(super) struct Session {
    pub(super) api: ApiClient,
    pub(super) handle: String,
    pub(super) password: SecretString,
    pub(super) clock: Arc<dyn Clock>,
    held: Mutex<Option<Held>>,
}

/// What a refusal means for the next try.
pub(super) fn failure(answer: &ApiAnswer, doing: &str, now: Timestamp) -> DeliveryError {
    let word = answer.text("/error").unwrap_or_default();
    let words = answer.text("/message").map_or_else(|| word.clone(), |words| format!("{words} ({word})"));
    let disposition = match (answer.status, word.as_str()) {
        (401 | 403, _)
        | (_, "AuthenticationRequired" | "AccountTakedown" | "AuthFactorTokenRequired" | "InvalidToken") => {
            Disposition::Misconfigured
        }
        (429, _) | (_, "RateLimitExceeded") => {
            let until = answer.reset_at.map(|reset| reset.duration_since(now));
            let until = until.filter(SignedDuration::is_positive);
            Disposition::Later { after: Some(answer.retry_after.or(until).unwrap_or(TOO_FAST * 12)) }
        }
        _ => return answer.error(doing, Some(&words)),
    };
    answer.error_as(disposition, doing, Some(&words))
}

impl Session {
    pub(super) fn new(api: ApiClient, handle: String, password: SecretString, clock: Arc<dyn Clock>) -> Self {
        Self { api, handle, password, clock, held: Mutex::default() }
    }

    /// The account's own id.
    pub(super) async fn did(&self) -> Result<String, DeliveryError> {
        Ok(self.held().await?.did)
    }

    async fn held(&self) -> Result<Held, DeliveryError> {
        let mut held = self.held.lock().await;
        if let Some(held) = held.as_ref() {
            return Ok(held.clone());
        }
        let begun = self.begin().await?;
        *held = Some(begun.clone());
        Ok(begun)
    }

    /// Another token in place of `stale`; `None` where that is too young to have expired.
    async fn renew(&self, stale: &Held) -> Result<Option<Held>, DeliveryError> {
        let mut held = self.held.lock().await;
        if let Some(other) = held.as_ref().filter(|held| held.since != stale.since) {
            return Ok(Some(other.clone()));
        }
        if self.clock.now().duration_since(stale.since) < YOUNG {
            return Ok(None);
        }
        let refreshed = self.ask("refreshSession", &Credentials::Bearer(stale.refresh.clone()), None).await?;
        let fresh = match self.taken(&refreshed) {
            Some(fresh) => fresh,
            // The refresh token lives long, but not for ever.
            None if (400..=403).contains(&refreshed.status) => {
                *held = None;
                self.begin().await?
            }
            None => return Err(failure(&refreshed, "refresh the session", self.clock.now())),
        };
        *held = Some(fresh.clone());
        Ok(Some(fresh))
    }

    async fn begin(&self) -> Result<Held, DeliveryError> {
        let body = json!({"identifier": self.handle, "password": self.password.expose_secret()});
        let answer = self.ask("createSession", &Credentials::None, Some(&body)).await?;
        let begun = self.taken(&answer);
        begun.ok_or_else(|| failure(&answer, "begin a session", self.clock.now()))
    }

    fn taken(&self, answer: &ApiAnswer) -> Option<Held> {
        let token = |at| answer.text(at).filter(|_| answer.is_success()).map(SecretString::from);
        let (access, refresh) = (token("/accessJwt")?, token("/refreshJwt")?);
        Some(Held { access, refresh, did: answer.text("/did")?, since: self.clock.now() })
    }

    async fn ask(
        &self,
        method: &str,
        credentials: &Credentials,
        body: Option<&Value>,
    ) -> Result<ApiAnswer, DeliveryError> {
        let path = format!("xrpc/com.atproto.server.{method}");
        let body = body.map_or(ApiBody::Empty, ApiBody::Json);
        let call = ApiCall { method: Method::POST, path: &path, credentials, headers: Vec::new(), body };
        // Nothing that anybody sees was said yet.
        self.api.call(call).await.map_err(|error| DeliveryError { in_doubt: false, ..error })
    }

    /// Makes one call as the account; the answer, whatever it is.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, String)],
        say: Say<'_>,
    ) -> Result<ApiAnswer, DeliveryError> {
        let held = self.held().await?;
        let answer = self.once(&held, method.clone(), path, headers, say).await?;
        let word = answer.text("/error").unwrap_or_default();
        if !matches!(word.as_str(), "ExpiredToken" | "InvalidToken") && answer.status != 401 {
            return Ok(answer);
        }
        match self.renew(&held).await? {
            Some(fresh) => self.once(&fresh, method, path, headers, say).await,
            None => Ok(answer),
        }
    }

    async fn once(
        &self,
        held: &Held,
        method: Method,
        path: &str,
        headers: &[(&'static str, String)],
        say: Say<'_>,
    ) -> Result<ApiAnswer, DeliveryError> {
        let body = match say {
            Say::Nothing => ApiBody::Empty,
            Say::Json(value) => ApiBody::Json(value),
            Say::Bytes(media_type, bytes) => ApiBody::Bytes { media_type, bytes: bytes.clone() },
        };
        let credentials = &Credentials::Bearer(held.access.clone());
        let path = &format!("xrpc/{path}");
        self.api.call(ApiCall { method, path, credentials, headers: headers.to_vec(), body }).await
    }
}
