//! Keys that a provider publishes (OpenID Connect Discovery, RFC 7517): fetched from where the configuration says and from
//! nowhere else, kept for a day, and asked for again where a request names one that is not known, at most once an hour, so
//! that no stranger makes us ask. Old keys stay good while new ones are not to be had.

use super::request::Unverified;
use super::verify::{Jwk, JwtKeys};
use crate::fetch::{ApiAnswer, ApiBody, ApiCall, ApiClient, Credentials, Origin};
use jiff::{SignedDuration, Timestamp};
use lodge_domain::ports::Refusal;
use reqwest::Method;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use url::Url;

/// How long keys are used without a look at whether there are others.
const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// The least time between two questions for a key that is not known.
const AGAIN: SignedDuration = SignedDuration::from_hours(1);
/// The least time between two questions that failed.
const PAUSE: SignedDuration = SignedDuration::from_secs(10);
/// More keys than anybody has live.
const MOST: usize = 100;

/// The keys of one provider.
pub struct PublishedKeys {
    api: ApiClient,
    document: &'static str,
    known: Mutex<Known>,
    /// Held while asking: everybody else waits for that answer.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Known {
    keys: Arc<JwtKeys>,
    fetched: Option<Timestamp>,
    failed: Option<Timestamp>,
}

impl PublishedKeys {
    /// Keys named by the OpenID document at `document`, a path of `api`.
    #[must_use]
    pub fn new(api: ApiClient, document: &'static str) -> Self {
        let known = Known { keys: Arc::new(JwtKeys::Public(Vec::new())), fetched: None, failed: None };
        Self { api, document, known: Mutex::new(known), asking: tokio::sync::Mutex::default() }
    }

    /// The keys as they are known.
    #[must_use]
    pub fn current(&self) -> Arc<JwtKeys> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).keys.clone()
    }

    /// Sees to it that the key which `request` names is known, as far as it can be.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] where no key at all is to be had now.
    pub async fn prepare(&self, request: &Unverified, now: Timestamp) -> Result<(), Refusal> {
        let Some(name) = JwtKeys::named_by(request) else { return Ok(()) };
        if !self.is_due(&name, now) {
            return self.any();
        }
        let _alone = self.asking.lock().await;
        // Somebody else may have asked while we waited.
        if self.is_due(&name, now) {
            let asked = self.ask().await;
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            match asked {
                Ok(keys) => {
                    *known = Known { keys: Arc::new(keys), fetched: Some(now), failed: None };
                }
                Err(reason) => {
                    tracing::warn!(reason, "the keys of a provider are not to be had");
                    known.failed = Some(now);
                }
            }
        }
        self.any()
    }

    fn is_due(&self, name: &str, now: Timestamp) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let since = |then: Option<Timestamp>| then.map(|then| now.duration_since(then));
        if since(known.failed).is_some_and(|age| age < PAUSE) {
            return false;
        }
        match since(known.fetched) {
            None => true,
            Some(age) => age >= KEPT || (age >= AGAIN && !known.keys.knows(name)),
        }
    }

    fn any(&self) -> Result<(), Refusal> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.fetched.is_some() {
            return Ok(());
        }
        let reason = "the keys of the provider are not to be had".to_owned();
        Err(Refusal::Unavailable { reason, retry_after: Duration::from_secs(10) })
    }

    async fn ask(&self) -> Result<JwtKeys, String> {
        let document = self.get(self.document).await?;
        let address = document.text("/jwks_uri").ok_or("the document names no keys")?;
        let address = Url::parse(&address).map_err(|_| "the document names no address".to_owned())?;
        let keys = self.get(&self.below(&address)).await?;
        let listed = keys.body.get("keys").and_then(Value::as_array).ok_or("there is no list of keys")?;
        // Of a kind that we do not know, or broken: the others are as good as before.
        let readable =
            listed.iter().take(MOST).filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok());
        let readable: Vec<Jwk> = readable.filter(|key| !key.kid.is_empty()).collect();
        if readable.is_empty() {
            Err("the list of keys is empty".to_owned())
        } else {
            Ok(JwtKeys::Public(readable))
        }
    }

    /// The path of an address that a document names: the host stays that of the configuration.
    fn below(&self, address: &Url) -> String {
        let base = self.api.base();
        let whole = address.path();
        let holds = Origin::of(base).is_some_and(|origin| origin.holds(address));
        let path = if holds {
            whole.strip_prefix(base.path().trim_end_matches('/')).unwrap_or(whole)
        } else {
            whole
        };
        address.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"))
    }

    async fn get(&self, path: &str) -> Result<ApiAnswer, String> {
        let credentials = &Credentials::None;
        let call =
            ApiCall { method: Method::GET, path, credentials, headers: Vec::new(), body: ApiBody::Empty };
        let answer = self.api.call(call).await.map_err(|error| error.to_string())?;
        if answer.is_success() { Ok(answer) } else { Err(format!("HTTP {}", answer.status)) }
    }
}
