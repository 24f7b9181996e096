//! Secrets that a provider sends along as they are: a token in a header, or a name and a password (RFC 7617).

use super::{Forged, Verified};
use crate::webhook::request::Unverified;
use data_encoding::BASE64;
use lodge_domain::{Digest, digest_parts};
use secrecy::{ExposeSecret, SecretString};
use subtle::{Choice, ConstantTimeEq};

/// The digests of what is awaited: they have one length, so that comparing them tells nothing of the secret's.
#[derive(Clone)]
struct Awaited(Vec<Digest>);

impl Awaited {
    fn fits(&self, given: &[&[u8]]) -> bool {
        let given = digest_parts(given);
        let fits = self.0.iter().fold(Choice::from(0), |fits, one| fits | one.ct_eq(&given));
        bool::from(fits)
    }
}

/// A token that a header repeats, or two while they are changed over.
#[derive(Clone)]
pub struct SharedToken {
    awaited: Awaited,
}

impl SharedToken {
    /// Tokens; empty ones fit nothing.
    #[must_use]
    pub fn new(secrets: &[SecretString]) -> Self {
        let filled = secrets.iter().map(ExposeSecret::expose_secret).filter(|secret| !secret.is_empty());
        Self { awaited: Awaited(filled.map(|secret| digest_parts(&[secret.as_bytes()])).collect()) }
    }

    /// Whether `header` holds one of the tokens, after `prefix` (such as `Bearer `).
    ///
    /// # Errors
    /// [`Forged`] where it does not.
    pub fn verify<'r>(
        &self,
        request: &'r Unverified,
        header: &str,
        prefix: &str,
    ) -> Result<Verified<'r>, Forged> {
        let value = request.header(header).ok_or(Forged("the token is missing"))?;
        let token = value.strip_prefix(prefix).ok_or(Forged("the token is missing"))?;
        if self.is(token) { Ok(Verified::new(request)) } else { Err(Forged("the token is another")) }
    }

    /// Whether `text` is one of the tokens; for handshakes.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        !text.is_empty() && self.awaited.fits(&[text.as_bytes()])
    }
}

impl std::fmt::Debug for SharedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SharedToken({})", self.awaited.0.len())
    }
}

/// A name and a password, or two pairs while they are changed over.
#[derive(Clone)]
pub struct BasicCredentials {
    awaited: Awaited,
}

impl BasicCredentials {
    /// Pairs of name and password.
    #[must_use]
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a SecretString)>) -> Self {
        let filled = pairs.into_iter().filter(|(_, password)| !password.expose_secret().is_empty());
        let digest = |(name, password): (&str, &SecretString)| {
            digest_parts(&[name.as_bytes(), password.expose_secret().as_bytes()])
        };
        Self { awaited: Awaited(filled.map(digest).collect()) }
    }

    /// Whether the request authenticates with one of the pairs.
    ///
    /// # Errors
    /// [`Forged`] where it does not.
    pub fn verify<'r>(&self, request: &'r Unverified) -> Result<Verified<'r>, Forged> {
        const MISSING: Forged = Forged("the credentials are missing");
        let value = request.header("authorization").ok_or(MISSING)?;
        let (scheme, encoded) = value.split_once(' ').ok_or(MISSING)?;
        if !scheme.eq_ignore_ascii_case("basic") || encoded.len() > 1024 {
            return Err(MISSING);
        }
        let pair = BASE64.decode(encoded.trim().as_bytes()).map_err(|_| MISSING)?;
        // The name ends at the first colon; the password may hold others.
        let colon = pair.iter().position(|b| *b == b':').ok_or(MISSING)?;
        let (name, password) = pair.split_at(colon);
        if self.awaited.fits(&[name, password.get(1..).unwrap_or_default()]) {
            Ok(Verified::new(request))
        } else {
            Err(Forged("the credentials are others"))
        }
    }
}

impl std::fmt::Debug for BasicCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BasicCredentials({})", self.awaited.0.len())
    }
}
