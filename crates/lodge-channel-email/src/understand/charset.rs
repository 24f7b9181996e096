//! Bytes to text: labels as browsers read them (WHATWG), and a guess where a label is missing or lies.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, REPLACEMENT, UTF_8, WINDOWS_1252};
use mail_parser::decoders::charsets::map::charset_decoder;

/// Decodes `bytes`, labelled `label` by the sender; `tld` is the last label of the sender's domain.
pub(crate) fn decode(bytes: &[u8], label: Option<&str>, tld: Option<&str>) -> String {
    let label = label.map(tidy).unwrap_or_default();
    let plain = matches!(
        label.as_str(),
        "" | "us-ascii" | "ascii" | "ansi_x3.4-1968" | "utf-8" | "utf8" | "utf-8-strict"
    );
    if plain || label.contains("unknown") || matches!(label.as_str(), "default" | "binary" | "8bit" | "none")
    {
        return guess(bytes, tld);
    }
    match Encoding::for_label(label.as_bytes()) {
        // The replacement encoding stands for labels that browsers refuse (ISO-2022-KR, HZ).
        Some(encoding) if encoding != REPLACEMENT => {
            encoding.decode_without_bom_handling(bytes).0.into_owned()
        }
        _ => match charset_decoder(label.as_bytes()) {
            Some(decoder) => decoder(bytes),
            None => guess(bytes, tld),
        },
    }
}

/// Decodes `bytes` of which nothing is known.
pub(crate) fn guess(bytes: &[u8], tld: Option<&str>) -> String {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) if !looks_like_jis(bytes) => text.to_owned(),
        Ok(_) => encoding_rs::ISO_2022_JP.decode_without_bom_handling(bytes).0.into_owned(),
        Err(error) if mostly_utf8(bytes, error.valid_up_to()) => String::from_utf8_lossy(bytes).into_owned(),
        Err(_) => detect(bytes, tld).decode_without_bom_handling(bytes).0.into_owned(),
    }
}

/// The encoding `bytes` are most likely in.
fn detect(bytes: &[u8], tld: Option<&str>) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes.get(..bytes.len().min(64 * 1024)).unwrap_or(bytes), true);
    let usable = |tld: &&str| {
        !tld.is_empty() && tld.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let found = detector.guess(tld.filter(usable).map(str::as_bytes), Utf8Detection::Deny);
    if found == UTF_8 { WINDOWS_1252 } else { found }
}

/// ISO-2022-JP hides in seven bits: an escape that shifts to a Japanese set gives it away.
fn looks_like_jis(bytes: &[u8]) -> bool {
    bytes.contains(&0x1b) && bytes.windows(3).any(|w| matches!(w, b"\x1b$B" | b"\x1b$@" | b"\x1b(J"))
}

/// UTF-8 that was cut in the middle of a character, or has one stray byte in much text, is still UTF-8.
fn mostly_utf8(bytes: &[u8], valid_up_to: usize) -> bool {
    let tail_cut = bytes.len() - valid_up_to < 4
        && bytes.get(valid_up_to..).is_some_and(|t| t.iter().all(|b| *b >= 0x80));
    let wide = bytes.get(..valid_up_to).is_some_and(|head| head.iter().any(|b| *b >= 0x80));
    wide && tail_cut
}

/// The label in lower case, without quotes, language (RFC 2231: `utf-8*en`) and well-known misspellings.
fn tidy(label: &str) -> String {
    let label = label.trim().trim_matches(|c| matches!(c, '"' | '\'' | '=' | '<' | '>'));
    let label = label.split(['*', ';', ' ']).next().unwrap_or_default().to_ascii_lowercase();
    match label.as_str() {
        "utf8mb4" | "utf-8n" | "unicode-1-1-utf-8" | "cp65001" => "utf-8".to_owned(),
        "iso-2022-jp-ms" | "cp50220" | "cp50221" | "iso-2022-jp-1" => "iso-2022-jp".to_owned(),
        "cp936" | "cp-936" | "ms936" | "gbk2312" | "gb-2312" => "gbk".to_owned(),
        "cp932" | "cp-932" => "shift_jis".to_owned(),
        "cp949" | "ms949" | "ks_c_5601-1992" => "euc-kr".to_owned(),
        "cp950" => "big5".to_owned(),
        "latin1" | "latin-1" | "iso8859-1" | "iso_8859-1" => "windows-1252".to_owned(),
        other => {
            other.strip_prefix("cp125").map_or_else(|| other.to_owned(), |page| format!("windows-125{page}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b01_labels_and_guesses() {
        assert_eq!(decode(b"caf\xe9", Some("iso-8859-1"), None), "café");
        assert_eq!(decode(b"\xb0\xa1", Some("ks_c_5601-1987"), None), "가");
        assert_eq!(decode(b"\xc4\xe3\xba\xc3", Some("gb2312"), None), "你好");
        assert_eq!(decode(b"\x1b$B$3$s\x1b(B", Some("iso-2022-jp"), None), "こん");
        assert_eq!(decode(b"\x1b$B$3$s\x1b(B", None, None), "こん");
        assert_eq!(decode(b"Hi +AOk-", Some("utf-7"), None), "Hi é");
        assert_eq!(decode("é".as_bytes(), Some("us-ascii"), None), "é");
        assert_eq!(decode(b"gr\xfc\xdfe aus k\xf6ln", Some("utf-8"), Some("de")), "grüße aus köln");
        assert!(!decode(b"\xe9\x80", Some("x-no-such"), None).is_empty());
    }
}
