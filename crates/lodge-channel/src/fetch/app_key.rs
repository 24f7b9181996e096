//! A private key whose other half a provider knows: signs the short tokens (RFC 7519, RS256) by which we say who we are.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use data_encoding::BASE64URL_NOPAD;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

/// A private RSA key.
pub struct AppKey(KeyPair);

impl AppKey {
    /// The key in a PEM text (PKCS #8 or PKCS #1); `None` where there is none.
    #[must_use]
    pub fn pem(text: &SecretString) -> Option<Self> {
        match PrivateKeyDer::from_pem_slice(text.expose_secret().as_bytes()).ok()? {
            PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()).ok(),
            PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()).ok(),
            _ => None,
        }
        .map(Self)
    }

    /// A token that says `claims`; `None` where the key cannot sign.
    #[must_use]
    pub fn token(&self, claims: &Value) -> Option<SecretString> {
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(&json!({"alg": "RS256", "typ": "JWT"})), part(claims));
        let mut signature = vec![0; self.0.public_modulus_len()];
        // This padding has no randomness in it; the parameter is the library's.
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).ok()?;
        Some(SecretString::from(format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))))
    }
}

impl std::fmt::Debug for AppKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AppKey")
    }
}
