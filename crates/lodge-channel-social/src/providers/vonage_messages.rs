//! Vonage's Messages API: text messages, WhatsApp and whatever else the application is linked to, each with its own channel
//! and the same shape. Webhooks carry a token of the account's signature secret that pins the body's hash; webhooks of the
//! older SMS API are forms, signed field by field.

mod inbound;

use super::meta::{api, unreadable};
use super::twilio_compat::own_address;
use crate::heard::{Heard, Media};
use crate::json::text;
use crate::numbers::longest;
use crate::pace::Pace;
use crate::replier::TOO_FAST;
use crate::speech::{Capabilities, Carries, Content, FilesOut, Outgoing, Settings, Speech, Unit, no_files};
use async_trait::async_trait;
use jiff::Timestamp;
use lodge_channel::fetch::{
    ApiAnswer, ApiBody, ApiCall, ApiClient, AppKey, Credentials, MediaError, MediaPolicy, listed,
};
use lodge_channel::webhook::{
    Forged, Form, JwtKeys, JwtRules, Unverified, Verified, VonageForms, fresh, payload_hash_fits,
};
use lodge_channel::{Context, Plain, Problem, Secret, Secrets};
use lodge_domain::ports::{Clock, Entropy};
use lodge_domain::{DeliveryError, Disposition, HandleKind, PartyHandle};
use reqwest::Method;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use url::Url;

const API: &str = "https://api.nexmo.com";
/// Where files lie.
const HOSTS: &[&str] = &["*.nexmo.com", "*.vonage.com"];
/// How old a webhook's token may be, and for how long ours are good, in seconds.
const MOST_AGE: i64 = 300;

/// What an application at Vonage can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    verified_by: "HS256 token with the body's hash; older forms by HMAC of their fields",
    // Of text messages; WhatsApp takes 4,096.
    text: (1000, Unit::Characters),
    window: "24 h by WhatsApp, Messenger and Instagram",
    public: false,
    files_in: true,
    files_out: FilesOut::Some("by WhatsApp, Messenger and MMS, by link"),
    changes: "none",
    receipts: "sent, delivered, read, failed",
    registers: false,
    pace: Pace::new((25, 1), (20, 20)),
};

/// The least keys of its table; see [`crate::scratch`].
pub(crate) const SCRATCH: &str = "application_id = \"0\"\nprivate_key = \"file:secret\"\n\
    signature_secret = \"file:secret\"\nfrom = \"0\"\n";

/// An application at Vonage. What comes by WhatsApp or Messenger is answered within 24 hours.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Vonage {
    /// The application's id.
    pub application_id: Plain,
    /// The application's private key (PEM); sends, and fetches files.
    pub private_key: Secret,
    /// The account's signature secret; signs every webhook. A list while it is changed over. Forms of the older SMS API are
    /// believed by any keyed hash (HMAC) that the account may choose.
    pub signature_secret: Secrets,
    /// Whether forms of the older SMS API are believed by the MD5 hash without a key, too. Accounts made long ago sign so; it is
    /// better to choose SHA-256 HMAC in their settings.
    #[serde(default)]
    pub legacy_md5_hash: bool,
    /// The number that sends text messages.
    pub from: String,
    /// Where the API is.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub api_base: Option<Url>,
}

impl Settings for Vonage {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        let id = self.application_id.reference().map(|id| ("application_id", id));
        let signing = self.signature_secret.0.iter().map(|secret| ("signature_secret", secret));
        id.into_iter().chain(signing).chain([("private_key", &self.private_key)]).collect()
    }

    fn account(&self) -> Option<String> {
        Some(self.from.clone())
    }

    fn understand(&self, body: &[u8], now: Timestamp) -> Vec<Heard> {
        vec![inbound::understand(body, now)]
    }

    fn connect(&self, context: &Context) -> Result<Arc<dyn Speech>, Problem> {
        let source = &*context.secrets;
        let id = self.application_id.read(source).map_err(|error| unreadable("application_id", error))?;
        let secrets =
            self.signature_secret.read(source).map_err(|error| unreadable("signature_secret", error))?;
        let pem = source.read(&self.private_key).map_err(|error| unreadable("private_key", error))?;
        let wrong = || {
            let remedy = "take the file that Vonage gave when the application was made (`file:private.key`)";
            Problem::new("private_key", "this is no RSA key in PEM", remedy)
        };
        Ok(Arc::new(Application {
            tokens: JwtKeys::Shared(secrets.clone()),
            forms: VonageForms::new(&secrets, self.legacy_md5_hash),
            key: AppKey::pem(&pem).ok_or_else(wrong)?,
            id,
            api: api(self.api_base.as_ref(), API)?,
            settings: self.clone(),
            webhook: own_address(context),
            clock: Arc::clone(&context.clock),
            entropy: Arc::clone(&context.entropy),
        }))
    }
}

struct Application {
    tokens: JwtKeys,
    forms: VonageForms,
    key: AppKey,
    id: String,
    api: ApiClient,
    settings: Vonage,
    /// Where news of what we send is posted.
    webhook: Option<String>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// What a refusal means for the next try. Errors are named by addresses that end in their number.
fn failure(answer: &ApiAnswer) -> DeliveryError {
    const DOING: &str = "send a message";
    let kind = answer.text("/type").unwrap_or_default();
    let code = kind.rsplit(['#', '/']).next().unwrap_or_default();
    let words = answer.text("/detail").or_else(|| answer.text("/title"));
    let words = words.map(|words| format!("{words} ({code})"));
    let disposition = match (answer.status, code) {
        (_, "1000") | (429, _) => Disposition::Later { after: Some(answer.retry_after.unwrap_or(TOO_FAST)) },
        // The window, the person, their choice, the message.
        (
            _,
            "1340" | "1120" | "1170" | "1180" | "1210" | "1240" | "1241" | "1250" | "1290" | "1300" | "1310",
        ) => Disposition::Never,
        (400 | 404 | 422, _) => Disposition::Never,
        // The key, the application, the balance.
        (401..=403, _) => Disposition::Misconfigured,
        _ => return answer.error(DOING, words.as_deref()),
    };
    answer.error_as(disposition, DOING, words.as_deref())
}

/// The kind of message as which a file goes by a channel, where it does.
fn carried(channel: &str, media_type: &str, size: u64) -> Option<&'static str> {
    const MEGABYTE: u64 = 1_000_000;
    let kind = match media_type.split('/').next() {
        Some("image") => "image",
        Some("audio") => "audio",
        Some("video") => "video",
        _ => "file",
    };
    let (kind, largest) = match (channel, media_type) {
        ("whatsapp", "image/jpeg" | "image/png") if size <= 5 * MEGABYTE => (kind, 5 * MEGABYTE),
        ("whatsapp", "video/mp4" | "video/3gpp" | "audio/aac" | "audio/mp4" | "audio/mpeg" | "audio/amr")
            if size <= 16 * MEGABYTE =>
        {
            (kind, 16 * MEGABYTE)
        }
        // Anything goes as a document.
        ("whatsapp", _) => ("file", 100 * MEGABYTE),
        ("messenger", _) => (kind, 25 * MEGABYTE),
        ("mms", "image/jpeg" | "image/png" | "image/gif") => (kind, 600_000),
        _ => return None,
    };
    (size <= largest).then_some(kind)
}

impl Application {
    /// A token that says who we are, for one call.
    fn token(&self) -> Result<SecretString, DeliveryError> {
        let now = self.clock.now().as_second();
        let claims = json!({
            "application_id": self.id, "iat": now, "exp": now + MOST_AGE, "jti": self.entropy.token(),
        });
        let failed = || DeliveryError::new(Disposition::Misconfigured, "sign a token with the private key");
        self.key.token(&claims).ok_or_else(failed)
    }
}

#[async_trait]
impl Speech for Application {
    fn media_types(&self) -> &[&str] {
        &["application/json", "application/x-www-form-urlencoded"]
    }

    fn verify<'r>(&self, request: &'r Unverified, now: Timestamp) -> Result<Verified<'r>, Forged> {
        if request.media_type().as_deref() == Some("application/x-www-form-urlencoded") {
            fresh(Form::parse(request.signed_body()).get("timestamp"), now)?;
            return self.forms.verify(request);
        }
        let rules = JwtRules { issuer: None, audience: None, leeway: 60, max_age: Some(MOST_AGE) };
        let token = self.tokens.verify(request, &rules, now)?;
        if payload_hash_fits(token.claims.get("payload_hash"), request.signed_body()) {
            Ok(token.verified)
        } else {
            Err(Forged("the token is for another body"))
        }
    }

    fn beyond_window(&self, _: Timestamp, _: Timestamp) -> Result<(), String> {
        Err("allowed templates: those approved for this number, by its console".to_owned())
    }

    fn limit(&self, way: &Value, words: &str) -> Option<(usize, Unit)> {
        match text(way, "/channel").as_deref() {
            Some("whatsapp") => Some((4096, Unit::Characters)),
            Some("messenger") => Some((640, Unit::Utf16)),
            Some("sms" | "mms") => Some(longest(words, 1000, 670)),
            _ => None,
        }
    }

    fn carries(&self, way: &Value, media_type: &str, size: u64) -> Carries {
        let channel = text(way, "/channel").unwrap_or_default();
        carried(&channel, media_type, size).map_or(Carries::Not, |_| Carries::Link)
    }

    async fn send(&self, outgoing: &Outgoing<'_>) -> Result<Option<String>, DeliveryError> {
        let channel = text(outgoing.way, "/channel").unwrap_or_default();
        let (kind, part) = match &outgoing.content {
            Content::Text(words) => ("text", json!(words)),
            Content::Link { name, media_type, size, href } => {
                let kind = carried(&channel, media_type, *size).ok_or_else(no_files)?;
                let named = kind == "file" && channel == "whatsapp";
                (kind, if named { json!({"url": href, "name": name}) } else { json!({"url": href}) })
            }
            Content::File { .. } => return Err(no_files()),
        };
        let mut body = json!({
            "message_type": kind,
            kind: part,
            "channel": outgoing.way.get("channel"),
            "to": outgoing.way.get("to"),
            "from": outgoing.way.get("from"),
            "client_ref": outgoing.id.as_str(),
        });
        if let Some(webhook) = &self.webhook {
            body["webhook_url"] = json!(webhook);
        }
        let credentials = &Credentials::Bearer(self.token()?);
        let body = ApiBody::Json(&body);
        let call =
            ApiCall { method: Method::POST, path: "v1/messages", credentials, headers: Vec::new(), body };
        let answer = self.api.call(call).await?;
        if answer.is_success() { Ok(answer.text("/message_uuid")) } else { Err(failure(&answer)) }
    }

    fn media_policy(&self) -> MediaPolicy {
        MediaPolicy::new(HOSTS, self.settings.api_base.clone())
    }

    async fn locate(&self, media: &Media) -> Result<(String, Credentials), MediaError> {
        let url = Url::parse(&media.handle).map_err(|_| MediaError::Refused)?;
        let base = self.settings.api_base.as_ref().and_then(lodge_channel::fetch::Origin::of);
        if !listed(&url, HOSTS) && !base.is_some_and(|base| base.holds(&url)) {
            return Err(MediaError::Refused);
        }
        let token = self.token().map_err(|error| MediaError::Later(error.to_string()))?;
        Ok((media.handle.clone(), Credentials::Bearer(token)))
    }

    fn way_to(&self, party: &PartyHandle) -> Option<Value> {
        let number = |text: &str| text.trim_start_matches('+').to_owned();
        (party.kind == HandleKind::Phone).then(
            || json!({"channel": "sms", "to": number(&party.value), "from": number(&self.settings.from)}),
        )
    }
}
