//! Status, merges and history.

use crate::house::{House, hours, seconds};
use bytes::Bytes;
use lodge_domain::ports::{Blobs, Clock, CommandError, StatusChange};
use lodge_domain::{ConversationStatus, DeliveryError, Disposition, Placement, Reference};
use lodge_pipeline::Settings;
use lodge_testkit::{ManualClock, MemoryBlobs, sample_contact};
use std::sync::Arc;

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
    assert!(history.journal.iter().any(|line| line.step == "status" && line.text == "closed: by Kim"));
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
async fn brands_keep_apart_and_commands_find_both() {
    let house = House::new();
    let one = house.take(sample_contact().id("<1@x>").brand("one")).await;
    let two = house.take(sample_contact().id("<2@x>").brand("two").in_reply_to("<1@x>").text("two")).await;
    assert_ne!(one.conversation, two.conversation, "no key leads into another brand");
    let commands = house.pipeline.commands();
    for receipt in [&one, &two] {
        assert_eq!(commands.history(&receipt.reference).await.unwrap().envelopes.len(), 1);
        house.reply(&receipt.reference, "k1", "hello").await.unwrap();
    }
    house.work_off().await;
    assert_eq!(house.replier.sent().len(), 4, "two acknowledgments and two replies");
    let refused = commands.merge(&one.reference, &two.reference).await;
    assert!(matches!(refused, Err(CommandError::Impossible(why)) if why.contains("brands")));
}

#[tokio::test]
async fn old_originals_go_unless_a_dead_letter_needs_them() {
    let clock = Arc::new(ManualClock::new());
    let blobs = Arc::new(MemoryBlobs::new(Arc::clone(&clock) as Arc<dyn Clock>));
    let kept = blobs.put(Bytes::from_static(b"poison")).await.unwrap();
    blobs.put(Bytes::from_static(b"old")).await.unwrap();
    let house = House::with(Settings::default(), |parts| {
        parts.blobs = Some(Arc::clone(&blobs) as Arc<dyn Blobs>);
        parts.clock = Arc::clone(&clock) as Arc<dyn Clock>;
    });
    let never = DeliveryError::new(Disposition::Never, "post");
    *house.core.refuses.lock().unwrap() = Some(("poison".to_owned(), never));
    house.take(sample_contact().text("poison").raw(kept.clone())).await;
    assert_eq!(house.dead_letters().await.len(), 1);
    clock.advance(hours(24 * 29));
    house.pipeline.purge().await.unwrap();
    assert_eq!(blobs.len(), 2);
    clock.advance(hours(24 * 3));
    house.pipeline.purge().await.unwrap();
    assert_eq!(blobs.len(), 1);
    assert_eq!(blobs.read(&kept).await.unwrap(), Bytes::from_static(b"poison"));
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
