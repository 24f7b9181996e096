//! Bodies that are timed on their way in, and bodies that hold something on their way out.

use super::limits::HttpLimits;
use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// A request's body: it may keep us waiting for a while in all, and longer only as fast as the rate. Time that we take
/// ourselves is not counted.
pub(super) struct TimedBody {
    body: Incoming,
    allowance: Duration,
    rate: u64,
    received: u64,
    waited: Duration,
    waiting_since: Option<Instant>,
    timer: Pin<Box<Sleep>>,
    late: Arc<AtomicBool>,
}

impl TimedBody {
    /// `late` tells afterwards whether the body was given up.
    pub(super) fn new(body: Incoming, limits: &HttpLimits, late: Arc<AtomicBool>) -> Self {
        let timer = Box::pin(tokio::time::sleep(limits.body));
        let (allowance, rate) = (limits.body, limits.body_rate.max(1));
        Self { body, allowance, rate, received: 0, waited: Duration::ZERO, waiting_since: None, timer, late }
    }

    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let earned = Duration::from_secs_f64(self.received as f64 / self.rate as f64);
        let deadline = since + (self.allowance + earned).saturating_sub(self.waited);
        if self.timer.deadline() != deadline {
            self.timer.as_mut().reset(deadline);
        }
        self.timer.as_mut().poll(cx).map(|()| {
            self.late.store(true, Ordering::Relaxed);
            io::Error::new(io::ErrorKind::TimedOut, "the body comes too slowly")
        })
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Pending => this.poll_late(cx).map(|error| Some(Err(error.into()))),
            Poll::Ready(frame) => {
                if let Some(since) = this.waiting_since.take() {
                    this.waited += since.elapsed();
                }
                if let Some(Ok(frame)) = &frame {
                    this.received += frame.data_ref().map_or(0, |data| data.remaining() as u64);
                }
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body that holds something until it is sent or given up.
pub(super) struct Holding<T> {
    body: axum::body::Body,
    _held: T,
}

impl<T> Holding<T> {
    pub(super) fn new(body: axum::body::Body, held: T) -> Self {
        Self { body, _held: held }
    }
}

impl<T: Unpin> Body for Holding<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
