//! Signs calls in an account's name (OAuth 1.0a, RFC 5849, HMAC-SHA1). Bodies of JSON are not part of the text.

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// What is escaped (RFC 5849, section 3.6).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// An app and the account that it speaks for.
pub(super) struct Signer {
    consumer_key: String,
    token: SecretString,
    key: hmac::Key,
}

impl Signer {
    pub(super) fn new(
        consumer_key: String,
        consumer_secret: &SecretString,
        token: SecretString,
        token_secret: &SecretString,
    ) -> Self {
        let secret = [consumer_secret, token_secret].map(|secret| escaped(secret.expose_secret())).join("&");
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
        Self { consumer_key, token, key }
    }

    /// The `Authorization` header of one call; `nonce` is drawn for it alone.
    pub(super) fn sign(&self, method: &Method, url: &Url, nonce: &str, now: Timestamp) -> SecretString {
        let time = now.as_second().to_string();
        let own = [
            ("oauth_consumer_key", self.consumer_key.as_str()),
            ("oauth_nonce", nonce),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", &time),
            ("oauth_token", self.token.expose_secret()),
            ("oauth_version", "1.0"),
        ];
        let mut pairs: Vec<(String, String)> =
            own.iter().map(|(key, value)| (escaped(key), escaped(value))).collect();
        pairs.extend(url.query_pairs().map(|(key, value)| (escaped(&key), escaped(&value))));
        pairs.sort();
        let pairs: Vec<String> = pairs.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        let mut bare = url.clone();
        bare.set_query(None);
        bare.set_fragment(None);
        let text = [method.as_str(), bare.as_str(), &pairs.join("&")].map(escaped).join("&");
        let signature = BASE64.encode(hmac::sign(&self.key, text.as_bytes()).as_ref());
        let all = own.iter().copied().chain([("oauth_signature", signature.as_str())]);
        let all: Vec<String> = all.map(|(key, value)| format!("{key}=\"{}\"", escaped(value))).collect();
        SecretString::from(format!("OAuth {}", all.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of OAuth Core 1.0, appendix A.5, which RFC 5849 grew out of.
    #[test]
    fn signs_the_published_example() {
        let secret = |text: &str| SecretString::from(text.to_owned());
        let signer = Signer::new(
            "dpf43f3p2l4k3l03".to_owned(),
            &secret("kd94hf93k423kf44"),
            secret("nnch734d00sl2jdk"),
            &secret("pfkkdhi9sl3r4s00"),
        );
        let url = Url::parse("http://photos.example.net/photos?file=vacation.jpg&size=original").unwrap();
        let now = Timestamp::from_second(1_191_242_096).unwrap();
        let header = signer.sign(&Method::GET, &url, "kllo9940pd9333jh", now);
        let header = header.expose_secret();
        assert!(header.contains("oauth_signature=\"tR3%2BTy81lMeYAr%2FFid0kMTYa%2FWM%3D\""), "{header}");
        assert!(header.starts_with("OAuth oauth_consumer_key=\"dpf43f3p2l4k3l03\""), "{header}");
    }
}
