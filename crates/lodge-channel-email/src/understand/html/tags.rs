//! Single tags of HTML: where they end, what their attributes say, and what that means for their content.

use crate::understand::words::find;
use mail_parser::decoders::html::add_html_token;
use std::borrow::Cow;

/// Marks in a container's id or class that say: what is inside was said before.
const QUOTES: &[&str] = &[
    "gmail_quote",
    "gmail_extra",
    "yahoo_quoted",
    "protonmail_quote",
    "tutanota_quote",
    "zmail_extra",
    "moz-cite-prefix",
    "outlookmessageheader",
    "divrplyfwdmsg",
    "appendonsend",
    "mail-editor-reference-message-container",
    "reply-intro",
    "gmail_attr",
    "replysplit",
];

/// Where the tag that `rest` starts with ends; quoted attribute values may hold a `>`.
pub(super) fn tag_end(rest: &[u8]) -> Option<usize> {
    let mut quote = 0;
    for (at, b) in rest.iter().enumerate().take(4 * 1024) {
        match *b {
            b if quote != 0 && b == quote => quote = 0,
            _ if quote != 0 => {}
            // A quote opens only after `=`: elsewhere it is a slip of the pen.
            b'"' | b'\'' if rest[..at].trim_ascii_end().last() == Some(&b'=') => quote = *b,
            b'>' => return Some(at),
            _ => {}
        }
    }
    rest.iter().position(|b| *b == b'>')
}

pub(super) fn end_of_raw(bytes: &[u8], from: usize, name: &str) -> usize {
    let mut at = from;
    while let Some(found) = bytes.get(at..).and_then(|rest| find(rest, b"</")) {
        at += found + 2;
        if bytes.get(at..at + name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name.as_bytes())) {
            return bytes[at..].iter().position(|b| *b == b'>').map_or(bytes.len(), |n| at + n + 1);
        }
    }
    bytes.len()
}

pub(super) fn word(text: &str) -> String {
    let word: String =
        text.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, ':' | '-')).take(40).collect();
    word.to_ascii_lowercase()
}

/// The value of an attribute in a tag.
pub(super) fn attribute(tag: &str, name: &str) -> Option<String> {
    value_in(tag, &tag.to_ascii_lowercase(), name)
}

/// The value of an attribute in a tag, of which `lower` is the form in lower case.
fn value_in(tag: &str, lower: &str, name: &str) -> Option<String> {
    let at = lower.find(&format!("{name}="))?;
    let value = tag.get(at + name.len() + 1..)?.trim_start();
    let value = match value.chars().next()? {
        quote @ ('"' | '\'') => value.get(1..)?.split(quote).next()?,
        _ => value.split(|c: char| c.is_whitespace() || c == '>').next()?,
    };
    Some(decode_entities(value).into_owned())
}

/// Whether what is inside `tag`, in lower case, is not shown.
pub(super) fn is_hidden(tag: &str) -> bool {
    if tag.split_whitespace().any(|w| w == "hidden" || w.starts_with("hidden=")) {
        return true;
    }
    let Some(style) = value_in(tag, tag, "style") else { return false };
    let style: String = style.to_ascii_lowercase().chars().filter(|c| !c.is_whitespace()).collect();
    let (mut low, mut clipped, mut white, mut on_white) = (false, false, false, false);
    for (name, value) in style.split(';').filter_map(|declared| declared.split_once(':')) {
        let value = value.trim_end_matches("!important");
        let zero = matches!(value, "0" | "0px" | "0pt" | "0em" | "0%");
        let bright = matches!(value, "#fff" | "#ffffff" | "white" | "rgb(255,255,255)");
        let hides = match name {
            "display" => value == "none",
            "visibility" => matches!(value, "hidden" | "collapse"),
            "font-size" => zero || matches!(value, "1px" | "0.1px"),
            "mso-hide" => value == "all",
            "opacity" => matches!(value, "0" | "0.0"),
            _ => false,
        };
        if hides {
            return true;
        }
        match name {
            "height" | "max-height" => low |= zero,
            "overflow" => clipped |= value == "hidden",
            "color" => white |= bright,
            "background" | "background-color" => on_white |= bright,
            _ => {}
        }
    }
    (low && clipped) || (white && on_white)
}

pub(super) fn is_quote(name: &str, tag: &str) -> bool {
    if name == "blockquote" {
        // Thunderbird and Apple say `cite`; an indent that a person made says nothing or a margin.
        return tag.contains("cite") || tag.contains("gmail_quote") || tag.contains("border-left");
    }
    QUOTES.iter().any(|mark| tag.contains(mark))
}

/// Outlook draws a rule above the headers of the mail it answers.
pub(super) fn is_outlook_rule(tag: &str) -> bool {
    tag.starts_with("div")
        && (tag.contains("border-top:solid #b5c4df") || tag.contains("border-top:solid #e1e1e1"))
}

/// Replaces character references by their characters.
pub(super) fn decode_entities(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at..).unwrap_or_default();
        let end = rest.bytes().take(32).position(|b| b == b';');
        match end.and_then(|end| rest.get(..=end)).filter(|e| e.len() > 2 && e.is_ascii()) {
            Some(entity) => {
                add_html_token(&mut out, entity.as_bytes(), false);
                rest = rest.get(entity.len()..).unwrap_or_default();
            }
            None => {
                out.push('&');
                rest = rest.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}
