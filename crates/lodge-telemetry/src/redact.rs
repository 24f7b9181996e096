//! Lets a log line speak of a person without naming them: a keyed hash that is stable within one process.

use aws_lc_rs::{hmac, rand};
use data_encoding::HEXLOWER;
use std::sync::LazyLock;

static KEY: LazyLock<Option<hmac::Key>> =
    LazyLock::new(|| hmac::Key::generate(hmac::HMAC_SHA256, &rand::SystemRandom::new()).ok());

/// Eight hexadecimal digits that stand for `text` until this process ends.
#[must_use]
pub fn person(text: &str) -> String {
    KEY.as_ref().map_or_else(
        || "unnamed".to_owned(),
        |key| HEXLOWER.encode(&hmac::sign(key, text.to_lowercase().as_bytes()).as_ref()[..4]),
    )
}

/// Makes text from outside safe for one line of a log: control characters escaped, cut after `most` characters.
#[must_use]
pub fn line(text: &str, most: usize) -> String {
    let mut out = String::new();
    for c in text.chars().take(most) {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    if text.chars().nth(most).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t59_control_characters_never_reach_a_log_line() {
        assert_eq!(line("a\n\u{1b}[31mb", 20), "a\\n\\u{1b}[31mb");
        assert_eq!(line("abcdef", 3), "abc…");
        assert_eq!(person("Ann@Example.com"), person("ann@example.com"));
        assert_ne!(person("ann@example.com"), person("bob@example.com"));
    }
}
