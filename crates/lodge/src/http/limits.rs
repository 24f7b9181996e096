//! How much one peer may ask of a listener, and for how long (T68, T69, T72).

use super::peer::Proxies;
use std::time::Duration;

/// The limits of a listener.
#[derive(Clone, Debug)]
pub struct HttpLimits {
    /// A new connection that has sent nothing for this long is closed.
    pub first_byte: Duration,
    /// A TLS handshake is done within this time.
    pub handshake: Duration,
    /// The header of a request is there within this time of its first byte.
    pub header: Duration,
    /// The header of a request has at most this many bytes; no fewer than 8,192.
    pub header_bytes: usize,
    /// A body may keep us waiting this long in all, and longer only as fast as [`Self::body_rate`].
    pub body: Duration,
    /// Bytes a second that a body must bring to be waited for beyond [`Self::body`].
    pub body_rate: u64,
    /// A connection between two requests is kept this long.
    pub idle: Duration,
    /// A request is answered within this time.
    pub request: Duration,
    /// Paths that may take longer than [`Self::request`].
    pub longer: fn(&str) -> Option<Duration>,
    /// A peer that takes nothing of an answer for this long is cut off.
    pub write_stall: Duration,
    /// Connections, or requests through a proxy, that one IPv4 address or IPv6 /64 may have at a time.
    pub per_client: usize,
    /// Connections at a time; further ones wait in the kernel's queue.
    pub connections: usize,
    /// How long connections may take to finish when the listener stops.
    pub drain: Duration,
    /// Whether HTTP/2 is spoken where TLS negotiated it.
    pub http2: bool,
    /// Whose `X-Forwarded-For` is believed; not counted themselves.
    pub proxies: Proxies,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(5),
            handshake: Duration::from_secs(5),
            header: Duration::from_secs(5),
            header_bytes: 64 * 1024,
            body: Duration::from_secs(10),
            body_rate: 1024,
            idle: Duration::from_secs(60),
            request: Duration::from_secs(30),
            longer,
            write_stall: Duration::from_secs(10),
            per_client: 256,
            connections: 10_000,
            drain: Duration::from_secs(10),
            http2: false,
            proxies: Proxies::default(),
        }
    }
}

/// Long polls wait a minute by design; uploads and replies with files may be large.
fn longer(path: &str) -> Option<Duration> {
    if path == "/v1/events" {
        Some(Duration::from_secs(75))
    } else if path.ends_with("/uploads") || path.ends_with("/replies") || path.starts_with("/hooks/") {
        Some(Duration::from_secs(300))
    } else {
        None
    }
}
