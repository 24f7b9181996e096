//! Texts of the configuration: picked by language, and their places filled with what visitors said, as data. What a
//! visitor says is never read as a text with places (T39), and loses what turns or hides letters (T46).

use super::settings::Texts;
use crate::articles::primary;
use crate::clean;

/// Characters of a value that are shown in a text.
const MOST_SHOWN: usize = 80;

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// As it stands.
    Plain(&'t str),
    /// The name of a place to be filled.
    Place(&'t str),
}

/// The pieces of `text`. Braces around anything but a name are only braces.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut plain = 0;
    while let Some((before, after)) = rest.get(plain..).and_then(|part| part.split_once('{')) {
        match after.split_once('}').filter(|(name, _)| is_name(name)) {
            Some((name, behind)) => {
                let end = plain + before.len();
                pieces.push(Piece::Plain(rest.get(..end).unwrap_or_default()));
                pieces.push(Piece::Place(name));
                rest = behind;
                plain = 0;
            }
            None => plain += before.len() + 1,
        }
    }
    pieces.push(Piece::Plain(rest));
    pieces
}

/// Whether a step, a choice or a place may be called `name`.
pub(super) fn is_name(name: &str) -> bool {
    (1..=40).contains(&name.len())
        && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

/// `text` with its places filled by `value`. A place without a value leaves no gap: `Thanks, {name}!` is `Thanks!`.
pub(super) fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut is_gap = false;
    for piece in pieces(text) {
        match piece {
            Piece::Plain(plain) => {
                let ends_clause = plain.starts_with(['.', '!', '?', ',', ':', ';']) || plain.is_empty();
                if is_gap && ends_clause {
                    out.truncate(out.trim_end().trim_end_matches(',').len());
                }
                let doubled = is_gap && (out.is_empty() || out.ends_with(char::is_whitespace));
                out.push_str(if doubled { plain.trim_start_matches(' ') } else { plain });
                is_gap = false;
            }
            Piece::Place(name) => {
                let shown = value(name).map(|value| clean::line(&value, MOST_SHOWN)).unwrap_or_default();
                is_gap = shown.is_empty();
                out.push_str(&shown);
            }
        }
    }
    out
}

/// The text in `language`, in another variant of it, or in `fallback`.
pub(super) fn pick<'t>(texts: &'t Texts, language: &str, fallback: &str) -> Option<&'t str> {
    let exact = texts.get(language);
    let related = || texts.iter().find(|(tag, _)| primary(tag) == primary(language)).map(|(_, text)| text);
    exact.or_else(related).or_else(|| texts.get(fallback)).map(String::as_str)
}

/// The one of `languages` for a visitor who speaks `wanted`, if any: the same tag, else the same primary language.
pub(super) fn speak<'l>(languages: &'l [String], wanted: &str) -> Option<&'l String> {
    let exact = languages.iter().find(|tag| tag.eq_ignore_ascii_case(wanted));
    exact.or_else(|| languages.iter().find(|tag| primary(tag) == primary(wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str, name: &str) -> String {
        fill(text, |place| (place == "name").then(|| name.to_owned()))
    }

    #[test]
    fn t39_values_are_data_whatever_they_hold() {
        assert_eq!(filled("Thanks, {name}!", "{{7*7}}"), "Thanks, {{7*7}}!");
        assert_eq!(filled("Thanks, {name}!", "{email} {name} ${x} %n"), "Thanks, {email} {name} ${x} %n!");
        assert_eq!(filled("{name}", &"x".repeat(1 << 20)).chars().count(), MOST_SHOWN);
    }

    #[test]
    fn t46_values_lose_what_turns_or_hides_letters() {
        assert_eq!(filled("Hi {name}.", "Ann\u{202e}\u{200b}\n\u{7}Lee"), "Hi Ann Lee.");
    }

    #[test]
    fn places_without_values_leave_no_gaps() {
        for (text, want) in [
            ("Thanks, {name}!", "Thanks!"),
            ("Hello {name}, how are you?", "Hello, how are you?"),
            ("{name} said so", "said so"),
            ("Dear {name}", "Dear"),
            ("a {name} b", "a b"),
        ] {
            assert_eq!(filled(text, ""), want, "{text}");
        }
    }

    #[test]
    fn braces_around_anything_else_are_braces() {
        assert_eq!(filled("{{name}} { name } {} {Name} {", "x"), "{x} { name } {} {Name} {");
        assert_eq!(pieces("a{b}c").len(), 3);
    }

    #[test]
    fn texts_are_picked_by_language() {
        let texts: Texts = [("en", "e"), ("pt-BR", "p")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        assert_eq!(pick(&texts, "pt-PT", "en"), Some("p"));
        assert_eq!(pick(&texts, "xx", "en"), Some("e"));
        assert_eq!(pick(&texts, "xx", "yy"), None);
        assert_eq!(speak(&["en".to_owned(), "de".to_owned()], "DE-at").unwrap(), "de");
    }
}
