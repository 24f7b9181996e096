//! The inbox on the public listener: the WebSocket's upgrade (RFC 6455 section 4.2), uploads, and the widget.

use crate::desk::Desk;
use crate::protocol::SUBPROTOCOL;
use crate::{origins, socket, uploads};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use lodge_channel::Client;
use std::sync::Arc;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_util::task::TaskTracker;

/// The sockets of a process, so that closing waits for their goodbyes.
#[derive(Clone)]
struct Shared {
    desk: Arc<Desk>,
    sockets: TaskTracker,
}

/// The routes of an inbox.
pub(crate) fn routes(desk: &Arc<Desk>, sockets: TaskTracker) -> Router {
    let path = format!("/chat/{}", desk.inbox.name);
    let shared = Shared { desk: Arc::clone(desk), sockets };
    let socket = Router::new().route(&path, get(upgrade)).with_state(shared);
    let files = post(uploads::upload).options(uploads::preflight);
    // The size is counted as it comes in.
    let limit = axum::extract::DefaultBodyLimit::disable();
    let uploads = Router::new().route(&format!("{path}/uploads"), files.layer(limit));
    socket.merge(uploads.with_state(Arc::clone(desk)))
}

fn word<'h>(headers: &'h HeaderMap, name: &header::HeaderName) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn lists(value: &str, wanted: &str) -> bool {
    value.split(',').any(|one| one.trim().eq_ignore_ascii_case(wanted))
}

/// What is wrong with a request for an upgrade.
fn refusal(desk: &Desk, headers: &HeaderMap) -> Option<(StatusCode, &'static str)> {
    if !origins::is_allowed(&desk.settings.origins, word(headers, &header::ORIGIN)) {
        return Some((StatusCode::FORBIDDEN, "this website is not configured (`origins`)"));
    }
    let upgrade = lists(word(headers, &header::UPGRADE), "websocket")
        && lists(word(headers, &header::CONNECTION), "upgrade");
    if !upgrade {
        return Some((StatusCode::UPGRADE_REQUIRED, "this address speaks WebSocket"));
    }
    if word(headers, &header::SEC_WEBSOCKET_VERSION) != "13" {
        return Some((StatusCode::UPGRADE_REQUIRED, "WebSocket version 13 is spoken here"));
    }
    let key = data_encoding::BASE64.decode(word(headers, &header::SEC_WEBSOCKET_KEY).as_bytes());
    if !key.is_ok_and(|key| key.len() == 16) {
        return Some((StatusCode::BAD_REQUEST, "`Sec-WebSocket-Key` is not 16 bytes in base64"));
    }
    if !lists(word(headers, &header::SEC_WEBSOCKET_PROTOCOL), SUBPROTOCOL) {
        return Some((StatusCode::BAD_REQUEST, "the subprotocol is `lodge.chat.v1`"));
    }
    None
}

async fn upgrade(State(shared): State<Shared>, mut request: Request) -> Response {
    let Shared { desk, sockets } = shared;
    if let Some((status, words)) = refusal(&desk, request.headers()) {
        let mut answer = (status, format!("{words}\n")).into_response();
        if status == StatusCode::UPGRADE_REQUIRED {
            answer.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            answer.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        return answer;
    }
    let accept = derive_accept_key(word(request.headers(), &header::SEC_WEBSOCKET_KEY).as_bytes());
    let client = request.extensions().get::<Client>().copied();
    let most = desk.settings.sockets_per_address;
    let seat = client.map(|client| desk.crowd.sit(client, desk.now(), most));
    let Some(seat) = seat.map_or(Some(None), |seat| seat.map(Some)) else {
        let words = format!("at most {most} chats from one address at a time\n");
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "30")], words).into_response();
    };
    let Some(upgrading) = request.extensions_mut().remove::<OnUpgrade>() else {
        return (StatusCode::UPGRADE_REQUIRED, "this connection cannot be upgraded\n").into_response();
    };
    sockets.spawn(async move {
        match upgrading.await {
            Ok(stream) => socket::serve(desk, client, seat, TokioIo::new(stream)).await,
            Err(error) => tracing::debug!(%error, "a socket ended before it began"),
        }
    });
    let Ok(accept) = HeaderValue::from_str(&accept) else { return StatusCode::BAD_REQUEST.into_response() };
    let mut answer = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = answer.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    answer
}
