//! What Bluesky's answers say: notifications of posts, and the log of conversations. Whose account is asked stands beside
//! them (`account`), as the look puts it there.

use crate::heard::{Deleted, Heard, Media, Said, Thread, Who};
use crate::json::{details, items, text};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The most pictures of one post.
const MOST_FILES: usize = 10;

pub(super) fn understand(body: &[u8], now: Timestamp) -> Vec<Heard> {
    let strange = |why| vec![Heard::Strange { why, id: String::new() }];
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return strange("the body is no JSON") };
    let account = text(&value, "/account");
    let ours = account.as_deref();
    if value.get("logs").is_some_and(Value::is_array) {
        return items(&value, "/logs").iter().map(|one| logged(one, ours, now)).collect();
    }
    if value.get("notifications").is_some_and(Value::is_array) {
        return items(&value, "/notifications").iter().map(|one| notified(one, ours, now)).collect();
    }
    if value.get("record").is_some() {
        return vec![notified(&value, ours, now)];
    }
    if value.get("convoId").is_some() {
        return vec![logged(&value, ours, now)];
    }
    strange("the body has another shape")
}

fn time(value: &Value, pointer: &str) -> Option<Timestamp> {
    text(value, pointer)?.parse().ok()
}

fn notified(value: &Value, ours: Option<&str>, now: Timestamp) -> Heard {
    let id = text(value, "/uri").unwrap_or_default();
    match text(value, "/reason").as_deref() {
        Some("mention" | "reply" | "quote") => {}
        Some(_) => return Heard::Nothing { reason: "a notification that is no contact", id: Some(id) },
        None => return Heard::Strange { why: "the body has another shape", id },
    }
    let Some(did) = text(value, "/author/did") else { return Heard::Strange { why: "no sender", id } };
    if ours == Some(did.as_str()) {
        return Heard::Nothing { reason: "written by the account itself", id: Some(id) };
    }
    post(value, id, &did, now)
}

fn post(value: &Value, uri: String, did: &str, now: Timestamp) -> Heard {
    let who = Who {
        account: did.to_owned(),
        name: text(value, "/author/displayName"),
        username: text(value, "/author/handle"),
        is_bot: items(value, "/author/labels")
            .iter()
            .any(|label| text(label, "/val").as_deref() == Some("bot")),
        ..Who::default()
    };
    let own = json!({"uri": uri, "cid": text(value, "/cid")});
    let root = value.pointer("/record/reply/root").filter(|root| root.get("uri").is_some()).cloned();
    let root = root.unwrap_or_else(|| own.clone());
    let thread = Thread::Public(text(&root, "/uri").unwrap_or_else(|| uri.clone()));
    // When the network saw it: what a post says of its own time is its author's word.
    let at = time(value, "/indexedAt").or_else(|| time(value, "/record/createdAt")).unwrap_or(now);
    let mut said = Said::new(uri, who, thread, at);
    said.text = text(value, "/record/text").unwrap_or_default();
    said.answers = text(value, "/record/reply/parent/uri");
    said.way = json!({"post": own, "root": root, "did": did, "at": at});
    // The words of a link may be shortened; where it leads stands beside them.
    let features = items(value, "/record/facets").iter().flat_map(|facet| items(facet, "/features"));
    let links: Vec<String> = features.filter_map(|feature| text(feature, "/uri")).take(20).collect();
    said.details = details([
        ("reason", value.get("reason").cloned()),
        ("language", text(value, "/record/langs/0").map(Value::from)),
        ("links", (!links.is_empty()).then(|| json!(links))),
        ("quotes", text(value, "/record/embed/record/uri").map(Value::from)),
    ]);
    let pictures =
        items(value, "/record/embed/images").iter().chain(items(value, "/record/embed/media/images"));
    for picture in pictures.take(MOST_FILES) {
        let Some(cid) = text(picture, "/image/ref/$link") else { continue };
        let media_type = text(picture, "/image/mimeType");
        said.media.push(Media {
            kind: "image".to_owned(),
            handle: format!("{did}/{cid}"),
            by_id: true,
            name: None,
            media_type,
            identity: Some(cid),
        });
    }
    let kind = if said.text.is_empty() && !said.media.is_empty() { "image" } else { "text" };
    let words = if kind == "image" { "[image]" } else { "[a post without words]" };
    Heard::Said(Box::new(said.as_kind(kind, words)))
}

fn logged(value: &Value, ours: Option<&str>, now: Timestamp) -> Heard {
    let kind = text(value, "/$type").unwrap_or_default();
    let rev = text(value, "/rev").unwrap_or_default();
    let (Some(convo), Some(message)) = (text(value, "/convoId"), text(value, "/message/id")) else {
        // Conversations that begin, are muted, left or read, and whatever comes after those.
        return match kind.as_str() {
            "" => Heard::Strange { why: "the body has another shape", id: rev },
            _ => Heard::Nothing { reason: "an event that is no contact", id: Some(rev) },
        };
    };
    let id = format!("{convo}/{message}");
    let at = time(value, "/message/sentAt").unwrap_or(now);
    if kind.ends_with("#logDeleteMessage") {
        return Heard::Deleted(Deleted { id, at });
    }
    if !kind.ends_with("#logCreateMessage") {
        return Heard::Nothing { reason: "an event that is no contact", id: Some(id) };
    }
    let Some(did) = text(value, "/message/sender/did") else {
        return Heard::Strange { why: "no sender", id };
    };
    if ours == Some(did.as_str()) {
        return Heard::Nothing { reason: "written by the account itself", id: Some(id) };
    }
    let who = Who { account: did.clone(), ..Who::default() };
    let mut said = Said::new(id, who, Thread::Private(vec![format!("convo/{convo}")]), at);
    said.text = text(value, "/message/text").unwrap_or_default();
    said.way = json!({"convo": convo});
    said.details = details([("shares", text(value, "/message/embed/record/uri").map(Value::from))]);
    Heard::Said(Box::new(said.as_kind("text", "[a message without words]")))
}
