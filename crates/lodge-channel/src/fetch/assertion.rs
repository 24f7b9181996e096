//! Tokens that we sign ourselves, for APIs that want a fresh one with each call: JWT (RFC 7519) by RS256 (RFC 7518). Never
//! reads a token, and says nothing of what stands in one.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// What every token of ours begins with: `{"alg":"RS256","typ":"JWT"}`.
const HEADER: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9";

/// An RSA key of ours.
pub struct AppKey {
    key: RsaKeyPair,
}

impl AppKey {
    /// The key in a PEM text (RFC 7468), as PKCS #8 or PKCS #1; `None` where there is none of 2,048 to 8,192 bits. In an
    /// environment variable its lines may be parted by `\n`, written out.
    #[must_use]
    pub fn pem(text: &SecretString) -> Option<Self> {
        let text = text.expose_secret().replace("\\n", "\n");
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
        let der = BASE64.decode(lines.collect::<String>().as_bytes()).ok()?;
        let key = RsaKeyPair::from_pkcs8(&der).or_else(|_| RsaKeyPair::from_der(&der)).ok()?;
        Some(Self { key })
    }

    /// A token that says `claims`; `None` where the key cannot sign.
    #[must_use]
    pub fn token(&self, claims: &Value) -> Option<SecretString> {
        let mut token = format!("{HEADER}.{}", BASE64URL_NOPAD.encode(claims.to_string().as_bytes()));
        let mut signature = vec![0; self.key.public_modulus_len()];
        // This padding takes no randomness (RFC 8017, 8.2): the same claims are always the same token.
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature).ok()?;
        token.push('.');
        token.push_str(&BASE64URL_NOPAD.encode(&signature));
        Some(token.into())
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
    use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use serde_json::json;

    fn written(pair: &RsaKeyPair, end: &str) -> SecretString {
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let text = BASE64.encode(der.as_ref());
        let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN PRIVATE KEY-----{end}{}{end}-----END PRIVATE KEY-----{end}", lines.join(end))
            .into()
    }

    #[test]
    fn a_token_is_signed_by_the_key_and_says_what_it_was_told() {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
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
