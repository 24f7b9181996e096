//! A conversation that its visitor ended: whoever answers it is told that nobody reads that here any more (F01).

use crate::gateway::{Gateway, Plan};
use crate::ground::Ground;
use crate::wire::{next, open, send};
use lodge_domain::Reference;
use lodge_domain::delivery::OutboundState;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

async fn answered_in_vain(ground: Ground) {
    let ground = Arc::new(ground);
    let gateway = Gateway::start(&ground, &Plan::default(), "one", 21).await;
    let mut socket = open(gateway.address, usize::MAX, usize::MAX).await.unwrap();
    send(&mut socket, &json!({"t": "hello"})).await.unwrap();
    send(&mut socket, &json!({"t": "message", "id": "1", "text": "Hello"})).await.unwrap();
    let mut reference = None;
    while reference.is_none() {
        let frame = next(&mut socket, 10_000).await.unwrap().unwrap();
        reference = frame["reference"].as_str().and_then(Reference::parse);
    }
    let reference = reference.unwrap();
    let commands = gateway.pipeline.commands();
    let state = async |text: &str, wanted: OutboundState| {
        let id = gateway.reply(&reference, text, text).unwrap().await.unwrap().unwrap();
        for _ in 0..500 {
            let now = commands.reply_state(&id).await.unwrap();
            if now.state == wanted {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{text}: {:?}", commands.reply_state(&id).await);
    };
    state("Are you still there?", OutboundState::Sent).await;
    send(&mut socket, &json!({"t": "end"})).await.unwrap();
    while next(&mut socket, 10_000).await.is_ok_and(|frame| frame.is_some()) {}
    let failed = state("It is on its way.", OutboundState::Failed).await;
    assert!(!failed.in_doubt, "{failed:?}");
    let words = failed.recipients[0].text.clone().unwrap_or_default();
    assert!(words.contains("ended the conversation"), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f01_a_reply_to_an_ended_chat_fails_embedded() {
    answered_in_vain(Ground::embedded()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f01_a_reply_to_an_ended_chat_fails_redis() {
    answered_in_vain(Ground::redis()).await;
}
