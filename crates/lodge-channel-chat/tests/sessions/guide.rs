//! A guide hands over while several tabs talk at once, sockets break and gateways die: whatever a visitor was told is
//! accepted stands at the core once, in the ticket of the hand-over or as a contact of its own (H02).

use crate::gateway::{ORIGIN, Plan};
use crate::ground::Ground;
use crate::wire::{Gone, next, open, send};
use crate::world::World;
use lodge_testkit::SeededEntropy;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

const VISITORS: u64 = 16;
const TABS: u64 = 3;
const MESSAGES: u64 = 4;

fn plan() -> Plan {
    let most = 1_000_000;
    let chat = json!({
        "origins": [ORIGIN], "guide": "website", "sessions_per_address": most, "sockets_per_address": most,
        "messages": most, "sockets": 64,
    });
    Plan { chat: serde_json::from_value(chat).unwrap(), ..Plan::default() }
}

/// A session's secret; every tab of a browser has it.
async fn session(world: &World) -> String {
    loop {
        let asked = async {
            let mut socket = open(world.address(0), usize::MAX, usize::MAX).await?;
            send(&mut socket, &json!({"t": "hello", "language": "en"})).await?;
            next(&mut socket, 5000).await?.ok_or(Gone)
        };
        if let Ok(welcome) = asked.await {
            return welcome["session"].as_str().unwrap().to_owned();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Says `text` once, on a socket that may break; what it was answered with.
async fn say_once(
    world: &World,
    dice: &SeededEntropy,
    session: &str,
    id: &str,
    text: &str,
) -> Result<Value, Gone> {
    let down = if dice.below(2) == 0 { usize::MAX } else { usize::try_from(dice.below(4000)).unwrap() };
    let mut socket = open(world.address(dice.below(2)), usize::MAX, down).await?;
    let hello = json!({"t": "hello", "session": session, "language": "en", "after": 0});
    send(&mut socket, &hello).await?;
    send(&mut socket, &json!({"t": "message", "id": id, "text": text})).await?;
    while let Some(frame) = next(&mut socket, 5000).await? {
        if frame["t"] == "accepted" && frame["id"] == id {
            return Ok(frame);
        }
        if frame["t"] == "error" {
            return Err(Gone);
        }
    }
    Err(Gone)
}

/// One tab: says its messages one after the other, each until it is accepted; the second one asks for a person.
async fn tab(world: &World, session: &str, visitor: u64, tab: u64, seed: u64) {
    let dice = SeededEntropy::new(seed);
    for number in 0..MESSAGES {
        tokio::time::sleep(Duration::from_millis(dice.below(60))).await;
        let asks = if number == 1 { "I want to talk to a human, " } else { "" };
        let text = format!("{asks}visitor {visitor} tab {tab} message {number}!");
        let mut tries = 0;
        while say_once(world, &dice, session, &format!("{tab}-{number}"), &text).await.is_err() {
            tries += 1;
            assert!(tries < 300, "{seed}: visitor {visitor} tab {tab} gets nowhere with {number}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn handed_over_once(ground: Ground) {
    let seed = crate::drops::chosen_seed();
    println!("LODGE_SEED={seed}");
    let world = Arc::new(World::new(ground, plan(), seed).await);
    let mut troubles = JoinSet::new();
    let (ticking, troubled) = (Arc::clone(&world), Arc::clone(&world));
    troubles.spawn(async move { ticking.tick().await });
    troubles.spawn(async move { troubled.trouble(seed).await });
    let mut tabs = JoinSet::new();
    for visitor in 0..VISITORS {
        let session = session(&world).await;
        for number in 0..TABS {
            let (world, session) = (Arc::clone(&world), session.clone());
            let seed = 1000 * seed + 10 * visitor + number;
            tabs.spawn(async move { tab(&world, &session, visitor, number, seed).await });
        }
    }
    tabs.join_all().await;
    troubles.abort_all();
    let mut texts: Vec<String> = Vec::new();
    for _ in 0..200 {
        world.ground.clock.advance_secs(60);
        let contacts = world.contacts().await;
        texts = contacts.into_values().flat_map(std::collections::BTreeMap::into_values).collect();
        let all = texts.join("\n");
        if all.matches('!').count() as u64 >= VISITORS * TABS * MESSAGES {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let all = texts.join("\n");
    for (visitor, tab, number) in (0..VISITORS).flat_map(|visitor| {
        (0..TABS).flat_map(move |tab| (0..MESSAGES).map(move |number| (visitor, tab, number)))
    }) {
        let text = format!("visitor {visitor} tab {tab} message {number}!");
        assert_eq!(all.matches(&text).count(), 1, "{seed}: {text}");
    }
    println!("{} gateways died, {} contacts", world.deaths(), texts.len());
    assert!(texts.len() as u64 > VISITORS && texts.iter().any(|text| text.contains("\n")), "{seed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h02_a_guide_hands_over_everything_once_embedded() {
    handed_over_once(Ground::embedded()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h02_a_guide_hands_over_everything_once_redis() {
    handed_over_once(Ground::redis()).await;
}
