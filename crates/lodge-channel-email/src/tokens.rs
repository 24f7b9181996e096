//! What we sign into mail so that an answer finds its conversation: reply addresses and Message-IDs of ours.
//!
//! A reply address carries 36 base32 letters: layout version and key id (1 byte), the reference (5 bytes), 128 bits of
//! HMAC over brand, reference and key id. A Message-ID reads `v1.{kind}.{conversation}.{outbound id}.{key id}.{mac}@domain`.
//! Both verify with every key of the ring, so that keys rotate; neither says anything about who sends it.

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use lodge_domain::delivery::OutboundKind;
use lodge_domain::{BrandName, ConversationId, KeyRing, OutboundId, Reference, ThreadKeyValue};

const ADDRESS: &str = "reply-address";
const MESSAGE: &str = "message-id";
/// The upper half of the first byte of an address token; the lower half is the key id.
const LAYOUT: u8 = 0x10;

/// Letters of a token in a reply address.
pub const TOKEN_LETTERS: usize = 36;

/// The shape of the address that replies are to go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyAddress {
    prefix: String,
    suffix: String,
    domain: String,
}

/// Why a template is no reply address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyAddressError {
    /// It has no place for the token, or more than one.
    #[error("a reply address holds {{token}} exactly once, before the @")]
    NoPlace,
    /// It is no address.
    #[error("a reply address looks like support+{{token}}@example.com")]
    NoAddress,
    /// The local part would be longer than 64 letters (RFC 5321 4.5.3.1.1).
    #[error("the part before the @ leaves no room for a token of 36 letters")]
    TooLong,
}

impl ReplyAddress {
    /// Reads a template such as `support+{token}@reply.acme.example`.
    ///
    /// # Errors
    /// Where it has no place for a token, is no address, or leaves no room.
    pub fn parse(template: &str) -> Result<Self, ReplyAddressError> {
        let (local, domain) = template.trim().rsplit_once('@').ok_or(ReplyAddressError::NoAddress)?;
        let (prefix, suffix) = local.split_once("{token}").ok_or(ReplyAddressError::NoPlace)?;
        if suffix.contains("{token}") || domain.contains("{token}") {
            return Err(ReplyAddressError::NoPlace);
        }
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-_.=#".contains(&b));
        if !plain(prefix) || !plain(suffix) || domain.is_empty() || !plain(domain) {
            return Err(ReplyAddressError::NoAddress);
        }
        if prefix.len() + suffix.len() + TOKEN_LETTERS > 64 {
            return Err(ReplyAddressError::TooLong);
        }
        let lower = str::to_ascii_lowercase;
        Ok(Self { prefix: lower(prefix), suffix: lower(suffix), domain: lower(domain) })
    }

    /// Plus addressing on `mailbox`: `support+{token}@…`.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn plus(mailbox: &str) -> Result<Self, ReplyAddressError> {
        let (local, domain) = mailbox.rsplit_once('@').ok_or(ReplyAddressError::NoAddress)?;
        Self::parse(&format!("{local}+{{token}}@{domain}"))
    }

    /// The address that carries `token`.
    #[must_use]
    pub fn with(&self, token: &str) -> String {
        format!("{}{token}{}@{}", self.prefix, self.suffix, self.domain)
    }

    /// What stands at the token's place in `address`, if the address has this shape; case does not matter.
    #[must_use]
    pub fn token_in(&self, address: &str) -> Option<String> {
        let address = address.trim().trim_start_matches('<').trim_end_matches('>').to_ascii_lowercase();
        let (local, domain) = address.rsplit_once('@')?;
        if domain.trim_end_matches('.') != self.domain {
            return None;
        }
        let token = local.strip_prefix(self.prefix.as_str())?.strip_suffix(self.suffix.as_str())?;
        (!token.is_empty()).then(|| token.to_owned())
    }
}

/// The token of a reply address; `None` only where the reference is not ten digits.
#[must_use]
pub fn address_token(keys: &KeyRing, brand: &BrandName, reference: &Reference) -> Option<String> {
    let number: u64 = reference.as_str().parse().ok()?;
    let (key, mac) = keys.sign(ADDRESS, brand, &[reference.as_str().as_bytes()]);
    let mut bytes = vec![LAYOUT | (key & 0x0f)];
    bytes.extend_from_slice(number.to_be_bytes().get(3..)?);
    bytes.extend_from_slice(&mac);
    Some(BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
}

/// The reference that `token` was made for, if a key of ours made it for this brand. Case does not matter, nor what
/// mail systems add at the end (a dot, a quote).
#[must_use]
pub fn read_address_token(keys: &KeyRing, brand: &BrandName, token: &str) -> Option<Reference> {
    let token = token.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_ascii_uppercase();
    let bytes = BASE32_NOPAD.decode(token.as_bytes()).ok()?;
    let (head, mac) = bytes.split_at_checked(6)?;
    let (first, digits) = head.split_first()?;
    if mac.len() != 16 || first & 0xf0 != LAYOUT {
        return None;
    }
    let number = digits.iter().fold(0_u64, |n, b| n << 8 | u64::from(*b));
    let reference = Reference::parse(&format!("{number:010}"))?;
    let signed = [reference.as_str().as_bytes()];
    // The token has room for four bits of a key id; ids above that are tried in turn.
    let low = first & 0x0f;
    (0..16_u8)
        .map(|high| high << 4 | low)
        .any(|id| keys.verify(id, ADDRESS, brand, &signed, mac))
        .then_some(reference)
}

/// What one of our own Message-IDs says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnId {
    /// Acknowledgment or reply.
    pub kind: OutboundKind,
    /// The conversation it was sent in.
    pub conversation: ConversationId,
    /// What was sent.
    pub outbound: OutboundId,
}

/// Our Message-ID for something we send, without brackets; the same on every attempt with the same newest key.
#[must_use]
pub fn message_id(
    keys: &KeyRing,
    brand: &BrandName,
    kind: OutboundKind,
    conversation: &ConversationId,
    outbound: &OutboundId,
    domain: &str,
) -> String {
    let kind = kind_word(kind);
    let (key, mac) = keys.sign(
        MESSAGE,
        brand,
        &[kind.as_bytes(), conversation.as_str().as_bytes(), outbound.as_str().as_bytes()],
    );
    let mac = HEXLOWER.encode(&mac);
    format!("v1.{kind}.{conversation}.{outbound}.{key}.{mac}@{}", domain.to_lowercase())
}

/// What `id` says, if a key of ours made it for this brand. Brackets, spaces and case are forgiven; the domain says
/// nothing (a relay may change it).
#[must_use]
pub fn read_message_id(keys: &KeyRing, brand: &BrandName, id: &str) -> Option<OwnId> {
    let id: String = id.chars().filter(|c| !c.is_whitespace() && !matches!(c, '<' | '>')).collect();
    let (left, _) = id.rsplit_once('@').unwrap_or((&id, ""));
    let left = left.to_ascii_lowercase();
    let mut parts = left.split('.');
    let mut next = || parts.next();
    let ("v1", kind, conversation, outbound, key, mac) =
        (next()?, next()?, next()?, next()?, next()?, next()?)
    else {
        return None;
    };
    if next().is_some() {
        return None;
    }
    let signed = [kind.as_bytes(), conversation.as_bytes(), outbound.as_bytes()];
    let mac = HEXLOWER.decode(mac.as_bytes()).ok()?;
    if !keys.verify(key.parse().ok()?, MESSAGE, brand, &signed, &mac) {
        return None;
    }
    let kind =
        [OutboundKind::Acknowledgment, OutboundKind::Reply].into_iter().find(|k| kind_word(*k) == kind)?;
    Some(OwnId {
        kind,
        conversation: ConversationId::parse(conversation)?,
        outbound: OutboundId::parse(outbound)?,
    })
}

/// The key under which every conversation is known by its id.
#[must_use]
pub fn conversation_key(conversation: &ConversationId) -> Option<ThreadKeyValue> {
    ThreadKeyValue::new("conversation", conversation.as_str())
}

/// The key under which every conversation is known by its reference.
#[must_use]
pub fn reference_key(reference: &Reference) -> Option<ThreadKeyValue> {
    ThreadKeyValue::new("reference", reference.as_str())
}

fn kind_word(kind: OutboundKind) -> &'static str {
    match kind {
        OutboundKind::Acknowledgment => "ack",
        OutboundKind::Reply => "reply",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lodge_domain::EnvelopeId;

    fn ring(ids: &[u8]) -> KeyRing {
        KeyRing::new(&ids.iter().map(|id| (*id, vec![*id; 32])).collect::<Vec<_>>()).unwrap()
    }

    fn things() -> (BrandName, BrandName, ConversationId, Reference, OutboundId) {
        let envelope = EnvelopeId::of_contact(&[7; 32]);
        let conversation = ConversationId::founded_by(&envelope);
        let reference = Reference::derive(&conversation, 0);
        let outbound = OutboundId::acknowledgment_of(&envelope);
        (BrandName::unbranded(), BrandName::parse("other").unwrap(), conversation, reference, outbound)
    }

    #[test]
    fn c10_t04_address_tokens() {
        let (brand, other, _, reference, _) = things();
        for id in [1, 15, 16, 200] {
            let token = address_token(&ring(&[id]), &brand, &reference).unwrap();
            assert_eq!(token.len(), TOKEN_LETTERS);
            let read =
                |keys: &KeyRing, brand: &BrandName, token: &str| read_address_token(keys, brand, token);
            assert_eq!(read(&ring(&[9, id]), &brand, &token), Some(reference.clone()), "rotation");
            assert_eq!(
                read(&ring(&[id]), &brand, &format!("{}.", token.to_uppercase())),
                Some(reference.clone())
            );
            assert_eq!(read(&ring(&[9]), &brand, &token), None, "retired");
            assert_eq!(read(&ring(&[id]), &other, &token), None, "other brand");
            for length in 0..token.len() {
                assert_eq!(
                    read(&ring(&[id]), &brand, token.get(..length).unwrap()),
                    None,
                    "truncated to {length}"
                );
            }
            for at in 0..token.len() {
                let mut bad = token.clone().into_bytes();
                bad[at] = if bad[at] == b'a' { b'b' } else { b'a' };
                let bad = String::from_utf8(bad).unwrap();
                // The last letter carries four unused bits, which the decoder refuses unless they are zero.
                assert_ne!(read(&ring(&[id]), &brand, &bad), Some(reference.clone()), "letter {at}");
            }
        }
    }

    #[test]
    fn c10_t04_message_ids() {
        let (brand, other, conversation, _, outbound) = things();
        let id =
            message_id(&ring(&[3]), &brand, OutboundKind::Reply, &conversation, &outbound, "Acme.Example");
        let own = OwnId { kind: OutboundKind::Reply, conversation: conversation.clone(), outbound };
        assert_eq!(read_message_id(&ring(&[4, 3]), &brand, &id), Some(own.clone()), "rotation");
        assert_eq!(
            read_message_id(&ring(&[3]), &brand, &format!(" <{}> ", id.to_uppercase())),
            Some(own.clone())
        );
        assert_eq!(read_message_id(&ring(&[4]), &brand, &id), None, "retired");
        assert_eq!(read_message_id(&ring(&[3]), &other, &id), None, "other brand");
        let left = id.split('@').next().unwrap().to_owned();
        for at in 0..left.len() {
            let mut bad = left.clone().into_bytes();
            bad[at] = if bad[at] == b'a' { b'b' } else { b'a' };
            let bad = String::from_utf8(bad).unwrap();
            assert_eq!(read_message_id(&ring(&[3]), &brand, &bad), None, "letter {at}");
            assert_eq!(
                read_message_id(&ring(&[3]), &brand, left.get(..at).unwrap()),
                None,
                "truncated to {at}"
            );
        }
    }

    #[test]
    fn templates_of_reply_addresses() {
        let shape = ReplyAddress::parse("Support+{token}@reply.Acme.example").unwrap();
        assert_eq!(shape.with("abc"), "support+abc@reply.acme.example");
        assert_eq!(shape.token_in("<SUPPORT+ABC@Reply.acme.example>").as_deref(), Some("abc"));
        assert_eq!(shape.token_in("support@reply.acme.example"), None);
        assert_eq!(shape.token_in("support+abc@acme.example"), None);
        assert_eq!(ReplyAddress::plus("help@a.b").unwrap().with("x"), "help+x@a.b");
        assert_eq!(ReplyAddress::parse("support@a.b"), Err(ReplyAddressError::NoPlace));
        assert_eq!(ReplyAddress::parse("{token}"), Err(ReplyAddressError::NoAddress));
        let long = format!("{}+{{token}}@a.b", "x".repeat(28));
        assert_eq!(ReplyAddress::parse(&long), Err(ReplyAddressError::TooLong));
        assert!(ReplyAddress::parse(&format!("{}+{{token}}@a.b", "x".repeat(27))).is_ok());
    }
}
