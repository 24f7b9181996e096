//! Who calls on the public listener, and what they may fetch: the two things a door asks of the house in front of it.

use jiff::Timestamp;
use lodge_domain::BlobRef;
use std::net::{IpAddr, Ipv6Addr};

/// Whom a request comes from, as far as we can believe it; in the extensions of every request on our listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client(pub IpAddr);

impl Client {
    /// Whom limits count as one: an IPv4 address, or an IPv6 /64, which is what one customer of a provider has (T69).
    #[must_use]
    pub fn household(self) -> IpAddr {
        match self.0.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & (u128::MAX << 64))),
            v4 @ IpAddr::V4(_) => v4,
        }
    }
}

/// Makes signed links to kept files, for parties who are to see them.
pub trait FileLinks: Send + Sync {
    /// A link to `blob` that ends at `expires`, served as a download under `name`; `None` where it cannot be made.
    fn href(&self, blob: &BlobRef, name: &str, media_type: &str, expires: Timestamp) -> Option<String>;
}
