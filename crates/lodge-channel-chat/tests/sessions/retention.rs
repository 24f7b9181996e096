//! What was said is kept as long as `[retention] timelines` says, in both stores; a session that outlives it starts anew.

use crate::gateway::{Gateway, Plan};
use crate::ground::Ground;
use crate::wire::{Socket, next, open, send};
use lodge_domain::SignedDuration;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h01_j11_timelines_are_kept_as_long_as_is_set_embedded() {
    kept_as_long_as_is_set(Ground::embedded()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h01_j11_timelines_are_kept_as_long_as_is_set_redis() {
    kept_as_long_as_is_set(Ground::redis()).await;
}
