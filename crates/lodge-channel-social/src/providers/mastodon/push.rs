//! What the server pushes (Web Push), and how it is asked to. A push is a hint: it names a notification and says a little of
//! it; what it is about comes in by the look that follows, so that it comes in once, in its order, and with all it has.

use super::{Account, failure};
use crate::json::is;
use async_trait::async_trait;
use lodge_channel::fetch::{ApiAnswer, ApiBody, ApiCall};
use lodge_channel::webhook::PushKeys;
use lodge_channel::{Problem, Registrar};
use lodge_domain::DeliveryError;
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::Notify;

/// How pushes are encrypted: as they are now, and as they were until Mastodon 4.4.
pub(super) const ENCODINGS: &[&str] = &["aes128gcm", "aesgcm"];
const PATH: &str = "api/v1/push/subscription";
/// When whoever pushed what cannot be opened may come back.
pub(super) const DISBELIEVED: Duration = Duration::from_secs(60);

/// Where the server pushes.
pub(super) struct Inlet {
    pub(super) keys: PushKeys,
    /// Told that there is something.
    pub(super) news: Notify,
}

impl Inlet {
    /// The subscription belongs to the token at the server, and so do its keys here, wherever its API is said to be.
    pub(super) fn new(token: &SecretString) -> Result<Self, Problem> {
        let empty = || Problem::new("access_token", "it is empty", "write the account's token");
        let keys = PushKeys::derive(token, "mastodon").ok_or_else(empty)?;
        Ok(Self { keys, news: Notify::new() })
    }
}

fn problem(error: &DeliveryError) -> Problem {
    let remedy = "check that the access token has the right `push` beside its others";
    Problem::new("access_token", error.to_string(), remedy)
}

impl Account {
    async fn subscription(&self, method: Method, body: ApiBody<'_>) -> Result<ApiAnswer, Problem> {
        let (credentials, headers) = (&self.credentials, Vec::new());
        let call = ApiCall { method, path: PATH, credentials, headers, body };
        self.api.call(call).await.map_err(|error| problem(&error))
    }

    fn checked(&self, answer: ApiAnswer) -> Result<ApiAnswer, Problem> {
        let failed = |answer| problem(&failure(answer, "subscribe to pushes", self.clock.now()));
        if answer.is_success() { Ok(answer) } else { Err(failed(&answer)) }
    }
}

/// What it pushes for.
fn alerts(answer: &ApiAnswer) -> String {
    let alerts = answer.body.get("alerts").and_then(Value::as_object);
    let on = alerts.into_iter().flatten().filter(|(_, on)| **on == json!(true) || **on == json!("true"));
    let names: Vec<&str> = on.map(|(name, _)| name.as_str()).take(20).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

#[async_trait]
impl Registrar for Account {
    async fn register(&self, url: &str) -> Result<String, Problem> {
        let Some(inlet) = &self.inlet else {
            return Err(Problem::new("push", "it is off", "write `push = true`"));
        };
        let auth = inlet.keys.auth();
        let keys = json!({"p256dh": inlet.keys.p256dh(), "auth": auth.expose_secret()});
        let body = json!({
            "subscription": {"endpoint": url, "keys": keys, "standard": true},
            "data": {"alerts": {"mention": true, "quote": true}, "policy": "all"},
        });
        // The one subscription of a token: another one takes its place.
        let answer = self.checked(self.subscription(Method::POST, ApiBody::Json(&body)).await?)?;
        if answer.text("/endpoint").is_some_and(|endpoint| endpoint == url) {
            Ok(format!("pushed to for {}", alerts(&answer)))
        } else {
            let remedy = "look at `lodge webhook status`, and try again";
            Err(Problem::new(
                "api_base",
                "the server does not name the subscription that was asked for",
                remedy,
            ))
        }
    }

    async fn status(&self) -> Result<Vec<(String, String)>, Problem> {
        let answer = self.subscription(Method::GET, ApiBody::Empty).await?;
        if answer.status == 404 {
            let none = "none for this token: `lodge webhook register` asks for one; until then it is asked every so often";
            return Ok(vec![("subscription".to_owned(), none.to_owned())]);
        }
        let answer = self.checked(answer)?;
        let encryption = if is(&answer.body, "/standard") { "RFC 8291" } else { "the draft before RFC 8291" };
        Ok(vec![
            ("subscription".to_owned(), answer.text("/endpoint").unwrap_or_default()),
            ("told of".to_owned(), alerts(&answer)),
            ("encryption".to_owned(), encryption.to_owned()),
        ])
    }
}
