//! One way to hash a list of parts: each part is preceded by its length, so that no concatenation is ambiguous.

use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::Encoding;

/// A SHA-256 digest.
pub type Digest = [u8; 32];

/// SHA-256 over `parts`, each preceded by its length as eight big-endian bytes.
#[must_use]
pub fn digest_parts(parts: &[&[u8]]) -> Digest {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// RFC 4648 base32 in lower case without padding: survives mail systems that fold case.
pub(crate) fn base32() -> &'static Encoding {
    static BASE32: std::sync::LazyLock<Encoding> = std::sync::LazyLock::new(|| {
        let mut spec = data_encoding::Specification::new();
        spec.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
        match spec.encoding() {
            Ok(encoding) => encoding,
            Err(error) => unreachable!("a constant alphabet is valid: {error}"),
        }
    });
    &BASE32
}

/// The first 128 bits of a digest in base32: 26 letters.
pub(crate) fn short(digest: &Digest) -> String {
    base32().encode(&digest[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_keep_parts_apart() {
        assert_ne!(digest_parts(&[b"ab", b"c"]), digest_parts(&[b"a", b"bc"]));
        assert_ne!(digest_parts(&[b"", b"a"]), digest_parts(&[b"a", b""]));
    }
}
