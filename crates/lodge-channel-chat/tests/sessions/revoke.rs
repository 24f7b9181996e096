//! T07: an agent takes back the access to a conversation; open sockets on all gateways close within two seconds, and the
//! secret opens nothing any more.

use crate::gateway::Plan;
use crate::ground::Ground;
use crate::wire::{Gone, Socket, next, open, send};
use crate::world::World;
use lodge_domain::Reference;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn hello(world: &World, which: u64, session: Option<&str>) -> (Socket, Value) {
    let mut socket = open(world.address(which), usize::MAX, usize::MAX).await.unwrap();
    send(&mut socket, &json!({"t": "hello", "session": session, "after": 0})).await.unwrap();
    let answer = next(&mut socket, 10_000).await.unwrap().unwrap();
    (socket, answer)
}

async fn until_it_closes(mut socket: Socket) {
    while let Ok(frame) = next(&mut socket, 10_000).await {
        assert!(frame.is_some(), "the socket stays open");
    }
}

/// On an embedded store one gateway runs, and nobody else would hear of it at once.
async fn access_is_taken_back(ground: Ground, other: u64) {
    let world = World::new(ground, Plan::default(), 3).await;
    let (mut here, welcome) = hello(&world, 0, None).await;
    let session = welcome["session"].as_str().unwrap().to_owned();
    send(&mut here, &json!({"t": "message", "id": "1", "text": "Hello"})).await.unwrap();
    let accepted = next(&mut here, 10_000).await.unwrap().unwrap();
    let reference = Reference::parse(accepted["reference"].as_str().unwrap()).unwrap();
    let (there, welcome) = hello(&world, other, Some(&session)).await;
    assert_eq!(welcome["resumed"], true);
    let (mut stranger, _) = hello(&world, 0, None).await;
    world.ground.clock.advance_secs(5);
    let commands = world.gateways[usize::try_from(other).unwrap()].read().await.pipeline.commands();
    commands.revoke(&reference).await.unwrap();
    let revoked = Instant::now();
    tokio::join!(until_it_closes(here), until_it_closes(there));
    assert!(revoked.elapsed() < Duration::from_secs(2), "{:?}", revoked.elapsed());
    for which in 0..2 {
        let (_, answer) = hello(&world, which, Some(&session)).await;
        assert_eq!((&answer["t"], &answer["code"]), (&json!("error"), &json!("session_unknown")));
    }
    assert!(matches!(next(&mut stranger, 200).await, Ok(None) | Err(Gone)), "nobody else is told anything");
    send(&mut stranger, &json!({"t": "message", "id": "1", "text": "I am still here"})).await.unwrap();
    assert_eq!(next(&mut stranger, 10_000).await.unwrap().unwrap()["t"], "accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t07_a_revoked_secret_opens_nothing_embedded() {
    access_is_taken_back(Ground::embedded(), 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t07_a_revoked_secret_opens_nothing_redis() {
    access_is_taken_back(Ground::redis(), 1).await;
}
