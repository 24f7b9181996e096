//! The settings of a mail inbox: shapes and defaults. Nothing here reads a file, a secret or the network.

mod text;

pub use text::{After, Interval};

use lodge_channel::Secret;
use lodge_domain::BrandName;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// A mail inbox: read over IMAP, answered over SMTP.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailSettings {
    /// How mail comes in: `imap`, or `pipe` where a mail server hands it over (`lodge pipe`) or archives are all there is.
    pub provider: MailProvider,
    /// Who we are to customers: `Name <address>` or an address alone.
    pub from: String,
    /// Further addresses by which customers reach this inbox.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The brand this inbox belongs to; brands have keys, budgets and templates of their own.
    #[serde(default)]
    pub brand: Option<BrandName>,
    /// Names of our own mail servers whose `Authentication-Results` (RFC 8601) are believed.
    #[serde(default)]
    pub authserv_ids: Vec<String>,
    /// Where answers are asked to go: an address with `{token}` in it, such as `support+{token}@acme.example`, which the
    /// mail server must deliver to this mailbox (`lodge check --online` asks it). Default `none`: answers are recognised by
    /// signed Message-IDs, and plus addresses of `from` all the same.
    #[serde(default)]
    pub reply_address: Option<String>,
    /// What becomes of one mail that reaches several of our inboxes.
    #[serde(default)]
    pub copies: CopiesSetting,
    /// The mailbox that is read; with provider `imap` and no other.
    #[serde(default)]
    pub imap: Option<ImapSettings>,
    /// The server that sends for us; without it tickets are made all the same, and nothing is acknowledged or answered.
    #[serde(default)]
    pub smtp: Option<SmtpSettings>,
}

/// How mail comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MailProvider {
    /// A mailbox on an IMAP server.
    Imap,
    /// Handed over by a mail server, or from archives.
    Pipe,
}

impl MailProvider {
    /// Its name in configuration, events and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Pipe => "pipe",
        }
    }
}

/// What becomes of one mail that reaches several of our inboxes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CopiesSetting {
    /// One contact, in the inbox it came to first.
    #[default]
    One,
    /// One contact in each inbox.
    Each,
    /// One contact, in the inbox named first in To and Cc.
    Primary,
}

/// How a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// From the first byte (RFC 8314).
    Implicit,
    /// After STARTTLS, which the server must offer.
    Starttls,
    /// Not at all: only towards this machine, or with `insecure = true`.
    None,
}

/// From when on a mailbox is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StartPoint {
    /// Only what arrives after the first connection.
    #[default]
    Now,
    /// Everything that lies there; what is more than a day older than the first connection is filed as backfill.
    All,
}

/// How we log in over IMAP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImapAuth {
    /// SASL PLAIN where the server offers it, else LOGIN.
    #[default]
    Auto,
    /// SASL PLAIN (RFC 4616).
    Plain,
    /// The LOGIN command.
    Login,
}

/// A mailbox on an IMAP server (RFC 3501, RFC 9051).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImapSettings {
    /// The server's name, as in its certificate.
    pub host: String,
    /// Its port. Default: 993 with implicit TLS, else 143.
    #[serde(default)]
    pub port: Option<u16>,
    /// How the connection is encrypted.
    #[serde(default = "implicit")]
    pub tls: TlsMode,
    /// The account.
    pub username: String,
    /// Its password.
    pub password: Secret,
    /// The folder that is read.
    #[serde(default = "inbox")]
    pub folder: String,
    /// What is done with a mail once it is filed: `keep` (at most the keyword `$LodgeDone`), `seen`, `move:FOLDER` or
    /// `delete`.
    #[serde(default)]
    pub after: After,
    /// Where reading starts.
    #[serde(default)]
    pub start: StartPoint,
    /// How often the mailbox is looked at, IDLE or not.
    #[serde(default = "minute")]
    pub poll: Interval,
    /// Wait with IDLE (RFC 2177) where the server offers it.
    #[serde(default = "yes")]
    pub idle: bool,
    /// How we log in.
    #[serde(default)]
    pub auth: ImapAuth,
    /// How long the server may stay silent while we wait for its answer.
    #[serde(default = "minute")]
    pub timeout: Interval,
    /// Certificates (PEM) to trust instead of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Allow `tls = "none"` to another machine: passwords and mail then travel in clear.
    #[serde(default)]
    pub insecure: bool,
}

impl ImapSettings {
    /// The port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.tls == TlsMode::Implicit { 993 } else { 143 })
    }
}

/// The server that sends for us (RFC 5321, RFC 6409).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmtpSettings {
    /// The server's name, as in its certificate.
    pub host: String,
    /// Its port. Default: 465 with implicit TLS, 587 with STARTTLS, else 25.
    #[serde(default)]
    pub port: Option<u16>,
    /// How the connection is encrypted.
    #[serde(default = "starttls")]
    pub tls: TlsMode,
    /// The account; without it we do not log in.
    #[serde(default)]
    pub username: Option<String>,
    /// Its password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// The envelope sender of acknowledgments: `null` (`<>`, RFC 3834), or an address where the server refuses that.
    #[serde(default)]
    pub envelope_from: Option<String>,
    /// How many connections at most.
    #[serde(default = "four")]
    pub connections: usize,
    /// How long the server may take for each step; for taking over a whole mail it has ten minutes (RFC 5321 4.5.3.2.6).
    #[serde(default = "minute")]
    pub timeout: Interval,
    /// Certificates (PEM) to trust instead of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Allow `tls = "none"` to another machine: passwords and mail then travel in clear.
    #[serde(default)]
    pub insecure: bool,
}

impl SmtpSettings {
    /// The port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            TlsMode::Implicit => 465,
            TlsMode::Starttls => 587,
            TlsMode::None => 25,
        })
    }
}

fn implicit() -> TlsMode {
    TlsMode::Implicit
}

fn starttls() -> TlsMode {
    TlsMode::Starttls
}

fn inbox() -> String {
    "INBOX".to_owned()
}

fn minute() -> Interval {
    Interval::new(Duration::from_secs(60))
}

fn yes() -> bool {
    true
}

fn four() -> usize {
    4
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_shortest_settings_get_safe_defaults() {
        let settings: EmailSettings = serde_json::from_value(json!({
            "provider": "imap", "from": "Acme <support@acme.example>",
            "imap": { "host": "imap.acme.example", "username": "support", "password": "env:P" }
        }))
        .unwrap();
        let imap = settings.imap.unwrap();
        assert_eq!((imap.tls, imap.port()), (TlsMode::Implicit, 993));
        assert_eq!((&imap.after, imap.start), (&After::Keep, StartPoint::Now));
        assert!(imap.idle && settings.smtp.is_none() && settings.copies == CopiesSetting::One);
    }

    /// Settings that name every table and every secret.
    fn whole() -> serde_json::Value {
        json!({
            "provider": "imap", "from": "Acme <support@acme.example>",
            "imap": { "host": "imap.acme.example", "username": "support", "password": "env:P" },
            "smtp": { "host": "smtp.acme.example", "username": "support", "password": "file:p" }
        })
    }

    #[test]
    fn t67_unknown_keys_are_errors_in_every_table() {
        assert!(serde_json::from_value::<EmailSettings>(whole()).is_ok());
        for table in ["", "/imap", "/smtp"] {
            for typo in ["pol", "pasword", "Host", "insecure_skip_verify", "verify"] {
                let mut settings = whole();
                settings.pointer_mut(table).unwrap()[typo] = json!(true);
                let error = serde_json::from_value::<EmailSettings>(settings).unwrap_err().to_string();
                assert!(error.contains("unknown field") && error.contains(typo), "{table}: {error}");
            }
        }
    }

    #[test]
    fn t67_secrets_in_clear_are_refused_and_not_repeated() {
        for place in ["/imap/password", "/smtp/password"] {
            for secret in ["hunter2", "env:", "file:", "plain:hunter2", ""] {
                let mut settings = whole();
                *settings.pointer_mut(place).unwrap() = json!(secret);
                let error = serde_json::from_value::<EmailSettings>(settings).unwrap_err().to_string();
                assert!(error.contains("never in clear") && !error.contains("hunter2"), "{place}: {error}");
            }
        }
    }
}
