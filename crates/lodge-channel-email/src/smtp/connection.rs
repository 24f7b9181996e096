//! Connects to a relay: greeting, encryption, log-in. Nothing of a mail goes out here.

use super::tracked::{Dot, Tracked};
use super::verdict::{self, Phase};
use crate::config::TlsMode;
use crate::error::MailError;
use crate::wire::{Connection, Target, read_line, send_line, within};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;
use lodge_channel::net::Connector;
use lodge_domain::DeliveryError;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;

/// The server that sends for us.
#[derive(Clone)]
pub(crate) struct Relay {
    pub(crate) target: Target,
    pub(crate) login: Option<(String, SecretString)>,
    /// How we introduce ourselves.
    pub(crate) hello: String,
    pub(crate) connector: Arc<dyn Connector>,
}

/// A connection that is ready for a mail.
pub(crate) struct Ready {
    pub(super) smtp: AsyncSmtpConnection,
    pub(super) dot: Dot,
}

impl Relay {
    /// Connects, encrypts, logs in.
    pub(crate) async fn connect(&self) -> Result<Ready, DeliveryError> {
        let patience = self.target.patience;
        let mut stream =
            self.target.open(self.connector.as_ref()).await.map_err(|e| verdict::unreachable(&e))?;
        let mut preface: &'static [u8] = b"";
        if self.target.tls == TlsMode::Starttls {
            stream = self.start_tls(stream).await.map_err(|e| verdict::unreachable(&e))?;
            // After STARTTLS a server is silent, and the client waits for a greeting: it gets ours.
            preface = b"220 ready\r\n";
        }
        let dot = Dot::default();
        let tracked = Box::new(Tracked::new(stream, preface, dot.clone()));
        let hello = ClientId::Domain(self.hello.clone());
        let greeting = AsyncSmtpConnection::connect_with_transport(tracked, &hello);
        let mut smtp = within(patience, greeting)
            .await
            .map_err(|e| verdict::unreachable(&e))?
            .map_err(|error| verdict::of(&error, Phase::Session))?;
        if let Some((username, password)) = &self.login {
            let credentials = Credentials::new(username.clone(), password.expose_secret().to_owned());
            within(patience, smtp.auth(&[Mechanism::Plain, Mechanism::Login], &credentials))
                .await
                .map_err(|e| verdict::unreachable(&e))?
                .map_err(|error| verdict::of(&error, Phase::Login))?;
        }
        Ok(Ready { smtp, dot })
    }

    /// STARTTLS (RFC 3207), by hand: what comes before the handshake is read to the byte and never used after it (T62).
    async fn start_tls(&self, mut stream: Connection) -> Result<Connection, MailError> {
        let patience = self.target.patience;
        self.answer(&mut stream, "the connection", "220").await?;
        send_line(&mut stream, &format!("EHLO {}", self.hello), patience).await?;
        let offered = self.answer(&mut stream, "EHLO", "250").await?;
        if !offered.iter().any(|line| line.trim().eq_ignore_ascii_case("STARTTLS")) {
            return Err(MailError::Unfit("it offers no STARTTLS".to_owned()));
        }
        send_line(&mut stream, "STARTTLS", patience).await?;
        self.answer(&mut stream, "STARTTLS", "220").await?;
        self.target.encrypt(stream).await
    }

    async fn answer(
        &self,
        stream: &mut Connection,
        command: &'static str,
        wanted: &str,
    ) -> Result<Vec<String>, MailError> {
        let mut lines = Vec::new();
        while lines.len() < 100 {
            let line = read_line(stream, self.target.patience).await?;
            let (Some(code), Some(last)) =
                (line.get(..3), line.as_bytes().get(3).map_or(Some(b' '), |b| Some(*b)))
            else {
                return Err(MailError::Protocol("no SMTP answer"));
            };
            if code != wanted {
                return Err(MailError::Refused { command, text: MailError::words(&line) });
            }
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            if last != b'-' {
                return Ok(lines);
            }
        }
        Err(MailError::Protocol("an answer without an end"))
    }
}
