//! A LINE official account (Messaging API). Answers are pushed, not tied to a reply token that lives a minute; a retry key
//! makes a repeated push harmless.

use super::meta::{api, unreadable};
use crate::heard::{Deleted, Heard, Media, Said, Thread, Who};
use crate::json::{details, items, millis, text};
use crate::pace::Pace;
use crate::speech::{Capabilities, Carries, Content, FilesOut, Outgoing, Settings, Speech, Unit, no_files};
use async_trait::async_trait;
use jiff::Timestamp;
use lodge_channel::fetch::{
    ApiAnswer, ApiBody, ApiCall, ApiClient, Credentials, MediaError, MediaPolicy, escaped,
};
use lodge_channel::webhook::{Algorithm, Candidates, Forged, HmacKeys, Unverified, Verified};
use lodge_channel::{Context, Problem, Secret, Secrets};
use lodge_domain::{DeliveryError, Disposition, digest_parts};
use reqwest::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use url::Url;

const API: &str = "https://api.line.me";
const DATA: &str = "https://api-data.line.me";

/// The largest picture: one of this size is its own preview.
const LARGEST_PICTURE: u64 = 1_000_000;

/// What a LINE account can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    verified_by: "HMAC-SHA256 of the body",
    text: (5000, Unit::Utf16),
    window: "none",
    public: false,
    files_in: true,
    files_out: FilesOut::Some("pictures, by link"),
    changes: "deletions",
    receipts: "none",
    registers: false,
    pace: Pace::new((100, 1), (20, 10)),
};

/// The least keys of its table; see [`crate::scratch`].
pub(crate) const SCRATCH: &str = "channel_secret = \"file:secret\"\nchannel_access_token = \"file:secret\"\n";

/// A LINE official account.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The channel secret; signs every webhook. A list while it is changed over.
    pub channel_secret: Secrets,
    /// The channel access token; sends, and fetches names and files.
    pub channel_access_token: Secret,
    /// Where the Messaging API is, that for files included.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub api_base: Option<Url>,
}

impl Settings for Line {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        let channel = self.channel_secret.0.iter().map(|secret| ("channel_secret", secret));
        channel.chain([("channel_access_token", &self.channel_access_token)]).collect()
    }

    fn understand(&self, body: &[u8], now: Timestamp) -> Vec<Heard> {
        let strange = |why| vec![Heard::Strange { why, id: String::new() }];
        let Ok(value) = serde_json::from_slice::<Value>(body) else { return strange("the body is no JSON") };
        let (Some(to), true) =
            (text(&value, "/destination"), value.get("events").is_some_and(Value::is_array))
        else {
            return strange("the body has another shape");
        };
        items(&value, "/events").iter().map(|one| event(one, &to, now)).collect()
    }

    fn connect(&self, context: &Context) -> Result<Arc<dyn Speech>, Problem> {
        let source = &*context.secrets;
        let secrets =
            self.channel_secret.read(source).map_err(|error| unreadable("channel_secret", error))?;
        let token = source.read(&self.channel_access_token);
        let token = token.map_err(|error| unreadable("channel_access_token", error))?;
        Ok(Arc::new(Account {
            keys: HmacKeys::new(Algorithm::Sha256, &secrets),
            credentials: Credentials::Bearer(token),
            api: api(self.api_base.as_ref(), API)?,
            base: self.api_base.clone(),
        }))
    }
}

fn event(event: &Value, to: &str, now: Timestamp) -> Heard {
    let at = millis(event, "/timestamp").unwrap_or(now);
    let id = text(event, "/webhookEventId").unwrap_or_default();
    let kind = text(event, "/type").unwrap_or_default();
    if kind == "unsend" {
        return match text(event, "/unsend/messageId") {
            Some(id) => Heard::Deleted(Deleted { id, at }),
            None => Heard::Strange { why: "a deletion of nothing", id },
        };
    }
    if !matches!(kind.as_str(), "message" | "postback") {
        return Heard::Nothing { reason: "an event that is no contact", id: Some(id) };
    }
    let group = text(event, "/source/groupId").or_else(|| text(event, "/source/roomId"));
    let Some(account) = text(event, "/source/userId").or_else(|| group.clone()) else {
        return Heard::Strange { why: "no sender", id };
    };
    let thread = match &group {
        Some(group) => Thread::Shared(format!("{to}/{group}")),
        None => Thread::Private(vec![format!("{to}/{account}")]),
    };
    let who = Who { account: account.clone(), ..Who::default() };
    let mut said = Said::new(text(event, "/message/id").unwrap_or(id), who, thread, at);
    said.to = Some(to.to_owned());
    said.way = json!({"to": group.as_ref().unwrap_or(&account)});
    said.answers = text(event, "/message/quotedMessageId");
    said.quiet = (text(event, "/mode").as_deref() == Some("standby"))
        .then_some("another module answers this conversation");
    said.details = details([("group", group.map(Value::from))]);
    Heard::Said(Box::new(if kind == "postback" {
        pressed(event, said)
    } else {
        content(&event["message"], said)
    }))
}

fn pressed(event: &Value, mut said: Said) -> Said {
    said.text = text(event, "/postback/data").unwrap_or_default();
    said.details.insert("payload".to_owned(), json!(said.text));
    said.as_kind("button", "[button]")
}

fn content(message: &Value, mut said: Said) -> Said {
    let kind = text(message, "/type").unwrap_or_default();
    said.text = text(message, "/text").unwrap_or_default();
    match kind.as_str() {
        "text" => said.as_kind("text", "[a message without words]"),
        "image" | "video" | "audio" | "file" => {
            // What somebody else keeps has an address of its own; everything else has its message's id.
            let foreign = text(message, "/contentProvider/originalContentUrl");
            said.media.push(Media {
                kind: kind.clone(),
                by_id: foreign.is_none(),
                handle: foreign.unwrap_or_else(|| said.id.clone()),
                name: text(message, "/fileName"),
                media_type: None,
                identity: Some(said.id.clone()),
            });
            said.as_kind(&kind, format!("[{kind}]"))
        }
        "location" => {
            let at = [text(message, "/latitude"), text(message, "/longitude")].into_iter().flatten();
            let at = at.collect::<Vec<_>>().join(", ");
            let place = text(message, "/address").unwrap_or_default();
            said.details.insert("location".to_owned(), message.clone());
            said.as_kind("location", format!("[location {at}] {place}").trim().to_owned())
        }
        "sticker" => {
            let words =
                items(message, "/keywords").first().and_then(Value::as_str).unwrap_or_default().to_owned();
            said.details.insert("sticker".to_owned(), message.clone());
            said.as_kind("sticker", format!("[sticker {words}]").replace(" ]", "]"))
        }
        _ => {
            said.unknown = true;
            said.as_kind("unknown", "[a kind of message that is not known]")
        }
    }
}

struct Account {
    keys: HmacKeys,
    credentials: Credentials,
    api: ApiClient,
    base: Option<Url>,
}

/// A key that is the same for each try of one part, in the form of a UUID (RFC 9562, version 8).
fn retry_key(outgoing: &Outgoing<'_>) -> String {
    let digest = digest_parts(&[outgoing.id.as_str().as_bytes(), &outgoing.part.to_be_bytes()]);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: Vec<char> = data_encoding::HEXLOWER.encode(&bytes).chars().collect();
    let groups = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    groups.map(|group| group.iter().collect::<String>()).join("-")
}

fn failure(answer: &ApiAnswer) -> DeliveryError {
    let words = answer.text("/message");
    let disposition = match answer.status {
        401 | 403 => Disposition::Misconfigured,
        400 | 404 => Disposition::Never,
        _ => return answer.error("push a message", words.as_deref()),
    };
    answer.error_as(disposition, "push a message", words.as_deref())
}

#[async_trait]
impl Speech for Account {
    fn verify<'r>(&self, request: &'r Unverified, _: Timestamp) -> Result<Verified<'r>, Forged> {
        let value = request.header("x-line-signature");
        self.keys.verify(request, &[request.signed_body()], &Candidates::base64(32, value))
    }

    fn carries(&self, _: &Value, media_type: &str, size: u64) -> Carries {
        let picture = matches!(media_type, "image/jpeg" | "image/png") && size <= LARGEST_PICTURE;
        if picture { Carries::Link } else { Carries::Not }
    }

    async fn send(&self, outgoing: &Outgoing<'_>) -> Result<Option<String>, DeliveryError> {
        let message = match &outgoing.content {
            Content::Text(words) => json!({"type": "text", "text": words}),
            Content::Link { href, .. } => {
                json!({"type": "image", "originalContentUrl": href, "previewImageUrl": href})
            }
            Content::File { .. } => return Err(no_files()),
        };
        let body = json!({"to": outgoing.way.get("to"), "messages": [message]});
        let call = ApiCall {
            method: Method::POST,
            path: "v2/bot/message/push",
            credentials: &self.credentials,
            headers: vec![("x-line-retry-key", retry_key(outgoing))],
            body: ApiBody::Json(&body),
        };
        let answer = self.api.call(call).await?;
        // Taken over by an earlier try.
        if answer.is_success() || answer.status == 409 {
            Ok(answer.text("/sentMessages/0/id"))
        } else {
            Err(failure(&answer))
        }
    }

    fn media_policy(&self) -> MediaPolicy {
        MediaPolicy::new(&["api-data.line.me"], self.base.clone())
    }

    async fn locate(&self, media: &Media) -> Result<(String, Credentials), MediaError> {
        if !media.by_id {
            return Ok((media.handle.clone(), Credentials::None));
        }
        let id = escaped(&media.handle);
        let base = self.base.as_ref().map_or(DATA, Url::as_str).trim_end_matches('/');
        Ok((format!("{base}/v2/bot/message/{id}/content"), self.credentials.clone()))
    }

    async fn name_of(&self, account: &str) -> Option<String> {
        let path = format!("v2/bot/profile/{}", escaped(account));
        let (credentials, headers) = (&self.credentials, Vec::new());
        let call = ApiCall { method: Method::GET, path: &path, credentials, headers, body: ApiBody::Empty };
        let answer = self.api.call(call).await.ok()?;
        if answer.is_success() { answer.text("/displayName") } else { None }
    }
}
