//! Events reach the core: in order, the same bytes each time, and no outage makes a dead letter (J05).

use crate::house::{House, hours, seconds};
use lodge_domain::ports::{Clock, DeadLetters, SinkAnswer};
use lodge_domain::{ConversationStatus, DeliveryError, Disposition, Lane};
use lodge_pipeline::dead_letter::Selection;
use lodge_pipeline::{DeadLetterDesk, Facets};
use lodge_testkit::sample_contact;
use std::sync::Arc;
use std::sync::atomic::Ordering;

fn set(house: &House, mood: Option<DeliveryError>) {
    *house.core.mood.lock().unwrap() = mood;
}

#[tokio::test]
async fn j05_a_long_outage_makes_no_dead_letter_and_ends_quickly() {
    let house = House::new();
    set(&house, Some(DeliveryError::later("connect").unanswered()));
    for n in 0..50 {
        house.accept(sample_contact().id(&format!("<{n}@x>")).text(&n.to_string())).await;
    }
    house.pass(hours(30), seconds(60)).await;
    assert!(house.dead_letters().await.is_empty());
    let tries = house.core.tries.load(Ordering::SeqCst);
    assert!(tries < 2200, "one probe at a time, {tries} tries");
    let report = house.pipeline.health().into_iter().find(|report| report.lane == Lane::Forward).unwrap();
    assert!(!report.is_healthy() && !report.parked, "{report:?}");
    set(&house, None);
    house.pass(seconds(10), seconds(1)).await;
    assert_eq!(house.events().len(), 50);
    assert!(house.pipeline.health().iter().all(lodge_pipeline::LaneReport::is_healthy));
}

#[tokio::test]
async fn j05_a_day_of_the_cores_own_failures_makes_a_dead_letter_and_replay_delivers_the_same_bytes() {
    let house = House::new();
    set(&house, Some(DeliveryError::later("post").detail("500")));
    let receipt = house.accept(sample_contact()).await;
    house.pass(hours(22), seconds(30)).await;
    assert!(house.dead_letters().await.is_empty(), "not before a day");
    house.pass(hours(8), seconds(30)).await;
    let letters = house.dead_letters().await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].reason, "the core failed for too long");
    set(&house, None);
    let whole: Arc<dyn lodge_domain::ports::Store> =
        Arc::clone(&house.store) as Arc<dyn lodge_domain::ports::Store>;
    let desk = DeadLetterDesk::new(Facets::of(&whole));
    let replayed = desk.replay(&Selection::All).await.unwrap();
    assert_eq!(replayed.replayed, [letters[0].work.id.clone()]);
    house.work_off().await;
    let received = house.core.received.lock().unwrap().clone();
    assert!(received.iter().all(|(id, body, _)| id == receipt.envelope.as_str() && *body == received[0].1));
    assert!(received.last().unwrap().2 && house.dead_letters().await.is_empty());
    assert!(!house.store.discard(&letters[0].work.brand, &letters[0].work.id).await.unwrap());
}

#[tokio::test]
async fn a_time_the_core_asks_for_is_respected() {
    let house = House::new();
    let asks = Disposition::Later { after: Some(seconds(120)) };
    set(&house, Some(DeliveryError::new(asks, "post").detail("503")));
    house.take(sample_contact()).await;
    set(&house, None);
    house.pass(seconds(119), seconds(7)).await;
    assert_eq!(house.events().len(), 0);
    house.pass(seconds(21), seconds(7)).await;
    assert_eq!(house.events().len(), 1);
}

#[tokio::test]
async fn what_the_core_refuses_is_tried_three_times_over_a_quarter_of_an_hour_and_the_rest_goes_on() {
    let house = House::new();
    let refuse = DeliveryError::new(Disposition::Rejected, "post").detail("422");
    *house.core.refuses.lock().unwrap() = Some(("poison".to_owned(), refuse));
    let bad = house.take(sample_contact().id("<1@x>").text("poison")).await;
    house.accept(sample_contact().id("<2@x>").in_reply_to("<1@x>").text("fine")).await;
    house.take(sample_contact().id("<3@x>").from("bob@example.com").text("another")).await;
    assert_eq!(house.events().len(), 1, "only the other conversation goes on");
    house.pass(seconds(14 * 60), seconds(10)).await;
    assert!(house.dead_letters().await.is_empty(), "not before a quarter of an hour");
    house.pass(seconds(120), seconds(10)).await;
    let letters = house.dead_letters().await;
    assert_eq!((letters.len(), letters[0].work.subject.as_str()), (1, bad.envelope.as_str()));
    assert_eq!(letters[0].reason, "the core refuses it");
    let tries =
        house.core.received.lock().unwrap().iter().filter(|(id, ..)| id == bad.envelope.as_str()).count();
    assert_eq!(tries, 3);
    let sequences: Vec<i64> =
        house.events().iter().filter_map(|e| e["ticket"]["sequence"].as_i64()).collect();
    assert_eq!(sequences, [1, 2], "the conversation goes on with a gap");
    assert!(house.pipeline.health().iter().all(lodge_pipeline::LaneReport::is_healthy));
}

#[tokio::test]
async fn gone_for_one_event_is_a_dead_letter_and_gone_for_all_parks() {
    let house = House::new();
    house.take(sample_contact().id("<0@x>").text("first")).await;
    let gone = DeliveryError::new(Disposition::Gone, "post").detail("404");
    *house.core.refuses.lock().unwrap() = Some(("lost".to_owned(), gone.clone()));
    house.take(sample_contact().id("<1@x>").text("lost")).await;
    assert_eq!(house.dead_letters().await.len(), 1);

    let house = House::new();
    set(&house, Some(gone));
    house.take(sample_contact().id("<0@x>").text("first")).await;
    house.pass(hours(48), seconds(60)).await;
    assert!(house.dead_letters().await.is_empty());
    let report = house.pipeline.health().into_iter().find(|report| report.lane == Lane::Forward).unwrap();
    assert!(report.parked && report.why.unwrap().contains("404"));
    set(&house, None);
    house.pass(seconds(8), seconds(1)).await;
    assert_eq!(house.events().len(), 1);
}

#[tokio::test]
async fn wrong_credentials_park_the_lane_loudly_and_burn_no_attempt() {
    let house = House::new();
    set(&house, Some(DeliveryError::new(Disposition::Misconfigured, "post").detail("401")));
    for n in 0..5 {
        house.accept(sample_contact().id(&format!("<{n}@x>")).text(&n.to_string())).await;
    }
    house.pass(hours(72), seconds(300)).await;
    assert!(house.dead_letters().await.is_empty());
    let metrics = lodge_telemetry::catalogue::metrics().expose().unwrap();
    assert!(metrics.contains("lodge_lane_parked{lane=\"forward\"}"), "{metrics}");
    set(&house, None);
    house.pass(seconds(10), seconds(1)).await;
    assert_eq!(house.events().len(), 5);
}

#[tokio::test]
async fn events_of_a_conversation_arrive_in_order_and_repeat_the_cores_own_id() {
    let house = House::new();
    *house.core.answer.lock().unwrap() =
        SinkAnswer { ticket: Some("T-1".to_owned()), status: Some(ConversationStatus::Pending) };
    house.take(sample_contact().id("<0@x>")).await;
    set(&house, Some(DeliveryError::later("post").detail("503")));
    for n in 1..8 {
        let sample = sample_contact().id(&format!("<{n}@x>")).in_reply_to("<0@x>").text(&n.to_string());
        house.accept(sample).await;
    }
    house.work_off().await;
    set(&house, None);
    house.pass(seconds(60), seconds(1)).await;
    let events = house.events();
    let sequences: Vec<i64> = events.iter().filter_map(|e| e["ticket"]["sequence"].as_i64()).collect();
    assert_eq!(sequences, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert!(events[0]["ticket"]["external_id"].is_null());
    assert!(events[1..].iter().all(|event| event["ticket"]["external_id"] == "T-1"));
    let reference = serde_json::from_value(events[0]["ticket"]["reference"].clone()).unwrap();
    let history = house.pipeline.commands().history(&reference).await.unwrap();
    assert_eq!(history.conversation.status, ConversationStatus::Pending);
    assert!(house.clock.now() > lodge_testkit::samples::sample_time());
}
