//! Sets of UIDs, written and kept as IMAP writes them (RFC 3501 9, `sequence-set`): `1:4,7`. Never holds 0 or `*`.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::collections::BTreeSet;
use std::fmt;

/// A set of UIDs, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UidSet(pub(crate) BTreeSet<u32>);

impl UidSet {
    /// Whether it has none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn parse(text: &str) -> Option<Self> {
        let mut all = BTreeSet::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (from, to) = part.split_once(':').unwrap_or((part, part));
            let (from, to): (u32, u32) = (from.parse().ok()?, to.parse().ok()?);
            // A record of ours never spans that much; one that does is damaged and must not eat all memory.
            if from == 0 || to < from || to - from > 10_000_000 {
                return None;
            }
            all.extend(from..=to);
        }
        Some(Self(all))
    }
}

impl FromIterator<u32> for UidSet {
    fn from_iter<I: IntoIterator<Item = u32>>(uids: I) -> Self {
        Self(uids.into_iter().collect())
    }
}

impl fmt::Display for UidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut uids = self.0.iter().copied().peekable();
        let mut separator = "";
        while let Some(first) = uids.next() {
            let mut last = first;
            while let Some(next) = uids.next_if(|next| *next == last.saturating_add(1)) {
                last = next;
            }
            write!(f, "{separator}{first}")?;
            if last > first {
                write!(f, ":{last}")?;
            }
            separator = ",";
        }
        Ok(())
    }
}

impl Serialize for UidSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UidSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("no set of UIDs"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(uids in proptest::collection::btree_set(1..400_u32, 0..100)) {
            let set = UidSet(uids);
            prop_assert_eq!(UidSet::parse(&set.to_string()), Some(set));
        }
    }

    #[test]
    fn neighbours_are_joined() {
        let set: UidSet = [1, 2, 3, 7, 9, 10, u32::MAX].into_iter().collect();
        assert_eq!(set.to_string(), "1:3,7,9:10,4294967295");
        for wrong in ["0", "3:1", "a", "1:*", "1:4294967295"] {
            assert_eq!(UidSet::parse(wrong), None, "{wrong}");
        }
    }
}
