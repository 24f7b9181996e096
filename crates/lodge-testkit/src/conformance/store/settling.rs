//! How claims end, and who is woken.

use super::StoreUnderTest;
use super::steps::{LEASE, Scene, dead, scene, work_in};
use crate::sample_contact;
use crate::samples::{sample_outbound, sample_time, sample_work};
use bytes::Bytes;
use lodge_domain::effect::{Applied, Effect};
use lodge_domain::ports::Clock;
use lodge_domain::{Claim, EventId, JournalLine, Lane, Settlement, SignedDuration, Timestamp};
use std::time::{Duration, Instant};

fn retry(due: Timestamp, counts: bool) -> Settlement {
    Settlement::RetryAt { due, counts, error: "500".to_owned() }
}

async fn one_claim(s: &Scene) -> Claim {
    s.enqueue(vec![sample_work("evt_a").build()]).await;
    s.claim_one(&Lane::Forward).await
}

async fn journal_of_a(s: &Scene) -> usize {
    s.store.journal(&s.brand, &["evt_a".to_owned()]).await.unwrap().len()
}

fn line(s: &Scene) -> Effect {
    let (subject, step) = ("evt_a".to_owned(), "forwarded".to_owned());
    Effect::Journal(JournalLine { subject, at: s.clock.now(), step, text: "200".to_owned() })
}

/// Done work is gone.
pub async fn done_removes(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let claim = one_claim(&s).await;
    s.done(&claim).await;
    s.clock.advance_secs(3600);
    assert!(s.claim(&Lane::Forward).await.is_empty());
    assert_eq!(s.settle(&claim, Settlement::Done, Vec::new()).await, Applied::LeaseLost, "settled once");
    assert!(s.store.counts().await.unwrap().lanes.is_empty());
}

/// C25: what is given up is a dead letter in the same step, and the next of its conversation goes on.
pub async fn dead_releases_the_next(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let a = sample_contact().candidate(sample_time()).founds;
    s.enqueue(vec![work_in(&a, "evt_1"), work_in(&a, "evt_2")]).await;
    let claim = s.claim_one(&Lane::Forward).await;
    assert_eq!(s.settle(&claim, retry(sample_time(), true), Vec::new()).await, Applied::Done);
    let claim = s.claim_one(&Lane::Forward).await;
    s.clock.advance_secs(5);
    s.give_up(&claim).await;
    let letter = s.store.dead_letter(&s.brand, &claim.work.new.id).await.unwrap().unwrap();
    assert_eq!((letter.reason.as_str(), letter.error.as_str()), ("rejected", "422 unprocessable"));
    assert_eq!((letter.attempts, letter.at), (1, s.clock.now()));
    assert_eq!((letter.work.subject.as_str(), &letter.work.conversation), ("evt_1", &Some(a)));
    assert_eq!(s.claim_one(&Lane::Forward).await.work.new.subject, "evt_2");
}

/// A settlement and its effects are one step.
pub async fn effects_of_a_settlement(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let claim = one_claim(&s).await;
    let body = Bytes::from_static(b"{}");
    let event = EventId::of_report("x", &["1"]);
    let publish = Effect::Publish { event: event.clone(), conversation: None, body, at: s.clock.now() };
    let effects = vec![line(&s), publish, Effect::Enqueue(sample_work("evt_b").build())];
    assert_eq!(s.settle(&claim, Settlement::Done, effects).await, Applied::Done);
    assert_eq!(journal_of_a(&s).await, 1);
    assert!(s.store.event(&s.brand, &event).await.unwrap().is_some());
    assert_eq!(s.claim_one(&Lane::Forward).await.work.new.subject, "evt_b");
}

/// Work that is done is not brought back by its own effects.
pub async fn done_is_not_enqueued_by_itself(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let claim = one_claim(&s).await;
    let itself = Effect::Enqueue(claim.work.new.clone());
    assert_eq!(s.settle(&claim, Settlement::Done, vec![itself]).await, Applied::Done);
    assert!(s.claim(&Lane::Forward).await.is_empty());
}

/// Only tries that count are attempts.
pub async fn retry_counts_attempts(t: &dyn StoreUnderTest) {
    let s = scene(t);
    one_claim(&s).await;
    s.clock.advance_secs(60);
    for (counts, attempts) in [(true, 1), (false, 1), (true, 2)] {
        let claim = s.claim_one(&Lane::Forward).await;
        let due = s.clock.now() + SignedDuration::from_secs(30);
        assert_eq!(s.settle(&claim, retry(due, counts), Vec::new()).await, Applied::Done);
        assert!(s.claim(&Lane::Forward).await.is_empty(), "invisible until due");
        s.clock.advance_secs(30);
        let claim = s.claim_one(&Lane::Forward).await;
        assert_eq!(claim.work.attempts, attempts);
        assert_eq!(s.settle(&claim, retry(s.clock.now(), false), Vec::new()).await, Applied::Done);
    }
}

/// Who lost the lease changes nothing any more.
pub async fn a_lost_lease_changes_nothing(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let lost = one_claim(&s).await;
    s.clock.advance_secs(61);
    let current = s.claim_one(&Lane::Forward).await;
    for settlement in [Settlement::Done, dead(), retry(s.clock.now(), true)] {
        assert_eq!(s.settle(&lost, settlement, vec![line(&s)]).await, Applied::LeaseLost);
    }
    assert!(!s.store.renew(&lost, LEASE).await.unwrap());
    assert!(!s.store.mark(&lost).await.unwrap());
    assert_eq!(journal_of_a(&s).await, 0);
    assert_eq!(s.store.counts().await.unwrap().dead_letters, 0);
    s.done(&current).await;
}

/// A lease that ended without another claim is not lost yet.
pub async fn a_late_settlement_counts(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let claim = one_claim(&s).await;
    s.clock.advance_secs(600);
    s.done(&claim).await;
    assert!(s.claim(&Lane::Forward).await.is_empty());
}

/// A stale outbound record leaves the claim as it is.
pub async fn a_stale_settlement_changes_nothing(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let conversation = s.accept(sample_contact()).await.conversation;
    let record = sample_outbound(&conversation, "k1");
    s.apply(vec![Effect::Outbound(Box::new(record.clone()))]).await;
    let claim = one_claim(&s).await;
    let stale = vec![line(&s), Effect::Outbound(Box::new(record.clone()))];
    assert_eq!(s.settle(&claim, Settlement::Done, stale).await, Applied::Stale);
    assert_eq!(journal_of_a(&s).await, 0);
    let mut next = record;
    next.version = 2;
    let fresh = vec![Effect::Outbound(Box::new(next))];
    assert_eq!(s.settle(&claim, Settlement::Done, fresh).await, Applied::Done, "still held");
}

/// One answer for each settlement of a batch; one that fails stops none of the others.
pub async fn a_batch_answers_in_order(t: &dyn StoreUnderTest) {
    let s = scene(t);
    s.enqueue((0..4).map(|number| sample_work(&format!("evt_{number}")).build()).collect()).await;
    let claims = s.claim(&Lane::Forward).await;
    let mut lost = claims[1].clone();
    lost.token = "00000000000000000000000000000000".to_owned();
    let batch = vec![
        (claims[0].clone(), Settlement::Done, Vec::new()),
        (lost, Settlement::Done, vec![line(&s)]),
        (claims[2].clone(), dead(), Vec::new()),
        (claims[2].clone(), Settlement::Done, Vec::new()),
        (claims[3].clone(), retry(s.clock.now(), false), Vec::new()),
    ];
    let answers = s.store.settle(batch).await.unwrap();
    let lost = Applied::LeaseLost;
    assert_eq!(answers, [Applied::Done, lost.clone(), Applied::Done, lost, Applied::Done]);
    assert_eq!(s.claim_one(&Lane::Forward).await.work.new.id, claims[3].work.new.id);
    assert!(s.store.settle(Vec::new()).await.unwrap().is_empty());
}

/// A renewed lease ends later.
pub async fn renewed_leases_last_longer(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let claim = one_claim(&s).await;
    s.clock.advance_secs(50);
    assert!(s.store.renew(&claim, LEASE).await.unwrap());
    s.clock.advance_secs(50);
    assert!(s.claim(&Lane::Forward).await.is_empty());
    s.clock.advance_secs(10);
    assert_eq!(s.claim_one(&Lane::Forward).await.work.claims, 2);
}

/// C22: the mark outlives a crash; a retry that is known to have sent nothing clears it.
pub async fn a_mark_survives_and_a_retry_clears_it(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let claim = one_claim(&s).await;
    assert!(!claim.work.marked);
    assert!(s.store.mark(&claim).await.unwrap());
    s.clock.advance_secs(61);
    let claim = s.claim_one(&Lane::Forward).await;
    assert!(claim.work.marked, "whatever happens");
    assert_eq!(s.settle(&claim, retry(s.clock.now(), true), Vec::new()).await, Applied::Done);
    let claim = s.claim_one(&Lane::Forward).await;
    assert!(!claim.work.marked);
}

async fn waited(s: &Scene, lane: &Lane, most: Duration) -> Duration {
    let began = Instant::now();
    s.store.wait(lane, most).await;
    began.elapsed()
}

const LONG: Duration = Duration::from_secs(20);
const SOON: Duration = Duration::from_millis(1900);

/// Work enqueued through this handle wakes at once, also where it came before the wait.
pub async fn wait_wakes_for_new_work(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let enqueue = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        s.enqueue(vec![sample_work("evt_a").build()]).await;
    };
    let (elapsed, ()) = tokio::join!(waited(&s, &Lane::Forward, LONG), enqueue);
    assert!(elapsed < Duration::from_millis(900), "{elapsed:?}");
    assert!(waited(&s, &Lane::Forward, LONG).await < SOON, "there is work already");
    let accept = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        s.accept(sample_contact()).await;
    };
    let (elapsed, ()) = tokio::join!(waited(&s, &Lane::Triage, LONG), accept);
    assert!(elapsed < Duration::from_millis(900), "{elapsed:?}");
}

/// Work of another process wakes within a second.
pub async fn wait_wakes_for_foreign_work(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let second = t.second().await;
    let accept = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        second.accept(vec![sample_contact().candidate(s.clock.now())]).await.unwrap();
    };
    let (elapsed, ()) = tokio::join!(waited(&s, &Lane::Triage, LONG), accept);
    assert!(elapsed < SOON, "{elapsed:?}");
}

/// Work that becomes due wakes within a second.
pub async fn wait_wakes_for_work_that_becomes_due(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let due = sample_time() + SignedDuration::from_secs(30);
    s.enqueue(vec![sample_work("evt_a").due(due).build()]).await;
    let pass = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        s.clock.advance_secs(30);
    };
    let (elapsed, ()) = tokio::join!(waited(&s, &Lane::Forward, LONG), pass);
    assert!(elapsed < SOON, "{elapsed:?}");
}

/// Nothing to do: back in time.
pub async fn wait_returns_at_the_latest(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let elapsed = waited(&s, &Lane::Forward, Duration::from_millis(200)).await;
    assert!(elapsed < Duration::from_millis(1500), "{elapsed:?}");
}
