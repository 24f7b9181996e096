//! The loop itself: work flows while it runs, soft shutdown finishes, hard shutdown drops.

use crate::house::House;
use lodge_domain::delivery::{Announced, OutboundMessage};
use lodge_domain::ports::{Refusal, Replier};
use lodge_domain::{DeliveryError, InboxName, Sent};
use lodge_testkit::sample_contact;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

async fn until(what: &str, ready: impl Fn() -> bool) {
    let started = Instant::now();
    while !ready() {
        assert!(started.elapsed() < Duration::from_secs(20), "{what} never happened");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contacts_flow_through_and_a_soft_stop_refuses_new_ones() {
    let house = House::new();
    let (soft, hard) = (CancellationToken::new(), CancellationToken::new());
    let pipeline = Arc::clone(&house.pipeline);
    let running = tokio::spawn({
        let (soft, hard) = (soft.clone(), hard.clone());
        async move { pipeline.run(soft, hard).await }
    });
    for n in 0..100 {
        house.accept(sample_contact().id(&format!("<{n}@x>")).from(&format!("p{n}@example.com"))).await;
    }
    until("forwarding", || house.events().len() == 100).await;
    until("acknowledging", || house.replier.sent().len() == 100).await;
    soft.cancel();
    tokio::time::timeout(Duration::from_secs(10), running).await.unwrap().unwrap();
    assert_eq!(house.try_accept(sample_contact().id("<late@x>")).await, Err(Refusal::Closing));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lanes_go_on_by_themselves_when_the_store_is_back() {
    let house = House::new();
    house.work.claim.store(true, Ordering::SeqCst);
    let (soft, hard) = (CancellationToken::new(), CancellationToken::new());
    let pipeline = Arc::clone(&house.pipeline);
    let running = tokio::spawn({
        let (soft, hard) = (soft.clone(), hard.clone());
        async move { pipeline.run(soft, hard).await }
    });
    house.accept(sample_contact()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(house.events().is_empty());
    house.work.claim.store(false, Ordering::SeqCst);
    until("forwarding", || house.events().len() == 1).await;
    hard.cancel();
    tokio::time::timeout(Duration::from_secs(5), running).await.unwrap().unwrap();
    drop(soft);
}

/// A way out that takes its time.
struct Slow;

#[async_trait::async_trait]
impl Replier for Slow {
    fn announce(&self, _: &OutboundMessage) -> Announced {
        Announced::default()
    }

    async fn send(&self, _: &OutboundMessage) -> Result<Sent, DeliveryError> {
        tokio::time::sleep(Duration::from_secs(30)).await;
        Ok(Sent { keys: Vec::new(), traces: Vec::new(), recipients: Vec::new(), unless_seen: None })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hard_stop_drops_what_is_in_flight_at_once() {
    let house = House::new();
    house.pipeline.set_replier(InboxName::parse("support").unwrap(), Arc::new(Slow));
    let (soft, hard) = (CancellationToken::new(), CancellationToken::new());
    let pipeline = Arc::clone(&house.pipeline);
    let running = tokio::spawn({
        let (soft, hard) = (soft.clone(), hard.clone());
        async move { pipeline.run(soft, hard).await }
    });
    house.accept(sample_contact()).await;
    until("forwarding", || house.events().len() == 1).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    soft.cancel();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!running.is_finished(), "a soft stop waits for what is in flight");
    hard.cancel();
    tokio::time::timeout(Duration::from_secs(5), running).await.unwrap().unwrap();
}
