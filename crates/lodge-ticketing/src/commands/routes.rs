//! The one table of calls. A route that stands here without a description in `openapi.json` fails a test.

use super::problem::Problem;
use super::state::{CommandsState, Shared};
use super::{answered, auth, conversations, events, replies};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{MethodRouter, any, get, post, put};
use http::{Method, StatusCode};
use std::sync::Arc;

/// Every call: its method and path.
pub const ROUTES: [(Method, &str); 10] = [
    (Method::POST, "/v1/conversations/{reference}/replies"),
    (Method::GET, "/v1/replies/{id}"),
    (Method::POST, "/v1/replies/{id}/resend"),
    (Method::PUT, "/v1/conversations/{reference}/status"),
    (Method::POST, "/v1/conversations/{reference}/merge"),
    (Method::POST, "/v1/conversations/{reference}/presence"),
    (Method::POST, "/v1/conversations/{reference}/revoke"),
    (Method::GET, "/v1/conversations/{reference}"),
    (Method::GET, "/v1/events"),
    (Method::GET, "/v1/answered"),
];

/// The calls under `/v1`, each of them and every unknown path below behind the core's credentials.
pub fn router(state: CommandsState) -> Router {
    let shared = Arc::new(Shared::new(state));
    let handlers: [MethodRouter<Arc<Shared>>; 10] = [
        post(replies::create),
        get(replies::state),
        post(replies::resend),
        put(conversations::status),
        post(conversations::merge),
        post(conversations::presence),
        post(conversations::revoke),
        get(conversations::history),
        get(events::poll),
        get(answered::counts),
    ];
    let mut routes = Router::new();
    for ((_, path), handler) in ROUTES.into_iter().zip(handlers) {
        routes = routes.route(path, handler.fallback(wrong_method));
    }
    routes
        .route("/v1/{*rest}", any(unknown))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&shared), auth::guard))
        // The guard reads the body itself, up to its own limit.
        .layer(DefaultBodyLimit::disable())
        .with_state(shared)
}

async fn unknown() -> Problem {
    Problem::unknown("call")
}

async fn wrong_method() -> Problem {
    let title = "The method does not fit the path";
    let detail = "see /openapi.json for what there is";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", title, detail)
}
