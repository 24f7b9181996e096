//! One message as it is spoken: 16-bit linear audio (`audio/L16` of RFC 2586, but the lowest byte first, as switches send it)
//! in binary frames, after a text frame that says whose it is. It goes into the blob store piece by piece, and becomes a WAV
//! file and a recording once it ends, however it ends; nothing but the last piece is ever in memory.

use crate::desk::Desk;
use crate::dialect::Facts;
use crate::dialogue::Message;
use crate::recordings::{Pending, What, attached};
use crate::wav;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use jiff::SignedDuration;
use lodge_channel::attachment_policy::judge;
use lodge_channel::socket::{Counted, open};
use lodge_domain::Attachment;
use lodge_domain::ports::{BlobError, BlobWriter, StoreError};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_util::sync::CancellationToken;

/// Samples in a second, as we ask for them.
pub(crate) const RATE: u32 = 8000;
/// Others that a switch may say it sends.
const RATES: &[u64] = &[8000, 16_000, 24_000, 32_000, 48_000];
/// The largest frame in bytes: two seconds of 16,000 samples.
const FRAME: usize = 64 * 1024;
/// A switch that sends nothing for this long is gone; it sends silence, too.
const IDLE: Duration = Duration::from_secs(10);
/// How much longer than the longest message we listen, in seconds.
const GRACE: u32 = 10;
/// How long somebody may say nothing at first, in seconds.
const PATIENCE: u32 = 15;
/// The mean height of what counts as silence.
const QUIET: u64 = 200;
/// Who does not take our goodbye in this time is left all the same.
const GOODBYE: Duration = Duration::from_secs(2);

/// What a message may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Its greatest length in seconds.
    pub(crate) seconds: u32,
    /// Silence that ends it, in seconds.
    pub(crate) silence: u32,
    /// Whether the caller did not want to be recorded: it is heard to its end, and nothing is kept.
    pub(crate) refused: bool,
}

/// A message that was noted, and is about to be spoken.
pub(crate) struct Coming {
    pending: Pending,
    facts: Facts,
    id: String,
    terms: Terms,
}

impl Coming {
    /// Notes it durably: from now on it is told as lost unless it arrives.
    pub(crate) async fn note(
        desk: &Desk,
        facts: Facts,
        id: String,
        terms: Terms,
    ) -> Result<Self, StoreError> {
        let now = desk.clock.now();
        let what = What::Recording { seconds: None };
        let pending = Pending::new(facts.clone(), what, id.clone(), String::new(), now);
        let by = SignedDuration::from_secs(i64::from(terms.seconds + 6 * GRACE));
        desk.recordings.keep(pending.clone().due(now.checked_add(by).unwrap_or(now))).await?;
        Ok(Self { pending, facts, id, terms })
    }
}

/// Why it ends, with a code of RFC 6455 section 7.4 for who is still there.
enum End {
    Gone,
    Close(u16, &'static str),
}

/// A message that is being spoken.
pub(crate) struct Stream<S> {
    desk: Arc<Desk>,
    pending: Pending,
    facts: Facts,
    id: String,
    terms: Terms,
    socket: WebSocketStream<Counted<S>>,
    audio: Audio,
}

/// What was heard so far.
struct Audio {
    /// `None` where nothing is kept.
    writer: Option<Box<dyn BlobWriter>>,
    rate: u32,
    bytes: u64,
    /// How many bytes of silence came last.
    quiet: u64,
    /// Whether anything was to be heard.
    spoken: bool,
}

impl Audio {
    fn seconds(&self, bytes: u64) -> u64 {
        bytes / (2 * u64::from(self.rate))
    }

    /// Takes a piece in; whether the message is over by that.
    async fn take(&mut self, piece: Bytes, terms: Terms) -> Result<bool, BlobError> {
        let most = 2 * u64::from(self.rate) * u64::from(terms.seconds + GRACE);
        let room = usize::try_from(most.saturating_sub(self.bytes)).unwrap_or(usize::MAX);
        let piece = piece.slice(..piece.len().min(room));
        self.bytes += piece.len() as u64;
        if height(&piece) > QUIET {
            (self.spoken, self.quiet) = (true, 0);
        } else {
            self.quiet += piece.len() as u64;
        }
        if let Some(writer) = &mut self.writer {
            writer.write(piece).await?;
        }
        let patience = if self.spoken { terms.silence } else { PATIENCE };
        Ok(self.bytes >= most || self.seconds(self.quiet) >= u64::from(patience))
    }

    /// The file, durable; `None` where there is nothing to keep.
    async fn finish(self) -> Result<Option<Attachment>, BlobError> {
        let Some(mut writer) = self.writer.filter(|_| self.bytes > 0) else { return Ok(None) };
        if self.bytes % 2 == 1 {
            // Half a sample: a switch that broke off in the midst of it.
            writer.write(Bytes::from_static(&[0])).await?;
        }
        let head = wav::head(self.rate, self.bytes + self.bytes % 2);
        let judgement = judge(None, wav::MEDIA_TYPE, &head);
        writer.lead(head).await?;
        Ok(Some(attached(wav::MEDIA_TYPE.to_owned(), writer.finish().await?, Some(judgement))))
    }
}

/// The mean height of samples.
fn height(piece: &[u8]) -> u64 {
    let (samples, _) = piece.as_chunks::<2>();
    let sum: u64 = samples.iter().map(|sample| u64::from(i16::from_le_bytes(*sample).unsigned_abs())).sum();
    sum / samples.len().max(1) as u64
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream<S> {
    /// Begins to take an awaited message in.
    pub(crate) async fn begin(desk: Arc<Desk>, coming: Coming, stream: S) -> Self {
        let (recordings, Coming { pending, facts, id, terms }) = (&desk.recordings, coming);
        let writer = if terms.refused {
            None
        } else {
            recordings.blobs.begin().await.map(Some).unwrap_or_else(|error| {
                tracing::warn!(inbox = %desk.inbox.name, %error, "a message cannot be kept");
                None
            })
        };
        let audio = Audio { writer, rate: RATE, bytes: 0, quiet: 0, spoken: false };
        let socket = open(stream, FRAME).await;
        Self { desk, pending, facts, id, terms, socket, audio }
    }

    /// Listens to the end of it, keeps it, and says goodbye.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let end = self.listen(&shutdown).await;
        let Self { desk, pending, audio, mut socket, .. } = self;
        let seconds = u32::try_from(audio.seconds(audio.bytes)).ok();
        let file = audio.finish().await.unwrap_or_else(|error| {
            tracing::warn!(inbox = %desk.inbox.name, %error, "a message was not kept");
            None
        });
        // Before the goodbye, by which the switch goes on: what it does then finds the message there.
        if let Err(error) = desk.recordings.arrive(pending.lasting(seconds).with(file)).await {
            tracing::warn!(inbox = %desk.inbox.name, %error, "a message that came in was not noted");
        }
        let End::Close(code, reason) = end else { return };
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
        let goodbye = async {
            drop(socket.send(Frame::Close(Some(frame))).await);
            while let Some(Ok(_)) = socket.next().await {}
        };
        drop(timeout(GOODBYE, goodbye).await);
    }

    async fn listen(&mut self, shutdown: &CancellationToken) -> End {
        let latest = Instant::now() + Duration::from_secs(u64::from(self.terms.seconds + GRACE));
        loop {
            let frame = tokio::select! {
                frame = timeout(IDLE, self.socket.next()) => frame,
                () = sleep_until(latest) => return End::Close(1000, "long enough"),
                () = shutdown.cancelled() => return End::Close(1012, "restarting"),
            };
            let outcome = match frame {
                Err(_) => return End::Close(1008, "nothing comes"),
                Ok(None | Some(Err(_) | Ok(Frame::Close(_)))) => return End::Gone,
                Ok(Some(Ok(Frame::Binary(piece)))) => self.hear(piece).await,
                Ok(Some(Ok(Frame::Text(text)))) => self.told(&text),
                Ok(Some(Ok(Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_)))) => Ok(()),
            };
            if let Err(end) = outcome {
                return end;
            }
        }
    }

    async fn hear(&mut self, piece: Bytes) -> Result<(), End> {
        let before = self.audio.spoken;
        let over = self.audio.take(piece, self.terms).await;
        if self.audio.spoken && !before && !self.terms.refused {
            // Early, so that whoever hangs up left a message.
            let message = Message { id: self.id.clone(), seconds: None };
            if let Err(refusal) = self.desk.recorded(&self.facts, &message).await {
                tracing::debug!(inbox = %self.desk.inbox.name, %refusal, "a message is told of later");
            }
        }
        match over {
            Ok(false) => Ok(()),
            Ok(true) => Err(End::Close(1000, "over")),
            Err(error) => {
                tracing::warn!(inbox = %self.desk.inbox.name, %error, "a message is not kept any more");
                self.audio.writer = None;
                Err(End::Close(1011, "not kept"))
            }
        }
    }

    /// What the switch says of the call, first of all: whose it is, and how many samples a second has. Keys come later.
    fn told(&mut self, text: &str) -> Result<(), End> {
        let told: Value = serde_json::from_str(text).unwrap_or_default();
        let named = ["callSid", "call_sid"].iter().find_map(|key| told.get(*key).and_then(Value::as_str));
        if named.is_some_and(|call| call != self.facts.id) {
            return Err(End::Close(1008, "another call"));
        }
        let rate = told.get("sampleRate").and_then(Value::as_u64).filter(|_| self.audio.bytes == 0);
        match rate {
            Some(rate) if !RATES.contains(&rate) => Err(End::Close(1003, "an unknown rate")),
            Some(rate) => {
                self.audio.rate = u32::try_from(rate).unwrap_or(RATE);
                Ok(())
            }
            None => Ok(()),
        }
    }
}
