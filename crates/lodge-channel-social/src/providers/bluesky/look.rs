//! Asks for what is new: notifications, which are listed from the newest backwards, and the log of conversations, which goes
//! on where its cursor says.

use super::session::{Say, failure};
use super::{Account, CHAT, escaped};
use crate::heard::{Deleted, Heard, Said};
use crate::json::{items, text};
use crate::watch::{Look, Watch};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use lodge_channel::fetch::ApiAnswer;
use lodge_domain::{DeliveryError, Disposition};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// What is indexed late lies behind what was seen already: so far is looked back.
const MARGIN: SignedDuration = SignedDuration::from_mins(10);
const MOST_SEEN: usize = 1000;
const MOST_PAGES: usize = 200;
const SPARE_CALLS: u32 = 20;
const NEWS: &str =
    "app.bsky.notification.listNotifications?limit=100&reasons=mention&reasons=reply&reasons=quote";

fn indexed(one: &Value) -> Option<Timestamp> {
    text(one, "/indexedAt")?.parse().ok()
}

/// What a look learned, of one of the two sources.
struct Part {
    items: Vec<Value>,
    mark: Value,
    more: bool,
}

impl Account {
    async fn get(&self, path: &str, chat: bool) -> Result<ApiAnswer, DeliveryError> {
        let headers = if chat { vec![("atproto-proxy", CHAT.to_owned())] } else { Vec::new() };
        self.session.call(Method::GET, path, &headers, Say::Nothing).await
    }

    async fn asked(&self, path: &str, chat: bool, doing: &str) -> Result<ApiAnswer, DeliveryError> {
        let answer = self.get(path, chat).await?;
        if answer.is_success() { Ok(answer) } else { Err(failure(&answer, doing, self.clock.now())) }
    }

    /// Notifications since the mark, oldest first.
    async fn notified(&self, mark: &Value, since: Timestamp) -> Result<(Part, ApiAnswer), DeliveryError> {
        let before = text(mark, "/until").and_then(|until| until.parse::<Timestamp>().ok());
        let from = before.map_or(since, |until| until.checked_sub(MARGIN).unwrap_or(since));
        let seen: Vec<String> =
            items(mark, "/seen").iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let mut found: Vec<Value> = Vec::new();
        let mut cursor = String::new();
        let mut pages = 0;
        let answer = loop {
            let answer = self.asked(&format!("{NEWS}{cursor}"), false, "ask for notifications").await?;
            let page = items(&answer.body, "/notifications");
            let ended = page.iter().any(|one| indexed(one).is_some_and(|at| at < from));
            found.extend(page.iter().filter(|one| indexed(one).is_none_or(|at| at >= from)).cloned());
            pages += 1;
            let next = answer.text("/cursor").filter(|_| !ended && !page.is_empty());
            match next {
                Some(next) if pages < MOST_PAGES => cursor = format!("&cursor={}", escaped(&next)),
                Some(_) => {
                    tracing::warn!(pages, "more notifications than are asked for: the oldest are left");
                    break answer;
                }
                None => break answer,
            }
        };
        let until = found.iter().filter_map(indexed).chain(before).max().unwrap_or(since);
        let horizon = until.checked_sub(MARGIN).unwrap_or(until);
        let id = |one: &Value| text(one, "/uri").unwrap_or_default();
        let recent = found.iter().filter(|one| indexed(one).is_some_and(|at| at >= horizon));
        let kept: Vec<String> = recent.map(id).take(MOST_SEEN).collect();
        found.retain(|one| !seen.contains(&id(one)));
        found.reverse();
        let mark = json!({"until": until, "seen": kept});
        Ok((Part { items: found, mark, more: false }, answer))
    }

    /// The log of conversations since the mark.
    async fn logged(&self, mark: &Value, since: Timestamp) -> Result<Part, DeliveryError> {
        const DOING: &str = "ask for the log of conversations";
        let advice = |error: DeliveryError| match error.disposition {
            Disposition::Misconfigured => {
                let words = error.detail.clone().unwrap_or_default();
                error.detail(format!(
                    "{words}; give the app password access to direct messages, or set chat = false"
                ))
            }
            _ => error,
        };
        let before = mark.as_str().filter(|cursor| !cursor.is_empty());
        let cursor = before.map_or_else(String::new, |cursor| format!("?cursor={}", escaped(cursor)));
        let answer =
            self.asked(&format!("chat.bsky.convo.getLog{cursor}"), true, DOING).await.map_err(advice)?;
        let mut logs: Vec<Value> = items(&answer.body, "/logs").to_vec();
        if before.is_none() {
            // Whether the log tells of the time before it was first asked for is the server's affair.
            let mut all = self.unread(since).await?;
            all.extend(logs);
            all.retain(|log| {
                let sent = text(log, "/message/sentAt").and_then(|at| at.parse::<Timestamp>().ok());
                sent.is_none_or(|at| at >= since)
            });
            logs = all;
        }
        let next = answer.text("/cursor");
        let more = before.is_some() && next.as_deref().is_some_and(|next| Some(next) != before);
        let mark = next.map_or_else(|| mark.clone(), Value::from);
        Ok(Part { more: more && !logs.is_empty(), items: logs, mark })
    }

    /// What nobody has read when we come, in the shape of the log.
    async fn unread(&self, since: Timestamp) -> Result<Vec<Value>, DeliveryError> {
        let path = "chat.bsky.convo.listConvos?limit=100&readState=unread";
        let convos = self.asked(path, true, "ask for conversations").await?;
        let mut all = Vec::new();
        for convo in items(&convos.body, "/convos") {
            let unread: usize = text(convo, "/unreadCount").and_then(|count| count.parse().ok()).unwrap_or(0);
            let Some(id) = text(convo, "/id").filter(|_| unread > 0) else { continue };
            let path = format!("chat.bsky.convo.getMessages?limit=100&convoId={}", escaped(&id));
            let messages = self.asked(&path, true, "ask for messages").await?;
            let mut fresh: Vec<Value> = items(&messages.body, "/messages")
                .iter()
                .take(unread)
                .filter(|one| {
                    let sent = text(one, "/sentAt").and_then(|at| at.parse::<Timestamp>().ok());
                    one.get("text").is_some() && sent.is_none_or(|at| at >= since)
                })
                .map(|one| {
                    json!({"$type": "chat.bsky.convo.defs#logCreateMessage", "convoId": id, "message": one})
                })
                .collect();
            fresh.reverse();
            all.extend(fresh);
        }
        Ok(all)
    }
}

#[async_trait]
impl Watch for Account {
    fn account(&self) -> String {
        format!("{}{}", self.session.api.base(), self.session.handle)
    }

    fn every(&self) -> Duration {
        Duration::from_secs(self.settings.poll_seconds.into())
    }

    async fn look(&self, mark: &Value, since: Timestamp, now: Timestamp) -> Result<Look, DeliveryError> {
        let did = self.session.did().await?;
        let at = |key: &str| mark.get(key).cloned().unwrap_or_default();
        let (notified, answer) = self.notified(&at("notified"), since).await?;
        let logged = if self.settings.chat {
            self.logged(&at("logged"), since).await?
        } else {
            Part { items: Vec::new(), mark: at("logged"), more: false }
        };
        let mut bodies = Vec::new();
        if !notified.items.is_empty() {
            bodies.push(json!({"account": did, "notifications": notified.items}));
        }
        if !logged.items.is_empty() {
            bodies.push(json!({"account": did, "logs": logged.items}));
        }
        let few = answer.remaining.is_some_and(|left| left <= SPARE_CALLS);
        let rest = answer.reset_at.filter(|_| few).map(|reset| reset.duration_since(now));
        let rest = rest.filter(SignedDuration::is_positive);
        let more = (notified.more || logged.more) && rest.is_none();
        Ok(Look { bodies, mark: json!({"notified": notified.mark, "logged": logged.mark}), more, rest })
    }

    /// Posts are taken back without a word; conversations tell.
    fn may_change(&self, said: &Said) -> bool {
        said.id.starts_with("at://")
    }

    async fn again(&self, id: &str, _: &str, now: Timestamp) -> Result<Option<Heard>, DeliveryError> {
        let mut parts = id.trim_start_matches("at://").splitn(3, '/').map(escaped);
        let (Some(repo), Some(collection), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Ok(None);
        };
        let path = format!("com.atproto.repo.getRecord?repo={repo}&collection={collection}&rkey={key}");
        let answer = self.get(&path, false).await?;
        // Anything but this word is no word about the post: an account may be away for a while.
        match (answer.status, answer.text("/error").as_deref()) {
            (_, Some("RecordNotFound")) => Ok(Some(Heard::Deleted(Deleted { id: id.to_owned(), at: now }))),
            (401 | 403 | 429 | 500.., _) => Err(failure(&answer, "look at a post again", now)),
            _ => Ok(None),
        }
    }
}
