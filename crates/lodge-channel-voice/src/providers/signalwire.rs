//! SignalWire's compatibility API (cXML): Twilio's forms and documents, signed with the project's own signing key.

use crate::config::{Common, Secrets};
use lodge_channel::Secret;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

/// The path that projects lie in.
pub(crate) const ACCOUNTS: &str = "api/laml/2010-04-01/Accounts";

/// Calls by SignalWire.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignalwireSettings {
    /// The project's id.
    pub project: String,
    /// The project's API token.
    pub token: Secret,
    /// The space's name, as in `NAME.signalwire.com`.
    pub space: String,
    /// The signing key, which signs callbacks; two while it is changed over.
    pub signing_key: Secrets,
    /// Where SignalWire is; the space's address where nothing is named.
    #[schemars(with = "Option<String>")]
    pub api_base: Option<Url>,
    /// The dialogue: `dialogues/NAME.toml` beside the configuration, else a built-in one of this name.
    #[serde(default = "crate::config::hotline")]
    pub dialogue: String,
    /// The brand whose keys, budgets and conversations it uses.
    pub brand: Option<lodge_domain::BrandName>,
    /// The number that text messages go out from, where it is not the one that was called.
    pub text_from: Option<String>,
    /// Whether recordings are deleted at the provider once they are kept here.
    #[serde(default)]
    pub delete_recordings: bool,
    /// Whether calls that nobody took become tickets.
    #[serde(default = "crate::config::yes")]
    pub missed: bool,
    /// Whether calls become tickets whose caller hung up without leaving a message.
    #[serde(default = "crate::config::yes")]
    pub abandoned: bool,
    /// Whether missed and abandoned calls with a withheld number become tickets.
    #[serde(default = "crate::config::yes")]
    pub anonymous: bool,
}

impl SignalwireSettings {
    pub(crate) fn common(&self) -> Common<'_> {
        let keys = self.signing_key.0.iter().map(|secret| ("signing_key", secret));
        Common {
            provider: "signalwire",
            dialogue: &self.dialogue,
            brand: self.brand.as_ref(),
            text_from: self.text_from.as_deref(),
            delete_recordings: self.delete_recordings,
            missed: self.missed,
            abandoned: self.abandoned,
            anonymous: self.anonymous,
            api_base: self.api_base.as_ref(),
            secrets: keys.chain([("token", &self.token)]).collect(),
        }
    }

    /// The space's host, where its name can be one.
    pub(crate) fn host(&self) -> Option<String> {
        let name = self.space.trim_end_matches(".signalwire.com");
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        (!name.is_empty() && name.bytes().all(plain)).then(|| format!("{name}.signalwire.com"))
    }
}
