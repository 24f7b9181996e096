//! What Redis can do to us, and what must be true afterwards.
#![expect(clippy::unwrap_used, reason = "tests may panic")]
#![expect(unreachable_pub, reason = "the fixture is shared by several test programs")]

#[path = "support/proxy.rs"]
mod proxy;
mod support;

use lodge_domain::effect::{Applied, Effect, Guard, Step};
use lodge_domain::ports::{
    BudgetVerdict, Budgets, Clock, DeadLetters, Feed, Housekeeping, InboxState, Ledger, Lookup, Store,
    StoreError, Tally, WorkQueue,
};
use lodge_domain::{BrandName, Candidate, InboxId, InboxName, Lane, NodeName, Placement, Settlement};
use lodge_store_redis::{OpenError, Options, RedisStore};
use lodge_testkit::samples::sample_work;
use lodge_testkit::{ManualClock, SeededEntropy, sample_contact};
use proxy::Proxy;
use std::sync::Arc;
use std::time::Duration;
use support::RedisServer;

const HEAD: &str = "{lodge:default}:head";

fn brand() -> BrandName {
    BrandName::unbranded()
}

fn candidate(number: usize) -> Candidate {
    let clock = ManualClock::new();
    sample_contact().id(&format!("<{number}@load>")).text(&number.to_string()).candidate(clock.now())
}

async fn open(url: &str) -> Arc<RedisStore> {
    support::open(url, "gw-1", Arc::new(ManualClock::new()), Arc::new(SeededEntropy::new(7))).await.unwrap()
}

async fn refusal(url: &str) -> OpenError {
    let entropy = Arc::new(SeededEntropy::new(7));
    support::open(url, "gw-1", Arc::new(ManualClock::new()), entropy).await.unwrap_err()
}

async fn accept(store: &RedisStore, number: usize) -> Result<Placement, StoreError> {
    store.accept(vec![candidate(number)]).await.map(|receipts| receipts[0].placement)
}

/// Envelopes, conversations and work agree: nothing is half there.
async fn assert_whole(store: &RedisStore, contacts: u64) {
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.envelopes, counts.conversations), (contacts, contacts));
    let depth: u64 = counts.lanes.iter().map(|lane| lane.depth).sum();
    assert_eq!(depth, contacts, "each contact has its work");
}

#[tokio::test]
async fn d05_a_server_that_forgot_everything_is_noticed_and_service_goes_on() {
    let server = RedisServer::start();
    let store = open(&server.url()).await;
    let first = store.accept(vec![candidate(1)]).await.unwrap();
    assert_eq!(accept(&store, 2).await, Ok(Placement::New));
    assert_eq!(store.losses(), 0);
    let _: String = server.command(&["FLUSHALL"]).await;

    assert_eq!(accept(&store, 3).await, Ok(Placement::New));
    assert_eq!(store.losses(), 1);
    assert!(store.check().await.unwrap().contains("forgotten"));
    assert_eq!(store.brands().await.unwrap(), [brand()], "its brand is listed again");
    let again = store.accept(vec![candidate(1)]).await.unwrap();
    assert_eq!(again[0].envelope, first[0].envelope, "ids are functions of the contact");
    assert_eq!(again[0].reference, first[0].reference);
    assert_eq!(accept(&store, 3).await, Ok(Placement::Duplicate));
    assert_eq!(store.losses(), 1, "one loss is told once");
    assert_whole(&store, 2).await;
}

#[tokio::test]
async fn a_server_that_went_back_is_noticed() {
    let server = RedisServer::start();
    let store = open(&server.url()).await;
    for number in 0..3 {
        accept(&store, number).await.unwrap();
    }
    let _: i64 = server.command(&["HSET", HEAD, "wm:gw-1", "1"]).await;
    assert_eq!(accept(&store, 10).await, Ok(Placement::New));
    assert_eq!(store.losses(), 1);
    let _: i64 = server.command(&["HSET", HEAD, "epoch", "another"]).await;
    assert_eq!(accept(&store, 11).await, Ok(Placement::New));
    assert_eq!(store.losses(), 2);
    // Another process under the same name is a mistake, not a loss.
    let _: i64 = server.command(&["HSET", HEAD, "wm:gw-1", "500"]).await;
    assert_eq!(accept(&store, 12).await, Ok(Placement::New));
    assert_eq!(store.losses(), 2);
    let mark: String = server.command(&["HGET", HEAD, "wm:gw-1"]).await;
    assert_eq!(mark, "501", "it goes on from what the server knows");
}

#[tokio::test]
async fn scripts_are_sent_again_after_the_server_dropped_them() {
    let server = RedisServer::start();
    let store = open(&server.url()).await;
    accept(&store, 1).await.unwrap();
    let _: String = server.command(&["SCRIPT", "FLUSH"]).await;
    assert_eq!(accept(&store, 1).await, Ok(Placement::Duplicate));
    assert_eq!(store.claim(&Lane::Triage, 10, Duration::from_secs(30)).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d04_a_restart_under_load_loses_nothing_confirmed() {
    let options = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""];
    let mut server = RedisServer::with(&options);
    let store = open(&server.url()).await;
    let mut callers = Vec::new();
    for caller in 0..8 {
        let store = store.clone();
        callers.push(tokio::spawn(async move {
            let mut confirmed = Vec::new();
            for number in 0..60 {
                let number = caller * 1000 + number;
                // Whoever is told that it failed asks again, as every door does.
                while accept(&store, number).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                confirmed.push(number);
            }
            confirmed
        }));
    }
    tokio::time::sleep(Duration::from_millis(60)).await;
    server.kill();
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.resume();
    let mut confirmed = Vec::new();
    for caller in callers {
        confirmed.extend(caller.await.unwrap());
    }
    assert_eq!(confirmed.len(), 480);
    for number in confirmed {
        assert_eq!(accept(&store, number).await, Ok(Placement::Duplicate), "{number}");
    }
    assert_whole(&store, 480).await;
    assert_eq!(store.losses(), 0);
}

#[tokio::test]
async fn a_full_server_refuses_whole_and_recovers() {
    let server = RedisServer::start();
    let store = open(&server.url()).await;
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

#[tokio::test]
async fn an_evicting_server_is_refused() {
    let server =
        RedisServer::with(&["--save", "", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    let error = refusal(&server.url()).await;
    assert!(matches!(&error, OpenError::Unfit { reason, .. } if reason.contains("noeviction")), "{error}");
    let _: String = server.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    let store = open(&server.url()).await;
    assert!(store.check().await.unwrap().contains("allkeys-lru"), "told, while there is no limit");
    let _: String = server.command(&["CONFIG", "SET", "maxmemory", "100mb"]).await;
    assert!(matches!(store.check().await, Err(StoreError::Unavailable(_))), "and refused once there is one");
}

#[tokio::test]
async fn what_a_contact_survives_is_said() {
    let server = RedisServer::with(&["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]);
    let store = open(&server.url()).await;
    let words = store.check().await.unwrap();
    assert!(words.contains("Redis 7") && words.contains("last second"), "{words}");
    let none = RedisServer::start();
    assert!(open(&none.url()).await.check().await.unwrap().contains("loses everything"));
}

#[tokio::test]
async fn wrong_credentials_are_told_without_repeating_them() {
    let server = RedisServer::with(&["--save", "", "--requirepass", "right"]);
    let error = refusal(&server.url()).await.to_string();
    assert!(error.contains("password"), "{error}");
    let wrong = format!("redis://:hunter2@127.0.0.1:{}", server.port());
    let error = refusal(&wrong).await;
    assert!(
        error.to_string().contains("password") && !format!("{error} {error:?}").contains("hunter2"),
        "{error}"
    );
    let right = format!("redis://:right@127.0.0.1:{}", server.port());
    let store = open(&right).await;
    assert_eq!(accept(&store, 1).await, Ok(Placement::New));
    assert!(!format!("{store:?}").contains("right"));
}

#[tokio::test]
async fn a_server_that_is_down_is_told_at_the_start() {
    let url = format!("redis://127.0.0.1:{}", support::free_port());
    let error = refusal(&url).await;
    assert!(matches!(&error, OpenError::Unreachable { address, .. } if *address == url), "{error}");
    assert!(matches!(refusal("http://somewhere").await, OpenError::Address(_)));
}

#[tokio::test]
async fn a_primary_that_became_a_replica_is_waited_for() {
    let server = RedisServer::start();
    let store = open(&server.url()).await;
    accept(&store, 1).await.unwrap();
    let nowhere = support::free_port().to_string();
    let _: String = server.command(&["REPLICAOF", "127.0.0.1", &nowhere]).await;
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { accept(&store, 2).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let _: String = server.command(&["REPLICAOF", "NO", "ONE"]).await;
    assert_eq!(waiting.await.unwrap(), Ok(Placement::New));
}

#[tokio::test]
async fn c6_a_lost_answer_is_asked_for_again() {
    let server = RedisServer::start();
    let proxy = Proxy::before(server.port()).await;
    let store = open(&proxy.url()).await;
    accept(&store, 1).await.unwrap();

    proxy.lose_one();
    accept(&store, 2).await.unwrap();
    assert!(!proxy.is_losing());
    assert_whole(&store, 2).await;
    assert_eq!(store.losses(), 0, "a lost answer is no lost contact");

    let claims = store.claim(&Lane::Triage, 10, Duration::from_secs(30)).await.unwrap();
    let work = |name: &str| Effect::Enqueue(sample_work(name).build());
    proxy.lose_one();
    let settled = vec![(claims[0].clone(), Settlement::Done, vec![work("evt_a")])];
    assert_eq!(
        store.settle(settled.clone()).await.unwrap(),
        [Applied::Done],
        "c20: it was settled the first time"
    );
    assert!(!proxy.is_losing());
    assert_eq!(store.settle(settled).await.unwrap(), [Applied::LeaseLost], "another call is another matter");
    let dead = Settlement::Dead { reason: "rejected".to_owned(), error: "422".to_owned() };
    proxy.lose_one();
    assert_eq!(store.settle(vec![(claims[1].clone(), dead, Vec::new())]).await.unwrap(), [Applied::Done]);
    assert_eq!(store.page(&brand(), None, 10).await.unwrap().len(), 1, "c25: dead once");

    let guard = Guard { key: [1; 32], content: [2; 32], value: "first".to_owned() };
    let step = Step { brand: brand(), guard: Some(guard), effects: vec![work("evt_b")] };
    proxy.lose_one();
    assert_eq!(store.apply(step.clone()).await, Ok(Applied::Done));
    assert_eq!(store.apply(step).await, Ok(Applied::Repeated("first".to_owned())));

    proxy.lose_one();
    assert_eq!(store.replay(&brand(), &claims[1].work.new.id).await, Ok(true));
    let inbox = InboxId { brand: brand(), name: InboxName::parse("support").unwrap() };
    proxy.lose_one();
    assert_eq!(store.save(&inbox, "cursor", 0, "1".into()).await, Ok(Some(1)));
    let tally = Tally { key: [9; 32], label: "two".to_owned(), window: Duration::from_secs(60), limit: 2 };
    proxy.lose_one();
    for _ in 0..2 {
        assert_eq!(store.take(&brand(), std::slice::from_ref(&tally)).await, Ok(BudgetVerdict::Granted));
    }
    assert!(matches!(store.take(&brand(), &[tally]).await, Ok(BudgetVerdict::Exhausted { .. })));
    assert!(!proxy.is_losing());
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
        let store = open(&server.url()).await;
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
    let store = open(&server.url()).await;
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
    beyond.thread_keys.push(lodge_domain::ThreadKey {
        value: lodge_testkit::samples::key(&format!("{evil}2999r")),
        ..beyond.thread_keys[0].clone()
    });
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
    let store = open(&server.url()).await;
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

/// All facets once, over another layout of servers.
async fn walk_through(store: Arc<dyn Store>) {
    let receipt = store.accept(vec![candidate(1)]).await.unwrap().remove(0);
    let claims = store.claim(&Lane::Triage, 10, Duration::from_secs(30)).await.unwrap();
    assert_eq!(claims.len(), 1);
    let event = receipt.envelope.clone();
    let publish = Effect::Publish {
        event: event.clone(),
        conversation: Some(receipt.conversation.clone()),
        body: "{}".into(),
        at: receipt.accepted_at,
    };
    let settled = vec![(claims[0].clone(), Settlement::Done, vec![publish])];
    assert_eq!(store.settle(settled).await.unwrap(), [Applied::Done]);
    assert_eq!(Feed::read(&*store, None, 10).await.unwrap().unwrap().items[0].event, event);
    assert_eq!(store.find(&brand(), Lookup::Conversation(receipt.conversation)).await.unwrap().len(), 1);
    let lease = store.acquire("mailbox", "gw-1", Duration::from_secs(9)).await.unwrap().unwrap();
    store.release(&lease).await.unwrap();
    assert!(store.check().await.unwrap().contains("Redis 7"));
    let later = ManualClock::new();
    later.advance_secs(3600);
    for class in [
        lodge_domain::ports::PurgeClass::Dedupe,
        lodge_domain::ports::PurgeClass::Conversations,
        lodge_domain::ports::PurgeClass::Feed,
    ] {
        assert_eq!(store.purge(class, later.now()).await.unwrap(), 1, "{class:?}");
    }
    store.purge(lodge_domain::ports::PurgeClass::Transient, later.now()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t53_a_cluster_serves_a_brand_from_one_slot() {
    let server = RedisServer::with(&["--save", "", "--cluster-enabled", "yes"]);
    let _: String = server.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await;
    for _ in 0..200 {
        let info: String = server.command(&["CLUSTER", "INFO"]).await;
        if info.contains("cluster_state:ok") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    walk_through(open(&format!("redis+cluster://127.0.0.1:{}", server.port())).await).await;
    let keys: Vec<String> = server.command(&["KEYS", "{lodge:default}:*"]).await;
    assert!(!keys.is_empty());
    let mut slots = std::collections::BTreeSet::new();
    for key in &keys {
        slots.insert(server.command::<i64>(&["CLUSTER", "KEYSLOT", key]).await);
    }
    assert_eq!(slots.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_are_asked_where_the_primary_is() {
    let server = RedisServer::start();
    let sentinel = RedisServer::sentinel(server.port());
    let url = format!("redis+sentinel://127.0.0.1:{}/main/0", sentinel.port());
    walk_through(open(&url).await).await;
}
