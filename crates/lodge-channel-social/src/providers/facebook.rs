//! A Facebook page's wall: what people post there and comment on. Everybody can read it, our answers included.

pub(crate) use super::meta::SCRATCH;
use super::meta::{Graph, Meta, envelope};
use crate::heard::{Deleted, Edited, Heard, Media, Said, Thread, Who};
use crate::json::{details, items, seconds, text};
use crate::pace::Pace;
use crate::speech::{Capabilities, Carries, Content, FilesOut, Outgoing, Settings, Speech, Unit, no_files};
use async_trait::async_trait;
use jiff::Timestamp;
use lodge_channel::fetch::{ApiBody, MediaPolicy, escaped};
use lodge_channel::webhook::{Answer, Forged, Unverified, Verified};
use lodge_channel::{Context, Problem, Secret};
use lodge_domain::DeliveryError;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// What a page's wall can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    verified_by: "HMAC-SHA256 of the body",
    text: (8000, Unit::Characters),
    window: "none",
    public: true,
    files_in: true,
    files_out: FilesOut::Some("pictures up to 4 MB, by link"),
    changes: "edits, deletions",
    receipts: "none",
    registers: false,
    pace: Pace::new((20, 10), (10, 30)),
};

/// How large a picture may be.
const LARGEST: u64 = 4_000_000;

/// Comments and posts on a Facebook page.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Facebook(Meta);

impl Settings for Facebook {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        self.0.secrets()
    }

    fn account(&self) -> Option<String> {
        self.0.page_id.clone()
    }

    fn understand(&self, body: &[u8], now: Timestamp) -> Vec<Heard> {
        let value = match envelope(body, "page") {
            Ok(value) => value,
            Err(heard) => return vec![heard],
        };
        let mut heard = Vec::new();
        for entry in items(&value, "/entry") {
            let page = text(entry, "/id").unwrap_or_default();
            if !self.0.is_ours(&page) {
                heard.push(Heard::Nothing { reason: "about another account", id: None });
                continue;
            }
            let at = seconds(entry, "/time").unwrap_or(now);
            heard.extend(items(entry, "/changes").iter().map(|change| post(change, &page, at)));
        }
        heard
    }

    fn connect(&self, context: &Context) -> Result<Arc<dyn Speech>, Problem> {
        Ok(Arc::new(Wall { graph: self.0.connect(context)? }))
    }
}

fn post(change: &Value, page: &str, at: Timestamp) -> Heard {
    let value = change.get("value").unwrap_or(&Value::Null);
    let item = text(value, "/item").unwrap_or_default();
    let post = text(value, "/post_id").unwrap_or_default();
    let id = match (item.as_str(), text(value, "/comment_id")) {
        ("comment", Some(comment)) => comment,
        ("comment", None) => return Heard::Strange { why: "a comment without an id", id: String::new() },
        ("post" | "status" | "photo" | "video" | "share", _) if !post.is_empty() => post.clone(),
        _ => return Heard::Nothing { reason: "a change that is no contact", id: None },
    };
    let from = text(value, "/from/id").or_else(|| text(value, "/sender_id")).unwrap_or_default();
    if from == page {
        return Heard::Nothing { reason: "our own words", id: Some(id) };
    }
    let verb = text(value, "/verb").unwrap_or_default();
    match verb.as_str() {
        "remove" | "delete" => return Heard::Deleted(Deleted { id, at }),
        "hide" | "unhide" => {
            return Heard::Nothing { reason: "hidden or shown again by the page", id: Some(id) };
        }
        _ => {}
    }
    // A comment on a post is the top of its thread; an answer to a comment names that as its parent.
    let parent = text(value, "/parent_id").filter(|parent| *parent != post);
    let root = parent.clone().unwrap_or_else(|| id.clone());
    let who = Who {
        account: if from.is_empty() { format!("comment {id}") } else { from },
        name: text(value, "/from/name").or_else(|| text(value, "/sender_name")),
        ..Who::default()
    };
    let at = seconds(value, "/created_time").unwrap_or(at);
    let mut said = Said::new(&id, who, Thread::Public(format!("{post}/{root}")), at);
    said.text = text(value, "/message").unwrap_or_default();
    said.to = Some(page.to_owned());
    said.answers = parent;
    said.way = json!({"comment": id});
    let link = value.pointer("/post/permalink_url").cloned();
    said.details = details([("post", Some(json!(post))), ("link", link)]);
    let photo = text(value, "/photo").or_else(|| text(value, "/link").filter(|_| item == "photo"));
    said.media.extend(photo.map(|handle| Media {
        kind: "image".to_owned(),
        handle,
        by_id: false,
        name: None,
        media_type: None,
        identity: None,
    }));
    let said = said.as_kind(if item == "comment" { "comment" } else { "post" }, format!("[{item}]"));
    if matches!(verb.as_str(), "edit" | "edited") {
        let digest = lodge_domain::digest_parts(&[said.text.as_bytes()]);
        let version = format!("edit {}", data_encoding::HEXLOWER.encode(&digest[..8]));
        return Heard::Edited(Edited { id, version, now: Box::new(said) });
    }
    Heard::Said(Box::new(said))
}

struct Wall {
    graph: Graph,
}

#[async_trait]
impl Speech for Wall {
    fn handshake(&self, request: &Unverified) -> Option<Answer> {
        Some(self.graph.handshake(request))
    }

    fn verify<'r>(&self, request: &'r Unverified, _: Timestamp) -> Result<Verified<'r>, Forged> {
        self.graph.verify(request)
    }

    fn carries(&self, _: &Value, media_type: &str, size: u64) -> Carries {
        let picture = matches!(media_type, "image/png" | "image/jpeg" | "image/gif");
        if picture && size <= LARGEST { Carries::Link } else { Carries::Not }
    }

    async fn send(&self, outgoing: &Outgoing<'_>) -> Result<Option<String>, DeliveryError> {
        let said = match &outgoing.content {
            Content::Text(words) => json!({"message": words}),
            Content::Link { href, .. } => json!({"attachment_url": href}),
            Content::File { .. } => return Err(no_files()),
        };
        let comment = text(outgoing.way, "/comment").unwrap_or_default();
        let path = format!("{}/comments", escaped(&comment));
        Ok(self.graph.post(&path, ApiBody::Json(&said)).await?.text("/id"))
    }

    fn media_policy(&self) -> MediaPolicy {
        self.graph.media_policy()
    }
}
