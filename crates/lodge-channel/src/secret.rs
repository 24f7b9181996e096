//! Secrets in settings: only references (`env:NAME`, `file:PATH`), read when a door is built, never printed.

use crate::values::OneOrMany;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de::Error};
use std::borrow::Cow;

/// A reference to a secret. `Debug` shows the reference, which is no secret; the value never has a `Debug`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// The environment variable of this name.
    Env(String),
    /// The file at this path, relative to the configuration; a final newline is not part of the secret.
    File(String),
}

impl std::fmt::Display for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{path}"),
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.to_owned())),
            // The text itself may be a secret that somebody wrote in clear: it is not repeated.
            _ => {
                Err(D::Error::custom("a secret is written as \"env:NAME\" or \"file:PATH\", never in clear"))
            }
        }
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^(env|file):.+$",
            "description": "A reference to a secret: `env:NAME` or `file:PATH`."
        })
    }
}

/// One secret, or a list of them while they are changed over: the first is the newest.
pub type Secrets = OneOrMany<Secret>;

impl Secrets {
    /// The values of all of them.
    ///
    /// # Errors
    /// Where one cannot be read.
    pub fn read(&self, source: &dyn SecretSource) -> Result<Vec<SecretString>, SecretError> {
        self.0.iter().map(|secret| source.read(secret)).collect()
    }
}

/// A value that is no secret (a public key, an account's name): written as it is, or by reference like the secrets beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plain {
    /// The value itself.
    Text(String),
    /// Where it is.
    Reference(Secret),
}

impl Plain {
    /// The value.
    ///
    /// # Errors
    /// Where it stands behind a reference that cannot be read.
    pub fn read(&self, source: &dyn SecretSource) -> Result<String, SecretError> {
        use secrecy::ExposeSecret;
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Reference(secret) => Ok(source.read(secret)?.expose_secret().to_owned()),
        }
    }

    /// The reference, where there is one.
    #[must_use]
    pub fn reference(&self) -> Option<&Secret> {
        match self {
            Self::Text(_) => None,
            Self::Reference(secret) => Some(secret),
        }
    }
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.split_once(':') {
            _ if text.trim().is_empty() => Err(D::Error::custom("the value is empty")),
            Some(("env", name)) if !name.is_empty() => Ok(Self::Reference(Secret::Env(name.to_owned()))),
            Some(("file", path)) if !path.is_empty() => Ok(Self::Reference(Secret::File(path.to_owned()))),
            _ => Ok(Self::Text(text)),
        }
    }
}

impl JsonSchema for Plain {
    fn schema_name() -> Cow<'static, str> {
        "Plain".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "description": "A value that is no secret: as it is, or `env:NAME` or `file:PATH`."
        })
    }
}

/// Why a secret could not be read; names the reference, never the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret {reference} cannot be read: {problem}")]
pub struct SecretError {
    /// The reference.
    pub reference: String,
    /// What is wrong with it.
    pub problem: String,
}

/// Reads secrets; the composition root has the one real implementation.
pub trait SecretSource: Send + Sync {
    /// The value behind `secret`, never empty.
    ///
    /// # Errors
    /// Where the variable is not set, the file cannot be read, or the value is empty.
    fn read(&self, secret: &Secret) -> Result<SecretString, SecretError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t58_a_secret_in_clear_is_refused_without_repeating_it() {
        let error = serde_json::from_str::<Secret>("\"hunter2\"").unwrap_err().to_string();
        assert!(error.contains("env:NAME") && !error.contains("hunter2"), "{error}");
        assert_eq!(serde_json::from_str::<Secret>("\"env:A\"").unwrap(), Secret::Env("A".to_owned()));
    }

    #[test]
    fn what_is_no_secret_may_stand_in_clear_or_behind_a_reference() {
        let plain = |text: &str| serde_json::from_value::<Plain>(serde_json::json!(text));
        assert_eq!(plain("89cd:7489").unwrap(), Plain::Text("89cd:7489".to_owned()));
        assert_eq!(plain("env:KEY").unwrap(), Plain::Reference(Secret::Env("KEY".to_owned())));
        assert!(plain(" ").is_err());
    }
}
