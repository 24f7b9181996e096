//! A Mastodon account (and servers that speak its API): posts that mention it, in public or directly. Its notifications are
//! asked for, from where the last look ended; where the server may push (`push`), it says when there is something to ask for.
//!
//! Its streams are not read: a push comes as soon, to whichever gateway answers, without a socket that one of them has to
//! hold, and what is missed while nobody answers is found by the next look all the same. What streams would say is
//! understood nevertheless (`lodge normalize`).

mod html;
mod look;
mod push;
mod statuses;

use super::meta::{api, unreadable};
use super::x::links;
use crate::heard::Heard;
use crate::json::text;
use crate::pace::Pace;
use crate::replier::TOO_FAST;
use crate::speech::{Capabilities, Content, FilesOut, Outgoing, Settings, Speech, Unit, no_files};
use crate::watch::Watch;
use async_trait::async_trait;
use axum::http::StatusCode;
use bytes::Bytes;
use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use lodge_channel::fetch::{ApiAnswer, ApiBody, ApiCall, ApiClient, Credentials, MediaPolicy, escaped};
use lodge_channel::webhook::{Answer, Forged, LONGEST_PUSH, Unverified, Verified};
use lodge_channel::{Context, Problem, Registrar, Secret};
use lodge_domain::ports::{Clock, Outcome, Refusal};
use lodge_domain::{DeliveryError, Disposition, HandleKind, PartyHandle, digest_parts};
use reqwest::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// A link counts as 23 characters, however short it is; the shortest has four.
const LINK_SURPLUS: usize = 19;
/// How often, and with which wait, a file that the server still works on is asked for.
const PROCESSING: (u32, Duration) = (10, Duration::from_millis(500));

/// What a Mastodon account can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    verified_by: "its API, which is asked; pushes by their encryption (RFC 8291)",
    text: (500, Unit::Characters),
    window: "none",
    public: true,
    files_in: true,
    files_out: FilesOut::All,
    changes: "edits, deletions",
    receipts: "none",
    registers: true,
    pace: Pace::new((150, 300), (30, 60)),
};

/// The least keys of its table; see [`crate::scratch`].
pub(crate) const SCRATCH: &str = "server = \"https://mastodon.example\"\naccess_token = \"file:secret\"\n";

/// An account on Mastodon. Its notifications are asked for; with `push` its server says when.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mastodon {
    /// The account's server, such as `https://mastodon.example`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub server: Option<Url>,
    /// A token of the account with the rights `read:notifications`, `read:statuses`, `write:statuses` and `write:media`; for
    /// `push` also the right `push`.
    pub access_token: Secret,
    /// Whether the server may push (Web Push): what it pushes makes us look at once, and `poll_seconds` may be long. Keys follow
    /// from the token; `lodge webhook register` tells the server of them, and has to be done again for another token.
    #[serde(default)]
    pub push: bool,
    /// How often it is looked for news, in seconds.
    #[serde(default = "poll")]
    pub poll_seconds: u16,
    /// The longest post that the server takes.
    #[serde(default = "longest")]
    pub max_characters: usize,
    /// Where the server keeps files; its own name and names below that are known.
    #[serde(default)]
    pub media_hosts: Vec<String>,
    /// Where the API is, where that is not on the server itself.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub api_base: Option<Url>,
}

fn poll() -> u16 {
    15
}

fn longest() -> usize {
    500
}

fn no_server() -> Problem {
    Problem::new("server", "it is missing", "write the account's server, such as `https://mastodon.example`")
}

impl Settings for Mastodon {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        vec![("access_token", &self.access_token)]
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.server.is_none() && self.api_base.is_none() {
            problems.push(no_server());
        }
        if self.poll_seconds < 2 {
            let remedy = "write 2 or more: servers take about one call a second";
            problems.push(Problem::new("poll_seconds", "it is too often", remedy));
        }
        if self.max_characters < 100 {
            let remedy = "write what the server's page says";
            problems.push(Problem::new("max_characters", "no server has so short posts", remedy));
        }
        problems
    }

    fn vouches(&self) -> &'static str {
        "told by the account's own server"
    }

    fn understand(&self, body: &[u8], now: Timestamp) -> Vec<Heard> {
        statuses::understand(body, now)
    }

    fn connect(&self, context: &Context) -> Result<Arc<dyn Speech>, Problem> {
        let token = context.secrets.read(&self.access_token);
        let token = token.map_err(|error| unreadable("access_token", error))?;
        let base = self.api_base.as_ref().or(self.server.as_ref()).ok_or_else(no_server)?;
        Ok(Arc::new(Account {
            inlet: self.push.then(|| push::Inlet::new(&token)).transpose()?,
            credentials: Credentials::Bearer(token),
            api: api(Some(base), "")?,
            settings: self.clone(),
            clock: Arc::clone(&context.clock),
        }))
    }
}

struct Account {
    /// Where the server pushes, where it may.
    inlet: Option<push::Inlet>,
    credentials: Credentials,
    api: ApiClient,
    settings: Mastodon,
    clock: Arc<dyn Clock>,
}

fn failure(answer: &ApiAnswer, doing: &str, now: Timestamp) -> DeliveryError {
    let words = answer.text("/error");
    let disposition = match answer.status {
        404 | 410 | 422 => Disposition::Never,
        429 => {
            let until = answer.reset_at.map(|reset| reset.duration_since(now));
            let until = until.filter(SignedDuration::is_positive);
            Disposition::Later { after: Some(answer.retry_after.or(until).unwrap_or(TOO_FAST * 12)) }
        }
        _ => return answer.error(doing, words.as_deref()),
    };
    answer.error_as(disposition, doing, words.as_deref())
}

/// The same on every try of one part: the server posts it once.
fn idempotency_key(outgoing: &Outgoing<'_>) -> String {
    HEXLOWER.encode(&digest_parts(&[outgoing.id.as_str().as_bytes(), &outgoing.part.to_be_bytes()]))
}

impl Account {
    async fn get(&self, path: &str) -> Result<ApiAnswer, DeliveryError> {
        let (credentials, headers) = (&self.credentials, Vec::new());
        self.api.call(ApiCall { method: Method::GET, path, credentials, headers, body: ApiBody::Empty }).await
    }

    async fn upload(&self, name: &str, media_type: &str, bytes: &Bytes) -> Result<String, DeliveryError> {
        const DOING: &str = "hand over a file";
        let body = ApiBody::File {
            fields: Vec::new(),
            field: "file".to_owned(),
            name: name.to_owned(),
            media_type: media_type.to_owned(),
            bytes: bytes.clone(),
        };
        let (credentials, headers) = (&self.credentials, Vec::new());
        let call = ApiCall { method: Method::POST, path: "api/v2/media", credentials, headers, body };
        // A file that nobody sees yet is in nobody's way: nothing is in doubt.
        let clear = |error: DeliveryError| DeliveryError { in_doubt: false, ..error };
        let mut answer = self.api.call(call).await.map_err(clear)?;
        let id = answer.text("/id").filter(|_| answer.is_success());
        let Some(id) = id else { return Err(clear(failure(&answer, DOING, self.clock.now()))) };
        let (tries, wait) = PROCESSING;
        let path = format!("api/v1/media/{}", escaped(&id));
        for _ in 0..tries {
            match answer.status {
                200 => return Ok(id),
                202 | 206 => tokio::time::sleep(wait).await,
                _ => return Err(clear(failure(&answer, DOING, self.clock.now()))),
            }
            answer = self.get(&path).await.map_err(clear)?;
        }
        Err(DeliveryError::later("hand over a file: the server still works on it"))
    }
}

#[async_trait]
impl Speech for Account {
    fn watch(self: Arc<Self>) -> Option<Arc<dyn Watch>> {
        Some(self)
    }

    fn calls_too(&self) -> bool {
        self.inlet.is_some()
    }

    fn body_limit(&self) -> usize {
        LONGEST_PUSH
    }

    fn media_types(&self) -> &[&str] {
        &["application/octet-stream"]
    }

    fn encodings(&self) -> &[&str] {
        push::ENCODINGS
    }

    fn verify<'r>(&self, request: &'r Unverified, _: Timestamp) -> Result<Verified<'r>, Forged> {
        let inlet = self.inlet.as_ref().ok_or(Forged("nobody was asked to push"))?;
        inlet.keys.open(request).map(|(verified, _)| verified)
    }

    /// On hearing a 4xx the server drops the subscription: a gateway that still has the token from before, or has it already,
    /// would end what the others live by. So it is asked to come back, and the look finds what it was about.
    fn disbelief(&self) -> Answer {
        Answer::later(&Refusal::Busy { retry_after: push::DISBELIEVED })
    }

    fn opened(&self, request: &Verified<'_>) -> Option<Bytes> {
        self.inlet.as_ref()?.keys.open(request.request()).ok().map(|(_, said)| said)
    }

    fn answer(&self, _: &Verified<'_>, _: &[Outcome]) -> Answer {
        // What it is about lies at the server until a look has found it: nothing is lost with us.
        if let Some(inlet) = &self.inlet {
            inlet.news.notify_one();
        }
        Answer::empty(StatusCode::OK)
    }

    fn registrar(self: Arc<Self>) -> Option<Arc<dyn Registrar>> {
        self.inlet.is_some().then_some(self as Arc<dyn Registrar>)
    }

    fn limit(&self, way: &Value, words: &str) -> Option<(usize, Unit)> {
        let mention = text(way, "/acct").unwrap_or_default().chars().count() + 2;
        let all = self.settings.max_characters;
        let room = all.saturating_sub(mention + LINK_SURPLUS * links(words));
        Some((room.max(all / 2 - 20), Unit::Characters))
    }

    async fn send(&self, outgoing: &Outgoing<'_>) -> Result<Option<String>, DeliveryError> {
        let acct = text(outgoing.way, "/acct").unwrap_or_default();
        // Without the mention nobody is told, and a direct message would be to nobody.
        let (words, files) = match &outgoing.content {
            Content::Text(words) => (format!("@{acct} {words}"), Vec::new()),
            Content::File { name, media_type, bytes } => {
                (format!("@{acct}"), vec![self.upload(name, media_type, bytes).await?])
            }
            Content::Link { .. } => return Err(no_files()),
        };
        // To their followers alone is, from us, to them alone: we have other followers.
        let visibility = match text(outgoing.way, "/visibility").as_deref() {
            Some("public") => "public",
            Some("unlisted") => "unlisted",
            _ => "direct",
        };
        let mut body = json!({"status": words, "visibility": visibility, "media_ids": files});
        if let Some(status) = text(outgoing.way, "/status") {
            body["in_reply_to_id"] = json!(status);
        }
        let call = ApiCall {
            method: Method::POST,
            path: "api/v1/statuses",
            credentials: &self.credentials,
            headers: vec![("idempotency-key", idempotency_key(outgoing))],
            body: ApiBody::Json(&body),
        };
        let answer = self.api.call(call).await?;
        if answer.is_success() {
            Ok(answer.text("/id"))
        } else {
            Err(failure(&answer, "post a status", self.clock.now()))
        }
    }

    fn media_policy(&self) -> MediaPolicy {
        let mut policy = MediaPolicy::new(&[], Some(self.api.base().clone()));
        let server = self.settings.server.as_ref().unwrap_or(self.api.base());
        policy
            .hosts
            .extend(server.host_str().into_iter().flat_map(|host| [host.to_owned(), format!("*.{host}")]));
        policy.hosts.extend(self.settings.media_hosts.iter().cloned());
        policy
    }

    fn way_to(&self, party: &PartyHandle) -> Option<Value> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '@');
        let fits = party.kind == HandleKind::Account && party.value.chars().all(plain);
        fits.then(|| json!({"acct": party.value, "visibility": "direct"}))
    }
}
