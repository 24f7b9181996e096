//! A token that we are given for being who we are (RFC 6749, section 4.4): asked for when it is needed, kept until shortly
//! before it expires, and asked for once however many wait for it.

use super::{ApiBody, ApiCall, ApiClient, Credentials};
use jiff::{SignedDuration, Timestamp};
use lodge_domain::{DeliveryError, Disposition};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq as _;
use tokio::sync::Mutex;

/// So long before its end a token is replaced.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);
/// How long a token is kept whose giver does not say how long it is good for, and the longest that one is.
const UNSAID: i64 = 3600;
const LONGEST: i64 = 24 * 3600;

/// Who we are at one issuer of tokens.
pub struct ClientGrant {
    api: ApiClient,
    path: String,
    /// Our name and password in the header, for issuers that want them there.
    header: Credentials,
    /// What else is asked with, our name and password included where the header does not say them.
    fields: Vec<(&'static str, SecretString)>,
    held: Mutex<Option<(SecretString, Timestamp)>>,
}

impl ClientGrant {
    /// Asks at `path` of `api`; `grant_type` is among the fields by itself.
    #[must_use]
    pub fn new(
        api: ApiClient,
        path: impl Into<String>,
        header: Credentials,
        fields: Vec<(&'static str, SecretString)>,
    ) -> Self {
        Self { api, path: path.into(), header, fields, held: Mutex::default() }
    }

    /// A token that is good at `now`.
    ///
    /// # Errors
    /// Where none is given: misconfigured where we are not who we say, else later. Nothing is in doubt: nothing was sent.
    pub async fn token(&self, now: Timestamp) -> Result<SecretString, DeliveryError> {
        let mut held = self.held.lock().await;
        if let Some((token, until)) = held.as_ref()
            && now < *until
        {
            return Ok(token.clone());
        }
        *held = None;
        let (token, until) = self.ask(now).await?;
        *held = Some((token.clone(), until));
        Ok(token)
    }

    /// Forgets `token`, which was refused before its time.
    pub async fn forget(&self, token: &SecretString) {
        let mut held = self.held.lock().await;
        let refused = token.expose_secret().as_bytes();
        if held.as_ref().is_some_and(|(kept, _)| kept.expose_secret().as_bytes().ct_eq(refused).into()) {
            *held = None;
        }
    }

    async fn ask(&self, now: Timestamp) -> Result<(SecretString, Timestamp), DeliveryError> {
        const DOING: &str = "get a token";
        let mut form = vec![("grant_type", "client_credentials".to_owned())];
        form.extend(self.fields.iter().map(|(key, value)| (*key, value.expose_secret().to_owned())));
        let call = ApiCall {
            method: Method::POST,
            path: &self.path,
            credentials: &self.header,
            headers: Vec::new(),
            body: ApiBody::Form(&form),
        };
        let clear = |error: DeliveryError| DeliveryError { in_doubt: false, ..error };
        let answer = self.api.call(call).await.map_err(clear)?;
        let token = answer.text("/access_token").filter(|token| answer.is_success() && !token.is_empty());
        let Some(token) = token else {
            let words = answer.text("/error_description").or_else(|| answer.text("/error"));
            let refused = matches!(answer.status, 200..=299 | 400..=407);
            let error = if refused {
                answer.error_as(Disposition::Misconfigured, DOING, words.as_deref())
            } else {
                answer.error(DOING, words.as_deref())
            };
            return Err(clear(error));
        };
        let seconds = answer.text("/expires_in").and_then(|text| text.parse::<i64>().ok()).unwrap_or(UNSAID);
        let lives = SignedDuration::from_secs(seconds.clamp(0, LONGEST));
        // A token that lives no longer than the margin is good for half of its life.
        let lives = if lives > MARGIN * 2 { lives - MARGIN } else { lives / 2 };
        Ok((SecretString::from(token), now.checked_add(lives).unwrap_or(now)))
    }
}

impl std::fmt::Debug for ClientGrant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientGrant")
    }
}
