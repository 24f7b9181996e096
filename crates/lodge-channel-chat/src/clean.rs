//! Text from strangers, made fit to be kept and shown: no control characters, no marks that turn the direction of what
//! stands beside them (T46), bounded. Cuts by characters, never by bytes.

/// Longest name or title kept, in characters.
const LINE: usize = 200;

fn is_hidden(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// One line: a name, a title, an address.
#[must_use]
pub(crate) fn line(text: &str) -> String {
    let kept: String = text.chars().filter(|c| !is_hidden(*c)).take(4 * LINE).collect();
    let words: Vec<&str> =
        kept.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    words.join(" ").chars().take(LINE).collect()
}

/// Running text: line breaks and tabulators stay, other control characters go. Joiners stay, since scripts need them.
#[must_use]
pub(crate) fn text(text: &str) -> String {
    let broken = text.replace("\r\n", "\n").replace('\r', "\n");
    let keeps = |c: char| {
        !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
            && (!c.is_control() || matches!(c, '\n' | '\t'))
    };
    broken.chars().filter(|c| keeps(*c)).collect::<String>().trim().to_owned()
}

/// A mail address that looks like one: something, one `@`, a name with a dot; `None` for the rest.
#[must_use]
pub(crate) fn email(text: &str) -> Option<String> {
    let address = text.trim();
    let (local, domain) = address.rsplit_once('@')?;
    let is_plain =
        |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '(' | ')' | ',' | ';' | ':' | '"' | '\\');
    let fits = (3..=254).contains(&address.len())
        && !local.is_empty()
        && !local.starts_with('-')
        && !local.contains('@')
        && local.chars().all(is_plain)
        && domain.contains('.')
        && domain.split('.').all(|label| !label.is_empty() && label.len() <= 63)
        && domain.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
    fits.then(|| format!("{local}@{}", domain.to_ascii_lowercase()))
}

/// A web address a browser may be sent to, bounded; `None` for other schemes.
#[must_use]
pub(crate) fn web_address(text: &str) -> Option<String> {
    let text = line(text);
    let known = text.starts_with("https://") || text.starts_with("http://");
    known.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t46_direction_marks_and_control_characters_go() {
        assert_eq!(line("Ann\u{202e}\r\n\0 Lee\u{200b} "), "Ann Lee");
        assert_eq!(text("a\r\nb\u{7}\tc\u{202e}\n"), "a\nb\tc");
        assert_eq!(line(&"x".repeat(5000)).len(), 200);
        assert_eq!(text("क्\u{200d}ष"), "क्\u{200d}ष", "a joiner is part of the word");
    }

    #[test]
    fn addresses_are_told_from_other_text() {
        assert_eq!(email(" Ann.Lee+x@Example.COM "), Some("Ann.Lee+x@example.com".to_owned()));
        for bad in [
            "",
            "ann",
            "ann@",
            "@example.com",
            "a b@example.com",
            "a@b@example.com",
            "ann@localhost",
            "-x@example.com",
            "ann@example.com\r\nBcc: x@y.example",
            "<ann@example.com>",
            "ann@exa mple.com",
            "ann@.com",
        ] {
            assert_eq!(email(bad), None, "{bad}");
        }
        assert_eq!(web_address("javascript:alert(1)"), None);
    }
}
