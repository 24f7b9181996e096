//! Messages of the sandbox page in social networks: told to the gateway as the networks do (Meta's webhooks), with the
//! receipts of what the gateway sent.

use super::carrier::{Carrier, NUMBER, PAGE, SentMessage};
use super::carrier_api::picture;
use super::sandbox::{Sandbox, problem};
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use data_encoding::BASE64;
use jiff::Timestamp;
use lodge_domain::digest_parts;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How long a message is on its way.
const UNDER_WAY: Duration = Duration::from_millis(600);
/// What pictures may be.
const PICTURES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];
/// The largest picture in bytes.
const LARGEST: usize = 1 << 20;

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Network {
    Messenger,
    WhatsApp,
}

impl Network {
    /// Its name, which is its inbox's too.
    fn name(self) -> &'static str {
        match self {
            Self::Messenger => "messenger",
            Self::WhatsApp => "whatsapp",
        }
    }

    /// The account of a person: the same name is the same person.
    fn account(self, name: &str) -> String {
        let digest = digest_parts(&[self.name().as_bytes(), name.as_bytes()]);
        let digits: String = digest.iter().take(9).map(|byte| (byte % 10).to_string()).collect();
        match self {
            Self::Messenger => format!("7100000{digits}"),
            Self::WhatsApp => format!("4915{digits}"),
        }
    }
}

/// What a customer writes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    network: Network,
    name: String,
    text: String,
    picture: Option<Picture>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Picture {
    media_type: String,
    /// Its bytes in Base64.
    data: String,
}

/// A message that was read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    id: String,
}

/// What the page calls.
pub(super) fn routes() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/sandbox/social/message", post(write))
        .route("/sandbox/social/read", post(read))
        .route("/sandbox/social/picture/{id}", get(show))
}

async fn write(State(sandbox): State<Arc<Sandbox>>, Json(written): Json<Written>) -> Response {
    let carrier = &sandbox.carrier;
    let Written { network, name, text, picture } = written;
    let (name, text) = (name.trim(), text.trim());
    if name.is_empty() || (text.is_empty() && picture.is_none()) {
        return problem(StatusCode::BAD_REQUEST, "a message needs a name, and words or a picture");
    }
    let picture = match picture.map(|picture| kept(carrier, picture)).transpose() {
        Ok(picture) => picture,
        Err(reason) => return problem(StatusCode::BAD_REQUEST, reason),
    };
    let account = network.account(name);
    carrier.held().meet(&account, name);
    let now = carrier.clock.now();
    let (id, body) = match network {
        Network::Messenger => in_messenger(carrier, &account, text, picture.as_ref(), now),
        Network::WhatsApp => in_whatsapp(carrier, (&account, name), text, picture.as_ref(), now),
    };
    carrier.happened(json!({
        "kind": "message", "by": "customer", "network": network.name(), "account": account, "name": name, "id": id,
        "text": text, "picture": picture.map(|(id, _)| format!("/sandbox/social/picture/{id}")),
    }));
    match carrier.tell_json(network.name(), &body).await {
        Ok(()) => {
            carrier.happened(json!({"kind": "receipt", "id": id, "state": "taken"}));
            (StatusCode::ACCEPTED, Json(json!({"id": id, "account": account}))).into_response()
        }
        Err(reason) => problem(StatusCode::BAD_GATEWAY, &reason),
    }
}

/// Keeps a picture, so that the gateway can fetch it; its id and media type.
fn kept(carrier: &Carrier, picture: Picture) -> Result<(String, String), &'static str> {
    if !PICTURES.contains(&picture.media_type.as_str()) {
        return Err("a picture is PNG, JPEG, GIF or WebP");
    }
    let bytes = BASE64.decode(picture.data.as_bytes()).map_err(|_| "the picture cannot be read")?;
    if bytes.is_empty() || bytes.len() > LARGEST {
        return Err("a picture has at most 1 MiB here");
    }
    let id = carrier.entropy.token();
    carrier.held().keep(&id, &picture.media_type, bytes.into());
    Ok((id, picture.media_type))
}

type Kept = (String, String);

fn in_messenger(
    carrier: &Carrier,
    account: &str,
    text: &str,
    kept: Option<&Kept>,
    now: Timestamp,
) -> (String, Value) {
    let id = format!("m_{}", carrier.entropy.token());
    let mut message = json!({"mid": id});
    if !text.is_empty() {
        message["text"] = json!(text);
    }
    if let Some((file, _)) = kept {
        message["attachments"] = json!([{"type": "image", "payload": {"url": picture(carrier, file)}}]);
    }
    let body = page(account, now, "message", &message);
    (id, body)
}

/// What happened with a person at the page.
fn page(account: &str, now: Timestamp, what: &str, value: &Value) -> Value {
    let at = now.as_millisecond();
    let item = json!({"sender": {"id": account}, "recipient": {"id": PAGE}, "timestamp": at, what: value});
    json!({"object": "page", "entry": [{"id": PAGE, "time": at, "messaging": [item]}]})
}

fn in_whatsapp(
    carrier: &Carrier,
    (account, name): (&str, &str),
    text: &str,
    kept: Option<&Kept>,
    now: Timestamp,
) -> (String, Value) {
    let id = format!("wamid.{}", carrier.entropy.token());
    let mut message = json!({"from": account, "id": id, "timestamp": now.as_second().to_string()});
    if let Some((file, media_type)) = kept {
        message["type"] = json!("image");
        message["image"] = json!({"id": file, "mime_type": media_type, "caption": text});
    } else {
        message["type"] = json!("text");
        message["text"] = json!({"body": text});
    }
    let contacts = json!([{"profile": {"name": name}, "wa_id": account}]);
    (id, number("messages", &message, Some(contacts)))
}

/// What happened at the number.
fn number(what: &str, value: &Value, contacts: Option<Value>) -> Value {
    let metadata = json!({"display_phone_number": "18885550192", "phone_number_id": NUMBER});
    let mut change = json!({"messaging_product": "whatsapp", "metadata": metadata, what: [value]});
    if let Some(contacts) = contacts {
        change["contacts"] = contacts;
    }
    let entry = json!({"id": "102290129340398", "changes": [{"value": change, "field": "messages"}]});
    json!({"object": "whatsapp_business_account", "entry": [entry]})
}

/// Tells that a message of the gateway's has arrived, a little later.
pub(super) async fn deliver(carrier: Arc<Carrier>, message: SentMessage) {
    tokio::time::sleep(UNDER_WAY).await;
    if let Err(reason) = receipt(&carrier, &message, "delivered").await {
        tracing::debug!(reason, "a receipt was not taken");
    }
}

async fn receipt(carrier: &Carrier, message: &SentMessage, state: &str) -> Result<(), String> {
    let now = carrier.clock.now();
    let SentMessage { id, network, account, mark } = message;
    let body = match (*network, state) {
        ("whatsapp", _) => {
            let mut status = json!({
                "id": id, "timestamp": now.as_second().to_string(), "recipient_id": account, "status": state,
            });
            if !mark.is_null() {
                status["biz_opaque_callback_data"] = mark.clone();
            }
            number("statuses", &status, None)
        }
        (_, "delivered") => {
            page(account, now, "delivery", &json!({"mids": [id], "watermark": now.as_millisecond()}))
        }
        _ => page(account, now, "read", &json!({"watermark": now.as_millisecond()})),
    };
    carrier.tell_json(network, &body).await?;
    carrier.happened(json!({"kind": "receipt", "id": id, "state": state}));
    Ok(())
}

async fn read(State(sandbox): State<Arc<Sandbox>>, Json(seen): Json<Seen>) -> Response {
    let found = sandbox.carrier.held().sent(&seen.id);
    let Some(message) = found else { return problem(StatusCode::NOT_FOUND, "there is no such message") };
    match receipt(&sandbox.carrier, &message, "read").await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(reason) => problem(StatusCode::BAD_GATEWAY, &reason),
    }
}

async fn show(State(sandbox): State<Arc<Sandbox>>, Path(id): Path<String>) -> Response {
    let found = sandbox.carrier.held().file(&id).filter(|(kind, _)| PICTURES.contains(&kind.as_str()));
    let Some((kind, bytes)) = found else { return StatusCode::NOT_FOUND.into_response() };
    ([(header::CONTENT_TYPE, kind), (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned())], bytes)
        .into_response()
}
