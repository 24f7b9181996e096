//! Timelines: numbers without gaps, each entry once, followers who miss nothing, and keys that follow a party.

use super::StoreUnderTest;
use super::steps::{Scene, scene};
use crate::sample_contact;
use bytes::Bytes;
use lodge_domain::ports::{Clock, PurgeClass, TimelineCursor};
use lodge_domain::{
    BrandName, Candidate, ConversationChange, ConversationStatus, EntryId, JoinCondition, NewEntry,
    Placement, SignedDuration, ThreadKey, ThreadKeyValue, TimelineId,
};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

fn timeline(name: &str) -> TimelineId {
    TimelineId::of(&[name])
}

fn entry(s: &Scene, of: &str, name: &str) -> NewEntry {
    let body = Bytes::from(format!("{{\"text\":\"{name}\"}}"));
    NewEntry { timeline: timeline(of), id: EntryId::of(&[name.as_bytes()]), body, at: s.clock.now() }
}

async fn append(s: &Scene, of: &str, names: &[&str]) -> Vec<u64> {
    let entries = names.iter().map(|name| entry(s, of, name)).collect();
    s.store.append(&s.brand, entries).await.unwrap()
}

async fn numbers(s: &Scene, of: &str, after: u64, most: usize) -> (Vec<u64>, u64) {
    let page = s.store.entries(&s.brand, &timeline(of), after, most).await.unwrap();
    (page.entries.iter().map(|entry| entry.sequence).collect(), page.last)
}

fn with_entry(s: &Scene, id: &str, of: &str, name: &str) -> Candidate {
    let contact = sample_contact().id(id).text(name);
    Candidate { entry: Some(entry(s, of, name)), ..contact.candidate(s.clock.now()) }
}

/// Entries are numbered from 1, one by one, and read back as they were written.
pub async fn numbered_in_order(t: &dyn StoreUnderTest) {
    let s = scene(t);
    assert_eq!(numbers(&s, "a", 0, 10).await, (vec![], 0));
    assert_eq!(append(&s, "a", &["1", "2"]).await, [1, 2]);
    assert_eq!(append(&s, "b", &["1"]).await, [1], "timelines are apart");
    assert_eq!(append(&s, "a", &["3"]).await, [3]);
    let page = s.store.entries(&s.brand, &timeline("a"), 1, 10).await.unwrap();
    assert_eq!(page.last, 3);
    let expected = entry(&s, "a", "2");
    assert_eq!((page.entries[0].sequence, page.entries[0].id), (2, expected.id));
    assert_eq!((&page.entries[0].body, page.entries[0].at), (&expected.body, expected.at));
    assert_eq!(numbers(&s, "a", 1, 1).await, (vec![2], 3));
    assert_eq!(numbers(&s, "a", 3, 10).await, (vec![], 3));
}

/// The same entry again keeps its number, within a call too, and brands are apart.
pub async fn an_entry_is_there_once(t: &dyn StoreUnderTest) {
    let s = scene(t);
    assert_eq!(append(&s, "a", &["1", "1", "2"]).await, [1, 1, 2]);
    assert_eq!(append(&s, "a", &["2", "3", "1"]).await, [2, 3, 1]);
    assert_eq!(numbers(&s, "a", 0, 10).await, (vec![1, 2, 3], 3));
    let other = BrandName::parse("other").unwrap();
    assert_eq!(s.store.append(&other, vec![entry(&s, "a", "3")]).await.unwrap(), [1]);
    let second = t.second().await;
    assert_eq!(
        second.append(&s.brand, vec![entry(&s, "a", "3"), entry(&s, "a", "4")]).await.unwrap(),
        [3, 4]
    );
}

/// Accept appends a candidate's entry in its own step, and a duplicate is told the number of the first.
pub async fn accepted_with_its_entry(t: &dyn StoreUnderTest) {
    let s = scene(t);
    append(&s, "a", &["before"]).await;
    let batch = vec![
        with_entry(&s, "<1@x>", "a", "1"),
        with_entry(&s, "<2@x>", "a", "2"),
        with_entry(&s, "<1@x>", "a", "1"),
    ];
    let receipts = s.store.accept(batch).await.unwrap();
    let told: Vec<_> = receipts.iter().map(|receipt| (receipt.placement, receipt.entry)).collect();
    assert_eq!(told, [(Placement::New, Some(2)), (Placement::New, Some(3)), (Placement::Duplicate, Some(2))]);
    append(&s, "a", &["after"]).await;
    let again = t.second().await.accept(vec![with_entry(&s, "<2@x>", "a", "2")]).await.unwrap().remove(0);
    assert_eq!((again.placement, again.entry), (Placement::Duplicate, Some(3)));
    let without = s.accept(sample_contact().id("<3@x>")).await;
    assert_eq!(without.entry, None);
    assert_eq!(numbers(&s, "a", 0, 10).await, (vec![1, 2, 3, 4], 4));
}

/// Many at once leave no gap and no double.
pub async fn concurrent_appends(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let (store, second) = (s.store.clone(), t.second().await);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..64 {
        let store = if number % 2 == 0 { store.clone() } else { second.clone() };
        let name = format!("n{}", number / 2);
        let (brand, new) = (s.brand.clone(), entry(&s, "a", &name));
        let candidate = with_entry(&s, &format!("<{number}@x>"), "a", &format!("c{number}"));
        tasks.spawn(async move {
            let appended = store.append(&brand, vec![new]).await.unwrap();
            let accepted = store.accept(vec![candidate]).await.unwrap().remove(0);
            (name, appended[0], accepted.entry.unwrap())
        });
    }
    let mut taken = BTreeSet::new();
    while let Some(done) = tasks.join_next().await {
        let (name, appended, accepted) = done.unwrap();
        taken.insert((appended, name));
        assert!(taken.insert((accepted, String::new())), "a number was given twice");
    }
    let given: Vec<u64> = taken.iter().map(|(number, _)| *number).collect();
    assert_eq!(given, (1..=96).collect::<Vec<_>>());
    assert_eq!(numbers(&s, "a", 0, 200).await.0, given);
}

async fn follow(s: &Scene, after: &TimelineCursor) -> (Vec<TimelineId>, Vec<Bytes>, TimelineCursor) {
    let changes = s.store.changes(&s.brand, Some(after), Duration::from_millis(50)).await.unwrap();
    assert!(!changes.missed);
    (changes.changed, changes.hints.into_iter().map(|(_, hint)| hint).collect(), changes.next)
}

/// A follower is told once of each timeline that changed, whoever changed it, and of nothing else.
pub async fn followers_miss_nothing(t: &dyn StoreUnderTest) {
    let s = scene(t);
    append(&s, "a", &["old"]).await;
    let first = s.store.changes(&s.brand, None, Duration::from_secs(9)).await.unwrap();
    assert!(first.missed && first.changed.is_empty());
    let (changed, _, cursor) = follow(&s, &first.next).await;
    assert!(changed.is_empty());
    append(&s, "a", &["1"]).await;
    append(&s, "b", &["1"]).await;
    append(&s, "a", &["2", "old"]).await;
    s.store.append(&BrandName::parse("other").unwrap(), vec![entry(&s, "c", "1")]).await.unwrap();
    let (changed, _, cursor) = follow(&s, &cursor).await;
    let changed: BTreeSet<_> = changed.into_iter().collect();
    assert_eq!(changed, BTreeSet::from([timeline("a"), timeline("b")]));
    append(&s, "a", &["2"]).await;
    assert!(follow(&s, &cursor).await.0.is_empty(), "a repetition is no news");
    let second = t.second().await;
    second.accept(vec![with_entry(&s, "<1@x>", "d", "1")]).await.unwrap();
    let (changed, _, cursor) = follow(&s, &cursor).await;
    assert_eq!(changed, [timeline("d")]);
    let foreign = TimelineCursor("elsewhere".to_owned());
    assert!(s.store.changes(&s.brand, Some(&foreign), Duration::ZERO).await.unwrap().missed);
    let (store, brand) = (s.store.clone(), s.brand.clone());
    let waits =
        tokio::spawn(async move { store.changes(&brand, Some(&cursor), Duration::from_secs(20)).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let started = Instant::now();
    second.append(&s.brand, vec![entry(&s, "e", "1")]).await.unwrap();
    assert_eq!(waits.await.unwrap().unwrap().changed, [timeline("e")]);
    assert!(started.elapsed() < Duration::from_secs(10), "woken long before the end");
}

/// Hints reach whoever follows, in order, once.
pub async fn hints_reach_followers(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let start = s.store.changes(&s.brand, None, Duration::ZERO).await.unwrap().next;
    for hint in ["one", "two"] {
        s.store.hint(&s.brand, &timeline("a"), Bytes::from(hint)).await.unwrap();
    }
    let (changed, hints, next) = follow(&s, &start).await;
    assert!(changed.is_empty());
    assert_eq!(hints, ["one", "two"]);
    assert!(follow(&s, &next).await.1.is_empty());
    assert_eq!(numbers(&s, "a", 0, 10).await, (vec![], 0), "a hint is no entry");
}

/// A note is changed only by who saw the latest.
pub async fn notes_compare_and_set(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let (id, now) = (timeline("a"), s.clock.now());
    let write =
        |expected, text: &'static str| s.store.write_note(&s.brand, &id, expected, Bytes::from(text), now);
    assert_eq!(s.store.note(&s.brand, &id).await.unwrap(), None);
    assert_eq!(write(1, "x").await.unwrap(), None);
    assert_eq!(write(0, "one").await.unwrap(), Some(1));
    assert_eq!(write(0, "other").await.unwrap(), None);
    append(&s, "a", &["1"]).await;
    assert_eq!(write(1, "two\nlines").await.unwrap(), Some(2));
    let note = s.store.note(&s.brand, &id).await.unwrap().unwrap();
    assert_eq!((note.version, &note.value[..]), (2, &b"two\nlines"[..]));
    assert_eq!(numbers(&s, "a", 0, 10).await, (vec![1], 1));
    assert!(write(2, "x").await.unwrap().is_some());
    let large = Bytes::from(vec![b'x'; (1 << 16) + 1]);
    assert!(s.store.write_note(&s.brand, &id, 3, large, now).await.is_err());
}

/// A timeline is purged whole, by its last entry or note, and starts anew.
pub async fn purged_whole(t: &dyn StoreUnderTest) {
    let s = scene(t);
    append(&s, "a", &["1"]).await;
    append(&s, "b", &["1"]).await;
    append(&s, "c", &["1"]).await;
    s.clock.advance(SignedDuration::from_hours(1));
    append(&s, "a", &["2"]).await;
    s.store.write_note(&s.brand, &timeline("c"), 0, Bytes::from("n"), s.clock.now()).await.unwrap();
    let before = s.clock.now();
    assert_eq!(s.store.purge(PurgeClass::Timelines, before).await.unwrap(), 1);
    assert_eq!(numbers(&s, "a", 0, 10).await, (vec![1, 2], 2));
    assert_eq!(numbers(&s, "b", 0, 10).await, (vec![], 0));
    assert_eq!(numbers(&s, "c", 0, 10).await.1, 1);
    assert_eq!(append(&s, "b", &["2", "1"]).await, [1, 2]);
    s.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(s.store.purge(PurgeClass::Timelines, s.clock.now()).await.unwrap(), 3);
    assert_eq!(s.store.note(&s.brand, &timeline("c")).await.unwrap(), None);
}

fn following(s: &Scene, id: &str) -> Candidate {
    let value = ThreadKeyValue::new("session", "s1").unwrap();
    let key = ThreadKey { value, condition: JoinCondition::Always, label: "session".to_owned() };
    let contact = sample_contact().id(id).text(id);
    Candidate { thread_keys: vec![key], rebinds: vec![value], ..contact.candidate(s.clock.now()) }
}

/// A key that follows the party leads to where their last contact landed, also after that was closed for good, and
/// outlasts the conversation that it led to first.
pub async fn rebound_keys_follow(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let first = s.store.accept(vec![following(&s, "<1@x>")]).await.unwrap().remove(0);
    let close = |status, reopen_until| ConversationChange {
        status: Some(status),
        reopen_until,
        ..ConversationChange::default()
    };
    s.change(&first.conversation, close(ConversationStatus::Closed, None)).await;
    s.clock.advance(SignedDuration::from_hours(1));
    let batch = vec![following(&s, "<2@x>"), following(&s, "<3@x>")];
    let receipts = s.store.accept(batch).await.unwrap();
    assert_eq!(receipts[0].follows, Some(first.reference.clone()));
    assert_eq!(
        (receipts[1].placement, &receipts[1].conversation),
        (Placement::Appended, &receipts[0].conversation)
    );
    s.clock.advance(SignedDuration::from_hours(1));
    let later = s.store.accept(vec![following(&s, "<4@x>")]).await.unwrap().remove(0);
    assert_eq!(later.conversation, receipts[0].conversation);
}
