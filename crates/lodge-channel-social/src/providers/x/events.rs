//! What X's events say, of the X Activity API (`data`) and of the older Account Activity API (`for_user_id`). Pure.

use crate::heard::{About, Deleted, Echo, Fared, Heard, Media, Said, Thread, Who};
use crate::json::{details, items, millis, text};
use jiff::Timestamp;
use lodge_domain::delivery::OutboundState;
use serde_json::{Value, json};

/// Beginnings of events that are no contacts: what our account or others did, not what was said to us.
const NO_CONTACTS: &[&str] = &[
    "profile.",
    "follow.",
    "like.",
    "news.",
    "spaces.",
    "block.",
    "mute.",
    "repost.",
    "bookmark.",
    "chat.sent",
    "dm.indicate_typing",
    "post.create",
    "oauth.",
];
/// The same of the older API, by the names of its lists.
const NO_CONTACTS_BEFORE: &[&str] = &[
    "follow_events",
    "favorite_events",
    "block_events",
    "mute_events",
    "user_event",
    "direct_message_indicate_typing_events",
];

/// What a body says; `own` is our account's id, for events that do not name it.
pub(super) fn understand(body: &[u8], own: Option<&str>, now: Timestamp) -> Vec<Heard> {
    let strange = |why| vec![Heard::Strange { why, id: String::new() }];
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return strange("the body is no JSON") };
    match (value.get("data"), text(&value, "/for_user_id")) {
        (Some(data @ Value::Object(_)), _) => activity(data, &value, own, now),
        (None, Some(ours)) => account_activity(&value, &ours, now),
        _ => strange("the body has another shape"),
    }
}

fn activity(data: &Value, whole: &Value, own: Option<&str>, now: Timestamp) -> Vec<Heard> {
    let ours = text(data, "/filter/user_id").or_else(|| own.map(str::to_owned)).unwrap_or_default();
    let id = text(data, "/event_uuid").unwrap_or_default();
    let payload = data.get("payload").unwrap_or(&Value::Null);
    let nothing = |reason| vec![Heard::Nothing { reason, id: Some(id.clone()) }];
    match text(data, "/event_type").unwrap_or_default().as_str() {
        "dm.received" => {
            let users = payload.get("users").unwrap_or(&Value::Null);
            let all = items(payload, "/direct_message_events").iter();
            all.map(|event| direct(event, &ours, users, now)).collect()
        }
        "dm.sent" => items(payload, "/direct_message_events").iter().map(echo).collect(),
        "dm.read" => items(payload, "/direct_message_mark_read_events").iter().map(read).collect(),
        "post.mention.create" | "post.reply.create" | "post.quote.create" => {
            let includes = data.get("includes").or_else(|| whole.get("includes")).unwrap_or(&Value::Null);
            vec![post(payload, &ours, includes, now)]
        }
        "post.delete" => match text(payload, "/id").or_else(|| text(payload, "/post/id")) {
            Some(id) => vec![Heard::Deleted(Deleted { id, at: now })],
            None => vec![Heard::Strange { why: "a deletion of nothing", id }],
        },
        "chat.received" => {
            vec![Heard::Strange { why: "an encrypted message, which the account alone can read", id }]
        }
        known if NO_CONTACTS.iter().any(|start| known.starts_with(start)) => {
            nothing("an event that is no contact")
        }
        _ => vec![Heard::Strange { why: "an event of a kind that is not known", id }],
    }
}

fn account_activity(value: &Value, ours: &str, now: Timestamp) -> Vec<Heard> {
    let users = value.get("users").unwrap_or(&Value::Null);
    let direct = items(value, "/direct_message_events").iter().map(|event| direct(event, ours, users, now));
    let posts = items(value, "/tweet_create_events").iter().map(|one| post(one, ours, &Value::Null, now));
    let gone = items(value, "/tweet_delete_events").iter().filter_map(|one| text(one, "/status/id"));
    let gone = gone.map(|id| Heard::Deleted(Deleted { id, at: now }));
    let read = items(value, "/direct_message_mark_read_events").iter().map(read);
    let mut heard: Vec<Heard> = direct.chain(posts).chain(gone).chain(read).collect();
    if heard.is_empty() {
        let known = NO_CONTACTS_BEFORE.iter().any(|key| value.get(*key).is_some());
        heard.push(if known {
            Heard::Nothing { reason: "an event that is no contact", id: None }
        } else {
            Heard::Strange { why: "an event of a kind that is not known", id: String::new() }
        });
    }
    heard
}

/// The people of a direct message's envelope: by id, with or without a wrapper.
fn who(account: &str, users: &Value) -> Who {
    let user = users.get(account).unwrap_or(&Value::Null);
    let user = user.get("data").unwrap_or(user);
    Who {
        account: account.to_owned(),
        name: text(user, "/name"),
        username: text(user, "/username").or_else(|| text(user, "/screen_name")),
        ..Who::default()
    }
}

/// A direct message of our own.
fn echo(event: &Value) -> Heard {
    let id = text(event, "/id").unwrap_or_default();
    let party = text(event, "/message_create/target/recipient_id").unwrap_or_default();
    Heard::Echo(Echo { id, party, mark: None })
}

fn direct(event: &Value, ours: &str, users: &Value, now: Timestamp) -> Heard {
    let id = text(event, "/id").unwrap_or_default();
    let Some(sender) = text(event, "/message_create/sender_id") else {
        return Heard::Strange { why: "no sender", id };
    };
    let recipient = text(event, "/message_create/target/recipient_id").unwrap_or_default();
    if sender == ours {
        return echo(event);
    }
    let mut pair = [sender.as_str(), recipient.as_str()];
    pair.sort_unstable();
    let thread = Thread::Private(vec![format!("dm/{}", pair.join("-"))]);
    let at = millis(event, "/created_timestamp").unwrap_or(now);
    let mut said = Said::new(id, who(&sender, users), thread, at);
    said.to = Some(recipient);
    said.way = json!({"dm": sender});
    let data = event.pointer("/message_create/message_data").unwrap_or(&Value::Null);
    said.text = text(data, "/text").unwrap_or_default();
    if let Some(payload) = text(data, "/quick_reply_response/metadata") {
        said.details.insert("payload".to_owned(), json!(payload));
        return Heard::Said(Box::new(said.as_kind("button", "[button]")));
    }
    match data.get("attachment") {
        Some(attachment) if text(attachment, "/type").as_deref() == Some("media") => {
            said.media.extend(media(&attachment["media"]));
        }
        Some(attachment) => {
            said.details.insert("attachment".to_owned(), attachment.clone());
        }
        None => {}
    }
    finished(said)
}

/// What was said, named after its words or its first file.
fn finished(said: Said) -> Heard {
    let kind = said.media.first().map_or("text", |media| media.kind.as_str()).to_owned();
    let words = if kind == "text" { "[a message without words]".to_owned() } else { format!("[{kind}]") };
    Heard::Said(Box::new(said.as_kind(&kind, words)))
}

fn media(media: &Value) -> Option<Media> {
    let kind = match text(media, "/type").as_deref() {
        Some("photo") => "image",
        Some("video" | "animated_gif") => "video",
        _ => "file",
    };
    // The best of a film's versions; else the picture itself.
    let best = items(media, "/video_info/variants")
        .iter()
        .filter(|one| text(one, "/content_type").as_deref() == Some("video/mp4"))
        .max_by_key(|one| one.get("bitrate").and_then(Value::as_u64));
    let film = best.and_then(|one| text(one, "/url"));
    let still = ["/media_url_https", "/url"].into_iter().find_map(|at| text(media, at));
    Some(Media {
        kind: kind.to_owned(),
        handle: film.or(still)?,
        by_id: false,
        name: None,
        media_type: None,
        identity: text(media, "/id_str").or_else(|| text(media, "/media_key")),
    })
}

fn read(event: &Value) -> Heard {
    let (Some(id), Some(party)) = (text(event, "/last_read_event_id"), text(event, "/sender_id")) else {
        return Heard::Strange { why: "a receipt for nothing", id: String::new() };
    };
    let words = Some("read".to_owned());
    Heard::Fared(Fared { about: About::Id(id), party, state: OutboundState::Delivered, words })
}

/// A post that everybody can read.
fn post(post: &Value, ours: &str, includes: &Value, now: Timestamp) -> Heard {
    let id = text(post, "/id_str").or_else(|| text(post, "/id")).unwrap_or_default();
    let author = text(post, "/author_id").or_else(|| text(post, "/user/id_str"));
    let Some(author) = author.filter(|_| !id.is_empty()) else {
        return Heard::Strange { why: "no sender", id };
    };
    if author == ours {
        let party = text(post, "/in_reply_to_user_id").or_else(|| text(post, "/in_reply_to_user_id_str"));
        return Heard::Echo(Echo { id, party: party.unwrap_or_default(), mark: None });
    }
    let referenced = |kind: &str| {
        let all = items(post, "/referenced_tweets").iter();
        let mut of_kind = all.filter(|one| text(one, "/type").as_deref() == Some(kind));
        of_kind.next().and_then(|one| text(one, "/id"))
    };
    if referenced("retweeted").is_some() || post.get("retweeted_status").is_some() {
        return Heard::Nothing { reason: "somebody passed a post on", id: Some(id) };
    }
    let user = items(includes, "/users").iter().find(|user| text(user, "/id").as_deref() == Some(&author));
    let user = user.or_else(|| post.get("user")).unwrap_or(&Value::Null);
    let who = Who {
        account: author,
        name: text(user, "/name"),
        username: text(user, "/username").or_else(|| text(user, "/screen_name")),
        ..Who::default()
    };
    let answers = referenced("replied_to").or_else(|| text(post, "/in_reply_to_status_id_str"));
    let conversation =
        text(post, "/conversation_id").or_else(|| answers.clone()).unwrap_or_else(|| id.clone());
    let at =
        text(post, "/created_at").and_then(|at| at.parse().ok()).or_else(|| millis(post, "/timestamp_ms"));
    let thread = Thread::Public(format!("post/{conversation}"));
    let mut said = Said::new(id.clone(), who, thread, at.unwrap_or(now));
    said.to = (!ours.is_empty()).then(|| ours.to_owned());
    said.way = json!({"post": id});
    said.answers = answers;
    let texts = ["/note_tweet/text", "/extended_tweet/full_text", "/full_text", "/text"];
    said.text = texts.into_iter().find_map(|at| text(post, at)).unwrap_or_default();
    let pictures = items(includes, "/media").iter().chain(items(post, "/extended_entities/media"));
    said.media.extend(pictures.filter_map(media).take(10));
    said.details = details([("conversation", Some(json!(conversation)))]);
    let kind = if said.text.is_empty() { "post" } else { "mention" };
    Heard::Said(Box::new(said.as_kind(kind, "[a post without words]")))
}
