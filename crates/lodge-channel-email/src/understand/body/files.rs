//! Parts that are files: their names, whether the text shows them, and what `winmail.dat` holds.

use super::{Content, File};
use crate::understand::fields::Fields;
use crate::understand::mime::Part;
use crate::understand::{clean, html, limits, tnef, words};

impl Content {
    /// Takes what a `winmail.dat` holds in its place; `false` where the part is none, or cannot be unpacked whole.
    pub(super) fn unpacked(&mut self, part: &Part) -> bool {
        let named = part.name.as_deref().is_some_and(|n| n.eq_ignore_ascii_case("winmail.dat"));
        if !named && !matches!(part.media_type.as_str(), "application/ms-tnef" | "application/vnd.ms-tnef") {
            return false;
        }
        let Some(packed) = tnef::unpack(&part.content) else { return false };
        let body = packed.text.or_else(|| packed.html.as_deref().map(|html| html::walk(html).text));
        let says_nothing = body.as_ref().is_none_or(|b| b.trim().is_empty()) && packed.files.is_empty();
        if says_nothing || self.files.len() + packed.files.len() > limits::ATTACHMENTS {
            return false;
        }
        if let Some(body) = body.filter(|_| self.text.trim().is_empty()) {
            self.text = clean::block(&body, limits::TEXT).0;
        }
        for file in packed.files {
            let plain = |text: String| Some(clean::line(&text, limits::NAME)).filter(|t| !t.is_empty());
            self.files.push(File {
                name: file.name.as_deref().and_then(clean::file_name),
                original_name: None,
                raw_name: file.name.clone(),
                media_type: file
                    .media_type
                    .and_then(plain)
                    .unwrap_or_else(|| "application/octet-stream".to_owned()),
                content: file.content,
                inline: false,
                content_id: file.content_id.and_then(plain),
            });
        }
        true
    }
}

pub(super) fn file_of(part: &Part, html: &str) -> File {
    let named = part.name.as_deref().or(part.location.as_deref().filter(|l| !l.contains("://")));
    let cleaned = named.and_then(clean::file_name);
    let shown =
        part.content_id.as_deref().is_some_and(|id| !id.is_empty() && html.contains(&format!("cid:{id}")));
    File {
        raw_name: named.map(ToOwned::to_owned),
        original_name: named.filter(|n| cleaned.as_deref() != Some(*n)).map(|n| clean::line(n, 255)),
        name: cleaned.or_else(|| default_name(part)),
        media_type: part.media_type.clone(),
        content: part.content.clone(),
        inline: shown
            || (part.disposition.value == "inline" && (part.is("image") || part.content_id.is_some())),
        content_id: part
            .content_id
            .as_deref()
            .map(|id| clean::line(id, limits::NAME))
            .filter(|id| !id.is_empty()),
    }
}

/// A name for what came without one but has a usual one.
fn default_name(part: &Part) -> Option<String> {
    match part.media_type.as_str() {
        "message/rfc822" | "message/global" => {
            let fields = Fields::parse(&part.content);
            let subject = fields.text("subject").and_then(|s| clean::file_name(&s));
            Some(format!("{}.eml", subject.unwrap_or_else(|| "message".to_owned())))
        }
        "text/calendar" => Some("invite.ics".to_owned()),
        _ => None,
    }
}

pub(super) fn calendar_method(part: &Part) -> Option<String> {
    let head = part.content.get(..part.content.len().min(4096))?;
    let at = words::find(head, b"\nMETHOD:")?;
    let line = head.get(at + 8..)?.split(|b| matches!(b, b'\r' | b'\n')).next()?;
    let method = String::from_utf8_lossy(line).trim().to_ascii_uppercase();
    (method.len() <= 20 && method.bytes().all(|b| b.is_ascii_uppercase())).then_some(method)
}
