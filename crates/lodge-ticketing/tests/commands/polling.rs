//! The feed by long poll.

use crate::house::{House, house};
use http::{Method, StatusCode};
use lodge_domain::Effect;
use serde_json::Value;
use std::time::{Duration, Instant};

async fn poll(house: &House, query: &str) -> (Vec<Value>, String) {
    let answer = house.call(Method::GET, &format!("/v1/events{query}"), "").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let document = answer.json();
    (document["events"].as_array().unwrap().clone(), document["cursor"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn events_come_page_by_page_byte_for_byte() {
    let house = house();
    for number in 0..150 {
        house.feed.publish(number);
    }
    let answer = house.call(Method::GET, "/v1/events", "").await;
    assert!(answer.text.contains("{ \"id\" : \"evt_"), "written anew: {}", &answer.text[..80]);
    let (events, cursor) = poll(&house, "").await;
    assert_eq!(events.len(), 100);
    let (events, cursor) = poll(&house, &format!("?after={cursor}")).await;
    assert_eq!(events.len(), 50);
    let (events, last) = poll(&house, &format!("?after={cursor}")).await;
    assert_eq!((events.len(), last), (0, cursor));
}

#[tokio::test]
async fn a_poll_waits_for_news_but_no_longer_than_asked() {
    let house = house();
    let started = Instant::now();
    assert!(poll(&house, "?wait=1s").await.0.is_empty());
    assert!(started.elapsed() >= Duration::from_secs(1) && started.elapsed() < Duration::from_secs(2));
    assert!(*house.feed.reads.lock().unwrap() <= 4, "the feed is asked without end");
    let feed = house.feed.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        feed.publish(1);
    });
    let started = Instant::now();
    assert_eq!(poll(&house, "?wait=30").await.0.len(), 1);
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_stopping_gateway_ends_its_polls() {
    let house = house();
    let closing = house.closing.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        closing.cancel();
    });
    let started = Instant::now();
    assert!(poll(&house, "?wait=60s").await.0.is_empty());
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_later_cursor_settles_what_came_before_it() {
    let house = house();
    let event = house.feed.publish(1);
    let (_, cursor) = poll(&house, "").await;
    assert!(house.ledger.steps.lock().unwrap().is_empty(), "handing out settles nothing");
    for _ in 0..2 {
        poll(&house, &format!("?after={cursor}")).await;
    }
    let steps = house.ledger.steps.lock().unwrap();
    assert_eq!(steps.len(), 1);
    let Effect::Journal(line) = &steps[0].effects[0] else { panic!("{steps:?}") };
    assert_eq!((line.subject.as_str(), line.step.as_str()), (event.as_str(), "forwarded"));
}

#[tokio::test]
async fn parameters_that_make_no_sense_are_refused() {
    let house = house();
    for query in ["?after=x", "?wait=soon", "?wait=-1", "?wait=1.5s", "?before=1"] {
        let answer = house.call(Method::GET, &format!("/v1/events{query}"), "").await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::BAD_REQUEST, "invalid-request"),
            "{query}"
        );
    }
}
