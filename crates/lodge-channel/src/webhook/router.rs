//! The one way of a webhook through the door: limit, verify, parse, accept, answer.
//!
//! Nothing is parsed or looked up before the provider's signature fits, and nothing is answered with a 2xx before the
//! hallway said that it is durable. Our own trouble is a 503 with a time to come back, never a 4xx that would end the
//! provider's retries.

use super::provider::{Answer, Provider};
use super::request::Unverified;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{Method, Response, StatusCode, header};
use axum::routing::any;
use lodge_domain::InboxName;
use lodge_domain::ports::{Clock, Intake, Refusal};
use lodge_telemetry::catalogue::{ReasonLabels, metrics};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Webhooks of one inbox that are under way at a time; more are asked to come back.
const PERMITS: usize = 512;
/// From how many bytes on a body is a bulky one.
const BULKY: usize = 4 * 1024 * 1024;
/// Bulky bodies of one inbox that are in memory at a time; more wait, unread.
const BULKY_PERMITS: usize = 4;
/// How long one waits at most before it is asked to come back.
const BULKY_WAIT: Duration = Duration::from_secs(20);

/// What serving an inbox's webhooks needs.
#[derive(Clone)]
pub struct Desk {
    inbox: InboxName,
    public_url: Option<String>,
    provider: Arc<dyn Provider>,
    intake: Arc<dyn Intake>,
    clock: Arc<dyn Clock>,
    permits: Arc<Semaphore>,
    bulky: Arc<Semaphore>,
}

impl Desk {
    /// The desk of `inbox`.
    #[must_use]
    pub fn new(
        inbox: InboxName,
        public_url: Option<String>,
        provider: Arc<dyn Provider>,
        intake: Arc<dyn Intake>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let [permits, bulky] = [PERMITS, BULKY_PERMITS].map(|most| Arc::new(Semaphore::new(most)));
        Self { inbox, public_url, provider, intake, clock, permits, bulky }
    }

    /// Answers one request; `below` is its path below the inbox's own.
    pub async fn answer(&self, below: &str, request: Request) -> Response<Body> {
        let answer = match self.take(below, request).await {
            Ok(answer) | Err(answer) => answer,
        };
        answer.into_response()
    }

    async fn take(&self, below: &str, request: Request) -> Result<Answer, Answer> {
        if !self.provider.serves(below) {
            return Err(Answer::empty(StatusCode::NOT_FOUND));
        }
        let busy = || Answer::later(&Refusal::Busy { retry_after: Duration::from_secs(1) });
        let _permit = self.permits.try_acquire().map_err(|_| self.refused("busy", busy()))?;
        let (parts, body) = request.into_parts();
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let unread = Unverified::new(parts.method, &target, below, self.public_url.as_deref(), parts.headers);
        if *unread.method() == Method::GET
            && let Some(answer) = self.provider.handshake(&unread)
        {
            return Ok(answer);
        }
        self.fits(&unread)?;
        let limit = self.provider.body_limit_of(&unread);
        let length =
            unread.header(header::CONTENT_LENGTH.as_str()).and_then(|text| text.parse::<usize>().ok());
        let too_large = || {
            let words = format!("a webhook's body has at most {limit} bytes\n");
            Answer { status: StatusCode::PAYLOAD_TOO_LARGE, ..Answer::with("text/plain", words) }
        };
        if length.is_some_and(|length| length > limit) {
            return Err(self.refused("too large", too_large()));
        }
        let _bulky = if limit > BULKY && length.is_none_or(|length| length > BULKY) {
            let turn = tokio::time::timeout(BULKY_WAIT, self.bulky.acquire()).await;
            Some(turn.map_err(|_| self.refused("busy", busy()))?)
        } else {
            None
        };
        let body = to_bytes(body, limit).await.map_err(|error| self.unread(&error, too_large()))?;
        self.judge(&unread.with_body(body)).await
    }

    /// What can be refused before the body is read.
    fn fits(&self, request: &Unverified) -> Result<(), Answer> {
        let allowed = *request.method() == Method::POST
            || (*request.method() == Method::GET && self.provider.signs_get());
        if !allowed {
            return Err(Answer::empty(StatusCode::METHOD_NOT_ALLOWED));
        }
        // The signature is over the bytes as sent: what is packed is not unpacked first (T18).
        let encodings = [&["identity"], self.provider.encodings()].concat();
        let plain = |value: &str| encodings.iter().any(|known| value.eq_ignore_ascii_case(known));
        let encoded = request.has_header("content-encoding")
            && request.header("content-encoding").is_none_or(|value| !plain(value));
        let known = self.provider.media_types();
        let foreign = request.has_header("content-type")
            && request.media_type().is_none_or(|media_type| !known.contains(&media_type.as_str()));
        if encoded || foreign {
            return Err(self.refused("unsupported type", Answer::empty(StatusCode::UNSUPPORTED_MEDIA_TYPE)));
        }
        Ok(())
    }

    /// A body that ended before its time, or went beyond the limit.
    fn unread(&self, error: &axum::Error, too_large: Answer) -> Answer {
        let mut cause: Option<&dyn std::error::Error> = Some(error);
        while let Some(error) = cause {
            if error.to_string().contains("length limit exceeded") {
                return self.refused("too large", too_large);
            }
            cause = error.source();
        }
        self.refused("broken off", Answer::empty(StatusCode::BAD_REQUEST))
    }

    async fn judge(&self, request: &Unverified) -> Result<Answer, Answer> {
        let later = |refusal: Refusal| {
            tracing::warn!(inbox = %self.inbox, %refusal, "a webhook was asked to come back");
            Answer::later(&refusal)
        };
        self.provider.prepare(request).await.map_err(later)?;
        let verified = self.provider.verify(request, self.clock.now()).map_err(|forged| {
            tracing::warn!(inbox = %self.inbox, reason = forged.0, "a webhook was not believed");
            self.refused("not verified", self.provider.disbelief())
        })?;
        let inbound = self.provider.parse(&verified).await.map_err(later)?;
        let outcomes =
            if inbound.is_empty() { Vec::new() } else { self.intake.accept(inbound).await.map_err(later)? };
        Ok(self.provider.respond(&verified, &outcomes).await)
    }

    fn refused(&self, reason: &'static str, answer: Answer) -> Answer {
        let labels = ReasonLabels { inbox: self.inbox.to_string(), reason: reason.to_owned() };
        metrics().refusals.get_or_create(&labels).inc();
        answer
    }
}

/// The routes `/hooks/{inbox}` and below.
pub fn routes(desk: Desk) -> Router {
    let own = format!("/hooks/{}", desk.inbox);
    let (at, under) = (desk.clone(), desk);
    let below = format!("{own}/{{*below}}");
    let prefix = format!("{own}/");
    Router::new().route(&own, any(move |request: Request| async move { at.answer("", request).await })).route(
        &below,
        any(move |request: Request| async move {
            // As received, not decoded: a path is signed as it stands.
            let path = request.uri().path().to_owned();
            under.answer(path.strip_prefix(&prefix).unwrap_or_default(), request).await
        }),
    )
}
