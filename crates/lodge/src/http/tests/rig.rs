//! A listener with a few routes, and peers that write bytes by hand.

use crate::http::{Client, HttpLimits, Peer, Proxies, serve};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Request};
use axum::response::Response;
use axum::routing::{get, post};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

pub(super) const SHORT: Duration = Duration::from_millis(300);

/// Limits of a few hundred milliseconds; nobody is a proxy.
pub(super) fn limits() -> HttpLimits {
    HttpLimits {
        first_byte: SHORT,
        handshake: SHORT,
        header: SHORT,
        body: SHORT,
        body_rate: 100_000,
        idle: SHORT * 3,
        request: SHORT * 2,
        longer: |path| (path == "/slow/allowed").then_some(Duration::from_secs(5)),
        write_stall: SHORT,
        drain: SHORT * 3,
        proxies: Proxies::parse::<&str>(&[]).unwrap(),
        ..HttpLimits::default()
    }
}

fn routes() -> Router {
    let slow = || async {
        tokio::time::sleep(SHORT * 2 + Duration::from_millis(200)).await;
        "slow"
    };
    let who = |Extension(Peer(peer)): Extension<Peer>, Extension(Client(client)): Extension<Client>| async move {
        format!("{} {client}", peer.ip())
    };
    let panics = || async {
        if Vec::<u8>::new().is_empty() {
            panic!("a handler's own fault")
        }
    };
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/size", post(|body: Bytes| async move { body.len().to_string() }))
        .route("/who", get(who))
        .route("/slow", get(slow))
        .route("/slow/allowed", get(slow))
        .route("/panic", get(panics))
        .route("/big", get(|| async { vec![b'x'; 64 << 20] }))
        .route("/echo", get(echo))
}

/// Becomes an echo once upgraded.
async fn echo(mut request: Request) -> Response {
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut io = hyper_util::rt::TokioIo::new(upgraded.await.unwrap());
        let mut buffer = [0; 64];
        while let Ok(read @ 1..) = io.read(&mut buffer).await {
            io.write_all(&buffer[..read]).await.unwrap();
        }
    });
    Response::builder()
        .status(101)
        .header("upgrade", "echo")
        .header("connection", "upgrade")
        .body(Body::empty())
        .unwrap()
}

pub(super) struct Rig {
    pub(super) address: SocketAddr,
    pub(super) shutdown: CancellationToken,
    pub(super) served: JoinHandle<()>,
}

pub(super) async fn rig(limits: HttpLimits) -> Rig {
    secured(limits, None).await
}

pub(super) async fn secured(limits: HttpLimits, tls: Option<Arc<ServerConfig>>) -> Rig {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(serve(listener, routes(), limits, tls, shutdown.clone()));
    Rig { address, shutdown, served }
}

impl Rig {
    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A connection from another address of this machine.
    pub(super) async fn connect_from(&self, source: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(source.parse().unwrap(), 0)).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    /// Sends `text` on a connection of its own and reads until the far side closes.
    pub(super) async fn say(&self, text: &str) -> String {
        let mut socket = self.connect().await;
        socket.write_all(text.as_bytes()).await.unwrap();
        rest(&mut socket).await
    }
}

/// What comes until the far side closes or resets; at most five seconds.
pub(super) async fn rest(socket: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(5), socket.read_to_end(&mut all));
    // A reset ends the conversation as well as a close does.
    drop(reading.await.expect("the far side closes"));
    String::from_utf8_lossy(&all).into_owned()
}

/// One answer of a connection that stays open: header and `length` bytes of body.
pub(super) async fn one(socket: &mut TcpStream, length: usize) -> String {
    let mut all = Vec::new();
    let mut byte = [0];
    while !all.ends_with(b"\r\n\r\n") {
        let read = tokio::time::timeout(Duration::from_secs(5), socket.read_exact(&mut byte)).await;
        read.expect("an answer in time").expect("an answer");
        all.push(byte[0]);
    }
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.unwrap();
    all.extend(body);
    String::from_utf8(all).unwrap()
}

pub(super) fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}
