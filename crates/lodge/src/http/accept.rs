//! Accept, permit, task, drain. Never ends because of one peer: a full process pauses, everything else goes on.

use super::connection::connection;
use super::crowd::Crowd;
use super::limits::HttpLimits;
use axum::Router;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long to wait where the process or the machine has no room for another socket.
const PAUSE: Duration = Duration::from_millis(200);

/// What all connections of a listener share.
pub(super) struct Entrance {
    pub(super) router: Router,
    pub(super) limits: HttpLimits,
    pub(super) tls: Option<TlsAcceptor>,
    /// Clients with a connection.
    pub(super) direct: Arc<Crowd>,
    /// Clients with a request through a proxy.
    pub(super) forwarded: Arc<Crowd>,
    /// Connections are to end after their request.
    pub(super) shutdown: CancellationToken,
    /// Connections are to end now.
    pub(super) kill: CancellationToken,
}

/// Serves `router` on `listener` until `shutdown`, then lets requests under way finish within `limits.drain` and cuts off
/// the rest. Every request carries [`super::Peer`] and [`super::Client`] in its extensions. Upgraded connections
/// (WebSockets) belong to their handlers from the upgrade on and are not waited for.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: HttpLimits,
    tls: Option<Arc<ServerConfig>>,
    shutdown: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
    let drain = limits.drain;
    let entrance = Arc::new(Entrance {
        router,
        tls: tls.map(TlsAcceptor::from),
        direct: Crowd::new(limits.per_client),
        forwarded: Crowd::new(limits.per_client),
        limits,
        shutdown: shutdown.clone(),
        kill: CancellationToken::new(),
    });
    let tracker = TaskTracker::new();
    loop {
        let next = tokio::select! {
            () = shutdown.cancelled() => break,
            next = next(&listener, &room) => next,
        };
        match next {
            Ok((permit, socket)) => admit(&entrance, &tracker, permit, socket),
            Err(error) if is_exhaustion(&error) => {
                tracing::warn!(%error, "no room for another connection; accepting pauses");
                tokio::time::sleep(PAUSE).await;
            }
            // The peer went before we took its connection.
            Err(error) => tracing::debug!(%error, "a connection could not be taken"),
        }
    }
    // From here on the kernel refuses newcomers, so that a load balancer goes elsewhere.
    drop(listener);
    tracker.close();
    if tokio::time::timeout(drain, tracker.wait()).await.is_err() {
        tracing::warn!(connections = tracker.len(), "connections did not finish in time and are cut off");
        entrance.kill.cancel();
        tracker.wait().await;
    }
}

/// The next connection, once there is room for it.
async fn next(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(OwnedSemaphorePermit, TcpStream)> {
    let permit = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (socket, _) = listener.accept().await?;
    Ok((permit, socket))
}

fn admit(entrance: &Arc<Entrance>, tracker: &TaskTracker, permit: OwnedSemaphorePermit, socket: TcpStream) {
    let Ok(peer) = socket.peer_addr() else { return };
    let counted = !entrance.limits.proxies.contains(peer.ip());
    let place = if counted { entrance.direct.enter(peer.ip()) } else { None };
    if counted && place.is_none() {
        tracing::debug!("a client has too many connections; the newest is closed");
        return;
    }
    let entrance = Arc::clone(entrance);
    tracker.spawn(async move {
        connection(entrance, socket, peer).await;
        drop((permit, place));
    });
}

/// Out of files (EMFILE, ENFILE), buffers or memory: what passes when others end.
fn is_exhaustion(error: &io::Error) -> bool {
    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    const ENOMEM: i32 = 12;
    const ENOBUFS: i32 = 105;
    matches!(error.raw_os_error(), Some(EMFILE | ENFILE | ENOMEM | ENOBUFS))
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn t69_a_full_process_pauses_and_a_lost_peer_does_not() {
        for (code, pauses) in [(24, true), (23, true), (12, true), (105, true), (103, false), (104, false)] {
            assert_eq!(is_exhaustion(&io::Error::from_raw_os_error(code)), pauses, "{code}");
        }
    }
}
