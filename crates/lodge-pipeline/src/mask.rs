//! Masks card numbers (ISO/IEC 7812: 13 to 19 digits with a Luhn check digit) before anything is forwarded or logged.
//!
//! Digits may be grouped by single spaces or hyphens. Issuers' numbers begin with 2 to 6; numbers that begin otherwise
//! are left alone, since every tenth long number passes the Luhn check by chance. The last four digits stay.

use lodge_domain::Contact;
use serde_json::Value;

/// Digits of the shortest card number.
const SHORTEST: usize = 13;

/// A digit of the text: its value and its place in bytes.
type Digit = (u8, usize);

/// Digit groups that single separators join.
#[derive(Default)]
struct Run {
    groups: Vec<Vec<Digit>>,
    /// It follows a `+`: what begins it is a telephone number.
    is_dialled: bool,
}

/// Replaces all but the last four digits of each card number by `*`; `None` where there is none.
#[must_use]
pub fn masked(text: &str) -> Option<String> {
    // Nearly every text ends here.
    if text.bytes().filter(u8::is_ascii_digit).count() < SHORTEST {
        return None;
    }
    let mut bytes = text.as_bytes().to_vec();
    let mut any = false;
    for run in runs(text) {
        for (first, last) in cards(&run) {
            let digits: Vec<Digit> = run.groups.get(first..=last)?.concat();
            let keep = digits.len().saturating_sub(4);
            for (_, at) in digits.into_iter().take(keep) {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = b'*';
                    any = true;
                }
            }
        }
    }
    // Only ASCII digits were replaced, by ASCII.
    any.then(|| String::from_utf8(bytes).ok()).flatten()
}

/// All runs of a text.
fn runs(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut joined = false;
    let mut in_group = false;
    let mut before = ' ';
    let mut rest = text;
    let mut at = 0;
    while let Some(c) = rest.chars().next() {
        let mut width = c.len_utf8();
        if let Some(digit) = c.to_digit(10).and_then(|digit| u8::try_from(digit).ok()) {
            match runs.last_mut() {
                Some(run) if in_group => {
                    run.groups.last_mut().into_iter().for_each(|group| group.push((digit, at)));
                }
                Some(run) if joined => run.groups.push(vec![(digit, at)]),
                _ => runs.push(Run { groups: vec![vec![(digit, at)]], is_dialled: before == '+' }),
            }
            (in_group, joined) = (true, false);
        } else {
            let separator = ["&nbsp;", "&#160;", " ", "-", "\u{a0}", "\u{2011}"]
                .into_iter()
                .find(|separator| rest.starts_with(separator));
            width = separator.map_or(width, str::len);
            joined = in_group && separator.is_some();
            in_group = false;
        }
        before = c;
        at += width;
        rest = rest.get(width..).unwrap_or_default();
    }
    runs
}

/// The first and last group of each card number in a run.
fn cards(run: &Run) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    let mut first = usize::from(run.is_dialled);
    while first < run.groups.len() {
        let mut digits: Vec<u8> = Vec::new();
        let mut found = None;
        for (last, group) in run.groups.iter().enumerate().skip(first) {
            digits.extend(group.iter().map(|(digit, _)| *digit));
            if digits.len() > 19 {
                break;
            }
            if is_card(&digits) {
                found = Some(last);
            }
        }
        match found {
            Some(last) => {
                out.push((first, last));
                first = last + 1;
            }
            None => first += 1,
        }
    }
    out
}

fn is_card(digits: &[u8]) -> bool {
    (SHORTEST..=19).contains(&digits.len()) && matches!(digits.first(), Some(2..=6)) && luhn(digits)
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2, u32::from(*digit) * 2) {
            (0, _) => u32::from(*digit),
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Masks everything that people say in `contact`; whether something was masked.
///
/// HTML in which the same number hides between tags is dropped: the text has it masked.
pub fn mask_contact(contact: &mut Contact) -> bool {
    let mut text = mask(&mut contact.body.text);
    text |= mask(&mut contact.body.reply);
    let html = contact.body.html.as_mut().is_some_and(mask);
    if text && !html {
        contact.body.html = None;
    }
    let subject = contact.subject.as_mut().is_some_and(mask);
    let name = contact.from.name.as_mut().is_some_and(mask);
    let files = contact
        .attachments
        .iter_mut()
        .filter_map(|file| file.name.as_mut())
        .map(mask)
        .filter(|hit| *hit)
        .count();
    let headers = contact.headers.values_mut().flatten().map(mask).filter(|hit| *hit).count();
    let details = mask_details(&mut contact.details);
    text || html || subject || name || files > 0 || headers > 0 || details
}

/// Masks the texts in `details`, except ids, hashes and links, which hold numbers that are none of a person's words.
pub fn mask_details(details: &mut serde_json::Map<String, Value>) -> bool {
    let mut any = false;
    for (key, value) in details {
        let is_id = key == "id"
            || key.ends_with("_id")
            || key.ends_with("_ids")
            || key == "references"
            || key == "sha256"
            || key == "href";
        any |= !is_id && mask_value(value);
    }
    any
}

fn mask_value(value: &mut Value) -> bool {
    match value {
        Value::String(text) => mask(text),
        Value::Array(values) => values.iter_mut().map(mask_value).filter(|hit| *hit).count() > 0,
        Value::Object(map) => mask_details(map),
        _ => false,
    }
}

fn mask(text: &mut String) -> bool {
    masked(text).map(|masked| *text = masked).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_masked_however_they_are_grouped() {
        for (text, expected) in [
            ("my card 4111111111111111 please", "my card ************1111 please"),
            ("4111 1111 1111 1111", "**** **** **** 1111"),
            ("4111-1111-1111-1111.", "****-****-****-1111."),
            ("amex 3782 822463 10005", "amex **** ****** *0005"),
            ("order 12345 5500 0000 0000 0004 thanks", "order 12345 **** **** **** 0004 thanks"),
            ("4111&nbsp;1111&nbsp;1111&nbsp;1111", "****&nbsp;****&nbsp;****&nbsp;1111"),
            ("a 6011000000000004 b 3530111333300000", "a ************0004 b ************0000"),
            ("é4111111111111111é", "é************1111é"),
        ] {
            assert_eq!(masked(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_numbers_stay() {
        for text in [
            "4111111111111112",
            "482 913 6057",
            "+49 30 123456789012",
            "0000000000000000",
            "41111111111111111111111111111111",
            "4111  1111  1111  1111",
            "",
        ] {
            assert_eq!(masked(text), None, "{text}");
        }
    }

    #[test]
    fn ids_in_details_stay_and_words_do_not() {
        let mut details =
            serde_json::json!({"message_id": "4111111111111111", "speech": ["it is 4111111111111111"]});
        assert!(mask_details(details.as_object_mut().unwrap()));
        assert_eq!(details["message_id"], "4111111111111111");
        assert_eq!(details["speech"][0], "it is ************1111");
    }
}
