//! What every provider's webhook must refuse, and what it must not: one suite, run by each of them (T13, T14, T16-T18).

use crate::fakes::{ManualClock, RecordingIntake};
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use lodge_channel::webhook::{Desk, Provider, TOLERANCE};
use lodge_domain::ports::{Clock, Refusal};
use lodge_domain::{InboxName, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// The public address of the gateway under test.
pub const PUBLIC_URL: &str = "https://gw.example.test";

/// Headers as names and values.
pub type Headers = Vec<(&'static str, String)>;

/// Makes the headers that sign a body at a time.
pub type Signer = Box<dyn Fn(&[u8], Timestamp) -> Headers>;

/// One provider and a request of its that becomes at least one contact, or is a hint at one.
pub struct WebhookCase {
    /// The provider, for inbox `page`.
    pub provider: Arc<dyn Provider>,
    /// The body's media type.
    pub media_type: &'static str,
    /// A body that becomes at least one contact, or is a hint at one.
    pub body: Bytes,
    /// Whether it is a hint and no more: that something is to be looked up.
    pub hints: bool,
    /// Headers that sign a body at a time, with the provider's own secret.
    pub sign: Signer,
    /// Headers that sign a body at a time, with another secret.
    pub forge: Signer,
    /// Whether the signature is over the body; `false` for schemes that only repeat a token.
    pub covers_body: bool,
    /// Whether the signature is over the very bytes of the body, and not over a form's values.
    pub covers_bytes: bool,
    /// Whether a time is signed.
    pub timed: bool,
    /// When all this happens.
    pub now: Timestamp,
}

/// Makes a provider that hands what comes in to this hallway by itself, since its answers depend on what becomes of it.
pub type Maker<'a> = &'a dyn Fn(Arc<RecordingIntake>, Arc<dyn Clock>) -> Arc<dyn Provider>;

impl WebhookCase {
    /// What whoever is not believed is told. Whoever gives hints alone may be asked to come back: there is nothing to be kept.
    fn disbelief(&self) -> StatusCode {
        let told = self.provider.disbelief().status;
        if self.hints && told == StatusCode::SERVICE_UNAVAILABLE { told } else { StatusCode::UNAUTHORIZED }
    }
}

struct Bench<'a> {
    case: &'a WebhookCase,
    intake: Arc<RecordingIntake>,
    desk: Desk,
}

impl<'a> Bench<'a> {
    fn new(case: &'a WebhookCase, make: Maker<'_>) -> Self {
        let intake = Arc::new(RecordingIntake::new());
        let clock = ManualClock::new();
        clock.set(case.now);
        let clock: Arc<dyn Clock> = Arc::new(clock);
        let inbox = InboxName::parse("page").unwrap();
        let provider = make(Arc::clone(&intake), Arc::clone(&clock));
        let desk = Desk::new(inbox, Some(PUBLIC_URL.to_owned()), provider, intake.clone(), clock);
        Self { case, intake, desk }
    }

    async fn post(&self, headers: &Headers, body: impl Into<Body>) -> Response<Body> {
        self.send("POST", "", self.case.media_type, headers, body).await
    }

    async fn send(
        &self,
        method: &str,
        below: &str,
        media_type: &str,
        headers: &Headers,
        body: impl Into<Body>,
    ) -> Response<Body> {
        let slash = if below.is_empty() { "" } else { "/" };
        let mut request = Request::builder().method(method).uri(format!("/hooks/page{slash}{below}"));
        if !media_type.is_empty() {
            request = request.header("content-type", media_type);
        }
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        self.desk.answer(below, request.body(body.into()).unwrap()).await
    }

    async fn refused(&self, what: &str, headers: &Headers, body: impl Into<Body>) {
        let status = self.post(headers, body).await.status();
        assert_eq!(status, self.case.disbelief(), "{what}");
        assert_eq!(self.intake.calls(), 0, "{what}: nothing reaches the hallway");
    }
}

/// Runs the whole suite.
///
/// # Panics
/// Where the provider breaks one of its rules; the message names it.
pub async fn all(case: &WebhookCase) {
    all_made(case, &|_, _| Arc::clone(&case.provider)).await;
}

/// Runs the whole suite, each part of it with a provider made anew.
///
/// # Panics
/// As [`all`].
pub async fn all_made(case: &WebhookCase, make: Maker<'_>) {
    accepts_what_is_signed_and_once(case, make).await;
    refuses_bad_signatures(case, make).await;
    refuses_changed_bytes(case, make).await;
    refuses_stale_requests(case, make).await;
    refuses_sizes_types_and_methods(case, make).await;
    asks_to_come_back(case, make).await;
    survives_what_it_does_not_understand(case, make).await;
}

async fn accepts_what_is_signed_and_once(case: &WebhookCase, make: Maker<'_>) {
    let bench = Bench::new(case, make);
    let headers = (case.sign)(&case.body, case.now);
    let first = bench.post(&headers, case.body.clone()).await;
    assert!(first.status().is_success(), "a signed request is taken: {}", first.status());
    let contacts = bench.intake.contacts();
    assert_eq!(contacts.is_empty(), case.hints, "the body becomes a contact");
    assert!(!bench.intake.taken().is_empty(), "what came of it can be traced");
    let again = bench.post(&headers, case.body.clone()).await;
    assert!(again.status().is_success(), "a replay is answered like the first");
    assert_eq!(bench.intake.contacts().len(), contacts.len(), "a replay has no effect (T16)");
}

async fn refuses_bad_signatures(case: &WebhookCase, make: Maker<'_>) {
    let bench = Bench::new(case, make);
    let body = &case.body;
    bench.refused("no signature", &Headers::new(), body.clone()).await;
    bench.refused("signed with another secret", &(case.forge)(body, case.now), body.clone()).await;
    let good = (case.sign)(body, case.now);
    for at in 0..good.len() {
        let mut without = good.clone();
        without.remove(at);
        bench.refused(&format!("without {}", good[at].0), &without, body.clone()).await;
        for keep in 0..good[at].1.chars().count() {
            let mut cut = good.clone();
            cut[at].1 = good[at].1.chars().take(keep).collect();
            bench.refused(&format!("{} cut to {keep} characters", good[at].0), &cut, body.clone()).await;
        }
        for spoiled in spoiled(&good[at].1) {
            let mut bad = good.clone();
            bad[at].1 = spoiled;
            bench.refused(&format!("{} with a changed character", good[at].0), &bad, body.clone()).await;
        }
    }
}

/// The text with each of its characters exchanged for another that fits the alphabets of signatures.
fn spoiled(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let other = |c: char| if c.eq_ignore_ascii_case(&'b') { 'c' } else { 'b' };
    // The last characters of base64 carry bits that mean nothing; a strict decoder refuses other ones.
    let exchanged =
        |at: usize| characters.iter().enumerate().map(move |(i, c)| if i == at { other(*c) } else { *c });
    (0..characters.len()).map(|at| exchanged(at).collect()).collect()
}

async fn refuses_changed_bytes(case: &WebhookCase, make: Maker<'_>) {
    if !case.covers_body {
        return;
    }
    let bench = Bench::new(case, make);
    let headers = (case.sign)(&case.body, case.now);
    // Each byte once, each bit in turn; every one of a short body, a sample of a long one.
    let step = (case.body.len() / 512).max(1);
    for at in (0..case.body.len()).step_by(step) {
        let mut changed = case.body.to_vec();
        changed[at] ^= 1 << (at % 8);
        if case.covers_bytes {
            bench.refused(&format!("a changed bit at {at}"), &headers, changed).await;
        }
    }
    let mut longer = case.body.to_vec();
    longer.extend_from_slice(b"&x=1");
    bench.refused("more bytes", &headers, longer).await;
    bench.refused("fewer bytes", &headers, case.body.slice(..case.body.len() - 2)).await;
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(&case.body)
        && case.covers_bytes
    {
        bench.refused("written again (T18)", &headers, serde_json::to_vec_pretty(&value).unwrap()).await;
    }
}

async fn refuses_stale_requests(case: &WebhookCase, make: Maker<'_>) {
    if !case.timed {
        return;
    }
    for seconds in [-(TOLERANCE + 1), TOLERANCE + 1] {
        let bench = Bench::new(case, make);
        let then = Timestamp::from_second(case.now.as_second() + seconds).unwrap();
        bench
            .refused(&format!("{seconds} s from now"), &(case.sign)(&case.body, then), case.body.clone())
            .await;
    }
}

async fn refuses_sizes_types_and_methods(case: &WebhookCase, make: Maker<'_>) {
    let bench = Bench::new(case, make);
    let headers = (case.sign)(&case.body, case.now);
    let large = vec![b' '; case.provider.body_limit() + 1];
    let status = bench.post(&headers, large.clone()).await.status();
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "one byte too many");
    let pieces =
        large.chunks(64 * 1024).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect::<Vec<_>>();
    let endless = Body::from_stream(futures_util::stream::iter(pieces));
    let status = bench.post(&headers, endless).await.status();
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "without a length in front (T71)");
    let status = bench.send("POST", "", "text/html", &headers, case.body.clone()).await.status();
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "another media type");
    let mut packed = headers.clone();
    packed.push(("content-encoding", "gzip".to_owned()));
    let status = bench.post(&packed, case.body.clone()).await.status();
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "a packed body (T18)");
    for method in ["PUT", "DELETE", "PATCH"] {
        let status = bench.send(method, "", case.media_type, &headers, case.body.clone()).await.status();
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
    assert_eq!(bench.intake.calls(), 0, "nothing of that reaches the hallway");
}

async fn asks_to_come_back(case: &WebhookCase, make: Maker<'_>) {
    let bench = Bench::new(case, make);
    bench.intake.refuse(Some(Refusal::Busy { retry_after: Duration::from_secs(7) }));
    let headers = (case.sign)(&case.body, case.now);
    let refused = bench.post(&headers, case.body.clone()).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE, "our own trouble is no 4xx");
    assert_eq!(refused.headers()["retry-after"], "7");
    bench.intake.refuse(None);
    let taken = bench.post(&headers, case.body.clone()).await;
    assert!(taken.status().is_success() && !bench.intake.taken().is_empty(), "the repeat is taken");
}

async fn survives_what_it_does_not_understand(case: &WebhookCase, make: Maker<'_>) {
    let bodies: [&[u8]; 6] =
        [b"{}", b"[]", b"null", b"{\"entry\":7,\"events\":[null],\"update_id\":[]}", b"\xff\xfe", b"a=b"];
    for body in bodies {
        let bench = Bench::new(case, make);
        let status = bench.post(&(case.sign)(body, case.now), body).await.status();
        // A token does not cover the body, and some providers name the sender in it: those may refuse, none may fail.
        let fails = status.is_server_error() && status != case.disbelief();
        assert!(!fails, "{}: {status} (G03)", String::from_utf8_lossy(body));
    }
}
