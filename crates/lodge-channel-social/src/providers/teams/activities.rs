//! What an activity says. Pure.

use crate::heard::{Deleted, Echo, Edited, Heard, Media, Said, Thread, Who};
use crate::json::{details, items, text};
use jiff::Timestamp;
use serde_json::{Value, json};

/// A message's id is unique in its conversation alone.
pub(super) fn id_of(conversation: &str, id: &str) -> String {
    format!("{conversation}/{id}")
}

/// What a body says.
pub(super) fn understand(body: &[u8], now: Timestamp) -> Heard {
    let strange = |why, id| Heard::Strange { why, id };
    let Ok(activity) = serde_json::from_slice::<Value>(body) else {
        return strange("the body is no JSON", String::new());
    };
    let conversation = text(&activity, "/conversation/id").unwrap_or_default();
    let raw = text(&activity, "/id");
    let id = raw.as_deref().map(|id| id_of(&conversation, id)).unwrap_or_default();
    let at = text(&activity, "/timestamp").and_then(|at| at.parse().ok()).unwrap_or(now);
    let kind = text(&activity, "/type").unwrap_or_default();
    let event = text(&activity, "/channelData/eventType");
    match (kind.as_str(), event.as_deref()) {
        ("message", _) => message(&activity, id, at),
        ("messageUpdate", _) => match message(&activity, id, at) {
            Heard::Said(now) => {
                let version = format!("edit {at} {}", event.unwrap_or_default());
                Heard::Edited(Edited { id: now.id.clone(), version, now })
            }
            other => other,
        },
        ("messageDelete", _) => Heard::Deleted(Deleted { id, at }),
        ("messageReaction", _) => reaction(&activity, &conversation, at),
        ("invoke", _) => invoked(&activity, &format!("invoke {id}"), at),
        (
            "conversationUpdate"
            | "installationUpdate"
            | "contactRelationUpdate"
            | "typing"
            | "event"
            | "endOfConversation"
            | "trace"
            | "handoff",
            _,
        ) => Heard::Nothing { reason: "an activity that is no contact", id: raw },
        ("", _) => strange("the body has another shape", id),
        _ => strange("an activity of a kind that is not known", id),
    }
}

/// Something that a person did in a conversation: who, where, and the way back.
fn placed(activity: &Value, id: String, at: Timestamp) -> Result<Said, Heard> {
    let Some(account) = text(activity, "/from/id") else {
        return Err(Heard::Strange { why: "no sender", id });
    };
    let conversation = text(activity, "/conversation/id").unwrap_or_default();
    let bot = text(activity, "/recipient/id");
    if Some(&account) == bot.as_ref() {
        return Err(Heard::Echo(Echo { id, party: String::new(), mark: None }));
    }
    let who = Who {
        account: account.clone(),
        alias: text(activity, "/from/aadObjectId"),
        name: text(activity, "/from/name"),
        is_bot: text(activity, "/from/role").as_deref() == Some("bot"),
        ..Who::default()
    };
    let kind = text(activity, "/conversation/conversationType");
    let several = crate::json::is(activity, "/conversation/isGroup")
        || matches!(kind.as_deref(), Some("groupChat" | "channel"));
    let thread = if several {
        Thread::Shared(conversation.clone())
    } else {
        Thread::Private(vec![conversation.clone()])
    };
    let mut said = Said::new(id, who, thread, at);
    said.way = json!({
        "service": text(activity, "/serviceUrl"),
        "conversation": conversation,
        "activity": text(activity, "/id"),
        "bot": bot,
        "user": account,
    });
    said.details = details([
        ("tenant", text(activity, "/conversation/tenantId").map(Value::from)),
        ("team", text(activity, "/channelData/team/id").map(Value::from)),
        ("channel", text(activity, "/channelData/channel/id").map(Value::from)),
        ("locale", text(activity, "/locale").map(Value::from)),
    ]);
    said.answers = text(activity, "/replyToId").map(|id| id_of(&conversation, &id));
    Ok(said)
}

/// The words, without the mention of ourselves that brought them here.
fn words(activity: &Value) -> String {
    let mut words = text(activity, "/text").unwrap_or_default();
    let bot = text(activity, "/recipient/id");
    for entity in items(activity, "/entities").iter().take(100) {
        let Some(mention) =
            text(entity, "/text").filter(|_| text(entity, "/type").as_deref() == Some("mention"))
        else {
            continue;
        };
        let name = text(entity, "/mentioned/name").map(|name| format!("@{name}")).unwrap_or_default();
        let ours = text(entity, "/mentioned/id") == bot;
        words = words.replace(&mention, if ours { "" } else { &name });
    }
    words.trim().to_owned()
}

fn message(activity: &Value, id: String, at: Timestamp) -> Heard {
    let mut said = match placed(activity, id, at) {
        Ok(said) => said,
        Err(other) => return other,
    };
    said.text = words(activity);
    let mut cards = Vec::new();
    for attachment in items(activity, "/attachments").iter().take(50) {
        let media_type = text(attachment, "/contentType").unwrap_or_default();
        match media_type.as_str() {
            // The words once more, marked up.
            "text/html" => {}
            "application/vnd.microsoft.teams.file.download.info" => {
                let address = text(attachment, "/content/downloadUrl");
                let identity = text(attachment, "/content/uniqueId");
                said.media.extend(address.map(|at| file(attachment, at, "file", identity)));
            }
            image if image.starts_with("image/") => {
                let address = text(attachment, "/contentUrl");
                said.media.extend(address.map(|at| file(attachment, at, "image", None)));
            }
            card if card.contains("card") => cards.push(attachment.clone()),
            _ => {
                let address = text(attachment, "/contentUrl");
                said.media.extend(address.map(|at| file(attachment, at, "file", None)));
            }
        }
    }
    // An answer to a card comes as a message that has a value and no words.
    if let Some(value) = activity.get("value").filter(|value| !value.is_null()) {
        said.details.insert("value".to_owned(), value.clone());
        return Heard::Said(Box::new(said.as_kind("button", "[button]")));
    }
    if !cards.is_empty() {
        said.details.insert("cards".to_owned(), Value::from(cards));
    }
    let kind = match said.media.first() {
        Some(media) if said.text.is_empty() => media.kind.clone(),
        _ => "text".to_owned(),
    };
    let placeholder =
        if kind == "text" { "[a message without words]".to_owned() } else { format!("[{kind}]") };
    Heard::Said(Box::new(said.as_kind(&kind, placeholder)))
}

fn file(attachment: &Value, handle: String, kind: &str, identity: Option<String>) -> Media {
    // Addresses carry credentials that differ from one telling to the next; their path does not.
    let path = handle.split('?').next().map(str::to_owned);
    Media {
        kind: kind.to_owned(),
        identity: identity.or(path),
        handle,
        by_id: false,
        name: text(attachment, "/name"),
        media_type: None,
    }
}

fn reaction(activity: &Value, conversation: &str, at: Timestamp) -> Heard {
    let added = items(activity, "/reactionsAdded");
    let kinds: Vec<String> = added.iter().filter_map(|one| text(one, "/type")).take(10).collect();
    if kinds.is_empty() {
        return Heard::Nothing { reason: "a reaction was taken back", id: None };
    }
    let target = id_of(conversation, &text(activity, "/replyToId").unwrap_or_default());
    let account = text(activity, "/from/id").unwrap_or_default();
    match placed(activity, format!("{target}/{}/{account}", kinds.join(",")), at) {
        Ok(mut said) => {
            said.gesture = true;
            Heard::Said(Box::new(said.as_kind("reaction", format!("[reaction {}]", kinds.join(" ")))))
        }
        Err(other) => other,
    }
}

/// A pressed button, or something else that is answered at once.
fn invoked(activity: &Value, id: &str, at: Timestamp) -> Heard {
    let mut said = match placed(activity, id.to_owned(), at) {
        Ok(said) => said,
        Err(other) => return other,
    };
    let name = text(activity, "/name").unwrap_or_default();
    let value = activity.get("value").cloned().unwrap_or_default();
    said.text = text(&value, "/action/title").or_else(|| text(&value, "/action/verb")).unwrap_or_default();
    said.details.insert("invoke".to_owned(), json!(name));
    said.details.insert("value".to_owned(), value);
    let known = matches!(
        name.as_str(),
        "adaptiveCard/action"
            | "task/submit"
            | "composeExtension/submitAction"
            | "message/submitAction"
            | "fileConsent/invoke"
    );
    said.unknown = !known;
    let kind = if known { "button" } else { "unknown" };
    Heard::Said(Box::new(said.as_kind(kind, format!("[{name}]"))))
}
