//! What Meta's products share: one app secret that signs, one token that sends, one envelope around everything, one way to
//! say what failed. X-Hub-Signature-256 is over the raw bytes, which hold `\uXXXX` escapes.

use crate::heard::Heard;
use crate::json::text;
use crate::replier::TOO_FAST;
use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use lodge_channel::fetch::{ApiAnswer, ApiBody, ApiCall, ApiClient, ApiSettings, Credentials, MediaPolicy};
use lodge_channel::webhook::{
    Algorithm, Answer, Candidates, Forged, HmacKeys, SharedToken, Unverified, Verified,
};
use lodge_channel::{Context, Problem, Secret, Secrets};
use lodge_domain::{DeliveryError, Disposition};
use reqwest::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use url::Url;

/// The version of the Graph API that we speak.
const VERSION: &str = "v23.0";
const GRAPH: &str = "https://graph.facebook.com";
/// Where files lie.
const HOSTS: &[&str] = &["*.fbcdn.net", "*.fbsbx.com", "*.cdninstagram.com"];

/// The least keys of its table; see [`crate::scratch`].
pub(crate) const SCRATCH: &str =
    "app_secret = \"file:secret\"\nverify_token = \"file:secret\"\naccess_token = \"file:secret\"\n";

/// An app of Meta and the page or account it speaks for.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Meta {
    /// The app secret; signs every webhook. A list while it is changed over, or where two apps post here.
    pub(crate) app_secret: Secrets,
    /// The token that is asked for once, when the webhook is set up.
    pub(crate) verify_token: Secret,
    /// The token of the page or account; sends, and looks up names.
    pub(crate) access_token: Secret,
    /// Our page or account; what came to another one is left aside. Default: any.
    #[serde(default)]
    pub(crate) page_id: Option<String>,
    /// Use the HUMAN_AGENT tag for replies between one and seven days after the last message; the app needs that permission.
    #[serde(default)]
    pub(crate) human_agent: bool,
    /// Where the Graph API is.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) api_base: Option<Url>,
}

impl Meta {
    pub(crate) fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        let app = self.app_secret.0.iter().map(|secret| ("app_secret", secret));
        app.chain([("verify_token", &self.verify_token), ("access_token", &self.access_token)]).collect()
    }

    pub(crate) fn connect(&self, context: &Context) -> Result<Graph, Problem> {
        Graph::new(&self.app_secret, &self.verify_token, &self.access_token, self.api_base.as_ref(), context)
    }

    /// Whether what came to `account` is ours.
    pub(crate) fn is_ours(&self, account: &str) -> bool {
        self.page_id.as_ref().is_none_or(|ours| ours == account)
    }
}

/// Speaks the Graph API for one app.
pub(crate) struct Graph {
    keys: HmacKeys,
    verify_token: SharedToken,
    pub(crate) credentials: Credentials,
    api: ApiClient,
    /// Where the configuration says the API is; files may come from there, whatever its address.
    base: Option<Url>,
}

/// A problem with a secret.
pub(crate) fn unreadable(key: &str, error: impl std::fmt::Display) -> Problem {
    Problem::new(key, error.to_string(), "set the variable, or write the file")
}

/// A client for an API.
pub(crate) fn api(base: Option<&Url>, default: &str) -> Result<ApiClient, Problem> {
    let wrong = |error: &dyn std::fmt::Display| {
        Problem::new("api_base", error.to_string(), "write it as https://api.example.com, without a password")
    };
    let base = match base {
        Some(base) => base.clone(),
        None => Url::parse(default).map_err(|error| wrong(&error))?,
    };
    let deadline = Duration::from_secs(20);
    ApiClient::new(&ApiSettings { base, deadline }).map_err(|error| wrong(&error))
}

impl Graph {
    pub(crate) fn new(
        app_secret: &Secrets,
        verify_token: &Secret,
        access_token: &Secret,
        base: Option<&Url>,
        context: &Context,
    ) -> Result<Self, Problem> {
        let source = &*context.secrets;
        let secrets = app_secret.read(source).map_err(|error| unreadable("app_secret", error))?;
        let token = source.read(verify_token).map_err(|error| unreadable("verify_token", error))?;
        let access = source.read(access_token).map_err(|error| unreadable("access_token", error))?;
        Ok(Self {
            keys: HmacKeys::new(Algorithm::Sha256, &secrets),
            verify_token: SharedToken::new(&[token]),
            credentials: Credentials::Bearer(access),
            api: api(base, GRAPH)?,
            base: base.cloned(),
        })
    }

    pub(crate) fn verify<'r>(&self, request: &'r Unverified) -> Result<Verified<'r>, Forged> {
        let value = request.header("x-hub-signature-256").and_then(|value| value.strip_prefix("sha256="));
        self.keys.verify(request, &[request.signed_body()], &Candidates::hex(32, value))
    }

    /// The subscription of the webhook: our token is compared before anything is given back (T19).
    pub(crate) fn handshake(&self, request: &Unverified) -> Answer {
        let query = request.query();
        let ours = query.get("hub.mode") == Some("subscribe")
            && query.get("hub.verify_token").is_some_and(|token| self.verify_token.is(token));
        if ours {
            Answer::echo(query.get("hub.challenge").unwrap_or_default())
        } else {
            Answer::empty(StatusCode::FORBIDDEN)
        }
    }

    async fn call(&self, method: Method, path: &str, body: ApiBody<'_>) -> Result<ApiAnswer, DeliveryError> {
        let path = format!("{VERSION}/{path}");
        let credentials = &self.credentials;
        self.api.call(ApiCall { method, path: &path, credentials, headers: Vec::new(), body }).await
    }

    /// Posts; the answer where it is a success.
    pub(crate) async fn post(&self, path: &str, body: ApiBody<'_>) -> Result<ApiAnswer, DeliveryError> {
        let answer = self.call(Method::POST, path, body).await?;
        if answer.is_success() { Ok(answer) } else { Err(failure(&answer)) }
    }

    /// Fields of a node; `None` where they are not to be had.
    pub(crate) async fn get(&self, path: &str) -> Result<ApiAnswer, DeliveryError> {
        let answer = self.call(Method::GET, path, ApiBody::Empty).await?;
        if answer.is_success() { Ok(answer) } else { Err(failure(&answer)) }
    }

    pub(crate) fn media_policy(&self) -> MediaPolicy {
        MediaPolicy::new(HOSTS, self.base.clone())
    }
}

/// What an error of the Graph API means for the next try.
pub(crate) fn failure(answer: &ApiAnswer) -> DeliveryError {
    const DOING: &str = "send by the Graph API";
    let code: i64 = answer.text("/error/code").and_then(|code| code.parse().ok()).unwrap_or(0);
    let words = answer.text("/error/message").map(|words| format!("{words} (code {code})"));
    let wait = |times| Disposition::Later { after: Some(answer.retry_after.unwrap_or(TOO_FAST * times)) };
    let disposition = match code {
        // Too fast: for the app, the account, the number, or the pair of two numbers.
        4 | 17 | 32 | 613 | 80_006 | 80_007 | 130_429 => wait(6),
        131_056 => wait(2),
        // Temporary, by their own word.
        1 | 2 | 1200 | 131_000 | 131_016 | 133_016 => Disposition::Later { after: answer.retry_after },
        10 if answer.text("/error/error_subcode").as_deref() == Some("2018278") => Disposition::Never,
        // The token, the app's rights, the account.
        3 | 10 | 102 | 190 | 200..=299 | 368 | 131_005 | 131_031 | 131_042 | 131_045 => {
            Disposition::Misconfigured
        }
        // The person, the message, the window.
        100
        | 551
        | 131_008..=131_009
        | 131_021..=131_030
        | 131_047..=131_055
        | 131_057..=131_062
        | 132_000..=132_099 => Disposition::Never,
        _ => return answer.error(DOING, words.as_deref()),
    };
    answer.error_as(disposition, DOING, words.as_deref())
}

/// The body as JSON, or what is strange about it.
pub(crate) fn envelope(body: &[u8], object: &str) -> Result<Value, Heard> {
    let strange = |why| Heard::Strange { why, id: String::new() };
    let value: Value = serde_json::from_slice(body).map_err(|_| strange("the body is no JSON"))?;
    match text(&value, "/object") {
        Some(found) if found == object && value.pointer("/entry").is_some_and(Value::is_array) => Ok(value),
        Some(_) => Err(Heard::Nothing { reason: "about another product", id: None }),
        None => Err(strange("the body has another shape")),
    }
}

/// Whether a late reply may still go with the tag for people who answer themselves.
///
/// # Errors
/// What could be done instead.
pub(crate) fn human_agent(allowed: bool, ended: Timestamp, now: Timestamp) -> Result<(), String> {
    // The window is one day of the seven.
    let last = ended.checked_add(SignedDuration::from_hours(24 * 6)).unwrap_or(Timestamp::MAX);
    match (allowed, now <= last) {
        (true, true) => Ok(()),
        (true, false) => {
            Err(format!("allowed templates: HUMAN_AGENT until {last}; wait until they write again"))
        }
        (false, _) => {
            Err("allowed templates: none; human_agent = true allows seven days, with Meta's permission"
                .to_owned())
        }
    }
}
