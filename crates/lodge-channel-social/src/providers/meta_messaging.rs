//! Messages in the shape that Messenger and Instagram share, and how both are answered.

use super::meta::{Graph, Meta, envelope, human_agent};
use crate::heard::{About, Deleted, Echo, Edited, Fared, Heard, Media, Said, Thread, Who};
use crate::json::{details, is, items, millis, text};
use crate::speech::{Content, Outgoing, family, no_files};
use jiff::{SignedDuration, Timestamp};
use lodge_channel::fetch::{ApiBody, escaped};
use lodge_domain::DeliveryError;
use lodge_domain::delivery::{OutboundKind, OutboundState};
use serde_json::{Value, json};

/// How long a message can be answered.
const WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// All messages of a body, of all its entries: a batch may hold those of several accounts.
pub(crate) fn conversations(settings: &Meta, body: &[u8], object: &str, now: Timestamp) -> Vec<Heard> {
    let value = match envelope(body, object) {
        Ok(value) => value,
        Err(heard) => return vec![heard],
    };
    let mut heard = Vec::new();
    for entry in items(&value, "/entry") {
        if !settings.is_ours(&text(entry, "/id").unwrap_or_default()) {
            heard.push(Heard::Nothing { reason: "about another account", id: None });
            continue;
        }
        for (list, standby) in [("/messaging", false), ("/standby", true)] {
            heard.extend(items(entry, list).iter().map(|item| messaging(item, standby, now)));
        }
    }
    heard
}

fn messaging(item: &Value, standby: bool, now: Timestamp) -> Heard {
    let at = millis(item, "/timestamp").unwrap_or(now);
    let (Some(sender), Some(recipient)) = (text(item, "/sender/id"), text(item, "/recipient/id")) else {
        return Heard::Strange { why: "no sender or recipient", id: identity(item) };
    };
    if let Some(fared) = receipt(item, &sender, at) {
        return fared;
    }
    let id = |pointer| text(item, pointer).unwrap_or_else(|| identity(item));
    if is(item, "/message/is_echo") {
        let mark = text(item, "/message/metadata");
        return Heard::Echo(Echo { id: id("/message/mid"), party: recipient, mark });
    }
    let who = Who { account: sender.clone(), ..Who::default() };
    let thread = Thread::Private(vec![format!("{recipient}/{sender}")]);
    let mut said = Said::new("", who, thread, at);
    said.way = json!({"recipient": sender, "page": recipient});
    said.to = Some(recipient);
    said.window_ends_at = at.checked_add(WINDOW).ok();
    said.quiet = standby.then_some("another app answers this conversation");
    if let Some(edit) = item.get("message_edit") {
        said.id = id("/message_edit/mid");
        said.text = text(edit, "/text").unwrap_or_default();
        let version = format!("edit {}", text(edit, "/num_edit").unwrap_or_default());
        return Heard::Edited(Edited { id: said.id.clone(), version, now: Box::new(said) });
    }
    if is(item, "/message/is_deleted") {
        return Heard::Deleted(Deleted { id: id("/message/mid"), at });
    }
    if item.get("reaction").is_some() {
        return reaction(item, said);
    }
    if item.get("postback").is_some() {
        said.id = id("/postback/mid");
        said.details = details([
            ("payload", item.pointer("/postback/payload").cloned()),
            ("referral", item.pointer("/postback/referral").cloned()),
        ]);
        let title = text(item, "/postback/title").unwrap_or_else(|| "[button]".to_owned());
        return Heard::Said(Box::new(said.as_kind("button", title)));
    }
    if item.get("message").is_some() {
        said.id = id("/message/mid");
        return message(item, said);
    }
    other(item, said)
}

/// What is neither a message nor about one.
fn other(item: &Value, mut said: Said) -> Heard {
    let handover = ["pass_thread_control", "take_thread_control", "request_thread_control", "app_roles"];
    if handover.iter().any(|key| item.get(key).is_some()) {
        return Heard::Nothing { reason: "a handover between apps", id: None };
    }
    said.id = identity(item);
    for (key, words) in [("referral", "[came by a link]"), ("optin", "[opted in]")] {
        if let Some(value) = item.get(key) {
            said.details = details([(key, Some(value.clone()))]);
            said.gesture = true;
            return Heard::Said(Box::new(said.as_kind(key, words)));
        }
    }
    said.unknown = true;
    Heard::Said(Box::new(said.as_kind("unknown", "[a kind of message that is not known]")))
}

/// What tells an item without an id from others: its content.
fn identity(item: &Value) -> String {
    let digest = lodge_domain::digest_parts(&[item.to_string().as_bytes()]);
    format!("item-{}", data_encoding::HEXLOWER.encode(&digest[..16]))
}

fn receipt(item: &Value, party: &str, at: Timestamp) -> Option<Heard> {
    let (value, words) = match (item.get("delivery"), item.get("read")) {
        (Some(delivery), _) => (delivery, "delivered"),
        (None, Some(read)) => (read, "read"),
        (None, None) => return None,
    };
    let last = items(value, "/mids").last().and_then(Value::as_str).map(str::to_owned);
    let about = match last.or_else(|| text(value, "/mid")) {
        Some(id) => About::Id(id),
        None => About::UpTo(millis(value, "/watermark").unwrap_or(at)),
    };
    let (party, words) = (party.to_owned(), Some(words.to_owned()));
    Some(Heard::Fared(Fared { about, party, state: OutboundState::Delivered, words }))
}

fn reaction(item: &Value, mut said: Said) -> Heard {
    let target = text(item, "/reaction/mid").unwrap_or_default();
    if text(item, "/reaction/action").as_deref() == Some("unreact") {
        return Heard::Nothing { reason: "a reaction was taken back", id: Some(target) };
    }
    let emoji = text(item, "/reaction/emoji").or_else(|| text(item, "/reaction/reaction"));
    said.id = format!("{target}/reaction/{}", said.from.account);
    said.version = said.at.as_millisecond().to_string();
    said.answers = Some(target);
    said.gesture = true;
    Heard::Said(Box::new(said.as_kind("reaction", format!("[reaction {}]", emoji.unwrap_or_default()))))
}

fn message(item: &Value, mut said: Said) -> Heard {
    said.text = text(item, "/message/text").unwrap_or_default();
    said.answers = text(item, "/message/reply_to/mid");
    said.details = details([
        ("quick_reply", item.pointer("/message/quick_reply/payload").cloned()),
        ("story", item.pointer("/message/reply_to/story").cloned()),
        ("referral", item.pointer("/message/referral").cloned()),
    ]);
    if is(item, "/message/is_unsupported") {
        said.unknown = true;
        return Heard::Said(Box::new(
            said.as_kind("unsupported", "[a message the provider does not hand on]"),
        ));
    }
    let mut words = Vec::new();
    for attachment in items(item, "/message/attachments") {
        words.push(attached(attachment, &mut said));
    }
    let kind = match (said.media.first(), words.is_empty()) {
        (Some(media), _) if said.text.is_empty() => media.kind.clone(),
        (None, false) => "shared".to_owned(),
        _ => "text".to_owned(),
    };
    if said.text.is_empty() && words.is_empty() {
        said.unknown = true;
        words.push("[a message without words]".to_owned());
    }
    Heard::Said(Box::new(said.as_kind(&kind, words.join(" "))))
}

/// Takes over an attachment; the words for it.
fn attached(attachment: &Value, said: &mut Said) -> String {
    let kind = text(attachment, "/type").unwrap_or_else(|| "file".to_owned());
    let words = format!("[{}]", kind.replace('_', " "));
    let title = text(attachment, "/payload/title").or_else(|| text(attachment, "/title"));
    let Some(handle) = text(attachment, "/payload/url") else {
        said.details.insert(kind, attachment.get("payload").cloned().unwrap_or(Value::Null));
        return words;
    };
    // A shared post is an address for the reader, not a file.
    if matches!(kind.as_str(), "fallback" | "template" | "share") {
        said.details.insert("shared".to_owned(), json!({"title": title, "url": handle}));
        return words;
    }
    let identity = ["/payload/attachment_id", "/payload/sticker_id", "/payload/id"];
    let identity = identity.into_iter().find_map(|pointer| text(attachment, pointer));
    let name = title.filter(|_| kind == "file");
    said.media.push(Media { kind, handle, by_id: false, name, media_type: None, identity });
    words
}

/// Answers a person in a private thread.
pub(crate) async fn answer(graph: &Graph, outgoing: &Outgoing<'_>) -> Result<Option<String>, DeliveryError> {
    let recipient = json!({"id": outgoing.way.get("recipient")});
    let page = text(outgoing.way, "/page").unwrap_or_else(|| "me".to_owned());
    let path = format!("{}/messages", escaped(&page));
    let late = outgoing.window.is_some_and(|(end, now)| now > end);
    // The tag is for people who answer, never for what is automatic.
    let tagged = late && outgoing.kind == OutboundKind::Reply;
    let how = if tagged { "MESSAGE_TAG" } else { "RESPONSE" };
    let sent = match &outgoing.content {
        Content::Text(_) | Content::Link { .. } => {
            let mut message = match &outgoing.content {
                Content::Link { media_type, href, .. } => {
                    json!({"attachment": {"type": family(media_type, "file"), "payload": {"url": href}}})
                }
                Content::Text(words) => json!({"text": words}),
                Content::File { .. } => return Err(no_files()),
            };
            // It comes back with the echo: this is how we know our own words.
            message["metadata"] = json!(outgoing.id.as_str());
            let mut body = json!({"recipient": recipient, "messaging_type": how, "message": message});
            if tagged {
                body["tag"] = json!("HUMAN_AGENT");
            }
            graph.post(&path, ApiBody::Json(&body)).await?
        }
        Content::File { name, media_type, bytes } => {
            let kind = family(media_type, "file");
            let attachment = json!({"type": kind, "payload": {"is_reusable": false}});
            let message = json!({"attachment": attachment, "metadata": outgoing.id.as_str()});
            let mut fields = vec![
                ("recipient".to_owned(), recipient.to_string()),
                ("messaging_type".to_owned(), how.to_owned()),
                ("message".to_owned(), message.to_string()),
            ];
            fields.extend(tagged.then(|| ("tag".to_owned(), "HUMAN_AGENT".to_owned())));
            let body = ApiBody::File {
                fields,
                field: "filedata".to_owned(),
                name: (*name).to_owned(),
                media_type: (*media_type).to_owned(),
                bytes: bytes.clone(),
            };
            graph.post(&path, body).await?
        }
    };
    Ok(sent.text("/message_id"))
}

/// The name of a person who wrote to us.
pub(crate) async fn name_of(graph: &Graph, account: &str) -> Option<String> {
    let account = escaped(account);
    let answer = graph.get(&format!("{account}?fields=name,first_name,last_name")).await.ok()?;
    let parts = || {
        let parts: Vec<String> =
            [answer.text("/first_name"), answer.text("/last_name")].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    };
    answer.text("/name").or_else(parts)
}

/// See [`crate::speech::Speech::beyond_window`].
///
/// # Errors
/// What could be done instead.
pub(crate) fn beyond_window(settings: &Meta, ended: Timestamp, now: Timestamp) -> Result<(), String> {
    human_agent(settings.human_agent, ended, now)
}
