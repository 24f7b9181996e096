//! What providers of telephone numbers share: how a number is written, words that end a subscription, and how much fits into
//! a text message.

use crate::heard::{Said, Thread, Who};
use crate::speech::Unit;
use jiff::Timestamp;
use serde_json::Value;

/// A number in E.164 with its plus sign, whether or not the provider writes one; `None` where it is no number.
pub(crate) fn e164(text: &str) -> Option<String> {
    let digits = text.trim().trim_start_matches('+');
    let fits = (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| format!("+{digits}"))
}

/// A message from one number, or short code, to one of ours.
pub(crate) fn said(id: String, from: &str, to: &str, way: Value, at: Timestamp) -> Said {
    let phone = e164(from);
    let who = Who { account: phone.clone().unwrap_or_else(|| from.to_owned()), phone, ..Who::default() };
    let ours = e164(to).unwrap_or_else(|| to.to_owned());
    let thread = Thread::Private(vec![format!("{ours}/{}", who.account)]);
    let mut said = Said::new(id, who, thread, at);
    said.to = Some(ours);
    said.way = way;
    said
}

/// Words by which people end (or take up) a subscription or ask about it: the provider answers them, as carriers demand, and
/// nobody else may.
pub(crate) fn hush(said: &mut Said) {
    const WORDS: &[&str] = &[
        "stop",
        "stopall",
        "stop all",
        "unsubscribe",
        "cancel",
        "end",
        "quit",
        "optout",
        "opt-out",
        "revoke",
        "start",
        "unstop",
    ];
    let word = said.text.trim().to_lowercase();
    if said.media.is_empty() && WORDS.contains(&word.as_str()) {
        said.quiet = Some("the sender opted out, or in again");
        said.gesture = true;
    }
}

/// Whether carriers take a file of this kind with a message.
pub(crate) fn mms(media_type: &str) -> bool {
    let family = media_type.split('/').next().unwrap_or_default();
    matches!(family, "image" | "audio" | "video")
        || matches!(media_type, "application/pdf" | "text/vcard" | "text/calendar")
}

/// The longest text message by its alphabet: one character outside of the small one makes all of them large.
pub(crate) fn longest(words: &str, small: usize, large: usize) -> (usize, Unit) {
    // Of GSM 03.38 what is one septet long.
    let is_small = |c: char| {
        matches!(c, '\n' | '\r' | ' '..='Z' | '_' | 'a'..='z')
            || "£¥èéùìòÇØøÅåÄäÖöÑñÜüß§¿¡àÆæÉΔΦΓΛΩΠΨΣΘΞ¤".contains(c)
    };
    if words.chars().all(is_small) { (small, Unit::Characters) } else { (large, Unit::Utf16) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_one_way() {
        for text in ["14155550134", "+14155550134", " 14155550134"] {
            assert_eq!(e164(text).as_deref(), Some("+14155550134"));
        }
        for text in ["62020", "ACME", "", "+", "1234567890123456"] {
            assert_eq!(e164(text), None, "{text}");
        }
    }

    #[test]
    fn f05_one_foreign_character_makes_a_message_shorter() {
        assert_eq!(longest("Grüße, 5 £", 1530, 670), (1530, Unit::Characters));
        assert_eq!(longest("Grüße 😡", 1530, 670), (670, Unit::Utf16));
    }
}
