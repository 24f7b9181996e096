//! The carriers' APIs, as the gateway calls them: recordings and text messages of calls; messages, names and pictures of
//! social networks. Everything asked of them is shown on the page, and nothing leaves this machine.

use super::carrier::{ACCOUNT, Carrier, NUMBER, PAGE, SentMessage};
use super::messenger;
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use data_encoding::BASE64;
use serde_json::{Value, json};
use std::sync::Arc;
use url::form_urlencoded;

/// Their routes: `/calls` for those of calls, `/graph` for those of messages.
pub fn carrier_routes(carrier: &Arc<Carrier>) -> Router {
    Router::new()
        .route("/calls/2010-04-01/Accounts/{account}/Messages.json", post(text_message))
        .route("/calls/2010-04-01/Accounts/{account}/Recordings/{id}", get(recording).delete(deleted))
        .route("/graph/v23.0/{id}", get(node))
        .route("/graph/v23.0/{id}/messages", post(message))
        .route("/graph/v23.0/{id}/media", post(upload))
        .layer(from_fn_with_state(Arc::clone(carrier), checked))
        // Links to files are good for a while, for whoever has them.
        .route("/graph/media/{id}", get(media))
        .with_state(Arc::clone(carrier))
}

/// Lets nobody in without the right password or token.
async fn checked(State(carrier): State<Arc<Carrier>>, request: Request, next: Next) -> Response {
    let calls = request.uri().path().starts_with("/calls/");
    let wanted = if calls {
        format!("Basic {}", BASE64.encode(format!("{ACCOUNT}:{}", carrier.keys.calls).as_bytes()))
    } else {
        format!("Bearer {}", carrier.keys.access)
    };
    let said = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if said != Some(wanted.as_str()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    next.run(request).await
}

fn show(carrier: &Carrier, channel: &str, what: &str, said: &str, answer: &str) {
    carrier.happened(json!({
        "kind": "exchange", "channel": channel, "by": "gateway", "what": what,
        "said": said, "status": 200, "answer": answer,
    }));
}

async fn text_message(State(carrier): State<Arc<Carrier>>, body: Bytes) -> Json<Value> {
    let pairs: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
    let field = |name: &str| pairs.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value);
    let id = format!("SM{}", carrier.entropy.token());
    carrier.happened(json!({
        "kind": "text_message", "to": field("To"), "from": field("From"), "text": field("Body"),
    }));
    let said: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    let answer = json!({"sid": id});
    show(&carrier, "voice", "POST Messages.json", &said.join("\n"), &answer.to_string());
    Json(answer)
}

async fn recording(State(carrier): State<Arc<Carrier>>, Path((_, id)): Path<(String, String)>) -> Response {
    let found = carrier.held().file(&id);
    let Some((media_type, bytes)) = found else { return StatusCode::NOT_FOUND.into_response() };
    let answer = format!("{media_type}, {} bytes", bytes.len());
    show(&carrier, "voice", &format!("GET Recordings/{id}"), "", &answer);
    ([(header::CONTENT_TYPE, media_type)], bytes).into_response()
}

async fn deleted(State(carrier): State<Arc<Carrier>>, Path((_, id)): Path<(String, String)>) -> StatusCode {
    let known = carrier.held().forget(id.trim_end_matches(".json"));
    if known { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

/// A picture or a person: whatever has this id.
async fn node(State(carrier): State<Arc<Carrier>>, Path(id): Path<String>) -> Response {
    let (file, name) = {
        let held = carrier.held();
        (held.file(&id), held.name(&id))
    };
    let answer = match (file, name) {
        (Some((media_type, bytes)), _) => json!({
            "id": id, "mime_type": media_type, "file_size": bytes.len(), "url": picture(&carrier, &id),
        }),
        (None, Some(name)) => json!({"id": id, "name": name}),
        (None, None) => return StatusCode::NOT_FOUND.into_response(),
    };
    show(&carrier, "social", &format!("GET {id}"), "", &format!("{answer:#}"));
    Json(answer).into_response()
}

/// Where a picture lies.
pub(super) fn picture(carrier: &Carrier, id: &str) -> String {
    format!("{}/graph/media/{id}", carrier.own)
}

async fn media(State(carrier): State<Arc<Carrier>>, Path(id): Path<String>) -> Response {
    let found = carrier.held().file(&id);
    let Some((media_type, bytes)) = found else { return StatusCode::NOT_FOUND.into_response() };
    ([(header::CONTENT_TYPE, media_type)], bytes).into_response()
}

async fn upload(State(carrier): State<Arc<Carrier>>) -> Json<Value> {
    Json(json!({"id": carrier.entropy.token()}))
}

async fn message(
    State(carrier): State<Arc<Carrier>>,
    Path(ours): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let is_json = headers.get(header::CONTENT_TYPE).is_some_and(|value| value == "application/json");
    let said = if is_json { serde_json::from_slice(&body).unwrap_or(Value::Null) } else { Value::Null };
    let text = |pointer: &str| said.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let token = carrier.entropy.token();
    let (sent, words, answer) = match ours.as_str() {
        NUMBER => {
            let id = format!("wamid.{token}");
            let answer = json!({"messaging_product": "whatsapp", "messages": [{"id": id}]});
            let mark = said["biz_opaque_callback_data"].clone();
            (SentMessage { id, network: "whatsapp", account: text("/to"), mark }, text("/text/body"), answer)
        }
        PAGE => {
            let (id, account) = (format!("m_{token}"), text("/recipient/id"));
            let answer = json!({"recipient_id": account, "message_id": id});
            (
                SentMessage { id, network: "messenger", account, mark: Value::Null },
                text("/message/text"),
                answer,
            )
        }
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    show(&carrier, "social", &format!("POST {ours}/messages"), &format!("{said:#}"), &answer.to_string());
    carrier.happened(json!({
        "kind": "message", "by": "gateway", "network": sent.network, "account": sent.account, "id": sent.id,
        "text": if words.is_empty() { "[a file]" } else { &words },
    }));
    carrier.held().send(sent.clone());
    tokio::spawn(messenger::deliver(Arc::clone(&carrier), sent));
    Json(answer).into_response()
}
