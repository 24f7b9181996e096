//! Makes text from outside fit to be shown: no control, direction or invisible characters, no end in a name that a
//! file system or a reader would take for another (T46, T47).

use super::limits;

/// Characters that nobody sees, or that turn the direction of what follows.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Joins letters of several scripts, and emoji; or breaks words (U+AD): these stay.
fn joins(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{ad}')
}

/// Whether `text` holds letters that only programs read: tags outside of the flags that are made of them.
pub(crate) fn has_tags(text: &str) -> bool {
    // All of them begin with this byte, and hardly anything else does.
    text.as_bytes().contains(&0xf3)
        && text.chars().any(|c| matches!(c, '\u{e0020}'..='\u{e007e}'))
        && !text.contains('\u{1f3f4}')
}

/// One line of text: no controls, no direction marks, white space collapsed, at most `most` characters.
pub(crate) fn line(text: &str, most: usize) -> String {
    let mut out = String::with_capacity(text.len().min(most.saturating_mul(4)));
    let mut count = 0;
    for c in text.chars() {
        let c = if c.is_whitespace() || c.is_control() { ' ' } else { c };
        if is_invisible(c) && !joins(c) {
            continue;
        }
        if c == ' ' && (out.is_empty() || out.ends_with(' ')) {
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

/// A person's name; `None` where nothing is left of it.
pub(crate) fn name(text: &str) -> Option<String> {
    let text = line(text, limits::NAME);
    let text = text.trim_matches(|c| matches!(c, '"' | '\'' | ' ')).trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Several lines of text: line ends become `\n`, controls go, at most `most` bytes; whether something was cut.
pub(crate) fn block(text: &str, most: usize) -> (String, bool) {
    let mut out = String::with_capacity(text.len().min(most));
    let mut rest = text;
    loop {
        // Nearly all text is runs of what stays as it is.
        let plain = |b: u8| matches!(b, b' '..=b'~' | b'\n' | b'\t');
        let run = rest.bytes().position(|b| !plain(b)).unwrap_or(rest.len()).min(most - out.len());
        out.push_str(rest.get(..run).unwrap_or_default());
        let mut chars = rest.get(run..).unwrap_or_default().chars();
        let Some(c) = chars.next() else { return (out, false) };
        rest = chars.as_str();
        let c = match c {
            '\r' => {
                rest = rest.strip_prefix('\n').unwrap_or(rest);
                '\n'
            }
            '\u{2028}' | '\u{2029}' | '\u{85}' | '\u{c}' => '\n',
            '\n' | '\t' => c,
            c if c.is_control() || (is_invisible(c) && !joins(c)) => continue,
            c => c,
        };
        if out.len() + c.len_utf8() > most {
            return (out, true);
        }
        out.push(c);
    }
}

/// A file's name, for display only; `None` where nothing is left of it.
pub(crate) fn file_name(text: &str) -> Option<String> {
    let last = text.rsplit(['/', '\\']).next().unwrap_or_default();
    let cleaned = line(last, usize::MAX);
    let cleaned: String = cleaned
        .chars()
        .map(|c| if matches!(c, ':' | '*' | '?' | '"' | '<' | '>' | '|') { '_' } else { c })
        .collect();
    let trimmed = cleaned.trim_matches(|c: char| c == ' ').trim_end_matches(['.', ' ']);
    if trimmed.is_empty() || trimmed.chars().all(|c| c == '.') {
        return None;
    }
    let stem = trimmed.split('.').next().unwrap_or_default().to_ascii_lowercase();
    const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com1", "lpt1"];
    let safe = if DEVICES.contains(&stem.as_str()) { format!("_{trimmed}") } else { trimmed.to_owned() };
    Some(shorten_keeping_extension(&safe))
}

fn shorten_keeping_extension(name: &str) -> String {
    if name.chars().count() <= limits::FILE_NAME && name.len() <= 255 {
        return name.to_owned();
    }
    let extension = name.rsplit_once('.').map(|(_, e)| e).filter(|e| e.len() <= 10);
    let tail = extension.map_or_else(String::new, |e| format!(".{e}"));
    let room = limits::FILE_NAME - tail.chars().count();
    let mut head = String::new();
    for c in name.chars().take(room) {
        if head.len() + c.len_utf8() + tail.len() > 255 {
            break;
        }
        head.push(c);
    }
    head + &tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t47_file_names_are_only_names() {
        for (raw, want) in [
            ("../../etc/passwd", Some("passwd")),
            ("C:\\x\\a.txt", Some("a.txt")),
            ("inv\u{202e}gpj.exe", Some("invgpj.exe")),
            ("a\0b.txt. . ", Some("a b.txt")),
            ("..", None),
            ("", None),
            ("con.txt", Some("_con.txt")),
            (".htaccess", Some(".htaccess")),
            ("a\r\nb", Some("a b")),
        ] {
            assert_eq!(file_name(raw).as_deref(), want, "{raw:?}");
        }
        let long = file_name(&("ж".repeat(4096) + ".pdf")).unwrap();
        assert!(long.ends_with(".pdf") && long.chars().count() <= limits::FILE_NAME && long.len() <= 255);
    }

    #[test]
    fn t46_names_and_blocks() {
        assert_eq!(name(" \"Ann\u{200b}\u{202e} Lee\"\r\n").as_deref(), Some("Ann Lee"));
        assert_eq!(name("\u{200b}\0"), None);
        assert_eq!(name(&"x".repeat(limits::NAME + 1)).unwrap().len(), limits::NAME);
        assert_eq!(block("a\r\nb\rc\u{1b}[31m\u{202e}", 100), ("a\nb\nc[31m".to_owned(), false));
        assert_eq!(block("éé", 3), ("é".to_owned(), true));
    }
}
