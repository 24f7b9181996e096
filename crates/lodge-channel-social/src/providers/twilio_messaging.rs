//! Text messages and WhatsApp by Twilio.

use super::meta::api;
pub(crate) use super::twilio_compat::CAPABILITIES;
use super::twilio_compat::{self as compat, Numbers};
use crate::heard::Heard;
use crate::speech::{Capabilities, Settings, Speech};
use jiff::Timestamp;
use lodge_channel::webhook::TwilioKeys;
use lodge_channel::{Context, Problem, Secret, Secrets};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;
use url::Url;

const API: &str = "https://api.twilio.com";

/// The least keys of its table; see [`crate::scratch`].
pub(crate) const SCRATCH: &str = "account_sid = \"AC0\"\nauth_token = \"file:secret\"\nfrom = \"+0\"\n";

/// A number at Twilio.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Twilio {
    /// The account's SID (`AC…`).
    pub account_sid: String,
    /// The account's auth token; signs every webhook, and sends. A list while it is changed over, the newest first.
    pub auth_token: Secrets,
    /// The shared key by which webhooks are signed with SHA-256, where the account uses one. A list while it is changed over.
    #[serde(default)]
    pub shared_key: Option<Secrets>,
    /// The number (`+1…`, `whatsapp:+1…`) or messaging service (`MG…`) that sends.
    pub from: String,
    /// Where the API is.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub api_base: Option<Url>,
}

impl Settings for Twilio {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        let shared = self.shared_key.iter().flat_map(|shared| &shared.0);
        let tokens = self.auth_token.0.iter().map(|secret| ("auth_token", secret));
        tokens.chain(shared.map(|secret| ("shared_key", secret))).collect()
    }

    fn account(&self) -> Option<String> {
        Some(self.from.clone())
    }

    fn understand(&self, body: &[u8], now: Timestamp) -> Vec<Heard> {
        compat::understand(body, now)
    }

    fn connect(&self, context: &Context) -> Result<Arc<dyn Speech>, Problem> {
        compat::needs_public_url(context)?;
        let (tokens, password) = compat::secrets("auth_token", &self.auth_token, context)?;
        let shared = self.shared_key.as_ref().map(|shared| compat::secrets("shared_key", shared, context));
        let shared = shared.transpose()?.map(|(all, _)| all).unwrap_or_default();
        Ok(Arc::new(Numbers {
            keys: TwilioKeys::new(&tokens, &shared),
            header: "x-twilio-signature",
            account: self.account_sid.clone(),
            password,
            from: self.from.clone(),
            api: api(self.api_base.as_ref(), API)?,
            prefix: "",
            hosts: &["api.twilio.com", "mms.twiliocdn.com", "media.twiliocdn.com"],
            base: self.api_base.clone(),
            status_callback: compat::own_address(context),
        }))
    }
}
