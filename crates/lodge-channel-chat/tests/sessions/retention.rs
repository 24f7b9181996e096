//! What was said is kept as long as `[retention] timelines` says, in both stores; a session that outlives it starts anew.

use crate::gateway::{Gateway, Plan, SECRET};
use crate::ground::Ground;
use crate::wire::{Socket, next, open, send};
use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use lodge_domain::SignedDuration;
use lodge_domain::ports::Clock as _;
use serde_json::{Value, json};
use std::sync::Arc;

async fn ask(socket: &mut Socket, frame: Value) -> Value {
    send(socket, &frame).await.unwrap();
    next(socket, 10_000).await.unwrap().unwrap()
}

async fn kept_as_long_as_is_set(ground: Ground) {
    let mut plan = Plan::default();
    plan.settings.retention.timelines = SignedDuration::from_hours(48);
    let ground = Arc::new(ground);
    let gateway = Gateway::start(&ground, &plan, "one", 7).await;
    let mut socket = open(gateway.address, usize::MAX, usize::MAX).await.unwrap();
    let session = ask(&mut socket, json!({"t": "hello"})).await["session"].as_str().unwrap().to_owned();
    assert_eq!(ask(&mut socket, json!({"t": "message", "id": "1", "text": "Hello"})).await["seq"], 1);
    let acknowledgment = next(&mut socket, 10_000).await.unwrap().unwrap();
    assert_eq!(acknowledgment["from"], "system", "nothing more is said on this day");
    drop(socket);
    let hello = json!({"t": "hello", "session": session, "after": 2});
    for (hours, resumed) in [(20, true), (29, false)] {
        ground.clock.advance_secs(3600 * hours);
        gateway.pipeline.purge().await.unwrap();
        let mut socket = open(gateway.address, usize::MAX, usize::MAX).await.unwrap();
        let welcome = ask(&mut socket, hello.clone()).await;
        assert_eq!((&welcome["t"], &welcome["resumed"]), (&json!("welcome"), &json!(resumed)), "{hours}");
    }
    let mut socket = open(gateway.address, usize::MAX, usize::MAX).await.unwrap();
    let welcome = ask(&mut socket, hello).await;
    assert_eq!((&welcome["resumed"], &welcome["seq"]), (&json!(false), &json!(0)), "nothing is left");
    assert_eq!(ask(&mut socket, json!({"t": "message", "id": "2", "text": "Again"})).await["seq"], 1);
}

/// A token of the website for its visitor `u-7`.
fn token(now: lodge_domain::Timestamp) -> String {
    let encode = |value: Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let claims = json!({"sub": "u-7", "aud": "website", "exp": now.as_second() + 900});
    let signed = format!("{}.{}", encode(json!({"alg": "HS256"})), encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    format!("{signed}.{}", BASE64URL_NOPAD.encode(hmac::sign(&key, signed.as_bytes()).as_ref()))
}

/// Whoever comes every day is known on every device, however short things are kept.
async fn a_signed_in_visitor_stays_known(ground: Ground) {
    let mut plan = Plan::default();
    plan.settings.retention.timelines = SignedDuration::from_hours(48);
    plan.chat.identity_secret = Some(serde_json::from_value(json!("env:SECRET")).unwrap());
    let ground = Arc::new(ground);
    let gateway = Gateway::start(&ground, &plan, "one", 8).await;
    let mut socket = open(gateway.address, usize::MAX, usize::MAX).await.unwrap();
    let hello = json!({"t": "hello", "identity": token(ground.clock.now())});
    let mut session = ask(&mut socket, hello).await["session"].as_str().unwrap().to_owned();
    assert_eq!(ask(&mut socket, json!({"t": "message", "id": "1", "text": "Hello"})).await["seq"], 1);
    for day in 0..5 {
        ground.clock.advance_secs(3600 * 25);
        gateway.pipeline.purge().await.unwrap();
        let mut socket = open(gateway.address, usize::MAX, usize::MAX).await.unwrap();
        let identity = token(ground.clock.now());
        let hello = json!({"t": "hello", "session": session, "after": 1, "identity": identity});
        let welcome = ask(&mut socket, hello).await;
        assert_eq!((&welcome["t"], &welcome["resumed"]), (&json!("welcome"), &json!(true)), "{day}");
        session = welcome["session"].as_str().unwrap().to_owned();
    }
    ground.clock.advance_secs(3600 * 25);
    gateway.pipeline.purge().await.unwrap();
    let mut device = open(gateway.address, usize::MAX, usize::MAX).await.unwrap();
    let welcome = ask(&mut device, json!({"t": "hello", "identity": token(ground.clock.now())})).await;
    let id = |session: &str| session.split('.').next().unwrap().to_owned();
    assert_eq!(id(welcome["session"].as_str().unwrap()), id(&session), "the same conversation");
    let told = next(&mut device, 10_000).await.unwrap().unwrap();
    assert_eq!((&told["seq"], &told["text"]), (&json!(1), &json!("Hello")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h03_who_comes_every_day_stays_known_embedded() {
    a_signed_in_visitor_stays_known(Ground::embedded()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h03_who_comes_every_day_stays_known_redis() {
    a_signed_in_visitor_stays_known(Ground::redis()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h01_j11_timelines_are_kept_as_long_as_is_set_embedded() {
    kept_as_long_as_is_set(Ground::embedded()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h01_j11_timelines_are_kept_as_long_as_is_set_redis() {
    kept_as_long_as_is_set(Ground::redis()).await;
}
