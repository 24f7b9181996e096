//! The sandbox page: a visitor writes, calls and chats on one side, and watches tickets arrive and answers them on the other.

use super::carrier::Carrier;
use super::letter::Draft;
use super::phone::{self, Calls, NUMBERS};
use super::{MailSink, StandInCore, messenger};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream;
use jiff::Timestamp;
use lodge_channel::{Arrival, Importer};
use lodge_channel_email::letter::read_letter;
use lodge_domain::ports::{Clock, Entropy, Intake};
use lodge_ticketing::SigningSecrets;
use serde::Deserialize;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast;

/// What the page works with.
pub struct Sandbox {
    /// The address of the demo's inbox.
    pub address: String,
    /// Where mails go in.
    pub importer: Arc<dyn Importer>,
    /// The hallway.
    pub intake: Arc<dyn Intake>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for Message-IDs.
    pub entropy: Arc<dyn Entropy>,
    /// The gateway's internal listener, for the agent's answers.
    pub internal: String,
    /// Signs the agent's answers as a core does.
    pub signer: SigningSecrets,
    /// Speaks with the internal listener.
    pub http: reqwest::Client,
    /// The mail sent last, for sending it again.
    pub last: Mutex<Option<Bytes>>,
    /// Carries calls and messages.
    pub carrier: Arc<Carrier>,
    /// Calls under way.
    pub calls: Calls,
    /// What happened so far, for pages that are opened later.
    pub history: Mutex<Vec<Value>>,
    /// What happens from now on.
    pub live: broadcast::Sender<Value>,
}

impl Sandbox {
    /// Passes on what the stand-ins see, until they end.
    pub fn follow(self: &Arc<Self>, mails: &MailSink, core: &StandInCore) {
        let (sandbox, mut mails) = (Arc::clone(self), mails.subscribe());
        tokio::spawn(async move {
            while let Ok(mail) = mails.recv().await {
                let letter = read_letter(&mail.raw);
                let raw = String::from_utf8_lossy(&mail.raw).into_owned();
                sandbox.happened(
                    json!({"kind": "mail", "recipients": mail.recipients, "letter": letter, "raw": raw}),
                );
            }
        });
        let (sandbox, mut events) = (Arc::clone(self), core.subscribe());
        tokio::spawn(async move {
            while let Ok(event) = events.recv().await {
                sandbox.happened(json!({"kind": "event", "event": event}));
            }
        });
        let (sandbox, mut carried) = (Arc::clone(self), self.carrier.subscribe());
        tokio::spawn(async move {
            while let Ok(what) = carried.recv().await {
                sandbox.happened(what);
            }
        });
    }

    fn happened(&self, mut what: Value) {
        const MOST: usize = 500;
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        what["at"] = json!(self.clock.now());
        what["number"] = json!(history.last().and_then(|last| last["number"].as_u64()).unwrap_or(0) + 1);
        history.push(what.clone());
        if history.len() > MOST {
            history.remove(0);
        }
        // Nobody may be looking.
        drop(self.live.send(what));
    }
}

/// The files of the page: where each is, its media type and its text.
const ASSETS: [(&str, &str, &str); 5] = [
    ("/sandbox", "text/html; charset=utf-8", include_str!("../../assets/sandbox/index.html")),
    ("/sandbox/sandbox.css", "text/css", include_str!("../../assets/sandbox/sandbox.css")),
    ("/sandbox/sandbox.js", "text/javascript", include_str!("../../assets/sandbox/sandbox.js")),
    ("/sandbox/phone.js", "text/javascript", include_str!("../../assets/sandbox/phone.js")),
    ("/sandbox/social.js", "text/javascript", include_str!("../../assets/sandbox/social.js")),
];

/// The page and what it calls.
pub fn routes(sandbox: Arc<Sandbox>) -> Router {
    let page = Router::new().route("/", get(|| async { Redirect::temporary("/sandbox") }));
    let page = ASSETS
        .into_iter()
        .fold(page, |page, (at, kind, text)| page.route(at, get(move || async move { asset(kind, text) })));
    page.merge(phone::routes())
        .merge(messenger::routes())
        .route("/sandbox/about", get(about))
        .route("/sandbox/stream", get(live))
        .route("/sandbox/mail", post(mail))
        .route("/sandbox/reply", post(reply))
        .with_state(sandbox)
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; media-src 'self'; \
                          base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, text).into_response()
}

async fn about(State(sandbox): State<Arc<Sandbox>>) -> Json<Value> {
    let number = |(number, _, label): &(&str, &str, &str)| json!({"number": number, "label": label});
    let numbers: Vec<Value> = NUMBERS.iter().map(number).collect();
    Json(json!({"address": sandbox.address, "numbers": numbers}))
}

async fn live(State(sandbox): State<Arc<Sandbox>>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (past, receiver) = {
        let history = sandbox.history.lock().unwrap_or_else(PoisonError::into_inner);
        (history.clone(), sandbox.live.subscribe())
    };
    let past = stream::iter(past.into_iter().map(|what| Ok(frame(&what))));
    let coming = stream::unfold(receiver, |mut receiver| async move {
        // A page that fell behind asks again by itself after this ends.
        let what = receiver.recv().await.ok()?;
        Some((Ok(frame(&what)), receiver))
    });
    Sse::new(futures_util::StreamExt::chain(past, coming)).keep_alive(KeepAlive::default())
}

fn frame(what: &Value) -> Event {
    Event::default().data(what.to_string())
}

async fn mail(State(sandbox): State<Arc<Sandbox>>, Json(draft): Json<Draft>) -> Response {
    if !draft.from.contains('@') || draft.text.trim().is_empty() {
        return problem(StatusCode::BAD_REQUEST, "a mail needs a sender's address and a text");
    }
    let now: Timestamp = sandbox.clock.now();
    let before = sandbox.last.lock().unwrap_or_else(PoisonError::into_inner).clone().filter(|_| draft.repeat);
    let fresh = || Bytes::from(draft.to_bytes(&sandbox.address, &sandbox.entropy.token(), now));
    let raw = before.unwrap_or_else(fresh);
    *sandbox.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(raw.clone());
    let shown = String::from_utf8_lossy(&raw).into_owned();
    let inbound = match sandbox.importer.read(raw, Arrival { received_at: Some(now), backfill: false }).await
    {
        Ok(inbound) => inbound,
        Err(error) => return problem(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    };
    match sandbox.intake.accept(vec![inbound]).await {
        Ok(outcomes) => {
            let receipt = outcomes.into_iter().next().map(|outcome| format!("{outcome:?}"));
            (StatusCode::ACCEPTED, Json(json!({"receipt": receipt, "raw": shown}))).into_response()
        }
        Err(refusal) => problem(StatusCode::SERVICE_UNAVAILABLE, &refusal.to_string()),
    }
}

/// What the agent answers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    reference: String,
    text: String,
    author: Option<String>,
}

async fn reply(State(sandbox): State<Arc<Sandbox>>, Json(answer): Json<Answer>) -> Response {
    let key = sandbox.entropy.token();
    let body = json!({"text": answer.text, "author": answer.author}).to_string();
    let url = format!("{}/v1/conversations/{}/replies", sandbox.internal, answer.reference);
    let (id, now) = (format!("msg_{key}"), sandbox.clock.now().as_second());
    let signature = sandbox.signer.sign(&id, now, body.as_bytes());
    let request =
        sandbox.http.post(url).header("content-type", "application/json").header("idempotency-key", &key);
    let request = request
        .header("webhook-id", id)
        .header("webhook-timestamp", now)
        .header("webhook-signature", signature);
    match request.body(body).send().await {
        Ok(response) => {
            let status = StatusCode::from_u16(response.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
            let text = response.text().await.unwrap_or_default();
            (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
        }
        Err(_) => problem(StatusCode::BAD_GATEWAY, "the internal listener does not answer"),
    }
}

pub(super) fn problem(status: StatusCode, detail: &str) -> Response {
    (status, Json(json!({"status": status.as_u16(), "detail": detail}))).into_response()
}
