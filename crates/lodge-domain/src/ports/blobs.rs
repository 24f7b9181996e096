//! Raw originals and attachments, found by the hash of their content.

use crate::BlobRef;
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

/// Why a blob could not be kept or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// There is none with this hash.
    #[error("no such blob")]
    Missing,
    /// There is one, but its content is not what its hash says.
    #[error("the blob is damaged")]
    Damaged,
    /// An allowance has no room for it now: whoever has it keeps it, and tries again.
    #[error("an allowance is used up: {0}")]
    NoRoom(String),
    /// The place where blobs are kept does not answer or is full.
    #[error("the blob folder cannot be used: {0}")]
    Unavailable(String),
}

/// Keeps bytes. `put`, `put_all` and `finish` return only once the content is durable (synced, its folder entry too); putting the
/// same content again changes nothing but keeps it from being swept for another day.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Keeps `content`.
    async fn put(&self, content: Bytes) -> Result<BlobRef, BlobError>;
    /// Keeps `contents`; after an error any of them may be there or not. Their references, in the same order. Cheaper than one by one.
    async fn put_all(&self, contents: Vec<Bytes>) -> Result<Vec<BlobRef>, BlobError> {
        let mut blobs = Vec::with_capacity(contents.len());
        for content in contents {
            blobs.push(self.put(content).await?);
        }
        Ok(blobs)
    }
    /// Starts a blob of unknown length; dropping the writer leaves nothing behind.
    async fn begin(&self) -> Result<Box<dyn BlobWriter>, BlobError>;
    /// The whole content, checked against its hash.
    async fn read(&self, blob: &BlobRef) -> Result<Bytes, BlobError>;
    /// Removes what was last put before `before`, except what `keep` says is in use; how many went.
    async fn sweep(
        &self,
        before: Timestamp,
        keep: &(dyn for<'a> Fn(&'a str) -> bool + Sync),
    ) -> Result<u64, BlobError>;
}

/// A blob being written.
#[async_trait]
pub trait BlobWriter: Send {
    /// Adds a piece.
    async fn write(&mut self, piece: Bytes) -> Result<(), BlobError>;
    /// Puts `head` before all that was written so far: what can be told only once that is known, such as its length. Never
    /// holds the whole in memory.
    async fn lead(&mut self, head: Bytes) -> Result<(), BlobError>;
    /// Makes it durable.
    async fn finish(self: Box<Self>) -> Result<BlobRef, BlobError>;
}
