//! Opens connections to mail servers: plain, with implicit TLS (RFC 8314), or with STARTTLS (RFC 3207, RFC 3501 6.2.1).
//!
//! Before TLS stands, every line is read byte by byte, so that nothing which somebody slipped in before the handshake is
//! ever taken for an answer after it (NO STARTTLS, 2021): it meets the handshake and breaks it.

use crate::config::TlsMode;
use crate::error::MailError;
use lodge_channel::net::{Connector, Stream};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, pki_types::ServerName};

/// A connection to a server.
pub(crate) type Connection = Box<dyn Stream>;

/// Where a server is and how it is reached.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: TlsMode,
    /// What TLS trusts; not looked at without TLS.
    pub(crate) trust: Option<Arc<ClientConfig>>,
    /// How long each step may take.
    pub(crate) patience: Duration,
}

impl Target {
    /// Opens the connection; encrypted already where TLS is implicit.
    pub(crate) async fn open(&self, connector: &dyn Connector) -> Result<Connection, MailError> {
        let plain = connector
            .connect(&self.host, self.port, self.patience)
            .await
            .map_err(|error| MailError::Unreachable(MailError::words(&error.to_string())))?;
        if self.tls == TlsMode::Implicit { self.encrypt(plain).await } else { Ok(plain) }
    }

    /// Encrypts a connection; the certificate must be the host's.
    pub(crate) async fn encrypt(&self, plain: Connection) -> Result<Connection, MailError> {
        let Some(trust) = &self.trust else {
            return Err(MailError::Tls("no certificates to trust are set up".to_owned()));
        };
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(bare.to_owned())
            .map_err(|_| MailError::Tls("the host is no name a certificate can have".to_owned()))?;
        let handshake = TlsConnector::from(Arc::clone(trust)).connect(name, plain);
        let encrypted =
            within(self.patience, handshake).await?.map_err(|error| match MailError::from(error) {
                tls @ MailError::Tls(_) => tls,
                MailError::Lost => MailError::Tls("the server ended the handshake".to_owned()),
                _ => MailError::Tls("the handshake failed".to_owned()),
            })?;
        Ok(Box::new(encrypted))
    }
}

/// Waits for `work`, at most `patience`.
pub(crate) async fn within<T>(patience: Duration, work: impl Future<Output = T>) -> Result<T, MailError> {
    tokio::time::timeout(patience, work).await.map_err(|_| MailError::Silent(patience))
}

const LONGEST_LINE: usize = 16 * 1024;

/// Reads one line without its end, and not one byte more.
pub(crate) async fn read_line(stream: &mut Connection, patience: Duration) -> Result<String, MailError> {
    let reading = async {
        let mut line = Vec::new();
        loop {
            match stream.read_u8().await? {
                b'\n' => break,
                byte => line.push(byte),
            }
            if line.len() > LONGEST_LINE {
                return Err(MailError::Protocol("a line without an end"));
            }
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    };
    within(patience, reading).await?
}

/// Sends one line.
pub(crate) async fn send_line(
    stream: &mut Connection,
    line: &str,
    patience: Duration,
) -> Result<(), MailError> {
    let sending = async {
        stream.write_all(format!("{line}\r\n").as_bytes()).await?;
        stream.flush().await
    };
    Ok(within(patience, sending).await??)
}
