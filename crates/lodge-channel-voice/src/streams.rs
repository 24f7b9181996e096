//! The audio of messages that a provider keeps no file of: it comes by a WebSocket to an address of ours, of one call's one
//! turn. Nobody is let in without that turn's password, to no call that does not wait for a message, and nobody twice.

use crate::calls::refusal;
use crate::desk::{Desk, TRIES};
use crate::dialect::Facts;
use crate::dialogue::Step;
use crate::stream::{Coming, Stream, Terms};
use crate::tickets::Tickets;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{Response, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::get;
use lodge_channel::socket::Handshake;
use lodge_channel::webhook::Unverified;
use lodge_domain::ports::Refusal;
use lodge_telemetry::catalogue::{ReasonLabels, metrics};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Messages of one inbox that come in at a time.
const SEATS: usize = 256;

/// Where an inbox's audio comes in.
#[derive(Clone)]
pub(crate) struct Streams {
    desk: Arc<Desk>,
    protocol: &'static str,
    tickets: Tickets,
    seats: Arc<Semaphore>,
    /// Those that are open, so that closing waits until what they brought is kept.
    pub(crate) sockets: TaskTracker,
    shutdown: CancellationToken,
}

impl Streams {
    pub(crate) fn new(
        desk: Arc<Desk>,
        protocol: &'static str,
        tickets: Tickets,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            desk,
            protocol,
            tickets,
            seats: Arc::new(Semaphore::new(SEATS)),
            sockets: TaskTracker::new(),
            shutdown,
        }
    }

    /// The route `/hooks/{inbox}/audio/{turn}/{call}`.
    pub(crate) fn routes(self) -> Router {
        let path = format!("/hooks/{}/audio/{{turn}}/{{call}}", self.desk.inbox.name);
        Router::new().route(&path, get(listen)).with_state(self)
    }

    /// Lets a switch in that brings the message a call waits for; the answer by which it becomes a socket.
    pub(crate) async fn take(
        &self,
        (turn, call): (u32, &str),
        request: &mut Request,
    ) -> Result<Response<Body>, Response<Body>> {
        let target = request.uri().path().to_owned();
        let unread = Unverified::new(request.method().clone(), &target, "", None, request.headers().clone());
        // Before anything is looked up.
        self.tickets.verify(&unread, call, turn).map_err(|forged| {
            tracing::warn!(inbox = %self.desk.inbox.name, reason = forged.0, "a message's audio was not believed");
            self.refused("not verified", StatusCode::UNAUTHORIZED)
        })?;
        let handshake = Handshake::read(request.headers(), self.protocol)?;
        let busy = |_| self.refused("busy", StatusCode::SERVICE_UNAVAILABLE);
        let seat = Arc::clone(&self.seats).try_acquire_owned().map_err(busy)?;
        let later = |refusal: Refusal| {
            tracing::warn!(inbox = %self.desk.inbox.name, %refusal, "a message's audio cannot be taken");
            self.refused("busy", StatusCode::SERVICE_UNAVAILABLE)
        };
        let Some((facts, terms)) = self.claim(call, turn).await.map_err(later)? else {
            return Err(self.refused("not awaited", StatusCode::NOT_FOUND));
        };
        // Before the switch is let in: whatever it says then is told as lost where we do not live to keep it.
        let coming = Coming::note(&self.desk, facts, recording(call, turn), terms).await;
        let coming = coming.map_err(|error| later(refusal(&error)))?;
        let (upgrading, answer) = handshake.grant(request)?;
        let (desk, shutdown) = (Arc::clone(&self.desk), self.shutdown.clone());
        self.sockets.spawn(async move {
            match upgrading.stream().await {
                Ok(stream) => Stream::begin(desk, coming, stream).await.run(shutdown).await,
                Err(error) => tracing::debug!(%error, "a message's audio ended before it began"),
            }
            drop(seat);
        });
        Ok(answer)
    }

    /// The call and its terms, where it waits for a message in this turn and nobody brings it yet.
    async fn claim(&self, call: &str, turn: u32) -> Result<Option<(Facts, Terms)>, Refusal> {
        for _ in 0..TRIES {
            let known = self.desk.calls.known(call).await.map_err(|error| refusal(&error))?;
            let Some((mut kept, version)) = known else { return Ok(None) };
            let Some(Step::Record(step)) = self.desk.dialogue.step.get(&kept.call.step) else {
                return Ok(None);
            };
            if kept.call.ended || kept.call.turn != turn || kept.streamed.contains(&turn) {
                return Ok(None);
            }
            kept.streamed.push(turn);
            if self.desk.calls.save(&mut kept, version).await? {
                let refused = kept.call.learned.recording == Some(false);
                let (seconds, silence) = (step.seconds.clamp(1, 600), step.silence.clamp(1, 30));
                return Ok(Some((kept.facts, Terms { seconds, silence, refused })));
            }
        }
        Err(Refusal::Busy { retry_after: std::time::Duration::from_secs(1) })
    }

    fn refused(&self, reason: &str, status: StatusCode) -> Response<Body> {
        let labels = ReasonLabels { inbox: self.desk.inbox.name.to_string(), reason: reason.to_owned() };
        metrics().refusals.get_or_create(&labels).inc();
        let wait = (status == StatusCode::SERVICE_UNAVAILABLE).then_some([(header::RETRY_AFTER, "1")]);
        wait.map_or_else(|| status.into_response(), |wait| (status, wait).into_response())
    }
}

/// The id of what is recorded in a call's turn.
pub(crate) fn recording(call: &str, turn: u32) -> String {
    format!("{call}-{turn}")
}

async fn listen(
    State(streams): State<Streams>,
    Path((turn, call)): Path<(u32, String)>,
    mut request: Request,
) -> Response<Body> {
    streams.take((turn, &call), &mut request).await.unwrap_or_else(|answer| answer)
}
