//! Web Push: what a server pushes is encrypted for a key of ours and authenticated by a secret that it was told, so that what
//! opens was sent by whom we subscribed to. Speaks RFC 8291 (`aes128gcm`, RFC 8188) and the draft before it (`aesgcm`,
//! draft-ietf-webpush-encryption-04), which servers used until lately.
//!
//! A push is one record (RFC 8291, section 4). That it was pushed before nobody can see: it is a hint, to be looked up.

use super::{Forged, Verified};
use crate::webhook::request::Unverified;
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use secrecy::{ExposeSecret, SecretString};

/// The longest body: a push of 4,096 bytes (RFC 8030, section 7.2) and what encryption adds.
pub const LONGEST_PUSH: usize = 4096 + 256;
/// The header of a body in front of its key's id (RFC 8188, section 2.1): salt, record size, length of the id.
const HEADER: usize = 21;
/// A point of P-256, uncompressed (SEC 1, section 2.3.3).
const POINT: usize = 65;
const SALT: usize = 16;
const AUTH: usize = 16;
const BROKEN: Forged =
    Forged("it was not encrypted for us by whom we subscribed to; `lodge webhook status` tells more");

/// The key and the secret by which one subscription's pushes are opened.
pub struct PushKeys {
    private: PrivateKey,
    public: [u8; POINT],
    auth: [u8; AUTH],
}

/// How many bytes are expanded (RFC 5869, section 2.3).
#[derive(Clone, Copy)]
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand<const N: usize>(key: &Prk, info: &[&[u8]]) -> Result<[u8; N], Unspecified> {
    let mut out = [0; N];
    key.expand(info, Length(N))?.fill(&mut out)?;
    Ok(out)
}

/// One encrypted record, and what it was encrypted with.
struct Record<'a> {
    salt: [u8; SALT],
    /// The server's public key, made for this push alone.
    key: &'a [u8],
    sealed: &'a [u8],
}

impl PushKeys {
    /// Keys that follow from a secret that only we and the server hold, for one `purpose`: so there is nothing to be kept, every
    /// gateway has the same, and they change with the secret. `None` where the secret is empty.
    #[must_use]
    pub fn derive(secret: &SecretString, purpose: &str) -> Option<Self> {
        let secret = secret.expose_secret().as_bytes();
        if secret.is_empty() {
            return None;
        }
        let all = Salt::new(HKDF_SHA256, b"lodge web push").extract(secret);
        let auth = expand(&all, &[purpose.as_bytes(), b"\0auth"]).ok()?;
        // One number in four thousand millions is no key of this curve.
        (0..8_u8).find_map(|at| {
            let private: [u8; 32] = expand(&all, &[purpose.as_bytes(), b"\0key", &[at]]).ok()?;
            Self::new(&private, auth)
        })
    }

    /// A private key and the secret beside it; `None` where that is no key of P-256.
    #[must_use]
    pub fn new(private: &[u8; 32], auth: [u8; AUTH]) -> Option<Self> {
        let private = PrivateKey::from_private_key(&ECDH_P256, private).ok()?;
        let public = private.compute_public_key().ok()?.as_ref().try_into().ok()?;
        Some(Self { private, public, auth })
    }

    /// The public key as a subscription names it (`p256dh`).
    #[must_use]
    pub fn p256dh(&self) -> String {
        BASE64URL_NOPAD.encode(&self.public)
    }

    /// The secret as a subscription names it (`auth`).
    #[must_use]
    pub fn auth(&self) -> SecretString {
        BASE64URL_NOPAD.encode(&self.auth).into()
    }

    /// Opens a push: what it says, in a request that is believed.
    ///
    /// # Errors
    /// [`Forged`] where it was not encrypted for this key by who knows the secret.
    pub fn open<'r>(&self, request: &'r Unverified) -> Result<(Verified<'r>, Bytes), Forged> {
        let body = request.signed_body();
        if body.len() > LONGEST_PUSH {
            return Err(BROKEN);
        }
        let opened = match request.header("content-encoding") {
            Some(encoding) if encoding.eq_ignore_ascii_case("aes128gcm") => self.current(body),
            Some(encoding) if encoding.eq_ignore_ascii_case("aesgcm") => self.older(request),
            // Lost on the way, or never there: the headers of the older one tell.
            None if request.has_header("encryption") => self.older(request),
            None => self.current(body),
            Some(_) => None,
        };
        opened.map(|said| (Verified::new(request), said)).ok_or(BROKEN)
    }

    /// RFC 8291: salt and key are in front of the record.
    fn current(&self, body: &[u8]) -> Option<Bytes> {
        let (head, rest) = body.split_at_checked(HEADER)?;
        let (salt, sizes) = head.split_at(SALT);
        let record_size = u32::from_be_bytes(sizes.get(..4)?.try_into().ok()?);
        let (key, sealed) = rest.split_at_checked(usize::from(*sizes.get(4)?))?;
        if key.len() != POINT || sealed.len() > usize::try_from(record_size).ok()? {
            return None;
        }
        let record = Record { salt: salt.try_into().ok()?, key, sealed };
        let secret = self.secret(&record, &[b"WebPush: info\0", &self.public, key])?;
        let said = record.open(&secret, b"aes128gcm", b"")?;
        // Behind the words a 2, which says that this is the last record, and zeros.
        let end = said.iter().rposition(|byte| *byte != 0)?;
        (said.get(end) == Some(&2)).then(|| Bytes::from(said).slice(..end))
    }

    /// The draft before it: salt and key are in headers.
    fn older(&self, request: &Unverified) -> Option<Bytes> {
        let salt = parameter(request, "encryption", "salt")?;
        let key = parameter(request, "crypto-key", "dh")?;
        if key.len() != POINT {
            return None;
        }
        let record = Record { salt: salt.try_into().ok()?, key: &key, sealed: request.signed_body() };
        let secret = self.secret(&record, &[b"Content-Encoding: auth\0"])?;
        let length = u16::try_from(POINT).ok()?.to_be_bytes();
        let context = [b"P-256\0", &length[..], &self.public, &length, &key].concat();
        let said = Bytes::from(record.open(&secret, b"aesgcm", &context)?);
        // In front of the words how many zeros follow, and these.
        let padding = usize::from(u16::from_be_bytes(said.get(..2)?.try_into().ok()?));
        let words =
            said.get(2..)?.split_at_checked(padding).filter(|(zeros, _)| zeros.iter().all(|b| *b == 0));
        words.map(|(_, words)| said.slice_ref(words))
    }

    /// What both ends know: of the keys, and of the secret.
    fn secret(&self, record: &Record<'_>, info: &[&[u8]]) -> Option<[u8; 32]> {
        let theirs = UnparsedPublicKey::new(&ECDH_P256, record.key);
        let secret = agree(&self.private, theirs, Unspecified, |shared| {
            expand(&Salt::new(HKDF_SHA256, &self.auth).extract(shared), info)
        });
        secret.ok()
    }
}

impl Record<'_> {
    /// Decrypts it; `encoding` and `context` are part of what its keys are made of.
    fn open(&self, secret: &[u8; 32], encoding: &[u8], context: &[u8]) -> Option<Vec<u8>> {
        let keys = Salt::new(HKDF_SHA256, &self.salt).extract(secret);
        let key: [u8; 16] = expand(&keys, &[b"Content-Encoding: ", encoding, b"\0", context]).ok()?;
        let nonce: [u8; NONCE_LEN] = expand(&keys, &[b"Content-Encoding: nonce\0", context]).ok()?;
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).ok()?);
        let mut text = self.sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let length = key.open_in_place(nonce, Aad::empty(), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

/// The one parameter of this name in a header, decoded.
fn parameter(request: &Unverified, header: &str, name: &str) -> Option<Vec<u8>> {
    let value = request.header(header).filter(|value| value.len() <= 512)?;
    let named = |part: &'_ str| {
        let (key, value) = part.trim().split_once('=')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim_matches('"').trim_end_matches('=').to_owned())
    };
    let mut found = value.split([';', ',']).filter_map(named);
    let one = found.next().filter(|_| found.next().is_none())?;
    BASE64URL_NOPAD.decode(one.as_bytes()).ok()
}

impl std::fmt::Debug for PushKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PushKeys")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_follow_from_the_secret_and_the_purpose_alone() {
        let keys =
            |secret: &str, purpose: &str| PushKeys::derive(&SecretString::from(secret), purpose).unwrap();
        let named = |keys: &PushKeys| (keys.p256dh(), keys.auth().expose_secret().to_owned());
        let first = named(&keys("token", "https://a.example/"));
        assert_eq!(first, named(&keys("token", "https://a.example/")));
        assert_eq!((first.0.len(), first.1.len()), (87, 22));
        for other in [keys("token2", "https://a.example/"), keys("token", "https://b.example/")] {
            let other = named(&other);
            assert!(other.0 != first.0 && other.1 != first.1);
        }
        assert!(PushKeys::derive(&SecretString::from(""), "x").is_none());
        assert!(PushKeys::new(&[0; 32], [0; 16]).is_none(), "zero is no key");
    }
}
