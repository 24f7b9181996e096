//! Header text: unfolding (RFC 5322 2.2.3), encoded words (RFC 2047), parameters and their pieces (RFC 2231).
//!
//! Decoded text is text alone: nothing here or later reads it again as an address or a header.

use super::charset;
use mail_parser::decoders::{base64::base64_decode, quoted_printable::quoted_printable_decode};
use std::collections::BTreeMap;

/// Takes the line ends out of a folded field.
pub(crate) fn unfold(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    for b in raw {
        if !matches!(b, b'\r' | b'\n') {
            out.push(*b);
        }
    }
    out
}

/// Decodes free text of a header field; `tld` helps to guess the charset of raw 8-bit text.
pub(crate) fn text(raw: &[u8], tld: Option<&str>) -> String {
    decode_words(&unfold(raw), tld)
}

/// Decodes encoded words in `bytes`, which holds no line ends.
pub(crate) fn decode_words(bytes: &[u8], tld: Option<&str>) -> String {
    let mut out = String::new();
    let mut pending: Option<(String, Vec<u8>)> = None;
    let mut plain_from = 0;
    let mut at = 0;
    while at < bytes.len() {
        let word = if bytes[at..].starts_with(b"=?") { encoded_word(&bytes[at..]) } else { None };
        let Some((label, decoded, length)) = word else {
            at += 1;
            continue;
        };
        let between = &bytes[plain_from..at];
        // White space between two encoded words is not text (RFC 2047 6.2).
        let joined = pending.is_some() && between.iter().all(u8::is_ascii_whitespace);
        match &mut pending {
            // One character may be split over two words.
            Some((known, all)) if joined && *known == label => all.extend_from_slice(&decoded),
            _ => {
                flush(&mut out, &mut pending, tld);
                if !joined {
                    out.push_str(&charset::guess(between, tld));
                }
                pending = Some((label, decoded));
            }
        }
        at += length;
        plain_from = at;
    }
    flush(&mut out, &mut pending, tld);
    out.push_str(&charset::guess(&bytes[plain_from..], tld));
    out
}

fn flush(out: &mut String, pending: &mut Option<(String, Vec<u8>)>, tld: Option<&str>) {
    if let Some((label, bytes)) = pending.take() {
        out.push_str(&charset::decode(&bytes, Some(&label), tld));
    }
}

/// Reads one encoded word at the start of `bytes`: charset, decoded bytes, and how long it was.
fn encoded_word(bytes: &[u8]) -> Option<(String, Vec<u8>, usize)> {
    let rest = &bytes[2..];
    let label_end = rest.iter().take(60).position(|b| *b == b'?')?;
    let label = std::str::from_utf8(&rest[..label_end]).ok()?;
    if label.is_empty() || label.bytes().any(|b| b.is_ascii_whitespace()) {
        return None;
    }
    let encoding = rest.get(label_end + 1)?.to_ascii_lowercase();
    if rest.get(label_end + 2) != Some(&b'?') {
        return None;
    }
    let start = label_end + 3;
    let body = rest.get(start..)?;
    let (body_length, closed) = match find(body, b"?=") {
        Some(at) => (at, true),
        // A word whose end was cut off: only base64 cannot be mistaken for text.
        None if encoding == b'b' => {
            (body.iter().position(u8::is_ascii_whitespace).unwrap_or(body.len()), false)
        }
        None => return None,
    };
    let body = &body[..body_length];
    let decoded = match encoding {
        b'b' => base64_lenient(body),
        b'q' => q_decode(body),
        _ => return None,
    };
    Some((label.to_ascii_lowercase(), decoded, 2 + start + body_length + if closed { 2 } else { 0 }))
}

fn q_decode(body: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = body.iter().map(|b| if *b == b'_' { b' ' } else { *b }).collect();
    quoted_printable_decode(&spaced).unwrap_or(spaced)
}

/// Base64 that forgives missing padding and stray characters.
pub(crate) fn base64_lenient(body: &[u8]) -> Vec<u8> {
    let mut clean: Vec<u8> =
        body.iter().copied().filter(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')).collect();
    if clean.len() % 4 == 1 {
        clean.pop();
    }
    while !clean.len().is_multiple_of(4) {
        clean.push(b'=');
    }
    base64_decode(&clean).unwrap_or_default()
}

/// The words of `text`, one space between them.
pub(crate) fn on_one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut add = |word: &str| {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    };
    if text.is_ascii() {
        // The same, without looking for white space of other scripts.
        let blank = |c: char| matches!(c, '\t'..='\r' | ' ');
        text.split(blank).filter(|word| !word.is_empty()).for_each(add);
    } else {
        text.split_whitespace().for_each(&mut add);
    }
    out
}

/// Where `needle` starts in `haystack`.
pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let (first, rest) = needle.split_first()?;
    let mut at = 0;
    loop {
        at += haystack.get(at..)?.iter().position(|b| b == first)? + 1;
        if haystack.get(at..)?.starts_with(rest) {
            return Some(at - 1);
        }
    }
}

/// Where `needle`, in lower case, starts in `text` whatever the case of its ASCII letters.
pub(crate) fn find_ignoring_case(text: &str, needle: &str) -> Option<usize> {
    text.as_bytes().windows(needle.len()).position(|w| w.eq_ignore_ascii_case(needle.as_bytes()))
}

/// A structured field such as Content-Type: its first value in lower case, and its parameters by lower-case name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters {
    pub(crate) value: String,
    pub(crate) all: BTreeMap<String, String>,
    /// A parameter stood there twice, differing.
    pub(crate) twice: bool,
}

impl Parameters {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all.get(name).map(String::as_str)
    }

    /// Reads `raw`; never fails, at worst there are no parameters. At most 200 pieces are looked at.
    pub(crate) fn parse(raw: &[u8], tld: Option<&str>) -> Self {
        let bytes = unfold(raw);
        let mut pieces = split_outside_quotes(&bytes, b';').into_iter();
        let value =
            pieces.next().map(|v| String::from_utf8_lossy(v).trim().to_ascii_lowercase()).unwrap_or_default();
        let mut found = Self { value, ..Self::default() };
        let mut continued: BTreeMap<String, BTreeMap<u32, (Vec<u8>, bool)>> = BTreeMap::new();
        for piece in pieces.take(200) {
            let Some(at) = piece.iter().position(|b| *b == b'=') else { continue };
            let name = String::from_utf8_lossy(&piece[..at]).trim().to_ascii_lowercase();
            let content = unquote(&piece[at + 1..]);
            match name.split_once('*') {
                None => found.plain(name, &content, tld),
                Some((base, order)) => {
                    let encoded = order.is_empty() || order.ends_with('*');
                    let order = order.trim_end_matches('*').parse().unwrap_or(0);
                    continued.entry(base.to_owned()).or_default().insert(order, (content, encoded));
                }
            }
        }
        for (name, parts) in continued {
            // An encoded form wins over the plain one (RFC 6266 4.3 for file names, practice elsewhere).
            found.all.insert(name, join_continued(parts.into_values(), tld));
        }
        found
    }

    fn plain(&mut self, name: String, content: &[u8], tld: Option<&str>) {
        let text = decode_words(content, tld);
        match self.all.get(&name) {
            Some(known) if *known != text => self.twice = true,
            Some(_) => {}
            None => {
                self.all.insert(name, text);
            }
        }
    }
}

/// Splits at `mark` outside of quoted strings; an unclosed quote ends at the last byte.
pub(crate) fn split_outside_quotes(bytes: &[u8], mark: u8) -> Vec<&[u8]> {
    let mut out = Vec::new();
    let (mut start, mut quoted, mut at) = (0, false, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b if b == mark && !quoted => {
                out.push(&bytes[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    out.push(&bytes[start.min(bytes.len())..]);
    out
}

fn unquote(bytes: &[u8]) -> Vec<u8> {
    let bytes = bytes.trim_ascii();
    let Some(inner) = bytes.strip_prefix(b"\"") else { return bytes.to_vec() };
    let mut out = Vec::with_capacity(inner.len());
    let mut escaped = false;
    for b in inner {
        match b {
            b'\\' if !escaped => escaped = true,
            b'"' if !escaped => break,
            _ => {
                // A backslash before anything but a quote or backslash is a Windows path, not an escape.
                if escaped && !matches!(b, b'"' | b'\\') {
                    out.push(b'\\');
                }
                out.push(*b);
                escaped = false;
            }
        }
    }
    out
}

fn join_continued(parts: impl Iterator<Item = (Vec<u8>, bool)>, tld: Option<&str>) -> String {
    let mut label = None;
    let mut all = Vec::new();
    for (at, (content, encoded)) in parts.enumerate() {
        let mut content = content.as_slice();
        if encoded && at == 0 {
            let mut quotes = content.splitn(3, |b| *b == b'\'');
            if let (Some(charset), Some(_), Some(rest)) = (quotes.next(), quotes.next(), quotes.next()) {
                label = std::str::from_utf8(charset).ok().filter(|c| !c.is_empty()).map(str::to_owned);
                content = rest;
            }
        }
        if encoded { all.extend(percent_decode(content)) } else { all.extend_from_slice(content) }
    }
    if label.is_some() { charset::decode(&all, label.as_deref(), tld) } else { decode_words(&all, tld) }
}

fn percent_decode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex =
            |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
        match (bytes[at], hex(bytes.get(at + 1)), hex(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push(high * 16 + low);
                at += 3;
            }
            (b, ..) => {
                out.push(b);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_words_as_they_come() {
        for (raw, want) in [
            (&b"=?utf-8?Q?Gr=C3=BC=C3=9Fe?="[..], "Grüße"),
            (b"=?utf-8?B?w6k=?= =?utf-8?B?w6k=?=", "éé"),
            (b"=?utf-8?Q?=C3?=\r\n =?utf-8?Q?=A9?=", "é"),
            (b"=?UTF-8*en?Q?a_b?= c", "a b c"),
            (b"Re: =?iso-8859-1?q?caf=E9 au lait?=", "Re: café au lait"),
            (b"=?utf-8?B?w6nDqQ", "éé"),
            (b"=?utf-8?Q?no end", "=?utf-8?Q?no end"),
            (b"a=?utf-8?Q?b?=c", "abc"),
            (b"gr\xfc\xdfe", "grüße"),
        ] {
            assert_eq!(text(raw, Some("de")), want);
        }
    }

    #[test]
    fn all_white_space_separates_words() {
        for (text, want) in [
            (" a\x0b\tb\r\n\n c ", "a b c"),
            ("a\u{a0}é\u{2003}\u{85}b", "a é b"),
            ("\x1c\0", "\x1c\0"),
            (" ", ""),
        ] {
            assert_eq!(on_one_line(text), want);
            assert_eq!(text.split_whitespace().collect::<Vec<_>>().join(" "), want);
        }
    }

    #[test]
    fn parameters_in_pieces() {
        let parse = |raw: &str| Parameters::parse(raw.as_bytes(), None);
        let name = |raw: &str| parse(raw).get("filename").unwrap_or_default().to_owned();
        assert_eq!(name("attachment; filename*0*=utf-8''a%C3%A9; filename*1=\"b.txt\""), "aéb.txt");
        assert_eq!(name("attachment; filename*1=b; filename*0=a"), "ab");
        assert_eq!(name("attachment; filename=x.txt; filename*=utf-8''%C3%A9.txt"), "é.txt");
        assert_eq!(name("attachment; filename==?utf-8?B?w6k=?="), "é");
        assert_eq!(name("attachment; filename=\"a;b\\\"c.txt\""), "a;b\"c.txt");
        assert!(parse("multipart/mixed; boundary=a; boundary=b").twice);
        assert_eq!(parse("TEXT/Plain; charset=\"utf-8").value, "text/plain");
    }
}
