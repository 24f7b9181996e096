//! What telephone networks and their providers say of a caller, brought into one form: numbers, withheld ones, names,
//! attestation, and the language tags that speech recognition asks for.

use crate::dialogue::is_e164;
use lodge_domain::Assurance;

/// Numbers and words that stand for a withheld number; the numbers spell the words on a keypad.
const WITHHELD: &[&str] = &[
    "+266696687",
    "+7378742833",
    "+2562533",
    "+8656696",
    "anonymous",
    "restricted",
    "unavailable",
    "blocked",
    "unknown",
    "private",
];

/// A short text of the network's, without control and direction characters.
pub(crate) fn clean(text: &str, most: usize) -> String {
    let direction =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let plain = text.chars().filter(|c| !c.is_control() && !direction(*c));
    plain.take(most).collect::<String>().trim().to_owned()
}

/// Who calls, as the provider says; `None` where the number is withheld. Numbers of providers that leave the `+` out get
/// it back.
pub(crate) fn caller(text: Option<&str>) -> Option<String> {
    let number = number(text?)?;
    (!WITHHELD.contains(&number.to_lowercase().as_str())).then_some(number)
}

/// A number or another address; `None` where it says nothing.
pub(crate) fn number(text: &str) -> Option<String> {
    let text = clean(text, 100);
    let bare = (7..=15).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let text = if bare { format!("+{text}") } else { text };
    (!text.is_empty()).then_some(text)
}

/// Whether the network vouches for the caller's number, from its own verdict; `full` is the verdict that does. Only the
/// highest attestation says that the caller may use the number (T42).
pub(crate) fn vouches(verdict: Option<&str>, full: &str, from: Option<&str>) -> (Assurance, Option<String>) {
    let verdict = verdict.map(|verdict| clean(verdict, 60)).filter(|verdict| !verdict.is_empty());
    let vouched = verdict.as_deref() == Some(full) && from.is_some_and(is_e164);
    let assurance = if vouched { Assurance::Authenticated } else { Assurance::Unverified };
    (assurance, verdict.map(|verdict| format!("stir={verdict}")))
}

/// Whether `id` can stand in a path of a provider's API as it is.
pub(crate) fn plain_id(id: &str) -> bool {
    (1..=100).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// A language tag with a region, which speech synthesis and recognition ask for.
pub(crate) fn region(language: &str) -> String {
    const USUAL: &[(&str, &str)] = &[
        ("en", "en-US"),
        ("da", "da-DK"),
        ("sv", "sv-SE"),
        ("ja", "ja-JP"),
        ("ko", "ko-KR"),
        ("zh", "cmn-Hans-CN"),
        ("cs", "cs-CZ"),
    ];
    if language.contains('-') {
        return language.to_owned();
    }
    let usual = USUAL.iter().find(|(bare, _)| *bare == language);
    usual.map_or_else(|| format!("{language}-{}", language.to_uppercase()), |(_, whole)| (*whole).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i03_withheld_numbers_are_nobodys_and_bare_ones_get_their_plus() {
        for withheld in ["+266696687", "266696687", "Anonymous", "", "  ", "RESTRICTED", "\u{202e}"] {
            assert_eq!(caller(Some(withheld)), None, "{withheld}");
        }
        assert_eq!(caller(Some("14155550134")).as_deref(), Some("+14155550134"));
        assert_eq!(caller(Some("+14155550134")).as_deref(), Some("+14155550134"));
        assert_eq!(caller(Some("sip:ann@example.com")).as_deref(), Some("sip:ann@example.com"));
        assert_eq!(caller(None), None);
    }

    #[test]
    fn t42_only_the_highest_attestation_of_a_number_vouches() {
        let vouched = |verdict, from| vouches(verdict, "A", from).0 == Assurance::Authenticated;
        assert!(vouched(Some("A"), Some("+14155550134")));
        assert!(!vouched(Some("B"), Some("+14155550134")) && !vouched(None, Some("+14155550134")));
        assert!(!vouched(Some("A"), None) && !vouched(Some("A"), Some("sip:ann@example.com")));
    }
}
