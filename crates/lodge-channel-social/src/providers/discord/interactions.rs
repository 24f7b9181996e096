//! What an interaction says. Pure. Ids are texts: they exceed 2^53.

use crate::heard::{Heard, Media, Said, Thread, Who};
use crate::json::{details, items, text};
use crate::speech::family;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

/// How long we follow up on an interaction: its token lives for a quarter of an hour, which began before we heard of it.
const TOKEN_LIVES: SignedDuration = SignedDuration::from_mins(14);
/// Forms and commands nest no deeper than this.
const DEEPEST: usize = 6;

/// What kind of request it is: `ping`, `event` (of the application, not of a person), `typing`, `command`, `button`, `form`,
/// or nothing that is known.
pub(super) fn kind(value: &Value) -> &'static str {
    let number = value.get("type").and_then(Value::as_u64);
    match (number, value.get("event").is_some()) {
        (Some(0), _) | (Some(1), true) => "event",
        (Some(1), false) => "ping",
        (Some(2), _) => "command",
        (Some(3), _) => "button",
        (Some(4), _) => "typing",
        (Some(5), _) => "form",
        _ => "",
    }
}

/// What a body says.
pub(super) fn understand(body: &[u8], now: Timestamp) -> Heard {
    let strange = |why, id| Heard::Strange { why, id };
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return strange("the body is no JSON", String::new());
    };
    let id = text(&value, "/id").unwrap_or_default();
    match kind(&value) {
        "ping" => Heard::Nothing { reason: "a ping", id: None },
        "event" => Heard::Nothing { reason: "an event that is no contact", id: None },
        "typing" => Heard::Nothing { reason: "somebody is still typing", id: None },
        "" => strange("an interaction of a kind that is not known", id),
        kind => said(&value, kind, id, now),
    }
}

fn said(value: &Value, kind: &str, id: String, now: Timestamp) -> Heard {
    let user = value.pointer("/member/user").or_else(|| value.get("user")).unwrap_or(&Value::Null);
    let Some(account) = text(user, "/id") else { return Heard::Strange { why: "no sender", id } };
    let username = text(user, "/username");
    let who = Who {
        account: account.clone(),
        name: text(user, "/global_name").or_else(|| username.clone()),
        username,
        is_bot: crate::json::is(user, "/bot"),
        ..Who::default()
    };
    let channel = text(value, "/channel_id");
    let thread = format!("{}/{account}", channel.as_deref().unwrap_or_default());
    let mut said = Said::new(id, who, Thread::Private(vec![thread]), now);
    let guild = text(value, "/guild_id");
    said.way = json!({
        "application": text(value, "/application_id"),
        "token": text(value, "/token"),
        "until": now.checked_add(TOKEN_LIVES).ok(),
        "channel": channel,
        "user": account,
        "guild": guild.is_some(),
    });
    said.told_at_once = true;
    said.details = details([
        ("channel", channel.map(Value::from)),
        ("guild", guild.map(Value::from)),
        ("locale", text(value, "/locale").map(Value::from)),
    ]);
    let data = value.get("data").unwrap_or(&Value::Null);
    Heard::Said(Box::new(match kind {
        "command" => command(data, said),
        "button" => pressed(value, data, said),
        _ => form(data, said),
    }))
}

/// A command's options, those of its subcommands included, by name.
fn options(list: &[Value], into: &mut Map<String, Value>, depth: usize) {
    for option in list.iter().take(100) {
        if let (Some(name), Some(value)) = (text(option, "/name"), option.get("value")) {
            into.insert(name, value.clone());
        }
        if depth < DEEPEST {
            options(items(option, "/options"), into, depth + 1);
        }
    }
}

fn command(data: &Value, mut said: Said) -> Said {
    let mut given = Map::new();
    options(items(data, "/options"), &mut given, 0);
    let files = data.pointer("/resolved/attachments").and_then(Value::as_object);
    for file in files.into_iter().flat_map(Map::values).take(10) {
        let media_type = text(file, "/content_type");
        let kind = family(media_type.as_deref().unwrap_or_default(), "file").to_owned();
        let (name, identity) = (text(file, "/filename"), text(file, "/id"));
        said.media.extend(text(file, "/url").map(|handle| Media {
            kind,
            handle,
            by_id: false,
            name,
            media_type,
            identity,
        }));
    }
    // Words are what is not the id of a file, a person or a channel.
    let word = |value: &Value| value.as_str().filter(|text| !is_id(text)).map(str::to_owned);
    let words = given.get("text").and_then(Value::as_str).map(str::to_owned);
    let target =
        text(data, "/target_id").and_then(|id| text(data, &format!("/resolved/messages/{id}/content")));
    said.text = words.or(target).unwrap_or_else(|| {
        let all: Vec<String> = given.values().filter_map(word).collect();
        all.join("\n")
    });
    said.details.insert("command".to_owned(), json!(text(data, "/name")));
    said.details.insert("options".to_owned(), Value::Object(given));
    said.as_kind("command", "[command]")
}

fn is_id(text: &str) -> bool {
    text.len() >= 17 && text.bytes().all(|b| b.is_ascii_digit())
}

/// A button, or what was chosen from a list.
fn pressed(value: &Value, data: &Value, mut said: Said) -> Said {
    let chosen: Vec<&str> = items(data, "/values").iter().filter_map(Value::as_str).collect();
    let payload = text(data, "/custom_id");
    said.text = if chosen.is_empty() { payload.clone().unwrap_or_default() } else { chosen.join(", ") };
    said.details.insert("payload".to_owned(), json!(payload));
    said.answers = text(value, "/message/id");
    said.as_kind("button", "[button]")
}

fn form(data: &Value, mut said: Said) -> Said {
    let mut fields = Map::new();
    filled(items(data, "/components"), &mut fields, 0);
    let lines: Vec<String> = fields
        .iter()
        .filter_map(|(name, value)| Some((name, value.as_str()?)))
        .map(|(name, value)| if fields.len() == 1 { value.to_owned() } else { format!("{name}: {value}") })
        .collect();
    said.text = lines.join("\n");
    said.details.insert("payload".to_owned(), json!(text(data, "/custom_id")));
    said.details.insert("fields".to_owned(), Value::Object(fields));
    said.as_kind("form", "[an empty form]")
}

/// The fields of a form: labels wrap one component, older rows hold several.
fn filled(list: &[Value], into: &mut Map<String, Value>, depth: usize) {
    for component in list.iter().take(100) {
        if let (Some(name), Some(value)) =
            (text(component, "/custom_id"), component.get("value").or_else(|| component.get("values")))
        {
            let joined = items(component, "/values").iter().filter_map(Value::as_str).collect::<Vec<_>>();
            let value = value.as_str().map_or_else(|| joined.join(", "), str::to_owned);
            into.insert(name, Value::from(value));
        }
        if depth < DEEPEST {
            filled(component.get("component").map_or(&[], std::slice::from_ref), into, depth + 1);
            filled(items(component, "/components"), into, depth + 1);
        }
    }
}
