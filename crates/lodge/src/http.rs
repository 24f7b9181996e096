//! The accept loop of both listeners: who gets in, how long they may take, and how they leave. Never looks at paths or
//! bodies beyond counting them.
//!
//! HTTP/1.1 (RFC 9112) by default, HTTP/2 (RFC 9113) only where it is asked for and negotiated by TLS. Start reading at
//! [`serve`], then [`HttpLimits`].

mod accept;
mod answer;
mod body;
mod connection;
mod crowd;
mod limits;
mod pace;
mod peer;
#[cfg(test)]
mod tests;
mod tls;

pub use accept::serve;
pub use limits::HttpLimits;
pub use peer::{Client, Peer, Proxies, ProxyError, forwarded_for};
pub use tls::{TlsError, tls_config};
