//! Every key of this store, in one page.
//!
//! All keys of a brand carry one hash tag, `{lodge:<brand>}`, so that one script may touch them all in a cluster too.
//! What follows it is a letter or two of ours and parts that are hexadecimal, base32 or names of the configuration:
//! nothing a stranger wrote is ever part of a key. Parts that strangers choose are fields of hashes, hashed themselves.
//!
//! | key after `{lodge:<brand>}:` | type | what |
//! |---|---|---|
//! | `head` | hash | `epoch`, `wm:<node>` (watermark), counters (`wn` work, `fpos` feed, `tn` changes of timelines, `hn` hints, `jn` journal, `dn` dead letters, `env` envelopes) |
//! | `d:<3 base32>` · `s:<3 base32>` | hash | dedupe digest → when, conversation, reference, sequence · source digest → when |
//! | `e:<envelope>` · `x:<envelope>` | string | receipt and record · triage's decision |
//! | `c:<conversation>` · `b:` · `n:` | hash · strings | its facts · the way back · the inventory of what belongs to it |
//! | `k:<key>` · `y:<key>` | string | thread key → conversation · trace key → envelopes |
//! | `r:<reference>` · `ci` | string · sorted set | reference → conversation · conversations by last contact |
//! | `w` · `a:<lane>` · `z:<lane>` | hash · sorted sets | work records · all of a lane by age · what is due when |
//! | `h:<lane>` · `q:<lane>:<conversation>` · `ls` | hash · list · set | head of each conversation · those behind it · lanes |
//! | `dl` · `dz` · `dc` | hash · sorted set · hash | dead letters · their order · how many a conversation has |
//! | `fb` · `fz` · `u` | hash · sorted set · set | events · their order · those whose forward is not settled |
//! | `p:<outbound>` · `v:<3 base32>` | string · hash | outbound record · later events that were recorded |
//! | `j:<subject>` · `g` · `bu` · `st:<inbox>` | hash | journal · guards · budgets · state of an inbox |
//! | `si:<inbox>` | sorted set | the names of what is in `st:<inbox>`, in the order of their bytes |
//! | `t:<timeline>` · `tz` · `ta` | hash · sorted sets | entries, their ids, the note · timelines by last change · by last entry |
//! | `th` | list | the last hints |
//! | `op:<operation>` · `sr:<process>` | string | answers kept for the case that they are lost on their way |
//!
//! For the whole installation: `{lodge}:brands` (set), `{lodge}:leases` (hash), `{lodge}:probe` and `{lodge}:stamps`
//! (strings).

use crate::encode::code;
use lodge_domain::{BrandName, Digest, InboxName, Lane, digest_parts};

/// The brands of the installation.
pub const BRANDS: &str = "{lodge}:brands";
/// The leases of the installation.
pub const LEASES: &str = "{lodge}:leases";
/// Counts what is published in all brands.
pub const STAMPS: &str = "{lodge}:stamps";
/// What [`lodge_domain::ports::Housekeeping::check`] writes.
pub const PROBE: &str = "{lodge}:probe";

/// The keys of one brand: there is no other way to make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrandKeys {
    prefix: String,
}

impl BrandKeys {
    /// The keys of `brand`, whose name holds letters, digits, `-`, `_` and `.` only, and so never moves the hash tag.
    #[must_use]
    pub fn new(brand: &BrandName) -> Self {
        Self { prefix: format!("{{lodge:{brand}}}:") }
    }

    /// The head, from which scripts derive all others.
    #[must_use]
    pub fn head(&self) -> String {
        self.fixed("head")
    }

    /// A key without further parts.
    pub(crate) fn fixed(&self, name: &'static str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A key of `family` for one id, given without its prefix (`evt_`, `cnv_`, `rpl_`).
    pub(crate) fn by_id(&self, family: char, id: &str) -> String {
        format!("{}{family}:{id}", self.prefix)
    }

    /// A thread key (`k`), trace key (`y`) or timeline (`t`).
    pub(crate) fn by_value(&self, family: char, value: &[u8; 16]) -> String {
        format!("{}{family}:{}", self.prefix, code(value))
    }

    /// A reference.
    pub(crate) fn by_reference(&self, reference: &str) -> String {
        format!("{}r:{reference}", self.prefix)
    }

    /// What is due in a lane.
    pub(crate) fn due(&self, lane: &Lane) -> String {
        format!("{}z:{lane}", self.prefix)
    }

    /// The state of an inbox.
    pub(crate) fn state(&self, inbox: &InboxName) -> String {
        format!("{}st:{inbox}", self.prefix)
    }

    /// The journal of a subject.
    pub(crate) fn journal(&self, subject: &str) -> String {
        format!("{}j:{}", self.prefix, journal_part(subject))
    }
}

/// The part of a journal's key: the subject where it is an id, else its hash.
pub(crate) fn journal_part(subject: &str) -> String {
    let is_id = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if (1..=64).contains(&subject.len()) && subject.bytes().all(is_id) {
        return subject.to_owned();
    }
    let digest: Digest = digest_parts(&[b"journal", subject.as_bytes()]);
    format!("x-{}", data_encoding::HEXLOWER.encode(&digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What stands between the first braces: what a cluster hashes.
    fn tag(key: &str) -> Option<&str> {
        let (_, rest) = key.split_once('{')?;
        rest.split_once('}').map(|(tag, _)| tag).filter(|tag| !tag.is_empty())
    }

    proptest! {
        #[test]
        fn t10_t53_keys_hold_our_letters_only_and_share_the_brands_slot(
            brand in "[a-zA-Z0-9._-]{1,64}", subject in "\\PC{0,80}", value in any::<[u8; 16]>(), id in "[a-z2-7]{26}",
        ) {
            let name = BrandName::parse(&brand).unwrap();
            let keys = BrandKeys::new(&name);
            let all = [
                keys.head(), keys.journal(&subject), keys.by_value('k', &value), keys.by_value('t', &value), keys.by_id('e', &id),
                keys.by_reference("0123456789"), keys.due(&Lane::Triage), keys.fixed("w"),
            ];
            let expected = format!("lodge:{brand}");
            for key in &all {
                prop_assert_eq!(tag(key), Some(expected.as_str()));
                let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_./@:".contains(&b);
                prop_assert!(key.bytes().skip(expected.len() + 2).all(fits), "{}", key);
            }
        }
    }

    #[test]
    fn t10_two_brands_share_no_key() {
        let keys = |name: &str| BrandKeys::new(&BrandName::parse(name).unwrap());
        assert_ne!(keys("a").head(), keys("a.b").head());
        assert_ne!(keys("a").by_id('e', "x"), keys("b").by_id('e', "x"));
    }
}
