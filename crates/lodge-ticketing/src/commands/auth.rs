//! Lets the core in and nobody else: a bearer token, or a Standard Webhooks signature over the raw body. Runs before
//! anything is looked up, on unknown paths as well (T20).

use super::problem::Problem;
use super::replay::Known;
use super::state::Shared;
use crate::signature::{Claimed, SIGNATURE, SigningSecrets};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use lodge_domain::digest_parts;
use std::error::Error;
use std::sync::Arc;

/// Bodies of calls, in bytes: attachments travel inside.
pub(super) const LONGEST_BODY: usize = 25 * 1024 * 1024;

/// Marks a signed request that came before, to the letter, and was carried out then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repeated(pub(super) bool);

pub(super) async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let (repeated, body, id) = match admit(&shared, &parts, body).await {
        Ok(admitted) => admitted,
        Err(problem) => return sealed(problem.into_response()),
    };
    parts.extensions.insert(Repeated(repeated));
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if let Some(id) = id.filter(|_| !repeated && response.status().is_server_error()) {
        shared.replays.forget(&id);
    }
    sealed(response)
}

/// Whether it is a repeat, the whole body, and the id it is remembered under.
async fn admit(shared: &Shared, parts: &Parts, body: Body) -> Result<(bool, Bytes, Option<String>), Problem> {
    if let Some(token) = bearer(&parts.headers) {
        if !shared.knows(token) {
            return Err(Problem::unauthenticated());
        }
        plain(&parts.headers)?;
        return Ok((false, whole(body).await?, None));
    }
    let Some(verifier) = shared.given.verifier.as_ref().filter(|_| parts.headers.contains_key(SIGNATURE))
    else {
        return Err(Problem::unauthenticated());
    };
    signed(shared, verifier, parts, body).await
}

async fn signed(
    shared: &Shared,
    verifier: &SigningSecrets,
    parts: &Parts,
    body: Body,
) -> Result<(bool, Bytes, Option<String>), Problem> {
    let now = shared.given.clock.now();
    // All that needs no body is checked first: strangers cannot make us hold megabytes.
    let claimed = Claimed::read(&parts.headers, now).map_err(|error| refused(&error))?;
    // Ids of ours sign events to the core: what it reflects is never a call of its own.
    if claimed.id().starts_with(lodge_domain::EventId::PREFIX) || claimed.id().starts_with("probe_") {
        return Err(refused(&"the id is one of ours"));
    }
    let body = whole(body).await?;
    let verified = verifier.verify_body(&claimed, &body).map_err(|error| refused(&error))?;
    plain(&parts.headers)?;
    if verified.timestamp < shared.started {
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "signed-too-early",
            "The request was signed before the gateway started",
            "sign it again with the present time",
        ));
    }
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let request = digest_parts(&[parts.method.as_str().as_bytes(), target.as_bytes(), &body]);
    match shared.replays.remember(&verified.id, request, now) {
        Known::First => Ok((false, body, Some(verified.id))),
        Known::Repeat => Ok((true, body, Some(verified.id))),
        Known::Other => Err(Problem::new(
            StatusCode::CONFLICT,
            "webhook-id-reused",
            "The webhook-id was used for another request",
            "an id is good for one method, path and body",
        )),
        Known::Full => Err(Problem::later("too many signed requests within ten minutes")),
    }
}

fn refused(why: &dyn std::fmt::Display) -> Problem {
    tracing::info!(%why, "a call that claims to be from the core was refused");
    Problem::unauthenticated()
}

/// The token of `Authorization: Bearer`, where it is the only such header (RFC 6750).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    (values.next().is_none() && scheme.eq_ignore_ascii_case("bearer")).then(|| token.trim())
}

/// What is signed is what is read: nothing is unpacked in between (T18).
fn plain(headers: &HeaderMap) -> Result<(), Problem> {
    let encoded = headers.get_all(header::CONTENT_ENCODING).iter().any(|encoding| encoding != "identity");
    if encoded {
        let title = "The body is encoded";
        let detail = "send the body as it is, without Content-Encoding";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoded-body", title, detail));
    }
    Ok(())
}

async fn whole(body: Body) -> Result<Bytes, Problem> {
    to_bytes(body, LONGEST_BODY).await.map_err(|error| {
        let too_long = error.source().is_some_and(|cause| cause.to_string().contains("length limit"));
        if too_long {
            let detail = format!("a call has at most {LONGEST_BODY} bytes");
            return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too long", detail);
        }
        Problem::invalid("the body broke off")
    })
}

/// Answers to the core are never kept or sniffed (T65).
fn sealed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
