//! A Slack app: direct messages to it, mentions of it, threads in its channels, buttons and slash commands.

use super::meta::{api, unreadable};
use crate::heard::{Deleted, Echo, Edited, Heard, Media, Said, Thread, Who};
use crate::json::{details, items, seconds, text};
use crate::pace::Pace;
use crate::speech::{Capabilities, Content, FilesOut, Outgoing, Settings, Speech, Unit, family, no_files};
use async_trait::async_trait;
use axum::http::StatusCode;
use jiff::Timestamp;
use lodge_channel::fetch::{
    ApiAnswer, ApiBody, ApiCall, ApiClient, Credentials, MediaError, MediaPolicy, Origin,
};
use lodge_channel::webhook::{
    Algorithm, Answer, Candidates, Forged, Form, HmacKeys, Unverified, Verified, fresh,
};
use lodge_channel::{Context, Problem, Secret, Secrets};
use lodge_domain::ports::Outcome;
use lodge_domain::{DeliveryError, Disposition};
use reqwest::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use url::Url;

const API: &str = "https://slack.com/api";
const UPLOADS: &str = "https://files.slack.com";

/// What a Slack app can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    verified_by: "HMAC-SHA256 of time and body",
    text: (4000, Unit::Characters),
    window: "none",
    public: false,
    files_in: true,
    files_out: FilesOut::All,
    changes: "edits, deletions",
    receipts: "none",
    registers: false,
    pace: Pace::new((20, 1), (5, 5)),
};

/// The least keys of its table; see [`crate::scratch`].
pub(crate) const SCRATCH: &str = "signing_secret = \"file:secret\"\nbot_token = \"file:secret\"\n";

/// A Slack app.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slack {
    /// The app's signing secret; a list while it is changed over.
    pub signing_secret: Secrets,
    /// The bot's token; sends, and fetches names and files.
    pub bot_token: Secret,
    /// Where the Web API is.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub api_base: Option<Url>,
}

impl Settings for Slack {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        let signing = self.signing_secret.0.iter().map(|secret| ("signing_secret", secret));
        signing.chain([("bot_token", &self.bot_token)]).collect()
    }

    fn understand(&self, body: &[u8], now: Timestamp) -> Vec<Heard> {
        if let Ok(value) = serde_json::from_slice::<Value>(body) {
            return vec![envelope(&value, now)];
        }
        let form = Form::parse(body);
        let payload = form.get("payload").and_then(|text| serde_json::from_str::<Value>(text).ok());
        vec![match payload {
            Some(payload) => pressed(&payload, now),
            None if form.filled("command").is_some() => command(&form, now),
            None => Heard::Strange { why: "the body has another shape", id: String::new() },
        }]
    }

    fn connect(&self, context: &Context) -> Result<Arc<dyn Speech>, Problem> {
        let source = &*context.secrets;
        let secrets =
            self.signing_secret.read(source).map_err(|error| unreadable("signing_secret", error))?;
        let token = source.read(&self.bot_token).map_err(|error| unreadable("bot_token", error))?;
        Ok(Arc::new(App {
            keys: HmacKeys::new(Algorithm::Sha256, &secrets),
            credentials: Credentials::Bearer(token),
            api: api(self.api_base.as_ref(), API)?,
            uploads: api(self.api_base.as_ref(), UPLOADS)?,
            base: self.api_base.clone(),
        }))
    }
}

fn envelope(value: &Value, now: Timestamp) -> Heard {
    match text(value, "/type").as_deref() {
        Some("event_callback") => event(value, now),
        Some("url_verification") => Heard::Nothing { reason: "a verification", id: None },
        Some("app_rate_limited") => Heard::Nothing { reason: "the provider holds events back", id: None },
        _ => Heard::Strange {
            why: "the body has another shape",
            id: text(value, "/event_id").unwrap_or_default(),
        },
    }
}

/// The id by which a message is known: an app mention and the message in its channel are one.
fn id_of(team: &str, channel: &str, ts: &str) -> String {
    format!("{team}/{channel}/{ts}")
}

fn event(value: &Value, now: Timestamp) -> Heard {
    let event = value.get("event").unwrap_or(&Value::Null);
    let team = text(value, "/team_id").unwrap_or_default();
    let channel = text(event, "/channel").unwrap_or_default();
    let subtype = text(event, "/subtype");
    match (text(event, "/type").as_deref(), subtype.as_deref()) {
        (Some("message"), Some("message_deleted")) => {
            let ts = text(event, "/deleted_ts").unwrap_or_default();
            let at = seconds(event, "/event_ts").unwrap_or(now);
            Heard::Deleted(Deleted { id: id_of(&team, &channel, &ts), at })
        }
        (Some("message"), Some("message_changed")) => changed(value, event, &team, &channel, now),
        (
            Some("message" | "app_mention"),
            None | Some("file_share" | "thread_broadcast" | "me_message" | "bot_message"),
        ) => said(value, event, &team, &channel, now),
        (Some("message"), Some(_)) => Heard::Nothing { reason: "a note of the channel", id: None },
        (Some("reaction_added"), _) => reaction(event, &team, now),
        (Some("reaction_removed"), _) => Heard::Nothing { reason: "a reaction was taken back", id: None },
        (Some(_), _) => {
            Heard::Nothing { reason: "an event that is no contact", id: text(value, "/event_id") }
        }
        (None, _) => Heard::Strange {
            why: "an event without a type",
            id: text(value, "/event_id").unwrap_or_default(),
        },
    }
}

/// Whether our own app wrote it.
fn is_ours(value: &Value, message: &Value) -> bool {
    let bot = items(value, "/authorizations").iter().any(|one| {
        one.get("is_bot").and_then(Value::as_bool) == Some(true)
            && text(one, "/user_id") == text(message, "/user")
    });
    bot || text(message, "/app_id").is_some_and(|app| text(value, "/api_app_id").as_deref() == Some(&app))
}

fn said(value: &Value, message: &Value, team: &str, channel: &str, now: Timestamp) -> Heard {
    let ts = text(message, "/ts").unwrap_or_default();
    let id = id_of(team, channel, &ts);
    if is_ours(value, message) {
        let mark = text(message, "/metadata/event_payload/id");
        return Heard::Echo(Echo { id, party: String::new(), mark });
    }
    let account = text(message, "/user").or_else(|| text(message, "/bot_id"));
    let Some(account) = account else { return Heard::Strange { why: "no sender", id } };
    let who = Who { account, is_bot: text(message, "/bot_id").is_some(), ..Who::default() };
    let mut said = placed(id, who, team, channel, message, now);
    said.text = text(message, "/text").unwrap_or_default();
    said.details = details([("channel", Some(json!(channel))), ("team", Some(json!(team)))]);
    for file in items(message, "/files") {
        let handle = text(file, "/url_private_download").or_else(|| text(file, "/url_private"));
        let kind = family(&text(file, "/mimetype").unwrap_or_default(), "file").to_owned();
        let (name, media_type, identity) = (text(file, "/name"), text(file, "/mimetype"), text(file, "/id"));
        said.media.extend(handle.map(|handle| Media {
            kind,
            handle,
            by_id: false,
            name,
            media_type,
            identity,
        }));
    }
    let kind = if said.text.is_empty() && !said.media.is_empty() { "file" } else { "text" };
    Heard::Said(Box::new(
        said.as_kind(kind, if kind == "file" { "[file]" } else { "[a message without words]" }),
    ))
}

/// Something said in a channel: a direct message belongs to its channel, everything else to its thread.
fn placed(id: String, who: Who, team: &str, channel: &str, message: &Value, now: Timestamp) -> Said {
    let ts = text(message, "/ts").unwrap_or_default();
    let top = text(message, "/thread_ts");
    let direct = text(message, "/channel_type").as_deref() == Some("im") || channel.starts_with('D');
    let thread = if direct {
        Thread::Private(vec![format!("{team}/{channel}")])
    } else {
        Thread::Shared(format!("{team}/{channel}/{}", top.as_ref().unwrap_or(&ts)))
    };
    let mut said = Said::new(id, who, thread, seconds(message, "/ts").unwrap_or(now));
    let below = if direct { top.clone() } else { Some(top.clone().unwrap_or(ts)) };
    said.way = json!({"channel": channel, "thread": below, "team": team});
    said.answers = top.map(|top| id_of(team, channel, &top)).filter(|top| *top != said.id);
    said
}

fn changed(value: &Value, event: &Value, team: &str, channel: &str, now: Timestamp) -> Heard {
    let message = event.get("message").unwrap_or(&Value::Null);
    // Links that unfold change a message without changing its words.
    if text(message, "/text") == text(event, "/previous_message/text") {
        return Heard::Nothing { reason: "its words are the same", id: None };
    }
    match said(value, message, team, channel, now) {
        Heard::Said(now) => {
            let version =
                text(message, "/edited/ts").or_else(|| text(event, "/event_ts")).unwrap_or_default();
            Heard::Edited(Edited { id: now.id.clone(), version: format!("edit {version}"), now })
        }
        other => other,
    }
}

fn reaction(event: &Value, team: &str, now: Timestamp) -> Heard {
    let channel = text(event, "/item/channel").unwrap_or_default();
    let target = id_of(team, &channel, &text(event, "/item/ts").unwrap_or_default());
    let (account, name) =
        (text(event, "/user").unwrap_or_default(), text(event, "/reaction").unwrap_or_default());
    let message = json!({"ts": text(event, "/item/ts")});
    let who = Who { account: account.clone(), ..Who::default() };
    let mut said = placed(format!("{target}/{name}/{account}"), who, team, &channel, &message, now);
    said.at = seconds(event, "/event_ts").unwrap_or(now);
    said.answers = Some(target);
    said.gesture = true;
    Heard::Said(Box::new(said.as_kind("reaction", format!("[reaction :{name}:]"))))
}

/// A button in one of our messages.
fn pressed(payload: &Value, now: Timestamp) -> Heard {
    let action = items(payload, "/actions").first().cloned().unwrap_or(Value::Null);
    let Some(account) = text(payload, "/user/id") else {
        return Heard::Strange { why: "no sender", id: text(payload, "/trigger_id").unwrap_or_default() };
    };
    let team = text(payload, "/team/id").or_else(|| text(payload, "/user/team_id")).unwrap_or_default();
    let channel =
        text(payload, "/channel/id").or_else(|| text(payload, "/container/channel_id")).unwrap_or_default();
    let who = Who { account, username: text(payload, "/user/username"), ..Who::default() };
    let top = text(payload, "/container/thread_ts").or_else(|| text(payload, "/container/message_ts"));
    let message = json!({"ts": top, "thread_ts": text(payload, "/container/thread_ts")});
    let id = text(payload, "/trigger_id").unwrap_or_default();
    let mut said = placed(format!("trigger {id}"), who, &team, &channel, &message, now);
    said.at = now;
    said.text = text(&action, "/text/text").or_else(|| text(&action, "/value")).unwrap_or_default();
    said.details = details([("action", Some(action)), ("type", payload.get("type").cloned())]);
    Heard::Said(Box::new(said.as_kind("button", "[button]")))
}

fn command(form: &Form, now: Timestamp) -> Heard {
    let field = |key: &str| form.get(key).unwrap_or_default().to_owned();
    let who = Who {
        account: field("user_id"),
        username: form.filled("user_name").map(str::to_owned),
        ..Who::default()
    };
    let (team, channel) = (field("team_id"), field("channel_id"));
    let id = format!("trigger {}", field("trigger_id"));
    // A command has no message of its own to answer below: the person's part of the channel holds it together.
    let thread = Thread::Private(vec![format!("{team}/{channel}/{}", who.account)]);
    let mut said = Said::new(id, who, thread, now);
    said.text = field("text");
    said.way = json!({"channel": channel, "thread": null, "team": team});
    said.details = details([("command", Some(json!(field("command"))))]);
    Heard::Said(Box::new(said.as_kind("command", "[command]")))
}

struct App {
    keys: HmacKeys,
    credentials: Credentials,
    api: ApiClient,
    /// Where files are handed over.
    uploads: ApiClient,
    base: Option<Url>,
}

fn failure(answer: &ApiAnswer) -> DeliveryError {
    const DOING: &str = "send by the Web API";
    let word = answer.text("/error").unwrap_or_default();
    let disposition = match word.as_str() {
        "channel_not_found" | "not_in_channel" | "is_archived" | "msg_too_long" | "user_not_found"
        | "cannot_dm_bot" | "no_text" | "restricted_action" => Disposition::Never,
        "invalid_auth" | "not_authed" | "account_inactive" | "token_revoked" | "token_expired"
        | "missing_scope" | "no_permission" => Disposition::Misconfigured,
        "ratelimited" | "rate_limited" => Disposition::Later { after: answer.retry_after },
        _ if answer.is_success() => Disposition::Later { after: None },
        _ => return answer.error(DOING, Some(&word)),
    };
    answer.error_as(disposition, DOING, Some(&word))
}

impl App {
    async fn call(&self, method: Method, path: &str, body: ApiBody<'_>) -> Result<ApiAnswer, DeliveryError> {
        let credentials = &self.credentials;
        let call = ApiCall { method, path, credentials, headers: Vec::new(), body };
        let answer = self.api.call(call).await?;
        let ok = answer.is_success() && crate::json::is(&answer.body, "/ok");
        if ok { Ok(answer) } else { Err(failure(&answer)) }
    }

    /// Hands a file over: asks where, uploads it there, and shows it. Nobody sees it before the last step.
    async fn file(
        &self,
        way: &Value,
        name: &str,
        media_type: &str,
        bytes: &bytes::Bytes,
    ) -> Result<Option<String>, DeliveryError> {
        let clear = |error: DeliveryError| DeliveryError { in_doubt: false, ..error };
        let form = [("filename", name.to_owned()), ("length", bytes.len().to_string())];
        let place = self.call(Method::POST, "files.getUploadURLExternal", ApiBody::Form(&form)).await;
        let place = place.map_err(clear)?;
        let strange = || DeliveryError::later("hand over a file: Slack names no place of its own for it");
        let file = place.text("/file_id").ok_or_else(strange)?;
        let url = place.text("/upload_url").and_then(|url| Url::parse(&url).ok()).ok_or_else(strange)?;
        // Nowhere else, whatever the answer says.
        let ours = Origin::of(self.uploads.base()).is_some_and(|base| base.holds(&url));
        let path =
            url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        if !ours {
            return Err(strange());
        }
        let body = ApiBody::Bytes { media_type, bytes: bytes.clone() };
        let (credentials, headers) = (&Credentials::None, Vec::new());
        let call = ApiCall { method: Method::POST, path: &path, credentials, headers, body };
        let answer = self.uploads.call(call).await.map_err(clear)?;
        if !answer.is_success() {
            return Err(clear(answer.error("hand over a file", None)));
        }
        let mut body = json!({"files": [{"id": file, "title": name}], "channel_id": way.get("channel")});
        if let Some(thread) = text(way, "/thread") {
            body["thread_ts"] = json!(thread);
        }
        self.call(Method::POST, "files.completeUploadExternal", ApiBody::Json(&body)).await.map(|_| None)
    }
}

#[async_trait]
impl Speech for App {
    fn media_types(&self) -> &[&str] {
        &["application/json", "application/x-www-form-urlencoded"]
    }

    fn verify<'r>(&self, request: &'r Unverified, now: Timestamp) -> Result<Verified<'r>, Forged> {
        let time = request.header("x-slack-request-timestamp");
        fresh(time, now)?;
        let value = request.header("x-slack-signature").and_then(|value| value.strip_prefix("v0="));
        let parts = [b"v0:", time.unwrap_or_default().as_bytes(), b":", request.signed_body()];
        self.keys.verify(request, &parts, &Candidates::hex(32, value))
    }

    /// The verification of the address is signed like everything else, and wants its challenge back.
    fn answer(&self, request: &Verified<'_>, _: &[Outcome]) -> Answer {
        let value = request.json::<Value>().unwrap_or_default();
        match text(&value, "/type").as_deref() {
            Some("url_verification") => Answer::echo(&text(&value, "/challenge").unwrap_or_default()),
            _ => Answer::empty(StatusCode::OK),
        }
    }

    async fn send(&self, outgoing: &Outgoing<'_>) -> Result<Option<String>, DeliveryError> {
        let words = match &outgoing.content {
            Content::Text(words) => words,
            Content::File { name, media_type, bytes } => {
                return self.file(outgoing.way, name, media_type, bytes).await;
            }
            Content::Link { .. } => return Err(no_files()),
        };
        let channel = text(outgoing.way, "/channel").unwrap_or_default();
        let mut body = json!({
            "channel": channel,
            "text": words,
            "metadata": {"event_type": "lodge", "event_payload": {"id": outgoing.id.as_str()}},
        });
        if let Some(thread) = text(outgoing.way, "/thread") {
            body["thread_ts"] = json!(thread);
        }
        let answer = self.call(Method::POST, "chat.postMessage", ApiBody::Json(&body)).await?;
        let team = text(outgoing.way, "/team").unwrap_or_default();
        Ok(answer.text("/ts").map(|ts| id_of(&team, &channel, &ts)))
    }

    fn media_policy(&self) -> MediaPolicy {
        MediaPolicy::new(&["files.slack.com"], self.base.clone())
    }

    async fn locate(&self, media: &Media) -> Result<(String, Credentials), MediaError> {
        Ok((media.handle.clone(), self.credentials.clone()))
    }

    async fn name_of(&self, account: &str) -> Option<String> {
        let body = [("user", account.to_owned())];
        let answer = self.call(Method::POST, "users.info", ApiBody::Form(&body)).await.ok()?;
        answer.text("/user/profile/real_name").or_else(|| answer.text("/user/name"))
    }
}
