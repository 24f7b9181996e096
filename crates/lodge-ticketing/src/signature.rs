//! Standard Webhooks 1.0, symmetric (`v1`): signs what goes out, verifies what comes in. Never decides who may do what.
//!
//! The signature is base64 of HMAC-SHA256 (RFC 2104) over `id.timestamp.body`. Verification decodes every candidate to
//! its fixed length first and compares all of them with every secret in constant time (T14, T15).

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use http::{HeaderMap, HeaderName};
use lodge_domain::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use subtle::{Choice, ConstantTimeEq};

/// Names the message; the same on every attempt.
pub const ID: HeaderName = HeaderName::from_static("webhook-id");
/// When this attempt was signed, in seconds since 1970.
pub const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// The signatures, separated by spaces.
pub const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// How far a timestamp may lie from now, either way, in seconds.
pub const TOLERANCE: i64 = 300;
/// How many signatures one request may carry (T74).
pub const MOST_CANDIDATES: usize = 8;
const MAC_BYTES: usize = 32;
const LONGEST_ID: usize = 256;

/// Why a secret cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// There is none.
    #[error("no signing secret is given")]
    None,
    /// The marker in front is missing.
    #[error("a signing secret begins with whsec_")]
    Prefix,
    /// What follows the marker is no base64.
    #[error("a signing secret is base64 (RFC 4648) after whsec_")]
    Encoding,
    /// It is too short to be safe, or longer than the scheme allows.
    #[error("a signing secret has 24 to 64 bytes after decoding")]
    Length,
}

/// Why a request is not believed. For logs; strangers are told nothing but 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// One of the three headers is missing, stands twice, or is no text.
    #[error("the header {0} is missing or unreadable")]
    Header(&'static str),
    /// The id is empty, too long, or has characters that would make the signed text ambiguous.
    #[error("the id is not one")]
    Id,
    /// The timestamp is not a number of seconds within the tolerance.
    #[error("the timestamp is too far from now")]
    Timestamp,
    /// More signatures than anybody needs.
    #[error("too many signatures")]
    TooMany,
    /// None of the signatures is ours.
    #[error("no signature fits")]
    Mismatch,
}

/// A request whose signature fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Its id.
    pub id: String,
    /// When it was signed, in seconds since 1970.
    pub timestamp: i64,
}

/// What a request says about its signature, checked for everything that needs no secret.
#[derive(Clone, Debug)]
pub struct Claimed {
    verified: Verified,
    timestamp_text: String,
    candidates: Vec<[u8; MAC_BYTES]>,
}

/// The secrets shared with the far side: the first is the newest, the others are on their way out. `Debug` shows how
/// many there are and nothing else.
#[derive(Clone)]
pub struct SigningSecrets {
    keys: Vec<hmac::Key>,
}

impl SigningSecrets {
    /// Reads secrets of the form `whsec_` and base64 of 24 to 64 bytes.
    ///
    /// # Errors
    /// [`SecretError`] where there is none, or one of them is not of that form.
    pub fn new(secrets: &[SecretString]) -> Result<Self, SecretError> {
        if secrets.is_empty() {
            return Err(SecretError::None);
        }
        let keys =
            secrets.iter().map(|secret| key(secret.expose_secret().trim())).collect::<Result<_, _>>()?;
        Ok(Self { keys })
    }

    /// The value of the signature header: one signature for each secret, so that the far side can change over.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let timestamp = timestamp.to_string();
        let sign = |key| format!("v1,{}", BASE64.encode(mac(key, id, &timestamp, body).as_ref()));
        self.keys.iter().map(sign).collect::<Vec<_>>().join(" ")
    }

    /// Whether `headers` sign `body`, now.
    ///
    /// # Errors
    /// [`SignatureError`] where they do not.
    pub fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Verified, SignatureError> {
        self.verify_body(&Claimed::read(headers, now)?, body)
    }

    /// Whether the claim holds for `body`.
    ///
    /// # Errors
    /// [`SignatureError::Mismatch`] where it does not.
    pub fn verify_body(&self, claimed: &Claimed, body: &[u8]) -> Result<Verified, SignatureError> {
        let mut fits = Choice::from(0);
        for key in &self.keys {
            let expected = mac(key, &claimed.verified.id, &claimed.timestamp_text, body);
            for candidate in &claimed.candidates {
                fits |= expected.as_ref().ct_eq(candidate);
            }
        }
        if bool::from(fits) { Ok(claimed.verified.clone()) } else { Err(SignatureError::Mismatch) }
    }
}

impl std::fmt::Debug for SigningSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningSecrets({})", self.keys.len())
    }
}

impl Claimed {
    /// Reads the three headers and checks all that can be checked before the body is there.
    ///
    /// # Errors
    /// [`SignatureError`] where they can never fit.
    pub fn read(headers: &HeaderMap, now: Timestamp) -> Result<Self, SignatureError> {
        let id = single(headers, &ID).ok_or(SignatureError::Header("webhook-id"))?;
        // A dot in the id could move the border between id, timestamp and body.
        if id.is_empty() || id.len() > LONGEST_ID || id.bytes().any(|b| !b.is_ascii_graphic() || b == b'.') {
            return Err(SignatureError::Id);
        }
        let text = single(headers, &TIMESTAMP).ok_or(SignatureError::Header("webhook-timestamp"))?;
        let timestamp = seconds(text).ok_or(SignatureError::Timestamp)?;
        if (now.as_second() - timestamp).abs() > TOLERANCE {
            return Err(SignatureError::Timestamp);
        }
        let list = single(headers, &SIGNATURE).ok_or(SignatureError::Header("webhook-signature"))?;
        let candidates = candidates(list)?;
        let verified = Verified { id: id.to_owned(), timestamp };
        Ok(Self { verified, timestamp_text: text.to_owned(), candidates })
    }

    /// The id the request gives itself; not to be believed before the body is verified.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.verified.id
    }
}

fn key(secret: &str) -> Result<hmac::Key, SecretError> {
    let encoded = secret.strip_prefix("whsec_").ok_or(SecretError::Prefix)?;
    let bytes = BASE64.decode(encoded.as_bytes()).map_err(|_| SecretError::Encoding)?;
    if !(24..=64).contains(&bytes.len()) {
        return Err(SecretError::Length);
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

fn mac(key: &hmac::Key, id: &str, timestamp: &str, body: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        context.update(part);
    }
    context.sign()
}

/// The one value of a header; `None` where it is missing, repeated or no text.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Whole seconds, written in one way only: no sign, no leading zero.
fn seconds(text: &str) -> Option<i64> {
    let plain = (1..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    (plain && !text.starts_with('0')).then(|| text.parse().ok()).flatten()
}

/// The `v1` signatures, each exactly 32 bytes; at least one.
fn candidates(list: &str) -> Result<Vec<[u8; MAC_BYTES]>, SignatureError> {
    let mut found = Vec::new();
    for (at, entry) in list.split(' ').enumerate() {
        if at >= MOST_CANDIDATES {
            return Err(SignatureError::TooMany);
        }
        let Some(encoded) = entry.strip_prefix("v1,") else { continue };
        let decoded = BASE64.decode(encoded.as_bytes()).ok();
        found.extend(decoded.and_then(|bytes| <[u8; MAC_BYTES]>::try_from(bytes).ok()));
    }
    if found.is_empty() { Err(SignatureError::Mismatch) } else { Ok(found) }
}
