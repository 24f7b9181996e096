//! Blobs in memory: found by the SHA-256 of their content, dated by the clock they were made with.

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use bytes::{Bytes, BytesMut};
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use lodge_domain::BlobRef;
use lodge_domain::ports::{BlobError, BlobWriter, Blobs, Clock};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Keeps every blob until it is swept.
#[derive(Clone)]
pub struct MemoryBlobs {
    clock: Arc<dyn Clock>,
    kept: Arc<Mutex<HashMap<String, (Bytes, Timestamp)>>>,
}

impl MemoryBlobs {
    /// An empty folder.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, kept: Arc::default() }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Changes the content behind `blob` without changing its name, as a failing disk would.
    pub fn damage(&self, blob: &BlobRef) {
        if let Some((content, _)) = self.lock().get_mut(&blob.sha256) {
            *content = Bytes::from_static(b"damaged");
        }
    }

    fn keep(&self, content: Bytes) -> BlobRef {
        let sha256 = HEXLOWER.encode(digest(&SHA256, &content).as_ref());
        let blob = BlobRef { sha256: sha256.clone(), size: content.len() as u64 };
        self.lock().insert(sha256, (content, self.clock.now()));
        blob
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Bytes, Timestamp)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn put(&self, content: Bytes) -> Result<BlobRef, BlobError> {
        Ok(self.keep(content))
    }

    async fn begin(&self) -> Result<Box<dyn BlobWriter>, BlobError> {
        Ok(Box::new(Writing { blobs: self.clone(), so_far: BytesMut::new() }))
    }

    async fn read(&self, blob: &BlobRef) -> Result<Bytes, BlobError> {
        let kept = self.lock();
        let (content, _) = kept.get(&blob.sha256).ok_or(BlobError::Missing)?;
        let intact = HEXLOWER.encode(digest(&SHA256, content).as_ref()) == blob.sha256;
        if intact { Ok(content.clone()) } else { Err(BlobError::Damaged) }
    }

    async fn sweep(
        &self,
        before: Timestamp,
        keep: &(dyn for<'a> Fn(&'a str) -> bool + Sync),
    ) -> Result<u64, BlobError> {
        let mut kept = self.lock();
        let count = kept.len();
        kept.retain(|sha256, (_, put)| *put >= before || keep(sha256));
        Ok((count - kept.len()) as u64)
    }
}

struct Writing {
    blobs: MemoryBlobs,
    so_far: BytesMut,
}

#[async_trait]
impl BlobWriter for Writing {
    async fn write(&mut self, piece: Bytes) -> Result<(), BlobError> {
        self.so_far.extend_from_slice(&piece);
        Ok(())
    }

    async fn lead(&mut self, head: Bytes) -> Result<(), BlobError> {
        self.so_far = [&head[..], &self.so_far[..]].concat().as_slice().into();
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<BlobRef, BlobError> {
        Ok(self.blobs.keep(self.so_far.freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ManualClock;

    #[tokio::test]
    async fn blobs_are_found_by_their_hash_until_swept() {
        let clock = Arc::new(ManualClock::new());
        let blobs = MemoryBlobs::new(clock.clone());
        let whole = blobs.put(Bytes::from_static(b"ab")).await.unwrap();
        let mut writer = blobs.begin().await.unwrap();
        writer.write(Bytes::from_static(b"b")).await.unwrap();
        writer.lead(Bytes::from_static(b"a")).await.unwrap();
        assert_eq!(writer.finish().await.unwrap(), whole);
        assert_eq!(blobs.read(&whole).await.unwrap(), "ab");
        drop(blobs.begin().await.unwrap());
        assert_eq!(blobs.len(), 1);
        clock.advance_secs(1);
        assert_eq!(blobs.sweep(clock.now(), &|_| true).await, Ok(0));
        blobs.damage(&whole);
        assert_eq!(blobs.read(&whole).await, Err(BlobError::Damaged));
        assert_eq!(blobs.sweep(clock.now(), &|_| false).await, Ok(1));
        assert_eq!(blobs.read(&whole).await, Err(BlobError::Missing));
    }
}
