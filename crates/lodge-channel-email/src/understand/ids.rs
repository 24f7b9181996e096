//! Message-IDs (RFC 5322 3.6.4) as they come: without brackets, with spaces, several in one field. Kept here without
//! brackets, the right side in lower case; compared by [`message_id_key`] alone.

use super::{limits, words};
use lodge_domain::ThreadKeyValue;

/// The key under which a Message-ID is registered and looked up; `None` where it is blank.
///
/// Whoever sends mail registers the ids it sent under the same key.
#[must_use]
pub fn message_id_key(id: &str) -> Option<ThreadKeyValue> {
    ThreadKeyValue::new("message-id", &normalise(id.as_bytes())?)
}

/// One id in its normal form; `None` where nothing is left.
pub(crate) fn normalise(raw: &[u8]) -> Option<String> {
    let unfolded = words::unfold(raw);
    let text = String::from_utf8_lossy(&unfolded);
    let text = without_comments(&text);
    let start = text.find('<').map_or(0, |at| at + 1);
    let inner = text.get(start..)?.split('>').next()?;
    let mut id: String =
        inner.chars().filter(|c| !c.is_whitespace() && !c.is_control() && *c != '<').collect();
    while id.len() > limits::MESSAGE_ID {
        id.pop();
    }
    let id = match id.rsplit_once('@') {
        Some((left, right)) => format!("{left}@{}", right.to_lowercase()),
        None => id,
    };
    (!id.is_empty() && id != "@").then_some(id)
}

/// The ids in a field, in order, each once: only `<…@…>` where there are brackets at all. Of very many the first and the
/// newest, which stand last (T73).
pub(crate) fn list(raw: &[u8]) -> Vec<String> {
    let unfolded = words::unfold(raw);
    let text = String::from_utf8_lossy(&unfolded);
    let mut out: Vec<String> = Vec::new();
    let mut add = |piece: &str| {
        if let Some(id) = normalise(piece.as_bytes()).filter(|id| id.contains('@') && !out.contains(id)) {
            out.push(id);
        }
    };
    if text.contains('<') {
        let pieces: Vec<&str> = text.split('<').skip(1).collect();
        let left_out = pieces.len().saturating_sub(limits::REFERENCES);
        for (at, piece) in pieces.into_iter().enumerate() {
            if at == 0 || at > left_out {
                add(piece.split('>').next().unwrap_or_default());
            }
        }
    } else if !text.trim().contains(' ') || text.split_whitespace().all(|w| w.contains('@')) {
        text.split([' ', ',', ';']).take(limits::REFERENCES).for_each(add);
    }
    out
}

fn without_comments(text: &str) -> String {
    if !text.contains('(') || !text.contains(')') {
        return text.to_owned();
    }
    let mut depth = 0_usize;
    let mut out = String::with_capacity(text.len());
    let mut in_angle = false;
    for c in text.chars() {
        match c {
            '<' => in_angle = true,
            '>' => in_angle = false,
            _ => {}
        }
        match c {
            '(' if !in_angle => depth += 1,
            ')' if !in_angle && depth > 0 => depth -= 1,
            _ if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c04_broken_ids() {
        let normal = |raw: &str| normalise(raw.as_bytes());
        assert_eq!(normal("<A.b@C.de>").as_deref(), Some("A.b@c.de"));
        assert_eq!(normal("A.b@C.de").as_deref(), Some("A.b@c.de"));
        assert_eq!(normal(" (x) < a b @ c > <second@d>").as_deref(), Some("ab@c"));
        for blank in ["", " ", "<>", "< >", "(only)", "<@>"] {
            assert_eq!(normal(blank), None, "{blank}");
        }
        assert_eq!(normal(&format!("<{}>", "x".repeat(5000))).unwrap().len(), limits::MESSAGE_ID);
        assert_eq!(message_id_key("<a@B>"), message_id_key("a@b"));
    }

    #[test]
    fn lists_take_only_ids() {
        assert_eq!(list(b"Your message of Tue, 3 May <a@b> from <x>"), ["a@b"]);
        assert_eq!(list(b"a@b c@d"), ["a@b", "c@d"]);
        assert!(list(b"Your message of Tuesday").is_empty());
        assert_eq!(list(b"<a@b><a@b>\r\n <c@d>"), ["a@b", "c@d"]);
        let many: String = (0..limits::REFERENCES + 9).map(|n| format!("<{n}@x>")).collect();
        let taken = list(many.as_bytes());
        assert_eq!(taken.len(), limits::REFERENCES);
        assert_eq!((taken[0].as_str(), taken[1].as_str()), ("0@x", "10@x"), "the first and the newest");
    }
}
