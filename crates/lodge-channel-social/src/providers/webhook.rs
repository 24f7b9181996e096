//! Any program that can sign its webhooks (Standard Webhooks 1.0): the configuration says where in its JSON the id, the
//! sender and the words stand. Addresses in it are passed on and never fetched (T50).

use super::meta::{api, unreadable};
use crate::heard::{Heard, Said, Thread, Who};
use crate::json::text;
use crate::pace::Pace;
use crate::speech::{Capabilities, Content, FilesOut, Outgoing, Settings, Speech, Unit, no_files};
use async_trait::async_trait;
use data_encoding::BASE64;
use jiff::Timestamp;
use lodge_channel::fetch::{ApiBody, ApiCall, ApiClient, Credentials};
use lodge_channel::webhook::{Algorithm, Candidates, Forged, HmacKeys, Unverified, Verified, fresh};
use lodge_channel::{Context, Problem, Secret, SecretSource, Secrets};
use lodge_domain::ports::Clock;
use lodge_domain::{DeliveryError, Disposition};
use reqwest::Method;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use url::Url;

/// What a signed webhook can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    verified_by: "Standard Webhooks (HMAC-SHA256)",
    text: (100_000, Unit::Characters),
    window: "none",
    public: false,
    files_in: false,
    files_out: FilesOut::None,
    changes: "none",
    receipts: "none",
    registers: false,
    pace: Pace::new((50, 1), (20, 10)),
};

/// The least keys of its table; see [`crate::scratch`].
pub(crate) const SCRATCH: &str = "secret = \"file:secret\"\n";

/// Any program that signs its webhooks.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Generic {
    /// Standard Webhooks secret (`whsec_…`); a list while it is changed over.
    pub secret: Secrets,
    /// Where in the JSON what stands.
    #[serde(default)]
    pub map: Map,
    /// Where replies are posted, signed the same way. Without it nothing is acknowledged or answered.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub api_base: Option<Url>,
}

/// JSON pointers (RFC 6901).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Map {
    /// The message's id; where there is none, the webhook's own id counts.
    pub id: String,
    /// The sender's account.
    pub sender: String,
    /// The sender's name.
    pub name: String,
    /// The words.
    pub text: String,
    /// What holds a conversation together; where there is none, the sender does.
    pub conversation: String,
    /// When: RFC 3339, or seconds since 1970.
    pub time: String,
}

impl Default for Map {
    fn default() -> Self {
        let [id, sender, name, text, conversation, time] =
            ["/id", "/sender", "/name", "/text", "/conversation", "/time"].map(str::to_owned);
        Self { id, sender, name, text, conversation, time }
    }
}

impl Generic {
    /// The bytes of the secrets that sign.
    fn keys(&self, source: &dyn SecretSource) -> Result<Vec<Vec<u8>>, Problem> {
        let secrets = self.secret.read(source).map_err(|error| unreadable("secret", error))?;
        let bytes: Option<Vec<Vec<u8>>> = secrets.iter().map(decoded).collect();
        let wrong = || {
            let reason = "a signing secret is `whsec_` and base64 of 24 to 64 bytes";
            Problem::new("secret", reason, "make one: `whsec_` and the output of `openssl rand -base64 32`")
        };
        bytes.ok_or_else(wrong)
    }
}

impl Settings for Generic {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        self.secret.0.iter().map(|secret| ("secret", secret)).collect()
    }

    fn problems(&self) -> Vec<Problem> {
        let map = &self.map;
        let pointers = [
            ("map.id", &map.id),
            ("map.sender", &map.sender),
            ("map.name", &map.name),
            ("map.text", &map.text),
            ("map.conversation", &map.conversation),
            ("map.time", &map.time),
        ];
        let wrong = pointers.into_iter().filter(|(_, pointer)| !pointer.starts_with('/'));
        let problem =
            |(key, _)| Problem::new(key, "a JSON pointer begins with `/`", "write it as `/data/id`");
        wrong.map(problem).collect()
    }

    fn ill_formed(&self, source: &dyn SecretSource) -> Option<Problem> {
        self.keys(source).err()
    }

    fn understand(&self, body: &[u8], now: Timestamp) -> Vec<Heard> {
        self.understand_as(None, body, now)
    }

    fn understand_as(&self, id: Option<&str>, body: &[u8], now: Timestamp) -> Vec<Heard> {
        let own = id.unwrap_or_default().to_owned();
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            return vec![Heard::Strange { why: "the body is no JSON", id: own }];
        };
        let (Some(sender), Some(words)) = (text(&value, &self.map.sender), text(&value, &self.map.text))
        else {
            return vec![Heard::Strange { why: "no sender or no words where the map says", id: own }];
        };
        let conversation = text(&value, &self.map.conversation);
        let thread = conversation.clone().unwrap_or_else(|| sender.clone());
        let id = text(&value, &self.map.id).unwrap_or(own);
        let name = text(&value, &self.map.name);
        let at = text(&value, &self.map.time).and_then(|time| moment(&time)).unwrap_or(now);
        let who = Who { account: sender.clone(), name, ..Who::default() };
        // Several people may write in a conversation that has a name of its own.
        let thread =
            if conversation.is_some() { Thread::Shared(thread) } else { Thread::Private(vec![thread]) };
        let mut said = Said::new(id, who, thread, at);
        said.text = words;
        if self.api_base.is_some() {
            said.way = json!({"sender": sender, "conversation": conversation});
        }
        vec![Heard::Said(Box::new(said))]
    }

    fn connect(&self, context: &Context) -> Result<Arc<dyn Speech>, Problem> {
        let bytes = self.keys(&*context.secrets)?;
        let client = self.api_base.as_ref().map(|base| api(Some(base), "")).transpose()?;
        let keys = HmacKeys::of_bytes(Algorithm::Sha256, bytes.iter().map(Vec::as_slice));
        Ok(Arc::new(Signed { keys, client, clock: Arc::clone(&context.clock) }))
    }
}

fn decoded(secret: &SecretString) -> Option<Vec<u8>> {
    let encoded = secret.expose_secret().trim().strip_prefix("whsec_")?;
    let bytes = BASE64.decode(encoded.as_bytes()).ok()?;
    (24..=64).contains(&bytes.len()).then_some(bytes)
}

fn moment(time: &str) -> Option<Timestamp> {
    time.parse().ok().or_else(|| Timestamp::from_second(time.split('.').next()?.parse().ok()?).ok())
}

struct Signed {
    keys: HmacKeys,
    client: Option<ApiClient>,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Speech for Signed {
    fn verify<'r>(&self, request: &'r Unverified, now: Timestamp) -> Result<Verified<'r>, Forged> {
        let id = request.header("webhook-id").ok_or(Forged("the id is missing"))?;
        // A dot in the id could move the border between id, timestamp and body.
        if id.is_empty() || id.len() > 256 || id.bytes().any(|b| !b.is_ascii_graphic() || b == b'.') {
            return Err(Forged("the id is none"));
        }
        let time = request.header("webhook-timestamp");
        fresh(time, now)?;
        let list = request.header("webhook-signature").unwrap_or_default();
        let candidates = Candidates::base64(32, list.split(' ').filter_map(|one| one.strip_prefix("v1,")));
        let time = time.unwrap_or_default().as_bytes();
        self.keys.verify(request, &[id.as_bytes(), b".", time, b".", request.signed_body()], &candidates)
    }

    fn id_of(&self, request: &Verified<'_>) -> Option<String> {
        request.request().header("webhook-id").map(str::to_owned)
    }

    async fn send(&self, outgoing: &Outgoing<'_>) -> Result<Option<String>, DeliveryError> {
        let nowhere = || DeliveryError::new(Disposition::Misconfigured, "post a reply: api_base is not set");
        let client = self.client.as_ref().ok_or_else(nowhere)?;
        let Content::Text(words) = &outgoing.content else { return Err(no_files()) };
        let id = format!("{}-{}", outgoing.id, outgoing.part);
        let data = json!({"id": id, "to": outgoing.way.get("sender"),
            "conversation": outgoing.way.get("conversation"), "text": words});
        let body = json!({"type": "reply", "data": data});
        let time = self.clock.now().as_second().to_string();
        let parts = [id.as_bytes(), b".", time.as_bytes(), b".", body.to_string().as_bytes()].concat();
        let signature = self.keys.sign(&[&parts]).map(|mac| format!("v1,{}", BASE64.encode(&mac)));
        let headers = vec![
            ("webhook-id", id.clone()),
            ("webhook-timestamp", time),
            ("webhook-signature", signature.unwrap_or_default()),
        ];
        let (credentials, body) = (&Credentials::None, ApiBody::Json(&body));
        let answer =
            client.call(ApiCall { method: Method::POST, path: "", credentials, headers, body }).await?;
        if answer.is_success() { Ok(Some(id)) } else { Err(answer.error("post a reply", None)) }
    }
}
