//! Many callers at once: what holds whoever comes first.

use super::StoreUnderTest;
use super::steps::{LEASE, scene};
use crate::samples::{sample_time, sample_work};
use crate::{SampleContact, SeededEntropy, sample_contact};
use bytes::Bytes;
use lodge_domain::ports::{BudgetVerdict, Lookup, Store, StoreError, Tally};
use lodge_domain::{BrandName, InboxId, InboxName, Lane, Placement, Receipt};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Repeats a call until the store has room for it.
async fn patiently<T, F: Future<Output = Result<T, StoreError>>>(call: impl Fn() -> F) -> T {
    loop {
        match call().await {
            Err(StoreError::Busy) => tokio::time::sleep(Duration::from_millis(5)).await,
            answer => return answer.unwrap(),
        }
    }
}

/// Accepts each batch in a task of its own, over both handles in turn; the receipts in order of the batches.
async fn accept_all(t: &dyn StoreUnderTest, batches: Vec<Vec<SampleContact>>) -> Vec<Vec<Receipt>> {
    let handles = [t.store(), t.second().await];
    let mut tasks = JoinSet::new();
    for (at, batch) in batches.into_iter().enumerate() {
        let store = Arc::clone(&handles[at % 2]);
        let candidates: Vec<_> = batch.into_iter().map(|contact| contact.candidate(sample_time())).collect();
        tasks.spawn(async move { (at, patiently(|| store.accept(candidates.clone())).await) });
    }
    let mut answers: Vec<_> = tasks.join_all().await;
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, receipts)| receipts).collect()
}

/// D02: a thousand copies of one contact are one contact.
pub async fn d02_a_thousand_copies_are_one_contact(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let receipts = accept_all(t, vec![vec![sample_contact()]; 1000]).await.concat();
    assert_eq!(receipts.len(), 1000);
    assert_eq!(receipts.iter().filter(|receipt| receipt.placement == Placement::New).count(), 1);
    assert_eq!(receipts.iter().filter(|receipt| receipt.placement == Placement::Duplicate).count(), 999);
    assert!(receipts.iter().all(|receipt| receipt.envelope == receipts[0].envelope));
    let counts = s.store.counts().await.unwrap();
    assert_eq!((counts.envelopes, counts.conversations, counts.lanes[0].depth), (1, 1, 1));
}

/// D03: ten contacts at once of somebody new, all with one key of ours, are one conversation.
pub async fn d03_ten_firsts_of_one_party(t: &dyn StoreUnderTest) {
    let contact = |number: u32| {
        let contact = sample_contact().id(&format!("<{number}@b>")).text(&format!("message {number}"));
        contact.signed_key("session-7").registers("session-7")
    };
    let receipts = accept_all(t, (0..10).map(|number| vec![contact(number)]).collect()).await.concat();
    assert_eq!(receipts.iter().map(|receipt| &receipt.conversation).collect::<HashSet<_>>().len(), 1);
    let sequences: BTreeSet<u64> = receipts.iter().map(|receipt| receipt.sequence).collect();
    assert_eq!(sequences, (1..=10).collect());
    assert_eq!(receipts.iter().filter(|receipt| receipt.placement == Placement::New).count(), 1);
}

/// Overlapping batches from many callers: one first for each contact, no gap and no repetition in any conversation.
pub async fn overlapping_batches(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let dice = SeededEntropy::new(11);
    let contact = |number: u64| {
        let session = format!("session-{}", number % 7);
        sample_contact().id(&format!("<{number}@b>")).signed_key(&session).registers(&session)
    };
    let batch = || (0..=dice.below(12)).map(|_| contact(dice.below(120))).collect::<Vec<_>>();
    let receipts = accept_all(t, (0..120).map(|_| batch()).collect()).await.concat();
    let mut firsts: BTreeMap<_, u32> = BTreeMap::new();
    let mut sequences: BTreeMap<_, BTreeSet<u64>> = BTreeMap::new();
    for receipt in &receipts {
        *firsts.entry(&receipt.envelope).or_default() += u32::from(receipt.placement != Placement::Duplicate);
        sequences.entry(&receipt.conversation).or_default().insert(receipt.sequence);
    }
    assert!(firsts.values().all(|count| *count == 1), "one first for each contact");
    assert_eq!(sequences.len(), 7);
    for (conversation, seen) in sequences {
        let last = s.conversation(conversation).await.sequence;
        assert_eq!(seen, (1..=last).collect::<BTreeSet<_>>(), "gap-free");
        let found = s.store.find(&s.brand, Lookup::Conversation(conversation.clone())).await.unwrap();
        assert_eq!(found.len() as u64, last);
    }
}

/// Ten claimers: everything is done once, each conversation in its order.
pub async fn claims_never_overlap(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let conversations: Vec<_> = (0..8)
        .map(|number| sample_contact().id(&format!("<{number}@b>")).candidate(sample_time()).founds)
        .collect();
    let work = |number: usize| {
        let work = sample_work(&format!("evt_{number:03}"));
        if number % 9 == 8 { work.build() } else { work.conversation(&conversations[number % 9]).build() }
    };
    s.enqueue((0..180).map(work).collect()).await;
    let done = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    for worker in 0..10 {
        let store: Arc<dyn Store> = if worker % 2 == 0 { t.store() } else { t.second().await };
        let done = Arc::clone(&done);
        tasks.spawn(async move {
            let mut idle = 0;
            while idle < 20 {
                let claims = patiently(|| store.claim(&Lane::Forward, 4, LEASE)).await;
                idle = if claims.is_empty() { idle + 1 } else { 0 };
                for claim in claims {
                    let new = &claim.work.new;
                    done.lock().unwrap().push((new.conversation.clone(), new.subject.clone()));
                    let settled = vec![(claim.clone(), lodge_domain::Settlement::Done, Vec::new())];
                    let answers = patiently(|| store.settle(settled.clone())).await;
                    assert_eq!(answers, [lodge_domain::Applied::Done]);
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
    }
    tasks.join_all().await;
    let done = done.lock().unwrap().clone();
    assert_eq!(done.len(), 180, "each once");
    for conversation in &conversations {
        let of_it: Vec<_> = done.iter().filter(|(of, _)| of.as_ref() == Some(conversation)).collect();
        assert_eq!(of_it.len(), 20);
        assert!(of_it.windows(2).all(|pair| pair[0].1 < pair[1].1), "in order");
    }
}

/// A hundred askers share what there is.
pub async fn budgets_never_overdraw(t: &dyn StoreUnderTest) {
    let tallies = [17, 1000].map(|limit| {
        let key = [u8::try_from(limit % 251).unwrap(); 32];
        Tally { key, label: limit.to_string(), window: Duration::from_secs(60), limit, amount: 1 }
    });
    let mut tasks = JoinSet::new();
    for asker in 0..100 {
        let store: Arc<dyn Store> = if asker % 2 == 0 { t.store() } else { t.second().await };
        let tallies = tallies.clone();
        let brand = BrandName::unbranded();
        tasks.spawn(async move { patiently(|| store.take(&brand, &tallies)).await });
    }
    let verdicts = tasks.join_all().await;
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == BudgetVerdict::Granted).count(), 17);
}

/// Twenty writers who each read first: no write is lost.
pub async fn saves_never_overwrite(t: &dyn StoreUnderTest) {
    let inbox = InboxId { brand: BrandName::unbranded(), name: InboxName::parse("support").unwrap() };
    let mut tasks = JoinSet::new();
    for writer in 0..20 {
        let store: Arc<dyn Store> = if writer % 2 == 0 { t.store() } else { t.second().await };
        let inbox = inbox.clone();
        tasks.spawn(async move {
            let mut written = 0;
            while written < 5 {
                let stored = patiently(|| store.load(&inbox, "count")).await;
                let (version, count) = stored.map_or((0, 0), |stored| (stored.version, stored.value.len()));
                let more = Bytes::from(vec![b'x'; count + 1]);
                let saved = patiently(|| store.save(&inbox, "count", version, more.clone())).await;
                written += u32::from(saved.is_some());
            }
        });
    }
    tasks.join_all().await;
    let kept = t.store().load(&inbox, "count").await.unwrap().unwrap();
    assert_eq!((kept.version, kept.value.len()), (100, 100));
}
