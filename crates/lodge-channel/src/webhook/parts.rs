//! Bodies of `multipart/form-data` (RFC 7578, by the grammar of RFC 2046): fields, and files among them. Reads what is whole in
//! memory and copies none of it; never decodes, and never looks at more parts than any form has.

use bytes::Bytes;

/// The most parts of one form.
const MOST: usize = 1024;
/// The longest header of one part, in bytes.
const LONGEST_HEADER: usize = 8 * 1024;

/// One field of a form, or one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The field's name.
    pub name: String,
    /// The file's name, where it is a file.
    pub file: Option<String>,
    /// What the sender says it is, in lower case.
    pub media_type: Option<String>,
    /// Its content.
    pub bytes: Bytes,
}

/// The parts of `body`, in the order received; `None` where it is no form by its own media type, or not whole.
pub(super) fn parts(content_type: &str, body: &Bytes) -> Option<Vec<Part>> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(parameters, "boundary").filter(|text| (1..=70).contains(&text.len()))?;
    let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
    let first = delimiter.get(2..)?;
    // What stands before the first one says nothing.
    let mut at =
        if body.starts_with(first) { first.len() } else { find(body, &delimiter, 0)? + delimiter.len() };
    let mut parts = Vec::new();
    loop {
        let rest = body.get(at..)?;
        if rest.starts_with(b"--") {
            return Some(parts);
        }
        let padding = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let header = at + padding;
        let blank = find(body.get(..body.len().min(header + LONGEST_HEADER))?, b"\r\n\r\n", header)?;
        let content = blank + 4;
        let end = find(body, &delimiter, content)?;
        if parts.len() == MOST || !body.get(header..)?.starts_with(b"\r\n") {
            return None;
        }
        parts.extend(part(&String::from_utf8_lossy(body.get(header..blank)?), body.slice(content..end)));
        at = end + delimiter.len();
    }
}

/// A part that has a name; others say nothing.
fn part(header: &str, bytes: Bytes) -> Option<Part> {
    let value = |name: &str| {
        let mut lines = header.split("\r\n").filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    let (_, disposition) = value("content-disposition")?.split_once(';')?;
    let media_type = value("content-type").map(|kind| kind.split(';').next().unwrap_or_default());
    Some(Part {
        name: parameter(disposition, "name")?,
        file: parameter(disposition, "filename"),
        media_type: media_type.map(|kind| kind.trim().to_ascii_lowercase()),
        bytes,
    })
}

/// The value of a parameter: a token, or a text in quotes with what is escaped in it.
fn parameter(text: &str, name: &str) -> Option<String> {
    let mut rest = text.chars();
    loop {
        let key: String = rest.by_ref().take_while(|c| *c != '=').collect();
        if key.is_empty() {
            return None;
        }
        let mut value = String::new();
        let mut quoted = false;
        while let Some(c) = rest.next() {
            match c {
                '"' => quoted = !quoted,
                '\\' if quoted => value.extend(rest.next()),
                ';' if !quoted => break,
                c => value.push(c),
            }
        }
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value.trim().to_owned());
        }
    }
}

/// Where `wanted` begins in `bytes` at `from` or later.
fn find(bytes: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    let found = bytes.get(from..)?.windows(wanted.len()).position(|window| window == wanted)?;
    Some(from + found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: &str = "multipart/form-data; boundary=\"--x y\"";

    fn of(body: &[u8]) -> Option<Vec<Part>> {
        parts(KIND, &Bytes::copy_from_slice(body))
    }

    #[test]
    fn fields_and_files_are_told_apart_and_every_byte_is_kept() {
        let body = b"----x y\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n2\r\n----x y  \r\n\
            content-disposition: form-data; filename=\"the \\\"wav\\\"; name=b\"; name=recording\r\nContent-Type: Audio/WAV\r\n\r\n\
            RIFF\0\r\n--\r\n----x \xff\r\n----x y\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n----x y--\r\n";
        let parts = of(body).unwrap();
        let seen: Vec<_> = parts.iter().map(|part| (part.name.as_str(), part.file.as_deref())).collect();
        let file = Some("the \"wav\"; name=b");
        assert_eq!(seen, [("a", None), ("recording", file), ("empty", None)]);
        assert_eq!(parts[0].bytes[..], b"1\r\n2"[..]);
        assert_eq!(parts[1].bytes[..], b"RIFF\0\r\n--\r\n----x \xff"[..]);
        assert_eq!(parts[1].media_type.as_deref(), Some("audio/wav"));
        assert!(parts[2].bytes.is_empty());
    }

    #[test]
    fn t71_what_is_not_whole_or_goes_beyond_all_forms_is_no_form() {
        let field = b"----x y\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n";
        assert_eq!(of(field), None, "it has no end");
        let whole = [&field[..], b"----x y--"].concat();
        assert_eq!(of(&whole).unwrap().len(), 1);
        assert_eq!(parts("application/json", &Bytes::from(whole.clone())), None);
        assert_eq!(parts("multipart/form-data", &Bytes::from(whole)), None, "no boundary");
        assert_eq!(of(&[field.repeat(MOST + 1), b"----x y--".to_vec()].concat()), None, "too many parts");
        let long =
            [b"----x y\r\nX: ", "y".repeat(LONGEST_HEADER).as_bytes(), b"\r\n\r\n1\r\n----x y--"].concat();
        assert_eq!(of(&long), None, "a header beyond all headers");
        for strange in [
            &b""[..],
            b"--",
            b"----x y",
            b"----x y\r\n",
            b"----x y\r\n\r\n",
            b"----x yz\r\n\r\n\r\n----x y--",
        ] {
            assert_eq!(of(strange), None, "{strange:?}");
        }
    }
}
