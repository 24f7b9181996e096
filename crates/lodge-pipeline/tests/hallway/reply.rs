//! Agents' replies go out at most once, and the core hears how they fare (F01–F03, F06).

use crate::house::{House, hours, seconds};
use lodge_domain::delivery::{OutboundState, RecipientState};
use lodge_domain::ports::{CommandError, Ledger};
use lodge_domain::{BrandName, DeliveryError, Disposition, Sent, ThreadKeyValue};
use lodge_testkit::sample_contact;

/// What the core was told of replies, in order.
fn told(house: &House) -> Vec<(String, bool)> {
    let events = house.events().into_iter().filter(|event| event["type"] == "reply.updated");
    let state = |event: serde_json::Value| {
        let reply = &event["reply"];
        (reply["state"].as_str().unwrap().to_owned(), reply["in_doubt"].as_bool().unwrap())
    };
    events.map(state).collect()
}

fn handed_over(to: &str) -> Sent {
    let text = Some("250 2.0.0 queued as 4XYZ".to_owned());
    Sent {
        keys: vec![ThreadKeyValue::new("message-id", "<far@side>").unwrap()],
        traces: Vec::new(),
        recipients: vec![RecipientState { handle: to.to_owned(), state: OutboundState::Sent, text }],
        unless_seen: None,
    }
}

#[tokio::test]
async fn f01_a_reply_is_durable_first_and_then_goes_out_with_the_far_sides_words() {
    let house = House::new();
    let receipt = house.take(sample_contact()).await;
    let id = house.reply(&receipt.reference, "k1", "We found it.").await.unwrap();
    let commands = house.pipeline.commands();
    assert_eq!(commands.reply_state(&id).await.unwrap().state, OutboundState::Queued);
    house.replier.answer_next(Ok(handed_over("ann@example.com")));
    house.work_off().await;
    let state = commands.reply_state(&id).await.unwrap();
    assert_eq!(state.state, OutboundState::Sent);
    assert_eq!(state.recipients[0].text.as_deref(), Some("250 2.0.0 queued as 4XYZ"));
    assert_eq!(told(&house), [("sent".to_owned(), false)]);
    let sent = house.replier.sent();
    assert_eq!((sent.len(), sent[1].text.as_str()), (2, "We found it."));
    let answer = house.take(sample_contact().id("<9@x>").in_reply_to("<far@side>").text("thanks")).await;
    assert_eq!(answer.conversation, receipt.conversation, "an answer to it is recognised");
}

#[tokio::test]
async fn f02_temporary_failures_are_retried_for_two_days_and_lasting_ones_fail_at_once() {
    let house = House::new();
    let receipt = house.take(sample_contact()).await;
    for _ in 0..3 {
        house.replier.answer_next(Err(DeliveryError::later("send").detail("450 4.2.0 greylisted")));
    }
    house.reply(&receipt.reference, "k1", "one").await.unwrap();
    house.pass(seconds(30), seconds(1)).await;
    assert_eq!(told(&house), [("deferred".to_owned(), false), ("sent".to_owned(), false)]);

    let house = House::new();
    let receipt = house.take(sample_contact()).await;
    for _ in 0..2000 {
        house.replier.answer_next(Err(DeliveryError::later("send").detail("450")));
    }
    let id = house.reply(&receipt.reference, "k1", "one").await.unwrap();
    house.pass(hours(47), seconds(120)).await;
    assert_eq!(told(&house), [("deferred".to_owned(), false)]);
    house.pass(hours(3), seconds(120)).await;
    assert_eq!(told(&house).last().unwrap(), &("failed".to_owned(), false));

    let house_again = house;
    let commands = house_again.pipeline.commands();
    let before = house_again.replier.sent().len();
    house_again.pass(hours(2), seconds(300)).await;
    assert_eq!(house_again.replier.sent().len(), before, "given up means given up");
    assert_eq!(commands.reply_state(&id).await.unwrap().state, OutboundState::Failed);
}

#[tokio::test]
async fn f02_a_resend_is_one_call_and_goes_out_once() {
    let house = House::new();
    let receipt = house.take(sample_contact()).await;
    house.replier.answer_next(Err(DeliveryError::new(Disposition::Never, "send").detail("550 5.1.1")));
    let id = house.reply(&receipt.reference, "k1", "one").await.unwrap();
    house.work_off().await;
    assert_eq!(told(&house), [("failed".to_owned(), false)]);
    let commands = house.pipeline.commands();
    assert_eq!(commands.resend(&id).await.unwrap().state, OutboundState::Queued);
    assert_eq!(commands.resend(&id).await.unwrap().state, OutboundState::Queued, "asked twice");
    house.work_off().await;
    assert_eq!(house.replier.sent().iter().filter(|message| message.id == id).count(), 2);
    assert_eq!(told(&house), [("failed".to_owned(), false), ("sent".to_owned(), false)]);
    assert!(matches!(commands.resend(&id).await, Err(CommandError::Impossible(_))), "it went out");
    let ack =
        house.store.outbound_of(&BrandName::unbranded(), &receipt.conversation).await.unwrap().remove(0).id;
    assert!(
        matches!(commands.resend(&ack).await, Err(CommandError::Impossible(_))),
        "never an acknowledgment"
    );
}

#[tokio::test]
async fn f03_the_same_key_never_sends_twice_and_another_body_is_a_conflict() {
    let house = House::new();
    let receipt = house.take(sample_contact()).await;
    let first = house.reply(&receipt.reference, "k1", "one").await.unwrap();
    assert_eq!(house.reply(&receipt.reference, "k1", "one").await.unwrap(), first);
    house.work_off().await;
    assert_eq!(house.reply(&receipt.reference, "k1", "one").await.unwrap(), first);
    house.work_off().await;
    assert_eq!(house.replier.sent().iter().filter(|message| message.id == first).count(), 1);
    assert_eq!(house.reply(&receipt.reference, "k1", "two").await, Err(CommandError::Conflict));
    assert_ne!(house.reply(&receipt.reference, "k2", "one").await.unwrap(), first);
}

#[tokio::test]
async fn doubt_about_a_reply_is_told_and_never_repeated() {
    let house = House::new();
    let receipt = house.take(sample_contact()).await;
    house.replier.answer_next(Err(DeliveryError::later("read the answer").unanswered().doubtful()));
    let id = house.reply(&receipt.reference, "k1", "one").await.unwrap();
    house.pass(hours(3), seconds(60)).await;
    assert_eq!(told(&house), [("failed".to_owned(), true)]);
    assert_eq!(house.replier.sent().iter().filter(|message| message.id == id).count(), 1);
    let state = house.pipeline.commands().resend(&id).await.unwrap();
    assert!(!state.in_doubt);
    house.work_off().await;
    assert_eq!(told(&house).last().unwrap(), &("sent".to_owned(), false));
}

#[tokio::test]
async fn a_reply_without_a_way_back_is_refused_in_clear_words() {
    let house = House::new();
    let receipt = house.take(sample_contact().without_return_path()).await;
    let refused = house.reply(&receipt.reference, "k1", "one").await.unwrap_err();
    assert!(matches!(&refused, CommandError::Impossible(why) if why.contains("no way back")), "{refused:?}");
}

#[tokio::test]
async fn f07_one_inbox_that_stands_still_holds_up_no_other_lane() {
    let house = House::new();
    let receipt = house.take(sample_contact()).await;
    for _ in 0..100 {
        house
            .replier
            .answer_next(Err(DeliveryError::new(Disposition::Misconfigured, "log in").detail("535")));
    }
    house.reply(&receipt.reference, "k1", "one").await.unwrap();
    house.pass(seconds(60), seconds(3)).await;
    let parked: Vec<String> = house
        .pipeline
        .health()
        .into_iter()
        .filter(|report| report.parked)
        .map(|report| report.lane.to_string())
        .collect();
    assert_eq!(parked, ["reply/support"]);
    house.take(sample_contact().id("<2@x>").from("bob@example.com")).await;
    assert_eq!(house.events().len(), 3, "two contacts, and that the reply is deferred");
}
