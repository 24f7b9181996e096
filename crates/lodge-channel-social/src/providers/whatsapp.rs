//! WhatsApp by Meta's Cloud API. People are known by a business-scoped user id (BSUID) since April 2026; their telephone
//! number may be missing, and where it is there, it is a second name for the same thread (G05).

use super::meta::{Graph, envelope};
use crate::heard::{About, Deleted, Echo, Edited, Fared, Heard, Media, Said, Thread, Who};
use crate::json::{details, items, seconds, text};
use crate::pace::Pace;
use crate::speech::{Capabilities, Content, FilesOut, Outgoing, Settings, Speech, Unit, family};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use lodge_channel::fetch::{ApiBody, Credentials, MediaError, MediaPolicy, escaped};
use lodge_channel::webhook::{Answer, Forged, Unverified, Verified};
use lodge_channel::{Context, Problem, Secret, Secrets};
use lodge_domain::delivery::OutboundState;
use lodge_domain::{DeliveryError, Disposition, HandleKind, OutboundId, PartyHandle};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use url::Url;

/// What WhatsApp can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    verified_by: "HMAC-SHA256 of the body",
    text: (4096, Unit::Characters),
    window: "24 h",
    public: false,
    files_in: true,
    files_out: FilesOut::All,
    changes: "edits, deletions",
    receipts: "sent, delivered, read, failed",
    registers: false,
    pace: Pace::new((60, 1), (20, 60)),
};

/// The least keys of its table; see [`crate::scratch`].
pub(crate) const SCRATCH: &str = "app_secret = \"file:secret\"\nverify_token = \"file:secret\"\n\
    access_token = \"file:secret\"\nphone_number_id = \"0\"\n";

/// WhatsApp by the Cloud API.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WhatsApp {
    /// The app secret; signs every webhook. A list while it is changed over, or where two apps post here.
    pub app_secret: Secrets,
    /// The token that is asked for once, when the webhook is set up.
    pub verify_token: Secret,
    /// The token of the business account; sends, and fetches files.
    pub access_token: Secret,
    /// Our number's id; what came to another one is left aside.
    pub phone_number_id: String,
    /// Names of approved templates; told to the core where a reply comes too late.
    #[serde(default)]
    pub templates: Vec<String>,
    /// Where the Graph API is.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub api_base: Option<Url>,
}

impl Settings for WhatsApp {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        let app = self.app_secret.0.iter().map(|secret| ("app_secret", secret));
        app.chain([("verify_token", &self.verify_token), ("access_token", &self.access_token)]).collect()
    }

    fn problems(&self) -> Vec<Problem> {
        let fits =
            !self.phone_number_id.is_empty() && self.phone_number_id.bytes().all(|b| b.is_ascii_digit());
        let problem = || {
            let remedy = "write the id that Meta's console shows beside the number, not the number";
            Problem::new("phone_number_id", "this is no id of a number", remedy)
        };
        if fits { Vec::new() } else { vec![problem()] }
    }

    fn account(&self) -> Option<String> {
        Some(self.phone_number_id.clone())
    }

    fn understand(&self, body: &[u8], now: Timestamp) -> Vec<Heard> {
        let value = match envelope(body, "whatsapp_business_account") {
            Ok(value) => value,
            Err(heard) => return vec![heard],
        };
        let changes = items(&value, "/entry").iter().flat_map(|entry| items(entry, "/changes"));
        changes.flat_map(|change| self.change(change, now)).collect()
    }

    fn connect(&self, context: &Context) -> Result<Arc<dyn Speech>, Problem> {
        let (app, token) = (&self.app_secret, &self.verify_token);
        let graph = Graph::new(app, token, &self.access_token, self.api_base.as_ref(), context)?;
        Ok(Arc::new(Number { graph, settings: self.clone() }))
    }
}

impl WhatsApp {
    fn change(&self, change: &Value, now: Timestamp) -> Vec<Heard> {
        let value = change.get("value").unwrap_or(&Value::Null);
        let number = text(value, "/metadata/phone_number_id").unwrap_or_default();
        // A look at one raw body has no number of its own.
        if number != self.phone_number_id && self.phone_number_id != "0" {
            return vec![Heard::Nothing { reason: "about another number", id: None }];
        }
        let contacts = items(value, "/contacts");
        let messages = items(value, "/messages").iter().map(|one| message(one, contacts, &number, now));
        let statuses = items(value, "/statuses").iter().map(status);
        let echoes = items(value, "/message_echoes").iter().map(|one| {
            let party = text(one, "/to").map(|to| format!("+{to}")).unwrap_or_default();
            Heard::Echo(Echo { id: text(one, "/id").unwrap_or_default(), party, mark: None })
        });
        let mut heard: Vec<Heard> = messages.chain(statuses).chain(echoes).collect();
        if heard.is_empty() {
            heard.push(Heard::Nothing { reason: "news of the account", id: None });
        }
        heard
    }
}

/// Who sent a message: by id, by number, or both; the name stands in a list beside.
fn who(message: &Value, contacts: &[Value]) -> Option<Who> {
    let number = text(message, "/from");
    let id = text(message, "/from_user_id");
    let same = |contact: &&Value| {
        (id.is_some() && text(contact, "/user_id") == id)
            || (number.is_some() && text(contact, "/wa_id") == number)
    };
    let contact = contacts.iter().find(same);
    let id = id.or_else(|| contact.and_then(|contact| text(contact, "/user_id")));
    let named = |pointer| contact.and_then(|contact| text(contact, pointer));
    Some(Who {
        account: id.clone().or_else(|| number.clone())?,
        alias: text(message, "/from_parent_user_id"),
        phone: number.map(|number| format!("+{number}")),
        name: named("/profile/name"),
        username: named("/profile/username"),
        is_bot: false,
    })
}

fn message(message: &Value, contacts: &[Value], number: &str, now: Timestamp) -> Heard {
    let id = text(message, "/id").unwrap_or_default();
    let Some(who) = who(message, contacts) else {
        return Heard::Strange { why: "no sender", id };
    };
    let at = seconds(message, "/timestamp").unwrap_or(now);
    let kind = text(message, "/type").unwrap_or_default();
    // The id first: the number may be taken over by somebody else.
    let mut names = vec![format!("{number}/{}", who.account)];
    names.extend(who.phone.iter().map(|phone| format!("{number}/{phone}")));
    names.dedup();
    let group = text(message, "/group_id");
    let thread =
        group.as_ref().map_or(Thread::Private(names), |group| Thread::Shared(format!("{number}/{group}")));
    let bare = who.phone.as_ref().map(|phone| phone.trim_start_matches('+').to_owned());
    let mut said = Said::new(id, who, thread, at);
    said.to = Some(number.to_owned());
    said.way = match (&group, bare) {
        (Some(group), _) => json!({"group": group}),
        (None, Some(bare)) => json!({"to": bare}),
        (None, None) => json!({"recipient": said.from.account}),
    };
    said.window_ends_at = at.checked_add(SignedDuration::from_hours(24)).ok();
    said.answers = text(message, "/context/id");
    said.details = details([
        ("referral", message.get("referral").cloned()),
        ("forwarded", message.pointer("/context/forwarded").cloned()),
        ("group", group.map(Value::from)),
    ]);
    match kind.as_str() {
        "edit" => {
            let Some(target) = text(message, "/edit/original_message_id") else {
                return Heard::Strange { why: "an edit of nothing", id: said.id };
            };
            let version = said.id.clone();
            let inner = message.pointer("/edit/message").cloned().unwrap_or(Value::Null);
            let inner_kind = text(&inner, "/type").unwrap_or_default();
            let said = Said { id: target.clone(), ..content(&inner, &inner_kind, said) };
            Heard::Edited(Edited { id: target, version, now: Box::new(said) })
        }
        "revoke" => match text(message, "/revoke/original_message_id") {
            Some(id) => Heard::Deleted(Deleted { id, at }),
            None => Heard::Strange { why: "a deletion of nothing", id: said.id },
        },
        "reaction" if text(message, "/reaction/emoji").is_none() => {
            Heard::Nothing { reason: "a reaction was taken back", id: Some(said.id) }
        }
        _ => Heard::Said(Box::new(content(message, &kind, said))),
    }
}

/// What a message of a kind says.
fn content(message: &Value, kind: &str, mut said: Said) -> Said {
    let own = |pointer: &str| text(message, &format!("/{kind}{pointer}"));
    match kind {
        "text" => {
            said.text = own("/body").unwrap_or_default();
            said.as_kind("text", "[a message without words]")
        }
        "image" | "video" | "audio" | "document" | "sticker" => {
            said.text = own("/caption").unwrap_or_default();
            let id = own("/id");
            said.media.push(Media {
                kind: if kind == "document" { "file".to_owned() } else { kind.to_owned() },
                handle: id.clone().unwrap_or_default(),
                by_id: true,
                name: own("/filename"),
                media_type: own("/mime_type"),
                identity: own("/sha256").or(id),
            });
            let voice = message.pointer("/audio/voice").and_then(Value::as_bool).unwrap_or(false);
            said.as_kind(if voice { "voice" } else { kind }, format!("[{kind}]"))
        }
        "location" => {
            let place = [own("/name"), own("/address")].into_iter().flatten().collect::<Vec<_>>().join(", ");
            let at = format!(
                "{}, {}",
                own("/latitude").unwrap_or_default(),
                own("/longitude").unwrap_or_default()
            );
            said.details.insert("location".to_owned(), message["location"].clone());
            said.as_kind("location", format!("[location {at}] {place}").trim().to_owned())
        }
        "contacts" => {
            let names =
                items(message, "/contacts").iter().filter_map(|one| text(one, "/name/formatted_name"));
            let names = names.collect::<Vec<_>>().join(", ");
            said.details.insert("contacts".to_owned(), message["contacts"].clone());
            said.as_kind("contact", format!("[contact {names}]"))
        }
        "button" => {
            said.text = own("/text").unwrap_or_default();
            said.details.insert("payload".to_owned(), json!(own("/payload")));
            said.as_kind("button", "[button]")
        }
        "interactive" => {
            let inner = own("/type").unwrap_or_default();
            said.text = own(&format!("/{inner}/title"))
                .or_else(|| own(&format!("/{inner}/body")))
                .unwrap_or_default();
            said.details.insert("payload".to_owned(), json!(own(&format!("/{inner}/id"))));
            said.details.insert("interactive".to_owned(), message["interactive"].clone());
            said.as_kind("button", format!("[{}]", inner.replace('_', " ")))
        }
        "reaction" => {
            said.answers = own("/message_id");
            said.gesture = true;
            let emoji = own("/emoji").unwrap_or_default();
            said.as_kind("reaction", format!("[reaction {emoji}]"))
        }
        "order" | "system" => {
            said.gesture = kind == "system";
            said.text = own("/body").or_else(|| own("/text")).unwrap_or_default();
            said.details.insert(kind.to_owned(), message[kind].clone());
            said.as_kind(kind, format!("[{kind}]"))
        }
        _ => {
            said.unknown = true;
            said.details.insert("errors".to_owned(), message["errors"].clone());
            said.as_kind("unsupported", "[a message of a kind that is not known]")
        }
    }
}

fn status(status: &Value) -> Heard {
    let id = text(status, "/id").unwrap_or_default();
    let party = text(status, "/recipient_id").map(|to| format!("+{to}"));
    let party = party.or_else(|| text(status, "/recipient_user_id")).unwrap_or_default();
    let word = text(status, "/status").unwrap_or_default();
    let state = match word.as_str() {
        "sent" => OutboundState::Sent,
        "delivered" | "read" | "played" => OutboundState::Delivered,
        // It was taken over and did not arrive; a later word does not change that.
        "failed" => OutboundState::Bounced,
        _ => return Heard::Nothing { reason: "a status that is not known", id: Some(id) },
    };
    let error = items(status, "/errors").first().map(|error| {
        let code = text(error, "/code").unwrap_or_default();
        let words = text(error, "/error_data/details").or_else(|| text(error, "/title")).unwrap_or_default();
        format!("{code}: {words}")
    });
    let mark = text(status, "/biz_opaque_callback_data").as_deref().and_then(OutboundId::parse);
    let about = mark.map_or(About::Id(id), About::Mark);
    Heard::Fared(Fared { about, party, state, words: error.or(Some(word)) })
}

struct Number {
    graph: Graph,
    settings: WhatsApp,
}

impl Number {
    /// Hands a file over; its id.
    async fn upload(
        &self,
        name: &str,
        media_type: &str,
        bytes: bytes::Bytes,
    ) -> Result<String, DeliveryError> {
        let body = ApiBody::File {
            fields: vec![
                ("messaging_product".to_owned(), "whatsapp".to_owned()),
                ("type".to_owned(), media_type.to_owned()),
            ],
            field: "file".to_owned(),
            name: name.to_owned(),
            media_type: media_type.to_owned(),
            bytes,
        };
        let answer = self.graph.post(&format!("{}/media", self.settings.phone_number_id), body).await?;
        let none =
            || DeliveryError::new(Disposition::Later { after: None }, "hand a file over: it got no id");
        answer.text("/id").ok_or_else(none)
    }
}

#[async_trait]
impl Speech for Number {
    fn body_limit(&self) -> usize {
        3 * 1024 * 1024
    }

    fn handshake(&self, request: &Unverified) -> Option<Answer> {
        Some(self.graph.handshake(request))
    }

    fn verify<'r>(&self, request: &'r Unverified, _: Timestamp) -> Result<Verified<'r>, Forged> {
        self.graph.verify(request)
    }

    fn beyond_window(&self, _: Timestamp, _: Timestamp) -> Result<(), String> {
        let names = &self.settings.templates;
        let allowed = if names.is_empty() { "none are configured".to_owned() } else { names.join(", ") };
        Err(format!("allowed templates: {allowed}"))
    }

    async fn send(&self, outgoing: &Outgoing<'_>) -> Result<Option<String>, DeliveryError> {
        let mut body = json!({
            "messaging_product": "whatsapp",
            // Comes back with every status: this is how we know what it is about.
            "biz_opaque_callback_data": outgoing.id.as_str(),
        });
        let way = |key| text(outgoing.way, key);
        match (way("/group"), way("/to"), way("/recipient")) {
            (Some(group), _, _) => {
                body["recipient_type"] = json!("group");
                body["to"] = json!(group);
            }
            (None, to, recipient) => {
                body["recipient_type"] = json!("individual");
                let (key, value) = if to.is_some() { ("to", to) } else { ("recipient", recipient) };
                body[key] = json!(value);
            }
        }
        match &outgoing.content {
            Content::Text(words) => {
                body["type"] = json!("text");
                body["text"] = json!({"body": words, "preview_url": false});
            }
            Content::Link { .. } => return Err(crate::speech::no_files()),
            Content::File { name, media_type, bytes } => {
                let id = self.upload(name, media_type, bytes.clone()).await?;
                let kind = family(media_type, "document");
                body["type"] = json!(kind);
                body[kind] =
                    if kind == "document" { json!({"id": id, "filename": name}) } else { json!({"id": id}) };
            }
        }
        let path = format!("{}/messages", self.settings.phone_number_id);
        Ok(self.graph.post(&path, ApiBody::Json(&body)).await?.text("/messages/0/id"))
    }

    fn media_policy(&self) -> MediaPolicy {
        self.graph.media_policy()
    }

    /// A file's address is good for five minutes, and asks for the token like everything else.
    async fn locate(&self, media: &Media) -> Result<(String, Credentials), MediaError> {
        let id = escaped(&media.handle);
        let answer = self.graph.get(&id.to_string()).await.map_err(|error| match error.disposition {
            Disposition::Never => MediaError::Gone(404),
            _ => MediaError::Later(error.to_string()),
        })?;
        let address = answer.text("/url").ok_or(MediaError::Gone(200))?;
        Ok((address, self.graph.credentials.clone()))
    }

    fn way_to(&self, party: &PartyHandle) -> Option<Value> {
        let number = party.value.strip_prefix('+')?;
        (party.kind == HandleKind::Phone).then(|| json!({"to": number}))
    }
}
