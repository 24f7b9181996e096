//! How providers sign, written a second time and apart from the code under test.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// Headers as names and values.
pub(super) type Headers = Vec<(&'static str, String)>;

/// A callback that is to be signed.
pub(super) struct Callback<'a> {
    /// The whole address.
    pub(super) url: &'a str,
    pub(super) body: &'a [u8],
    pub(super) secret: &'a str,
    pub(super) at: Timestamp,
}

fn mac(algorithm: hmac::Algorithm, secret: &str, text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), text).as_ref().to_vec()
}

/// Every key followed by its values, sorted; none twice.
fn fields(body: &[u8]) -> String {
    let pairs: BTreeSet<(String, String)> = url::form_urlencoded::parse(body).into_owned().collect();
    pairs.into_iter().map(|(key, value)| key + &value).collect()
}

/// The headers of a callback that is signed by this scheme.
pub(super) fn sign(scheme: &str, callback: &Callback<'_>) -> Headers {
    let Callback { url, body, secret, at } = callback;
    let time = at.as_second().to_string();
    match scheme {
        "twilio" | "signalwire" => {
            let text = format!("{url}{}", fields(body));
            let signature = BASE64.encode(&mac(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret, text.as_bytes()));
            let header = if scheme == "twilio" { "x-twilio-signature" } else { "x-signalwire-signature" };
            vec![(header, signature)]
        }
        "plivo-v3" => {
            let (bare, query) = url.split_once('?').unwrap_or((url, ""));
            let mut asked: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
            asked.sort_unstable();
            let dot = if asked.is_empty() { "" } else { "." };
            let nonce = "05429567804466091622";
            let text = format!("{bare}?{}{dot}{}.{nonce}", asked.join("&"), fields(body));
            let signature = BASE64.encode(&mac(hmac::HMAC_SHA256, secret, text.as_bytes()));
            vec![("x-plivo-signature-v3", signature), ("x-plivo-signature-v3-nonce", nonce.to_owned())]
        }
        "plivo-v2" => {
            // The address without its query, and nothing of what is said.
            let text = format!("{}12345", url.split('?').next().unwrap_or_default());
            let signature = BASE64.encode(&mac(hmac::HMAC_SHA256, secret, text.as_bytes()));
            vec![("x-plivo-signature-v2", signature), ("x-plivo-signature-v2-nonce", "12345".to_owned())]
        }
        "basic" => {
            vec![("authorization", format!("Basic {}", BASE64.encode(format!("lodge:{secret}").as_bytes())))]
        }
        "telnyx" => {
            let signed = [time.as_bytes(), b"|", body].concat();
            let signature = BASE64.encode(key_pair(secret).sign(&signed).as_ref());
            vec![("telnyx-signature-ed25519", signature), ("telnyx-timestamp", time)]
        }
        "vonage" => {
            let hash = HEXLOWER.encode(digest(&SHA256, body).as_ref());
            let claims = serde_json::json!({
                "iss": "Vonage", "iat": at.as_second(), "jti": "j1", "payload_hash": hash,
            });
            let header = BASE64URL_NOPAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
            let signed = format!("{header}.{}", BASE64URL_NOPAD.encode(claims.to_string().as_bytes()));
            let signature = BASE64URL_NOPAD.encode(&mac(hmac::HMAC_SHA256, secret, signed.as_bytes()));
            vec![("authorization", format!("Bearer {signed}.{signature}"))]
        }
        "jambonz" => {
            let signed = [time.as_bytes(), b".", body].concat();
            let signature = HEXLOWER.encode(&mac(hmac::HMAC_SHA256, secret, &signed));
            vec![("jambonz-signature", format!("t={time},v1={signature}"))]
        }
        other => panic!("nobody signs by {other}"),
    }
}

/// A pair of keys that follows from a word.
fn key_pair(word: &str) -> Ed25519KeyPair {
    let seed = mac(hmac::HMAC_SHA256, "seed", word.as_bytes());
    Ed25519KeyPair::from_seed_unchecked(&seed).unwrap()
}

/// What is configured for a secret: itself, or the public half of the pair that it stands for.
pub(super) fn configured(scheme: &str, secret: &str) -> String {
    match scheme {
        "telnyx" => BASE64.encode(key_pair(secret).public_key().as_ref()),
        _ => secret.to_owned(),
    }
}

/// An RSA key of ours, and the text it is configured as: made anew for each run of the tests.
pub(super) fn own_key() -> &'static (RsaKeyPair, String) {
    static KEY: OnceLock<(RsaKeyPair, String)> = OnceLock::new();
    KEY.get_or_init(|| {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let text = BASE64.encode(der.as_ref());
        (pair, format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n"))
    })
}
