//! A Viber bot. Its API says 200 whatever happened: what counts is the status in the body.

use super::meta::{api, unreadable};
use crate::heard::{About, Fared, Heard, Media, Said, Thread, Who};
use crate::json::{details, millis, text};
use crate::pace::Pace;
use crate::speech::{Capabilities, Carries, Content, FilesOut, Outgoing, Settings, Speech, Unit, no_files};
use async_trait::async_trait;
use jiff::Timestamp;
use lodge_channel::fetch::{ApiAnswer, ApiBody, ApiCall, ApiClient, Credentials, MediaPolicy};
use lodge_channel::webhook::{Algorithm, Candidates, Forged, HmacKeys, Unverified, Verified};
use lodge_channel::{Context, Problem, Registrar, Secret, Secrets};
use lodge_domain::delivery::OutboundState;
use lodge_domain::{DeliveryError, Disposition};
use reqwest::Method;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use url::Url;

const API: &str = "https://chatapi.viber.com/pa";

/// The largest file, and the largest picture that is shown as one.
const LARGEST_FILE: u64 = 50 * 1024 * 1024;
const LARGEST_PICTURE: u64 = 1024 * 1024;

/// What a Viber bot can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    verified_by: "HMAC-SHA256 of the body",
    text: (7000, Unit::Characters),
    window: "none",
    public: false,
    files_in: true,
    files_out: FilesOut::Some("by link"),
    changes: "none",
    receipts: "delivered, seen, failed",
    registers: true,
    pace: Pace::new((50, 1), (20, 10)),
};

/// The least keys of its table; see [`crate::scratch`].
pub(crate) const SCRATCH: &str = "auth_token = \"file:secret\"\n";

/// A Viber bot.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Viber {
    /// The bot's token; signs every webhook, and sends. A list while it is changed over, the newest first.
    pub auth_token: Secrets,
    /// The name that people see above our words, up to 28 characters.
    #[serde(default = "support")]
    pub name: String,
    /// Where the bot API is.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub api_base: Option<Url>,
}

fn support() -> String {
    "Support".to_owned()
}

impl Settings for Viber {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        self.auth_token.0.iter().map(|secret| ("auth_token", secret)).collect()
    }

    fn problems(&self) -> Vec<Problem> {
        let fits = (1..=28).contains(&self.name.chars().count());
        let problem = || Problem::new("name", "a sender's name has 1 to 28 characters", "shorten it");
        if fits { Vec::new() } else { vec![problem()] }
    }

    fn understand(&self, body: &[u8], now: Timestamp) -> Vec<Heard> {
        let strange = |why| vec![Heard::Strange { why, id: String::new() }];
        let Ok(value) = serde_json::from_slice::<Value>(body) else { return strange("the body is no JSON") };
        let Some(event) = text(&value, "/event") else { return strange("the body has another shape") };
        let id = text(&value, "/message_token").unwrap_or_default();
        vec![match event.as_str() {
            "message" => message(&value, id, now),
            "delivered" => fared(&value, id, OutboundState::Delivered, "delivered"),
            "seen" => fared(&value, id, OutboundState::Delivered, "seen"),
            "failed" => {
                let words = text(&value, "/desc").unwrap_or_else(|| "failed".to_owned());
                fared(&value, id, OutboundState::Bounced, &words)
            }
            _ => Heard::Nothing { reason: "an event that is no contact", id: Some(id) },
        }]
    }

    fn connect(&self, context: &Context) -> Result<Arc<dyn Speech>, Problem> {
        let tokens =
            self.auth_token.read(&*context.secrets).map_err(|error| unreadable("auth_token", error))?;
        let none = || Problem::new("auth_token", "there is none", "name one");
        Ok(Arc::new(Bot {
            keys: HmacKeys::new(Algorithm::Sha256, &tokens),
            token: tokens.into_iter().next().ok_or_else(none)?,
            name: self.name.clone(),
            api: api(self.api_base.as_ref(), API)?,
            base: self.api_base.clone(),
        }))
    }
}

fn fared(value: &Value, id: String, state: OutboundState, words: &str) -> Heard {
    let party = text(value, "/user_id").unwrap_or_default();
    Heard::Fared(Fared { about: About::Id(id), party, state, words: Some(words.to_owned()) })
}

fn message(value: &Value, id: String, now: Timestamp) -> Heard {
    let Some(account) = text(value, "/sender/id") else { return Heard::Strange { why: "no sender", id } };
    let who = Who { account: account.clone(), name: text(value, "/sender/name"), ..Who::default() };
    let at = millis(value, "/timestamp").unwrap_or(now);
    let mut said = Said::new(id, who, Thread::Private(vec![account.clone()]), at);
    said.way = json!({"receiver": account});
    said.text = text(value, "/message/text").unwrap_or_default();
    said.details = details([("tracking_data", value.pointer("/message/tracking_data").cloned())]);
    let kind = text(value, "/message/type").unwrap_or_default();
    let family = match kind.as_str() {
        "picture" => "image",
        "video" => "video",
        "file" => "file",
        "sticker" => "sticker",
        "text" => return Heard::Said(Box::new(said.as_kind("text", "[a message without words]"))),
        "contact" | "location" | "url" => {
            let inner =
                value.pointer(&format!("/message/{kind}")).or_else(|| value.pointer("/message/media"));
            said.details.insert(kind.clone(), inner.cloned().unwrap_or(Value::Null));
            return Heard::Said(Box::new(said.as_kind(&kind, format!("[{kind}]"))));
        }
        _ => {
            said.unknown = true;
            return Heard::Said(Box::new(said.as_kind("unknown", "[a kind of message that is not known]")));
        }
    };
    said.media.extend(text(value, "/message/media").map(|handle| Media {
        kind: family.to_owned(),
        handle,
        by_id: false,
        name: text(value, "/message/file_name"),
        media_type: None,
        identity: Some(said.id.clone()),
    }));
    Heard::Said(Box::new(said.as_kind(family, format!("[{family}]"))))
}

struct Bot {
    keys: HmacKeys,
    token: SecretString,
    name: String,
    api: ApiClient,
    base: Option<Url>,
}

/// What the status in the body means.
fn checked(answer: ApiAnswer, doing: &str) -> Result<ApiAnswer, DeliveryError> {
    let status = answer.text("/status");
    let words = answer.text("/status_message");
    if !answer.is_success() {
        return Err(answer.error(doing, words.as_deref()));
    }
    let disposition = match status.as_deref() {
        Some("0") => return Ok(answer),
        // Invalid token, no token, account blocked.
        Some("2" | "8" | "11") => Disposition::Misconfigured,
        Some("12") => {
            Disposition::Later { after: Some(answer.retry_after.unwrap_or(crate::replier::TOO_FAST)) }
        }
        // Not registered, not subscribed, bad data, unsupported device.
        Some("3" | "5" | "6" | "7" | "9") => Disposition::Never,
        _ => Disposition::Later { after: None },
    };
    Err(answer.error_as(disposition, doing, words.as_deref()))
}

fn is_picture(media_type: &str, size: u64) -> bool {
    matches!(media_type, "image/jpeg" | "image/png" | "image/gif") && size <= LARGEST_PICTURE
}

impl Bot {
    async fn call(&self, path: &str, body: &Value, doing: &str) -> Result<ApiAnswer, DeliveryError> {
        let headers = vec![("x-viber-auth-token", self.token.expose_secret().to_owned())];
        let credentials = &Credentials::None;
        let body = ApiBody::Json(body);
        checked(
            self.api.call(ApiCall { method: Method::POST, path, credentials, headers, body }).await?,
            doing,
        )
    }
}

#[async_trait]
impl Speech for Bot {
    fn verify<'r>(&self, request: &'r Unverified, _: Timestamp) -> Result<Verified<'r>, Forged> {
        let value = request.header("x-viber-content-signature");
        self.keys.verify(request, &[request.signed_body()], &Candidates::hex(32, value))
    }

    fn carries(&self, _: &Value, _: &str, size: u64) -> Carries {
        if size <= LARGEST_FILE { Carries::Link } else { Carries::Not }
    }

    async fn send(&self, outgoing: &Outgoing<'_>) -> Result<Option<String>, DeliveryError> {
        let mut body = json!({"receiver": outgoing.way.get("receiver"), "type": "text",
            "sender": {"name": self.name}, "min_api_version": 1, "tracking_data": outgoing.id.as_str()});
        match &outgoing.content {
            Content::Text(words) => body["text"] = json!(words),
            Content::Link { media_type, size, href, .. } if is_picture(media_type, *size) => {
                (body["type"], body["media"], body["text"]) = (json!("picture"), json!(href), json!(""));
            }
            Content::Link { name, size, href, .. } => {
                (body["type"], body["media"]) = (json!("file"), json!(href));
                (body["size"], body["file_name"]) = (json!(size), json!(name));
            }
            Content::File { .. } => return Err(no_files()),
        }
        Ok(self.call("send_message", &body, "send a message").await?.text("/message_token"))
    }

    fn media_policy(&self) -> MediaPolicy {
        MediaPolicy::new(&["dl-media.viber.com", "*.viber.com"], self.base.clone())
    }

    fn registrar(self: Arc<Self>) -> Option<Arc<dyn Registrar>> {
        Some(self)
    }
}

#[async_trait]
impl Registrar for Bot {
    async fn register(&self, url: &str) -> Result<String, Problem> {
        let events = ["delivered", "seen", "failed", "subscribed", "unsubscribed", "conversation_started"];
        let body = json!({"url": url, "event_types": events, "send_name": true});
        let remedy = "the gateway has to run already: Viber calls the address while it is set";
        let failed = |error: DeliveryError| Problem::new("auth_token", error.to_string(), remedy);
        let answer = self.call("set_webhook", &body, "set the webhook").await.map_err(failed)?;
        Ok(answer.text("/status_message").unwrap_or_else(|| "the webhook is set".to_owned()))
    }

    async fn status(&self) -> Result<Vec<(String, String)>, Problem> {
        let failed = |error: DeliveryError| {
            Problem::new("auth_token", error.to_string(), "check auth_token and api_base")
        };
        let answer =
            self.call("get_account_info", &json!({}), "ask for the account").await.map_err(failed)?;
        let keys = ["webhook", "name", "subscribers_count", "id"];
        let value = |key: &&str| Some(((*key).to_owned(), answer.text(&format!("/{key}"))?));
        Ok(keys.iter().filter_map(value).collect())
    }
}
