//! Subjects: what two mails on one topic have in common, and a reference a person may have typed.

use lodge_domain::{Reference, ThreadKeyValue};

/// Words that mail programs put before a subject, in lower case.
const PREFIXES: &[&str] = &[
    "re",
    "aw",
    "sv",
    "vs",
    "antw",
    "odp",
    "r",
    "rif",
    "ref",
    "res",
    "enc",
    "fwd",
    "fw",
    "wg",
    "tr",
    "rv",
    "i",
    "vl",
    "doorst",
    "ynt",
    "ilt",
    "i̇lt",
    "yan",
    "vb",
    "vá",
    "továbbítás",
    "továbbí",
    "pd",
    "na",
    "fs",
    "bls",
    "trs",
    "réf",
    "rép",
    "ответ",
    "отв",
    "на",
    "пересл",
    "fwd.",
    "atb",
    "ats",
    "rsp",
    "απ",
    "σχετ",
    "προθ",
    "השב",
    "תשובה",
    "הועבר",
    "رد",
    "إعادة توجيه",
    "回复",
    "回覆",
    "答复",
    "转发",
    "轉寄",
    "返信",
    "転送",
    "회신",
];
/// Further prefixes that never stand with a number.
const MORE: &[&str] = &["전달", "答覆", "トラ", "yönlendirilmiş"];
/// Forwarding ones among them.
const FORWARDS: &[&str] = &[
    "fwd",
    "fw",
    "wg",
    "tr",
    "rv",
    "enc",
    "vl",
    "doorst",
    "i",
    "ilt",
    "i̇lt",
    "пересл",
    "转发",
    "轉寄",
    "転送",
    "전달",
];
/// Topics that say nothing about what a mail continues.
const STOP: &[&str] = &[
    "order",
    "question",
    "invoice",
    "help",
    "support",
    "hello",
    "hi",
    "contact",
    "request",
    "problem",
    "urgent",
    "test",
    "anfrage",
    "frage",
    "rechnung",
    "bestellung",
    "hilfe",
    "kontakt",
    "commande",
    "facture",
    "pregunta",
    "no subject",
];

/// The subject without prefixes, list tags and references, in lower case, white space collapsed.
pub(crate) fn normalise(subject: &str) -> String {
    let mut rest = subject.trim().to_lowercase();
    loop {
        let shorter = strip_one(&rest);
        if shorter.len() == rest.len() {
            break;
        }
        rest = shorter;
    }
    if let Some(at) = rest.rfind("(was:") {
        rest.truncate(at);
    }
    let words: Vec<&str> = rest.split_whitespace().collect();
    words.join(" ")
}

/// The key of a topic; `None` where the subject says nothing.
pub(crate) fn key(subject: &str) -> Option<ThreadKeyValue> {
    ThreadKeyValue::new("topic", &normalise(subject))
}

/// Whether a topic is special enough to suggest a parent by.
pub(crate) fn is_telling(normalised: &str) -> bool {
    normalised.chars().filter(|c| c.is_alphanumeric()).count() >= 8 && !STOP.contains(&normalised)
}

/// Whether the subject starts like an answer.
pub(crate) fn is_reply(subject: &str) -> bool {
    prefix(&subject.trim().to_lowercase()).is_some_and(|(word, _)| !FORWARDS.contains(&word.as_str()))
}

/// Whether the subject starts like a forwarded mail.
pub(crate) fn is_forward(subject: &str) -> bool {
    prefix(&subject.trim().to_lowercase()).is_some_and(|(word, _)| FORWARDS.contains(&word.as_str()))
}

fn strip_one(text: &str) -> String {
    let text = text.trim_start();
    if let Some((_, rest)) = prefix(text) {
        return rest;
    }
    // `[list]` and `[#4829136057]`, unless nothing else would be left.
    if let Some((tag, rest)) = text.strip_prefix('[').and_then(|t| t.split_once(']'))
        && tag.chars().count() <= 40
        && !rest.trim().is_empty()
    {
        return rest.trim_start().to_owned();
    }
    match reference_at(text) {
        Some((_, from, to)) => {
            let cut: String = [text.get(..from), text.get(to..)].into_iter().flatten().collect();
            if cut.trim().is_empty() { text.to_owned() } else { cut }
        }
        None => text.to_owned(),
    }
}

/// One prefix such as `re:`, `RE[2]:`, `Re(2)：` at the start of lower-case `text`, and what follows it.
fn prefix(text: &str) -> Option<(String, String)> {
    let colon = text.char_indices().take(24).find(|(_, c)| matches!(c, ':' | '：'))?;
    let head = text.get(..colon.0)?.trim();
    let word = head.trim_end_matches(|c: char| {
        c.is_ascii_digit() || matches!(c, '[' | ']' | '(' | ')' | '*' | '^' | ' ')
    });
    let known = PREFIXES.contains(&word) || MORE.contains(&word);
    let rest = text.get(colon.0 + colon.1.len_utf8()..)?.trim_start();
    known.then(|| (word.to_owned(), rest.to_owned()))
}

/// The first reference written as `[#4829136057]`; spaces, hyphens and one lost bracket are forgiven.
pub(crate) fn reference(subject: &str) -> Option<Reference> {
    reference_at(subject).map(|(reference, ..)| reference)
}

fn reference_at(subject: &str) -> Option<(Reference, usize, usize)> {
    for (at, c) in subject.char_indices().filter(|(_, c)| matches!(c, '#' | '＃')) {
        let after = at + c.len_utf8();
        let tail = subject.get(after..)?;
        let end = tail
            .char_indices()
            .find(|(_, c)| !(c.is_ascii_digit() || matches!(c, ' ' | '-' | '\u{a0}')))
            .map_or(tail.len(), |(end, _)| end);
        let digits = tail.get(..end)?;
        let before = subject.get(..at)?.trim_end();
        let open = before.ends_with('[');
        let close = tail.get(end..)?.starts_with(']');
        if !(open || close) {
            continue;
        }
        if let Some(reference) = Reference::parse(digits.trim()) {
            let from = if open { before.len() - 1 } else { at };
            return Some((reference, from, after + end + usize::from(close)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use lodge_domain::{ConversationId, EnvelopeId};

    #[test]
    fn c08_prefixes_of_many_languages() {
        for subject in [
            "Printer on fire",
            "Re: Printer on fire",
            "RE: RE: printer  on fire",
            "AW: Printer on fire",
            "Antw: Printer on fire",
            "SV: VS: Printer on fire",
            "Re[2]: Printer on fire",
            "RE(3): Printer on fire",
            "Odp: Printer on fire",
            "Rif: R: Printer on fire",
            "RV: Printer on fire",
            "Ynt: Printer on fire",
            "Ответ: Printer on fire",
            "回复：Printer on fire",
            "返信: Printer on fire",
            "회신: Printer on fire",
            "[help] Printer on fire",
            "Fwd: [x] Re: Printer on fire",
            "رد: Printer on fire",
            "השב: Printer on fire",
            "Doorst: Printer on fire (was: other)",
        ] {
            assert_eq!(normalise(subject), "printer on fire", "{subject}");
        }
        assert!(is_reply("AW: x") && is_forward("WG: x") && !is_reply("WG: x") && !is_reply("Note: x"));
        assert!(!is_telling("invoice") && !is_telling("ok") && is_telling("printer on fire"));
        assert_eq!(key(" Re: "), None);
    }

    #[test]
    fn c03_references_in_subjects() {
        let wanted = Reference::derive(&ConversationId::founded_by(&EnvelopeId::of_contact(&[7; 32])), 0);
        let digits = wanted.as_str();
        for subject in [
            format!("Re: x [#{digits}]"),
            format!("[#{}] x", wanted.grouped()),
            format!("x #{digits}]"),
            format!("x [# {digits} y"),
        ] {
            assert_eq!(reference(&subject), Some(wanted.clone()), "{subject}");
            assert!(!normalise(&subject).contains(digits), "{subject}");
        }
        assert_eq!(reference(&format!("order #{digits}")), None);
        assert_eq!(reference("[#1234]"), None);
        assert_eq!(reference("[#4829136050]"), None, "wrong check digit");
    }
}
