//! Vocabulary: floors 0 and 1 (except the adapter kit), the hallway and the stores know no channel and no provider.
//! Once such a word enters the inner rooms it never leaves. Code alone is read: comments and tests may name examples.

use super::{Finding, tree::SourceFile};

const ROOMS: &[&str] = &[
    "crates/lodge-domain/src/",
    "crates/lodge-triage/src/",
    "crates/lodge-guide/src/",
    "crates/lodge-telemetry/src/",
    "crates/lodge-pipeline/src/",
    "crates/lodge-store-embedded/src/",
    "crates/lodge-store-redis/src/",
];

const WORDS: &[&str] = &[
    "imap",
    "smtp",
    "dovecot",
    "postfix",
    "mime",
    "websocket",
    "ivr",
    "dtmf",
    "twilio",
    "telnyx",
    "vonage",
    "plivo",
    "signalwire",
    "jambonz",
    "bandwidth",
    "freeswitch",
    "messenger",
    "instagram",
    "facebook",
    "whatsapp",
    "telegram",
    "slack",
    "discord",
    "viber",
    "mastodon",
    "bluesky",
    "postmark",
    "mailgun",
    "sendgrid",
    "webhook",
];

/// A file and a word that it needs, with the reason.
const NEEDED: &[(&str, &str, &str)] =
    &[("crates/lodge-telemetry/src/logging.rs", "imap", "names the libraries whose logs are held back")];

/// Every channel word in the code of an inner room.
pub(super) fn check(files: &[SourceFile]) -> Vec<Finding> {
    let inner = files.iter().filter(|file| {
        let code = file.path.ends_with(".rs") || file.path.ends_with(".lua");
        code && ROOMS.iter().any(|room| file.path.starts_with(room)) && !is_test(&file.path)
    });
    inner.flat_map(findings).collect()
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

fn findings(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, line) in file.text.lines().enumerate() {
        if line.trim_start().starts_with("#[cfg(test)]") {
            break;
        }
        for word in words_of(code_of(line)).filter(|word| WORDS.contains(&word.as_str())) {
            if NEEDED.iter().any(|(path, needed, _)| *path == file.path && *needed == word) {
                continue;
            }
            let place = format!("{}:{}", file.path, at + 1);
            findings
                .push(Finding(format!("{place}: `{word}` is a channel's word; carry it as an opaque value")));
        }
    }
    findings
}

/// The line without its comment; `//` inside a text ends it too early, which only makes the check milder.
fn code_of(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

/// The words of a line, split at everything that is no letter and at capital letters, in lower case.
fn words_of(code: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    let mut previous_is_lower = false;
    for letter in code.chars() {
        let starts_word = letter.is_uppercase() && previous_is_lower;
        previous_is_lower = letter.is_lowercase();
        if (!letter.is_alphabetic() || starts_word) && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if letter.is_alphabetic()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
    }
    words.into_iter().filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        findings(&SourceFile { path: "crates/lodge-domain/src/x.rs".to_owned(), text: text.to_owned() }).len()
    }

    #[test]
    fn words_are_found_inside_names() {
        assert_eq!(found("fn imap_cursor() {}"), 1);
        assert_eq!(found("struct SmtpReply;"), 1);
        assert_eq!(found("const A: &str = \"social/messenger\";"), 1);
    }

    #[test]
    fn comments_tests_and_other_words_are_not() {
        assert_eq!(found("/// such as an imap folder"), 0);
        assert_eq!(found("let mimetic = 1; // smtp"), 0);
        assert_eq!(found("#[cfg(test)]\nmod tests { const X: &str = \"imap\"; }"), 0);
    }
}
