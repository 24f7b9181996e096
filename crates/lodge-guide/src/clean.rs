//! Makes text from strangers fit to be shown and kept: no control, direction or invisible characters (T46), bounded by
//! characters and never cut within one.

/// Characters that nobody sees, or that turn the direction of what follows.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Joins letters of several scripts, and emoji: these stay.
fn joins(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// One line of at most `most` characters, white space collapsed.
pub(crate) fn line(text: &str, most: usize) -> String {
    let mut out = String::new();
    let mut count = 0;
    for c in text.chars() {
        let c = if c.is_whitespace() || c.is_control() { ' ' } else { c };
        if (is_invisible(c) && !joins(c)) || (c == ' ' && (out.is_empty() || out.ends_with(' '))) {
            continue;
        }
        if count == most {
            break;
        }
        out.push(c);
        count += 1;
    }
    out.truncate(out.trim_end().len());
    out
}

/// Several lines of at most `most` characters together; line ends become `\n`.
pub(crate) fn block(text: &str, most: usize) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    let mut count = 0;
    while let Some(c) = chars.next() {
        let c = match c {
            '\r' => {
                chars.next_if_eq(&'\n');
                '\n'
            }
            '\u{2028}' | '\u{2029}' | '\u{85}' | '\u{c}' => '\n',
            '\n' | '\t' => c,
            c if c.is_control() || (is_invisible(c) && !joins(c)) => continue,
            c => c,
        };
        if count == most {
            break;
        }
        out.push(c);
        count += 1;
    }
    out.trim().to_owned()
}

/// At most `most` characters of `text`, ending at a word with `…` where something was left out.
pub(crate) fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    let words = kept.rsplit_once(char::is_whitespace).map_or("", |(head, _)| head.trim_end());
    // A text without spaces (or one endless word) is cut where it must be.
    let kept = if words.chars().count() * 2 >= most { words } else { kept.as_str() };
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t46_control_direction_and_invisible_characters_go() {
        assert_eq!(line(" Ann\u{202e}\u{200b}\r\n Lee\0", 50), "Ann Lee");
        assert_eq!(line("ééé", 2), "éé");
        assert_eq!(block("a\r\nb\rc\u{1b}[31m\u{202e}\u{2066}", 100), "a\nb\nc[31m");
        assert_eq!(line("\u{1f469}\u{200d}\u{1f467}", 9), "\u{1f469}\u{200d}\u{1f467}");
    }

    #[test]
    fn texts_are_cut_at_words_and_never_within_a_character() {
        assert_eq!(shorten("one two three", 13), "one two three");
        assert_eq!(shorten("one two three", 10), "one two…");
        assert_eq!(shorten(&"字".repeat(30), 10).chars().count(), 10);
        assert_eq!(shorten("", 5), "");
    }
}
