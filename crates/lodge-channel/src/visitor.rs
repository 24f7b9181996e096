//! Who calls on the public listener, and what they may fetch: the two things a door asks of the house in front of it.

use jiff::Timestamp;
use lodge_domain::BlobRef;
use std::net::IpAddr;

/// Whom a request comes from, as far as we can believe it; in the extensions of every request on our listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client(pub IpAddr);

/// Makes signed links to kept files, for parties who are to see them.
pub trait FileLinks: Send + Sync {
    /// A link to `blob` that ends at `expires`, served as a download under `name`; `None` where it cannot be made.
    fn href(&self, blob: &BlobRef, name: &str, media_type: &str, expires: Timestamp) -> Option<String>;
}
