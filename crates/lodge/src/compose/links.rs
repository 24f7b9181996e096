//! Links in events: signed, under the public address.

use jiff::Timestamp;
use lodge_channel::FileLinks;
use lodge_domain::{BlobRef, BrandName, KeyRing};
use lodge_pipeline::Links;
use lodge_ticketing::{BlobLinks, LinkTarget};
use url::Url;

/// Makes links to blobs.
pub struct SignedLinks {
    links: BlobLinks,
}

impl SignedLinks {
    /// Links under `public_url`.
    #[must_use]
    pub fn new(public_url: &Url, keys: &KeyRing) -> Self {
        Self { links: BlobLinks::new(keys.clone(), public_url) }
    }
}

impl Links for SignedLinks {
    fn blob(
        &self,
        blob: &BlobRef,
        name: Option<&str>,
        media_type: &str,
        expires: Timestamp,
    ) -> Option<String> {
        let target = LinkTarget {
            brand: BrandName::unbranded(),
            blob: blob.clone(),
            name: name.map(ToOwned::to_owned),
            media_type: media_type.to_owned(),
        };
        self.links.href(&target, expires)
    }
}

impl FileLinks for SignedLinks {
    fn href(&self, blob: &BlobRef, name: &str, media_type: &str, expires: Timestamp) -> Option<String> {
        self.blob(blob, Some(name), media_type, expires)
    }
}
