//! The inbox on the public listener: the WebSocket, uploads, and the widget.

use crate::desk::Desk;
use crate::protocol::SUBPROTOCOL;
use crate::{socket, uploads};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use lodge_channel::Client;
use lodge_channel::socket::Handshake;
use std::sync::Arc;
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

async fn upgrade(State(shared): State<Shared>, mut request: Request) -> Response {
    let Shared { desk, sockets } = shared;
    let origin = request.headers().get(header::ORIGIN).and_then(|value| value.to_str().ok());
    if !desk.origins.allow(origin.unwrap_or_default()) {
        let words = "this website is not configured (`origins`)\n";
        return (StatusCode::FORBIDDEN, words).into_response();
    }
    let handshake = match Handshake::read(request.headers(), SUBPROTOCOL) {
        Ok(handshake) => handshake,
        Err(answer) => return answer,
    };
    let client = request.extensions().get::<Client>().copied();
    let most = desk.settings.sockets_per_address;
    let seat = client.map(|client| desk.crowd.sit(client, desk.now(), most));
    let Some(seat) = seat.map_or(Some(None), |seat| seat.map(Some)) else {
        let words = format!("at most {most} chats from one address at a time\n");
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "30")], words).into_response();
    };
    let (upgrading, answer) = match handshake.grant(&mut request) {
        Ok(granted) => granted,
        Err(answer) => return answer,
    };
    sockets.spawn(async move {
        match upgrading.stream().await {
            Ok(stream) => socket::serve(desk, client, seat, stream).await,
            Err(error) => tracing::debug!(%error, "a socket ended before it began"),
        }
    });
    answer
}
