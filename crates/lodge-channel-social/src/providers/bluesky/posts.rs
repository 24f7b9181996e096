//! Posts as they are written: links are named by bytes of UTF-8, and a post's key is made of what it answers, so that a post
//! that is tried again is the same one.

use crate::json::text;
use crate::speech::Outgoing;
use jiff::Timestamp;
use lodge_domain::digest_parts;
use serde_json::{Value, json};

/// The alphabet of keys, in the order of its values.
const ALPHABET: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";

/// The key of one part: a time (in microseconds, just after what it answers) and ten further bits, both of them the same on
/// every try.
pub(super) fn key(outgoing: &Outgoing<'_>, now: Timestamp) -> String {
    let digest = digest_parts(&[outgoing.id.as_str().as_bytes(), &outgoing.part.to_be_bytes()]);
    let after = text(outgoing.way, "/at").and_then(|at| at.parse::<Timestamp>().ok()).unwrap_or(now);
    let [a, b, c, d, ..] = digest;
    let part = u64::try_from(outgoing.part).unwrap_or(0) + 1;
    let micros = u64::try_from(after.as_microsecond()).unwrap_or(0)
        + part * 1_000_000
        + u64::from(u32::from_be_bytes([0, a, b, c])) % 1_000_000;
    let bits = (micros << 10 | u64::from(d) << 2 | u64::from(c & 3)) & (u64::MAX >> 1);
    let digit = |shift: u32| char::from(ALPHABET[usize::try_from(bits >> shift & 31).unwrap_or(0)]);
    (0..13).rev().map(|place| digit(place * 5)).collect()
}

/// Where the links of a text are.
pub(super) fn facets(words: &str) -> Vec<Value> {
    let mut facets = Vec::new();
    let mut start = 0;
    for piece in words.split_inclusive(char::is_whitespace) {
        let bare = piece.trim_end().trim_start_matches(['(', '[', '"', '<']);
        let before = piece.trim_end().len() - bare.len();
        let link = bare.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '"', '>', '\'']);
        let is_link = ["https://", "http://"]
            .iter()
            .any(|scheme| link.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
        if is_link {
            let first = start + before;
            facets.push(json!({
                "index": {"byteStart": first, "byteEnd": first + link.len()},
                "features": [{"$type": "app.bsky.richtext.facet#link", "uri": link}],
            }));
        }
        start += piece.len();
    }
    facets
}

/// A post of `words` that answers what `way` names.
pub(super) fn record(way: &Value, words: &str, embed: Option<Value>, now: Timestamp) -> Value {
    let mut record = json!({
        "$type": "app.bsky.feed.post",
        "text": words,
        "createdAt": now,
        "reply": {"root": way.get("root"), "parent": way.get("post")},
        "facets": facets(words),
    });
    if let Some(embed) = embed {
        record["embed"] = embed;
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_named_by_bytes() {
        let words = "Größe 😡: (see https://acme.example/ä?b=1). And http://x.example, or https:// alone";
        let found: Vec<(String, String)> = facets(words)
            .iter()
            .map(|facet| {
                let at = |key: &str| usize::try_from(facet["index"][key].as_u64().unwrap()).unwrap();
                let named = words.as_bytes()[at("byteStart")..at("byteEnd")].to_vec();
                (String::from_utf8(named).unwrap(), facet["features"][0]["uri"].as_str().unwrap().to_owned())
            })
            .collect();
        let expected = ["https://acme.example/ä?b=1", "http://x.example"];
        assert_eq!(found, expected.map(|link| (link.to_owned(), link.to_owned())));
        assert!(facets("no link, none").is_empty());
    }
}
