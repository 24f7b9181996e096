//! A socket that keeps pace or is cut off: the first byte, the header of each request, and what we write have deadlines
//! (T68). Hyper's own header deadline starts between requests already, where it serves as the idle limit here.

use super::limits::HttpLimits;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Where a connection stands; shared between its socket and its requests.
#[derive(Debug)]
pub(super) struct Pace {
    header: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    reading: Reading,
    requests: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// Nothing came yet.
    First(Instant),
    /// A header began.
    Header(Instant),
    /// Between two requests.
    Idle,
    /// A request is being answered: its body has a deadline of its own.
    Busy,
    /// Many requests at once, or another protocol: neither has headers we could time.
    Free,
}

/// A request under way; dropping it ends the request.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Pace>);

impl Pace {
    /// A connection that was just made; `timed` where it speaks HTTP/1.1.
    pub(super) fn new(limits: &HttpLimits, timed: bool) -> Arc<Self> {
        let first = Reading::First(Instant::now() + limits.first_byte);
        let reading = if timed { first } else { Reading::Free };
        Arc::new(Self { header: limits.header, state: Mutex::new(State { reading, requests: 0 }) })
    }

    /// A request begins.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        let mut state = self.lock();
        state.requests += 1;
        if state.reading != Reading::Free {
            state.reading = Reading::Busy;
        }
        UnderWay(Arc::clone(self))
    }

    /// The connection becomes another protocol's.
    pub(super) fn release(&self) {
        self.lock().reading = Reading::Free;
    }

    fn received(&self) {
        let mut state = self.lock();
        if matches!(state.reading, Reading::First(_) | Reading::Idle) {
            state.reading = Reading::Header(Instant::now() + self.header);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self.lock().reading {
            Reading::First(deadline) | Reading::Header(deadline) => Some(deadline),
            Reading::Idle | Reading::Busy | Reading::Free => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.requests -= 1;
        if state.requests == 0 && state.reading == Reading::Busy {
            state.reading = Reading::Idle;
        }
    }
}

/// A socket whose peer has to keep pace.
#[derive(Debug)]
pub(super) struct Paced<S> {
    socket: S,
    pace: Arc<Pace>,
    write_stall: Duration,
    read_timer: Option<Pin<Box<Sleep>>>,
    write_timer: Option<Pin<Box<Sleep>>>,
}

impl<S> Paced<S> {
    pub(super) fn new(socket: S, pace: Arc<Pace>, write_stall: Duration) -> Self {
        Self { socket, pace, write_stall, read_timer: None, write_timer: None }
    }

    /// Fails once the deadline of what is being read is over.
    fn poll_read_deadline(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let Some(deadline) = self.pace.deadline() else {
            // A timer wakes the task that asked last, and keeps its memory: after an upgrade that of the whole
            // connection, seven kilobytes for each idle chat.
            self.read_timer = None;
            return Poll::Pending;
        };
        let timer = self.read_timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the peer sends too slowly"))
    }

    /// Passes on what a write came to; fails once it has been pending for too long.
    fn poll_write_stall<T>(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.write_timer = None;
            return result;
        }
        let stall = self.write_stall;
        let timer = self.write_timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing of the answer")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        match Pin::new(&mut this.socket).poll_read(cx, buf) {
            Poll::Ready(result) => {
                if buf.filled().len() > before {
                    this.pace.received();
                }
                Poll::Ready(result)
            }
            Poll::Pending => this.poll_read_deadline(cx).map(Err),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.socket).poll_write(cx, buf);
        this.poll_write_stall(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.socket).poll_write_vectored(cx, bufs);
        this.poll_write_stall(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.socket).poll_flush(cx);
        this.poll_write_stall(cx, result)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.socket).poll_shutdown(cx);
        this.poll_write_stall(cx, result)
    }
}
