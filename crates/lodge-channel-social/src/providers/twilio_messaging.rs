//! Text messages and WhatsApp by Twilio.

use super::meta::{api, unreadable};
pub(crate) use super::twilio_compat::CAPABILITIES;
use super::twilio_compat::{self as compat, Numbers};
use crate::heard::Heard;
use crate::speech::{Capabilities, Settings, Speech};
use jiff::Timestamp;
use lodge_channel::webhook::TwilioKeys;
use lodge_channel::{Context, Problem, Secret, Secrets};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
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
    /// Shared keys by their names (`webhooks_sharedkey_…`), where they sign webhooks in place of the auth token. Without any, a
    /// secret of `auth_token` may be one.
    #[serde(default)]
    pub shared_keys: BTreeMap<String, Secret>,
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
        let tokens = self.auth_token.0.iter().map(|secret| ("auth_token", secret));
        tokens.chain(self.shared_keys.values().map(|secret| ("shared_keys", secret))).collect()
    }

    fn signs_address(&self) -> bool {
        true
    }

    fn account(&self) -> Option<String> {
        Some(self.from.clone())
    }

    fn understand(&self, body: &[u8], now: Timestamp) -> Vec<Heard> {
        compat::understand(body, now)
    }

    fn connect(&self, context: &Context) -> Result<Arc<dyn Speech>, Problem> {
        let (tokens, password) = compat::keys("auth_token", &self.auth_token, context)?;
        let mut keys = TwilioKeys::new(&tokens);
        for (name, shared) in &self.shared_keys {
            let secret = context.secrets.read(shared).map_err(|error| unreadable("shared_keys", error))?;
            keys = keys.share(name, &secret);
        }
        Ok(Arc::new(Numbers {
            verify: Box::new(move |request| keys.verify(request)),
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
