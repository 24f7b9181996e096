//! A socket of `lodge.chat.v1` that may break, and its frames.

use crate::cut::Cut;
use crate::gateway::ORIGIN;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;

pub(crate) type Socket = WebSocketStream<Cut>;

/// The socket is gone, for whatever reason.
#[derive(Debug)]
pub(crate) struct Gone;

/// Opens a socket that breaks after so many bytes up and down.
pub(crate) async fn open(address: SocketAddr, up: usize, down: usize) -> Result<Socket, Gone> {
    let stream = TcpStream::connect(address).await.map_err(|_| Gone)?;
    let mut request = format!("ws://{address}/chat/website").into_client_request().unwrap();
    request.headers_mut().insert("origin", HeaderValue::from_static(ORIGIN));
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("lodge.chat.v1"));
    let opening = tokio_tungstenite::client_async(request, Cut { stream, up, down });
    let opened = timeout(Duration::from_secs(10), opening).await;
    opened.map_err(|_| Gone)?.map(|(socket, _)| socket).map_err(|_| Gone)
}

pub(crate) async fn send(socket: &mut Socket, frame: &Value) -> Result<(), Gone> {
    socket.send(Message::text(frame.to_string())).await.map_err(|_| Gone)
}

/// The next frame; `None` where none comes within so many milliseconds.
pub(crate) async fn next(socket: &mut Socket, patience: u64) -> Result<Option<Value>, Gone> {
    loop {
        let Ok(next) = timeout(Duration::from_millis(patience), socket.next()).await else { return Ok(None) };
        match next {
            Some(Ok(Message::Text(text))) => return Ok(Some(serde_json::from_str(text.as_str()).unwrap())),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Gone),
            Some(Ok(_)) => {}
        }
    }
}
