//! Values of inboxes, leases, budgets, counts.

use super::StoreUnderTest;
use super::steps::{Scene, scene};
use crate::sample_contact;
use crate::samples::{sample_time, sample_work};
use bytes::Bytes;
use lodge_domain::ports::{BudgetVerdict, Clock, Lookup, StateValue, Tally};
use lodge_domain::{BrandName, InboxId, InboxName, Placement, SignedDuration};
use std::time::Duration;

fn inbox(brand: &str, name: &str) -> InboxId {
    InboxId { brand: BrandName::parse(brand).unwrap(), name: InboxName::parse(name).unwrap() }
}

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// A value is written only over the version that its writer has seen.
pub async fn inbox_state_compares_and_sets(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let ours = inbox("default", "support");
    assert_eq!(s.store.load(&ours, "cursor").await.unwrap(), None);
    assert_eq!(s.store.save(&ours, "cursor", 1, bytes("x")).await.unwrap(), None, "there is none yet");
    assert_eq!(s.store.save(&ours, "cursor", 0, bytes("a")).await.unwrap(), Some(1));
    assert_eq!(s.store.save(&ours, "cursor", 0, bytes("b")).await.unwrap(), None);
    assert_eq!(s.store.save(&ours, "cursor", 1, bytes("c")).await.unwrap(), Some(2));
    let kept = StateValue { version: 2, value: bytes("c") };
    assert_eq!(s.store.load(&ours, "cursor").await.unwrap(), Some(kept));
    for other in [inbox("other", "support"), inbox("default", "sales")] {
        assert_eq!(s.store.load(&other, "cursor").await.unwrap(), None);
    }
    s.store.remove(&ours, "cursor").await.unwrap();
    s.store.remove(&ours, "cursor").await.unwrap();
    assert_eq!(s.store.load(&ours, "cursor").await.unwrap(), None);
    assert_eq!(s.store.save(&ours, "cursor", 0, bytes("d")).await.unwrap(), Some(1));
}

/// Keys with a prefix, sorted; nothing in a prefix is a pattern.
pub async fn inbox_state_lists_by_prefix(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let ours = inbox("default", "support");
    for key in ["session/b", "session/a", "session_c", "cursor", "session/ä", "session/%"] {
        s.store.save(&ours, key, 0, bytes("v")).await.unwrap();
    }
    s.store.save(&inbox("default", "sales"), "session/z", 0, bytes("v")).await.unwrap();
    let keys = async |prefix: &str| -> Vec<String> {
        s.store.list(&ours, prefix).await.unwrap().into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(keys("session/").await, ["session/%", "session/a", "session/b", "session/ä"]);
    assert_eq!(keys("session/%").await, ["session/%"]);
    assert_eq!(keys("session_").await, ["session_c"]);
    assert_eq!(keys("").await.len(), 6);
    assert!(keys("none").await.is_empty());
}

/// Keys between two others, the second left out, in the order of their bytes, and no more than asked for.
pub async fn inbox_state_finds_a_range(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let ours = inbox("default", "support");
    for key in ["due/3", "due/1", "due/2", "due/\u{e4}", "due", "duf", "a", "due/1/x"] {
        s.store.save(&ours, key, 0, bytes(key)).await.unwrap();
    }
    s.store.save(&inbox("default", "sales"), "due/1", 0, bytes("v")).await.unwrap();
    let keys = async |from: &str, to: &str, most: usize| -> Vec<String> {
        s.store.range(&ours, from, to, most).await.unwrap().into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(keys("due/", "due0", 9).await, ["due/1", "due/1/x", "due/2", "due/3", "due/\u{e4}"]);
    assert_eq!(keys("due/", "due/2", 9).await, ["due/1", "due/1/x"]);
    assert_eq!(keys("due/1/x", "due/3", 9).await, ["due/1/x", "due/2"]);
    assert_eq!(keys("due/", "due0", 2).await, ["due/1", "due/1/x"]);
    assert!(keys("due/", "due0", 0).await.is_empty() && keys("due/3", "due/2", 9).await.is_empty());
    let found = s.store.range(&ours, "due/2", "due/3", 9).await.unwrap();
    assert_eq!((found[0].1.version, &found[0].1.value), (1, &bytes("due/2")));
    s.store.save(&ours, "due/2", 1, bytes("w")).await.unwrap();
    s.store.remove(&ours, "due/1").await.unwrap();
    assert_eq!(keys("due/", "due/3", 9).await, ["due/1/x", "due/2"]);
}

/// A mebibyte fits, and comes back; more is refused.
pub async fn inbox_state_is_limited(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let ours = inbox("default", "support");
    let large = Bytes::from(vec![0xFF; 1 << 20]);
    assert_eq!(s.store.save(&ours, "large", 0, large.clone()).await.unwrap(), Some(1));
    assert_eq!(s.store.load(&ours, "large").await.unwrap().unwrap().value, large);
    assert!(s.store.save(&ours, "larger", 0, Bytes::from(vec![0; (1 << 20) + 1])).await.is_err());
    assert_eq!(s.store.load(&ours, "larger").await.unwrap(), None);
}

const TTL: Duration = Duration::from_secs(30);

/// One holder a name; the holder may prolong and give back.
pub async fn leases_have_one_holder(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let second = t.second().await;
    let lease = s.store.acquire("mailbox", "gw-1", TTL).await.unwrap().unwrap();
    assert_eq!((lease.name.as_str(), lease.holder.as_str()), ("mailbox", "gw-1"));
    assert_eq!(second.acquire("mailbox", "gw-2", TTL).await.unwrap(), None);
    assert!(second.acquire("another", "gw-2", TTL).await.unwrap().is_some());
    s.clock.advance_secs(20);
    assert_eq!(s.store.acquire("mailbox", "gw-1", TTL).await.unwrap(), Some(lease.clone()));
    s.clock.advance_secs(20);
    assert_eq!(second.acquire("mailbox", "gw-2", TTL).await.unwrap(), None, "it was prolonged");
    s.store.release(&lease).await.unwrap();
    s.store.release(&lease).await.unwrap();
    assert!(second.acquire("mailbox", "gw-2", TTL).await.unwrap().unwrap().fence > lease.fence);
}

/// A lease that ended is free; the fence tells old holders from new ones.
pub async fn leases_end_and_fence(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.store.acquire("mailbox", "gw-1", TTL).await.unwrap().unwrap();
    s.clock.advance_secs(30);
    let second = s.store.acquire("mailbox", "gw-2", TTL).await.unwrap().unwrap();
    assert!(second.fence > first.fence);
    s.store.release(&first).await.unwrap();
    assert_eq!(
        s.store.acquire("mailbox", "gw-1", TTL).await.unwrap(),
        None,
        "not the first one's to release"
    );
    s.clock.advance_secs(30);
    let third = s.store.acquire("mailbox", "gw-1", TTL).await.unwrap().unwrap();
    assert!(third.fence > second.fence);
}

fn tally(key: u8, window: u64, limit: u64) -> Tally {
    Tally {
        key: [key; 32],
        label: format!("{limit} in {window} s"),
        window: Duration::from_secs(window),
        limit,
        amount: 1,
    }
}

async fn take(s: &Scene, tallies: &[Tally]) -> BudgetVerdict {
    s.store.take(&s.brand, tallies).await.unwrap()
}

/// A window starts with its first unit and ends as a whole.
pub async fn budgets_are_windows(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let tallies = [tally(1, 60, 3)];
    assert_eq!(take(&s, &tallies).await, BudgetVerdict::Granted);
    s.clock.advance_secs(50);
    assert_eq!(take(&s, &tallies).await, BudgetVerdict::Granted);
    assert_eq!(take(&s, &tallies).await, BudgetVerdict::Granted);
    let until = sample_time() + SignedDuration::from_secs(60);
    let exhausted = BudgetVerdict::Exhausted { label: "3 in 60 s".to_owned(), until };
    assert_eq!(take(&s, &tallies).await, exhausted);
    let other = BrandName::parse("other").unwrap();
    assert_eq!(s.store.take(&other, &tallies).await.unwrap(), BudgetVerdict::Granted);
    s.clock.advance_secs(10);
    for _ in 0..3 {
        assert_eq!(take(&s, &tallies).await, BudgetVerdict::Granted);
    }
    assert!(matches!(take(&s, &tallies).await, BudgetVerdict::Exhausted { .. }));
}

/// Where one tally is used up none is taken; the first in order is named.
pub async fn budgets_take_all_or_nothing(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let (wide, narrow, empty) = (tally(1, 60, 5), tally(2, 600, 1), tally(3, 60, 0));
    assert_eq!(take(&s, &[wide.clone(), narrow.clone()]).await, BudgetVerdict::Granted);
    for _ in 0..9 {
        let until = sample_time() + SignedDuration::from_secs(600);
        let exhausted = BudgetVerdict::Exhausted { label: "1 in 600 s".to_owned(), until };
        assert_eq!(take(&s, &[wide.clone(), narrow.clone(), empty.clone()]).await, exhausted);
    }
    for _ in 0..4 {
        assert_eq!(take(&s, std::slice::from_ref(&wide)).await, BudgetVerdict::Granted);
    }
    assert!(matches!(take(&s, &[wide]).await, BudgetVerdict::Exhausted { .. }));
    assert_eq!(take(&s, &[]).await, BudgetVerdict::Granted);
}

/// Units are taken by the amount asked for; what does not fit takes nothing.
pub async fn budgets_take_amounts(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let bytes = |amount: u64| Tally { amount, ..tally(1, 60, 1 << 40) };
    assert_eq!(take(&s, &[bytes(1 << 39)]).await, BudgetVerdict::Granted);
    assert_eq!(take(&s, &[bytes((1 << 39) - 1)]).await, BudgetVerdict::Granted);
    assert!(matches!(take(&s, &[bytes(2)]).await, BudgetVerdict::Exhausted { .. }));
    assert_eq!(take(&s, &[bytes(0)]).await, BudgetVerdict::Granted);
    assert_eq!(take(&s, &[bytes(1)]).await, BudgetVerdict::Granted, "what did not fit took nothing");
    assert!(matches!(take(&s, &[bytes(1)]).await, BudgetVerdict::Exhausted { .. }));
    assert!(matches!(take(&s, &[bytes(u64::MAX)]).await, BudgetVerdict::Exhausted { .. }));
    s.clock.advance_secs(60);
    assert_eq!(take(&s, &[bytes(1 << 40)]).await, BudgetVerdict::Granted);
    // Twice the same key in one request: both count.
    let twice = [Tally { amount: 3, ..tally(2, 60, 5) }, Tally { amount: 3, ..tally(2, 60, 5) }];
    assert!(matches!(take(&s, &twice).await, BudgetVerdict::Exhausted { .. }));
    let fits = [Tally { amount: 3, ..tally(2, 60, 5) }, Tally { amount: 2, ..tally(2, 60, 5) }];
    assert_eq!(take(&s, &fits).await, BudgetVerdict::Granted);
}

/// A limit of nothing grants nothing.
pub async fn a_budget_of_nothing(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let until = sample_time() + SignedDuration::from_secs(60);
    let exhausted = BudgetVerdict::Exhausted { label: "0 in 60 s".to_owned(), until };
    assert_eq!(take(&s, &[tally(1, 60, 0)]).await, exhausted);
}

/// Counts tell what is there; the check works and says something.
pub async fn counts_and_check(t: &dyn StoreUnderTest) {
    let s = scene(t);
    assert_eq!(s.store.counts().await.unwrap(), lodge_domain::ports::Counts::default());
    s.accept(sample_contact()).await;
    s.clock.advance_secs(10);
    s.accept(sample_contact().id("<2@b>").in_reply_to("<1@example.com>")).await;
    s.enqueue(vec![sample_work("evt_a").build()]).await;
    s.apply(vec![super::feed::publish(&s, "a", None)]).await;
    let counts = s.store.counts().await.unwrap();
    assert_eq!((counts.envelopes, counts.conversations, counts.events, counts.dead_letters), (2, 1, 1, 0));
    let mut lanes: Vec<_> = counts.lanes.iter().map(|lane| (lane.lane.as_str(), lane.depth)).collect();
    lanes.sort_unstable();
    assert_eq!(lanes, [("forward", 1), ("triage", 2)]);
    let triage = counts.lanes.iter().find(|lane| lane.lane == "triage").unwrap();
    assert_eq!(triage.oldest, Some(sample_time()));
    assert!(!s.store.check().await.unwrap().is_empty());
}

/// What one handle wrote every other one sees at once.
pub async fn second_handle_sees_everything(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let second = t.second().await;
    let receipt = s.accept(sample_contact()).await;
    let found = second.find(&s.brand, Lookup::Envelope(receipt.envelope.clone())).await.unwrap();
    assert_eq!(found.len(), 1);
    let answer = sample_contact().id("<2@b>").in_reply_to("<1@example.com>").candidate(s.clock.now());
    let answer = second.accept(vec![answer]).await.unwrap().remove(0);
    assert_eq!((answer.placement, answer.sequence), (Placement::Appended, 2));
    assert_eq!(s.conversation(&receipt.conversation).await.sequence, 2);
    s.store.save(&inbox("default", "support"), "k", 0, bytes("v")).await.unwrap();
    assert_eq!(second.list(&inbox("default", "support"), "").await.unwrap().len(), 1);
    assert_eq!(second.brands().await.unwrap(), std::slice::from_ref(&s.brand));
    assert_eq!(second.counts().await.unwrap(), s.store.counts().await.unwrap());
}
