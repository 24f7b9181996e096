//! Verifiers: each decides whether a request was made by who holds a secret. Never compares text, never looks at what a
//! request says.
//!
//! Candidates are decoded to their fixed length first (T14), there is at least one and at most eight of them (T74), and
//! each is compared with each live secret in constant time (T15).

mod form_signed;
mod jwt;
mod keys;
mod token;
mod url_signed;
mod vonage_form;
mod web_push;

pub use form_signed::{plivo_v2, plivo_v3};
pub use jwt::{Jwk, JwtKeys, JwtRules, Token, payload_hash_fits};
pub use keys::{EcdsaKey, Ed25519Key};
pub use token::{BasicCredentials, SharedToken};
pub use url_signed::{TwilioKeys, twilio, url_variants};
pub use vonage_form::VonageForms;
pub use web_push::{LONGEST_PUSH, PushKeys};

use super::parts::{Part, parts};
use super::request::{Form, Unverified};
use aws_lc_rs::hmac;
use axum::http::Method;
use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use subtle::{Choice, ConstantTimeEq};

/// How many signatures one request may carry.
pub const MOST_CANDIDATES: usize = 8;

/// Why a request is not believed: a fixed phrase for logs. Strangers are told nothing but 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Forged(pub &'static str);

/// A request that was made by who holds the secret. Only verifiers of this module make one.
#[derive(Clone, Debug)]
pub struct Verified<'r> {
    request: &'r Unverified,
}

impl<'r> Verified<'r> {
    fn new(request: &'r Unverified) -> Self {
        Self { request }
    }

    /// The request.
    #[must_use]
    pub fn request(&self) -> &'r Unverified {
        self.request
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &'r Method {
        self.request.method()
    }

    /// The path below the inbox's own.
    #[must_use]
    pub fn below(&self) -> &'r str {
        self.request.below()
    }

    /// The raw body.
    #[must_use]
    pub fn body(&self) -> &'r Bytes {
        self.request.signed_body()
    }

    /// The body as JSON; `None` where it is none of this shape. The parser's own depth limit holds (T28).
    #[must_use]
    pub fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(self.body()).ok()
    }

    /// The body as a form; of one in parts, the fields that are no files.
    #[must_use]
    pub fn form(&self) -> Form {
        let Some(parts) = self.parts() else { return Form::parse(self.body()) };
        let fields = parts.into_iter().filter(|part| part.file.is_none());
        Form::of(fields.map(|part| (part.name, String::from_utf8_lossy(&part.bytes).into_owned())))
    }

    /// The body as `multipart/form-data`; `None` where it is none.
    #[must_use]
    pub fn parts(&self) -> Option<Vec<Part>> {
        parts(self.request.header("content-type")?, self.body())
    }

    /// The query.
    #[must_use]
    pub fn query(&self) -> Form {
        self.request.query()
    }
}

/// The hash of a keyed hash (RFC 2104).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-1, where a provider knows no better; sound for this use.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    fn of(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    /// Length of a signature in bytes.
    #[must_use]
    pub fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// Signatures a request carries, decoded to their fixed length.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    found: Vec<Vec<u8>>,
    seen: usize,
}

impl Candidates {
    /// Hexadecimal signatures of `length` bytes; others count, and fit nothing.
    #[must_use]
    pub fn hex<'a>(length: usize, texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self::decode(length, texts, |text| HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok())
    }

    /// Base64 signatures of `length` bytes; others count, and fit nothing.
    #[must_use]
    pub fn base64<'a>(length: usize, texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self::decode(length, texts, |text| BASE64.decode(text.as_bytes()).ok())
    }

    fn decode<'a>(
        length: usize,
        texts: impl IntoIterator<Item = &'a str>,
        decode: impl Fn(&str) -> Option<Vec<u8>>,
    ) -> Self {
        let mut candidates = Self::default();
        for text in texts.into_iter().take(MOST_CANDIDATES + 1) {
            candidates.seen += 1;
            // Twice the length in hexadecimal digits is the longest text that can be right.
            let decoded = if text.len() > 2 * length { None } else { decode(text) };
            candidates.found.extend(decoded.filter(|bytes| bytes.len() == length));
        }
        candidates
    }

    fn checked(&self) -> Result<&[Vec<u8>], Forged> {
        if self.seen > MOST_CANDIDATES {
            Err(Forged("there are too many signatures"))
        } else if self.found.is_empty() {
            Err(Forged("there is no signature"))
        } else {
            Ok(&self.found)
        }
    }
}

/// Secrets shared with a provider: one, or two while they are changed over.
#[derive(Clone)]
pub struct HmacKeys {
    keys: Vec<hmac::Key>,
}

impl HmacKeys {
    /// Keys made of the secrets' own bytes.
    #[must_use]
    pub fn new(algorithm: Algorithm, secrets: &[SecretString]) -> Self {
        Self::of_bytes(algorithm, secrets.iter().map(|secret| secret.expose_secret().as_bytes()))
    }

    /// Keys made of these bytes.
    #[must_use]
    pub fn of_bytes<'a>(algorithm: Algorithm, secrets: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let keys = secrets.into_iter().filter(|secret| !secret.is_empty());
        Self { keys: keys.map(|secret| hmac::Key::new(algorithm.of(), secret)).collect() }
    }

    /// Whether one of the candidates signs `parts`, put together, with one of the keys.
    ///
    /// # Errors
    /// [`Forged`] where none does.
    pub fn verify<'r>(
        &self,
        request: &'r Unverified,
        parts: &[&[u8]],
        candidates: &Candidates,
    ) -> Result<Verified<'r>, Forged> {
        self.fit(parts, candidates)?;
        Ok(Verified::new(request))
    }

    /// As [`HmacKeys::verify`] for any of several texts, where a provider may have written the same in more than one way.
    ///
    /// # Errors
    /// [`Forged`] where none of them is signed.
    pub fn verify_any<'r>(
        &self,
        request: &'r Unverified,
        texts: &[Vec<u8>],
        candidates: &Candidates,
    ) -> Result<Verified<'r>, Forged> {
        let mut last = Err(Forged("there is nothing that could be signed"));
        for text in texts.iter().take(MOST_CANDIDATES) {
            last = self.fit(&[text], candidates);
            if last.is_ok() {
                break;
            }
        }
        last.map(|()| Verified::new(request))
    }

    fn fit(&self, parts: &[&[u8]], candidates: &Candidates) -> Result<(), Forged> {
        let candidates = candidates.checked()?;
        let mut fits = Choice::from(0);
        for key in &self.keys {
            let expected = sign(key, parts);
            for candidate in candidates {
                fits |= expected.as_ref().ct_eq(candidate);
            }
        }
        if bool::from(fits) { Ok(()) } else { Err(Forged("no signature fits")) }
    }

    /// The signature of `parts` by the first key; for what a provider wants signed by us.
    #[must_use]
    pub fn sign(&self, parts: &[&[u8]]) -> Option<Vec<u8>> {
        self.keys.first().map(|key| sign(key, parts).as_ref().to_vec())
    }
}

impl std::fmt::Debug for HmacKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HmacKeys({})", self.keys.len())
    }
}

fn sign(key: &hmac::Key, parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    context.sign()
}

#[cfg(test)]
mod tests;
