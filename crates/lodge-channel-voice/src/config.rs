//! The settings of a voice inbox: one table, named after its provider.

use crate::providers::signalwire::SignalwireSettings;
use crate::providers::twilio::TwilioSettings;
use lodge_channel::Secret;
use lodge_domain::BrandName;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{SeqAccess, Visitor, value::SeqAccessDeserializer};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use url::Url;

/// `[inbox.NAME.voice.PROVIDER]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VoiceSettings {
    /// Twilio.
    Twilio(TwilioSettings),
    /// SignalWire, by its compatibility API.
    Signalwire(SignalwireSettings),
}

/// What all providers' settings have.
pub(crate) struct Common<'s> {
    pub(crate) provider: &'static str,
    pub(crate) dialogue: &'s str,
    pub(crate) brand: Option<&'s BrandName>,
    pub(crate) text_from: Option<&'s str>,
    pub(crate) delete_recordings: bool,
    pub(crate) missed: bool,
    pub(crate) abandoned: bool,
    pub(crate) anonymous: bool,
    pub(crate) api_base: Option<&'s Url>,
    pub(crate) secrets: Vec<(&'static str, &'s Secret)>,
}

impl VoiceSettings {
    pub(crate) fn common(&self) -> Common<'_> {
        match self {
            Self::Twilio(settings) => settings.common(),
            Self::Signalwire(settings) => settings.common(),
        }
    }
}

pub(crate) fn hotline() -> String {
    "hotline".to_owned()
}

pub(crate) fn yes() -> bool {
    true
}

/// A secret, or a list of those that are good while one is changed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secrets(pub(crate) Vec<Secret>);

impl<'de> Deserialize<'de> for Secrets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct References;
        impl<'de> Visitor<'de> for References {
            type Value = Secrets;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a secret or a list of secrets")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Secrets, E> {
                let one = serde::de::value::StrDeserializer::<E>::new(text);
                Secret::deserialize(one).map(|secret| Secrets(vec![secret]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Secrets, A::Error> {
                let all: Vec<Secret> = Vec::deserialize(SeqAccessDeserializer::new(seq))?;
                if all.is_empty() {
                    return Err(serde::de::Error::custom("the list of secrets is empty"));
                }
                Ok(Secrets(all))
            }
        }
        deserializer.deserialize_any(References)
    }
}

impl JsonSchema for Secrets {
    fn schema_name() -> Cow<'static, str> {
        "Secrets".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<Secret>();
        json_schema!({
            "description": "A reference to a secret, or a list of those that are good while one is changed over.",
            "anyOf": [one, {"type": "array", "items": one, "minItems": 1}],
        })
    }
}
