//! Errors of the calls, as problem documents (RFC 9457).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use lodge_domain::ports::{BlobError, CommandError, StoreError};
use serde::Serialize;

/// Why a call was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
}

impl Problem {
    /// A problem of this kind; `detail` is about this very request.
    pub(super) fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self { status, kind, title, detail: detail.into() }
    }

    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid-request", "The request cannot be understood", detail)
    }

    pub(super) fn unknown(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown", "There is no such thing", format!("no such {what}"))
    }

    /// The same for everybody who is not let in: nothing tells a stranger what was wrong.
    pub(super) fn unauthenticated() -> Self {
        let detail = "sign the request (Standard Webhooks) or send a bearer token";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "The request is not from the core", detail)
    }

    pub(super) fn later(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again later", detail)
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Unknown(what) => Self::unknown(what),
            CommandError::Conflict => Self::new(
                StatusCode::CONFLICT,
                "idempotency-key-reused",
                "The idempotency key was used for another request",
                error.to_string(),
            ),
            CommandError::Impossible(why) => {
                Self::new(StatusCode::CONFLICT, "impossible", "It cannot be done as things are", why)
            }
            CommandError::Unavailable(why) => {
                tracing::warn!(why, "a call of the core has to wait");
                Self::later("the store does not answer")
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "a call of the core has to wait");
        Self::later("the store does not answer")
    }
}

impl From<BlobError> for Problem {
    fn from(error: BlobError) -> Self {
        tracing::warn!(%error, "an attachment of the core cannot be kept");
        Self::later("attachments cannot be kept now")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = Document {
            r#type: format!("urn:lodge:problem:{}", self.kind),
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
        };
        let mut response = (self.status, axum::Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
