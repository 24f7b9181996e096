//! The network comes in through this port: adapters connect by a [`Connector`], tests give them another.

use async_trait::async_trait;
use rustls::ClientConfig;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A connection, encrypted or not.
pub trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug> Stream for T {}

/// Opens connections to servers that the configuration names.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Connects to `host:port` within `deadline`; small packets go out at once (TCP_NODELAY).
    ///
    /// # Errors
    /// Those of the network; `TimedOut` after the deadline.
    async fn connect(&self, host: &str, port: u16, deadline: Duration) -> io::Result<Box<dyn Stream>>;
}

/// Connects over TCP, trying every address a name has.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpConnector;

#[async_trait]
impl Connector for TcpConnector {
    async fn connect(&self, host: &str, port: u16, deadline: Duration) -> io::Result<Box<dyn Stream>> {
        let attempt = tokio::time::timeout(deadline, TcpStream::connect((host, port)));
        let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {deadline:?}"));
        let stream = attempt.await.map_err(|_| late())??;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}

/// TLS towards servers: TLS 1.2 or later, certificates checked against the system's roots, or against those in `ca_file`
/// (PEM) where one is given.
///
/// # Errors
/// Where the file cannot be read or holds no certificate, or the system has no usable roots.
pub fn tls_client(ca_file: Option<&std::path::Path>) -> io::Result<Arc<ClientConfig>> {
    use rustls_pki_types::{CertificateDer, pem::PemObject};
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let Some(path) = ca_file else {
        use rustls_platform_verifier::BuilderVerifierExt;
        let config = builder.with_platform_verifier().map_err(io::Error::other)?;
        return Ok(Arc::new(config.with_no_client_auth()));
    };
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(io::Error::other)? {
        roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    if roots.is_empty() {
        return Err(io::Error::other(format!("no certificate in {}", path.display())));
    }
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// Whether `host` can only be this machine: `localhost` and addresses of the loopback ranges.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_this_machine_is_loopback() {
        for yes in ["localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"] {
            assert!(is_loopback(yes), "{yes}");
        }
        for no in ["localhost.example", "128.0.0.1", "0.0.0.0", "example.com", ""] {
            assert!(!is_loopback(no), "{no}");
        }
    }
}
