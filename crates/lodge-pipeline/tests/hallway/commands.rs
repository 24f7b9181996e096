//! Status, merges and history.

use crate::house::{House, hours, seconds};
use lodge_domain::ports::{CommandError, StatusChange};
use lodge_domain::{ConversationStatus, Placement, Reference};
use lodge_testkit::sample_contact;

fn change(status: ConversationStatus) -> StatusChange {
    StatusChange { status, ticket: Some("T-9".to_owned()), note: Some("by Kim".to_owned()) }
}

#[tokio::test]
async fn a_closed_conversation_reopens_within_the_window_of_its_queue() {
    let house = House::new();
    let commands = house.pipeline.commands();
    let general = house.take(sample_contact().id("<g@x>").subject("Hello")).await;
    let billing = house.take(sample_contact().id("<b@x>").from("bob@example.com").subject("Invoice")).await;
    for receipt in [&general, &billing] {
        commands.status(&receipt.reference, change(ConversationStatus::Closed)).await.unwrap();
    }
    house.clock.advance(hours(2));
    let again = house.take(sample_contact().id("<g2@x>").in_reply_to("<g@x>").text("again")).await;
    assert!(again.reopens && again.conversation == general.conversation, "72 h by default");
    let late = sample_contact().id("<b2@x>").from("bob@example.com").in_reply_to("<b@x>").text("again");
    let late = house.take(late).await;
    assert_eq!(
        (late.placement, late.follows),
        (Placement::New, Some(billing.reference.clone())),
        "1 h for billing"
    );
    let history = commands.history(&general.reference).await.unwrap();
    assert_eq!(history.conversation.external_id.as_deref(), Some("T-9"));
    assert!(history.journal.iter().any(|line| line.step == "status" && line.text == "closed: by kim"));
    assert_eq!((history.envelopes.len(), history.outbound.len()), (2, 1));
}

#[tokio::test]
async fn merged_conversations_go_on_as_one_and_cycles_are_refused() {
    let house = House::new();
    let commands = house.pipeline.commands();
    let a = house.take(sample_contact().id("<a@x>").text("a")).await;
    let b = house.take(sample_contact().id("<b@x>").text("b")).await;
    let c = house.take(sample_contact().id("<c@x>").text("c")).await;
    commands.merge(&a.reference, &b.reference).await.unwrap();
    commands.merge(&a.reference, &b.reference).await.unwrap();
    commands.merge(&b.reference, &c.reference).await.unwrap();
    for (from, into) in [(&c, &a), (&c, &c), (&b, &a)] {
        let refused = commands.merge(&from.reference, &into.reference).await;
        let same = from.conversation == b.conversation;
        assert!(matches!(refused, Err(CommandError::Impossible(_))) || same, "{refused:?}");
    }
    let next = house.take(sample_contact().id("<n@x>").in_reply_to("<a@x>").text("next")).await;
    assert_eq!(next.conversation, c.conversation);
    assert_eq!(house.event(&next)["ticket"]["reference"], c.reference.as_str());
}

#[tokio::test]
async fn what_is_unknown_is_unknown() {
    let house = House::new();
    let receipt = house.take(sample_contact()).await;
    let commands = house.pipeline.commands();
    let stranger = (0..16)
        .map(|probe| Reference::derive(&receipt.conversation, probe))
        .find(|r| *r != receipt.reference)
        .unwrap();
    assert_eq!(commands.history(&stranger).await, Err(CommandError::Unknown("conversation")));
    assert_eq!(
        commands.status(&stranger, change(ConversationStatus::Open)).await,
        Err(CommandError::Unknown("conversation"))
    );
    assert_eq!(
        commands.merge(&receipt.reference, &stranger).await,
        Err(CommandError::Unknown("conversation"))
    );
    assert_eq!(house.reply(&stranger, "k", "x").await, Err(CommandError::Unknown("conversation")));
    let id = lodge_domain::OutboundId::reply(&receipt.conversation, "never asked");
    assert_eq!(commands.resend(&id).await, Err(CommandError::Unknown("reply")));
}

#[tokio::test]
async fn old_records_go_and_young_ones_stay() {
    let house = House::new();
    house.take(sample_contact().id("<1@x>")).await;
    assert_eq!(house.pipeline.purge().await.unwrap(), 0);
    house.clock.advance(hours(24 * 401));
    house.take(sample_contact().id("<2@x>")).await;
    house.pass(seconds(1), seconds(1)).await;
    assert!(house.pipeline.purge().await.unwrap() > 0);
    use lodge_domain::ports::Housekeeping;
    let counts = house.store.counts().await.unwrap();
    assert_eq!((counts.envelopes, counts.conversations, counts.events), (1, 1, 1));
}
