//! SignalWire's compatibility API (cXML): Twilio's forms and documents, signed with the project's own signing key. The events
//! of its other API are JSON and signed in a way of their own; they are taken and nothing comes of them.

use super::twiml::{Accounts, Compatible, Flavour};
use crate::config::{Shared, table};
use crate::dialect::{Capabilities, Dialect, Settings};
use crate::outward::{Outward, secret, secrets};
use lodge_channel::webhook::{Algorithm, Candidates, Forged, HmacKeys, twilio, url_variants};
use lodge_channel::{Context, Problem, Secret, Secrets};
use std::sync::Arc;

/// What SignalWire can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    verified_by: "HMAC-SHA1 of address and form",
    hears: true,
    records: true,
    transcribes: true,
    dials: true,
    deletes: true,
    texts: true,
};

table! {
    /// Calls by SignalWire.
    pub struct SignalwireSettings {
        /// The project's id.
        pub project: String,
        /// The project's API token.
        pub token: Secret,
        /// The space's name, as in `NAME.signalwire.com`.
        pub space: String,
        /// The signing key, which signs callbacks; two while it is changed over.
        pub signing_key: Secrets,
    }
}

impl SignalwireSettings {
    /// The space's host, where its name can be one.
    fn host(&self) -> Result<String, Problem> {
        let name = self.space.trim_end_matches(".signalwire.com");
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(Problem::new(
                "space",
                "it is no name of a space",
                "write NAME of NAME.signalwire.com",
            ));
        }
        Ok(format!("{name}.signalwire.com"))
    }
}

impl Settings for SignalwireSettings {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        let keys = self.signing_key.0.iter().map(|secret| ("signing_key", secret));
        keys.chain([("token", &self.token)]).collect()
    }

    fn problems(&self) -> Vec<Problem> {
        self.host().err().into_iter().collect()
    }

    fn connect(&self, context: &Context) -> Result<Arc<dyn Dialect>, Problem> {
        let keys = HmacKeys::new(Algorithm::Sha1, &secrets("signing_key", &self.signing_key, context)?);
        let token = secret("token", &self.token, context)?;
        let host = self.host()?;
        let hosts = [host.as_str(), "*.signalwire.com"];
        Ok(Arc::new(Compatible {
            flavour: Flavour {
                media_types: &["application/x-www-form-urlencoded", "application/json"],
                signs_get: true,
                delivery: None,
                tells_silence: true,
                transcription: ["transcribe", "transcribeCallback"],
                speech_timeout: "auto",
            },
            verify: Box::new(move |request, _| {
                let header = request.header("x-signalwire-signature");
                if request.media_type().as_deref() != Some("application/json") {
                    return twilio(&keys, request, &Candidates::base64(20, header));
                }
                let url = request.url().ok_or(Forged("the public address is not configured"))?;
                let signed = |url: String| [url.as_bytes(), request.signed_body()].concat();
                let texts: Vec<Vec<u8>> = url_variants(&url).into_iter().map(signed).collect();
                keys.verify_any(request, &texts, &Candidates::hex(20, header))
            }),
            account: Some(self.project.clone()),
            rest: Box::new(Accounts {
                below: "api/laml/2010-04-01/Accounts",
                account: Some(self.project.clone()),
                secret: token,
                outward: Outward::new(&format!("https://{host}"), &hosts, self.common().api_base)?,
            }),
        }))
    }
}
