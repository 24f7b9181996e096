//! What stands within a line of Markdown: emphasis, code, links, tags, entities. Linear: a mark looks for its partner
//! within a bounded distance only.

use std::collections::HashMap;

/// Link definitions: name in lower case to address.
pub(super) type Definitions = HashMap<String, String>;

/// How far a mark may be from its partner, in characters.
const REACH: usize = 500;

/// `text` without its marks.
pub(super) fn inline(text: &str, definitions: &Definitions) -> String {
    let chars: Vec<char> = text.chars().collect();
    render(&chars, definitions, 0)
}

fn render(chars: &[char], definitions: &Definitions, depth: usize) -> String {
    let mut out = String::new();
    // Closing marks whose opening ones were dropped.
    let mut closing = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        if let Some(position) = closing.iter().position(|(start, _)| *start == at) {
            let (_, length) = closing.swap_remove(position);
            at += length;
            continue;
        }
        let (taken, shown) = match c {
            '\\' => escape(chars, at),
            '`' => code(chars, at),
            '!' if chars.get(at + 1) == Some(&'[') => image(chars, at),
            '[' if depth < 4 => link(chars, at, definitions, depth),
            '<' => tag(chars, at),
            '&' => entity(chars, at),
            '*' | '_' | '~' => {
                let length = run(chars, at);
                match partner(chars, at, length, &closing) {
                    Some(end) => {
                        closing.push((end, length));
                        (length, String::new())
                    }
                    None => (length, chars.iter().skip(at).take(length).collect()),
                }
            }
            other => (1, other.to_string()),
        };
        out.push_str(&shown);
        at += taken.max(1);
    }
    out
}

fn escape(chars: &[char], at: usize) -> (usize, String) {
    match chars.get(at + 1) {
        Some(next) if next.is_ascii_punctuation() => (2, next.to_string()),
        _ => (1, "\\".to_owned()),
    }
}

/// How often the character at `at` is repeated.
fn run(chars: &[char], at: usize) -> usize {
    chars.iter().skip(at).take(REACH).take_while(|c| Some(*c) == chars.get(at)).count()
}

fn code(chars: &[char], at: usize) -> (usize, String) {
    let length = run(chars, at);
    let mut end = at + length;
    while end < chars.len() && end < at + REACH {
        if chars[end] != '`' {
            end += 1;
            continue;
        }
        let closing = run(chars, end);
        if closing == length {
            let inside: String = chars[at + length..end].iter().collect();
            return (end + length - at, inside.trim().to_owned());
        }
        end += closing;
    }
    (length, "`".repeat(length))
}

/// Where the run of `length` marks at `at` ends its emphasis; `None` where it is no emphasis.
fn partner(chars: &[char], at: usize, length: usize, used: &[(usize, usize)]) -> Option<usize> {
    let mark = *chars.get(at)?;
    let is_word = |index: Option<&char>| index.is_some_and(|c| c.is_alphanumeric());
    let before = at.checked_sub(1).and_then(|index| chars.get(index));
    let opens = chars.get(at + length).is_some_and(|c| !c.is_whitespace());
    // A tilde strikes out only in pairs, and an underscore within a word is a part of it.
    if !opens || (mark == '~' && length != 2) || (mark == '_' && is_word(before)) || length > 3 {
        return None;
    }
    let mut end = at + length + 1;
    while end < chars.len() && end < at + REACH {
        if chars[end] != mark {
            end += 1;
            continue;
        }
        let closing = run(chars, end);
        let closes = chars.get(end - 1).is_some_and(|c| !c.is_whitespace());
        let inside_word = mark == '_' && is_word(chars.get(end + closing));
        if closing >= length && closes && !inside_word && !used.iter().any(|(start, _)| *start == end) {
            return Some(end);
        }
        end += closing;
    }
    None
}

/// The text between the bracket at `at` and its partner, and where that stands.
fn bracketed(chars: &[char], at: usize, open: char, close: char) -> Option<(String, usize)> {
    if chars.get(at) != Some(&open) {
        return None;
    }
    let mut depth = 0_usize;
    for (offset, c) in chars.iter().skip(at).take(REACH * 4).enumerate() {
        if *c == open {
            depth += 1;
        } else if *c == close {
            depth -= 1;
            if depth == 0 {
                let inside = chars.iter().skip(at + 1).take(offset - 1).collect();
                return Some((inside, at + offset));
            }
        }
    }
    None
}

fn image(chars: &[char], at: usize) -> (usize, String) {
    let Some((alternative, end)) = bracketed(chars, at + 1, '[', ']') else { return (1, "!".to_owned()) };
    match bracketed(chars, end + 1, '(', ')') {
        Some((_, close)) if chars.get(end + 1) == Some(&'(') => (close + 1 - at, alternative),
        _ => (1, "!".to_owned()),
    }
}

fn link(chars: &[char], at: usize, definitions: &Definitions, depth: usize) -> (usize, String) {
    let Some((text, end)) = bracketed(chars, at, '[', ']') else { return (1, "[".to_owned()) };
    let inner: Vec<char> = text.chars().collect();
    let shown = |address: &str| with_address(&render(&inner, definitions, depth + 1), address);
    match chars.get(end + 1) {
        Some('(') => {
            let Some((target, close)) = bracketed(chars, end + 1, '(', ')') else {
                return (1, "[".to_owned());
            };
            let address = target.split_whitespace().next().unwrap_or_default().trim_matches(['<', '>']);
            (close + 1 - at, shown(address))
        }
        Some('[') => {
            let Some((name, close)) = bracketed(chars, end + 1, '[', ']') else { return (1, "[".to_owned()) };
            let name = if name.is_empty() { text.to_lowercase() } else { name.to_lowercase() };
            match definitions.get(&name) {
                Some(address) => (close + 1 - at, shown(address)),
                None => (1, "[".to_owned()),
            }
        }
        _ => match definitions.get(&text.to_lowercase()) {
            Some(address) => (end + 1 - at, shown(address)),
            None => (1, "[".to_owned()),
        },
    }
}

/// Only addresses that a reader can use are shown: not those of scripts, and not those within the folder.
fn with_address(text: &str, address: &str) -> String {
    let usable = address.starts_with("https://") || address.starts_with("http://");
    let mail = address.strip_prefix("mailto:").or_else(|| address.strip_prefix("tel:"));
    match (usable.then_some(address).or(mail), text.is_empty()) {
        (Some(address), true) => address.to_owned(),
        (Some(address), false) if address != text => format!("{text} ({address})"),
        _ => text.to_owned(),
    }
}

/// `<https://…>` shows its address, `<br>` breaks the line, other tags vanish, and a lone `<` stays.
fn tag(chars: &[char], at: usize) -> (usize, String) {
    let Some(length) = chars.iter().skip(at).take(REACH).position(|c| *c == '>') else {
        return (1, "<".to_owned());
    };
    let inside: String = chars.iter().skip(at + 1).take(length - 1).collect();
    let is_address = !inside.contains(char::is_whitespace)
        && (inside.starts_with("https://") || inside.starts_with("http://") || inside.contains('@'));
    if is_address {
        return (length + 1, inside);
    }
    let name =
        inside.trim_start_matches('/').split([' ', '/', '>']).next().unwrap_or_default().to_ascii_lowercase();
    match name.as_str() {
        "br" => (length + 1, "\n".to_owned()),
        _ if name.starts_with(|c: char| c.is_ascii_alphabetic()) => (length + 1, String::new()),
        _ => (1, "<".to_owned()),
    }
}

fn entity(chars: &[char], at: usize) -> (usize, String) {
    let Some(length) = chars.iter().skip(at).take(10).position(|c| *c == ';') else {
        return (1, "&".to_owned());
    };
    let name: String = chars.iter().skip(at + 1).take(length - 1).collect();
    let shown = match name.as_str() {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some(' '),
        "euro" => Some('€'),
        "mdash" => Some('—'),
        "ndash" => Some('–'),
        "hellip" => Some('…'),
        other => other.strip_prefix('#').and_then(|n| n.parse().ok()).and_then(char::from_u32),
    };
    shown.map_or_else(|| (1, "&".to_owned()), |c| (length + 1, c.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        inline(text, &Definitions::from([("faq".to_owned(), "https://a.example/faq".to_owned())]))
    }

    #[test]
    fn marks_go_and_what_only_looks_like_them_stays() {
        for (markdown, text) in [
            ("**bold** and *it* and ***both***", "bold and it and both"),
            ("_a_ snake_case_name __b__", "a snake_case_name b"),
            ("3 * 4 * 5, a price*", "3 * 4 * 5, a price*"),
            ("~~old~~ ~5 m~", "old ~5 m~"),
            ("`a*b*` and ``x`y``", "a*b* and x`y"),
            (r"\*not\* \\ a\b", r"*not* \ a\b"),
            ("a < b > c, <b>x</b><br>y", "a < b > c, x\ny"),
            ("AT&amp;T &#8364; &unknown; & co", "AT&T € &unknown; & co"),
            ("**a *b* c**", "a b c"),
            ("`open", "`open"),
        ] {
            assert_eq!(plain(markdown), text, "{markdown}");
        }
    }

    #[test]
    fn links_show_addresses_that_a_reader_can_use() {
        for (markdown, text) in [
            ("[our **shop**](https://a.example \"t\")", "our shop (https://a.example)"),
            ("[mail](mailto:a@b.example)", "mail (a@b.example)"),
            ("[x](javascript:alert(1)) [y](../de/a.md)", "x y"),
            (
                "![a picture](p.png) <https://a.example> [FAQ] [q][faq] [no]",
                "a picture https://a.example FAQ (https://a.example/faq) q (https://a.example/faq) [no]",
            ),
            ("[https://a.example](https://a.example)", "https://a.example"),
            ("[open", "[open"),
            ("[a](b", "[a](b"),
        ] {
            assert_eq!(plain(markdown), text, "{markdown}");
        }
    }

    #[test]
    fn t27_marks_without_partners_cost_no_more_than_their_length() {
        for mark in ["*a ", "_a ", "`a ", "[a ", "![a](", "<a ", "~~a "] {
            assert!(!plain(&mark.repeat(20_000)).is_empty());
        }
    }
}
