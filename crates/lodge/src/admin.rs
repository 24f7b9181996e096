//! The internal listener's own pages: health, readiness, metrics, API description, and the operator's overview.

mod api;
mod overview;
mod ready;

use crate::compose::House;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use lodge_telemetry::catalogue::metrics;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// All of them. Pages are open on loopback; elsewhere they ask for the operator's token.
pub fn routes(house: Arc<House>, operator_token: Option<SecretString>) -> Router {
    let pages = Router::new()
        .route("/", get(overview::page))
        .route("/docs", get(api::page))
        .route("/openapi.json", get(api::document))
        .route("/metrics", get(exposition))
        .with_state(Arc::clone(&house));
    let pages = match operator_token {
        Some(token) => pages.layer(from_fn_with_state(Arc::new(token), ask)),
        None => pages,
    };
    let probes = Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(ready::page));
    pages.merge(probes.with_state(house))
}

/// Lets in whoever gives the token: as a bearer token, or as the password of HTTP Basic (RFC 7617), so that a browser can ask.
async fn ask(
    State(token): State<Arc<SecretString>>,
    headers: HeaderMap,
    request: Request,
    next: Next,
) -> Response {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let basic = given.strip_prefix("Basic ").and_then(|b| data_encoding::BASE64.decode(b.as_bytes()).ok());
    let password = basic.as_deref().and_then(|b| b.splitn(2, |c| *c == b':').nth(1));
    let bearer = given.strip_prefix("Bearer ").map(str::as_bytes);
    let wanted = token.expose_secret().as_bytes();
    let fits = bearer.or(password).is_some_and(|given| bool::from(given.ct_eq(wanted)));
    if fits {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"Lodge\", charset=\"UTF-8\"")];
    (StatusCode::UNAUTHORIZED, challenge, "the operator pages ask for the operator token\n").into_response()
}

async fn exposition(State(house): State<Arc<House>>) -> Response {
    house.refresh_gauges().await;
    let kind = [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    match metrics().expose() {
        Ok(text) => (kind, text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Text for HTML.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// A page of ours.
fn html(title: &str, body: &str) -> Response {
    const STYLE: &str = include_str!("../assets/operator.css");
    const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                          frame-ancestors 'none'; img-src data:";
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, \
         initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\"><link rel=\"icon\" href=\"data:,\"><title>{title}</title>\
         <style>{STYLE}</style></head><body>{body}</body></html>"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, page).into_response()
}
