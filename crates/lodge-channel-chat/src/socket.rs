//! One socket: reads frames, lets `talk.rs` do what they ask, tells what was said in its session. The timeline is the buffer:
//! nothing waits in memory for a slow reader, who is cut off (H06).

use crate::config::FRAME;
use crate::contact::Visitor;
use crate::crowd::Seat;
use crate::desk::Desk;
use crate::entry::Entry;
use crate::greet::is_void;
use crate::protocol::{self, ServerFrame};
use crate::registry::{Place, Window};
use crate::token::SessionKey;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use lodge_channel::Client;
use lodge_channel::socket::{Counted, is_too_many, open};
use lodge_domain::TimelineId;
use lodge_domain::ports::StoreError;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

/// How often we ask whether somebody is there.
const PING: Duration = Duration::from_secs(25);
/// How long a silent peer is believed to be there.
const SILENCE: Duration = Duration::from_secs(60);
/// How long the first `hello` may take.
const HELLO: Duration = Duration::from_secs(10);
/// A peer that takes nothing for this long is cut off.
const STALL: Duration = Duration::from_secs(10);
/// Entries read at a time.
const PAGE: usize = 50;
/// Frames of any kind from one socket within ten seconds, control frames included (T70).
const MOST_FRAMES: u64 = 120;

/// Why a socket ends.
#[derive(Debug)]
pub(crate) enum End {
    /// The peer went, or cannot be reached.
    Gone,
    /// We close, with a code of RFC 6455 section 7.4 and a word.
    Close(u16, &'static str),
}

impl From<StoreError> for End {
    fn from(_: StoreError) -> Self {
        // The client comes back and resumes; by then the store may answer.
        Self::Close(1013, "busy")
    }
}

/// A session that said hello.
pub(crate) struct Live {
    pub(crate) key: SessionKey,
    pub(crate) timeline: TimelineId,
    pub(crate) place: Place,
    pub(crate) visitor: Visitor,
    /// The number of the last entry told.
    pub(crate) told: u64,
    /// The number up to which reading was reported.
    pub(crate) read: u64,
    pub(crate) reference: Option<lodge_domain::Reference>,
}

/// One socket.
pub(crate) struct Socket<S> {
    pub(crate) desk: Arc<Desk>,
    pub(crate) client: Option<Client>,
    _seat: Option<Seat>,
    pub(crate) live: Option<Box<Live>>,
    socket: WebSocketStream<Counted<S>>,
    heard: Instant,
    frames: Window,
}

enum Event {
    Frame(Option<Result<Message, Error>>),
    Rung,
    Tick,
    Closing,
}

/// Serves a socket until it ends.
pub(crate) async fn serve<S>(desk: Arc<Desk>, client: Option<Client>, seat: Option<Seat>, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let socket = open(stream, FRAME).await;
    let mut socket = Socket {
        desk,
        client,
        _seat: seat,
        live: None,
        socket,
        heard: Instant::now(),
        frames: Window::default(),
    };
    let end = socket.run().await;
    // Boxed, as all that is rare: what waits in an idle session is small.
    Box::pin(socket.leave(end)).await;
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket<S> {
    async fn run(&mut self) -> End {
        let begun = Instant::now();
        let mut ping = begun + PING;
        loop {
            let wake = if self.live.is_some() { ping } else { begun + HELLO };
            let event = self.next(wake).await;
            let outcome = match event {
                Event::Tick if self.live.is_none() => Err(End::Close(1008, "no hello")),
                Event::Tick => {
                    ping = Instant::now() + PING;
                    Box::pin(self.ping()).await
                }
                event => Box::pin(self.handle(event)).await,
            };
            if let Err(end) = outcome {
                return end;
            }
        }
    }

    async fn next(&mut self, wake: Instant) -> Event {
        let bell = self.live.as_ref().map(|live| Arc::clone(&live.place.bell));
        let rung = async {
            match &bell {
                Some(bell) => bell.rung.notified().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            frame = self.socket.next() => Event::Frame(frame),
            () = rung => Event::Rung,
            () = sleep_until(wake) => Event::Tick,
            () = self.desk.shutdown.cancelled() => Event::Closing,
        }
    }

    async fn handle(&mut self, event: Event) -> Result<(), End> {
        match event {
            Event::Rung => {
                self.may_stay(false).await?;
                self.tell_hint().await?;
                self.tell_news().await
            }
            Event::Closing => Err(End::Close(1012, "restarting")),
            Event::Tick => Ok(()),
            Event::Frame(None) => Err(End::Gone),
            Event::Frame(Some(Err(error))) => Err(refused(&error)),
            Event::Frame(Some(Ok(message))) => {
                self.heard = Instant::now();
                if self.frames.take(self.desk.now(), 1, MOST_FRAMES, Duration::from_secs(10)).is_err() {
                    return Err(End::Close(1008, "too many frames"));
                }
                match message {
                    Message::Text(text) => self.frame(text.as_str()).await,
                    Message::Binary(_) => {
                        self.error("bad_frame", "frames are text, not binary", None, None).await
                    }
                    Message::Close(_) => Err(End::Gone),
                    Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
                }
            }
        }
    }

    /// Shows out whoever's secret was revoked (T07): looks where that is in doubt, or `always`.
    pub(crate) async fn may_stay(&mut self, always: bool) -> Result<(), End> {
        let Some(live) = self.live.as_ref() else { return Ok(()) };
        if !live.place.bell.takes_doubt() && !always {
            return Ok(());
        }
        let note = self.desk.note(&live.timeline).await?;
        let is_void = is_void(&live.key, &note, self.desk.now());
        if is_void { Err(End::Close(1008, "revoked")) } else { Ok(()) }
    }

    async fn ping(&mut self) -> Result<(), End> {
        if self.heard.elapsed() > SILENCE {
            return Err(End::Gone);
        }
        self.write(Message::Ping(Bytes::new())).await
    }

    /// Sends; a peer that does not take it is cut off.
    async fn write(&mut self, message: Message) -> Result<(), End> {
        match timeout(STALL, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Gone),
        }
    }

    pub(crate) async fn send(&mut self, frame: &ServerFrame<'_>) -> Result<(), End> {
        self.send_text(protocol::write(frame)).await
    }

    pub(crate) async fn send_text(&mut self, text: String) -> Result<(), End> {
        self.write(Message::text(text)).await
    }

    pub(crate) async fn error(
        &mut self,
        code: &'static str,
        message: &str,
        id: Option<&str>,
        wait: Option<Duration>,
    ) -> Result<(), End> {
        let retry_after = wait.map(|wait| wait.as_secs().max(1));
        self.send(&ServerFrame::Error { code, message, id, retry_after }).await
    }

    /// Tells everything that was said since.
    pub(crate) async fn tell_news(&mut self) -> Result<(), End> {
        self.tell_until(u64::MAX, None).await
    }

    /// Tells what was said since, up to number `until`; that one is told as `instead`, where given.
    pub(crate) async fn tell_until(&mut self, until: u64, mut instead: Option<String>) -> Result<(), End> {
        let desk = Arc::clone(&self.desk);
        loop {
            let Some(live) = self.live.as_mut() else { return Ok(()) };
            if live.told >= until {
                return Ok(());
            }
            if instead.is_some() && live.told + 1 == until {
                live.told = until;
                let Some(text) = instead.take() else { return Ok(()) };
                return self.send_text(text).await;
            }
            let (timeline, after) = (live.timeline, live.told);
            let page = desk.timelines.entries(&desk.inbox.brand, &timeline, after, PAGE).await?;
            if page.entries.is_empty() {
                return Ok(());
            }
            for kept in &page.entries {
                if kept.sequence >= until && instead.is_some() {
                    break;
                }
                if kept.sequence > until {
                    return Ok(());
                }
                let entry = Entry::decode(kept);
                self.send_text(entry.frame(kept.sequence, kept.at, desk.now(), &*desk.files)).await?;
                if let Some(live) = self.live.as_mut() {
                    live.told = kept.sequence;
                }
                if entry.end {
                    // Said before this socket heard of the end: the client must not say it again elsewhere.
                    if let Some(text) = instead.take() {
                        self.send_text(text).await?;
                    }
                    return Err(End::Close(1000, "ended"));
                }
            }
        }
    }

    async fn tell_hint(&mut self) -> Result<(), End> {
        let Some(live) = self.live.as_ref() else { return Ok(()) };
        let (hint, told) = (live.place.bell.hint(), live.told);
        let Some(hint) = hint.and_then(|hint| serde_json::from_slice::<serde_json::Value>(&hint).ok()) else {
            return Ok(());
        };
        match hint["t"].as_str() {
            Some("typing") => {
                let frame = ServerFrame::Typing { from: protocol::From::Agent, name: hint["name"].as_str() };
                self.send(&frame).await
            }
            Some("read") => self.send(&ServerFrame::Read { seq: told }).await,
            _ => Ok(()),
        }
    }

    /// Says goodbye, as far as the peer still listens.
    async fn leave(&mut self, end: End) {
        let End::Close(code, reason) = end else { return };
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
        let goodbye = async {
            self.socket.close(Some(frame)).await?;
            while let Some(Ok(_)) = self.socket.next().await {}
            Ok::<_, Error>(())
        };
        // A peer that does not answer is left all the same.
        drop(timeout(Duration::from_secs(2), goodbye).await);
    }
}

/// What a frame that cannot be read means.
fn refused(error: &Error) -> End {
    match error {
        Error::Capacity(_) => End::Close(1009, "too large"),
        Error::Io(error) if is_too_many(error) => End::Close(1008, "too many pieces"),
        Error::Utf8(_) => End::Close(1007, "not UTF-8"),
        Error::Protocol(_) => End::Close(1002, "protocol"),
        _ => End::Gone,
    }
}
