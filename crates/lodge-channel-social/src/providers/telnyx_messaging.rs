//! Text messages (SMS, MMS) by Telnyx. Webhooks come unordered, at once and more than once, and want their answer within two
//! seconds.

use super::meta::{api, unreadable};
use super::twilio_compat::own_address;
use crate::heard::{About, Fared, Heard, Media};
use crate::json::{details, items, text};
use crate::numbers::{self, e164, hush, longest, said};
use crate::pace::Pace;
use crate::speech::{
    Capabilities, Carries, Content, FilesOut, Outgoing, Settings, Speech, Unit, family, no_files,
};
use async_trait::async_trait;
use jiff::Timestamp;
use lodge_channel::fetch::{ApiAnswer, ApiBody, ApiCall, ApiClient, Credentials, MediaPolicy};
use lodge_channel::webhook::{Candidates, Ed25519Key, Forged, Unverified, Verified, fresh};
use lodge_channel::{Context, OneOrMany, Plain, Problem, Secret, SecretSource};
use lodge_domain::delivery::OutboundState;
use lodge_domain::{DeliveryError, Disposition, HandleKind, OutboundId, PartyHandle};
use reqwest::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use url::Url;

const API: &str = "https://api.telnyx.com";

/// The largest file that carriers take.
const LARGEST_FILE: u64 = 1_000_000;

/// What a number at Telnyx can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    verified_by: "Ed25519 of time and body",
    // Ten segments; 670 where a character is outside of the small alphabet.
    text: (1530, Unit::Characters),
    window: "none",
    public: false,
    files_in: true,
    files_out: FilesOut::Some("up to 1 MB, by link"),
    changes: "none",
    receipts: "sent, delivered, failed",
    registers: false,
    pace: Pace::new((50, 1), (20, 20)),
};

/// The least keys of its table; see [`crate::scratch`].
pub(crate) const SCRATCH: &str = "public_key = \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"\napi_key = \"file:secret\"\nfrom = \"+0\"\n";

/// A number at Telnyx.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Telnyx {
    /// The account's public key, in base64; verifies every webhook. A list while it is changed over.
    pub public_key: OneOrMany<Plain>,
    /// The API key; sends.
    pub api_key: Secret,
    /// The number that sends.
    pub from: String,
    /// The messaging profile that sends, where the number alone does not say it.
    #[serde(default)]
    pub messaging_profile_id: Option<String>,
    /// Where the API is.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub api_base: Option<Url>,
}

impl Telnyx {
    /// The keys that it signs with.
    fn keys(&self, source: &dyn SecretSource) -> Result<Ed25519Key, Problem> {
        let keys: Result<Vec<String>, _> = self.public_key.0.iter().map(|key| key.read(source)).collect();
        let keys = keys.map_err(|error| unreadable("public_key", error))?;
        let wrong = || {
            Problem::new("public_key", "this is no key", "copy it from the portal: 44 characters of base64")
        };
        Ed25519Key::base64(keys.iter().map(String::as_str)).ok_or_else(wrong)
    }
}

impl Settings for Telnyx {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        let keys = self.public_key.0.iter().filter_map(Plain::reference).map(|key| ("public_key", key));
        keys.chain([("api_key", &self.api_key)]).collect()
    }

    fn account(&self) -> Option<String> {
        Some(self.from.clone())
    }

    fn ill_formed(&self, source: &dyn SecretSource) -> Option<Problem> {
        self.keys(source).err()
    }

    fn understand(&self, body: &[u8], now: Timestamp) -> Vec<Heard> {
        understand(body, now)
    }

    fn connect(&self, context: &Context) -> Result<Arc<dyn Speech>, Problem> {
        let source = &*context.secrets;
        let key = source.read(&self.api_key).map_err(|error| unreadable("api_key", error))?;
        Ok(Arc::new(Number {
            keys: self.keys(source)?,
            credentials: Credentials::Bearer(key),
            api: api(self.api_base.as_ref(), API)?,
            settings: self.clone(),
            webhook: own_address(context),
        }))
    }
}

fn understand(body: &[u8], now: Timestamp) -> Vec<Heard> {
    let strange = |why, id| vec![Heard::Strange { why, id }];
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return strange("the body is no JSON", String::new());
    };
    let data = value.get("data").unwrap_or(&Value::Null);
    let payload = data.get("payload").unwrap_or(&Value::Null);
    let at = text(data, "/occurred_at").and_then(|at| at.parse().ok()).unwrap_or(now);
    let id = text(data, "/id").unwrap_or_default();
    match text(data, "/event_type").unwrap_or_default().as_str() {
        "message.received" => vec![message(payload, id, at)],
        "message.sent" | "message.finalized" => {
            let Some(id) = text(payload, "/id") else { return strange("news of nothing", id) };
            items(payload, "/to").iter().map(|to| fared(payload, to, &id)).collect()
        }
        "" => strange("the body has another shape", id),
        known if !known.starts_with("message.") => {
            vec![Heard::Nothing { reason: "an event that is no message", id: Some(id) }]
        }
        _ => strange("an event of a kind that is not known", id),
    }
}

fn message(payload: &Value, event: String, at: Timestamp) -> Heard {
    let id = text(payload, "/id").unwrap_or(event);
    let Some(from) = text(payload, "/from/phone_number") else {
        return Heard::Strange { why: "no sender", id };
    };
    let to = text(payload, "/to/0/phone_number").unwrap_or_default();
    let mut said = said(id, &from, &to, json!({"to": from, "from": to}), at);
    said.text = text(payload, "/text").unwrap_or_default();
    let others: Vec<String> =
        items(payload, "/cc").iter().filter_map(|one| text(one, "/phone_number")).take(50).collect();
    said.details = details([
        ("type", text(payload, "/type").map(Value::from)),
        ("carrier", text(payload, "/from/carrier").map(Value::from)),
        ("cc", (!others.is_empty()).then(|| Value::from(others))),
    ]);
    for file in items(payload, "/media").iter().take(20) {
        let media_type = text(file, "/content_type");
        let kind = family(media_type.as_deref().unwrap_or_default(), "file").to_owned();
        let identity = text(file, "/hash_sha256");
        said.media.extend(text(file, "/url").map(|handle| Media {
            kind,
            handle,
            by_id: false,
            name: None,
            media_type,
            identity,
        }));
    }
    hush(&mut said);
    let kind = said.media.first().map_or("text", |media| media.kind.as_str()).to_owned();
    let words = if kind == "text" { "[a message without words]".to_owned() } else { format!("[{kind}]") };
    Heard::Said(Box::new(said.as_kind(&kind, words)))
}

fn fared(payload: &Value, to: &Value, id: &str) -> Heard {
    let status = text(to, "/status").unwrap_or_default();
    let state = match status.as_str() {
        // Nobody says that it arrived, nor that it did not.
        "sent" | "delivery_unconfirmed" => OutboundState::Sent,
        "delivered" => OutboundState::Delivered,
        "sending_failed" | "delivery_failed" => OutboundState::Bounced,
        _ => return Heard::Nothing { reason: "on its way", id: Some(id.to_owned()) },
    };
    let why = [text(payload, "/errors/0/code"), text(payload, "/errors/0/title")];
    let why = why.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let words = if why.is_empty() { status } else { format!("{status} ({why})") };
    let party = text(to, "/phone_number").unwrap_or_default();
    let party = e164(&party).unwrap_or(party);
    // Our own mark finds it even where the news overtakes the answer that gives the id.
    let mark = text(payload, "/tags/0").and_then(|mark| OutboundId::parse(&mark));
    let about = mark.map_or_else(|| About::Id(id.to_owned()), About::Mark);
    Heard::Fared(Fared { about, party, state, words: Some(words) })
}

struct Number {
    keys: Ed25519Key,
    credentials: Credentials,
    api: ApiClient,
    settings: Telnyx,
    /// Where news of what we send is posted.
    webhook: Option<String>,
}

fn failure(answer: &ApiAnswer) -> DeliveryError {
    let code = answer.text("/errors/0/code").unwrap_or_default();
    let words = answer.text("/errors/0/detail").or_else(|| answer.text("/errors/0/title"));
    let words = words.map(|words| format!("{words} (code {code})"));
    let disposition = match code.as_str() {
        // The number, the person, their choice.
        "40001" | "40008" | "40300" | "40310" | "40315" => Disposition::Never,
        // Our number, profile, campaign or balance.
        "10009" | "20100" | "40010" | "40305" | "40306" | "40312" => Disposition::Misconfigured,
        _ => return answer.error("send a message", words.as_deref()),
    };
    answer.error_as(disposition, "send a message", words.as_deref())
}

#[async_trait]
impl Speech for Number {
    fn verify<'r>(&self, request: &'r Unverified, now: Timestamp) -> Result<Verified<'r>, Forged> {
        let time = request.header("telnyx-timestamp");
        fresh(time, now)?;
        let candidates = Candidates::base64(64, request.header("telnyx-signature-ed25519"));
        let parts = [time.unwrap_or_default().as_bytes(), b"|", request.signed_body()];
        self.keys.verify(request, &parts, &candidates)
    }

    fn limit(&self, _: &Value, words: &str) -> Option<(usize, Unit)> {
        Some(longest(words, 1530, 670))
    }

    fn carries(&self, _: &Value, media_type: &str, size: u64) -> Carries {
        if numbers::mms(media_type) && size <= LARGEST_FILE { Carries::Link } else { Carries::Not }
    }

    async fn send(&self, outgoing: &Outgoing<'_>) -> Result<Option<String>, DeliveryError> {
        let (words, files) = match &outgoing.content {
            Content::Text(words) => (*words, None),
            Content::Link { href, .. } => ("", Some(*href)),
            Content::File { .. } => return Err(no_files()),
        };
        let from = text(outgoing.way, "/from").unwrap_or_else(|| self.settings.from.clone());
        let mut body = json!({
            "from": from, "to": outgoing.way.get("to"), "text": words, "tags": [outgoing.id.as_str()],
        });
        if let Some(file) = files {
            (body["media_urls"], body["type"]) = (json!([file]), json!("MMS"));
        }
        if let Some(profile) = &self.settings.messaging_profile_id {
            body["messaging_profile_id"] = json!(profile);
        }
        if let Some(webhook) = &self.webhook {
            body["webhook_url"] = json!(webhook);
        }
        let (credentials, body) = (&self.credentials, ApiBody::Json(&body));
        let call =
            ApiCall { method: Method::POST, path: "v2/messages", credentials, headers: Vec::new(), body };
        let answer = self.api.call(call).await?;
        if answer.is_success() { Ok(answer.text("/data/id")) } else { Err(failure(&answer)) }
    }

    fn media_policy(&self) -> MediaPolicy {
        MediaPolicy::new(&["*.telnyx.com", "*.telnyxstorage.com"], self.settings.api_base.clone())
    }

    fn way_to(&self, party: &PartyHandle) -> Option<Value> {
        (party.kind == HandleKind::Phone).then(|| json!({"to": party.value, "from": self.settings.from}))
    }
}
