//! What a provider's file has to say about its webhooks, and what it answers.

use super::request::Unverified;
use super::verify::{Forged, Verified};
use async_trait::async_trait;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use lodge_domain::ports::{Outcome, Refusal};
use lodge_domain::{Inbound, Timestamp};

/// The longest text that a handshake gives back.
const LONGEST_ECHO: usize = 128;

/// What a provider's caller is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// A status and nothing else.
    #[must_use]
    pub fn empty(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    /// A 200 with a body of this media type. Browsers neither guess another type nor keep it.
    #[must_use]
    pub fn with(media_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut answer = Self { body: body.into(), ..Self::empty(StatusCode::OK) };
        answer.headers.push((header::CONTENT_TYPE, HeaderValue::from_static(media_type)));
        answer
    }

    /// A 200 with a JSON value.
    #[must_use]
    pub fn json(value: &serde_json::Value) -> Self {
        Self::with("application/json", value.to_string())
    }

    /// Gives a handshake's challenge back as plain text, where it is nothing but a challenge (T19).
    #[must_use]
    pub fn echo(challenge: &str) -> Self {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if (1..=LONGEST_ECHO).contains(&challenge.len()) && challenge.bytes().all(plain) {
            Self::with("text/plain; charset=utf-8", challenge.to_owned())
        } else {
            Self::empty(StatusCode::BAD_REQUEST)
        }
    }

    /// Come back later: nothing of the request was kept.
    #[must_use]
    pub fn later(refusal: &Refusal) -> Self {
        let mut answer = Self::empty(StatusCode::SERVICE_UNAVAILABLE);
        let seconds = refusal.retry_after().as_secs().max(1);
        answer.headers.push((header::RETRY_AFTER, HeaderValue::from(seconds)));
        answer
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        response.headers_mut().extend(self.headers);
        let headers = response.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// One company or protocol that calls us.
///
/// The router asks in this order: [`serves`](Provider::serves), [`handshake`](Provider::handshake),
/// [`prepare`](Provider::prepare), [`verify`](Provider::verify), [`parse`](Provider::parse), the hallway,
/// [`respond`](Provider::respond). Nothing is looked up or stored before `verify` said yes.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Whether there is anything at this path below the inbox's own (empty for the inbox itself); else 404.
    fn serves(&self, below: &str) -> bool {
        below.is_empty()
    }

    /// The longest body taken, in bytes; a longer one is answered 413.
    fn body_limit(&self) -> usize {
        1024 * 1024
    }

    /// The same for this very request, whose body is not read yet: where credentials stand in its headers, who has none brings
    /// less.
    fn body_limit_of(&self, request: &Unverified) -> usize {
        let _ = request;
        self.body_limit()
    }

    /// The media types a body may have; a request that names another one is answered 415.
    fn media_types(&self) -> &[&str] {
        &["application/json"]
    }

    /// The `Content-Encoding`s that the signature knows of; a request that names another one is answered 415. It is over the
    /// bytes as sent: nothing is unpacked before (T18).
    fn encodings(&self) -> &[&str] {
        &[]
    }

    /// Whether a GET may be a signed request of its own (else it is a handshake or 405).
    fn signs_get(&self) -> bool {
        false
    }

    /// The answer to a request by which the provider makes sure that we are there, where this is one. It has no signature:
    /// a token of the query is compared instead.
    fn handshake(&self, request: &Unverified) -> Option<Answer> {
        let _ = request;
        None
    }

    /// Fetches what `verify` needs from where the configuration says, at most now and then; never from where a request says.
    ///
    /// # Errors
    /// A refusal where it is not to be had now and nothing could be verified; answered 503, and the provider comes again.
    async fn prepare(&self, request: &Unverified) -> Result<(), Refusal> {
        let _ = request;
        Ok(())
    }

    /// Whether the provider made this request. Pure, over the raw bytes.
    ///
    /// # Errors
    /// [`Forged`] where it did not; answered by [`disbelief`](Provider::disbelief), and nothing is kept.
    fn verify<'r>(&self, request: &'r Unverified, now: Timestamp) -> Result<Verified<'r>, Forged>;

    /// What whoever made a request that is not believed is told: 401, and nothing more. A provider for whom that is the end of
    /// what it was asked for says to come back instead; nothing is kept either way.
    fn disbelief(&self) -> Answer {
        Answer::empty(StatusCode::UNAUTHORIZED)
    }

    /// Everything that came in with the request, in order. What is not understood is a contact flagged `unparsed`, never an
    /// error.
    ///
    /// # Errors
    /// A refusal where something needed to understand it is not to be had now; answered 503, and the provider comes again.
    async fn parse(&self, request: &Verified<'_>) -> Result<Vec<Inbound>, Refusal>;

    /// The answer, once all of it is durable: one outcome for each item of `parse`, in order.
    async fn respond(&self, request: &Verified<'_>, outcomes: &[Outcome]) -> Answer {
        let _ = (request, outcomes);
        Answer::empty(StatusCode::OK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t19_only_a_challenge_is_given_back() {
        let good = Answer::echo("1158201444-a_B");
        assert_eq!((good.status, &good.body[..]), (StatusCode::OK, &b"1158201444-a_B"[..]));
        let response = good.into_response();
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
        for bad in ["<script>alert(1)</script>", "", "a b", "a\r\nb", "ä", &"x".repeat(129)] {
            let answer = Answer::echo(bad);
            assert_eq!((answer.status, answer.body.len()), (StatusCode::BAD_REQUEST, 0), "{bad}");
        }
    }
}
