//! Limits: of memory, of queues, of lists, and of what a stranger's words may reach.
#![expect(clippy::unwrap_used, reason = "tests may panic")]
#![expect(unreachable_pub, dead_code, reason = "the fixture is shared by several test programs")]

mod support;

use lodge_domain::effect::Applied;
use lodge_domain::ports::{Clock, Feed, Ledger, Lookup, StoreError, WorkQueue};
use lodge_domain::{Candidate, Lane, NodeName, Placement, Settlement, ThreadKey};
use lodge_store_redis::{Options, RedisStore};
use lodge_testkit::samples::key;
use lodge_testkit::{ManualClock, SeededEntropy, sample_contact};
use std::sync::Arc;
use std::time::Duration;
use support::{RedisServer, accept, assert_whole, brand, candidate, open_one};

#[tokio::test]
async fn a_full_server_refuses_whole_and_recovers() {
    let server = RedisServer::start();
    let store = open_one(&server.url()).await;
    accept(&store, 0).await.unwrap();
    let info: String = server.command(&["INFO", "memory"]).await;
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap().trim();
    let limit = (used.parse::<u64>().unwrap() + 600_000).to_string();
    let _: String = server.command(&["CONFIG", "SET", "maxmemory", &limit]).await;
    let large = |number: usize| {
        let text = format!("{number}").repeat(20_000);
        sample_contact().id(&format!("<{number}@large>")).text(&text).candidate(ManualClock::new().now())
    };
    let mut accepted = 1;
    let refused = loop {
        match store.accept(vec![large(accepted)]).await {
            Ok(_) => accepted += 1,
            Err(error) => break error,
        }
        assert!(accepted < 500, "the limit is never reached");
    };
    assert!(matches!(refused, StoreError::Full(_)), "{refused}");
    assert_whole(&store, accepted as u64).await;
    assert!(Feed::read(&*store, None, 10).await.unwrap().is_some(), "reading goes on");
    let _: String = server.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    let now = store.accept(vec![large(accepted)]).await.unwrap();
    assert_eq!(now[0].placement, Placement::New, "nothing of it was written");
    assert_whole(&store, accepted as u64 + 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_callers_than_may_wait_are_told_so() {
    let server = RedisServer::start();
    let options = Options {
        clock: Arc::new(ManualClock::new()),
        entropy: Arc::new(SeededEntropy::new(7)),
        node: NodeName::parse("gw-1").unwrap(),
        queue: 1,
    };
    let store = RedisStore::connect(&server.url(), options).await.unwrap();
    let _: String = server.command(&["CLIENT", "PAUSE", "300"]).await;
    let callers: Vec<_> = (0..20)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { (number, accept(&store, number).await) })
        })
        .collect();
    let mut busy = Vec::new();
    for caller in callers {
        match caller.await.unwrap() {
            (number, Err(StoreError::Busy)) => busy.push(number),
            (_, outcome) => assert_eq!(outcome, Ok(Placement::New)),
        }
    }
    assert!(!busy.is_empty());
    assert_eq!(accept(&store, busy[0]).await, Ok(Placement::New), "nothing was written for who was refused");
}

#[tokio::test]
async fn a_key_of_another_type_stops_a_script_before_it_writes() {
    for key in
        ["{lodge:default}:w", "{lodge:default}:ci", "{lodge:default}:z:triage", "{lodge:default}:a:triage"]
    {
        let server = RedisServer::start();
        let store = open_one(&server.url()).await;
        accept(&store, 1).await.unwrap();
        let _: i64 = server.command(&["DEL", key]).await;
        let _: String = server.command(&["SET", key, "not ours"]).await;
        let before: i64 = server.command(&["DBSIZE"]).await;
        let refused = accept(&store, 2).await;
        assert!(matches!(refused, Err(StoreError::Unreadable(_))), "{key}: {refused:?}");
        assert_eq!(before, server.command::<i64>(&["DBSIZE"]).await, "{key}");
        let found = store.find(&brand(), Lookup::Envelope(candidate(2).envelope)).await.unwrap();
        assert!(found.is_empty(), "{key}");
    }
}

#[tokio::test]
async fn t53_t54_strangers_words_reach_no_key_and_lists_are_bounded() {
    let server = RedisServer::start();
    let store = open_one(&server.url()).await;
    let evil = "}{x}\r\nDEL *\n\t\\ \u{1f}\0'\"]]";
    let mut contact = sample_contact().from(evil).id(evil).text(evil).subject(evil).introduces(evil);
    for number in 0..70 {
        contact = contact.signed_key(&format!("{evil}{number}"));
    }
    for number in 0..3000 {
        contact = contact.registers(&format!("{evil}{number}r")).trace(&format!("{evil}{number}"));
    }
    let now = ManualClock::new().now();
    let mut candidate = contact.candidate(now);
    candidate.thread_keys.extend(candidate.thread_keys.clone());
    let receipt = store.accept(vec![candidate]).await.unwrap().remove(0);
    let facts = store.conversation(&brand(), &receipt.conversation).await.unwrap().unwrap();
    assert!(facts.participants.iter().any(|(handle, _)| handle.value == evil), "{facts:?}");

    let sixty_fourth = sample_contact().id("<64@b>").from(evil);
    let filler = (0..63).fold(sixty_fourth, |contact, number| contact.signed_key(&format!("none {number}")));
    let joined = filler.clone().signed_key(&format!("{evil}2999r")).candidate(now);
    assert_eq!(store.accept(vec![joined]).await.unwrap()[0].conversation, receipt.conversation);
    let mut beyond = filler.id("<65@b>").signed_key("none 63").candidate(now);
    beyond
        .thread_keys
        .push(ThreadKey { value: key(&format!("{evil}2999r")), ..beyond.thread_keys[0].clone() });
    assert_eq!(beyond.thread_keys.len(), 65);
    assert_eq!(
        store.accept(vec![beyond]).await.unwrap()[0].placement,
        Placement::New,
        "the 65th is not looked at"
    );

    let keys: Vec<String> = server.command(&["KEYS", "*"]).await;
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"{}:-_./@".contains(&b);
    for key in keys {
        assert!(key.starts_with("{lodge:default}:") || key.starts_with("{lodge}:"), "{key}");
        assert!(key.bytes().all(fits) && key.matches(['{', '}']).count() == 2, "{key}");
    }
}

#[tokio::test]
async fn one_large_call_is_cut_into_scripts() {
    let server = RedisServer::start();
    let store = open_one(&server.url()).await;
    let batch: Vec<Candidate> = (0..1000).map(candidate).collect();
    let receipts = store.accept(batch.clone()).await.unwrap();
    assert_eq!(receipts.len(), 1000);
    assert!(receipts.iter().zip(&batch).all(|(receipt, candidate)| receipt.envelope == candidate.envelope));
    assert_whole(&store, 1000).await;
    let claims = store.claim(&Lane::Triage, 2000, Duration::from_secs(60)).await.unwrap();
    assert_eq!(claims.len(), 1000);
    let settled = claims.into_iter().map(|claim| (claim, Settlement::Done, Vec::new())).collect();
    let applied = store.settle(settled).await.unwrap();
    assert!(applied.len() == 1000 && applied.iter().all(|applied| *applied == Applied::Done));
    assert!(store.lanes().await.unwrap().is_empty());
}
