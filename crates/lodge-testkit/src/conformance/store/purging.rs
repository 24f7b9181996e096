//! What ages, and what never goes while it is needed.

use super::StoreUnderTest;
use super::feed::{event, publish};
use super::steps::{Scene, scene};
use crate::sample_contact;
use crate::samples::{key, sample_outbound, sample_time, sample_work};
use lodge_domain::effect::{Applied, Effect, Guard, Step};
use lodge_domain::ports::{BudgetVerdict, Clock, Lookup, PurgeClass, Tally};
use lodge_domain::{EventId, JournalLine, Lane, Placement, SignedDuration, TraceKey};
use std::time::Duration;

async fn purge(s: &Scene, class: PurgeClass) -> u64 {
    s.store.purge(class, s.clock.now()).await.unwrap()
}

/// Old dedupe entries go; young ones stay.
pub async fn dedupe(t: &dyn StoreUnderTest) {
    let s = scene(t);
    s.accept(sample_contact()).await;
    s.clock.advance_secs(60);
    s.accept(sample_contact().id("<2@b>")).await;
    assert_eq!(s.store.purge(PurgeClass::Dedupe, sample_time()).await.unwrap(), 0, "nothing is older");
    let went = purge(&s, PurgeClass::Dedupe).await;
    assert!(went >= 1, "the first one is");
    assert_eq!(purge(&s, PurgeClass::Dedupe).await, 0, "it went once");
    let again = s.accept(sample_contact().id("<2@b>")).await;
    assert_eq!(again.placement, Placement::Duplicate);
    s.triage_all().await;
    s.clock.advance_secs(60);
    assert!(purge(&s, PurgeClass::Dedupe).await >= 1);
    assert_eq!(purge(&s, PurgeClass::Conversations).await, 2);
    assert_eq!(s.accept(sample_contact()).await.placement, Placement::New, "entry and envelope are gone");
    let changed = s.accept(sample_contact().id("<2@b>").text("else")).await;
    assert!(changed.flags.is_empty(), "and nothing is left to be in conflict with");
}

/// A conversation goes with all that is known through it; its contact stays known.
pub async fn conversations(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let old = s.accept(sample_contact().trace("call-1")).await;
    let line = |subject: &str| {
        let (step, text) = ("triaged".to_owned(), "queue".to_owned());
        Effect::Journal(JournalLine { subject: subject.to_owned(), at: s.clock.now(), step, text })
    };
    let record = sample_outbound(&old.conversation, "k");
    let keys = vec![key("<sent@b>")];
    let effects = vec![
        line(old.conversation.as_str()),
        line(old.envelope.as_str()),
        Effect::Outbound(Box::new(record.clone())),
        Effect::Learn { conversation: old.conversation.clone(), keys },
    ];
    assert_eq!(s.apply(effects).await, Applied::Done);
    s.clock.advance_secs(60);
    let young = s.accept(sample_contact().id("<2@b>")).await;
    s.triage_all().await;
    assert_eq!(purge(&s, PurgeClass::Conversations).await, 1);
    assert_eq!(s.store.conversation(&s.brand, &old.conversation).await.unwrap(), None);
    assert_eq!(s.store.by_reference(&s.brand, &old.reference).await.unwrap(), None);
    let trace = TraceKey("call-1".to_owned()).value().unwrap();
    for lookup in [
        Lookup::Envelope(old.envelope.clone()),
        Lookup::Conversation(old.conversation.clone()),
        Lookup::Reference(old.reference.clone()),
        Lookup::Trace(trace),
    ] {
        assert!(s.store.find(&s.brand, lookup.clone()).await.unwrap().is_empty(), "{lookup:?}");
    }
    assert_eq!(s.store.outbound(&s.brand, &record.id).await.unwrap(), None);
    assert!(s.store.outbound_of(&s.brand, &old.conversation).await.unwrap().is_empty());
    let subjects = [old.conversation.to_string(), old.envelope.to_string()];
    assert!(s.store.journal(&s.brand, &subjects).await.unwrap().is_empty());
    assert_eq!(s.store.counts().await.unwrap().envelopes, 1);
    assert_eq!(s.conversation(&young.conversation).await.sequence, 1);
    let answer =
        s.accept(sample_contact().id("<3@b>").signed_key("<1@example.com>").signed_key("<sent@b>")).await;
    assert_eq!((answer.placement, answer.suggested_parent), (Placement::New, None));
    let again = s.accept(sample_contact().trace("call-1")).await;
    assert_eq!(
        (again.placement, again.conversation),
        (Placement::Duplicate, old.conversation),
        "still known"
    );
}

/// A conversation with work to do stays, however old.
pub async fn conversations_with_work_stay(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let receipt = s.accept(sample_contact()).await;
    s.clock.advance(SignedDuration::from_hours(24 * 500));
    assert_eq!(purge(&s, PurgeClass::Conversations).await, 0);
    let claim = s.claim_one(&Lane::Triage).await;
    let forward = sample_work(receipt.envelope.as_str()).conversation(&receipt.conversation).build();
    let settled = s.settle(&claim, lodge_domain::Settlement::Done, vec![Effect::Enqueue(forward)]).await;
    assert_eq!(settled, Applied::Done);
    assert_eq!(purge(&s, PurgeClass::Conversations).await, 0);
    s.done(&s.claim_one(&Lane::Forward).await).await;
    assert_eq!(purge(&s, PurgeClass::Conversations).await, 1);
}

/// Dead letters never go by age, nor what their replay needs.
pub async fn conversations_with_dead_letters_stay(t: &dyn StoreUnderTest) {
    let s = scene(t);
    s.accept(sample_contact()).await;
    let claim = s.claim_one(&Lane::Triage).await;
    s.give_up(&claim).await;
    s.clock.advance(SignedDuration::from_hours(24 * 5000));
    assert_eq!(purge(&s, PurgeClass::Conversations).await, 0);
    assert_eq!(s.store.counts().await.unwrap().dead_letters, 1);
    assert!(s.store.discard(&s.brand, &claim.work.new.id).await.unwrap());
    assert_eq!(purge(&s, PurgeClass::Conversations).await, 1);
}

/// An event stays until its forward is settled for good.
pub async fn feed_keeps_the_unforwarded(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let forward = |event: &EventId| Effect::Enqueue(sample_work(event.as_str()).build());
    let mut effects: Vec<Effect> = ["a", "b", "c"].iter().map(|name| publish(&s, name, None)).collect();
    effects.extend([forward(&event("a")), forward(&event("b"))]);
    s.apply(effects).await;
    s.clock.advance_secs(3600);
    s.apply(vec![publish(&s, "young", None)]).await;
    assert_eq!(purge(&s, PurgeClass::Feed).await, 1, "the one without forward");
    for claim in s.claim(&Lane::Forward).await {
        if claim.work.new.subject == event("a").as_str() {
            s.give_up(&claim).await;
        } else {
            s.done(&claim).await;
        }
    }
    assert_eq!(purge(&s, PurgeClass::Feed).await, 1, "the one that is done");
    let page = s.store.read(None, 10).await.unwrap().unwrap();
    let events: Vec<_> = page.items.into_iter().map(|item| item.event).collect();
    assert_eq!(events, [event("a"), event("young")]);
}

/// Guards, windows and leases go when they are over.
pub async fn transient(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let guarded = || {
        let guard = Guard { key: [1; 32], content: [1; 32], value: "v".to_owned() };
        Step { brand: s.brand.clone(), guard: Some(guard), effects: Vec::new() }
    };
    let window = Duration::from_secs(60);
    let tally = Tally { key: [1; 32], label: "one".to_owned(), window, limit: 1, amount: 1 };
    s.store.apply(guarded()).await.unwrap();
    s.store.take(&s.brand, std::slice::from_ref(&tally)).await.unwrap();
    s.store.acquire("mailbox", "gw-1", window).await.unwrap().unwrap();
    s.clock.advance_secs(30);
    purge(&s, PurgeClass::Transient).await;
    let taken = s.store.take(&s.brand, std::slice::from_ref(&tally)).await.unwrap();
    assert!(matches!(taken, BudgetVerdict::Exhausted { .. }), "its window goes on");
    assert_eq!(s.store.acquire("mailbox", "gw-2", window).await.unwrap(), None);
    assert_eq!(s.store.apply(guarded()).await.unwrap(), Applied::Done, "the guard was old");
    assert!(matches!(s.store.apply(guarded()).await.unwrap(), Applied::Repeated(_)));
}

/// A purge does not let a new holder look older than an old one.
pub async fn fences_never_go_back(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let ttl = Duration::from_secs(30);
    let mut last = 0;
    for holder in ["gw-1", "gw-2", "gw-3"] {
        let lease = s.store.acquire("mailbox", holder, ttl).await.unwrap().unwrap();
        assert!(lease.fence > last);
        last = lease.fence;
        s.clock.advance_secs(3600);
        purge(&s, PurgeClass::Transient).await;
    }
}

/// Who read up to a purged event goes on after it, also where everything was purged.
pub async fn purged_cursors_go_on(t: &dyn StoreUnderTest) {
    let s = scene(t);
    s.apply(vec![publish(&s, "a", None), publish(&s, "b", None)]).await;
    let cursor = s.store.read(None, 10).await.unwrap().unwrap().next;
    s.clock.advance_secs(60);
    assert_eq!(purge(&s, PurgeClass::Feed).await, 2);
    assert!(s.store.read(Some(&cursor), 10).await.unwrap().unwrap().items.is_empty());
    s.apply(vec![publish(&s, "c", None)]).await;
    let page = s.store.read(Some(&cursor), 10).await.unwrap().unwrap();
    assert_eq!((page.items.len(), &page.items[0].event), (1, &event("c")));
}
