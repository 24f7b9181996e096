//! Opaque keys by which contacts find their conversation. A door makes them, the ledger only compares.

use crate::hash::{Digest, digest_parts};
use serde::{Deserialize, Serialize};

/// The value of a thread key, hashed: its length never depends on what a stranger wrote.
///
/// The door chooses a namespace (such as `message-id`) so that keys of different kinds never meet; the ledger adds the
/// brand. An empty or blank text is no key at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ThreadKeyValue(#[serde(with = "hex16")] pub [u8; 16]);

impl ThreadKeyValue {
    /// The key for `text` in `namespace`; `None` where `text` is blank (C04: empty ids match nothing).
    #[must_use]
    pub fn new(namespace: &str, text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let digest: Digest = digest_parts(&[b"key", namespace.as_bytes(), text.as_bytes()]);
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        Some(Self(half))
    }

    /// 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }
}

mod hex16 {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 16], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&data_encoding::HEXLOWER.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 16], D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).map_err(D::Error::custom)?;
        bytes.try_into().map_err(|_| D::Error::custom("a thread key has 16 bytes"))
    }
}

/// What a matching key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JoinCondition {
    /// A key we signed: whoever sends it joins (a stranger as a newcomer).
    Always,
    /// A stored or typed key: only who already takes part joins, with no lower assurance than they are known with.
    IfParticipant,
    /// As `IfParticipant`, and a changed topic after 30 idle days starts anew: for keys that clients copy by themselves.
    IfParticipantOnTopic,
    /// Never joins; names a parent to suggest.
    Hint,
}

/// A key that a contact carries, and what it allows. Contacts list theirs strongest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadKey {
    /// What is compared.
    pub value: ThreadKeyValue,
    /// What a match allows.
    pub condition: JoinCondition,
    /// For the trace: where the door found it, such as `in-reply-to, signed by us`. Never a person's words.
    pub label: String,
}

impl ThreadKey {
    /// How many keys of one contact the ledger looks up; the rest is ignored.
    pub const MOST: usize = 64;
}

/// A text by which an operator looks a contact up (`lodge trace`): a Message-ID, a call id, a provider's id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TraceKey(pub String);

impl TraceKey {
    /// The value that stores index, in a namespace of its own.
    #[must_use]
    pub fn value(&self) -> Option<ThreadKeyValue> {
        ThreadKeyValue::new("trace", self.0.trim().trim_start_matches('<').trim_end_matches('>'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c04_blank_texts_are_no_keys() {
        for text in ["", " ", "\t\r\n"] {
            assert_eq!(ThreadKeyValue::new("message-id", text), None);
        }
        assert_ne!(ThreadKeyValue::new("a", "x"), ThreadKeyValue::new("b", "x"));
    }
}
