//! Finds the answer in what a visitor wrote: names, addresses, numbers, choices. What it does not find is no answer.

use super::words;
use crate::clean;
use regex::{Regex, RegexBuilder};

/// Characters of a name, and words.
const MOST_NAME: usize = 120;
const MOST_NAME_WORDS: usize = 6;
/// Characters of what a pattern finds.
const MOST_FOUND: usize = 60;
/// The compiled size of a pattern, in bytes (T27).
const PATTERN_LIMIT: usize = 1 << 20;

/// What people write before their names, normal.
const BEFORE_NAMES: &str = "my name is|the name is|name is|i am called|i am|i m|im|it is|it s|this is|ich heisse|ich heiße|mein name ist|\
    ich bin|je m appelle|je suis|mon nom est|c est|me llamo|mi nombre es|soy|mi chiamo|sono|il mio nome e|chamo me|meu nome e|sou|\
    ik heet|mijn naam is|ik ben|nazywam sie|mam na imie|jestem|jag heter|jeg hedder|jeg heter|nimeni on|olen|jmenuji se|jsem|\
    benim adim|adim|меня зовут|мене звати|我叫|我是";

/// A name: a line with letters that is no address, no link, no sentence.
pub(super) fn name(said: &str) -> Option<String> {
    let line = clean::line(said, MOST_NAME + 1);
    if line.chars().count() > MOST_NAME || line.contains(['@', '/', '<', '>', '=']) || line.contains("www.") {
        return None;
    }
    let bare = without_opening(&line);
    let bare =
        bare.trim_matches(|c: char| c.is_whitespace() || matches!(c, '.' | ',' | '!' | '"' | ';' | ':'));
    let is_name = bare.chars().any(char::is_alphabetic)
        && bare.split_whitespace().count() <= MOST_NAME_WORDS
        && !bare.contains('?')
        && bare.chars().filter(char::is_ascii_digit).count() <= 3;
    is_name.then(|| bare.to_owned())
}

/// "My name is Ann" is Ann.
fn without_opening(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    for taken in (1..words.len().min(5)).rev() {
        let (opening, rest) = words.split_at(taken);
        let opening = words::normal(&opening.join(" "));
        if BEFORE_NAMES.split('|').any(|phrase| phrase == opening) {
            return rest.join(" ");
        }
    }
    line.to_owned()
}

/// The first email address in what was said (the part of RFC 5321 that people have), at most 254 characters.
pub(super) fn email(said: &str) -> Option<String> {
    let outside = |c: char| c.is_whitespace() || c.is_control() || "<>()[],;:\"'\\|".contains(c);
    said.split(outside).find_map(|word| {
        let word = word.trim_matches(['.', '!', '?']);
        let (local, domain) = word.rsplit_once('@')?;
        let is_local = (1..=64).contains(&local.len())
            && local.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&*+-/=?^_`{|}~.".contains(&b))
            && !local.contains("..");
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        };
        let ends = domain.rsplit('.').next().unwrap_or_default();
        let is_domain = domain.contains('.')
            && domain.split('.').all(is_label)
            && ends.chars().count() >= 2
            && !ends.chars().all(|c| c.is_ascii_digit());
        (is_local && is_domain && word.len() <= 254).then(|| format!("{local}@{}", domain.to_lowercase()))
    })
}

/// The first telephone number in what was said: 6 to 15 digits (E.164), with `+` where it was written.
pub(super) fn phone(said: &str) -> Option<String> {
    let is_part = |c: char| c.is_ascii_digit() || " +-./()\u{a0}".contains(c);
    said.split(|c: char| !is_part(c)).find_map(|part| {
        let digits: String = part.chars().filter(char::is_ascii_digit).collect();
        let plus = if part.trim_start().trim_start_matches('(').starts_with('+') { "+" } else { "" };
        (6..=15).contains(&digits.len()).then(|| format!("{plus}{digits}"))
    })
}

/// What `pattern` finds first.
pub(super) fn by_pattern(said: &str, pattern: &Regex) -> Option<String> {
    let found = pattern.find_iter(said).find(|found| !found.as_str().trim().is_empty())?;
    let found = clean::line(found.as_str(), MOST_FOUND);
    (!found.is_empty()).then_some(found)
}

/// Something with a letter or a digit in it.
pub(super) fn text(said: &str) -> Option<String> {
    said.chars().any(char::is_alphanumeric).then(|| said.to_owned())
}

/// Which of `choices` is meant, each with its labels and words: one of them, its number from 1, or a message that holds
/// the label of exactly one.
pub(super) fn choice(said: &str, choices: &[Vec<String>]) -> Option<usize> {
    let said = words::normal(said);
    if let Some(exact) = choices.iter().position(|names| names.iter().any(|name| words::normal(name) == said))
    {
        return Some(exact);
    }
    if let Ok(number) = said.parse::<usize>() {
        return number.checked_sub(1).filter(|at| *at < choices.len());
    }
    let mut held = choices.iter().enumerate().filter(|(_, names)| {
        names.iter().map(|name| words::normal(name)).any(|name| words::contains(&said, &name))
    });
    match (held.next(), held.next()) {
        (Some((at, _)), None) => Some(at),
        _ => None,
    }
}

/// Compiles a pattern of the configuration, bounded (T27).
///
/// # Errors
/// Why it cannot be compiled, in a few words.
pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(pattern);
    builder.case_insensitive(true).size_limit(PATTERN_LIMIT).dfa_size_limit(PATTERN_LIMIT).nest_limit(64);
    builder.build().map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => format!("it grows beyond {limit} bytes when compiled"),
        // The crate draws a picture over several lines; the last one says what is wrong.
        other => {
            let text = other.to_string();
            text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (said, want) in [
            ("Ann Lee", Some("Ann Lee")),
            ("My name is Ann Lee.", Some("Ann Lee")),
            ("je m’appelle Zoë", Some("Zoë")),
            ("Ich heiße Jörg", Some("Jörg")),
            ("меня зовут Анна", Some("Анна")),
            ("ann@example.com", None),
            ("https://evil.example", None),
            ("why do you want to know?", None),
            ("12345", None),
            ("", None),
            ("I would like to have my money back at once please", None),
        ] {
            assert_eq!(name(said).as_deref(), want, "{said}");
        }
        assert_eq!(name(&"x".repeat(121)), None);
    }

    #[test]
    fn t39_t46_names_are_kept_as_data_and_cleaned() {
        assert_eq!(name("{{7*7}}").as_deref(), None);
        assert_eq!(name("{{user}} Ann").as_deref(), Some("{{user}} Ann"));
        assert_eq!(name("A\u{202e}nn\u{200b}\0").as_deref(), Some("Ann"));
    }

    #[test]
    fn addresses_and_numbers_are_found_in_sentences() {
        for (said, want) in [
            ("it's ann.lee+x@Mail.Example.COM, thanks", Some("ann.lee+x@mail.example.com")),
            ("<ann@example.com>", Some("ann@example.com")),
            ("ann@müller.example.", Some("ann@müller.example")),
            ("ann@localhost", None),
            ("@example.com", None),
            ("a@b@c", None),
            ("ann@10.0.0.1", None),
            ("a\r\nBcc: x@-evil.example", None),
        ] {
            assert_eq!(email(said).as_deref(), want, "{said}");
        }
        for (said, want) in [
            ("+49 (0)30 1234-567", Some("+490301234567")),
            ("call 030/1234567 please", Some("0301234567")),
            ("12345", None),
            ("1234567890123456", None),
            ("none", None),
        ] {
            assert_eq!(phone(said).as_deref(), want, "{said}");
        }
    }

    #[test]
    fn choices_by_label_number_and_mention() {
        let names: Vec<Vec<String>> =
            [&["An invoice", "refund"][..], &["A delivery", "parcel"], &["Something else"]]
                .iter()
                .map(|names| names.iter().map(|name| (*name).to_owned()).collect())
                .collect();
        for (said, want) in [
            ("a DELIVERY!", Some(1)),
            ("3", Some(2)),
            ("0", None),
            ("4", None),
            ("I want a refund", Some(0)),
            ("refund for my parcel", None),
            ("what?", None),
        ] {
            assert_eq!(choice(said, &names), want, "{said}");
        }
    }

    #[test]
    fn t27_patterns_are_bounded_and_linear() {
        assert!(compile("x{1000}{1000}").unwrap_err().contains("grows beyond"));
        assert!(compile("(").is_err() && compile(r"(a)\1").is_err());
        let slow = compile("(a+)+$").unwrap();
        assert_eq!(by_pattern(&("a".repeat(2_000) + "!"), &slow), None);
        let order = compile("[A-Z]{2}-?[0-9]{6}").unwrap();
        assert_eq!(by_pattern("it was ab-123456 I think", &order).as_deref(), Some("ab-123456"));
        assert_eq!(by_pattern("nothing", &compile("x*").unwrap()), None);
    }
}
