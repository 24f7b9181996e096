//! A stand-in for the core ticket service: checks signatures, knows what it has by `webhook-id`, and shows it.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use lodge_domain::ports::Clock;
use lodge_ticketing::SigningSecrets;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast;

/// The stand-in.
pub struct StandInCore {
    secrets: SigningSecrets,
    clock: Arc<dyn Clock>,
    seen: Mutex<HashSet<String>>,
    events: broadcast::Sender<Value>,
}

impl StandInCore {
    /// A core that believes whoever signs with one of `secrets`.
    #[must_use]
    pub fn new(secrets: SigningSecrets, clock: Arc<dyn Clock>) -> Arc<Self> {
        let (events, _) = broadcast::channel(1024);
        Arc::new(Self { secrets, clock, seen: Mutex::default(), events })
    }

    /// Events from now on, each once.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Value> {
        self.events.subscribe()
    }

    /// Its one route.
    pub fn routes(self: &Arc<Self>) -> axum::Router {
        axum::Router::new().route("/lodge", post(receive)).with_state(Arc::clone(self))
    }
}

async fn receive(State(core): State<Arc<StandInCore>>, headers: HeaderMap, body: Bytes) -> Response {
    let id = match core.secrets.verify(&headers, &body, core.clock.now()) {
        Ok(verified) => verified.id,
        Err(error) => return (StatusCode::UNAUTHORIZED, error.to_string()).into_response(),
    };
    let Ok(event) = serde_json::from_slice::<Value>(&body) else {
        return (StatusCode::BAD_REQUEST, "not JSON").into_response();
    };
    let first = core.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
    let ticket = event["ticket"]["reference"].as_str().map(|r| format!("DEMO-{r}"));
    if first {
        // Nobody may be looking.
        drop(core.events.send(event));
    }
    axum::Json(json!({"ticket": ticket})).into_response()
}
