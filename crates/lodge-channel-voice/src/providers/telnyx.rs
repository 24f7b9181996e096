//! Telnyx: each request signed with Ed25519 over its time and its very bytes. By TeXML it speaks Twilio's forms and documents in
//! a spelling of its own; by Call Control, see [`super::telnyx_call_control`]. Recordings lie at addresses that are good for ten
//! minutes and ask for no login; after that the API is asked, which gives a recording a fresh one.

use super::telnyx_call_control::CallControl;
use super::twiml::{Compatible, Flavour, Rest, Verify};
use crate::config::{Shared, table};
use crate::dialect::{Capabilities, Dialect, Held, Settings, TextMessage};
use crate::networks::plain_id;
use crate::outward::{Outward, deleted, never, secret, secrets, texted};
use async_trait::async_trait;
use axum::http::Method;
use lodge_channel::fetch::{ApiBody, Credentials, Fetched, MediaError};
use lodge_channel::webhook::{Candidates, Ed25519Key, fresh};
use lodge_channel::{Context, Problem, Secret, Secrets};
use lodge_domain::{DeliveryError, Sent};
use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// What Telnyx can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    verified_by: "Ed25519 of time and body",
    hears: true,
    records: true,
    transcribes: true,
    dials: true,
    deletes: true,
    texts: true,
};

/// Where Telnyx is.
const API: &str = "https://api.telnyx.com";
/// Where its recordings are.
const HOSTS: &[&str] = &["s3.amazonaws.com", "*.s3.amazonaws.com", "*.telnyx.com"];

/// How Telnyx is spoken with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TelnyxStyle {
    /// By TeXML documents.
    #[default]
    Texml,
    /// By events, and commands to its API.
    CallControl,
}

table! {
    /// Calls by Telnyx.
    pub struct TelnyxSettings {
        /// The account's public key, which callbacks are verified with; two while it is changed over.
        pub public_key: Secrets,
        /// The key for calls to Telnyx: text messages, and recordings that are deleted.
        pub api_key: Secret,
        /// How Telnyx is spoken with: `texml` for a TeXML application, `call-control` for one of the Voice API.
        #[serde(default)]
        pub style: TelnyxStyle,
    }
}

impl Settings for TelnyxSettings {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        let keys = self.public_key.0.iter().map(|secret| ("public_key", secret));
        keys.chain([("api_key", &self.api_key)]).collect()
    }

    fn connect(&self, context: &Context) -> Result<Arc<dyn Dialect>, Problem> {
        let texts = secrets("public_key", &self.public_key, context)?;
        let wrong =
            || Problem::new("public_key", "it is no Ed25519 key in base64", "copy it from the portal");
        let key = Ed25519Key::base64(texts.iter().map(ExposeSecret::expose_secret)).ok_or_else(wrong)?;
        let login = Credentials::Bearer(secret("api_key", &self.api_key, context)?);
        let api = Api { login, outward: Outward::new(API, HOSTS, self.common().api_base)? };
        let verify: Verify = Box::new(move |request, now| {
            let time = request.header("telnyx-timestamp");
            fresh(time, now)?;
            let candidates = Candidates::base64(64, request.header("telnyx-signature-ed25519"));
            let parts = [time.unwrap_or_default().as_bytes(), b"|", request.signed_body()];
            key.verify(request, &parts, &candidates)
        });
        if self.style == TelnyxStyle::CallControl {
            return Ok(Arc::new(CallControl { verify, api }));
        }
        Ok(Arc::new(Compatible {
            flavour: Flavour {
                media_types: &["application/x-www-form-urlencoded", "application/json"],
                signs_get: false,
                delivery: None,
                tells_silence: false,
                transcription: ["transcription", "transcriptionCallback"],
                speech_timeout: "2",
            },
            verify,
            account: None,
            rest: Box::new(api),
        }))
    }
}

/// Where the API has a recording.
fn recording_path(id: &str) -> String {
    format!("v2/recordings/{id}")
}

/// Telnyx's API.
pub(super) struct Api {
    pub(super) login: Credentials,
    pub(super) outward: Outward,
}

#[async_trait]
impl Rest for Api {
    async fn recording(&self, held: Held<'_>) -> Result<Fetched, MediaError> {
        let fetched = self.outward.fetch(held.address, &Credentials::None).await;
        let expired = matches!(fetched, Err(MediaError::Gone(403 | 410)));
        let Some(path) = plain_id(held.id).then(|| recording_path(held.id)).filter(|_| expired) else {
            return fetched;
        };
        let asked = self.outward.call(&self.login, Method::GET, &path, ApiBody::Empty).await;
        let answer = asked.map_err(|error| MediaError::Later(error.to_string()))?;
        if answer.status == 429 || answer.status >= 500 {
            return Err(MediaError::Later(format!("HTTP {}", answer.status)));
        }
        // What the API does not know, or has no address of, is as gone as its link said.
        let links = ["/data/download_urls/mp3", "/data/download_urls/wav"];
        match links.iter().find_map(|at| answer.text(at)) {
            Some(fresh) => self.outward.fetch(&fresh, &Credentials::None).await,
            None => fetched,
        }
    }

    async fn delete_recording(&self, held: Held<'_>) -> Result<(), DeliveryError> {
        let path = plain_id(held.id).then(|| recording_path(held.id));
        let path = path.ok_or(never("name the recording"))?;
        deleted(&self.outward.call(&self.login, Method::DELETE, &path, ApiBody::Empty).await?)
    }

    async fn text(&self, message: &TextMessage<'_>) -> Result<Sent, DeliveryError> {
        let body = json!({"from": message.from, "to": message.to, "text": message.text});
        let answer =
            self.outward.call(&self.login, Method::POST, "v2/messages", ApiBody::Json(&body)).await?;
        texted(&answer, message.to, "/data/id", "/errors/0/detail")
    }
}
