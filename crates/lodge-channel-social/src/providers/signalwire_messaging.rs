//! Text messages by SignalWire, whose API was made after Twilio's: other names, and a key of its own that signs.

use super::meta::{api, unreadable};
use super::twilio_compat::{self as compat, Numbers};
use crate::heard::Heard;
use crate::speech::{Capabilities, Settings, Speech};
use jiff::Timestamp;
use lodge_channel::webhook::{Algorithm, Candidates, HmacKeys, twilio};
use lodge_channel::{Context, Problem, Secret, Secrets};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;
use url::Url;

/// What a number at SignalWire can do. It carries no WhatsApp.
pub(crate) const CAPABILITIES: Capabilities =
    Capabilities { verified_by: "HMAC-SHA1 of address and form", window: "none", ..compat::CAPABILITIES };

/// The least keys of its table; see [`crate::scratch`].
pub(crate) const SCRATCH: &str = "project = \"0\"\ntoken = \"file:secret\"\nspace = \"a\"\n\
    signing_key = \"file:secret\"\nfrom = \"+0\"\n";

/// A number at SignalWire.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignalWire {
    /// The project's id.
    pub project: String,
    /// The project's API token; sends.
    pub token: Secret,
    /// The space: `acme` of `acme.signalwire.com`.
    pub space: String,
    /// The project's signing key; signs every webhook. A list while it is changed over.
    pub signing_key: Secrets,
    /// The number that sends.
    pub from: String,
    /// Where the API is.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub api_base: Option<Url>,
}

impl Settings for SignalWire {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        let signing = self.signing_key.0.iter().map(|secret| ("signing_key", secret));
        signing.chain([("token", &self.token)]).collect()
    }

    fn problems(&self) -> Vec<Problem> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let fits = !self.space.is_empty() && self.space.bytes().all(plain);
        let problem = || Problem::new("space", "this is no space", "write `acme` for acme.signalwire.com");
        if fits { Vec::new() } else { vec![problem()] }
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
        let (keys, _) = compat::keys("signing_key", &self.signing_key, context)?;
        let password = context.secrets.read(&self.token).map_err(|error| unreadable("token", error))?;
        let space = format!("https://{}.signalwire.com", self.space);
        let keys = HmacKeys::new(Algorithm::Sha1, &keys);
        Ok(Arc::new(Numbers {
            verify: Box::new(move |request| {
                twilio(&keys, request, &Candidates::base64(20, request.header("x-signalwire-signature")))
            }),
            account: self.project.clone(),
            password,
            from: self.from.clone(),
            api: api(self.api_base.as_ref(), &space)?,
            prefix: "api/laml/",
            hosts: &["*.signalwire.com"],
            base: self.api_base.clone(),
            status_callback: compat::own_address(context),
        }))
    }
}
