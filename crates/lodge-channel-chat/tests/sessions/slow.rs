//! A reader who takes nothing is cut off, and nothing waits for them in memory: the timeline has it all (H06).

use crate::gateway::{ORIGIN, Plan, inbox};
use crate::ground::Ground;
use crate::wire::{Gone, Socket, next, open, send};
use crate::world::World;
use lodge_channel_chat::entry::Entry;
use lodge_channel_chat::protocol::From;
use lodge_channel_chat::token;
use lodge_domain::ports::Clock as _;
use lodge_domain::{EntryId, NewEntry};
use serde_json::json;
use std::time::{Duration, Instant};

/// More than the system's buffers at both ends of a connection hold.
const ENTRIES: u64 = 240;
const LENGTH: usize = 60_000;

async fn hello(world: &World, session: Option<&str>) -> Result<(Socket, String), Gone> {
    let mut socket = open(world.address(0), usize::MAX, usize::MAX).await?;
    send(&mut socket, &json!({"t": "hello", "session": session, "after": 0})).await?;
    let welcome = next(&mut socket, 10_000).await?.ok_or(Gone)?;
    Ok((socket, welcome["session"].as_str().unwrap().to_owned()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h06_who_takes_nothing_is_cut_off_and_finds_it_all_later() {
    let chat = json!({"origins": [ORIGIN], "sockets_per_address": 1});
    let plan = Plan { chat: serde_json::from_value(chat).unwrap(), ..Plan::default() };
    let world = World::new(Ground::embedded(), plan, 11).await;
    let (slow, session) = hello(&world, None).await.unwrap();
    let timeline = token::timeline(&inbox(), session.split('.').next().unwrap());
    let store = std::sync::Arc::clone(&world.gateways[0].read().await.store);
    for number in 0..ENTRIES {
        let body = Entry::said(From::Agent, "x".repeat(LENGTH)).encode();
        let id = EntryId::of(&[&number.to_be_bytes()]);
        let entry = NewEntry { timeline, id, body, at: world.ground.clock.now() };
        store.append(&inbox().brand, vec![entry]).await.unwrap();
    }
    let begun = Instant::now();
    // Their place is free once they are cut off.
    let mut again = loop {
        assert!(begun.elapsed() < Duration::from_secs(25), "a reader who takes nothing is still there");
        match hello(&world, Some(&session)).await {
            Ok((socket, _)) => break socket,
            Err(Gone) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    };
    for number in 1..=ENTRIES {
        let frame = next(&mut again, 10_000).await.unwrap().unwrap();
        assert_eq!((frame["t"].as_str(), frame["seq"].as_u64()), (Some("message"), Some(number)));
    }
    drop(slow);
}
