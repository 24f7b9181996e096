//! The settings of a chat inbox: shapes and defaults. Nothing here reads a file, a secret or the network.

use lodge_channel::Secret;
use lodge_domain::{BrandName, InboxName};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// A chat on one or more websites.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChatSettings {
    /// The websites the widget stands on: scheme, host and port, exactly as a browser names them
    /// (`https://www.acme.example`). Anybody else is refused.
    pub origins: Vec<String>,
    /// Signs the JWT of signed-in visitors (HS256: `sub`, `exp`, `aud` = the inbox's name). During a rotation a list, whose
    /// key ids (`kid`) are `1`, `2`, …, or a table of key id and secret.
    #[serde(default)]
    pub identity_secret: Option<IdentitySecrets>,
    /// The brand this inbox belongs to.
    #[serde(default)]
    pub brand: Option<BrandName>,
    /// The mail inbox that carries an agent's answers to visitors who left, if they gave an address.
    #[serde(default)]
    pub continue_by: Option<InboxName>,
    /// How long an answer waits to be read before it goes by mail, in seconds.
    #[serde(default = "five_minutes")]
    #[schemars(range(min = 10))]
    pub continue_after: u64,
    /// Name of the business hours (`[hours.NAME]`) in which somebody is there; always, if left out.
    #[serde(default)]
    pub hours: Option<String>,
    /// What a form asks for before the first message: `name`, `email`.
    #[serde(default)]
    pub ask: Vec<Ask>,
    /// Name of a guide (`guides/NAME.toml` beside the configuration): a bot that answers and asks before a person takes
    /// over. Without one every message is a ticket's.
    #[serde(default)]
    pub guide: Option<String>,
    /// Folder of Markdown articles that the guide may answer from, relative to the configuration.
    #[serde(default)]
    pub articles: Option<String>,
    /// Characters in a message.
    #[serde(default = "text")]
    pub text: usize,
    /// Messages of one session within ten seconds.
    #[serde(default = "messages")]
    pub messages: u32,
    /// Sockets of one session.
    #[serde(default = "sockets")]
    pub sockets: usize,
    /// Sockets of one address at a time; an IPv6 /64 counts as one address, here and below.
    #[serde(default = "sockets_per_address")]
    pub sockets_per_address: usize,
    /// New sessions from one address within ten minutes.
    #[serde(default = "sessions")]
    pub sessions_per_address: u32,
    /// Bytes in an upload.
    #[serde(default = "upload_bytes")]
    pub upload_bytes: u64,
    /// Bytes of all uploads from one address within ten minutes.
    #[serde(default = "upload_bytes_per_address")]
    pub upload_bytes_per_address: u64,
    /// Files in a message.
    #[serde(default = "attachments")]
    pub attachments: usize,
}

/// What a form may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ask {
    /// Their name.
    Name,
    /// Their mail address.
    Email,
}

impl Ask {
    /// Its name in `welcome`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Email => "email",
        }
    }
}

fn five_minutes() -> u64 {
    300
}
fn text() -> usize {
    8000
}
fn messages() -> u32 {
    20
}
fn sockets() -> usize {
    32
}
fn sockets_per_address() -> usize {
    256
}
fn sessions() -> u32 {
    60
}
fn upload_bytes() -> u64 {
    25 * 1024 * 1024
}
fn upload_bytes_per_address() -> u64 {
    500 * 1024 * 1024
}
fn attachments() -> usize {
    10
}

/// The window of [`ChatSettings::messages`].
pub const MESSAGE_WINDOW: Duration = Duration::from_secs(10);
/// The window of [`ChatSettings::sessions_per_address`] and [`ChatSettings::upload_bytes_per_address`].
pub const SESSION_WINDOW: Duration = Duration::from_secs(600);
/// Bytes in a frame.
pub const FRAME: usize = 64 * 1024;

/// Secrets by key id: one secret, a list, or a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentitySecrets(pub Vec<(String, Secret)>);

impl<'de> Deserialize<'de> for IdentitySecrets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Vec<(String, Secret)>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a secret, a list of secrets, or a table of key id and secret")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(vec![("1".to_owned(), Secret::deserialize(de::value::StrDeserializer::new(text))?)])
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut all: Vec<(String, Secret)> = Vec::new();
                while let Some(one) = seq.next_element()? {
                    all.push(((all.len() + 1).to_string(), one));
                }
                Ok(all)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut all = BTreeMap::new();
                while let Some((id, secret)) = map.next_entry()? {
                    all.insert(id, secret);
                }
                Ok(all.into_iter().collect())
            }
        }
        let all = deserializer.deserialize_any(Visitor)?;
        if all.is_empty() {
            return Err(de::Error::custom("there is no secret: give at least one"));
        }
        Ok(Self(all))
    }
}

impl JsonSchema for IdentitySecrets {
    fn schema_name() -> Cow<'static, str> {
        "IdentitySecrets".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<Secret>();
        json_schema!({"anyOf": [
            one.clone(),
            {"type": "array", "items": one.clone(), "minItems": 1},
            {"type": "object", "additionalProperties": one, "minProperties": 1}
        ]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_secrets_are_one_a_list_or_a_table() {
        let ids = |text: &str| -> Vec<String> {
            let read: IdentitySecrets = serde_json::from_str(text).unwrap();
            read.0.into_iter().map(|(id, _)| id).collect()
        };
        assert_eq!(ids(r#""env:A""#), ["1"]);
        assert_eq!(ids(r#"["env:A","env:B"]"#), ["1", "2"]);
        assert_eq!(ids(r#"{"new":"env:A","old":"env:B"}"#), ["new", "old"]);
        for bad in ["[]", "{}", "7", r#""hunter2""#] {
            assert!(serde_json::from_str::<IdentitySecrets>(bad).is_err(), "{bad}");
        }
    }
}
