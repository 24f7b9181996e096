//! Sessions as a browser would have them, an echo server, and the gateway that is measured.

use crate::servers::gateway;
use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use lodge_e2e::chat::ORIGIN;
use lodge_e2e::process::Process;
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, accept_async_with_config, client_async_with_config};

/// The argument by which this program is an echo server instead.
pub(crate) const ECHO: &str = "chat-echo";
/// How many sockets are opened at a time.
const OPENING: usize = 64;

pub(crate) type Socket = WebSocketStream<TcpStream>;

fn small() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(1024).write_buffer_size(0).max_write_buffer_size(1 << 18)
}

/// Serves an echo on `port`, until it is killed.
pub(crate) async fn echo(port: u16) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let Ok(mut socket) = accept_async_with_config(stream, Some(small())).await else { return };
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() && socket.send(message).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// A gateway called `name` with a chat inbox; where it listens.
pub(crate) async fn website(folder: &Path, name: &str, store: &str) -> Result<(Process, u16)> {
    let inbox = format!(
        "[inbox.website.chat]\norigins = [\"{ORIGIN}\"]\nsessions_per_address = 1000000\n\
         sockets_per_address = 1000000\nmessages = 1000\n"
    );
    gateway(folder, name, store, &[], &inbox).await
}

/// A socket at `path`; none but a bare one without it.
async fn open(port: u16, path: &str) -> Result<Socket> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let mut request = format!("ws://127.0.0.1:{port}{path}").into_client_request()?;
    request.headers_mut().insert("origin", HeaderValue::from_static(ORIGIN));
    if path == LODGE {
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("lodge.chat.v1"));
    }
    let (socket, _) = client_async_with_config(request, stream, Some(small())).await?;
    Ok(socket)
}

/// Where the gateway's sessions begin.
pub(crate) const LODGE: &str = "/chat/website";
/// Where a peer's sessions begin.
pub(crate) const PEER: &str = "/chat";
/// Where nobody says hello.
pub(crate) const BARE: &str = "";

/// A session that said hello and was welcomed; a bare socket says nothing.
async fn session(port: u16, path: &str) -> Result<Socket> {
    let mut socket = open(port, path).await?;
    if path == BARE {
        return Ok(socket);
    }
    socket.send(Message::text(r#"{"t":"hello"}"#)).await?;
    let welcome = socket.next().await.context("no welcome")??;
    anyhow::ensure!(welcome.to_text()?.contains("\"welcome\""), "{welcome}");
    Ok(socket)
}

/// Opens `count` sessions.
pub(crate) async fn many(port: u16, path: &'static str, count: usize) -> Result<Vec<Socket>> {
    let mut sockets = Vec::with_capacity(count);
    let mut opening = JoinSet::new();
    let mut begun = 0;
    while sockets.len() < count {
        while begun < count && opening.len() < OPENING {
            opening.spawn(session(port, path));
            begun += 1;
        }
        sockets.push(opening.join_next().await.context("nothing opens")???);
    }
    Ok(sockets)
}

/// Has every session say `messages` things, one after the other; the times they waited for each answer, sorted.
pub(crate) async fn talk(sockets: Vec<Socket>, messages: usize, path: &str) -> Result<Vec<Duration>> {
    let mut talking = JoinSet::new();
    let is_echo = path == BARE;
    for (number, mut socket) in sockets.into_iter().enumerate() {
        talking.spawn(async move {
            let mut waits = Vec::with_capacity(messages);
            for at in 0..messages {
                let text = "My lamp flickers when it rains. ".repeat(4);
                let frame = json!({"t": "message", "id": format!("{number}-{at}"), "text": text}).to_string();
                let begun = Instant::now();
                socket.send(Message::text(frame)).await?;
                loop {
                    let answer = socket.next().await.context("the socket ended")??;
                    if answer.is_text() && (is_echo || answer.to_text()?.contains("\"accepted\"")) {
                        break;
                    }
                    if answer.is_text() && answer.to_text()?.contains("\"error\"") {
                        bail!("refused: {answer}");
                    }
                }
                waits.push(begun.elapsed());
            }
            anyhow::Ok(waits)
        });
    }
    let mut all = Vec::new();
    while let Some(waits) = talking.join_next().await {
        all.extend(waits??);
    }
    all.sort();
    Ok(all)
}
