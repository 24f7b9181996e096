//! The router and the suite that providers inherit, with the least provider there can be.
#![expect(clippy::unwrap_used, reason = "test code: a broken expectation must panic")]

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use bytes::Bytes;
use data_encoding::HEXLOWER;
use lodge_channel::webhook::{
    Algorithm, Answer, Candidates, Desk, Forged, HmacKeys, Provider, SharedToken, Unverified, Verified,
    fresh, routes,
};
use lodge_domain::ports::{Outcome, Refusal};
use lodge_domain::{Inbound, InboxName, Timestamp};
use lodge_testkit::conformance::webhook::{self, Headers, WebhookCase};
use lodge_testkit::{ManualClock, RecordingIntake, sample_contact};
use secrecy::SecretString;
use std::sync::Arc;
use tower::ServiceExt;

/// Signs `time.body`; every line of a body is a contact.
struct Lines {
    keys: HmacKeys,
    token: SharedToken,
}

#[async_trait]
impl Provider for Lines {
    fn body_limit(&self) -> usize {
        128 * 1024
    }

    fn media_types(&self) -> &[&str] {
        &["text/plain"]
    }

    fn handshake(&self, request: &Unverified) -> Option<Answer> {
        let query = request.query();
        let fits = query.get("token").is_some_and(|token| self.token.is(token));
        let refused = || Answer::empty(StatusCode::FORBIDDEN);
        Some(if fits { Answer::echo(query.get("challenge").unwrap_or_default()) } else { refused() })
    }

    fn verify<'r>(&self, request: &'r Unverified, now: Timestamp) -> Result<Verified<'r>, Forged> {
        let time = request.header("x-time");
        fresh(time, now)?;
        let candidates = Candidates::hex(32, request.header("x-signature"));
        let parts = [time.unwrap_or_default().as_bytes(), b".", request.signed_body()];
        self.keys.verify(request, &parts, &candidates)
    }

    async fn parse(&self, request: &Verified<'_>) -> Result<Vec<Inbound>, Refusal> {
        let text = String::from_utf8_lossy(request.body());
        let line = |line: &str| {
            let contact = sample_contact().id(line).text(line).build();
            Inbound::Contact(Box::new(contact))
        };
        Ok(text.lines().map(line).collect())
    }

    async fn respond(&self, _: &Verified<'_>, outcomes: &[Outcome]) -> Answer {
        Answer::with("text/plain", outcomes.len().to_string())
    }
}

fn keys(secret: &str) -> HmacKeys {
    HmacKeys::new(Algorithm::Sha256, &[SecretString::from(secret.to_owned())])
}

fn lines() -> Arc<Lines> {
    Arc::new(Lines { keys: keys("secret"), token: SharedToken::new(&[SecretString::from("tok")]) })
}

fn signed(secret: &str, body: &[u8], at: Timestamp) -> Headers {
    let time = at.as_second().to_string();
    let signature = keys(secret).sign(&[time.as_bytes(), b".", body]).unwrap();
    vec![("x-time", time), ("x-signature", HEXLOWER.encode(&signature))]
}

fn now() -> Timestamp {
    Timestamp::from_second(1_795_291_200).unwrap()
}

#[tokio::test]
async fn t13_t14_t16_t18_the_suite_that_every_provider_inherits() {
    let case = WebhookCase {
        provider: lines(),
        media_type: "text/plain",
        body: Bytes::from_static(b"one\ntwo"),
        sign: Box::new(|body, at| signed("secret", body, at)),
        forge: Box::new(|body, at| signed("other", body, at)),
        hints: false,
        covers_body: true,
        covers_bytes: true,
        timed: true,
        now: now(),
    };
    webhook::all(&case).await;
}

fn router() -> (axum::Router, Arc<RecordingIntake>) {
    let (intake, clock) = (Arc::new(RecordingIntake::new()), ManualClock::new());
    clock.set(now());
    let inbox = InboxName::parse("page").unwrap();
    (routes(Desk::new(inbox, None, lines(), intake.clone(), Arc::new(clock))), intake)
}

async fn ask(router: &axum::Router, method: &str, uri: &str) -> (StatusCode, Bytes) {
    let request = Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    (status, to_bytes(response.into_body(), 1024).await.unwrap())
}

#[tokio::test]
async fn t19_handshakes_ask_for_the_token_and_give_back_nothing_but_a_challenge() {
    let (router, _) = router();
    let (status, body) = ask(&router, "GET", "/hooks/page?token=tok&challenge=abc_-1").await;
    assert_eq!((status, &body[..]), (StatusCode::OK, &b"abc_-1"[..]));
    for bad in ["?token=nope&challenge=abc", "?challenge=abc", "", "?token=tok&token=tok&challenge=a"] {
        let (status, body) = ask(&router, "GET", &format!("/hooks/page{bad}")).await;
        assert_eq!((status, body.len()), (StatusCode::FORBIDDEN, 0), "{bad}");
    }
    let (status, body) = ask(&router, "GET", "/hooks/page?token=tok&challenge=%3Cscript%3E").await;
    assert_eq!((status, body.len()), (StatusCode::BAD_REQUEST, 0));
}

#[tokio::test]
async fn unknown_inboxes_and_paths_are_not_found() {
    let (router, intake) = router();
    for path in ["/hooks/other", "/hooks", "/hooks/page/below", "/hooks/page/a/b?x=1"] {
        assert_eq!(ask(&router, "POST", path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(intake.calls(), 0);
}
