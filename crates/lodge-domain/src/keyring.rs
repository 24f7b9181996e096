//! Keys of our own that sign what we hand out: reply addresses, message ids, links.
//!
//! HMAC-SHA256 (RFC 2104), cut to 128 bits, over purpose and parts, each preceded by its length. The first key signs;
//! all verify, so that a key can be rotated while what it signed is still about.

use crate::{BrandName, hash::digest_parts};
use aws_lc_rs::hmac;
use subtle::ConstantTimeEq;

/// A message authentication code of 128 bits.
pub type Mac = [u8; 16];

/// Our signing keys, newest first. `Debug` shows how many there are and nothing else.
#[derive(Clone)]
pub struct KeyRing {
    keys: Vec<(u8, hmac::Key)>,
}

impl KeyRing {
    /// A ring of `(key id, secret)`; ids are told apart by their number, secrets want 32 random bytes.
    /// `None` where there is no key, an id stands twice, or a secret has fewer than 16 bytes.
    #[must_use]
    pub fn new(secrets: &[(u8, Vec<u8>)]) -> Option<Self> {
        let mut ids: Vec<u8> = secrets.iter().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids.dedup();
        if secrets.is_empty() || ids.len() != secrets.len() || secrets.iter().any(|(_, s)| s.len() < 16) {
            return None;
        }
        let key = |secret: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, secret);
        Some(Self { keys: secrets.iter().map(|(id, secret)| (*id, key(secret))).collect() })
    }

    /// Signs `parts` for `purpose` in `brand` with the newest key.
    #[must_use]
    pub fn sign(&self, purpose: &str, brand: &BrandName, parts: &[&[u8]]) -> (u8, Mac) {
        let (id, key) = &self.keys[0];
        (*id, mac(key, *id, purpose, brand, parts))
    }

    /// Whether `mac` is what the key `id` makes of these parts. Constant time in the comparison.
    #[must_use]
    pub fn verify(
        &self,
        id: u8,
        purpose: &str,
        brand: &BrandName,
        parts: &[&[u8]],
        mac_given: &[u8],
    ) -> bool {
        let Some((_, key)) = self.keys.iter().find(|(known, _)| *known == id) else { return false };
        mac_given.len() == 16 && bool::from(mac(key, id, purpose, brand, parts).ct_eq(mac_given))
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyRing({} keys)", self.keys.len())
    }
}

fn mac(key: &hmac::Key, id: u8, purpose: &str, brand: &BrandName, parts: &[&[u8]]) -> Mac {
    let mut all: Vec<&[u8]> = vec![purpose.as_bytes(), brand.as_str().as_bytes(), std::slice::from_ref(&id)];
    all.extend_from_slice(parts);
    let tag = hmac::sign(key, &digest_parts(&all));
    let mut out = [0; 16];
    out.copy_from_slice(&tag.as_ref()[..16]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t04_truncated_foreign_and_retired_macs_are_refused() {
        let old = KeyRing::new(&[(1, vec![1; 32])]).unwrap();
        let both = KeyRing::new(&[(2, vec![2; 32]), (1, vec![1; 32])]).unwrap();
        let new = KeyRing::new(&[(2, vec![2; 32])]).unwrap();
        let brand = BrandName::unbranded();
        let other = BrandName::parse("other").unwrap();
        let (id, mac) = old.sign("address", &brand, &[b"conversation"]);
        assert!(both.verify(id, "address", &brand, &[b"conversation"], &mac), "rotation");
        assert!(!new.verify(id, "address", &brand, &[b"conversation"], &mac), "retired");
        assert!(!both.verify(id, "address", &other, &[b"conversation"], &mac), "other brand");
        assert!(!both.verify(id, "link", &brand, &[b"conversation"], &mac), "other purpose");
        for length in 0..16 {
            assert!(!both.verify(id, "address", &brand, &[b"conversation"], &mac[..length]));
        }
        for bit in 0..128 {
            let mut bad = mac;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!both.verify(id, "address", &brand, &[b"conversation"], &bad));
        }
        assert_eq!(format!("{both:?}"), "KeyRing(2 keys)");
    }
}
