//! X: direct messages to an account and posts that mention it (X Activity API, and the older Account Activity API).
//!
//! The webhook's handshake (CRC) signs whatever token it is asked with, by the same secret and in the same way as X signs
//! its webhooks. So only what looks like a token is signed, and only what cannot look like one is believed.

mod events;
mod oauth;
mod register;

use super::meta::{api, unreadable};
use crate::heard::{Heard, Media};
use crate::json::text;
use crate::pace::Pace;
use crate::replier::TOO_FAST;
use crate::speech::{Capabilities, Carries, Content, FilesOut, Outgoing, Settings, Speech, Unit, no_files};
use async_trait::async_trait;
use axum::http::StatusCode;
use bytes::Bytes;
use data_encoding::BASE64;
use jiff::{SignedDuration, Timestamp};
use lodge_channel::fetch::{
    ApiAnswer, ApiBody, ApiCall, ApiClient, ClientGrant, Credentials, MediaError, MediaPolicy, escaped,
};
use lodge_channel::webhook::{Algorithm, Answer, Candidates, Forged, HmacKeys, Unverified, Verified};
use lodge_channel::{Context, Plain, Problem, Registrar, Secret, Secrets};
use lodge_domain::ports::{Clock, Entropy};
use lodge_domain::{DeliveryError, Disposition, HandleKind, PartyHandle};
use reqwest::Method;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use url::Url;

const API: &str = "https://api.x.com";
/// The longest post, by weighted characters.
const LONGEST_POST: usize = 280;
/// A link counts as 23 characters, however short it is; the shortest has four.
const LINK_SURPLUS: usize = 19;
/// How large a picture may be that is handed over in one piece.
const LARGEST_PICTURE: u64 = 5_000_000;
/// A longer token is not X's.
const LONGEST_TOKEN: usize = 512;

/// What an X account can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    verified_by: "HMAC-SHA256 of the body",
    // Of direct messages; a public answer has at most 280 weighted characters.
    text: (10_000, Unit::Characters),
    window: "none",
    public: true,
    files_in: true,
    files_out: FilesOut::Some("pictures up to 5 MB"),
    changes: "deletions of posts",
    receipts: "read",
    registers: true,
    pace: Pace::new((15, 900), (15, 900)),
};

/// The least keys of its table; see [`crate::scratch`].
pub(crate) const SCRATCH: &str =
    "consumer_key = \"0\"\nconsumer_secret = \"file:secret\"\naccess_token = \"file:secret\"\n";

/// An account on X, spoken for by an app. Direct messages go out in parts of 10,000 characters, public answers in parts of 280.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct X {
    /// The app's consumer key (API key).
    pub consumer_key: Plain,
    /// The app's consumer secret; signs every webhook. A list while it is changed over, the newest first.
    pub consumer_secret: Secrets,
    /// The account's access token; sends. Of OAuth 2.0 (`media.write` among its scopes, where pictures are sent), or with `access_token_secret` of OAuth 1.0a, which does not expire.
    pub access_token: Secret,
    /// The secret of an access token of OAuth 1.0a.
    #[serde(default)]
    pub access_token_secret: Option<Secret>,
    /// The account's id; `lodge webhook register` asks for it where it is left out.
    #[serde(default)]
    pub user_id: Option<String>,
    /// Where the API is.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub api_base: Option<Url>,
}

impl Settings for X {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        let key = self.consumer_key.reference().map(|key| ("consumer_key", key));
        let consumer = self.consumer_secret.0.iter().map(|secret| ("consumer_secret", secret));
        let token = self.access_token_secret.as_ref().map(|secret| ("access_token_secret", secret));
        key.into_iter().chain(consumer).chain([("access_token", &self.access_token)]).chain(token).collect()
    }

    fn account(&self) -> Option<String> {
        self.user_id.clone()
    }

    fn understand(&self, body: &[u8], now: Timestamp) -> Vec<Heard> {
        events::understand(body, self.user_id.as_deref(), now)
    }

    fn connect(&self, context: &Context) -> Result<Arc<dyn Speech>, Problem> {
        let source = &*context.secrets;
        let key = self.consumer_key.read(source).map_err(|error| unreadable("consumer_key", error))?;
        let secrets =
            self.consumer_secret.read(source).map_err(|error| unreadable("consumer_secret", error))?;
        let missing = || Problem::new("consumer_secret", "there is none", "name one");
        let newest = secrets.first().cloned().ok_or_else(missing)?;
        let token = source.read(&self.access_token).map_err(|error| unreadable("access_token", error))?;
        let token_secret = self.access_token_secret.as_ref().map(|secret| source.read(secret)).transpose();
        let token_secret = token_secret.map_err(|error| unreadable("access_token_secret", error))?;
        let api = api(self.api_base.as_ref(), API)?;
        let basic = Credentials::Basic(key.clone(), newest.clone());
        Ok(Arc::new(Account {
            keys: HmacKeys::new(Algorithm::Sha256, &secrets),
            signer: token_secret.map(|secret| oauth::Signer::new(key, &newest, token.clone(), &secret)),
            token,
            app: ClientGrant::new(api.clone(), "oauth2/token", basic, Vec::new()),
            api,
            base: self.api_base.clone(),
            user_id: self.user_id.clone(),
            clock: Arc::clone(&context.clock),
            entropy: Arc::clone(&context.entropy),
        }))
    }
}

struct Account {
    keys: HmacKeys,
    /// Signs each call where the access token is of OAuth 1.0a.
    signer: Option<oauth::Signer>,
    token: SecretString,
    /// The app's own token, by which webhooks are set up.
    app: ClientGrant,
    api: ApiClient,
    base: Option<Url>,
    user_id: Option<String>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// What a refusal means for the next try.
fn failure(answer: &ApiAnswer, now: Timestamp) -> DeliveryError {
    const DOING: &str = "send by the API";
    let words = ["/detail", "/errors/0/message", "/title"].into_iter().find_map(|at| answer.text(at));
    let kind = answer.text("/type").unwrap_or_default();
    let disposition = match answer.status {
        401 => Disposition::Misconfigured,
        // The app's rights or plan; else the person takes no messages from us, or it was said before.
        403 if ["client-forbidden", "oauth1-permissions", "unsupported-authentication", "usage-capped"]
            .iter()
            .any(|word| kind.ends_with(word)) =>
        {
            Disposition::Misconfigured
        }
        400 | 403 | 404 => Disposition::Never,
        429 => {
            let until =
                answer.reset_at.map(|reset| reset.duration_since(now)).filter(SignedDuration::is_positive);
            Disposition::Later { after: Some(answer.retry_after.or(until).unwrap_or(TOO_FAST * 12)) }
        }
        _ => return answer.error(DOING, words.as_deref()),
    };
    answer.error_as(disposition, DOING, words.as_deref())
}

impl Account {
    /// What authenticates us as the account for one call.
    fn credentials(&self, method: &Method, url: &Url) -> Credentials {
        match &self.signer {
            Some(signer) => {
                Credentials::Whole(signer.sign(method, url, &self.entropy.token(), self.clock.now()))
            }
            None => Credentials::Bearer(self.token.clone()),
        }
    }

    async fn call(&self, method: Method, path: &str, body: ApiBody<'_>) -> Result<ApiAnswer, DeliveryError> {
        // What is signed is what is called.
        let url = self.api.at(path)?;
        let credentials = &self.credentials(&method, &url);
        self.api.call(ApiCall { method, path, credentials, headers: Vec::new(), body }).await
    }
}

impl Account {
    /// Hands a picture over; the id by which it is shown.
    async fn upload(
        &self,
        category: &str,
        name: &str,
        media_type: &str,
        bytes: &Bytes,
    ) -> Result<String, DeliveryError> {
        let fields = [("media_category", category), ("media_type", media_type)];
        let body = ApiBody::File {
            fields: fields.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            field: "media".to_owned(),
            name: name.to_owned(),
            media_type: media_type.to_owned(),
            bytes: bytes.clone(),
        };
        // A picture that nobody sees yet is in nobody's way: nothing is in doubt.
        let clear = |error: DeliveryError| DeliveryError { in_doubt: false, ..error };
        let answer = self.call(Method::POST, "2/media/upload", body).await.map_err(clear)?;
        let id = answer.text("/data/id").filter(|_| answer.is_success());
        id.ok_or_else(|| clear(failure(&answer, self.clock.now())))
    }
}

/// How many links a text may hold: what a client would make one of, and a few more.
pub(super) fn links(words: &str) -> usize {
    let dotted = |word: &str| {
        let inner = word.trim_matches(|c: char| !c.is_alphanumeric());
        inner.contains("://") || inner.split('.').count() > 1 && inner.split('.').all(|part| !part.is_empty())
    };
    words.split_whitespace().filter(|word| dotted(word)).count()
}

/// Whether X could have chosen this as a token. Nothing that is JSON of a webhook looks like one.
fn is_token(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'=' | b'+' | b'/' | b'.');
    (1..=LONGEST_TOKEN).contains(&text.len()) && text.bytes().all(plain)
}

#[async_trait]
impl Speech for Account {
    fn handshake(&self, request: &Unverified) -> Option<Answer> {
        let query = request.query();
        let token = query.get("crc_token").filter(|token| is_token(token));
        let signature = token.and_then(|token| self.keys.sign(&[token.as_bytes()]));
        Some(match signature {
            Some(signature) => {
                Answer::json(&json!({"response_token": format!("sha256={}", BASE64.encode(&signature))}))
            }
            None => Answer::empty(StatusCode::BAD_REQUEST),
        })
    }

    fn verify<'r>(&self, request: &'r Unverified, _: Timestamp) -> Result<Verified<'r>, Forged> {
        // Anything that the handshake would sign for a stranger is nothing that X posts.
        if request.signed_body().first() != Some(&b'{') {
            return Err(Forged("the body is no event"));
        }
        let value = request.header("x-twitter-webhooks-signature");
        let value = value.and_then(|value| value.strip_prefix("sha256="));
        self.keys.verify(request, &[request.signed_body()], &Candidates::base64(32, value))
    }

    fn limit(&self, way: &Value, words: &str) -> Option<(usize, Unit)> {
        way.get("post")?;
        let room = LONGEST_POST.saturating_sub(LINK_SURPLUS * links(words));
        Some((room.max(LONGEST_POST / 2), Unit::Weighted))
    }

    fn carries(&self, _: &Value, media_type: &str, size: u64) -> Carries {
        let picture = matches!(media_type, "image/png" | "image/jpeg" | "image/webp");
        if picture && size <= LARGEST_PICTURE { Carries::Bytes } else { Carries::Not }
    }

    async fn send(&self, outgoing: &Outgoing<'_>) -> Result<Option<String>, DeliveryError> {
        let post = text(outgoing.way, "/post");
        let (mut body, picture) = match &outgoing.content {
            Content::Text(words) => (json!({"text": words}), None),
            Content::File { name, media_type, bytes } => {
                let category = if post.is_some() { "tweet_image" } else { "dm_image" };
                (json!({}), Some(self.upload(category, name, media_type, bytes).await?))
            }
            Content::Link { .. } => return Err(no_files()),
        };
        let path = match post {
            Some(post) => {
                body["reply"] = json!({"in_reply_to_tweet_id": post});
                if let Some(picture) = picture {
                    body["media"] = json!({"media_ids": [picture]});
                }
                "2/tweets".to_owned()
            }
            None => {
                if let Some(picture) = picture {
                    body["attachments"] = json!([{"media_id": picture}]);
                }
                let party = text(outgoing.way, "/dm").unwrap_or_default();
                format!("2/dm_conversations/with/{}/messages", escaped(&party))
            }
        };
        let answer = self.call(Method::POST, &path, ApiBody::Json(&body)).await?;
        if answer.is_success() {
            Ok(answer.text("/data/dm_event_id").or_else(|| answer.text("/data/id")))
        } else {
            Err(failure(&answer, self.clock.now()))
        }
    }

    fn media_policy(&self) -> MediaPolicy {
        let hosts = ["ton.twitter.com", "ton.x.com", "pbs.twimg.com", "video.twimg.com"];
        MediaPolicy::new(&hosts, self.base.clone())
    }

    /// What was sent in a direct message is shown to the account alone.
    async fn locate(&self, media: &Media) -> Result<(String, Credentials), MediaError> {
        let url = Url::parse(&media.handle).map_err(|_| MediaError::Refused)?;
        let private =
            url.host_str().is_some_and(|host| host.starts_with("ton.")) || url.path().contains("/ton/");
        let credentials = if private { self.credentials(&Method::GET, &url) } else { Credentials::None };
        Ok((media.handle.clone(), credentials))
    }

    async fn name_of(&self, account: &str) -> Option<String> {
        let path = format!("2/users/{}", escaped(account));
        let answer = self.call(Method::GET, &path, ApiBody::Empty).await.ok()?;
        answer.text("/data/name").filter(|_| answer.is_success())
    }

    fn way_to(&self, party: &PartyHandle) -> Option<Value> {
        let is_user = party.kind == HandleKind::Account && party.value.bytes().all(|b| b.is_ascii_digit());
        is_user.then(|| json!({"dm": party.value}))
    }

    fn registrar(self: Arc<Self>) -> Option<Arc<dyn Registrar>> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t19_what_the_handshake_signs_is_never_the_body_of_a_webhook() {
        for token in ["9b4507b3-9040-4669-9ca3-6b94edb50553", "Zm9vYmFy+1234/=="] {
            assert!(is_token(token), "{token}");
        }
        for body in ["{\"data\":{}}", "{}", "[1]", "\"a\"", "a b", "", &"x".repeat(513)] {
            assert!(!is_token(body), "{body}");
        }
    }

    #[test]
    fn f05_links_take_the_room_that_they_are_counted_with() {
        assert_eq!(links("see t.co/a and (https://example.com/x). Done."), 2);
        assert_eq!(links("no link... at all; 3 words."), 0);
    }
}
