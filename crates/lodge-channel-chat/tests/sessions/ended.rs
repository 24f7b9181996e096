//! A conversation that its visitor ended: whoever answers it is told that nobody reads that here any more (F01), and what
//! another tab says at this very moment is accepted and told so, or neither (H02).

use crate::gateway::{Gateway, Plan};
use crate::ground::Ground;
use crate::wire::{Socket, next, open, send};
use crate::world::World;
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
    let welcome = next(&mut socket, 10_000).await.unwrap().unwrap();
    let session = welcome["session"].as_str().unwrap().to_owned();
    send(&mut socket, &json!({"t": "message", "id": "1", "text": "Hello"})).await.unwrap();
    let accepted = next(&mut socket, 10_000).await.unwrap().unwrap();
    let reference = Reference::parse(accepted["reference"].as_str().unwrap()).unwrap();
    assert_eq!(next(&mut socket, 10_000).await.unwrap().unwrap()["from"], "system");
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
    let hello = |after| json!({"t": "hello", "session": session, "after": after});
    let mut away = open(gateway.address, usize::MAX, usize::MAX).await.unwrap();
    send(&mut away, &hello(1)).await.unwrap();
    let mut told = Vec::new();
    while let Ok(Some(frame)) = next(&mut away, 10_000).await {
        told.push(frame["t"].as_str().unwrap().to_owned());
    }
    assert_eq!(
        told,
        ["welcome", "message", "message", "ended"],
        "who was away is told all of it, and then no more"
    );
    let mut late = open(gateway.address, usize::MAX, usize::MAX).await.unwrap();
    send(&mut late, &hello(4)).await.unwrap();
    assert_eq!(next(&mut late, 10_000).await.unwrap().unwrap()["code"], "session_ended");
    let failed = state("It is on its way.", OutboundState::Failed).await;
    assert!(!failed.in_doubt, "{failed:?}");
    let words = failed.recipients[0].text.clone().unwrap_or_default();
    assert!(words.contains("ended the conversation"), "{failed:?}");
}

async fn tab(world: &World, which: u64, session: Option<&str>) -> (Socket, String) {
    let mut socket = open(world.address(which), usize::MAX, usize::MAX).await.unwrap();
    send(&mut socket, &json!({"t": "hello", "session": session, "after": 0})).await.unwrap();
    let welcome = next(&mut socket, 10_000).await.unwrap().unwrap();
    (socket, welcome["session"].as_str().unwrap().to_owned())
}

/// Two tabs: one ends the conversation while the other says something. Whether that was accepted.
async fn ends_and_says(world: &World, number: u64) -> bool {
    let (mut first, session) = tab(world, 0, None).await;
    let hello = json!({"t": "message", "id": "0", "text": format!("hello {number}!")});
    send(&mut first, &hello).await.unwrap();
    while next(&mut first, 10_000).await.unwrap().unwrap()["t"] != "accepted" {}
    let (mut second, _) = tab(world, number % 2, Some(&session)).await;
    let text = json!({"t": "message", "id": "1", "text": format!("said {number}!")});
    let (end, pause) = (json!({"t": "end"}), Duration::from_micros(150 * (number % 20)));
    let ends = send(&mut first, &end);
    let says = async {
        tokio::time::sleep(pause).await;
        send(&mut second, &text).await
    };
    assert!(tokio::join!(ends, says).0.is_ok());
    let mut accepted = false;
    while let Ok(Some(frame)) = next(&mut second, 10_000).await {
        accepted |= frame["t"] == "accepted";
    }
    accepted
}

async fn said_while_it_ends(ground: Ground) {
    const ENDS: u64 = 60;
    let world = World::new(ground, Plan::default(), 31).await;
    let mut expected = Vec::new();
    for number in 0..ENDS {
        world.ground.clock.advance_secs(11);
        expected.push(format!("hello {number}!"));
        if ends_and_says(&world, number).await {
            expected.push(format!("said {number}!"));
        }
    }
    println!("{} of {ENDS} were accepted at the end", expected.len() as u64 - ENDS);
    expected.sort();
    let mut texts = Vec::new();
    for _ in 0..200 {
        let contacts = world.contacts().await;
        texts = contacts.into_values().flat_map(std::collections::BTreeMap::into_values).collect();
        if texts.len() >= expected.len() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    texts.sort();
    assert_eq!(texts, expected, "what is a contact was accepted, and the other way round");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h02_what_is_said_while_it_ends_is_accepted_or_not_at_all_embedded() {
    said_while_it_ends(Ground::embedded()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h02_what_is_said_while_it_ends_is_accepted_or_not_at_all_redis() {
    said_while_it_ends(Ground::redis()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f01_a_reply_to_an_ended_chat_fails_embedded() {
    answered_in_vain(Ground::embedded()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f01_a_reply_to_an_ended_chat_fails_redis() {
    answered_in_vain(Ground::redis()).await;
}
