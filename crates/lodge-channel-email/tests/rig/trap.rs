//! Stops everything at the n-th step, as a crash would: whoever takes the step never comes back from it. Steps are calls of
//! the hallway, the store and the blobs (before and after their effect), and everything written to a server.

use async_trait::async_trait;
use bytes::Bytes;
use lodge_channel::net::{Connector, Stream, TcpConnector};
use lodge_domain::ports::{
    BlobError, BlobWriter, Blobs, BudgetVerdict, InboxState, Intake, Outcome, Refusal, StateValue, StoreError,
};
use lodge_domain::{BlobRef, Contact, Inbound, InboxId, Timestamp};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Counts steps down; at zero it shuts for good.
#[derive(Clone, Debug)]
pub(crate) struct Trap {
    left: Arc<AtomicI64>,
    shut: Arc<AtomicBool>,
}

impl Trap {
    /// A trap that shuts at step `n`; 0: never.
    pub(crate) fn at(n: i64) -> Self {
        Self { left: Arc::new(AtomicI64::new(if n == 0 { i64::MAX } else { n })), shut: Arc::default() }
    }

    /// Whether it shut.
    pub(crate) fn is_shut(&self) -> bool {
        self.shut.load(Ordering::SeqCst)
    }

    fn holds(&self) -> bool {
        if self.is_shut() || self.left.fetch_sub(1, Ordering::SeqCst) <= 1 {
            self.shut.store(true, Ordering::SeqCst);
            return true;
        }
        false
    }

    async fn step(&self) {
        if self.holds() {
            std::future::pending::<()>().await;
        }
    }
}

/// A port behind a trap.
pub(crate) struct Trapped<T: ?Sized>(pub(crate) Arc<T>, pub(crate) Trap);

#[async_trait]
impl Intake for Trapped<dyn Intake> {
    async fn accept(&self, batch: Vec<Inbound>) -> Result<Vec<Outcome>, Refusal> {
        self.1.step().await;
        let answer = self.0.accept(batch).await;
        self.1.step().await;
        answer
    }

    async fn grant(&self, contact: &Contact, bytes: u64) -> BudgetVerdict {
        self.0.grant(contact, bytes).await
    }
}

#[async_trait]
impl InboxState for Trapped<dyn InboxState> {
    async fn load(&self, inbox: &InboxId, key: &str) -> Result<Option<StateValue>, StoreError> {
        self.0.load(inbox, key).await
    }

    async fn save(
        &self,
        inbox: &InboxId,
        key: &str,
        expected: u64,
        value: Bytes,
    ) -> Result<Option<u64>, StoreError> {
        self.1.step().await;
        let answer = self.0.save(inbox, key, expected, value).await;
        self.1.step().await;
        answer
    }

    async fn list(&self, inbox: &InboxId, prefix: &str) -> Result<Vec<(String, StateValue)>, StoreError> {
        self.0.list(inbox, prefix).await
    }

    async fn remove(&self, inbox: &InboxId, key: &str) -> Result<(), StoreError> {
        self.0.remove(inbox, key).await
    }
}

#[async_trait]
impl Blobs for Trapped<dyn Blobs> {
    async fn put(&self, content: Bytes) -> Result<BlobRef, BlobError> {
        self.1.step().await;
        self.0.put(content).await
    }

    async fn begin(&self) -> Result<Box<dyn BlobWriter>, BlobError> {
        self.0.begin().await
    }

    async fn read(&self, blob: &BlobRef) -> Result<Bytes, BlobError> {
        self.0.read(blob).await
    }

    async fn sweep(
        &self,
        before: Timestamp,
        keep: &(dyn for<'a> Fn(&'a str) -> bool + Sync),
    ) -> Result<u64, BlobError> {
        self.0.sweep(before, keep).await
    }
}

/// The network behind a trap.
pub(crate) struct TrappedNetwork(pub(crate) Trap);

#[async_trait]
impl Connector for TrappedNetwork {
    async fn connect(&self, host: &str, port: u16, deadline: Duration) -> io::Result<Box<dyn Stream>> {
        let inner = TcpConnector.connect(host, port, deadline).await?;
        Ok(Box::new(TrappedStream { inner, trap: self.0.clone() }))
    }
}

#[derive(Debug)]
struct TrappedStream {
    inner: Box<dyn Stream>,
    trap: Trap,
}

impl AsyncRead for TrappedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.trap.is_shut() {
            return Poll::Pending;
        }
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for TrappedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        // A command goes out in three pieces (tag, words, end of line): the end of line is what the server acts on.
        let shut = if buf == b"\r\n" { self.trap.holds() } else { self.trap.is_shut() };
        if shut {
            return Poll::Pending;
        }
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
