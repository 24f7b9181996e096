//! How times, parties and words of ours are written for scripts and read back. Nothing here knows Redis.

use lodge_domain::{Assurance, ConversationStatus, Flag, HandleKind, PartyHandle, Timestamp};

/// Nanoseconds since 1970 in 20 digits: compares as text as it does as a number. Earlier times become 1970.
pub(crate) fn time(at: Timestamp) -> String {
    format!("{:020}", nanos(at))
}

/// Within 20 digits: from 1970 into the 52nd century.
fn nanos(at: Timestamp) -> i128 {
    at.as_nanosecond().clamp(0, 99_999_999_999_999_999_999)
}

/// Reads what [`time`] wrote.
pub(crate) fn read_time(digits: &str) -> Option<Timestamp> {
    Timestamp::from_nanosecond(digits.parse().ok()?).ok()
}

/// Microseconds since 1970: how sorted sets order times.
pub(crate) fn micros(at: Timestamp) -> String {
    (nanos(at) / 1000).to_string()
}

/// An id without its four-letter prefix.
pub(crate) fn short(id: &str) -> &str {
    id.get(4..).unwrap_or_default()
}

/// 16 bytes as 26 letters (base32hex, RFC 4648 section 7, in lower case).
pub(crate) fn code(bytes: &[u8]) -> String {
    data_encoding::BASE32_DNSSEC.encode(bytes)
}

/// A party as one word: the kind's letter and the value, without line feeds and tabulators.
pub(crate) fn handle(party: &PartyHandle) -> String {
    let letter = match party.kind {
        HandleKind::Email => 'e',
        HandleKind::Phone => 'p',
        HandleKind::Account => 'a',
        HandleKind::Anonymous => 'x',
    };
    let mut out = String::with_capacity(party.value.len() + 1);
    out.push(letter);
    for c in party.value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out
}

fn read_handle(word: &str) -> Option<PartyHandle> {
    let mut chars = word.chars();
    let kind = match chars.next()? {
        'e' => HandleKind::Email,
        'p' => HandleKind::Phone,
        'a' => HandleKind::Account,
        'x' => HandleKind::Anonymous,
        _ => return None,
    };
    let mut value = String::with_capacity(word.len());
    while let Some(c) = chars.next() {
        value.push(match (c, c == '\\') {
            (_, true) => match chars.next()? {
                'n' => '\n',
                't' => '\t',
                other => other,
            },
            (c, false) => c,
        });
    }
    Some(PartyHandle { kind, value })
}

/// 0 failed, 1 unverified, 2 authenticated.
pub(crate) fn assurance(assurance: Assurance) -> &'static str {
    match assurance {
        Assurance::Failed => "0",
        Assurance::Unverified => "1",
        Assurance::Authenticated => "2",
    }
}

/// Reads the lines of parties that scripts keep, in the order they joined.
pub(crate) fn read_people(lines: &str) -> Option<Vec<(PartyHandle, Assurance)>> {
    let read = |line: &str| {
        let (word, digit) = line.split_once('\t')?;
        let assurance = match digit {
            "0" => Assurance::Failed,
            "1" => Assurance::Unverified,
            "2" => Assurance::Authenticated,
            _ => return None,
        };
        Some((read_handle(word)?, assurance))
    };
    lines.split('\n').filter(|line| !line.is_empty()).map(read).collect()
}

/// The letter of a status.
pub(crate) fn status(status: ConversationStatus) -> &'static str {
    match status {
        ConversationStatus::Open => "o",
        ConversationStatus::Pending => "p",
        ConversationStatus::Solved => "s",
        ConversationStatus::Closed => "c",
    }
}

/// Reads the letter of a status.
pub(crate) fn read_status(letter: &str) -> Option<ConversationStatus> {
    use ConversationStatus::{Closed, Open, Pending, Solved};
    [Open, Pending, Solved, Closed].into_iter().find(|s| status(*s) == letter)
}

/// Reads the letter of a flag that accept raises.
pub(crate) fn read_flag(letter: char) -> Option<Flag> {
    match letter {
        'c' => Some(Flag::Conflict),
        'n' => Some(Flag::NewParticipant),
        's' => Some(Flag::SubjectChanged),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn t53_parties_read_back_whatever_strangers_call_themselves(value in any::<String>(), other in any::<String>()) {
            let people = [(value, Assurance::Failed), (other, Assurance::Authenticated)]
                .map(|(value, sure)| (PartyHandle::new(HandleKind::Account, value), sure));
            let lines: String = std::iter::once("\n".to_owned())
                .chain(people.iter().map(|(who, sure)| format!("{}\t{}\n", handle(who), assurance(*sure))))
                .collect();
            prop_assert_eq!(read_people(&lines), Some(people.to_vec()));
        }

        #[test]
        fn times_read_back_and_compare_as_text(a in 0_i128..4_000_000_000_000_000_000, b in 0_i128..4_000_000_000_000_000_000) {
            let (a, b) = (Timestamp::from_nanosecond(a).unwrap(), Timestamp::from_nanosecond(b).unwrap());
            prop_assert_eq!(read_time(&time(a)), Some(a));
            prop_assert_eq!(time(a).cmp(&time(b)), a.cmp(&b));
        }
    }
}
