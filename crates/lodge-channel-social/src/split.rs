//! Cuts a long text into parts that a provider takes, at paragraphs, lines or words; nothing is lost (F05).

use crate::speech::Unit;

/// The most parts of one text; a longer one is a file's business.
pub(crate) const MOST_PARTS: usize = 20;

fn length(c: char, unit: Unit) -> usize {
    match unit {
        Unit::Characters => 1,
        Unit::Utf16 => c.len_utf16(),
        Unit::Bytes => c.len_utf8(),
        Unit::Weighted => match u32::from(c) {
            0..=0x10ff | 0x2000..=0x200d | 0x2010..=0x201f | 0x2032..=0x2037 => 1,
            _ => 2,
        },
    }
}

/// How long `text` is by `unit`.
pub(crate) fn measure(text: &str, unit: Unit) -> usize {
    text.chars().map(|c| length(c, unit)).sum()
}

/// The parts of `text`, each at most `limit` long by `unit`. White space at a cut goes.
pub(crate) fn split(text: &str, limit: usize, unit: Unit) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest: Vec<char> = text.trim_end().chars().collect();
    while !rest.is_empty() {
        let fitting = fitting(&rest, limit, unit);
        let at = if fitting == rest.len() { fitting } else { cut(&rest, fitting) };
        let tail = rest.split_off(at);
        let part: String = rest.iter().collect();
        if !part.trim().is_empty() {
            parts.push(part.trim_end().to_owned());
        }
        rest = tail.into_iter().skip_while(|c| c.is_whitespace()).collect();
    }
    parts
}

/// How many characters from the start fit; at least one, so that it goes on.
fn fitting(characters: &[char], limit: usize, unit: Unit) -> usize {
    let mut used = 0;
    for (at, c) in characters.iter().enumerate() {
        used += length(*c, unit);
        if used > limit {
            return at.max(1);
        }
    }
    characters.len()
}

/// The best place to cut among the first `fitting` characters: after a paragraph, a line, a word, in the second half of
/// them; else where they end, but not inside a character that is joined to the one before.
fn cut(characters: &[char], fitting: usize) -> usize {
    let half = fitting / 2;
    let after = |found: &dyn Fn(usize) -> bool| (half..fitting).rev().find(|at| found(*at)).map(|at| at + 1);
    let line = |at: usize| characters.get(at) == Some(&'\n');
    after(&|at| line(at) && at > 0 && line(at - 1))
        .or_else(|| after(&line))
        .or_else(|| after(&|at| characters.get(at).is_some_and(|c| c.is_whitespace())))
        .or_else(|| (half.max(1)..=fitting).rev().find(|at| !joined(characters, *at)))
        .unwrap_or(fitting)
}

/// Whether a cut at `at` would tear what is shown as one: joiners, variation selectors, skin tones, combining marks.
fn joined(characters: &[char], at: usize) -> bool {
    let joins = |c: &char| matches!(*c, '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{300}'..='\u{36f}');
    characters.get(at).is_some_and(joins) || at > 0 && characters.get(at - 1) == Some(&'\u{200d}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f05_nothing_is_lost_and_every_part_fits() {
        let words = "one two three\n\nfour five six seven\neight 😡 nine ".repeat(40);
        for unit in [Unit::Characters, Unit::Utf16, Unit::Bytes, Unit::Weighted] {
            for limit in [7, 30, 100, 1000, 100_000] {
                let parts = split(&words, limit, unit);
                assert!(parts.iter().all(|part| measure(part, unit) <= limit), "{unit:?} {limit}");
                let bare = |text: &str| text.split_whitespace().collect::<String>();
                assert_eq!(bare(&parts.concat()), bare(&words), "{unit:?} {limit}");
            }
        }
    }

    #[test]
    fn f05_cuts_at_paragraphs_then_lines_then_words_and_never_inside_what_is_shown_as_one() {
        assert_eq!(split("aaa bb\n\ncc dd", 10, Unit::Characters), ["aaa bb", "cc dd"]);
        assert_eq!(split("aaa bb cc", 7, Unit::Characters), ["aaa bb", "cc"]);
        let family = "👨\u{200d}👩\u{200d}👧";
        assert_eq!(
            split(&format!("xxxxx{family}"), 7, Unit::Characters),
            ["xxxxx".to_owned(), family.to_owned()]
        );
        assert_eq!(measure("日本 ok", Unit::Weighted), 7);
        assert_eq!(split("short", 10, Unit::Characters), ["short"]);
        assert!(split("  \n ", 10, Unit::Characters).is_empty());
    }
}
