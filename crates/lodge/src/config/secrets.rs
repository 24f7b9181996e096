//! The one place that reads environment variables and secret files.

use lodge_channel::{Secret, SecretError, SecretSource};
use secrecy::SecretString;
use std::path::PathBuf;

/// Reads secrets from the environment and from files relative to the configuration's folder.
#[derive(Clone, Debug)]
pub struct Secrets {
    folder: PathBuf,
}

impl Secrets {
    /// Secrets of a configuration in `folder`.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }
}

impl SecretSource for Secrets {
    #[expect(clippy::disallowed_methods, reason = "this is the configuration loader's secret source")]
    fn read(&self, secret: &Secret) -> Result<SecretString, SecretError> {
        let problem = |problem: String| SecretError { reference: secret.to_string(), problem };
        let value = match secret {
            Secret::Env(name) => std::env::var(name).map_err(|error| match error {
                std::env::VarError::NotPresent => {
                    problem(format!("the environment variable {name} is not set"))
                }
                std::env::VarError::NotUnicode(_) => {
                    problem(format!("the environment variable {name} is not UTF-8"))
                }
            })?,
            Secret::File(path) => {
                let path = self.folder.join(path);
                let text = std::fs::read_to_string(&path).map_err(|error| {
                    problem(format!("the file {} cannot be read: {error}", path.display()))
                })?;
                text.strip_suffix('\n').map_or(text.clone(), |t| t.strip_suffix('\r').unwrap_or(t).to_owned())
            }
        };
        if value.is_empty() { Err(problem("it is empty".to_owned())) } else { Ok(SecretString::from(value)) }
    }
}
