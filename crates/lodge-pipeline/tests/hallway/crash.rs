//! The process ends at each point of a delivery: at most one acknowledgment goes out, and one event id arrives.

use crate::house::{House, hours, seconds};
use lodge_domain::delivery::{Announced, OutboundMessage, OutboundState};
use lodge_domain::ports::Replier;
use lodge_domain::{DeliveryError, InboxName, Lane, NodeName, Sent};
use lodge_pipeline::dead_letter::Selection;
use lodge_testkit::sample_contact;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn ids(house: &House) -> (usize, usize) {
    let received = house.core.received.lock().unwrap();
    let distinct: BTreeSet<&String> = received.iter().map(|(id, ..)| id).collect();
    (received.len(), distinct.len())
}

fn updates(house: &House) -> Vec<String> {
    let events = house.events().into_iter().filter(|event| event["type"] == "acknowledgment.updated");
    events.map(|event| event["state"].as_str().unwrap().to_owned()).collect()
}

fn acknowledge() -> Lane {
    Lane::Acknowledge(InboxName::parse("support").unwrap(), NodeName::parse("gw-1").unwrap())
}

#[tokio::test]
async fn c09_work_that_was_accepted_survives_a_restart() {
    let house = House::new();
    let receipt = house.accept(sample_contact()).await;
    let next = house.restarted();
    next.work_off().await;
    assert_eq!(next.event(&receipt)["id"], receipt.envelope.as_str());
    assert_eq!(next.replier.sent().len(), 1);
}

#[tokio::test]
async fn c18_c19_a_forward_that_was_not_settled_is_repeated_under_the_same_id() {
    let house = House::new();
    house.accept(sample_contact()).await;
    house.pipeline.drain_due(&Lane::Triage).await.unwrap();
    house.work.settle.store(true, Ordering::SeqCst);
    house.pipeline.drain_due(&Lane::Forward).await.unwrap();
    assert_eq!(ids(&house), (1, 1));
    house.work.settle.store(false, Ordering::SeqCst);
    house.work_off().await;
    assert_eq!(ids(&house), (1, 1), "its lease still runs");
    house.clock.advance_secs(61);
    house.work_off().await;
    assert_eq!(ids(&house), (2, 1));
    let received = house.core.received.lock().unwrap();
    assert_eq!(received[0].1, received[1].1, "byte for byte");
}

#[tokio::test]
async fn triage_that_was_not_settled_is_repeated_with_the_same_result() {
    let house = House::new();
    house.accept(sample_contact()).await;
    house.work.settle.store(true, Ordering::SeqCst);
    house.pipeline.drain_due(&Lane::Triage).await.unwrap();
    house.work.settle.store(false, Ordering::SeqCst);
    house.clock.advance_secs(61);
    house.work_off().await;
    assert_eq!((ids(&house), house.replier.sent().len()), ((1, 1), 1));
}

#[tokio::test]
async fn sixteen_crashes_in_triage_give_the_contact_up_and_replay_brings_it_back() {
    let house = House::new();
    house.accept(sample_contact()).await;
    house.work.settle.store(true, Ordering::SeqCst);
    for _ in 0..16 {
        house.pipeline.drain_due(&Lane::Triage).await.unwrap();
        house.clock.advance_secs(61);
    }
    house.work.settle.store(false, Ordering::SeqCst);
    house.work_off().await;
    let letters = house.dead_letters().await;
    assert_eq!((letters.len(), letters[0].reason.as_str()), (1, "processing never ended"));
    let whole = Arc::clone(&house.store) as Arc<dyn lodge_domain::ports::Store>;
    let desk = lodge_pipeline::DeadLetterDesk::new(lodge_pipeline::Facets::of(&whole));
    desk.replay(&Selection::Ids(vec![letters[0].work.id.clone()])).await.unwrap();
    house.work_off().await;
    assert_eq!(ids(&house), (1, 1), "the ticket is made all the same");
    // Each crash took a unit of the sender's budget with it: doubt ends in silence.
    assert_eq!(house.replier.sent().len(), 0);
}

#[tokio::test]
async fn c21_a_crash_before_the_mark_sends_later_and_once() {
    let house = House::new();
    house.accept(sample_contact()).await;
    house.pipeline.drain_due(&Lane::Triage).await.unwrap();
    house.work.mark.store(true, Ordering::SeqCst);
    house.work.settle.store(true, Ordering::SeqCst);
    house.pipeline.drain_due(&acknowledge()).await.unwrap();
    assert!(house.replier.sent().is_empty());
    house.work.mark.store(false, Ordering::SeqCst);
    house.work.settle.store(false, Ordering::SeqCst);
    house.clock.advance_secs(121);
    house.work_off().await;
    assert_eq!(house.replier.sent().len(), 1);
    assert!(updates(&house).is_empty(), "it went as announced");
}

/// A way out on which everything hangs for ever.
struct Hanging {
    begun: AtomicUsize,
}

#[async_trait::async_trait]
impl Replier for Hanging {
    fn announce(&self, _: &OutboundMessage) -> Announced {
        Announced::default()
    }

    async fn send(&self, _: &OutboundMessage) -> Result<Sent, DeliveryError> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }
}

#[tokio::test]
async fn c22_c23_a_crash_after_the_mark_ends_in_silence_and_the_core_is_told() {
    let house = House::new();
    let hanging = Arc::new(Hanging { begun: AtomicUsize::new(0) });
    house
        .pipeline
        .set_replier(InboxName::parse("support").unwrap(), Arc::clone(&hanging) as Arc<dyn Replier>);
    let receipt = house.accept(sample_contact()).await;
    house.pipeline.drain_due(&Lane::Triage).await.unwrap();
    let lane = acknowledge();
    let cut = tokio::time::timeout(Duration::from_millis(200), house.pipeline.drain_due(&lane)).await;
    assert!(cut.is_err() && hanging.begun.load(Ordering::SeqCst) == 1);
    let next = house.restarted();
    next.clock.advance_secs(121);
    next.pass(hours(1), seconds(60)).await;
    assert_eq!(next.replier.sent().len(), 0, "never a second try");
    assert_eq!(updates(&next), ["in_doubt"]);
    let history = next.pipeline.commands().history(&receipt.reference).await.unwrap();
    assert!(history.outbound[0].in_doubt && history.outbound[0].state == OutboundState::Failed);
}

#[tokio::test]
async fn c24_c32_sent_but_not_settled_is_in_doubt_for_acknowledgments_and_replies() {
    let house = House::new();
    let receipt = house.accept(sample_contact()).await;
    house.pipeline.drain_due(&Lane::Triage).await.unwrap();
    house.work.settle.store(true, Ordering::SeqCst);
    house.pipeline.drain_due(&acknowledge()).await.unwrap();
    house.reply(&receipt.reference, "k1", "one").await.unwrap();
    house.pipeline.drain_due(&Lane::Reply(InboxName::parse("support").unwrap())).await.unwrap();
    assert_eq!(house.replier.sent().len(), 2);
    house.work.settle.store(false, Ordering::SeqCst);
    house.clock.advance_secs(121);
    house.pass(hours(1), seconds(60)).await;
    assert_eq!(house.replier.sent().len(), 2, "neither goes out again");
    assert_eq!(updates(&house), ["in_doubt"]);
    let replies: Vec<_> =
        house.events().into_iter().filter(|event| event["type"] == "reply.updated").collect();
    assert_eq!((replies.len(), &replies[0]["reply"]["in_doubt"]), (1, &true.into()));
}

#[tokio::test]
async fn doubt_that_the_far_side_resolves_is_no_doubt() {
    let house = House::new();
    let careful = Arc::new(lodge_testkit::RecordingReplier::new(true));
    house
        .pipeline
        .set_replier(InboxName::parse("support").unwrap(), Arc::clone(&careful) as Arc<dyn Replier>);
    careful.answer_next(Err(DeliveryError::later("read the answer").unanswered().doubtful()));
    house.take(sample_contact()).await;
    house.pass(seconds(20), seconds(1)).await;
    assert_eq!(careful.sent().len(), 2);
    assert!(updates(&house).is_empty());
}
