//! File names and media types from outside, made safe for headers and for people. Never used as paths.

const LONGEST_NAME: usize = 120;

/// A name without control and direction characters, path separators or leading dots, at most 120 characters;
/// `file` where nothing is left (T46, T47).
pub(crate) fn file_name(name: &str) -> String {
    let kept = name.chars().filter(|c| !c.is_control() && !is_invisible(*c));
    let safe = kept.map(|c| if matches!(c, '/' | '\\' | ':') { '_' } else { c });
    let text: String = safe.collect();
    let trimmed = text.trim().trim_start_matches('.').trim();
    let cut: String = trimmed.chars().take(LONGEST_NAME).collect();
    if cut.is_empty() { "file".to_owned() } else { cut }
}

/// Direction marks, zero-width characters and the tags block: they make a name look like another.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// `type/subtype` in lower case without parameters (RFC 6838); `None` for anything else.
pub(crate) fn media_type(text: &str) -> Option<String> {
    let essence = text.split(';').next()?.trim().to_ascii_lowercase();
    let (kind, subtype) = essence.split_once('/')?;
    let fits = |part: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b);
        (1..=64).contains(&part.len()) && part.bytes().all(allowed)
    };
    (fits(kind) && fits(subtype)).then_some(essence)
}

/// `Content-Disposition: attachment` with both forms of the name (RFC 6266, RFC 8187).
pub(crate) fn disposition(name: &str) -> String {
    let name = file_name(name);
    let plain = |c: char| if c.is_ascii_graphic() && !matches!(c, '"' | '%') || c == ' ' { c } else { '_' };
    let ascii: String = name.chars().map(plain).collect();
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t46_t47_names_are_only_for_display() {
        for (given, safe) in [
            ("shot.png", "shot.png"),
            ("../../etc/passwd", "_.._etc_passwd"),
            (".htaccess", "htaccess"),
            ("inv\u{202e}gpj.exe", "invgpj.exe"),
            ("a\r\nX-Evil: 1", "aX-Evil_ 1"),
            ("\0\u{200b} .. ", "file"),
            ("C:\\temp\\x.doc", "C__temp_x.doc"),
        ] {
            assert_eq!(file_name(given), safe, "{given:?}");
        }
        assert_eq!(file_name(&"ä".repeat(4096)).chars().count(), 120);
    }

    #[test]
    fn dispositions_are_one_header_whatever_the_name() {
        assert_eq!(disposition("a b.txt"), "attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20b.txt");
        let hostile = disposition("ü\"; filename=\"x.html\r\n%41");
        assert_eq!(
            hostile,
            "attachment; filename=\"__; filename=_x.html_41\"; filename*=UTF-8''%C3%BC%22%3B%20filename%3D%22x.html%2541"
        );
        assert!(http::HeaderValue::from_str(&hostile).is_ok());
    }

    #[test]
    fn media_types_are_types_or_nothing() {
        assert_eq!(media_type("Text/HTML; charset=utf-8").as_deref(), Some("text/html"));
        for bad in
            ["", "text", "text/", "/html", "te xt/html", "text/html\r\nx: y", "text/html/x", "täxt/html"]
        {
            assert_eq!(media_type(bad), None, "{bad:?}");
        }
    }
}
