//! A Bluesky account: posts that mention, answer or quote it, and its conversations. Nobody calls us: both are asked for, from
//! where the last look ended. Answers to posts are public; conversations are the person's own.

mod look;
mod posts;
mod read;
mod session;

use super::meta::{api, unreadable};
use crate::heard::{Heard, Media};
use crate::json::text;
use crate::pace::Pace;
use crate::speech::{Capabilities, Carries, Content, FilesOut, Outgoing, Settings, Speech, Unit, no_files};
use crate::watch::Watch;
use async_trait::async_trait;
use jiff::Timestamp;
use lodge_channel::fetch::{ApiAnswer, Credentials, MediaError, MediaPolicy, escaped};
use lodge_channel::{Context, Problem, Secret};
use lodge_domain::ports::Clock;
use lodge_domain::{DeliveryError, HandleKind, PartyHandle};
use reqwest::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use session::{Say, Session, failure};
use std::sync::Arc;
use url::Url;

const API: &str = "https://bsky.social";
const PICTURES: &str = "https://cdn.bsky.app";
/// Which service the account's server passes calls about conversations on to.
const CHAT: &str = "did:web:api.bsky.chat#bsky_chat";
/// The longest post and the longest message, in what is shown as one character: counting every character is never too long.
const LONGEST_POST: usize = 300;
const LONGEST_MESSAGE: usize = 1000;
/// The largest picture of a post.
const LARGEST_PICTURE: u64 = 1_000_000;

/// What a Bluesky account can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    verified_by: "its API, which is asked",
    text: (LONGEST_MESSAGE, Unit::Characters),
    window: "none",
    public: true,
    files_in: true,
    files_out: FilesOut::Some("pictures of posts"),
    changes: "deletions",
    receipts: "none",
    registers: false,
    pace: Pace::new((1200, 3600), (30, 60)),
};

/// The least keys of its table; see [`crate::scratch`].
pub(crate) const SCRATCH: &str = "handle = \"acme.example\"\napp_password = \"file:secret\"\n";

/// An account on Bluesky. Its notifications and conversations are asked for; nothing calls us. Messages go out in parts of
/// 1,000 characters, public answers in parts of 300.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bluesky {
    /// The account's name, such as `acme.bsky.social`.
    pub handle: String,
    /// An app password of the account, with access to its direct messages where `chat` is on.
    pub app_password: Secret,
    /// Whether conversations are read and answered.
    #[serde(default = "yes")]
    pub chat: bool,
    /// How often it is looked for news, in seconds.
    #[serde(default = "poll")]
    pub poll_seconds: u16,
    /// The account's server.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub api_base: Option<Url>,
    /// Where pictures of posts are.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub media_base: Option<Url>,
}

fn yes() -> bool {
    true
}

fn poll() -> u16 {
    15
}

impl Settings for Bluesky {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        vec![("app_password", &self.app_password)]
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.poll_seconds < 2 {
            let remedy = "write 2 or more: servers take about ten calls a second from all at an address";
            problems.push(Problem::new("poll_seconds", "it is too often", remedy));
        }
        if self.handle.trim_start_matches('@') != self.handle || !self.handle.contains(['.', ':']) {
            let remedy = "write it as acme.bsky.social, without an @";
            problems.push(Problem::new("handle", "it is no account's name", remedy));
        }
        problems
    }

    fn account(&self) -> Option<String> {
        Some(self.handle.clone())
    }

    fn vouches(&self) -> &'static str {
        "told by the account's own server"
    }

    fn understand(&self, body: &[u8], now: Timestamp) -> Vec<Heard> {
        read::understand(body, now)
    }

    fn connect(&self, context: &Context) -> Result<Arc<dyn Speech>, Problem> {
        let password = context.secrets.read(&self.app_password);
        let password = password.map_err(|error| unreadable("app_password", error))?;
        let clock = Arc::clone(&context.clock);
        let api = api(self.api_base.as_ref(), API)?;
        let session = Session::new(api, self.handle.clone(), password, Arc::clone(&clock));
        Ok(Arc::new(Account { session, settings: self.clone(), clock }))
    }
}

struct Account {
    session: Session,
    settings: Bluesky,
    clock: Arc<dyn Clock>,
}

impl Account {
    async fn post(&self, path: &str, chat: bool, body: &Value) -> Result<ApiAnswer, DeliveryError> {
        let headers = if chat { vec![("atproto-proxy", CHAT.to_owned())] } else { Vec::new() };
        let answer = self.session.call(Method::POST, path, &headers, Say::Json(body)).await?;
        if answer.is_success() { Ok(answer) } else { Err(failure(&answer, "send", self.clock.now())) }
    }

    /// The conversation with a person.
    async fn convo_with(&self, did: &str) -> Result<String, DeliveryError> {
        let path = format!("chat.bsky.convo.getConvoForMembers?members={}", escaped(did));
        let headers = [("atproto-proxy", CHAT.to_owned())];
        let answer = self.session.call(Method::GET, &path, &headers, Say::Nothing).await?;
        let convo = answer.text("/convo/id").filter(|_| answer.is_success());
        convo.ok_or_else(|| failure(&answer, "open a conversation", self.clock.now()))
    }

    async fn message(&self, way: &Value, words: &str) -> Result<Option<String>, DeliveryError> {
        let convo = match text(way, "/convo") {
            Some(convo) => convo,
            None => self.convo_with(&text(way, "/member").unwrap_or_default()).await?,
        };
        let message = json!({"text": words, "facets": posts::facets(words)});
        let body = json!({"convoId": convo, "message": message});
        let answer = self.post("chat.bsky.convo.sendMessage", true, &body).await?;
        Ok(answer.text("/id").map(|id| format!("{convo}/{id}")))
    }

    async fn picture(&self, media_type: &str, bytes: &bytes::Bytes) -> Result<Value, DeliveryError> {
        let say = Say::Bytes(media_type, bytes);
        // A picture that no post shows is in nobody's way: nothing is in doubt.
        let clear = |error: DeliveryError| DeliveryError { in_doubt: false, ..error };
        let path = "com.atproto.repo.uploadBlob";
        let mut answer = self.session.call(Method::POST, path, &[], say).await.map_err(clear)?;
        let success = answer.is_success();
        match answer.body.get_mut("blob").map(Value::take).filter(|_| success) {
            Some(blob) => {
                Ok(json!({"$type": "app.bsky.embed.images", "images": [{"image": blob, "alt": ""}]}))
            }
            None => Err(clear(failure(&answer, "hand over a picture", self.clock.now()))),
        }
    }
}

#[async_trait]
impl Speech for Account {
    fn watch(self: Arc<Self>) -> Option<Arc<dyn Watch>> {
        Some(self)
    }

    fn limit(&self, way: &Value, _: &str) -> Option<(usize, Unit)> {
        way.get("post").map(|_| (LONGEST_POST, Unit::Characters))
    }

    fn carries(&self, way: &Value, media_type: &str, size: u64) -> Carries {
        let picture = media_type.starts_with("image/") && size <= LARGEST_PICTURE;
        if picture && way.get("post").is_some() { Carries::Bytes } else { Carries::Not }
    }

    async fn send(&self, outgoing: &Outgoing<'_>) -> Result<Option<String>, DeliveryError> {
        let is_post = outgoing.way.get("post").is_some();
        let (words, embed) = match &outgoing.content {
            Content::Text(words) if is_post => (*words, None),
            Content::Text(words) => return self.message(outgoing.way, words).await,
            Content::File { media_type, bytes, .. } if is_post => {
                ("", Some(self.picture(media_type, bytes).await?))
            }
            Content::File { .. } | Content::Link { .. } => return Err(no_files()),
        };
        let now = self.clock.now();
        // Written under a key of our own: written again, it is the same post.
        let body = json!({
            "repo": self.session.did().await?,
            "collection": "app.bsky.feed.post",
            "rkey": posts::key(outgoing, now),
            "record": posts::record(outgoing.way, words, embed, now),
        });
        let answer = self.post("com.atproto.repo.putRecord", false, &body).await;
        Ok(answer.map_err(|error| DeliveryError { in_doubt: false, ..error })?.text("/uri"))
    }

    fn media_policy(&self) -> MediaPolicy {
        MediaPolicy::new(&["cdn.bsky.app"], self.settings.media_base.clone())
    }

    async fn locate(&self, media: &Media) -> Result<(String, Credentials), MediaError> {
        let base = self.settings.media_base.as_ref().map_or(PICTURES, Url::as_str).trim_end_matches('/');
        let (did, cid) = media.handle.split_once('/').ok_or(MediaError::Refused)?;
        let plain = |text: &str| {
            text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, ':' | '.' | '-' | '_'))
        };
        if !plain(did) || !plain(cid) {
            return Err(MediaError::Refused);
        }
        Ok((format!("{base}/img/feed_fullsize/plain/{did}/{cid}@jpeg"), Credentials::None))
    }

    async fn name_of(&self, account: &str) -> Option<String> {
        let path = format!("app.bsky.actor.getProfile?actor={}", escaped(account));
        let answer = self.session.call(Method::GET, &path, &[], Say::Nothing).await.ok()?;
        let named = |at| answer.text(at).filter(|name| answer.is_success() && !name.is_empty());
        named("/displayName").or_else(|| named("/handle"))
    }

    fn way_to(&self, party: &PartyHandle) -> Option<Value> {
        let is_did = party.kind == HandleKind::Account && party.value.starts_with("did:");
        (is_did && self.settings.chat).then(|| json!({"member": party.value}))
    }
}
