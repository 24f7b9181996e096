//! Text messages (SMS, MMS) and WhatsApp by Plivo.
//!
//! The signature of version 3 covers address and form. The older one of text messages covers the address and a nonce alone:
//! whoever saw one could say anything with it, so a nonce is good for the body that it came with first, and for no other.

use super::meta::{api, unreadable};
use super::twilio_compat::own_address;
use crate::heard::{About, Fared, Heard, Media};
use crate::json::{details, text};
use crate::numbers::{e164, hush, longest, mms, said};
use crate::pace::Pace;
use crate::speech::{Capabilities, Carries, Content, FilesOut, Outgoing, Settings, Speech, Unit, no_files};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use lodge_channel::fetch::{
    ApiAnswer, ApiBody, ApiCall, ApiClient, Credentials, MediaError, MediaPolicy, escaped,
};
use lodge_channel::webhook::{
    Algorithm, Answer, Forged, Form, HmacKeys, Unverified, Verified, plivo_v2, plivo_v3,
};
use lodge_channel::{Context, Plain, Problem, Secret, Secrets};
use lodge_domain::delivery::OutboundState;
use lodge_domain::ports::Outcome;
use lodge_domain::{DeliveryError, Digest, Disposition, HandleKind, OutboundId, PartyHandle, digest_parts};
use reqwest::Method;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use url::Url;

const API: &str = "https://api.plivo.com";
/// How long a WhatsApp message can be answered.
const WINDOW: SignedDuration = SignedDuration::from_hours(24);
/// The largest file of a message.
const LARGEST_FILE: u64 = 5_000_000;
/// How many nonces are remembered.
const MOST_NONCES: usize = 20_000;

/// What a number at Plivo can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    verified_by: "HMAC-SHA256 of address, form and nonce, or of address and nonce (version 2)",
    // 737 where a character is outside of the small alphabet.
    text: (1600, Unit::Characters),
    window: "24 h by WhatsApp",
    public: false,
    files_in: true,
    files_out: FilesOut::Some("up to 5 MB by WhatsApp, by link"),
    changes: "none",
    receipts: "sent, delivered, read, failed",
    registers: false,
    pace: Pace::new((25, 1), (20, 20)),
};

/// The least keys of its table; see [`crate::scratch`].
pub(crate) const SCRATCH: &str = "auth_id = \"0\"\nauth_token = \"file:secret\"\nfrom = \"+0\"\n";

/// A number at Plivo. What comes to a WhatsApp number is answered within 24 hours.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plivo {
    /// The account's auth id.
    pub auth_id: Plain,
    /// The account's auth token; signs every webhook, and sends. A list while it is changed over, the newest first.
    pub auth_token: Secrets,
    /// The number that sends.
    pub from: String,
    /// Where the API is.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub api_base: Option<Url>,
}

impl Settings for Plivo {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        let id = self.auth_id.reference().map(|id| ("auth_id", id));
        id.into_iter().chain(self.auth_token.0.iter().map(|secret| ("auth_token", secret))).collect()
    }

    fn signs_address(&self) -> bool {
        true
    }

    fn account(&self) -> Option<String> {
        Some(self.from.clone())
    }

    fn understand(&self, body: &[u8], now: Timestamp) -> Vec<Heard> {
        vec![understand(&Form::parse(body), now)]
    }

    /// News of what we sent come to an address of their own, which names it and is signed with the rest: so they are
    /// understood even where they overtake the answer that gives the message's id.
    fn understand_as(&self, id: Option<&str>, body: &[u8], now: Timestamp) -> Vec<Heard> {
        let mut heard = self.understand(body, now);
        if let (Some(Heard::Fared(fared)), Some(mark)) = (heard.first_mut(), id.and_then(OutboundId::parse)) {
            fared.about = About::Mark(mark);
        }
        heard
    }

    fn connect(&self, context: &Context) -> Result<Arc<dyn Speech>, Problem> {
        let source = &*context.secrets;
        let id = self.auth_id.read(source).map_err(|error| unreadable("auth_id", error))?;
        let tokens = self.auth_token.read(source).map_err(|error| unreadable("auth_token", error))?;
        let missing = || Problem::new("auth_token", "there is none", "name one");
        Ok(Arc::new(Number {
            keys: HmacKeys::new(Algorithm::Sha256, &tokens),
            password: tokens.first().cloned().ok_or_else(missing)?,
            id,
            api: api(self.api_base.as_ref(), API)?,
            settings: self.clone(),
            webhook: own_address(context),
            nonces: Nonces::default(),
        }))
    }
}

fn understand(form: &Form, now: Timestamp) -> Heard {
    let field = |key: &str| form.filled(key).map(str::to_owned);
    let (Some(id), Some(from), Some(to)) = (field("MessageUUID"), field("From"), field("To")) else {
        return Heard::Strange { why: "not a message's fields", id: String::new() };
    };
    match field("Status").filter(|status| status != "received") {
        Some(status) => fared(form, id, &to, &status),
        None => message(form, id, &from, &to, now),
    }
}

fn fared(form: &Form, id: String, to: &str, status: &str) -> Heard {
    let state = match status {
        "sent" => OutboundState::Sent,
        "delivered" | "read" => OutboundState::Delivered,
        "undelivered" | "failed" | "rejected" => OutboundState::Bounced,
        _ => return Heard::Nothing { reason: "on its way", id: Some(id) },
    };
    // A long text goes in parts, each with an id of its own and that of the whole.
    let id = form.filled("ParentMessageUUID").map_or(id, str::to_owned);
    let code = form.filled("ErrorCode").filter(|code| *code != "000");
    let words = code.map_or_else(|| status.to_owned(), |code| format!("{status} ({code})"));
    let party = e164(to).unwrap_or_else(|| to.to_owned());
    Heard::Fared(Fared { about: About::Id(id), party, state, words: Some(words) })
}

fn message(form: &Form, id: String, from: &str, to: &str, now: Timestamp) -> Heard {
    let field = |key: &str| form.filled(key).map(str::to_owned);
    let kind = field("Type").unwrap_or_else(|| "sms".to_owned());
    let whatsapp = kind == "whatsapp";
    let way = json!({"to": from, "from": to, "type": whatsapp.then_some("whatsapp")});
    let mut said = said(id, from, to, way, now);
    said.window_ends_at = whatsapp.then(|| now.checked_add(WINDOW).ok()).flatten();
    said.from.name = field("ProfileName");
    said.text = field("Text").or_else(|| field("Body")).or_else(|| field("ButtonText")).unwrap_or_default();
    let payload = field("ButtonPayload").map(Value::from);
    let pressed = payload.is_some();
    said.details = details([("type", Some(json!(kind))), ("payload", payload)]);
    for at in 0..20 {
        let Some(handle) = field(&format!("Media{at}")) else { continue };
        let identity = handle.split('?').next().map(str::to_owned);
        said.media.push(Media {
            kind: "file".to_owned(),
            handle,
            by_id: false,
            name: None,
            media_type: None,
            identity,
        });
    }
    if let (Some(latitude), Some(longitude)) = (field("Latitude"), field("Longitude")) {
        let place = json!({"latitude": latitude, "longitude": longitude});
        said.details.insert("location".to_owned(), place);
        return Heard::Said(Box::new(
            said.as_kind("location", format!("[location {latitude}, {longitude}]")),
        ));
    }
    if !whatsapp {
        hush(&mut said);
    }
    let (kind, words) = match (pressed, said.media.is_empty()) {
        (true, _) => ("button", "[button]"),
        (false, false) => ("file", "[file]"),
        (false, true) => ("text", "[a message without words]"),
    };
    Heard::Said(Box::new(said.as_kind(kind, words)))
}

/// The nonces of signatures that do not cover their body, each with the body that it came with.
#[derive(Default)]
struct Nonces(Mutex<(HashMap<Digest, Digest>, VecDeque<Digest>)>);

impl Nonces {
    /// Whether this is the first body of its nonce, or the same once more.
    fn admit(&self, request: &Unverified) -> bool {
        let nonce = request.header("x-plivo-signature-v2-nonce").unwrap_or_default();
        let nonce = digest_parts(&[nonce.as_bytes()]);
        let body = digest_parts(&[request.signed_body()]);
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, order) = &mut *seen;
        if let Some(first) = known.get(&nonce) {
            return *first == body;
        }
        if order.len() >= MOST_NONCES
            && let Some(oldest) = order.pop_front()
        {
            known.remove(&oldest);
        }
        known.insert(nonce, body);
        order.push_back(nonce);
        true
    }
}

struct Number {
    keys: HmacKeys,
    id: String,
    password: SecretString,
    api: ApiClient,
    settings: Plivo,
    /// Where news of what we send is posted.
    webhook: Option<String>,
    nonces: Nonces,
}

fn failure(answer: &ApiAnswer) -> DeliveryError {
    let words = answer.text("/error").or_else(|| answer.text("/message"));
    let disposition = match answer.status {
        401..=403 => Disposition::Misconfigured,
        400 | 404 | 422 => Disposition::Never,
        _ => return answer.error("send a message", words.as_deref()),
    };
    answer.error_as(disposition, "send a message", words.as_deref())
}

/// Whether the request claims the signature that covers all of it.
fn signed_whole(request: &Unverified) -> bool {
    request.has_header("x-plivo-signature-v3") || request.has_header("x-plivo-signature-ma-v3")
}

impl Number {
    fn credentials(&self) -> Credentials {
        Credentials::Basic(self.id.clone(), self.password.clone())
    }
}

#[async_trait]
impl Speech for Number {
    fn media_types(&self) -> &[&str] {
        &["application/x-www-form-urlencoded"]
    }

    fn verify<'r>(&self, request: &'r Unverified, _: Timestamp) -> Result<Verified<'r>, Forged> {
        if signed_whole(request) {
            return plivo_v3(&self.keys, request);
        }
        let verified = plivo_v2(&self.keys, request)?;
        if self.nonces.admit(request) {
            Ok(verified)
        } else {
            Err(Forged("the nonce was used for another body"))
        }
    }

    fn id_of(&self, request: &Verified<'_>) -> Option<String> {
        // The older signature does not cover the query.
        let covered = signed_whole(request.request());
        request.query().get("about").filter(|_| covered).map(str::to_owned)
    }

    fn answer(&self, _: &Verified<'_>, _: &[Outcome]) -> Answer {
        Answer::with("text/xml", "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>")
    }

    fn beyond_window(&self, _: Timestamp, _: Timestamp) -> Result<(), String> {
        Err("allowed templates: those approved for this number, by its console".to_owned())
    }

    fn limit(&self, way: &Value, words: &str) -> Option<(usize, Unit)> {
        let whatsapp = text(way, "/type").as_deref() == Some("whatsapp");
        Some(if whatsapp { (4096, Unit::Characters) } else { longest(words, 1600, 737) })
    }

    fn carries(&self, way: &Value, media_type: &str, size: u64) -> Carries {
        let whatsapp = text(way, "/type").as_deref() == Some("whatsapp");
        let fits = whatsapp && mms(media_type) && size <= LARGEST_FILE;
        if fits { Carries::Link } else { Carries::Not }
    }

    async fn send(&self, outgoing: &Outgoing<'_>) -> Result<Option<String>, DeliveryError> {
        let from = text(outgoing.way, "/from").unwrap_or_else(|| self.settings.from.clone());
        let mut body = json!({"src": from, "dst": outgoing.way.get("to")});
        match &outgoing.content {
            Content::Text(words) => body["text"] = json!(words),
            Content::Link { href, .. } => body["media_urls"] = json!([href]),
            Content::File { .. } => return Err(no_files()),
        }
        if let Some(kind) = text(outgoing.way, "/type") {
            body["type"] = json!(kind);
        }
        if let Some(webhook) = &self.webhook {
            body["url"] = json!(format!("{webhook}?about={}", outgoing.id));
            body["method"] = json!("POST");
        }
        let path = format!("v1/Account/{}/Message/", escaped(&self.id));
        let (credentials, body) = (&self.credentials(), ApiBody::Json(&body));
        let call = ApiCall { method: Method::POST, path: &path, credentials, headers: Vec::new(), body };
        let answer = self.api.call(call).await?;
        if answer.is_success() { Ok(answer.text("/message_uuid/0")) } else { Err(failure(&answer)) }
    }

    fn media_policy(&self) -> MediaPolicy {
        MediaPolicy::new(&["*.plivo.com"], self.settings.api_base.clone())
    }

    async fn locate(&self, media: &Media) -> Result<(String, Credentials), MediaError> {
        Ok((media.handle.clone(), self.credentials()))
    }

    fn way_to(&self, party: &PartyHandle) -> Option<Value> {
        (party.kind == HandleKind::Phone)
            .then(|| json!({"to": party.value, "from": self.settings.from, "type": null}))
    }
}
