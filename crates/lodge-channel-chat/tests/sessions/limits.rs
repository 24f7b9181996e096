//! What one household, one session and one message may take (H05, T69, T70).

use crate::gateway::{ORIGIN, Plan};
use crate::ground::Ground;
use crate::wire::{Gone, Socket, next, open, send};
use crate::world::World;
use futures_util::SinkExt as _;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

async fn world(limits: Value) -> World {
    let mut chat = json!({"origins": [ORIGIN]});
    for (key, value) in limits.as_object().unwrap() {
        chat[key] = value.clone();
    }
    let plan = Plan { chat: serde_json::from_value(chat).unwrap(), ..Plan::default() };
    World::new(Ground::embedded(), plan, 5).await
}

async fn hello(world: &World, session: Option<&str>) -> Result<(Socket, Value), Gone> {
    let mut socket = open(world.address(0), usize::MAX, usize::MAX).await?;
    send(&mut socket, &json!({"t": "hello", "session": session})).await?;
    let answer = next(&mut socket, 10_000).await?.ok_or(Gone)?;
    Ok((socket, answer))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h05_t69_sockets_of_one_address_are_counted() {
    let world = world(json!({"sockets_per_address": 2})).await;
    let mut open = vec![hello(&world, None).await.unwrap(), hello(&world, None).await.unwrap()];
    assert!(hello(&world, None).await.is_err(), "refused before anything is said");
    drop(open.pop());
    for _ in 0..100 {
        if hello(&world, None).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("a place is not given back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h05_who_breaks_off_and_comes_back_has_not_said_less() {
    let world = world(json!({"messages": 3})).await;
    let (mut socket, welcome) = hello(&world, None).await.unwrap();
    let session = welcome["session"].as_str().unwrap().to_owned();
    for number in 0..3 {
        send(&mut socket, &json!({"t": "message", "id": number.to_string(), "text": "a"})).await.unwrap();
    }
    while next(&mut socket, 500).await.unwrap().is_some() {}
    drop(socket);
    let (mut again, _) = hello(&world, Some(&session)).await.unwrap();
    send(&mut again, &json!({"t": "message", "id": "3", "text": "a"})).await.unwrap();
    loop {
        let frame = next(&mut again, 5000).await.unwrap().unwrap();
        assert_ne!(frame["t"], "accepted");
        if frame["t"] == "error" {
            assert_eq!((&frame["code"], &frame["id"]), (&json!("rate"), &json!("3")));
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h05_t68_who_says_no_hello_is_shown_out_whatever_else_they_say() {
    let world = world(json!({})).await;
    let mut socket = open(world.address(0), usize::MAX, usize::MAX).await.unwrap();
    let begun = Instant::now();
    loop {
        if send(&mut socket, &json!({"t": "typing"})).await.is_err() {
            break;
        }
        match next(&mut socket, 500).await {
            Ok(Some(frame)) => assert_eq!(frame["code"], "hello_first"),
            Ok(None) => {}
            Err(Gone) => break,
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(begun.elapsed() < Duration::from_secs(20), "the socket stays open");
    }
    assert!(begun.elapsed() > Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t70_a_message_in_many_pieces_ends_its_socket() {
    let world = world(json!({})).await;
    for (pieces, passes) in [(16, true), (17, false)] {
        let mut socket = open(world.address(0), usize::MAX, usize::MAX).await.unwrap();
        let text = br#"{"t":"hello"}"#.as_slice();
        for at in 0..pieces {
            let piece = text.get(at..at + 1).filter(|_| at < 12).unwrap_or_default();
            let is_last = at + 1 == pieces;
            let piece = if is_last { &text[12..] } else { piece };
            let kind = if at == 0 { Data::Text } else { Data::Continue };
            let frame = Frame::message(piece.to_vec(), OpCode::Data(kind), is_last);
            if socket.send(Message::Frame(frame)).await.is_err() {
                break;
            }
        }
        let answer = next(&mut socket, 5000).await;
        assert_eq!(answer.is_ok_and(|frame| frame.unwrap()["t"] == "welcome"), passes, "{pieces}");
    }
}
