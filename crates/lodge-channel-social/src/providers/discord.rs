//! A Discord application, by HTTP interactions: slash commands, buttons and forms. Plain messages need a connection of
//! another kind and do not come in.
//!
//! An interaction dies unless it is answered within three seconds: the answer tells the reference, to the person alone, once
//! the contact is durable. Replies follow up on the interaction's token while it lives, and are the bot's own messages after.

mod interactions;

use super::meta::{api, unreadable};
use crate::heard::{Heard, Media};
use crate::json::text;
use crate::pace::Pace;
use crate::replier::TOO_FAST;
use crate::speech::{Capabilities, Carries, Content, FilesOut, Outgoing, Settings, Speech, Unit, no_files};
use async_trait::async_trait;
use axum::http::StatusCode;
use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use lodge_channel::fetch::{
    ApiAnswer, ApiBody, ApiCall, ApiClient, Credentials, MediaError, MediaPolicy, escaped,
};
use lodge_channel::webhook::{Answer, Candidates, Ed25519Key, Forged, Unverified, Verified, fresh};
use lodge_channel::{Context, OneOrMany, Plain, Problem, Registrar, Secret, SecretSource};
use lodge_domain::ports::{Clock, Outcome};
use lodge_domain::{DeliveryError, Disposition, HandleKind, PartyHandle, digest_parts};
use reqwest::Method;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use url::Url;

const API: &str = "https://discord.com/api/v10";
/// The largest file of a message.
const LARGEST_FILE: u64 = 10 * 1024 * 1024;
/// Only the person whom it is for can see it.
const FOR_THEM_ALONE: u64 = 64;

/// What a Discord application can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    verified_by: "Ed25519 of time and body",
    // 2,000, less the name of the person in front of what a whole channel reads.
    text: (1970, Unit::Utf16),
    window: "none",
    public: false,
    files_in: true,
    files_out: FilesOut::Some("up to 10 MiB"),
    changes: "none",
    receipts: "none",
    registers: true,
    pace: Pace::new((40, 1), (5, 5)),
};

/// The least keys of its table; see [`crate::scratch`].
pub(crate) const SCRATCH: &str = "public_key = \"0000000000000000000000000000000000000000000000000000000000000000\"\nbot_token = \"file:secret\"\n";

/// Where replies go once an interaction's token has died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Late {
    /// Into the channel in which it was used, where others may read them.
    #[default]
    Channel,
    /// To the person alone, as a direct message.
    Direct,
}

/// A Discord application.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Discord {
    /// The application's public key, in hexadecimal digits; verifies every request. A list while it is changed over.
    pub public_key: OneOrMany<Plain>,
    /// The bot's token; sends what comes later than a quarter of an hour.
    pub bot_token: Secret,
    /// What the person is told at once; `{reference}` stands for the number.
    #[serde(default = "confirmation")]
    pub confirmation: String,
    /// Where replies go once the interaction is older than a quarter of an hour: `channel`, where others may read them, or
    /// `direct`, to the person alone.
    #[serde(default)]
    pub late_replies: Late,
    /// The slash command that `lodge webhook register` sets up.
    #[serde(default = "command")]
    pub command: String,
    /// Where the API is, its version included.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub api_base: Option<Url>,
}

fn confirmation() -> String {
    "We have received your message. Your reference is {reference}.".to_owned()
}

fn command() -> String {
    "ticket".to_owned()
}

impl Discord {
    /// The keys that it signs with.
    fn keys(&self, source: &dyn SecretSource) -> Result<Ed25519Key, Problem> {
        let keys: Result<Vec<String>, _> = self.public_key.0.iter().map(|key| key.read(source)).collect();
        let keys = keys.map_err(|error| unreadable("public_key", error))?;
        let wrong =
            || Problem::new("public_key", "this is no key", "copy the 64 digits from the application's page");
        Ed25519Key::hex(keys.iter().map(String::as_str)).ok_or_else(wrong)
    }
}

impl Settings for Discord {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        let keys = self.public_key.0.iter().filter_map(Plain::reference).map(|key| ("public_key", key));
        keys.chain([("bot_token", &self.bot_token)]).collect()
    }

    fn ill_formed(&self, source: &dyn SecretSource) -> Option<Problem> {
        self.keys(source).err()
    }

    fn understand(&self, body: &[u8], now: Timestamp) -> Vec<Heard> {
        vec![interactions::understand(body, now)]
    }

    fn connect(&self, context: &Context) -> Result<Arc<dyn Speech>, Problem> {
        let source = &*context.secrets;
        let token = source.read(&self.bot_token).map_err(|error| unreadable("bot_token", error))?;
        Ok(Arc::new(Application {
            keys: self.keys(source)?,
            bot: Credentials::Whole(SecretString::from(format!("Bot {}", token.expose_secret()))),
            api: api(self.api_base.as_ref(), API)?,
            settings: self.clone(),
            clock: Arc::clone(&context.clock),
        }))
    }
}

struct Application {
    keys: Ed25519Key,
    bot: Credentials,
    api: ApiClient,
    settings: Discord,
    clock: Arc<dyn Clock>,
}

fn failure(answer: &ApiAnswer) -> DeliveryError {
    const DOING: &str = "send a message";
    let code = answer.text("/code").unwrap_or_default();
    let words = answer.text("/message").map(|words| format!("{words} (code {code})"));
    let disposition = match answer.status {
        401 => Disposition::Misconfigured,
        // They take no direct messages, the channel is gone, or the bot may not write there.
        400 | 403 | 404 => Disposition::Never,
        429 => {
            let asked = answer.text("/retry_after").and_then(|text| text.parse::<f64>().ok());
            let asked = asked.and_then(|seconds| SignedDuration::try_from_secs_f64(seconds.ceil()).ok());
            Disposition::Later { after: Some(asked.or(answer.retry_after).unwrap_or(TOO_FAST)) }
        }
        _ => return answer.error(DOING, words.as_deref()),
    };
    answer.error_as(disposition, DOING, words.as_deref())
}

/// Tells one part from all others, for as long as a repeat may come (25 characters at most).
fn nonce(outgoing: &Outgoing<'_>) -> String {
    let digest = digest_parts(&[outgoing.id.as_str().as_bytes(), &outgoing.part.to_be_bytes()]);
    HEXLOWER.encode(&digest[..12])
}

/// The words of one part; a file has none.
fn words<'a>(outgoing: &Outgoing<'a>) -> Result<&'a str, DeliveryError> {
    match outgoing.content {
        Content::Text(words) => Ok(words),
        Content::File { .. } => Ok(""),
        Content::Link { .. } => Err(no_files()),
    }
}

impl Application {
    async fn call(
        &self,
        method: Method,
        path: &str,
        credentials: &Credentials,
        body: &Value,
    ) -> Result<ApiAnswer, DeliveryError> {
        let body = if method == Method::GET { ApiBody::Empty } else { ApiBody::Json(body) };
        self.api.call(ApiCall { method, path, credentials, headers: Vec::new(), body }).await
    }

    /// Posts a message, with its file where it has one.
    async fn post(
        &self,
        path: &str,
        credentials: &Credentials,
        body: &Value,
        outgoing: &Outgoing<'_>,
    ) -> Result<ApiAnswer, DeliveryError> {
        let Content::File { name, media_type, bytes } = &outgoing.content else {
            return self.call(Method::POST, path, credentials, body).await;
        };
        let body = ApiBody::File {
            fields: vec![("payload_json".to_owned(), body.to_string())],
            field: "files[0]".to_owned(),
            name: (*name).to_owned(),
            media_type: (*media_type).to_owned(),
            bytes: bytes.clone(),
        };
        self.api.call(ApiCall { method: Method::POST, path, credentials, headers: Vec::new(), body }).await
    }

    /// Follows up on an interaction; `None` where its token has died.
    async fn follow_up(&self, outgoing: &Outgoing<'_>) -> Result<Option<ApiAnswer>, DeliveryError> {
        let way = outgoing.way;
        let until = text(way, "/until").and_then(|until| until.parse::<Timestamp>().ok());
        let (Some(token), Some(application), true) =
            (text(way, "/token"), text(way, "/application"), until > Some(self.clock.now()))
        else {
            return Ok(None);
        };
        let path = format!("webhooks/{}/{}", escaped(&application), escaped(&token));
        let mut body = json!({"content": words(outgoing)?, "allowed_mentions": {"parse": []}});
        if crate::json::is(way, "/guild") {
            body["flags"] = json!(FOR_THEM_ALONE);
        }
        let answer = self.post(&path, &Credentials::None, &body, outgoing).await?;
        // Unknown or dead tokens answer so: the bot's own message is what is left.
        if matches!(answer.status, 401 | 403 | 404) { Ok(None) } else { Ok(Some(answer)) }
    }

    /// The channel of direct messages with a person.
    async fn direct(&self, user: &str) -> Result<String, DeliveryError> {
        let body = json!({"recipient_id": user});
        let answer = self.call(Method::POST, "users/@me/channels", &self.bot, &body).await?;
        let channel = answer.text("/id").filter(|_| answer.is_success());
        channel.ok_or_else(|| failure(&answer))
    }

    async fn by_bot(&self, outgoing: &Outgoing<'_>) -> Result<ApiAnswer, DeliveryError> {
        let way = outgoing.way;
        let user = text(way, "/user").unwrap_or_default();
        let among_others = crate::json::is(way, "/guild");
        let direct = among_others && self.settings.late_replies == Late::Direct;
        let (channel, named) = match text(way, "/channel").filter(|_| !direct) {
            Some(channel) => (channel, among_others),
            None => (self.direct(&user).await?, false),
        };
        let words = words(outgoing)?;
        let content = if named { format!("<@{user}> {words}") } else { words.to_owned() };
        let mentions = if named { json!({"users": [user]}) } else { json!({"parse": []}) };
        let body = json!({
            "content": content,
            "allowed_mentions": mentions,
            "nonce": nonce(outgoing),
            "enforce_nonce": true,
        });
        let path = format!("channels/{}/messages", escaped(&channel));
        self.post(&path, &self.bot, &body, outgoing).await
    }
}

#[async_trait]
impl Speech for Application {
    fn verify<'r>(&self, request: &'r Unverified, now: Timestamp) -> Result<Verified<'r>, Forged> {
        let time = request.header("x-signature-timestamp");
        fresh(time, now)?;
        let candidates = Candidates::hex(64, request.header("x-signature-ed25519"));
        self.keys.verify(request, &[time.unwrap_or_default().as_bytes(), request.signed_body()], &candidates)
    }

    fn answer(&self, request: &Verified<'_>, outcomes: &[Outcome]) -> Answer {
        let value = request.json::<Value>().unwrap_or_default();
        match interactions::kind(&value) {
            "ping" => Answer::json(&json!({"type": 1})),
            "typing" => Answer::json(&json!({"type": 8, "data": {"choices": []}})),
            "event" => Answer::empty(StatusCode::NO_CONTENT),
            _ => {
                let reference = outcomes.iter().find_map(|outcome| match outcome {
                    Outcome::Accepted(receipt) => Some(receipt.reference.grouped()),
                    _ => None,
                });
                let words = match reference {
                    Some(reference) => self.settings.confirmation.replace("{reference}", &reference),
                    None => "This could not be taken.".to_owned(),
                };
                let data =
                    json!({"content": words, "flags": FOR_THEM_ALONE, "allowed_mentions": {"parse": []}});
                Answer::json(&json!({"type": 4, "data": data}))
            }
        }
    }

    fn carries(&self, _: &Value, _: &str, size: u64) -> Carries {
        if size <= LARGEST_FILE { Carries::Bytes } else { Carries::Not }
    }

    async fn send(&self, outgoing: &Outgoing<'_>) -> Result<Option<String>, DeliveryError> {
        let answer = match self.follow_up(outgoing).await? {
            Some(answer) => answer,
            None => self.by_bot(outgoing).await?,
        };
        if answer.is_success() { Ok(answer.text("/id")) } else { Err(failure(&answer)) }
    }

    fn media_policy(&self) -> MediaPolicy {
        let hosts = ["cdn.discordapp.com", "media.discordapp.net"];
        MediaPolicy::new(&hosts, self.settings.api_base.clone())
    }

    async fn locate(&self, media: &Media) -> Result<(String, Credentials), MediaError> {
        Ok((media.handle.clone(), Credentials::None))
    }

    fn way_to(&self, party: &PartyHandle) -> Option<Value> {
        let is_user = party.kind == HandleKind::Account && party.value.bytes().all(|b| b.is_ascii_digit());
        is_user.then(|| json!({"user": party.value}))
    }

    fn registrar(self: Arc<Self>) -> Option<Arc<dyn Registrar>> {
        Some(self)
    }
}

#[async_trait]
impl Registrar for Application {
    async fn register(&self, url: &str) -> Result<String, Problem> {
        let remedy = "check bot_token and public_key; Discord asks a running gateway at this address";
        let failed = |error: DeliveryError| Problem::new("bot_token", error.to_string(), remedy);
        let body = json!({"interactions_endpoint_url": url});
        let answer = self.call(Method::PATCH, "applications/@me", &self.bot, &body).await.map_err(failed)?;
        let application = answer.text("/id").filter(|_| answer.is_success());
        let application = application.ok_or_else(|| failed(failure(&answer)))?;
        let option = |kind: u8, name: &str, words: &str, required: bool| json!({"type": kind, "name": name, "description": words, "required": required});
        let command = json!({"type": 1, "name": self.settings.command, "description": "Ask for help", "options":
            [option(3, "text", "What is it about?", true), option(11, "file", "A file", false)]});
        let path = format!("applications/{application}/commands");
        let answer = self.call(Method::POST, &path, &self.bot, &command).await.map_err(failed)?;
        if answer.is_success() {
            Ok(format!("interactions come here, by the command /{}", self.settings.command))
        } else {
            Err(failed(failure(&answer)))
        }
    }

    async fn status(&self) -> Result<Vec<(String, String)>, Problem> {
        let failed = |error: DeliveryError| {
            Problem::new("bot_token", error.to_string(), "check bot_token and api_base")
        };
        let answer = self.call(Method::GET, "applications/@me", &self.bot, &Value::Null).await;
        let answer = answer.map_err(failed)?;
        if !answer.is_success() {
            return Err(failed(failure(&answer)));
        }
        let keys = ["name", "interactions_endpoint_url", "event_webhooks_url"];
        let value = |key: &&str| Some(((*key).to_owned(), answer.text(&format!("/{key}"))?));
        Ok(keys.iter().filter_map(value).collect())
    }
}
