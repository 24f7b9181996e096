//! The token of a link: everything needed to serve the blob, and a MAC over it. Pure.
//!
//! Layout, version 1, base64url without padding (RFC 4648): version, key id, expiry (seconds since 1970, 8 bytes), size (8),
//! SHA-256 (32), brand, media type and name (each preceded by its length in 1 byte), MAC (16).

use crate::names;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use lodge_domain::{BlobRef, BrandName, KeyRing, Timestamp};
use url::Url;

const VERSION: u8 = 1;
const PURPOSE: &str = "blob";
const MAC_BYTES: usize = 16;
const LONGEST_TOKEN: usize = 1200;

/// What a link leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkTarget {
    /// Whose it is; its keys sign the link.
    pub brand: BrandName,
    /// The bytes.
    pub blob: BlobRef,
    /// The name a reader saves it under.
    pub name: Option<String>,
    /// Its declared media type.
    pub media_type: String,
}

/// Makes links below the public address.
#[derive(Clone, Debug)]
pub struct BlobLinks {
    keys: KeyRing,
    base: String,
}

impl BlobLinks {
    /// Links below `public_url`, signed with `keys`.
    #[must_use]
    pub fn new(keys: KeyRing, public_url: &Url) -> Self {
        Self { keys, base: public_url.as_str().trim_end_matches('/').to_owned() }
    }

    /// The link to `target`, good until `expires`; `None` where the blob's hash is not one. Equal arguments give equal
    /// links, so that an event that is built again has the same bytes.
    #[must_use]
    pub fn href(&self, target: &LinkTarget, expires: Timestamp) -> Option<String> {
        Some(format!("{}/blobs/{}", self.base, make(&self.keys, target, expires)?))
    }
}

/// A token for `target`, good until `expires`; `None` where the blob's hash is not one.
#[must_use]
pub fn make(keys: &KeyRing, target: &LinkTarget, expires: Timestamp) -> Option<String> {
    let hash = HEXLOWER.decode(target.blob.sha256.as_bytes()).ok().filter(|hash| hash.len() == 32)?;
    let expiry = u64::try_from(expires.as_second()).ok()?;
    let media_type =
        names::media_type(&target.media_type).unwrap_or_else(|| "application/octet-stream".to_owned());
    let name = target.name.as_deref().map(names::file_name).unwrap_or_default();
    let mut claims = Vec::with_capacity(256);
    claims.extend_from_slice(&expiry.to_be_bytes());
    claims.extend_from_slice(&target.blob.size.to_be_bytes());
    claims.extend_from_slice(&hash);
    for text in [target.brand.as_str(), &media_type, shortened(&name)] {
        claims.push(u8::try_from(text.len()).ok()?);
        claims.extend_from_slice(text.as_bytes());
    }
    let (key, mac) = keys.sign(PURPOSE, &target.brand, &[&[VERSION], &claims]);
    let mut token = vec![VERSION, key];
    token.extend_from_slice(&claims);
    token.extend_from_slice(&mac);
    Some(BASE64URL_NOPAD.encode(&token))
}

/// What `token` leads to, if it is ours and good at `now`.
#[must_use]
pub fn verify(keys: &KeyRing, token: &str, now: Timestamp) -> Option<LinkTarget> {
    if token.len() > LONGEST_TOKEN {
        return None;
    }
    let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).ok()?;
    let [VERSION, key, rest @ ..] = bytes.as_slice() else { return None };
    let (claims, mac) = rest.split_at_checked(rest.len().checked_sub(MAC_BYTES)?)?;
    let (expiry, target) = read(claims)?;
    let genuine = keys.verify(*key, PURPOSE, &target.brand, &[&[VERSION], claims], mac);
    (genuine && now.as_second() < expiry).then_some(target)
}

fn read(claims: &[u8]) -> Option<(i64, LinkTarget)> {
    let (expiry, rest) = claims.split_first_chunk::<8>()?;
    let (size, rest) = rest.split_first_chunk::<8>()?;
    let (hash, rest) = rest.split_first_chunk::<32>()?;
    let (brand, rest) = text(rest)?;
    let (media_type, rest) = text(rest)?;
    let (name, rest) = text(rest)?;
    if !rest.is_empty() {
        return None;
    }
    let blob = BlobRef { sha256: HEXLOWER.encode(hash), size: u64::from_be_bytes(*size) };
    let brand = BrandName::parse(brand)?;
    let name = (!name.is_empty()).then(|| name.to_owned());
    let target = LinkTarget { brand, blob, name, media_type: media_type.to_owned() };
    Some((i64::try_from(u64::from_be_bytes(*expiry)).ok()?, target))
}

fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*length))?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

/// At most 255 bytes, cut between characters.
fn shortened(text: &str) -> &str {
    let mut end = text.len().min(255);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> KeyRing {
        KeyRing::new(&[(3, vec![3; 32]), (1, vec![1; 32])]).unwrap()
    }

    fn target() -> LinkTarget {
        LinkTarget {
            brand: BrandName::parse("acme").unwrap(),
            blob: BlobRef { sha256: "ab".repeat(32), size: 48213 },
            name: Some("shöt.png".to_owned()),
            media_type: "image/png".to_owned(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_token_says_what_was_put_in_until_it_expires() {
        let token = make(&keys(), &target(), at(2000)).unwrap();
        assert_eq!(verify(&keys(), &token, at(1999)), Some(target()));
        assert_eq!(verify(&keys(), &token, at(2000)), None);
        assert_eq!(
            make(&keys(), &target(), at(2000)),
            Some(token.clone()),
            "equal links for equal arguments"
        );
        let rotated = KeyRing::new(&[(4, vec![4; 32]), (3, vec![3; 32])]).unwrap();
        assert_eq!(verify(&rotated, &token, at(0)), Some(target()));
        let retired = KeyRing::new(&[(4, vec![4; 32])]).unwrap();
        assert_eq!(verify(&retired, &token, at(0)), None);
    }

    #[test]
    fn long_names_and_odd_types_still_fit() {
        let odd = LinkTarget { name: Some("ä".repeat(500)), media_type: "text\r\n".to_owned(), ..target() };
        let read = verify(&keys(), &make(&keys(), &odd, at(2000)).unwrap(), at(0)).unwrap();
        assert_eq!(read.media_type, "application/octet-stream");
        assert!(read.name.unwrap().starts_with("ää"));
        let broken = LinkTarget { blob: BlobRef { sha256: "no hash".to_owned(), size: 1 }, ..target() };
        assert_eq!(make(&keys(), &broken, at(2000)), None);
    }

    #[test]
    fn t04_no_single_bit_can_change_and_no_prefix_verifies() {
        let token = make(&keys(), &target(), at(2000)).unwrap();
        let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(verify(&keys(), &BASE64URL_NOPAD.encode(&bad), at(0)), None, "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert_eq!(verify(&keys(), &BASE64URL_NOPAD.encode(&bytes[..length]), at(0)), None);
        }
        for foreign in ["", "=", "../..", &"A".repeat(5000)] {
            assert_eq!(verify(&keys(), foreign, at(0)), None);
        }
    }
}
