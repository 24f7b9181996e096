//! What Mastodon's answers and streams say: notifications by the page, one alone, or as they come over a stream (server-sent
//! events, or frames of a WebSocket).

use super::html::plain;
use crate::heard::{Deleted, Edited, Heard, Media, Said, Thread, Who};
use crate::json::{details, is, items, text};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The most files of one post.
const MOST_FILES: usize = 20;

pub(super) fn understand(body: &[u8], now: Timestamp) -> Vec<Heard> {
    let strange = |why| vec![Heard::Strange { why, id: String::new() }];
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Array(all)) => all.iter().map(|one| notification(one, now)).collect(),
        Ok(frame) if frame.get("stream").is_some() => {
            let event = text(&frame, "/event").unwrap_or_default();
            vec![streamed(&event, &text(&frame, "/payload").unwrap_or_default(), now)]
        }
        Ok(one) if one.get("type").is_some() => vec![notification(&one, now)],
        Ok(one) if one.get("notification_id").is_some() => {
            vec![Heard::Nothing { reason: "names a notification, which is asked for", id: None }]
        }
        Ok(_) => strange("the body has another shape"),
        Err(_) => match std::str::from_utf8(body) {
            Ok(lines) if lines.contains("event:") => events(lines, now),
            _ => strange("the body is no JSON"),
        },
    }
}

/// Server-sent events: lines of fields, and an empty line after each event.
fn events(lines: &str, now: Timestamp) -> Vec<Heard> {
    let (mut event, mut data) = (String::new(), Vec::new());
    let mut all = Vec::new();
    for line in lines.lines().chain([""]) {
        if let Some(value) = line.strip_prefix("event:") {
            event = value.trim().to_owned();
        } else if let Some(value) = line.strip_prefix("data:") {
            data.push(value.trim().to_owned());
        } else if line.is_empty() && !event.is_empty() {
            all.push(streamed(&event, &data.join("\n"), now));
            (event, data) = (String::new(), Vec::new());
        }
    }
    all
}

fn streamed(event: &str, payload: &str, now: Timestamp) -> Heard {
    let strange = |why| Heard::Strange { why, id: String::new() };
    if event == "delete" {
        let id = payload.trim();
        let fits = !id.is_empty() && id.len() < 64;
        return if fits {
            Heard::Deleted(Deleted { id: id.to_owned(), at: now })
        } else {
            strange("a deletion of nothing")
        };
    }
    if !matches!(event, "notification" | "status.update") {
        return Heard::Nothing { reason: "an event that is no contact", id: None };
    }
    match (serde_json::from_str::<Value>(payload), event) {
        (Ok(value), "notification") => notification(&value, now),
        (Ok(value), _) => edited(&value, now),
        (Err(_), _) => strange("an event without its object"),
    }
}

fn notification(value: &Value, now: Timestamp) -> Heard {
    let id = text(value, "/id").unwrap_or_default();
    match text(value, "/type").as_deref() {
        Some("mention" | "quote") => match value.get("status").filter(|status| status.is_object()) {
            Some(one) => said(one, value.get("account"), now).map_or_else(
                || Heard::Strange { why: "no sender", id: format!("notification {id}") },
                |said| Heard::Said(Box::new(said)),
            ),
            None => Heard::Nothing { reason: "it was taken back meanwhile", id: Some(id) },
        },
        // An edit of what we know is looked up; of anything else it is none of ours.
        Some(_) => Heard::Nothing { reason: "a notification that is no contact", id: Some(id) },
        None => Heard::Strange { why: "the body has another shape", id },
    }
}

/// A post as it reads after an edit.
pub(super) fn edited(status: &Value, now: Timestamp) -> Heard {
    let version = text(status, "/edited_at").unwrap_or_default();
    match said(status, None, now) {
        Some(said) => Heard::Edited(Edited { id: said.id.clone(), version, now: Box::new(said) }),
        None => Heard::Strange { why: "no sender", id: text(status, "/id").unwrap_or_default() },
    }
}

fn time(value: &Value, pointer: &str) -> Option<Timestamp> {
    text(value, pointer)?.parse().ok()
}

fn who(account: &Value) -> Option<Who> {
    let acct = text(account, "/acct")?;
    Some(Who {
        name: text(account, "/display_name"),
        username: Some(acct.clone()),
        is_bot: is(account, "/bot"),
        account: acct,
        ..Who::default()
    })
}

/// A post; the account of a notification says more about its author than the post may.
fn said(status: &Value, account: Option<&Value>, now: Timestamp) -> Option<Said> {
    let id = text(status, "/id")?;
    let own = status.get("account").and_then(who);
    let who = account.and_then(who).filter(|who| own.as_ref().is_none_or(|own| own.account == who.account));
    let who = who.or(own)?;
    let visibility = text(status, "/visibility").unwrap_or_else(|| "public".to_owned());
    let answers = text(status, "/in_reply_to_id");
    // A direct message is the person's own; anything else others can read, and each of them has a conversation there.
    let thread = if visibility == "direct" {
        Thread::Private(vec![format!("direct/{}", who.account)])
    } else {
        Thread::Public(answers.clone().unwrap_or_else(|| id.clone()))
    };
    let acct = who.account.clone();
    let mut said = Said::new(id.clone(), who, thread, time(status, "/created_at").unwrap_or(now));
    said.answers = answers;
    let words = plain(&text(status, "/content").unwrap_or_default());
    said.text = match text(status, "/spoiler_text").map(|warning| plain(&warning)) {
        Some(warning) if !warning.is_empty() => format!("{warning}\n\n{words}").trim_end().to_owned(),
        _ => words,
    };
    said.way = json!({"acct": acct, "status": id, "visibility": visibility});
    let options: Vec<Value> =
        items(status, "/poll/options").iter().take(20).filter_map(|one| one.get("title").cloned()).collect();
    said.details = details([
        ("visibility", Some(json!(visibility))),
        ("url", text(status, "/url").map(Value::from)),
        ("language", text(status, "/language").map(Value::from)),
        ("edited_at", text(status, "/edited_at").map(Value::from)),
        ("poll", (!options.is_empty()).then(|| Value::from(options))),
    ]);
    for file in items(status, "/media_attachments").iter().take(MOST_FILES) {
        let kind = match text(file, "/type").as_deref() {
            Some("image") => "image",
            Some("video" | "gifv") => "video",
            Some("audio") => "audio",
            _ => "file",
        };
        let (name, identity) = (text(file, "/description"), text(file, "/id"));
        said.media.extend(text(file, "/url").or_else(|| text(file, "/remote_url")).map(|handle| Media {
            kind: kind.to_owned(),
            handle,
            by_id: false,
            name,
            media_type: None,
            identity,
        }));
    }
    let kind =
        said.media.first().filter(|_| said.text.is_empty()).map_or("text", |media| media.kind.as_str());
    let kind = kind.to_owned();
    let words = if kind == "text" { "[a post without words]".to_owned() } else { format!("[{kind}]") };
    Some(said.as_kind(&kind, words))
}
