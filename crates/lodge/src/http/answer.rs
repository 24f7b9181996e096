//! One request: told who asks, timed, and answered whatever happens to its handler.

use super::accept::Entrance;
use super::body::{Holding, TimedBody};
use super::crowd::Place;
use super::pace::{Pace, UnderWay};
use super::peer::{Client, Peer, forwarded_for};
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use futures_util::FutureExt;
use hyper::body::Incoming;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tower::ServiceExt;

/// What a request of a connection needs to be answered.
pub(super) struct Desk {
    pub(super) entrance: Arc<Entrance>,
    pub(super) pace: Arc<Pace>,
    pub(super) peer: SocketAddr,
}

/// What an answer holds until it is sent.
type Held = (UnderWay, Option<Place>);

impl Desk {
    pub(super) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Holding<Held>>, Infallible> {
        let under_way = self.pace.begin();
        let client = forwarded_for(self.peer.ip(), request.headers(), &self.entrance.limits.proxies);
        let (response, place) = match self.place(client) {
            Ok(place) => (self.handle(request, Client(client)).await, place),
            Err(()) => (refusal(StatusCode::TOO_MANY_REQUESTS, "too many requests at a time"), None),
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            self.pace.release();
        }
        Ok(response.map(|body| Holding::new(body, (under_way, place))))
    }

    /// Requests through a proxy are counted by the client they come from; connections were counted at the entrance.
    fn place(&self, client: std::net::IpAddr) -> Result<Option<Place>, ()> {
        let proxies = &self.entrance.limits.proxies;
        if !proxies.contains(self.peer.ip()) || proxies.contains(client) {
            return Ok(None);
        }
        self.entrance.forwarded.enter(client).map(Some).ok_or(())
    }

    async fn handle(&self, request: Request<Incoming>, client: Client) -> Response<Body> {
        let limits = &self.entrance.limits;
        let late = Arc::new(AtomicBool::new(false));
        let allowed = (limits.longer)(request.uri().path()).unwrap_or(limits.request);
        let mut request = request.map(|body| Body::new(TimedBody::new(body, limits, Arc::clone(&late))));
        request.extensions_mut().insert(Peer(self.peer));
        request.extensions_mut().insert(client);
        let router = self.entrance.router.clone();
        // A panic costs the request it happened in, and nothing else (T30).
        let answer = AssertUnwindSafe(router.oneshot(request)).catch_unwind();
        match tokio::time::timeout(allowed, answer).await {
            _ if late.load(Ordering::Relaxed) => {
                refusal(StatusCode::REQUEST_TIMEOUT, "the body came too slowly")
            }
            Ok(Ok(Ok(response))) => response,
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(_)) => {
                tracing::error!("a request's handler panicked");
                refusal(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
            }
            Err(_) => {
                tracing::warn!(seconds = allowed.as_secs(), "a request took too long");
                let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, "this took too long");
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
                response
            }
        }
    }
}

/// A problem document (RFC 9457) after which the connection is closed: what is left of the body is not waited for.
fn refusal(status: StatusCode, title: &'static str) -> Response<Body> {
    let number = status.as_u16();
    let text = format!(r#"{{"type":"about:blank","title":"{title}","status":{number}}}"#);
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
