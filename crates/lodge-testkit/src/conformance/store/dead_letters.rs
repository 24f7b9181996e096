//! What was given up.

use super::StoreUnderTest;
use super::steps::{LEASE, Scene, scene, subjects, work_in};
use crate::sample_contact;
use crate::samples::{sample_time, sample_work};
use lodge_domain::ports::{Clock, DeadLetter};
use lodge_domain::{BrandName, Lane, NewWork, WorkKind};

async fn give_up(s: &Scene, work: Vec<NewWork>) {
    s.enqueue(work).await;
    for claim in s.claim(&Lane::Forward).await {
        s.clock.advance_secs(1);
        s.give_up(&claim).await;
    }
}

fn quarantined(s: &Scene, subject: &str) -> DeadLetter {
    DeadLetter {
        work: sample_work(subject).lane(Lane::Triage, WorkKind::Quarantine).payload("blob").build(),
        attempts: 3,
        reason: "unparsed".to_owned(),
        error: "damaged".to_owned(),
        at: s.clock.now(),
    }
}

/// A brand's letters, in the order they were given up, page by page.
pub async fn pages(t: &dyn StoreUnderTest) {
    let s = scene(t);
    for number in 0..5 {
        give_up(&s, vec![sample_work(&format!("evt_{number}")).build()]).await;
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = s.store.page(&s.brand, after.as_ref(), 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(last.work.id.clone());
        seen.extend(page.into_iter().map(|letter| letter.work.subject));
    }
    assert_eq!(seen, ["evt_0", "evt_1", "evt_2", "evt_3", "evt_4"]);
    assert_eq!(s.store.counts().await.unwrap().dead_letters, 5);
    let other = BrandName::parse("other").unwrap();
    assert!(s.store.page(&other, None, 10).await.unwrap().is_empty());
    let gone = sample_work("evt_0").build().id;
    assert!(s.store.discard(&s.brand, &gone).await.unwrap());
    let page = s.store.page(&s.brand, Some(&gone), 10).await.unwrap();
    assert_eq!(page.len(), 4, "from the oldest where the place is gone");
}

/// Replayed work starts over, at the end of its conversation, and is no letter any more.
pub async fn replayed_once(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let a = sample_contact().candidate(sample_time()).founds;
    give_up(&s, vec![work_in(&a, "evt_1")]).await;
    s.enqueue(vec![work_in(&a, "evt_2")]).await;
    let id = work_in(&a, "evt_1").id;
    let other = BrandName::parse("other").unwrap();
    assert!(!s.store.replay(&other, &id).await.unwrap());
    assert!(s.store.replay(&s.brand, &id).await.unwrap());
    assert!(!s.store.replay(&s.brand, &id).await.unwrap());
    assert_eq!(s.store.dead_letter(&s.brand, &id).await.unwrap(), None);
    let claim = s.claim_one(&Lane::Forward).await;
    assert_eq!(claim.work.new.subject, "evt_2");
    s.done(&claim).await;
    let claim = s.claim_one(&Lane::Forward).await;
    assert_eq!((claim.work.new.subject.as_str(), &claim.work.new.conversation), ("evt_1", &Some(a)));
    assert_eq!((claim.work.attempts, claim.work.claims, claim.work.marked), (0, 1, false));
}

/// A discarded letter is gone for good, and its id free.
pub async fn discarded_is_gone(t: &dyn StoreUnderTest) {
    let s = scene(t);
    give_up(&s, vec![sample_work("evt_1").build()]).await;
    let id = sample_work("evt_1").build().id;
    assert!(s.store.discard(&s.brand, &id).await.unwrap());
    assert!(!s.store.discard(&s.brand, &id).await.unwrap());
    assert!(!s.store.replay(&s.brand, &id).await.unwrap());
    assert_eq!(s.store.counts().await.unwrap().dead_letters, 0);
    s.enqueue(vec![sample_work("evt_1").build()]).await;
    s.claim_one(&Lane::Forward).await;
}

/// Something that never was work is kept once, as it first came.
pub async fn buried_once(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let letter = quarantined(&s, "blob_1");
    s.store.bury(letter.clone()).await.unwrap();
    let mut again = letter.clone();
    again.error = "other".to_owned();
    s.store.bury(again).await.unwrap();
    let found = s.store.dead_letter(&s.brand, &letter.work.id).await.unwrap();
    assert_eq!(found, Some(letter.clone()));
    assert_eq!(s.store.page(&s.brand, None, 10).await.unwrap(), [letter]);
    assert!(s.claim(&Lane::Triage).await.is_empty(), "never work");
}

/// What its door takes in again is not replayed here.
pub async fn quarantine_is_not_replayed(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let letter = quarantined(&s, "blob_1");
    s.store.bury(letter.clone()).await.unwrap();
    assert!(!s.store.replay(&s.brand, &letter.work.id).await.unwrap());
    assert!(s.store.dead_letter(&s.brand, &letter.work.id).await.unwrap().is_some());
}

/// Enqueuing what is dead changes nothing.
pub async fn dead_work_is_not_enqueued(t: &dyn StoreUnderTest) {
    let s = scene(t);
    give_up(&s, vec![sample_work("evt_1").build()]).await;
    s.enqueue(vec![sample_work("evt_1").build(), sample_work("evt_2").build()]).await;
    assert_eq!(subjects(&s.claim(&Lane::Forward).await), ["evt_2"]);
    assert_eq!(s.store.counts().await.unwrap().dead_letters, 1);
}

/// Replayed work is due at once, whenever it was due before.
pub async fn replayed_work_is_due_at_once(t: &dyn StoreUnderTest) {
    let s = scene(t);
    give_up(&s, vec![sample_work("evt_1").build()]).await;
    s.clock.set(sample_time() - jiff::SignedDuration::from_hours(1));
    assert!(s.store.replay(&s.brand, &sample_work("evt_1").build().id).await.unwrap());
    let claims = s.store.claim(&Lane::Forward, 1, LEASE).await.unwrap();
    assert_eq!(claims[0].work.new.due, s.clock.now());
}
