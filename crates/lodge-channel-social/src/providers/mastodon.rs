//! A Mastodon account (and servers that speak its API): posts that mention it, in public or directly. Nobody calls us: its
//! notifications are asked for, from where the last look ended.

mod html;
mod statuses;

use super::meta::{api, unreadable};
use super::x::links;
use crate::heard::{Deleted, Heard, Said};
use crate::json::text;
use crate::pace::Pace;
use crate::replier::TOO_FAST;
use crate::speech::{Capabilities, Content, FilesOut, Outgoing, Settings, Speech, Unit, no_files};
use crate::watch::{Look, Watch};
use async_trait::async_trait;
use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use lodge_channel::fetch::{ApiAnswer, ApiBody, ApiCall, ApiClient, Credentials, MediaPolicy, escaped};
use lodge_channel::{Context, Problem, Secret};
use lodge_domain::ports::Clock;
use lodge_domain::{DeliveryError, Disposition, HandleKind, PartyHandle, digest_parts};
use reqwest::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// What is asked for; edits and deletions are seen when a post is looked at again.
const NEWS: &str = "api/v1/notifications?limit=80&types%5B%5D=mention&types%5B%5D=quote";
/// The most pages of the first look.
const MOST_PAGES: usize = 25;
/// So few calls are left to those who send.
const SPARE_CALLS: u32 = 20;
/// A link counts as 23 characters, however short it is; the shortest has four.
const LINK_SURPLUS: usize = 19;
/// How often, and with which wait, a file that the server still works on is asked for.
const PROCESSING: (u32, Duration) = (10, Duration::from_millis(500));

/// What a Mastodon account can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    verified_by: "its API, which is asked",
    text: (500, Unit::Characters),
    window_hours: None,
    public: true,
    files_in: true,
    files_out: FilesOut::All,
    changes: "edits, deletions",
    receipts: "none",
    registers: false,
    pace: Pace::new((150, 300), (30, 60)),
};

/// The least keys of its table; see [`crate::scratch`].
pub(crate) const SCRATCH: &str = "api_base = \"https://mastodon.example\"\naccess_token = \"file:secret\"\n";

/// An account on Mastodon. Its notifications are asked for; nothing calls us.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mastodon {
    /// The account's server, such as `https://mastodon.example`.
    #[schemars(with = "String")]
    pub api_base: Url,
    /// A token of the account with the rights `read:notifications`, `read:statuses`, `write:statuses` and `write:media`.
    pub access_token: Secret,
    /// How often it is looked for news, in seconds.
    #[serde(default = "poll")]
    pub poll_seconds: u16,
    /// The longest post that the server takes.
    #[serde(default = "longest")]
    pub max_characters: usize,
    /// Where the server keeps files; its own name and names below that are known.
    #[serde(default)]
    pub media_hosts: Vec<String>,
}

fn poll() -> u16 {
    15
}

fn longest() -> usize {
    500
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
        Ok(Arc::new(Account {
            credentials: Credentials::Bearer(token),
            api: api(Some(&self.api_base), "")?,
            settings: self.clone(),
            clock: Arc::clone(&context.clock),
        }))
    }
}

struct Account {
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

/// Ids are numbers without leading zeros, too large for some.
fn newer(id: &str, than: &str) -> bool {
    (id.len(), id) > (than.len(), than)
}

impl Account {
    async fn get(&self, path: &str) -> Result<ApiAnswer, DeliveryError> {
        let (credentials, headers) = (&self.credentials, Vec::new());
        self.api.call(ApiCall { method: Method::GET, path, credentials, headers, body: ApiBody::Empty }).await
    }

    /// A page of notifications, newest first.
    async fn page(&self, more: &str) -> Result<(Vec<Value>, ApiAnswer), DeliveryError> {
        let mut answer = self.get(&format!("{NEWS}{more}")).await?;
        match (answer.is_success(), answer.body.take()) {
            (true, Value::Array(page)) => Ok((page, answer)),
            (true, _) => {
                let error = "ask for notifications: the answer has another shape; look at api_base";
                Err(DeliveryError::new(Disposition::Misconfigured, error))
            }
            (false, body) => {
                answer.body = body;
                Err(failure(&answer, "ask for notifications", self.clock.now()))
            }
        }
    }

    /// How long to leave the server alone, where hardly any calls are left.
    fn rest(answer: &ApiAnswer, now: Timestamp) -> Option<SignedDuration> {
        let few = answer.remaining.is_some_and(|left| left <= SPARE_CALLS);
        let rest = answer.reset_at.filter(|_| few)?.duration_since(now);
        rest.is_positive().then_some(rest)
    }

    /// What lay there when we came, back to `since`, newest first.
    async fn first(&self, since: Timestamp) -> Result<(Vec<Value>, ApiAnswer), DeliveryError> {
        let (mut all, mut answer) = self.page("").await?;
        let mut page = all.len();
        for _ in 0..MOST_PAGES {
            let Some(last) = all.last().filter(|_| page > 0) else { break };
            let at = text(last, "/created_at").and_then(|at| at.parse::<Timestamp>().ok());
            let Some(id) = text(last, "/id").filter(|_| at.is_none_or(|at| at >= since)) else { break };
            let older = self.page(&format!("&max_id={}", escaped(&id))).await?;
            page = older.0.len();
            answer = older.1;
            all.extend(older.0);
        }
        Ok((all, answer))
    }

    async fn upload(
        &self,
        name: &str,
        media_type: &str,
        bytes: &bytes::Bytes,
    ) -> Result<String, DeliveryError> {
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
        let mut policy = MediaPolicy::new(&[], Some(self.settings.api_base.clone()));
        let own = self.settings.api_base.host_str().map(|host| format!("*.{host}"));
        policy.hosts.extend(own);
        policy.hosts.extend(self.settings.media_hosts.iter().cloned());
        policy
    }

    fn way_to(&self, party: &PartyHandle) -> Option<Value> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '@');
        let fits = party.kind == HandleKind::Account && party.value.chars().all(plain);
        fits.then(|| json!({"acct": party.value, "visibility": "direct"}))
    }
}

#[async_trait]
impl Watch for Account {
    fn account(&self) -> String {
        // One token is one account; its digest says nothing about it.
        let token = match &self.credentials {
            Credentials::Bearer(token) => secrecy::ExposeSecret::expose_secret(token),
            _ => "",
        };
        let digest = digest_parts(&[self.settings.api_base.as_str().as_bytes(), token.as_bytes()]);
        HEXLOWER.encode(&digest[..12])
    }

    fn every(&self) -> Duration {
        Duration::from_secs(self.settings.poll_seconds.into())
    }

    async fn look(&self, mark: &Value, since: Timestamp, now: Timestamp) -> Result<Look, DeliveryError> {
        let before = text(mark, "/id");
        let (mut page, answer) = match &before {
            // The oldest ones behind it: none is skipped, however many there are.
            Some(id) => self.page(&format!("&min_id={}", escaped(id))).await?,
            None => self.first(since).await?,
        };
        let ids = page.iter().filter_map(|one| text(one, "/id"));
        let newest = ids.fold(before.clone().unwrap_or_else(|| "0".to_owned()), |newest, id| {
            if newer(&id, &newest) { id } else { newest }
        });
        let (more, rest) = (before.as_ref().is_some_and(|id| *id != newest), Self::rest(&answer, now));
        if before.is_none() {
            page.retain(|one| {
                let at = text(one, "/created_at").and_then(|at| at.parse::<Timestamp>().ok());
                at.is_none_or(|at| at >= since)
            });
        }
        page.reverse();
        let bodies = if page.is_empty() { Vec::new() } else { vec![Value::Array(page)] };
        Ok(Look { bodies, mark: json!({"id": newest}), more: more && rest.is_none(), rest })
    }

    fn may_change(&self, _: &Said) -> bool {
        true
    }

    async fn again(&self, id: &str, version: &str, now: Timestamp) -> Result<Option<Heard>, DeliveryError> {
        let answer = self.get(&format!("api/v1/statuses/{}", escaped(id))).await?;
        // A page of a server that is being put right is no word about the post.
        if matches!(answer.status, 404 | 410) && answer.text("/error").is_some() {
            return Ok(Some(Heard::Deleted(Deleted { id: id.to_owned(), at: now })));
        }
        if !answer.is_success() {
            return Err(failure(&answer, "look at a post again", now));
        }
        let same = answer.text("/edited_at").unwrap_or_default() == version;
        let whole = answer.text("/id").is_some_and(|found| found == id);
        Ok((whole && !same).then(|| statuses::edited(&answer.body, now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_compared_as_the_numbers_that_they_are() {
        assert!(newer("100", "99") && newer("34975861", "34975860") && newer("1", "0"));
        assert!(!newer("99", "100") && !newer("7", "7"));
    }
}
