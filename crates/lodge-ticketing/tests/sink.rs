//! The webhook to the core over real sockets: what is sent, what each answer means, and what silence means.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use lodge_domain::ports::{Clock, SinkAnswer, TicketSink};
use lodge_domain::{ConversationStatus, Disposition, EnvelopeId, EventId};
use lodge_testkit::ManualClock;
use lodge_ticketing::sink::SinkError;
use lodge_ticketing::{SigningSecrets, SinkSettings, WebhookSink};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

type Seen = Arc<Mutex<Vec<(Method, HeaderMap, Bytes)>>>;
type Answer = fn() -> Response;

#[derive(Clone)]
struct Core {
    seen: Seen,
    answer: Answer,
}

async fn take(State(core): State<Core>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    core.seen.lock().unwrap().push((parts.method, parts.headers, body));
    (core.answer)()
}

async fn core(answer: Answer) -> (Url, Seen) {
    let seen = Seen::default();
    let router = Router::new().fallback(take).with_state(Core { seen: seen.clone(), answer });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/lodge", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, seen)
}

fn sink_with(url: Url, deadline: Duration) -> (WebhookSink, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    let mut settings = SinkSettings::new(url, vec![SECRET.into()]);
    settings.deadline = deadline;
    (WebhookSink::new(&settings, clock.clone()).unwrap(), clock)
}

fn event() -> EventId {
    EnvelopeId::of_contact(&[7; 32])
}

fn respond(status: u16, body: &'static str) -> Response {
    Response::builder().status(status).body(Body::from(body)).unwrap()
}

#[tokio::test]
async fn every_attempt_has_the_same_id_and_bytes_and_a_fresh_signature() {
    let (url, seen) = core(|| respond(200, r#"{"ticket":"DESK-7","status":"open"}"#)).await;
    let (sink, clock) = sink_with(url, Duration::from_secs(5));
    let body = Bytes::from_static("{\"a\": \"ä\u{1f600}\\u00e4\",\r\n\"b\":1.0}".as_bytes());
    let expected = SinkAnswer { ticket: Some("DESK-7".to_owned()), status: Some(ConversationStatus::Open) };
    assert_eq!(sink.forward(&event(), body.clone()).await.unwrap(), expected);
    clock.advance_secs(60);
    sink.forward(&event(), body.clone()).await.unwrap();
    let seen = seen.lock().unwrap();
    let verifier = SigningSecrets::new(&[SECRET.into()]).unwrap();
    for (method, headers, received) in seen.iter() {
        assert_eq!((method, received), (&Method::POST, &body));
        let id = verifier.verify(headers, received, clock.now()).unwrap().id;
        assert_eq!(id, event().as_str());
        assert_eq!(headers["content-type"], "application/json");
        assert!(headers["user-agent"].to_str().unwrap().starts_with("lodge/"));
    }
    assert_ne!(seen[0].1["webhook-signature"], seen[1].1["webhook-signature"]);
    assert_ne!(seen[0].1["webhook-timestamp"], seen[1].1["webhook-timestamp"]);
}

#[tokio::test]
async fn answers_are_mapped_and_have_it_counts_as_taken() {
    let cases: [(Answer, Option<Disposition>); 6] = [
        (|| respond(409, "have it"), None),
        (|| respond(204, ""), None),
        (|| respond(422, ""), Some(Disposition::Rejected)),
        (|| respond(410, ""), Some(Disposition::Gone)),
        (|| respond(401, ""), Some(Disposition::Misconfigured)),
        (|| respond(503, ""), Some(Disposition::Later { after: None })),
    ];
    for (answer, expected) in cases {
        let (url, _) = core(answer).await;
        let verdict =
            sink_with(url, Duration::from_secs(5)).0.forward(&event(), Bytes::from_static(b"{}")).await;
        assert!(verdict.as_ref().err().is_none_or(|error| error.answered && !error.in_doubt));
        assert_eq!(verdict.err().map(|error| error.disposition), expected);
    }
}

#[tokio::test]
async fn t20_redirects_are_never_followed() {
    let (target, seen) = core(|| respond(200, "")).await;
    static TARGET: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    TARGET.set(target.to_string()).unwrap();
    let (url, _) = core(|| {
        let location = TARGET.get().unwrap();
        Response::builder().status(307).header("location", location).body(Body::empty()).unwrap()
    })
    .await;
    let error = sink_with(url, Duration::from_secs(5)).0.forward(&event(), Bytes::new()).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Misconfigured);
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn problems_name_their_title_and_never_the_rest() {
    let (url, _) =
        core(|| respond(400, r#"{"title":"no\nsuch queue","detail":"Ann Lee wrote: secret"}"#)).await;
    let error = sink_with(url, Duration::from_secs(5)).0.forward(&event(), Bytes::new()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("HTTP 400") && text.contains("no\\nsuch queue") && !text.contains("Ann"), "{text}");
}

#[tokio::test]
async fn endless_answers_are_cut_and_still_count() {
    let (url, _) = core(|| Response::new(Body::from(vec![b' '; 1 << 20]))).await;
    let answer = sink_with(url, Duration::from_secs(5)).0.forward(&event(), Bytes::new()).await.unwrap();
    assert_eq!(answer, SinkAnswer::default());
}

#[tokio::test]
async fn silence_resets_and_closed_ports_are_unanswered() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let resetting = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url =
        |listener: &TcpListener| Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let urls = [url(&silent), url(&resetting), url(&closed)];
    drop(closed);
    tokio::spawn(async move {
        // Reads the whole event, and goes without an answer: the far side may well have taken it.
        let (mut socket, _) = resetting.accept().await.unwrap();
        let mut read = [0; 4096];
        assert!(socket.read(&mut read).await.unwrap() > 0);
    });
    for url in urls {
        let started = Instant::now();
        let sink = sink_with(url.clone(), Duration::from_millis(400)).0;
        let error = sink.forward(&event(), Bytes::from_static(b"{}")).await.unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(3), "{url}");
        assert_eq!(
            (error.disposition, error.answered),
            (Disposition::Later { after: None }, false),
            "{url}: {error}"
        );
    }
}

#[tokio::test]
async fn a_status_counts_even_where_its_body_breaks_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut read = [0; 4096];
        assert!(socket.read(&mut read).await.unwrap() > 0);
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"ticket\"").await.unwrap();
    });
    let answer = sink_with(url, Duration::from_secs(2)).0.forward(&event(), Bytes::from_static(b"{}")).await;
    assert_eq!(answer.unwrap(), SinkAnswer::default());
}

#[tokio::test]
async fn t61_a_core_without_a_trusted_certificate_is_not_spoken_to() {
    let (plain, seen) = core(|| respond(200, "")).await;
    let url = Url::parse(&plain.as_str().replace("http:", "https:")).unwrap();
    let error = sink_with(url, Duration::from_secs(5)).0.forward(&event(), Bytes::new()).await.unwrap_err();
    assert!(!error.answered && seen.lock().unwrap().is_empty(), "{error}");
}

#[tokio::test]
async fn probe_is_signed_and_no_event() {
    let (url, seen) = core(|| respond(405, "")).await;
    let (sink, clock) = sink_with(url, Duration::from_secs(5));
    let report = sink.probe().await.unwrap();
    assert_eq!((report.status, report.meaning), (405, "the core answers, and knows no HEAD"));
    let (method, headers, body) = seen.lock().unwrap().remove(0);
    assert_eq!(method, Method::HEAD);
    let verifier = SigningSecrets::new(&[SECRET.into()]).unwrap();
    assert!(!verifier.verify(&headers, &body, clock.now()).unwrap().id.starts_with("evt_"));
    let (url, _) =
        core(|| Response::builder().status(StatusCode::FORBIDDEN).body(Body::empty()).unwrap()).await;
    let refused = sink_with(url, Duration::from_secs(5)).0.probe().await.unwrap_err();
    assert_eq!(refused.disposition, Disposition::Misconfigured);
}

#[test]
fn addresses_that_would_leak_are_refused() {
    for (url, error) in [
        ("http://desk.example.com/lodge", SinkError::Insecure),
        ("https://ann:secret@desk.example.com/", SinkError::Credentials),
        ("ftp://desk.example.com/", SinkError::Scheme),
    ] {
        let settings = SinkSettings::new(Url::parse(url).unwrap(), vec![SECRET.into()]);
        let refused = WebhookSink::new(&settings, Arc::new(ManualClock::new())).err();
        assert_eq!(refused, Some(error), "{url}");
        assert!(!format!("{settings:?}").contains("AAECAw"), "t58: the secret shows");
    }
    let mut settings =
        SinkSettings::new(Url::parse("http://desk.example.com/").unwrap(), vec![SECRET.into()]);
    settings.insecure = true;
    assert!(WebhookSink::new(&settings, Arc::new(ManualClock::new())).is_ok());
}
