//! TLS for the public listener from two PEM files (RFC 7468). TLS 1.2 and later, HTTP/1.1 by ALPN (T61, T72).

use crate::config::TlsSection;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificates cannot be read.
    #[error("read the certificate chain {path}: {reason}")]
    Certificate {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The private key cannot be read.
    #[error("read the private key {path}: {reason}")]
    Key {
        /// The file.
        path: String,
        /// What is wrong with it; never its content.
        reason: String,
    },
    /// The two do not belong together.
    #[error("use certificate and key together: {0}")]
    Pair(rustls::Error),
}

/// Reads certificate chain and key, relative to `folder`.
///
/// # Errors
/// [`TlsError`] where one of them cannot be read, or they do not fit each other.
pub fn tls_config(folder: &Path, tls: &TlsSection) -> Result<Arc<ServerConfig>, TlsError> {
    let certificate = folder.join(&tls.certificate);
    let failed = |reason: String| TlsError::Certificate { path: certificate.display().to_string(), reason };
    let chain = CertificateDer::pem_file_iter(&certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| failed(error.to_string()))?;
    if chain.is_empty() {
        return Err(failed("it holds no certificate".to_owned()));
    }
    let path = folder.join(&tls.key);
    let key = PrivateKeyDer::from_pem_file(&path)
        .map_err(|error| TlsError::Key { path: path.display().to_string(), reason: error.to_string() })?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(TlsError::Pair)?.with_no_client_auth();
    let mut config = builder.with_single_cert(chain, key).map_err(TlsError::Pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
