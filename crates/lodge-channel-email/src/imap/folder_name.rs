//! Folder names in modified UTF-7 (RFC 3501 5.1.3), and quoted strings that cannot carry a command.

use crate::error::MailError;
use data_encoding::{Encoding, Specification};
use std::sync::LazyLock;

/// BASE64 with `,` for `/` and no padding.
static BASE64_COMMA: LazyLock<Encoding> = LazyLock::new(|| {
    let mut spec = Specification::new();
    spec.symbols.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,");
    match spec.encoding() {
        Ok(encoding) => encoding,
        Err(error) => unreachable!("a constant alphabet is valid: {error}"),
    }
});

/// A folder's name as it goes over the wire, unquoted.
pub(crate) fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut shifted: Vec<u8> = Vec::new();
    for c in name.chars() {
        if matches!(c, ' '..='~') {
            flush(&mut out, &mut shifted);
            out.push(c);
            if c == '&' {
                out.push('-');
            }
        } else {
            let mut units = [0; 2];
            shifted.extend(c.encode_utf16(&mut units).iter().flat_map(|unit| unit.to_be_bytes()));
        }
    }
    flush(&mut out, &mut shifted);
    out
}

fn flush(out: &mut String, shifted: &mut Vec<u8>) {
    if !shifted.is_empty() {
        out.push('&');
        out.push_str(&BASE64_COMMA.encode(shifted));
        out.push('-');
        shifted.clear();
    }
}

/// A quoted string. Refuses what could end it: CR, LF and NUL (T63).
pub(crate) fn quote(text: &str) -> Result<String, MailError> {
    if text.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        return Err(MailError::Unfit("a name or password with a line break".to_owned()));
    }
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a18_folder_names_are_written_in_modified_utf7() {
        for (name, wire) in [
            ("INBOX", "INBOX"),
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("Entwürfe", "Entw&APw-rfe"),
            ("A & B", "A &- B"),
            ("😀", "&2D3eAA-"),
            ("&", "&-"),
        ] {
            assert_eq!(encode(name), wire, "{name}");
        }
    }

    #[test]
    fn t63_quoted_strings_cannot_carry_a_command() {
        assert_eq!(quote(r#"a"b\c"#).unwrap(), r#""a\"b\\c""#);
        for hostile in ["a\r\nA1 DELETE INBOX", "a\nb", "a\0b"] {
            assert!(quote(hostile).is_err(), "{hostile:?}");
        }
    }
}
