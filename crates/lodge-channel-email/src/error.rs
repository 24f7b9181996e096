//! How talking to a mail server fails. No error holds a byte of a mail or of a password: at most the server's own status
//! line, shortened and with its control characters escaped.

use lodge_telemetry::redact;
use std::io;
use std::time::Duration;

/// Why a mail server could not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// No connection.
    #[error("cannot reach the server: {0}")]
    Unreachable(String),
    /// Encryption could not be agreed on, or the certificate is not to be trusted.
    #[error("no trustworthy encryption: {0}")]
    Tls(String),
    /// The server does not offer what the settings ask for.
    #[error("the server does not fit the settings: {0}")]
    Unfit(String),
    /// The server refuses our account.
    #[error("the server refuses the log-in: {0}")]
    Login(String),
    /// It ended the connection.
    #[error("the connection was lost")]
    Lost,
    /// It said nothing for too long.
    #[error("no answer within {} s", .0.as_secs_f32())]
    Silent(Duration),
    /// It answered something that is no IMAP, or more than was asked for.
    #[error("the answer cannot be used: {0}")]
    Protocol(&'static str),
    /// It refuses a command.
    #[error("the server refuses {command}: {text}")]
    Refused {
        /// The command's name.
        command: &'static str,
        /// Its words.
        text: String,
    },
}

impl MailError {
    /// Words of a server, safe to show.
    #[must_use]
    pub fn words(text: &str) -> String {
        let shown = redact::line(text.trim(), 200);
        if shown.is_empty() { "without a reason".to_owned() } else { shown }
    }

    /// What an operator can do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "check host and port, and that the server runs",
            Self::Tls(_) => {
                "check the host name and certificate, or set ca_file to the authority that signed it"
            }
            Self::Unfit(_) => "change tls or auth to what the server offers",
            Self::Login(_) => "check username and password",
            Self::Lost | Self::Silent(_) => "it is tried again; look at the server's log if it goes on",
            Self::Protocol(_) => "it is tried again; look at the server, which may be none for mail",
            Self::Refused { .. } => "look at the server's words and the account's rights",
        }
    }

    /// Reason and remedy in one line.
    #[must_use]
    pub fn advice(&self) -> String {
        format!("{self}; {}", self.remedy())
    }
}

impl From<io::Error> for MailError {
    /// Never takes over the text of an unknown kind: parsers put what they read into it, which is customers' mail.
    fn from(error: io::Error) -> Self {
        if let Some(tls) =
            error.get_ref().and_then(|inner| inner.downcast_ref::<tokio_rustls::rustls::Error>())
        {
            return Self::Tls(MailError::words(&tls.to_string()));
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected => Self::Lost,
            io::ErrorKind::FileTooLarge => Self::Protocol("more than was asked for"),
            io::ErrorKind::TimedOut => Self::Unreachable("no connection in time".to_owned()),
            io::ErrorKind::Other | io::ErrorKind::InvalidData => Self::Protocol("it cannot be read"),
            kind => Self::Unreachable(kind.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_never_repeat_what_a_parser_read() {
        let parser = io::Error::other("Error during parsing of \"* 1 FETCH (BODY[] {5} secret words\"");
        let shown = MailError::from(parser).advice();
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn words_of_servers_are_shortened_and_escaped() {
        let shown = MailError::words(&format!("a\r\nb{}", "x".repeat(500)));
        assert!(shown.starts_with("a\\r\\nb") && shown.chars().count() < 250, "{shown}");
    }
}
