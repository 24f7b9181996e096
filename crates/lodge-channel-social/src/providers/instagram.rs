//! An Instagram account: messages of people to it, comments on what it posts, and mentions of it.

pub(crate) use super::meta::SCRATCH;
use super::meta::{Graph, Meta, envelope};
use super::meta_messaging::{answer, beyond_window, conversations, name_of};
use crate::heard::{Heard, Said, Thread, Who};
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

/// What Instagram can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    verified_by: "HMAC-SHA256 of the body",
    text: (1000, Unit::Bytes),
    window: "24 h",
    public: true,
    files_in: true,
    files_out: FilesOut::Some("pictures up to 8 MB, sound, video and PDF up to 25 MB in messages, by link"),
    changes: "deletions of messages",
    receipts: "read",
    registers: false,
    pace: Pace::new((20, 1), (10, 10)),
};

/// How large a picture, and anything else, may be.
const LARGEST: (u64, u64) = (8_000_000, 25_000_000);

/// Messages and comments of an Instagram account.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Instagram(Meta);

impl Settings for Instagram {
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
        let mut heard = conversations(&self.0, body, "instagram", now);
        let Ok(value) = envelope(body, "instagram") else { return heard };
        for entry in items(&value, "/entry") {
            let account = text(entry, "/id").unwrap_or_default();
            if !self.0.is_ours(&account) {
                continue;
            }
            let at = seconds(entry, "/time").unwrap_or(now);
            heard.extend(items(entry, "/changes").iter().map(|change| public(change, &account, at)));
            // Apps that log in by Instagram are told without the list around it.
            if entry.get("field").is_some() {
                heard.push(public(entry, &account, at));
            }
        }
        heard
    }

    fn connect(&self, context: &Context) -> Result<Arc<dyn Speech>, Problem> {
        Ok(Arc::new(Account { graph: self.0.connect(context)?, settings: self.0.clone() }))
    }
}

fn public(change: &Value, account: &str, at: Timestamp) -> Heard {
    let field = text(change, "/field").unwrap_or_default();
    let value = change.get("value").unwrap_or(&Value::Null);
    if !matches!(field.as_str(), "comments" | "live_comments" | "mentions") {
        return Heard::Nothing { reason: "a change that is no contact", id: None };
    }
    let id = ["/id", "/comment_id", "/media_id"].into_iter().find_map(|pointer| text(value, pointer));
    let Some(id) = id else { return Heard::Strange { why: "a comment without an id", id: String::new() } };
    let from = text(value, "/from/id").unwrap_or_default();
    if from == account {
        return Heard::Nothing { reason: "our own comment", id: Some(id) };
    }
    let post = text(value, "/media/id").or_else(|| text(value, "/media_id")).unwrap_or_default();
    let root = text(value, "/parent_id").unwrap_or_else(|| id.clone());
    let who = Who {
        // Mentions do not say whose they are: each stands alone.
        account: if from.is_empty() { format!("comment {id}") } else { from },
        username: text(value, "/from/username"),
        name: text(value, "/from/username"),
        ..Who::default()
    };
    let mut said = Said::new(&id, who, Thread::Public(format!("{post}/{root}")), at);
    said.text = text(value, "/text").unwrap_or_default();
    said.to = Some(account.to_owned());
    said.answers = text(value, "/parent_id");
    said.way = json!({"comment": id});
    said.details = details([("post", Some(json!(post))), ("field", Some(json!(field)))]);
    Heard::Said(Box::new(said.as_kind("comment", "[mentioned us]")))
}

/// Private messages as in Messenger, and public answers to comments.
struct Account {
    graph: Graph,
    settings: Meta,
}

#[async_trait]
impl Speech for Account {
    fn handshake(&self, request: &Unverified) -> Option<Answer> {
        Some(self.graph.handshake(request))
    }

    fn verify<'r>(&self, request: &'r Unverified, _: Timestamp) -> Result<Verified<'r>, Forged> {
        self.graph.verify(request)
    }

    fn beyond_window(&self, ended: Timestamp, now: Timestamp) -> Result<(), String> {
        beyond_window(&self.settings, ended, now)
    }

    fn carries(&self, way: &Value, media_type: &str, size: u64) -> Carries {
        // Comments are words.
        let largest = match media_type {
            _ if way.get("comment").is_some() => 0,
            "image/png" | "image/jpeg" | "image/gif" => LARGEST.0,
            "audio/aac" | "audio/mp4" | "audio/x-m4a" | "audio/wav" | "audio/x-wav" => LARGEST.1,
            "video/mp4" | "video/ogg" | "video/x-msvideo" | "video/quicktime" | "video/webm" => LARGEST.1,
            "application/pdf" => LARGEST.1,
            _ => 0,
        };
        if size <= largest { Carries::Link } else { Carries::Not }
    }

    async fn send(&self, outgoing: &Outgoing<'_>) -> Result<Option<String>, DeliveryError> {
        let Some(comment) = text(outgoing.way, "/comment") else {
            return answer(&self.graph, outgoing).await;
        };
        let Content::Text(words) = &outgoing.content else { return Err(no_files()) };
        let path = format!("{}/replies", escaped(&comment));
        Ok(self.graph.post(&path, ApiBody::Json(&json!({"message": words}))).await?.text("/id"))
    }

    fn media_policy(&self) -> MediaPolicy {
        self.graph.media_policy()
    }

    async fn name_of(&self, account: &str) -> Option<String> {
        name_of(&self.graph, account).await
    }
}
