//! Signatures of Vonage's text messages: over a form's fields, by the hash that the account chose at Vonage.
//!
//! The length of a signature tells which hash it is; each is compared with what our own secrets make of the same fields. The
//! keyed hashes (RFC 2104) are believed, MD5's among them: what is known against MD5 does not help whoever lacks the key. The
//! plain MD5 of fields and secret, by which old accounts sign, is believed only where the configuration says so.

use super::form_signed::ordered;
use super::{Algorithm, Candidates, Forged, HmacKeys, Verified};
use crate::webhook::request::{Form, Unverified};
use md5::{Digest, Md5};
use secrecy::{ExposeSecret, SecretString};
use subtle::{Choice, ConstantTimeEq};

/// How much MD5 takes in at a time, in bytes; a longer key is hashed first.
const BLOCK: usize = 64;
/// The length of its hash.
const MD5_LENGTH: usize = 16;

/// Secrets by which Vonage signs forms: one, or two while they are changed over.
#[derive(Clone)]
pub struct VonageForms {
    hmacs: [(Algorithm, HmacKeys); 3],
    secrets: Vec<SecretString>,
    plain_md5: bool,
}

impl VonageForms {
    /// Keys made of `secrets`. `plain_md5`: whether the hash without a key is believed too.
    #[must_use]
    pub fn new(secrets: &[SecretString], plain_md5: bool) -> Self {
        let all = [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512];
        let secrets: Vec<SecretString> =
            secrets.iter().filter(|secret| !secret.expose_secret().is_empty()).cloned().collect();
        let hmacs = all.map(|algorithm| (algorithm, HmacKeys::new(algorithm, &secrets)));
        Self { hmacs, secrets, plain_md5 }
    }

    /// Whether Vonage signed the fields of a posted form: `&key=value` of each but `sig`, in order, `&` and `=` inside of
    /// values written as `_`. Names are signed as they are: one with a border in it could swallow others.
    ///
    /// # Errors
    /// [`Forged`] where it did not.
    pub fn verify<'r>(&self, request: &'r Unverified) -> Result<Verified<'r>, Forged> {
        let form = Form::parse(request.signed_body());
        if form.pairs().iter().any(|(key, _)| key.contains(['&', '='])) {
            return Err(Forged("a field's name holds what stands between fields"));
        }
        let signed: String = ordered(&form)
            .into_iter()
            .filter(|(key, _)| *key != "sig")
            .map(|(key, value)| format!("&{key}={}", value.replace(['&', '='], "_")))
            .collect();
        let given = form.get("sig");
        let length = given.map_or(0, str::len) / 2;
        if let Some((_, keys)) = self.hmacs.iter().find(|(algorithm, _)| algorithm.length() == length) {
            return keys.verify(request, &[signed.as_bytes()], &Candidates::hex(length, given));
        }
        self.by_md5(signed.as_bytes(), &Candidates::hex(MD5_LENGTH, given))?;
        Ok(Verified::new(request))
    }

    fn by_md5(&self, signed: &[u8], candidates: &Candidates) -> Result<(), Forged> {
        let candidates = candidates.checked()?;
        let mut fits = Choice::from(0);
        for secret in &self.secrets {
            let secret = secret.expose_secret().as_bytes();
            let keyed = hmac_md5(secret, signed);
            let plain = md5(&[signed, secret]);
            for candidate in candidates {
                fits |= keyed.as_slice().ct_eq(candidate);
                fits |= plain.as_slice().ct_eq(candidate) & Choice::from(u8::from(self.plain_md5));
            }
        }
        if bool::from(fits) { Ok(()) } else { Err(Forged("no signature fits")) }
    }
}

impl std::fmt::Debug for VonageForms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VonageForms({})", self.secrets.len())
    }
}

fn md5(parts: &[&[u8]]) -> [u8; MD5_LENGTH] {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// The keyed hash of RFC 2104 with MD5 (RFC 1321), which our library of everything else does not have.
fn hmac_md5(key: &[u8], text: &[u8]) -> [u8; MD5_LENGTH] {
    let hashed = md5(&[key]);
    let key = if key.len() > BLOCK { &hashed[..] } else { key };
    let padded = |pad: u8| {
        let mut block = [pad; BLOCK];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = md5(&[&padded(0x36), text]);
    md5(&[&padded(0x5c), &inner])
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderMap, Method};
    use data_encoding::HEXLOWER;

    /// RFC 2202, section 2.
    #[test]
    fn the_keyed_hash_is_that_of_its_document() {
        let cases: [(&[u8], &[u8], &str); 3] = [
            (&[0x0b; 16], b"Hi There", "9294727a3638bb1c13f48ef8158bfc9d"),
            (b"Jefe", b"what do ya want for nothing?", "750c783e6ab0b503eaa86e310a5db738"),
            (
                &[0xaa; 80],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd",
            ),
        ];
        for (key, text, expected) in cases {
            assert_eq!(HEXLOWER.encode(&hmac_md5(key, text)), expected);
        }
    }

    #[test]
    fn g01_the_plain_hash_is_believed_only_where_the_configuration_says_so() {
        let plain = HEXLOWER.encode(&md5(&[b"&a=1&b=x_y", b"secret"]));
        let request = |sig: &str| {
            let body = format!("b=x%26y&a=1&sig={sig}").into_bytes();
            Unverified::new(Method::POST, "/hooks/a", "", None, HeaderMap::new()).with_body(body.into())
        };
        let secrets = [SecretString::from("old"), SecretString::from("secret")];
        let (keyed, both) = (VonageForms::new(&secrets, false), VonageForms::new(&secrets, true));
        assert!(keyed.verify(&request(&plain)).is_err());
        assert!(both.verify(&request(&plain)).is_ok());
        let hmac = HEXLOWER.encode(&hmac_md5(b"secret", b"&a=1&b=x_y"));
        assert!(keyed.verify(&request(&hmac)).is_ok() && both.verify(&request(&hmac)).is_ok());
        let spoiled = plain.replace(['0', '1'], "2");
        for bad in [spoiled.as_str(), "", "00", &plain.chars().take(31).collect::<String>()] {
            assert!(both.verify(&request(bad)).is_err(), "{bad} (t14)");
        }
        // The hash of nothing but fields is anybody's to make.
        let of_nothing = HEXLOWER.encode(&md5(&[b"&a=1&b=x_y"]));
        let none = VonageForms::new(&[SecretString::from("")], true);
        assert!(none.verify(&request(&of_nothing)).is_err());
        let hmac = HEXLOWER.encode(&hmac_md5(b"", b"&a=1&b=x_y"));
        assert!(none.verify(&request(&hmac)).is_err());
    }

    #[test]
    fn t17_no_field_is_hidden_in_the_name_of_another() {
        let forms = VonageForms::new(&[SecretString::from("secret")], false);
        let sig = HEXLOWER.encode(&hmac_md5(b"secret", b"&id=1&text=no&to=2"));
        let verify = |fields: &str| {
            let body = format!("{fields}&sig={sig}").into_bytes();
            let request = Unverified::new(Method::POST, "/hooks/a", "", None, HeaderMap::new());
            forms.verify(&request.with_body(body.into())).is_ok()
        };
        assert!(verify("id=1&text=no&to=2") && verify("to=2&text=no&id=1"));
        for moved in
            ["id=1&text%3Dno%26to=2", "id%3D1%26text=no&to=2", "id=1&text=no%26to%3D2", "id=1&text=no"]
        {
            assert!(!verify(moved), "{moved}");
        }
    }
}
