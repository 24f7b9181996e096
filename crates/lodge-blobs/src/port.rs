//! The [`Blobs`] port over the folder: moves the blocking work to threads that may block.

use crate::folder::{FolderBlobs, Inner};
use crate::layout::unavailable;
use crate::staged::Staged;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use lodge_domain::ports::{BlobError, BlobWriter, Blobs};
use lodge_domain::{BlobRef, Timestamp};
use std::path::PathBuf;
use std::sync::Arc;

/// So many small contents that come at once share a pack; fewer get files of their own, which are found without one.
const PACK_FROM: usize = 8;
/// Up to this size a content is small.
const SMALL: usize = 1024 * 1024;
/// How many files are written at once.
const WRITES: usize = 16;
/// Pieces are gathered up to this many bytes before a thread is asked to write them.
const GATHER: usize = 256 * 1024;

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(error) => Err(BlobError::Unavailable(format!("the writing thread ended early: {error}"))),
    }
}

#[async_trait]
impl Blobs for FolderBlobs {
    async fn put(&self, content: Bytes) -> Result<BlobRef, BlobError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.put(&content)).await
    }

    async fn put_all(&self, contents: Vec<Bytes>) -> Result<Vec<BlobRef>, BlobError> {
        let packs = contents.iter().filter(|content| content.len() <= SMALL).count() >= PACK_FROM;
        if !packs {
            let puts = contents.into_iter().map(|content| self.put(content));
            return stream::iter(puts).buffered(WRITES).try_collect().await;
        }
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.put_all(&contents, SMALL)).await
    }

    async fn begin(&self) -> Result<Box<dyn BlobWriter>, BlobError> {
        let inner = Arc::clone(&self.inner);
        let root = inner.root.clone();
        let staged = blocking(move || Staged::start(&root).map_err(|error| unavailable(&error))).await?;
        Ok(Box::new(Writer { inner, staged: Some(staged), gathered: Vec::new() }))
    }

    async fn read(&self, blob: &BlobRef) -> Result<Bytes, BlobError> {
        let (inner, blob) = (Arc::clone(&self.inner), blob.clone());
        blocking(move || inner.read(&blob).map(Bytes::from)).await
    }

    async fn sweep(
        &self,
        before: Timestamp,
        keep: &(dyn for<'a> Fn(&'a str) -> bool + Sync),
    ) -> Result<u64, BlobError> {
        let inner = Arc::clone(&self.inner);
        let (old, mut packs) = blocking(move || {
            inner.remove_orphans();
            Ok((inner.older_than(before)?, inner.packs_older_than(before)?))
        })
        .await?;
        let unused: Vec<PathBuf> =
            old.into_iter().filter(|(hash, _)| !keep(hash)).map(|(_, path)| path).collect();
        for pack in &mut packs {
            pack.hashes.retain(|hash| !keep(hash));
        }
        let inner = Arc::clone(&self.inner);
        blocking(move || Ok(inner.sweep(before, &unused)? + inner.sweep_packs(before, packs)?)).await
    }
}

/// A blob of unknown length. Where a call is given up halfway, the staged file goes with it and the writer is spent.
struct Writer {
    inner: Arc<Inner>,
    staged: Option<Staged>,
    gathered: Vec<u8>,
}

impl Writer {
    fn take(&mut self) -> Result<(Staged, Vec<u8>), BlobError> {
        let staged = self.staged.take();
        let staged = staged.ok_or_else(|| BlobError::Unavailable("an earlier piece failed".to_owned()))?;
        Ok((staged, std::mem::take(&mut self.gathered)))
    }
}

#[async_trait]
impl BlobWriter for Writer {
    async fn write(&mut self, piece: Bytes) -> Result<(), BlobError> {
        self.gathered.extend_from_slice(&piece);
        if self.gathered.len() < GATHER {
            return Ok(());
        }
        let (mut staged, gathered) = self.take()?;
        let written = blocking(move || {
            staged.write(&gathered).map_err(|error| unavailable(&error))?;
            Ok(staged)
        });
        self.staged = Some(written.await?);
        Ok(())
    }

    async fn lead(&mut self, head: Bytes) -> Result<(), BlobError> {
        let (mut staged, gathered) = self.take()?;
        let root = self.inner.root.clone();
        let led = blocking(move || {
            staged.write(&gathered).map_err(|error| unavailable(&error))?;
            staged.led_by(&root, &head).map_err(|error| unavailable(&error))
        });
        self.staged = Some(led.await?);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<BlobRef, BlobError> {
        let (mut staged, gathered) = self.take()?;
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            staged.write(&gathered).map_err(|error| unavailable(&error))?;
            inner.finish(&staged)
        })
        .await
    }
}
