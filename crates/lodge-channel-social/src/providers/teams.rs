//! Microsoft Teams, as a bot of the Bot Framework: activities come in with a token that is checked against the framework's
//! published keys, and answers go to the service address that the same token vouches for.
//!
//! The token does not cover the body, so the address to which our own token goes is believed only where the claim says the
//! same and the host is one of Microsoft's.

mod activities;

use super::meta::{api, unreadable};
use crate::heard::{Heard, Media};
use crate::json::text;
use crate::pace::Pace;
use crate::speech::{Capabilities, Carries, Content, FilesOut, Outgoing, Settings, Speech, Unit, no_files};
use async_trait::async_trait;
use axum::http::StatusCode;
use jiff::Timestamp;
use lodge_channel::fetch::{
    ApiAnswer, ApiBody, ApiCall, ApiClient, ClientGrant, Credentials, MediaError, MediaPolicy, Origin,
    escaped, listed,
};
use lodge_channel::webhook::{Answer, Forged, JwtRules, PublishedKeys, Unverified, Verified};
use lodge_channel::{Context, Plain, Problem, Secret};
use lodge_domain::ports::{Clock, Outcome, Refusal};
use lodge_domain::{DeliveryError, Disposition};
use reqwest::Method;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use url::Url;

const LOGIN: &str = "https://login.microsoftonline.com";
const KEYS: &str = "https://login.botframework.com";
const DOCUMENT: &str = "v1/.well-known/openidconfiguration";
const ISSUER: &str = "https://api.botframework.com";
const SCOPE: &str = "https://api.botframework.com/.default";
/// How far the framework's clock may be from ours, in seconds.
const SKEW: i64 = 300;
/// Where services are: for the world, and for governments.
const SERVICES: &[&str] = &[
    "smba.trafficmanager.net",
    "*.botframework.com",
    "smba.infra.gcc.teams.microsoft.com",
    "smba.infra.gov.teams.microsoft.us",
    "smba.infra.dod.teams.microsoft.us",
];
/// Where files lie beside the services.
const FILES: &[&str] = &["*.sharepoint.com", "*.sharepoint.us", "*.svc.ms"];
/// How large a picture in a message may be.
const LARGEST: u64 = 1_000_000;
/// More services than there are.
const MOST_SERVICES: usize = 64;

/// What a bot in Teams can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    verified_by: "RS256 token by published keys",
    text: (25_000, Unit::Bytes),
    window: "none",
    public: false,
    files_in: true,
    files_out: FilesOut::Some("pictures up to 1 MB, by link"),
    changes: "edits, deletions",
    receipts: "none",
    registers: false,
    pace: Pace::new((50, 1), (7, 5)),
};

/// The least keys of its table; see [`crate::scratch`].
pub(crate) const SCRATCH: &str = "app_id = \"0\"\napp_password = \"file:secret\"\n";

/// A bot in Microsoft Teams.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Teams {
    /// The bot's application id; every token names it.
    pub app_id: Plain,
    /// The application's client secret; sends, and fetches files.
    pub app_password: Secret,
    /// The directory that gives the bot its token: its tenant id, for bots that belong to a single one.
    #[serde(default = "tenant")]
    pub tenant: String,
    /// Where everything is: published keys, tokens and the service that answers go to.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub api_base: Option<Url>,
}

fn tenant() -> String {
    "botframework.com".to_owned()
}

impl Settings for Teams {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        let id = self.app_id.reference().map(|id| ("app_id", id));
        id.into_iter().chain([("app_password", &self.app_password)]).collect()
    }

    fn problems(&self) -> Vec<Problem> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
        let fits = !self.tenant.is_empty() && self.tenant.bytes().all(plain);
        let problem = || Problem::new("tenant", "this is no tenant", "write its id, or leave it out");
        if fits { Vec::new() } else { vec![problem()] }
    }

    fn understand(&self, body: &[u8], now: Timestamp) -> Vec<Heard> {
        vec![activities::understand(body, now)]
    }

    fn connect(&self, context: &Context) -> Result<Arc<dyn Speech>, Problem> {
        let source = &*context.secrets;
        let app_id = self.app_id.read(source).map_err(|error| unreadable("app_id", error))?;
        let password = source.read(&self.app_password).map_err(|error| unreadable("app_password", error))?;
        let base = self.api_base.as_ref();
        let fields = vec![
            ("client_id", SecretString::from(app_id.clone())),
            ("client_secret", password),
            ("scope", SecretString::from(SCOPE)),
        ];
        let path = format!("{}/oauth2/v2.0/token", self.tenant);
        Ok(Arc::new(Bot {
            app_id,
            keys: PublishedKeys::new(api(base, KEYS)?, DOCUMENT),
            grant: ClientGrant::new(api(base, LOGIN)?, path, Credentials::None, fields),
            base: self.api_base.clone(),
            services: Mutex::default(),
            clock: Arc::clone(&context.clock),
        }))
    }
}

struct Bot {
    app_id: String,
    keys: PublishedKeys,
    grant: ClientGrant,
    base: Option<Url>,
    services: Mutex<HashMap<String, ApiClient>>,
    clock: Arc<dyn Clock>,
}

fn failure(answer: &ApiAnswer) -> DeliveryError {
    const DOING: &str = "send an activity";
    let words = answer.text("/error/message").or_else(|| answer.text("/message"));
    let disposition = match answer.status {
        401 => Disposition::Misconfigured,
        // Too large, the bot was removed or blocked, the conversation is gone.
        400 | 403 | 404 | 413 => Disposition::Never,
        412 => Disposition::Later { after: answer.retry_after },
        _ => return answer.error(DOING, words.as_deref()),
    };
    answer.error_as(disposition, DOING, words.as_deref())
}

/// The address that a service's calls go to: its own where it is Microsoft's; where the configuration names one, that, or
/// one below it.
fn service(base: Option<&Url>, named: &str) -> Option<Url> {
    let url = Url::parse(named).ok();
    match base {
        Some(base) => {
            let below = url.filter(|url| Origin::of(base).is_some_and(|origin| origin.holds(url)));
            Some(below.unwrap_or_else(|| base.clone()))
        }
        None => url.filter(|url| listed(url, SERVICES)),
    }
}

impl Bot {
    fn client(&self, named: &str) -> Result<ApiClient, DeliveryError> {
        let foreign =
            || DeliveryError::new(Disposition::Never, "answer at an address that is none of the provider's");
        let url = service(self.base.as_ref(), named).ok_or_else(foreign)?;
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = services.get(url.as_str()) {
            return Ok(client.clone());
        }
        let made = api(Some(&url), LOGIN).map_err(|_| foreign())?;
        if services.len() < MOST_SERVICES {
            services.insert(url.into(), made.clone());
        }
        Ok(made)
    }

    async fn post(&self, service: &str, path: &str, body: &Value) -> Result<ApiAnswer, DeliveryError> {
        let client = self.client(service)?;
        let mut again = true;
        loop {
            let token = self.grant.token(self.clock.now()).await?;
            let credentials = &Credentials::Bearer(token.clone());
            let body = ApiBody::Json(body);
            let call = ApiCall { method: Method::POST, path, credentials, headers: Vec::new(), body };
            let answer = client.call(call).await?;
            if answer.status != 401 {
                return Ok(answer);
            }
            // Taken back before its time: a new one tells whether it is us.
            self.grant.forget(&token).await;
            if !std::mem::take(&mut again) {
                return Ok(answer);
            }
        }
    }

    /// Whether a file lies where our own token is asked for.
    fn wants_token(&self, address: &str) -> bool {
        let Ok(url) = Url::parse(address) else { return false };
        let ours = self.base.as_ref().and_then(Origin::of).is_some_and(|origin| origin.holds(&url));
        listed(&url, SERVICES) || (ours && url.path().contains("/v3/attachments/"))
    }
}

#[async_trait]
impl Speech for Bot {
    async fn prepare(&self, request: &Unverified) -> Result<(), Refusal> {
        self.keys.prepare(request, self.clock.now()).await
    }

    fn verify<'r>(&self, request: &'r Unverified, now: Timestamp) -> Result<Verified<'r>, Forged> {
        let keys = self.keys.current();
        let rules =
            JwtRules { issuer: Some(ISSUER), audience: Some(&self.app_id), leeway: SKEW, max_age: None };
        let token = keys.verify(request, &rules, now)?;
        let activity: Value =
            serde_json::from_slice(request.signed_body()).map_err(|_| Forged("the body names no service"))?;
        let claimed = token.claims.get("serviceurl").and_then(Value::as_str);
        let named = activity.get("serviceUrl").and_then(Value::as_str);
        if claimed.is_none() || claimed != named {
            return Err(Forged("the token is for another service"));
        }
        let channel = activity.get("channelId").and_then(Value::as_str);
        let endorsed =
            token.key.is_some_and(|key| key.endorsements.iter().any(|one| Some(one.as_str()) == channel));
        if endorsed { Ok(token.verified) } else { Err(Forged("the key does not vouch for this channel")) }
    }

    /// A pressed button waits for an answer of its own.
    fn answer(&self, request: &Verified<'_>, _: &[Outcome]) -> Answer {
        let activity = request.json::<Value>().unwrap_or_default();
        match (text(&activity, "/type").as_deref(), text(&activity, "/name").as_deref()) {
            (Some("invoke"), Some("adaptiveCard/action")) => Answer::json(&json!({
                "statusCode": 200, "type": "application/vnd.microsoft.activity.message", "value": "OK",
            })),
            (Some("invoke"), _) => Answer::json(&json!({})),
            _ => Answer::empty(StatusCode::OK),
        }
    }

    fn carries(&self, _: &Value, media_type: &str, size: u64) -> Carries {
        let picture = matches!(media_type, "image/png" | "image/jpeg" | "image/gif");
        if picture && size <= LARGEST { Carries::Link } else { Carries::Not }
    }

    async fn send(&self, outgoing: &Outgoing<'_>) -> Result<Option<String>, DeliveryError> {
        // Other files would go to the customer's own OneDrive, and only if they consent.
        let (words, attached) = match &outgoing.content {
            Content::Text(words) => (*words, None),
            Content::Link { name, media_type, href, .. } => {
                ("", Some(json!({"contentType": media_type, "contentUrl": href, "name": name})))
            }
            Content::File { .. } => return Err(no_files()),
        };
        let way = |key| text(outgoing.way, key).unwrap_or_default();
        let conversation = way("/conversation");
        let mut activity = json!({
            "type": "message",
            "text": words,
            "textFormat": "plain",
            "from": {"id": way("/bot")},
            "recipient": {"id": way("/user")},
            "conversation": {"id": conversation},
        });
        if let Some(picture) = attached {
            activity["attachments"] = json!([picture]);
        }
        if let Some(answered) = text(outgoing.way, "/activity") {
            activity["replyToId"] = json!(answered);
        }
        let path = format!("v3/conversations/{}/activities", escaped(&conversation));
        let answer = self.post(&way("/service"), &path, &activity).await?;
        if !answer.is_success() {
            return Err(failure(&answer));
        }
        Ok(answer.text("/id").map(|id| activities::id_of(&conversation, &id)))
    }

    fn media_policy(&self) -> MediaPolicy {
        MediaPolicy::new(&[SERVICES, FILES].concat(), self.base.clone())
    }

    async fn locate(&self, media: &Media) -> Result<(String, Credentials), MediaError> {
        if !self.wants_token(&media.handle) {
            return Ok((media.handle.clone(), Credentials::None));
        }
        let token = self.grant.token(self.clock.now()).await;
        let token = token.map_err(|error| MediaError::Later(error.to_string()))?;
        Ok((media.handle.clone(), Credentials::Bearer(token)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t50_our_token_goes_to_the_providers_own_hosts_alone() {
        for good in ["https://smba.trafficmanager.net/emea/", "https://europe.webchat.botframework.com/"] {
            assert_eq!(service(None, good).unwrap().as_str(), good);
        }
        let bad = [
            "http://smba.trafficmanager.net/emea/",
            "https://smba.trafficmanager.net.evil.example/",
            "https://smba.trafficmanager.net@evil.example/",
            "https://smba.trafficmanager.net:8443/",
            "https://evilbotframework.com/",
            "https://169.254.169.254/",
            "https://localhost/",
            "smba.trafficmanager.net",
            "",
        ];
        for bad in bad {
            assert_eq!(service(None, bad), None, "{bad}");
        }
        let base = Url::parse("http://127.0.0.1:9/bot").unwrap();
        let kept = service(Some(&base), "http://127.0.0.1:9/bot/emea/").unwrap();
        assert_eq!(kept.as_str(), "http://127.0.0.1:9/bot/emea/");
        assert_eq!(service(Some(&base), "https://smba.trafficmanager.net/emea/").unwrap(), base);
        assert_eq!(service(Some(&base), "http://127.0.0.1:9/bottom/").unwrap(), base);
    }
}
