//! Who may claim what, and in which order.

use super::StoreUnderTest;
use super::steps::{LEASE, scene, subjects, work_in};
use crate::sample_contact;
use crate::samples::{sample_time, sample_work};
use lodge_domain::effect::Applied;
use lodge_domain::{
    BrandName, ConversationId, InboxName, Lane, NodeName, Settlement, SignedDuration, WorkKind,
};

fn conversation(id: &str) -> ConversationId {
    sample_contact().id(id).candidate(sample_time()).founds
}

/// What is claimed is nobody else's until the lease ends.
pub async fn claims_are_exclusive(t: &dyn StoreUnderTest) {
    let s = scene(t);
    s.enqueue(vec![sample_work("evt_a").build()]).await;
    let claim = s.claim_one(&Lane::Forward).await;
    assert_eq!((claim.work.claims, claim.until), (1, sample_time() + SignedDuration::from_secs(60)));
    s.clock.advance_secs(59);
    assert!(s.claim(&Lane::Forward).await.is_empty());
    let second = t.second().await;
    assert!(second.claim(&Lane::Forward, 10, LEASE).await.unwrap().is_empty());
}

/// A lease that ends makes its work claimable again, under another token and with one claim more.
pub async fn a_lease_that_ends_is_claimed_again(t: &dyn StoreUnderTest) {
    let s = scene(t);
    s.enqueue(vec![sample_work("evt_a").build()]).await;
    let first = s.claim_one(&Lane::Forward).await;
    s.clock.advance_secs(60);
    let second = s.claim_one(&Lane::Forward).await;
    assert_eq!((second.work.claims, second.work.attempts), (2, 0));
    assert_ne!(second.token, first.token);
    s.clock.advance_secs(60);
    assert_eq!(s.claim_one(&Lane::Forward).await.work.claims, 3);
}

/// Work waits until it is due.
pub async fn not_before_due(t: &dyn StoreUnderTest) {
    let s = scene(t);
    s.enqueue(vec![sample_work("evt_a").due(sample_time() + SignedDuration::from_secs(10)).build()]).await;
    s.clock.advance(SignedDuration::from_millis(9_999));
    assert!(s.claim(&Lane::Forward).await.is_empty());
    s.clock.advance(SignedDuration::from_millis(1));
    s.claim_one(&Lane::Forward).await;
}

/// Within a brand the oldest due goes first, and `most` is kept.
pub async fn oldest_due_first(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let work = |subject: &str, minutes: i64| {
        sample_work(subject).due(sample_time() + SignedDuration::from_mins(minutes)).build()
    };
    s.enqueue(vec![work("evt_c", 3), work("evt_a", 1), work("evt_d", 4), work("evt_b", 2)]).await;
    s.clock.advance_secs(600);
    let claims = s.store.claim(&Lane::Forward, 3, LEASE).await.unwrap();
    assert_eq!(subjects(&claims), ["evt_a", "evt_b", "evt_c"]);
    assert!(s.store.claim(&Lane::Forward, 0, LEASE).await.unwrap().is_empty());
    assert_eq!(subjects(&s.claim(&Lane::Forward).await), ["evt_d"]);
}

/// I6: one at a time, in the order enqueued, whatever is due first.
pub async fn order_within_a_conversation(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let (a, b) = (conversation("<a@b>"), conversation("<b@b>"));
    let mut earlier = work_in(&a, "evt_2");
    earlier.due = sample_time() - SignedDuration::from_hours(1);
    s.enqueue(vec![work_in(&a, "evt_1"), earlier, work_in(&b, "evt_x"), work_in(&a, "evt_3")]).await;
    let claims = s.claim(&Lane::Forward).await;
    assert_eq!(claims.len(), 2);
    assert!(subjects(&claims).contains(&"evt_1") && subjects(&claims).contains(&"evt_x"));
    let mut current = claims.into_iter().find(|claim| claim.work.new.subject == "evt_1").unwrap();
    for next in ["evt_2", "evt_3"] {
        assert!(s.claim(&Lane::Forward).await.is_empty(), "the one before is not settled");
        s.done(&current).await;
        current = s.claim_one(&Lane::Forward).await;
        assert_eq!(current.work.new.subject, next);
    }
    s.done(&current).await;
    s.enqueue(vec![work_in(&a, "evt_4")]).await;
    assert_eq!(s.claim_one(&Lane::Forward).await.work.new.subject, "evt_4", "the way is free");
}

/// I10: a retry holds back its own conversation, and nobody else.
pub async fn a_retry_holds_back_its_conversation_only(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let (a, b) = (conversation("<a@b>"), conversation("<b@b>"));
    s.enqueue(vec![work_in(&a, "evt_a1"), work_in(&a, "evt_a2")]).await;
    let claim = s.claim_one(&Lane::Forward).await;
    let due = sample_time() + SignedDuration::from_secs(300);
    let retry = Settlement::RetryAt { due, counts: true, error: "500".to_owned() };
    assert_eq!(s.settle(&claim, retry, Vec::new()).await, Applied::Done);
    s.enqueue(vec![work_in(&b, "evt_b1"), sample_work("evt_free").build()]).await;
    let claims = s.claim(&Lane::Forward).await;
    assert_eq!(claims.len(), 2);
    assert!(!subjects(&claims).contains(&"evt_a2"));
    for claim in &claims {
        s.done(claim).await;
    }
    s.clock.advance_secs(300);
    let again = s.claim_one(&Lane::Forward).await;
    assert_eq!((again.work.new.subject.as_str(), again.work.attempts), ("evt_a1", 1));
    s.done(&again).await;
    assert_eq!(s.claim_one(&Lane::Forward).await.work.new.subject, "evt_a2");
}

/// Without a conversation there is no order to keep.
pub async fn work_without_a_conversation_waits_for_nobody(t: &dyn StoreUnderTest) {
    let s = scene(t);
    s.enqueue((0..5).map(|number| sample_work(&format!("evt_{number}")).build()).collect()).await;
    assert_eq!(s.claim(&Lane::Forward).await.len(), 5);
}

/// The same conversation in two lanes is two orders.
pub async fn lanes_are_apart(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let a = conversation("<a@b>");
    let reply = Lane::Reply(InboxName::parse("support").unwrap());
    let other = Lane::Reply(InboxName::parse("sales").unwrap());
    let work = |lane: &Lane, subject: &str| {
        sample_work(subject).lane(lane.clone(), WorkKind::Reply).conversation(&a).build()
    };
    s.enqueue(vec![work(&reply, "rpl_1"), work(&other, "rpl_2"), work_in(&a, "evt_3")]).await;
    assert_eq!(s.claim_one(&reply).await.work.new.subject, "rpl_1");
    assert_eq!(s.claim_one(&other).await.work.new.subject, "rpl_2");
    assert_eq!(s.claim_one(&Lane::Forward).await.work.new.subject, "evt_3");
}

fn brands() -> (BrandName, BrandName) {
    (BrandName::parse("flooded").unwrap(), BrandName::parse("quiet").unwrap())
}

/// A flood in one brand leaves a place for the other in every claim.
pub async fn brands_take_turns(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let (flooded, quiet) = brands();
    for (brand, count) in [(&flooded, 40), (&quiet, 3)] {
        let work = |number| sample_work(&format!("evt_{brand}_{number}")).brand(brand).build();
        let effects = (0..count).map(work).map(lodge_domain::Effect::Enqueue).collect();
        let step = lodge_domain::effect::Step { brand: brand.clone(), guard: None, effects };
        assert_eq!(s.store.apply(step).await.unwrap(), Applied::Done);
    }
    let claims = s.store.claim(&Lane::Forward, 6, LEASE).await.unwrap();
    let of_quiet = claims.iter().filter(|claim| claim.work.new.brand == quiet).count();
    assert_eq!((claims.len(), of_quiet), (6, 3));
    assert_eq!(s.claim(&Lane::Forward).await.len(), 37, "nobody waits for the brand that has nothing");
}

/// Who was served last is not served first again.
pub async fn turns_go_on_from_claim_to_claim(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let (flooded, quiet) = brands();
    for brand in [&flooded, &quiet] {
        let work = |number| sample_work(&format!("evt_{brand}_{number}")).brand(brand).build();
        let effects = (0..4).map(work).map(lodge_domain::Effect::Enqueue).collect();
        s.store
            .apply(lodge_domain::effect::Step { brand: brand.clone(), guard: None, effects })
            .await
            .unwrap();
    }
    let mut served = Vec::new();
    for _ in 0..8 {
        let claims = s.store.claim(&Lane::Forward, 1, LEASE).await.unwrap();
        served.push(claims[0].work.new.brand.clone());
    }
    assert!(served.windows(2).all(|pair| pair[0] != pair[1]), "{served:?}");
}

/// The lanes that hold work, claimed or waiting, and no others.
pub async fn lanes_with_work(t: &dyn StoreUnderTest) {
    let s = scene(t);
    assert!(s.store.lanes().await.unwrap().is_empty());
    let lane = Lane::Acknowledge(InboxName::parse("support").unwrap(), NodeName::parse("gw-1").unwrap());
    let due = sample_time() + SignedDuration::from_hours(1);
    s.enqueue(vec![sample_work("rpl_1").lane(lane.clone(), WorkKind::Acknowledge).due(due).build()]).await;
    s.enqueue(vec![sample_work("evt_1").build()]).await;
    let mut lanes = s.store.lanes().await.unwrap();
    lanes.sort();
    assert_eq!(lanes, [Lane::Forward, lane.clone()]);
    let claim = s.claim_one(&Lane::Forward).await;
    assert_eq!(s.store.lanes().await.unwrap().len(), 2);
    s.done(&claim).await;
    assert_eq!(s.store.lanes().await.unwrap(), [lane]);
}
