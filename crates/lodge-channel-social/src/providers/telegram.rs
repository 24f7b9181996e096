//! A Telegram bot (Bot API). The webhook's secret token is all that verifies it; the bot's own token stands in the path of
//! every call and is never logged.

use super::meta::{api, unreadable};
use crate::heard::{Deleted, Echo, Edited, Heard, Media, Said, Thread, Who};
use crate::json::{details, is, items, seconds, text};
use crate::pace::Pace;
use crate::speech::{Capabilities, Content, FilesOut, Outgoing, Settings, Speech, Unit};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use lodge_channel::fetch::{ApiAnswer, ApiBody, ApiCall, ApiClient, Credentials, MediaError, MediaPolicy};
use lodge_channel::webhook::{Answer, Forged, SharedToken, Unverified, Verified};
use lodge_channel::{Context, Problem, Registrar, Secret, SecretSource, Secrets};
use lodge_domain::ports::Outcome;
use lodge_domain::{DeliveryError, Disposition};
use reqwest::Method;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use url::Url;

const API: &str = "https://api.telegram.org";
/// What the bot is told of.
const UPDATES: [&str; 8] = [
    "message",
    "edited_message",
    "callback_query",
    "my_chat_member",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "message_reaction",
];

/// What a Telegram bot can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    verified_by: "secret token in a header",
    text: (4096, Unit::Utf16),
    window: "none",
    public: false,
    files_in: true,
    files_out: FilesOut::All,
    changes: "edits, deletions in business chats",
    receipts: "none",
    registers: true,
    pace: Pace::new((30, 1), (5, 5)),
};

/// The least keys of its table; see [`crate::scratch`].
pub(crate) const SCRATCH: &str = "bot_token = \"file:secret\"\nsecret_token = \"file:secret\"\n";

/// A Telegram bot.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Telegram {
    /// The bot's token; sends, and fetches files.
    pub bot_token: Secret,
    /// The token that Telegram repeats with every webhook; a list while it is changed over, the newest first.
    pub secret_token: Secrets,
    /// Where the Bot API is.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub api_base: Option<Url>,
}

/// What Telegram would say to these secret tokens.
fn refused(tokens: &[SecretString]) -> Option<Problem> {
    let fits = |token: &SecretString| {
        let letters = token.expose_secret().as_bytes();
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        (1..=256).contains(&letters.len()) && letters.iter().copied().all(plain)
    };
    let remedy = "take 1 to 256 letters, digits, `-` and `_`";
    let problem = || Problem::new("secret_token", "Telegram would refuse this token", remedy);
    (!tokens.iter().all(fits)).then(problem)
}

impl Settings for Telegram {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        let tokens = self.secret_token.0.iter().map(|secret| ("secret_token", secret));
        tokens.chain([("bot_token", &self.bot_token)]).collect()
    }

    fn ill_formed(&self, source: &dyn SecretSource) -> Option<Problem> {
        refused(&self.secret_token.read(source).ok()?)
    }

    fn understand(&self, body: &[u8], now: Timestamp) -> Vec<Heard> {
        let strange = |why| vec![Heard::Strange { why, id: String::new() }];
        let Ok(update) = serde_json::from_slice::<Value>(body) else { return strange("the body is no JSON") };
        let Some(id) = text(&update, "/update_id") else { return strange("no update id") };
        understand(&update, &id, now)
    }

    fn connect(&self, context: &Context) -> Result<Arc<dyn Speech>, Problem> {
        let source = &*context.secrets;
        let tokens = self.secret_token.read(source).map_err(|error| unreadable("secret_token", error))?;
        if let Some(refused) = refused(&tokens) {
            return Err(refused);
        }
        Ok(Arc::new(Bot {
            shared: SharedToken::new(&tokens),
            newest: tokens.first().cloned(),
            token: source.read(&self.bot_token).map_err(|error| unreadable("bot_token", error))?,
            api: api(self.api_base.as_ref(), API)?,
            base: self.api_base.clone(),
        }))
    }
}

fn understand(update: &Value, id: &str, now: Timestamp) -> Vec<Heard> {
    for key in ["message", "business_message", "edited_message", "edited_business_message"] {
        if let Some(message) = update.get(key) {
            return vec![message_of(message, id, key.starts_with("edited"), now)];
        }
    }
    if let Some(query) = update.get("callback_query") {
        return vec![pressed(query, now)];
    }
    if let Some(gone) = update.get("deleted_business_messages") {
        let chat = text(gone, "/chat/id").unwrap_or_default();
        let ids = items(gone, "/message_ids").iter().filter_map(Value::as_i64);
        return ids.map(|id| Heard::Deleted(Deleted { id: format!("{chat}:{id}"), at: now })).collect();
    }
    if let Some(reaction) = update.get("message_reaction") {
        return vec![reacted(reaction, id, now)];
    }
    let known = [
        "my_chat_member",
        "chat_member",
        "channel_post",
        "edited_channel_post",
        "business_connection",
        "message_reaction_count",
        "chat_boost",
        "removed_chat_boost",
        "chat_join_request",
        "poll",
        "poll_answer",
        "inline_query",
        "chosen_inline_result",
    ];
    if known.iter().any(|key| update.get(key).is_some()) {
        return vec![Heard::Nothing { reason: "an update that is no contact", id: None }];
    }
    vec![Heard::Strange { why: "an update of a kind that is not known", id: format!("update {id}") }]
}

fn who(user: &Value) -> Option<Who> {
    let names = [text(user, "/first_name"), text(user, "/last_name")];
    let name = names.into_iter().flatten().collect::<Vec<_>>().join(" ");
    Some(Who {
        account: text(user, "/id")?,
        name: (!name.is_empty()).then_some(name),
        username: text(user, "/username"),
        is_bot: is(user, "/is_bot"),
        ..Who::default()
    })
}

/// Something said in a chat: where it belongs, and the way back.
fn said_in(chat: &Value, id: String, who: Who, place: &Value, at: Timestamp) -> Said {
    let chat_id = text(chat, "/id").unwrap_or_default();
    let topic = text(place, "/message_thread_id").filter(|_| is(place, "/is_topic_message"));
    let connection = text(place, "/business_connection_id");
    let private = text(chat, "/type").as_deref() == Some("private");
    let name = match &topic {
        Some(topic) => format!("{chat_id}/{topic}"),
        None => chat_id.clone(),
    };
    let thread = if private { Thread::Private(vec![name]) } else { Thread::Shared(name) };
    let mut said = Said::new(id, who, thread, at);
    said.details = details([("chat", text(chat, "/title").map(Value::from))]);
    said.way = json!({"chat": chat_id, "topic": topic, "connection": connection});
    said
}

fn message_of(message: &Value, update: &str, edited: bool, now: Timestamp) -> Heard {
    let at = seconds(message, "/date").unwrap_or(now);
    let chat = message.get("chat").unwrap_or(&Value::Null);
    let chat_id = text(chat, "/id").unwrap_or_default();
    let id = text(message, "/message_id")
        .map_or_else(|| format!("update {update}"), |id| format!("{chat_id}:{id}"));
    if text(message, "/migrate_to_chat_id").is_some() || text(message, "/migrate_from_chat_id").is_some() {
        return Heard::Nothing { reason: "a group became another", id: Some(id) };
    }
    if message.get("sender_business_bot").is_some() {
        return Heard::Echo(Echo { id, party: chat_id, mark: None });
    }
    let Some(who) = message.get("from").and_then(who) else {
        return Heard::Strange { why: "no sender", id };
    };
    let mut said = said_in(chat, id.clone(), who, message, at);
    said.answers = text(message, "/reply_to_message/message_id").map(|id| format!("{chat_id}:{id}"));
    said.text = text(message, "/text").or_else(|| text(message, "/caption")).unwrap_or_default();
    if let Some(album) = text(message, "/media_group_id") {
        said.details.insert("album".to_owned(), json!(album));
    }
    let said = content(message, said);
    if edited {
        let version = format!("edit {}", text(message, "/edit_date").unwrap_or_else(|| update.to_owned()));
        return Heard::Edited(Edited { id, version, now: Box::new(said) });
    }
    Heard::Said(Box::new(said))
}

fn content(message: &Value, mut said: Said) -> Said {
    const FILES: [(&str, &str); 7] = [
        ("document", "file"),
        ("voice", "voice"),
        ("audio", "audio"),
        ("video", "video"),
        ("video_note", "video"),
        ("animation", "video"),
        ("sticker", "sticker"),
    ];
    let file = |value: &Value, kind: &str| Media {
        kind: kind.to_owned(),
        handle: text(value, "/file_id").unwrap_or_default(),
        by_id: true,
        name: text(value, "/file_name"),
        media_type: text(value, "/mime_type"),
        identity: text(value, "/file_unique_id"),
    };
    // Sizes of one picture, the largest last.
    if let Some(photo) = items(message, "/photo").last() {
        said.media.push(Media { media_type: Some("image/jpeg".to_owned()), ..file(photo, "image") });
        return said.as_kind("image", "[image]");
    }
    if let Some((key, kind)) = FILES.iter().find(|(key, _)| message.get(key).is_some()) {
        said.media.push(file(&message[*key], kind));
        let emoji = text(message, "/sticker/emoji").unwrap_or_default();
        return said.as_kind(kind, format!("[{kind} {emoji}]").replace(" ]", "]"));
    }
    if let Some(place) = message.get("location") {
        let at =
            [text(place, "/latitude"), text(place, "/longitude")].into_iter().flatten().collect::<Vec<_>>();
        said.details.insert("location".to_owned(), message.get("venue").unwrap_or(place).clone());
        return said.as_kind("location", format!("[location {}]", at.join(", ")));
    }
    if let Some(person) = message.get("contact") {
        let name = text(person, "/first_name").unwrap_or_default();
        said.details.insert("contact".to_owned(), person.clone());
        return said.as_kind("contact", format!("[contact {name}]"));
    }
    if !said.text.is_empty() {
        return said;
    }
    let service = [
        "new_chat_members",
        "left_chat_member",
        "pinned_message",
        "new_chat_title",
        "group_chat_created",
        "forum_topic_created",
        "forum_topic_closed",
        "new_chat_photo",
        "delete_chat_photo",
    ];
    if let Some(key) = service.iter().find(|key| message.get(**key).is_some()) {
        said.gesture = true;
        return said.as_kind("service", format!("[{}]", key.replace('_', " ")));
    }
    said.unknown = true;
    said.as_kind("unknown", "[a kind of message that is not known]")
}

fn pressed(query: &Value, now: Timestamp) -> Heard {
    let id = text(query, "/id").unwrap_or_default();
    let Some(who) = query.get("from").and_then(who) else { return Heard::Strange { why: "no sender", id } };
    let message = query.get("message").unwrap_or(&Value::Null);
    let mut said =
        said_in(message.get("chat").unwrap_or(&Value::Null), format!("callback {id}"), who, message, now);
    let chat = text(message, "/chat/id").unwrap_or_default();
    said.answers = text(message, "/message_id").map(|id| format!("{chat}:{id}"));
    said.text = text(query, "/data").unwrap_or_default();
    said.details.insert("payload".to_owned(), json!(said.text));
    Heard::Said(Box::new(said.as_kind("button", "[button]")))
}

fn reacted(reaction: &Value, update: &str, now: Timestamp) -> Heard {
    let chat = reaction.get("chat").unwrap_or(&Value::Null);
    let chat_id = text(chat, "/id").unwrap_or_default();
    let message = text(reaction, "/message_id").unwrap_or_default();
    let emoji =
        items(reaction, "/new_reaction").iter().filter_map(|one| text(one, "/emoji")).collect::<Vec<_>>();
    let Some(who) = reaction.get("user").and_then(who).filter(|_| !emoji.is_empty()) else {
        return Heard::Nothing { reason: "a reaction was taken back", id: None };
    };
    let at = seconds(reaction, "/date").unwrap_or(now);
    let mut said = said_in(chat, format!("update {update}"), who, reaction, at);
    said.answers = Some(format!("{chat_id}:{message}"));
    said.gesture = true;
    Heard::Said(Box::new(said.as_kind("reaction", format!("[reaction {}]", emoji.join(" ")))))
}

struct Bot {
    shared: SharedToken,
    newest: Option<SecretString>,
    token: SecretString,
    api: ApiClient,
    base: Option<Url>,
}

fn failure(answer: &ApiAnswer) -> DeliveryError {
    const DOING: &str = "send by the Bot API";
    let words = answer.text("/description");
    let after = answer.text("/parameters/retry_after").and_then(|text| text.parse().ok());
    let disposition = match answer.status {
        401 | 404 => Disposition::Misconfigured,
        // They blocked the bot, left, or the chat is gone.
        400 | 403 => Disposition::Never,
        429 => Disposition::Later { after: after.map(SignedDuration::from_secs).or(answer.retry_after) },
        _ => return answer.error(DOING, words.as_deref()),
    };
    answer.error_as(disposition, DOING, words.as_deref())
}

impl Bot {
    async fn call(&self, method: &str, body: ApiBody<'_>) -> Result<ApiAnswer, DeliveryError> {
        let path = format!("bot{}/{method}", self.token.expose_secret());
        let credentials = &Credentials::None;
        self.api
            .call(ApiCall { method: Method::POST, path: &path, credentials, headers: Vec::new(), body })
            .await
    }

    async fn checked(&self, method: &str, body: ApiBody<'_>) -> Result<ApiAnswer, DeliveryError> {
        let answer = self.call(method, body).await?;
        if answer.is_success() && is(&answer.body, "/ok") { Ok(answer) } else { Err(failure(&answer)) }
    }

    async fn send_to(&self, chat: &str, outgoing: &Outgoing<'_>) -> Result<ApiAnswer, DeliveryError> {
        let way = |key| text(outgoing.way, key);
        match &outgoing.content {
            Content::Text(words) => {
                let mut body = json!({"chat_id": chat, "text": words});
                if let Some(topic) = way("/topic").and_then(|topic| topic.parse::<i64>().ok()) {
                    body["message_thread_id"] = json!(topic);
                }
                if let Some(connection) = way("/connection") {
                    body["business_connection_id"] = json!(connection);
                }
                self.call("sendMessage", ApiBody::Json(&body)).await
            }
            Content::Link { .. } => Err(crate::speech::no_files()),
            Content::File { name, media_type, bytes } => {
                let mut fields = vec![("chat_id".to_owned(), chat.to_owned())];
                fields.extend(way("/topic").map(|topic| ("message_thread_id".to_owned(), topic)));
                fields.extend(way("/connection").map(|id| ("business_connection_id".to_owned(), id)));
                let body = ApiBody::File {
                    fields,
                    field: "document".to_owned(),
                    name: (*name).to_owned(),
                    media_type: (*media_type).to_owned(),
                    bytes: bytes.clone(),
                };
                self.call("sendDocument", body).await
            }
        }
    }
}

#[async_trait]
impl Speech for Bot {
    fn verify<'r>(&self, request: &'r Unverified, _: Timestamp) -> Result<Verified<'r>, Forged> {
        self.shared.verify(request, "x-telegram-bot-api-secret-token", "")
    }

    /// A pressed button spins until it is answered, which the answer to the webhook may do.
    fn answer(&self, request: &Verified<'_>, _: &[Outcome]) -> Answer {
        let query = request.json::<Value>().and_then(|update| text(&update, "/callback_query/id"));
        match query {
            Some(id) => Answer::json(&json!({"method": "answerCallbackQuery", "callback_query_id": id})),
            None => Answer::empty(axum::http::StatusCode::OK),
        }
    }

    async fn send(&self, outgoing: &Outgoing<'_>) -> Result<Option<String>, DeliveryError> {
        let mut chat = text(outgoing.way, "/chat").unwrap_or_default();
        let mut answer = self.send_to(&chat, outgoing).await?;
        if let Some(moved) = answer.text("/parameters/migrate_to_chat_id") {
            chat = moved;
            answer = self.send_to(&chat, outgoing).await?;
        }
        if !answer.is_success() || !is(&answer.body, "/ok") {
            return Err(failure(&answer));
        }
        Ok(answer.text("/result/message_id").map(|id| format!("{chat}:{id}")))
    }

    fn media_policy(&self) -> MediaPolicy {
        MediaPolicy::new(&["api.telegram.org"], self.base.clone())
    }

    async fn locate(&self, media: &Media) -> Result<(String, Credentials), MediaError> {
        let body = json!({"file_id": media.handle});
        let answer =
            self.checked("getFile", ApiBody::Json(&body)).await.map_err(|error| match error.disposition {
                Disposition::Never => MediaError::Gone(400),
                _ => MediaError::Later(error.to_string()),
            })?;
        let path = answer.text("/result/file_path").ok_or(MediaError::Gone(200))?;
        let base = self.api.base().as_str();
        Ok((format!("{base}file/bot{}/{path}", self.token.expose_secret()), Credentials::None))
    }

    fn registrar(self: Arc<Self>) -> Option<Arc<dyn Registrar>> {
        Some(self)
    }
}

#[async_trait]
impl Registrar for Bot {
    async fn register(&self, url: &str) -> Result<String, Problem> {
        let secret = self.newest.as_ref().map(|token| token.expose_secret().to_owned());
        let body = json!({"url": url, "secret_token": secret, "allowed_updates": UPDATES});
        let remedy = "Telegram asks for https on port 443, 80, 88 or 8443, and for the right bot_token";
        let failed = |error: DeliveryError| Problem::new("bot_token", error.to_string(), remedy);
        let answer = self.checked("setWebhook", ApiBody::Json(&body)).await.map_err(failed)?;
        Ok(answer.text("/description").unwrap_or_else(|| "the webhook is set".to_owned()))
    }

    async fn status(&self) -> Result<Vec<(String, String)>, Problem> {
        let failed = |error: DeliveryError| {
            Problem::new("bot_token", error.to_string(), "check bot_token and api_base")
        };
        let answer = self.checked("getWebhookInfo", ApiBody::Empty).await.map_err(failed)?;
        let keys =
            ["url", "pending_update_count", "last_error_message", "last_error_date", "max_connections"];
        let value = |key: &&str| Some(((*key).to_owned(), answer.text(&format!("/result/{key}"))?));
        Ok(keys.iter().filter_map(value).collect())
    }
}
