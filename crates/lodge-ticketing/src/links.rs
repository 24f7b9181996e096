//! Signed, expiring links to originals and attachments. Whoever has a link may read that blob until it expires; nobody
//! can make one without our keys. Never a directory, never a search.

mod serve;
mod token;

pub use serve::blob_router;
pub use token::{BlobLinks, LinkTarget, make, verify};
