//! The number a customer is told: ten decimal digits, the last a Damm check digit.
//!
//! The first nine are derived from the conversation, so that they reveal no volume and no order. The Damm
//! digit (H. M. Damm, 2004) catches every single wrong digit and every swap of neighbours.

use crate::{ConversationId, hash::digest_parts};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A reference such as `4829136057`, shown grouped as `482 913 6057`. Never a permission.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Reference(String);

const DAMM: [[u8; 10]; 10] = [
    [0, 3, 1, 7, 5, 9, 8, 6, 4, 2],
    [7, 0, 9, 2, 1, 5, 4, 8, 6, 3],
    [4, 2, 0, 6, 8, 7, 1, 3, 5, 9],
    [1, 7, 5, 0, 9, 8, 3, 4, 2, 6],
    [6, 1, 2, 3, 0, 4, 5, 9, 7, 8],
    [3, 6, 7, 4, 2, 0, 9, 5, 8, 1],
    [5, 8, 6, 9, 7, 2, 0, 1, 3, 4],
    [8, 9, 4, 5, 3, 6, 2, 0, 1, 7],
    [9, 4, 3, 8, 6, 1, 7, 2, 0, 5],
    [2, 5, 8, 1, 4, 3, 6, 7, 9, 0],
];

impl Reference {
    /// How many derivations accept may try before it gives up on a collision.
    pub const PROBES: u32 = 16;

    /// The `probe`-th reference that `conversation` may have.
    #[must_use]
    pub fn derive(conversation: &ConversationId, probe: u32) -> Self {
        let digest = digest_parts(&[b"ref", conversation.as_str().as_bytes(), &probe.to_be_bytes()]);
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        let nine = format!("{:09}", u64::from_be_bytes(first) % 1_000_000_000);
        let check = damm(nine.bytes());
        Self(format!("{nine}{check}"))
    }

    /// Reads ten digits with a right check digit; spaces and hyphens between them are forgiven.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '\u{a0}')).collect();
        let all_digits = digits.len() == 10 && digits.bytes().all(|b| b.is_ascii_digit());
        (all_digits && damm(digits.bytes()) == 0).then_some(Self(digits))
    }

    /// The ten digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Grouped for people: `482 913 6057`.
    #[must_use]
    pub fn grouped(&self) -> String {
        let mut out = String::with_capacity(12);
        for (at, digit) in self.0.chars().enumerate() {
            if at == 3 || at == 6 {
                out.push(' ');
            }
            out.push(digit);
        }
        out
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn damm(digits: impl Iterator<Item = u8>) -> u8 {
    digits.fold(0, |interim, digit| DAMM[usize::from(interim)][usize::from(digit - b'0')])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EnvelopeId;

    fn sample() -> Reference {
        Reference::derive(&ConversationId::founded_by(&EnvelopeId::of_contact(&[7; 32])), 0)
    }

    #[test]
    fn groups_and_parses() {
        let reference = sample();
        assert_eq!(reference.grouped().len(), 12);
        assert_eq!(Reference::parse(&reference.grouped()), Some(reference.clone()));
        assert_eq!(Reference::parse("482 913 605"), None);
        assert_eq!(damm("572".bytes()), 4, "the published example");
    }

    #[test]
    fn every_single_wrong_digit_and_every_swap_is_caught() {
        let good = sample().0.into_bytes();
        for at in 0..10 {
            for digit in b'0'..=b'9' {
                let mut bad = good.clone();
                bad[at] = digit;
                let text = String::from_utf8(bad.clone()).unwrap();
                assert_eq!(Reference::parse(&text).is_some(), bad == good, "{text}");
            }
            if at < 9 && good[at] != good[at + 1] {
                let mut bad = good.clone();
                bad.swap(at, at + 1);
                assert_eq!(Reference::parse(&String::from_utf8(bad).unwrap()), None);
            }
        }
    }
}
