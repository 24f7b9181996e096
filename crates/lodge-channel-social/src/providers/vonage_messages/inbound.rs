//! What a webhook of Vonage says. Pure. Numbers have no plus sign; on WhatsApp a person may be known by a business-scoped id
//! alone.

use crate::heard::{About, Fared, Heard, Media, Said, Thread, Who};
use crate::json::{details, text};
use crate::numbers::{e164, hush, said};
use jiff::{SignedDuration, Timestamp};
use lodge_channel::webhook::Form;
use lodge_domain::OutboundId;
use lodge_domain::delivery::OutboundState;
use serde_json::{Value, json};

/// How long what comes by WhatsApp or Messenger can be answered.
const WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// What a body says.
pub(super) fn understand(body: &[u8], now: Timestamp) -> Heard {
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return older(&Form::parse(body), now) };
    let id = text(&value, "/message_uuid");
    match (id, text(&value, "/channel"), text(&value, "/status"), text(&value, "/message_type")) {
        (Some(id), _, Some(status), None) => fared(&value, id, &status),
        (Some(id), Some(channel), None, Some(kind)) => message(&value, id, &channel, &kind, now),
        (id, ..) => Heard::Strange { why: "the body has another shape", id: id.unwrap_or_default() },
    }
}

fn fared(value: &Value, id: String, status: &str) -> Heard {
    let state = match status {
        "submitted" => OutboundState::Sent,
        "delivered" | "read" => OutboundState::Delivered,
        "rejected" | "undeliverable" => OutboundState::Bounced,
        _ => return Heard::Nothing { reason: "on its way", id: Some(id) },
    };
    let why = [text(value, "/error/title"), text(value, "/error/detail")];
    let why = why.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let words = if why.is_empty() { status.to_owned() } else { format!("{status} ({why})") };
    let mark = text(value, "/client_ref").and_then(|mark| OutboundId::parse(&mark));
    let party = text(value, "/to").or_else(|| text(value, "/whatsapp/recipient/user_id")).unwrap_or_default();
    let party = e164(&party).unwrap_or(party);
    let about = mark.map_or(About::Id(id), About::Mark);
    Heard::Fared(Fared { about, party, state, words: Some(words) })
}

/// Who, where and the way back.
fn placed(value: &Value, id: String, channel: &str, at: Timestamp) -> Result<Said, Heard> {
    let to = text(value, "/to").unwrap_or_default();
    let scoped = text(value, "/whatsapp/sender/user_id");
    let from = text(value, "/from").or_else(|| text(value, "/whatsapp/sender/wa_id"));
    let Some(reached) = from.clone().or_else(|| scoped.clone()) else {
        return Err(Heard::Strange { why: "no sender", id });
    };
    let way = json!({"channel": channel, "to": reached, "from": to});
    if matches!(channel, "sms" | "mms") {
        return Ok(said(id, &reached, &to, way, at));
    }
    // On Messenger an account is a number as well, and no telephone's.
    let phone =
        from.filter(|_| matches!(channel, "whatsapp" | "rcs" | "viber_service")).and_then(|from| e164(&from));
    let names = [scoped.clone(), phone.clone()].into_iter().flatten();
    let mut names: Vec<String> = names.map(|name| format!("{channel}/{to}/{name}")).collect();
    if names.is_empty() {
        names.push(format!("{channel}/{to}/{reached}"));
    }
    let who = Who {
        account: scoped.or_else(|| phone.clone()).unwrap_or(reached),
        phone,
        name: text(value, "/profile/name"),
        ..Who::default()
    };
    let mut said = Said::new(id, who, Thread::Private(names), at);
    said.to = Some(to);
    said.way = way;
    said.answers = text(value, "/context/message_uuid");
    let windowed = matches!(channel, "whatsapp" | "messenger" | "instagram");
    said.window_ends_at = windowed.then(|| at.checked_add(WINDOW).ok()).flatten();
    Ok(said)
}

fn message(value: &Value, id: String, channel: &str, kind: &str, now: Timestamp) -> Heard {
    let at = text(value, "/timestamp").and_then(|at| at.parse().ok()).unwrap_or(now);
    let mut said = match placed(value, id, channel, at) {
        Ok(said) => said,
        Err(other) => return other,
    };
    said.details = details([("channel", Some(json!(channel)))]);
    let part = value.get(kind).unwrap_or(&Value::Null);
    let said = match kind {
        "text" => {
            said.text = text(value, "/text").unwrap_or_default();
            if matches!(channel, "sms" | "mms") {
                hush(&mut said);
            }
            said.as_kind("text", "[a message without words]")
        }
        "image" | "audio" | "video" | "file" | "sticker" | "vcard" => {
            said.text = text(part, "/caption").or_else(|| text(value, "/text")).unwrap_or_default();
            let family = if kind == "vcard" { "file" } else { kind };
            said.media.extend(file(part, family));
            said.as_kind(family, format!("[{family}]"))
        }
        "reply" | "button" => {
            let words = ["/title", "/text", "/payload", "/id"].into_iter().find_map(|at| text(part, at));
            said.text = words.unwrap_or_default();
            let payload = text(part, "/id").or_else(|| text(part, "/payload"));
            said.details.insert("payload".to_owned(), json!(payload));
            said.as_kind("button", "[button]")
        }
        "location" => {
            let place = value.get("location").unwrap_or(&Value::Null);
            let both =
                ["/lat", "/long", "/latitude", "/longitude"].into_iter().filter_map(|at| text(place, at));
            let words = format!("[location {}]", both.collect::<Vec<_>>().join(", "));
            said.details.insert("location".to_owned(), place.clone());
            said.as_kind("location", words)
        }
        "reaction" => {
            said.gesture = true;
            let emoji = text(part, "/emoji").unwrap_or_default();
            said.as_kind("reaction", format!("[reaction {emoji}]").replace(" ]", "]"))
        }
        "contact" | "contacts" | "order" => {
            said.details.insert(kind.to_owned(), part.clone());
            said.as_kind(kind, format!("[{kind}]"))
        }
        _ => {
            said.unknown = true;
            said.as_kind("unknown", "[a kind of message that is not known]")
        }
    };
    Heard::Said(Box::new(said))
}

fn file(part: &Value, kind: &str) -> Option<Media> {
    let handle = text(part, "/url")?;
    Some(Media {
        kind: kind.to_owned(),
        identity: handle.split('?').next().map(str::to_owned),
        handle,
        by_id: false,
        name: text(part, "/name"),
        media_type: None,
    })
}

/// A form of the older SMS API: a message, or news of one.
fn older(form: &Form, now: Timestamp) -> Heard {
    let field = |key: &str| form.filled(key).map(str::to_owned);
    let (Some(id), Some(from)) = (field("messageId").or_else(|| field("message-id")), field("msisdn")) else {
        return Heard::Strange { why: "the body has another shape", id: String::new() };
    };
    let to = field("to").unwrap_or_default();
    if let Some(status) = field("status") {
        let state = match status.as_str() {
            "delivered" => OutboundState::Delivered,
            "failed" | "rejected" | "expired" => OutboundState::Bounced,
            "accepted" | "buffered" => OutboundState::Sent,
            _ => return Heard::Nothing { reason: "on its way", id: Some(id) },
        };
        let party = e164(&from).unwrap_or(from);
        return Heard::Fared(Fared { about: About::Id(id), party, state, words: Some(status) });
    }
    let way = json!({"channel": "sms", "to": from, "from": to});
    let mut said = said(id, &from, &to, way, now);
    said.text = field("text").unwrap_or_default();
    said.details = details([
        ("channel", Some(json!("sms"))),
        ("part", field("concat-part").map(Value::from)),
        ("parts", field("concat-total").map(Value::from)),
    ]);
    hush(&mut said);
    Heard::Said(Box::new(said.as_kind("text", "[a message without words]")))
}
