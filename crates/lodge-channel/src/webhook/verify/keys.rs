//! Public keys of providers: Ed25519 (RFC 8032) and ECDSA on P-256 (FIPS 186-5). We hold nothing that could sign.

use super::{Candidates, Forged, Verified};
use crate::webhook::request::Unverified;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey};
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};

/// An Ed25519 public key, or two while they are changed over.
#[derive(Clone, Debug)]
pub struct Ed25519Key {
    keys: Vec<[u8; 32]>,
}

impl Ed25519Key {
    /// Keys in hexadecimal digits; `None` where one is no key.
    #[must_use]
    pub fn hex<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        Self::decode(texts, |text| HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok())
    }

    /// Keys in base64; `None` where one is no key.
    #[must_use]
    pub fn base64<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        Self::decode(texts, |text| BASE64.decode(text.as_bytes()).ok())
    }

    fn decode<'a>(
        texts: impl IntoIterator<Item = &'a str>,
        decode: impl Fn(&str) -> Option<Vec<u8>>,
    ) -> Option<Self> {
        let keys: Option<Vec<[u8; 32]>> =
            texts.into_iter().map(|text| decode(text.trim())?.try_into().ok()).collect();
        keys.filter(|keys| !keys.is_empty()).map(|keys| Self { keys })
    }

    /// Whether one of the candidates signs `parts`, put together.
    ///
    /// # Errors
    /// [`Forged`] where none does.
    pub fn verify<'r>(
        &self,
        request: &'r Unverified,
        parts: &[&[u8]],
        candidates: &Candidates,
    ) -> Result<Verified<'r>, Forged> {
        let message = parts.concat();
        for candidate in candidates.checked()? {
            for key in &self.keys {
                if UnparsedPublicKey::new(&ED25519, key).verify(&message, candidate).is_ok() {
                    return Ok(Verified::new(request));
                }
            }
        }
        Err(Forged("no signature fits"))
    }
}

/// A P-256 public key, or two while they are changed over.
#[derive(Clone, Debug)]
pub struct EcdsaKey {
    points: Vec<Vec<u8>>,
}

impl EcdsaKey {
    /// What stands before the point in the SubjectPublicKeyInfo (RFC 5480) of a P-256 key.
    const PREFIX: [u8; 26] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
        0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];

    /// Keys as base64 of their SubjectPublicKeyInfo; `None` where one is no key of this curve.
    #[must_use]
    pub fn base64<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let point = |text: &str| {
            let der = BASE64.decode(text.trim().as_bytes()).ok()?;
            let point = der.strip_prefix(Self::PREFIX.as_slice())?;
            (point.len() == 65).then(|| point.to_vec())
        };
        let points: Option<Vec<Vec<u8>>> = texts.into_iter().map(point).collect();
        points.filter(|points| !points.is_empty()).map(|points| Self { points })
    }

    /// Whether `signature` (base64 of DER) signs `parts`, put together.
    ///
    /// # Errors
    /// [`Forged`] where it does not.
    pub fn verify<'r>(
        &self,
        request: &'r Unverified,
        parts: &[&[u8]],
        signature: &str,
    ) -> Result<Verified<'r>, Forged> {
        // DER of two numbers of 32 bytes has at most 72.
        let decoded = (signature.len() <= 96).then(|| BASE64.decode(signature.as_bytes()).ok()).flatten();
        let decoded = decoded.filter(|der| (8..=72).contains(&der.len()));
        let signature = decoded.ok_or(Forged("there is no signature"))?;
        let message = parts.concat();
        let fits = |point: &Vec<u8>| {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(&message, &signature).is_ok()
        };
        if self.points.iter().any(fits) {
            Ok(Verified::new(request))
        } else {
            Err(Forged("no signature fits"))
        }
    }
}
