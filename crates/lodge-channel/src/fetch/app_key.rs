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
    /// The key in a PEM text (RFC 7468), as PKCS #8 or PKCS #1; `None` where there is none. In an environment variable its
    /// lines may be parted by `\n`, written out.
    #[must_use]
    pub fn pem(text: &SecretString) -> Option<Self> {
        let text = text.expose_secret().replace("\\n", "\n");
        match PrivateKeyDer::from_pem_slice(text.as_bytes()).ok()? {
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

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use data_encoding::BASE64;

    fn written(pair: &KeyPair, end: &str) -> SecretString {
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let text = BASE64.encode(der.as_ref());
        let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN PRIVATE KEY-----{end}{}{end}-----END PRIVATE KEY-----{end}", lines.join(end))
            .into()
    }

    #[test]
    fn a_token_is_signed_by_the_key_and_says_what_it_was_told() {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        for end in ["\n", "\r\n", "\\n"] {
            let token =
                AppKey::pem(&written(&pair, end)).unwrap().token(&json!({"iat": 7, "jti": "a"})).unwrap();
            let (signed, signature) = token.expose_secret().rsplit_once('.').unwrap();
            let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
            let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
            public.verify(signed.as_bytes(), &signature).unwrap();
            let part = |text: &str| -> Value {
                serde_json::from_slice(&BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()).unwrap()
            };
            let (header, claims) = signed.split_once('.').unwrap();
            assert_eq!(part(header), json!({"alg": "RS256", "typ": "JWT"}));
            assert_eq!(part(claims), json!({"iat": 7, "jti": "a"}));
        }
    }

    #[test]
    fn what_is_no_key_is_none() {
        for text in ["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            assert!(AppKey::pem(&text.to_owned().into()).is_none(), "{text}");
        }
    }
}
