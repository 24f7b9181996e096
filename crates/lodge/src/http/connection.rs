//! One connection: handshake, requests, and a soft end when the listener stops.

use super::accept::Entrance;
use super::answer::Desk;
use super::pace::{Pace, Paced};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// HTTP/2 (RFC 9113): streams at a time, and resets we put up with (T72).
const STREAMS: u32 = 64;
const RESETS: usize = 32;

/// Serves `socket` until it ends, is told to end, or is cut off.
pub(super) async fn connection(entrance: Arc<Entrance>, socket: TcpStream, peer: SocketAddr) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "a connection ended before it began");
        return;
    }
    let Some(acceptor) = entrance.tls.clone() else {
        return speak(entrance, socket, peer, false).await;
    };
    let handshake = tokio::time::timeout(entrance.limits.handshake, acceptor.accept(socket));
    let secured = tokio::select! {
        secured = handshake => secured,
        () = entrance.shutdown.cancelled() => return,
    };
    match secured {
        Ok(Ok(stream)) => {
            let negotiated = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let http2 = entrance.limits.http2 && negotiated;
            speak(entrance, stream, peer, http2).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn speak<S>(entrance: Arc<Entrance>, socket: S, peer: SocketAddr, http2: bool)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let pace = Pace::new(&entrance.limits, !http2);
    let socket = TokioIo::new(Paced::new(socket, Arc::clone(&pace), entrance.limits.write_stall));
    let builder = builder(&entrance, http2);
    let (shutdown, kill) = (entrance.shutdown.clone(), entrance.kill.clone());
    let desk = Arc::new(Desk { entrance, pace, peer });
    let service = service_fn(move |request| Arc::clone(&desk).answer(request));
    let mut served = pin!(builder.serve_connection_with_upgrades(socket, service));
    let mut leaving = false;
    loop {
        tokio::select! {
            ended = served.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error, "a connection broke off");
                }
                return;
            }
            () = shutdown.cancelled(), if !leaving => {
                leaving = true;
                served.as_mut().graceful_shutdown();
            }
            () = kill.cancelled() => return,
        }
    }
}

fn builder(entrance: &Entrance, http2: bool) -> Builder<TokioExecutor> {
    let limits = &entrance.limits;
    let mut builder = Builder::new(TokioExecutor::new());
    let mut h1 = builder.http1();
    h1.timer(TokioTimer::new()).header_read_timeout(limits.idle);
    // Hyper panics below this.
    h1.max_buf_size(limits.header_bytes.max(8192));
    let mut h2 = builder.http2();
    h2.timer(TokioTimer::new());
    h2.max_concurrent_streams(STREAMS)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(RESETS);
    h2.max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX));
    h2.keep_alive_interval(Duration::from_secs(20)).keep_alive_timeout(limits.write_stall);
    if http2 { builder.http2_only() } else { builder.http1_only() }
}
