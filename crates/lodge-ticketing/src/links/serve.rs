//! `GET /blobs/{token}`: serves a blob as a download that no browser runs (T33, T65). Never says why a link is no good.

use super::token::{LinkTarget, verify};
use crate::names;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};
use lodge_domain::KeyRing;
use lodge_domain::ports::{BlobError, Blobs, Clock};
use std::sync::Arc;

#[derive(Clone)]
struct Links {
    keys: KeyRing,
    blobs: Arc<dyn Blobs>,
    clock: Arc<dyn Clock>,
}

/// The route `/blobs/{token}` (GET and HEAD).
pub fn blob_router(keys: KeyRing, blobs: Arc<dyn Blobs>, clock: Arc<dyn Clock>) -> Router {
    Router::new().route("/blobs/{token}", get(serve)).with_state(Links { keys, blobs, clock })
}

async fn serve(State(links): State<Links>, Path(token): Path<String>) -> Response {
    let Some(target) = verify(&links.keys, &token, links.clock.now()) else {
        return refusal(StatusCode::NOT_FOUND);
    };
    match links.blobs.read(&target.blob).await {
        Ok(content) => download(&target, Body::from(content)),
        Err(BlobError::Missing) => refusal(StatusCode::NOT_FOUND),
        Err(BlobError::Damaged) => {
            tracing::error!(sha256 = target.blob.sha256, "a blob is damaged: restore it from a backup");
            refusal(StatusCode::INTERNAL_SERVER_ERROR)
        }
        Err(BlobError::Unavailable(reason) | BlobError::NoRoom(reason)) => {
            tracing::warn!(reason, "blobs cannot be read");
            let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            response
        }
    }
}

fn download(target: &LinkTarget, body: Body) -> Response {
    let mut response = Response::new(body);
    guard(&mut response);
    let headers = response.headers_mut();
    let text = |value: &str| HeaderValue::from_str(value).ok();
    let octets = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, text(&target.media_type).unwrap_or(octets));
    headers.insert(header::CONTENT_LENGTH, target.blob.size.into());
    let disposition = names::disposition(target.name.as_deref().unwrap_or("file"));
    let plain = HeaderValue::from_static("attachment");
    headers.insert(header::CONTENT_DISPOSITION, text(&disposition).unwrap_or(plain));
    response
}

fn refusal(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    guard(&mut response);
    response
}

/// Nothing that comes from here is sniffed, run, framed or kept.
fn guard(response: &mut Response) {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'; frame-ancestors 'none'"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
