//! A timeline: what was said both ways in one session, in order, kept so that a party who comes back can be told all of
//! it. Entries are opaque to everybody but the door that wrote them.

use crate::hash::{Digest, digest_parts};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Which timeline, hashed: its length never depends on what a stranger wrote. The ledger adds the brand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TimelineId(pub [u8; 16]);

/// Which entry of a timeline, hashed over whatever makes it that one; the same id again is the same entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EntryId(pub [u8; 16]);

fn half(digest: &Digest) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

impl TimelineId {
    /// The timeline that `parts` name, such as an inbox and a session.
    #[must_use]
    pub fn of(parts: &[&str]) -> Self {
        let mut all: Vec<&[u8]> = vec![b"timeline"];
        all.extend(parts.iter().map(|part| part.as_bytes()));
        Self(half(&digest_parts(&all)))
    }

    /// 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }

    /// Reads what [`Self::to_hex`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }
}

impl EntryId {
    /// The entry that `parts` make this one and no other, such as who wrote it, their own id for it, and its content.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut all: Vec<&[u8]> = vec![b"entry"];
        all.extend_from_slice(parts);
        Self(half(&digest_parts(&all)))
    }
}

/// An entry to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// Where it is appended.
    pub timeline: TimelineId,
    /// Its identity in that timeline.
    pub id: EntryId,
    /// What the door keeps, at most 256 KiB.
    pub body: Bytes,
    /// When it was said.
    pub at: Timestamp,
}

/// An entry as it stands in its timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineEntry {
    /// Its place: from 1, without gaps.
    pub sequence: u64,
    /// Its identity.
    pub id: EntryId,
    /// What the door kept.
    pub body: Bytes,
    /// When it was said.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_timelines_apart_and_read_back() {
        let id = TimelineId::of(&["website", "s1"]);
        assert_ne!(id, TimelineId::of(&["website", "s2"]));
        assert_ne!(id, TimelineId::of(&["websites", "1"]));
        assert_eq!(TimelineId::parse(&id.to_hex()), Some(id));
        assert_eq!(TimelineId::parse("zz"), None);
    }
}
