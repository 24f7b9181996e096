//! A stream under the SMTP client that notices the final dot, and that can play a greeting which STARTTLS has none of.

use crate::wire::Connection;
use bytes::{Buf, Bytes};
use lettre::transport::smtp::client::AsyncTokioStream;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The end of a mail (RFC 5321 4.1.1.4). Dot-stuffing keeps it out of the mail itself, and the client writes it by itself.
const FINAL_DOT: &[u8] = b"\r\n.\r\n";

/// Whether the final dot was handed to the network.
#[derive(Clone, Debug, Default)]
pub(super) struct Dot(Arc<AtomicBool>);

impl Dot {
    pub(super) fn was_sent(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn forget(&self) {
        self.0.store(false, Ordering::Release);
    }
}

/// A connection that is watched.
#[derive(Debug)]
pub(super) struct Tracked {
    inner: Connection,
    /// Read before anything that comes from the server.
    preface: Bytes,
    dot: Dot,
}

impl Tracked {
    pub(super) fn new(inner: Connection, preface: &'static [u8], dot: Dot) -> Self {
        Self { inner, preface: Bytes::from_static(preface), dot }
    }
}

impl AsyncRead for Tracked {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.preface.has_remaining() {
            let count = self.preface.remaining().min(buf.remaining());
            let piece = self.preface.split_to(count);
            buf.put_slice(&piece);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tracked {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf == FINAL_DOT {
            // Before it is tried: from here on the server may have it.
            self.dot.0.store(true, Ordering::Release);
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

impl AsyncTokioStream for Tracked {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))
    }
}
