//! Twilio (Programmable Voice): signed forms in, TwiML out, REST for recordings and text messages. Its JSON, whose hash is in
//! the signed address, is of events that no call waits for: it is taken and nothing comes of it.

use super::twiml::{Accounts, Compatible, Flavour};
use crate::config::{Shared, table};
use crate::dialect::{Capabilities, Dialect, Settings};
use crate::outward::{Outward, secret, secrets};
use lodge_channel::webhook::TwilioKeys;
use lodge_channel::{Context, Problem, Secret, Secrets};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What Twilio can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    verified_by: "HMAC-SHA1, or HMAC-SHA256 by a shared key, of address and form",
    hears: true,
    records: true,
    transcribes: true,
    dials: true,
    deletes: true,
    texts: true,
};

/// Where Twilio is.
const API: &str = "https://api.twilio.com";
/// Where its recordings are.
const HOSTS: &[&str] = &["api.twilio.com", "*.twilio.com"];

table! {
    /// Calls by Twilio (Programmable Voice).
    pub struct TwilioSettings {
        /// The account's SID; where it is named, callbacks of other accounts are refused.
        pub account_sid: Option<String>,
        /// The account's auth token, which signs callbacks; two while it is changed over, the one for calls to Twilio first.
        pub auth_token: Secrets,
        /// Shared keys by their names (`webhooks_sharedkey_…`), where they sign callbacks in place of the auth token. Without
        /// any, a secret of `auth_token` may be one.
        #[serde(default)]
        pub shared_keys: BTreeMap<String, Secret>,
    }
}

impl Settings for TwilioSettings {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        let tokens = self.auth_token.0.iter().map(|secret| ("auth_token", secret));
        tokens.chain(self.shared_keys.values().map(|secret| ("shared_keys", secret))).collect()
    }

    fn connect(&self, context: &Context) -> Result<Arc<dyn Dialect>, Problem> {
        let tokens = secrets("auth_token", &self.auth_token, context)?;
        let none = || Problem::new("auth_token", "there is none", "name one");
        let first = tokens.first().cloned().ok_or_else(none)?;
        let mut keys = TwilioKeys::new(&tokens);
        for (name, shared) in &self.shared_keys {
            keys = keys.share(name, &secret("shared_keys", shared, context)?);
        }
        Ok(Arc::new(Compatible {
            flavour: Flavour {
                media_types: &["application/x-www-form-urlencoded", "application/json"],
                signs_get: true,
                delivery: Some("i-twilio-idempotency-token"),
                tells_silence: true,
                transcription: ["transcribe", "transcribeCallback"],
                speech_timeout: "auto",
            },
            verify: Box::new(move |request, _| keys.verify(request)),
            account: self.account_sid.clone(),
            rest: Box::new(Accounts {
                below: "2010-04-01/Accounts",
                account: self.account_sid.clone(),
                secret: first,
                outward: Outward::new(API, HOSTS, self.common().api_base)?,
            }),
        }))
    }
}
