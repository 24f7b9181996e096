//! What can happen between Redis and us, and what must be true afterwards.
#![expect(clippy::unwrap_used, reason = "tests may panic")]
#![expect(unreachable_pub, dead_code, reason = "the fixture is shared by several test programs")]

#[path = "support/proxy.rs"]
mod proxy;
mod support;

use lodge_domain::effect::{Applied, Effect, Guard, Step};
use lodge_domain::ports::{
    BudgetVerdict, Budgets, Clock, DeadLetters, Housekeeping, InboxState, Ledger, Lookup, Tally, WorkQueue,
};
use lodge_domain::{BrandName, InboxId, InboxName, Lane, Placement, Settlement};
use lodge_store_redis::RedisStore;
use lodge_testkit::samples::sample_work;
use lodge_testkit::{ManualClock, SeededEntropy, sample_contact};
use proxy::Proxy;
use std::sync::Arc;
use std::time::Duration;
use support::{RedisServer, accept, assert_whole, brand, candidate, open_one};

const HEAD: &str = "{lodge:default}:head";

#[tokio::test]
async fn d05_a_server_that_forgot_everything_is_noticed_and_service_goes_on() {
    let server = RedisServer::start();
    let store = open_one(&server.url()).await;
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
async fn small_values_of_an_earlier_version_are_found_among_the_new_ones() {
    let server = RedisServer::start();
    let store = open_one(&server.url()).await;
    let ours = InboxId { brand: brand(), name: InboxName::parse("support").unwrap() };
    let _: i64 = server.command(&["HSET", "{lodge:default}:st:support", "call/b", "3,op\nold"]).await;
    assert_eq!(store.save(&ours, "call/a", 0, "new".into()).await.unwrap(), Some(1));
    let keys = async || -> Vec<String> {
        let found = store.range(&ours, "call/", "call0", 9).await.unwrap();
        found.into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(keys().await, ["call/a", "call/b"]);
    assert_eq!(store.list(&ours, "call/b").await.unwrap()[0].1.version, 3);
    store.remove(&ours, "call/b").await.unwrap();
    assert_eq!(keys().await, ["call/a"]);
}

#[tokio::test]
async fn a_gateway_that_starts_again_goes_on_at_once() {
    let server = RedisServer::start();
    let lease = Duration::from_secs(60);
    let killed = open_one(&server.url()).await;
    for number in 0..3 {
        accept(&killed, number).await.unwrap();
    }
    let before = killed.claim(&Lane::Triage, 2, lease).await.unwrap();
    assert_eq!(before.len(), 2);
    let (clock, entropy) = (Arc::new(ManualClock::new()), Arc::new(SeededEntropy::new(8)));
    let other = support::open(&server.url(), "gw-2", clock.clone(), entropy.clone()).await.unwrap();
    assert_eq!(other.free_claims().await.unwrap(), 0, "another gateway's work is its own");
    let again = support::open(&server.url(), "gw-1", clock, entropy).await.unwrap();
    assert_eq!(again.claim(&Lane::Triage, 9, lease).await.unwrap().len(), 1, "the rest is leased");
    assert_eq!(again.free_claims().await.unwrap(), 3);
    let back = again.claim(&Lane::Triage, 9, lease).await.unwrap();
    assert_eq!(back.iter().filter(|claim| claim.work.claims == 2).count(), 3);
    assert!(!killed.mark(&before[0]).await.unwrap(), "the right of before is gone");
}

#[tokio::test]
async fn a_server_that_went_back_is_noticed() {
    let server = RedisServer::start();
    let store = open_one(&server.url()).await;
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
    let store = open_one(&server.url()).await;
    accept(&store, 1).await.unwrap();
    let _: String = server.command(&["SCRIPT", "FLUSH"]).await;
    assert_eq!(accept(&store, 1).await, Ok(Placement::Duplicate));
    assert_eq!(store.claim(&Lane::Triage, 10, Duration::from_secs(30)).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_under_load_loses_nothing_confirmed() {
    let options = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""];
    let mut server = RedisServer::with(&options);
    let store = open_one(&server.url()).await;
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
async fn a_primary_that_became_a_replica_is_waited_for() {
    let server = RedisServer::start();
    let store = open_one(&server.url()).await;
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

/// Makes the server know every script, so that what is lost later is the answer of one that ran.
async fn warm_up(server: &RedisServer) {
    let clock = Arc::new(ManualClock::new());
    let store = support::open(&server.url(), "gw-2", clock, Arc::new(SeededEntropy::new(8))).await.unwrap();
    let other = BrandName::parse("other").unwrap();
    let contact = sample_contact().brand("other").candidate(ManualClock::new().now());
    store.accept(vec![contact]).await.unwrap();
    let claims = store.claim(&Lane::Triage, 1, Duration::from_secs(30)).await.unwrap();
    store.apply(Step { brand: other.clone(), guard: None, effects: Vec::new() }).await.unwrap();
    store.replay(&other, &claims[0].work.new.id).await.unwrap();
    store.discard(&other, &claims[0].work.new.id).await.unwrap();
    store.save(&InboxId { brand: other.clone(), name: inbox() }, "warm", 0, "1".into()).await.unwrap();
    store.take(&other, &[two_a_minute()]).await.unwrap();
    store.settle(vec![(claims[0].clone(), Settlement::Done, Vec::new())]).await.unwrap();
}

fn inbox() -> InboxName {
    InboxName::parse("support").unwrap()
}

fn two_a_minute() -> Tally {
    Tally { key: [9; 32], label: "two".to_owned(), window: Duration::from_secs(60), limit: 2, amount: 1 }
}

/// A store that was used once, behind a proxy that can lose answers.
async fn behind_a_proxy(server: &RedisServer) -> (Proxy, Arc<RedisStore>) {
    warm_up(server).await;
    let proxy = Proxy::before(server.port()).await;
    let store = open_one(&proxy.url()).await;
    accept(&store, 1).await.unwrap();
    (proxy, store)
}

#[tokio::test]
async fn c6_an_accept_whose_answer_was_lost_is_asked_for_again() {
    let server = RedisServer::start();
    let (proxy, store) = behind_a_proxy(&server).await;
    proxy.lose_one();
    let answer = accept(&store, 2).await;
    assert!(!proxy.is_losing());
    assert_eq!(answer, Ok(Placement::Duplicate), "it was written the first time");
    assert_eq!(accept(&store, 3).await, Ok(Placement::New));
    assert_eq!(store.losses(), 0, "a lost answer is no lost contact");
    assert_eq!(store.counts().await.unwrap().envelopes, 4);
}

#[tokio::test]
async fn c20_claims_and_settlements_whose_answers_were_lost_are_answered_like_the_first_time() {
    let server = RedisServer::start();
    let (proxy, store) = behind_a_proxy(&server).await;
    accept(&store, 2).await.unwrap();
    // The brands are asked for first.
    proxy.lose_nth(2);
    let claims = store.claim(&Lane::Triage, 10, Duration::from_secs(30)).await.unwrap();
    assert!(!proxy.is_losing());
    assert_eq!(claims.len(), 2);
    assert!(claims.iter().all(|claim| claim.work.claims == 1), "leased once");

    let work = Effect::Enqueue(sample_work("evt_a").build());
    let settled = vec![(claims[0].clone(), Settlement::Done, vec![work])];
    proxy.lose_one();
    assert_eq!(store.settle(settled.clone()).await.unwrap(), [Applied::Done]);
    assert!(!proxy.is_losing());
    assert_eq!(store.settle(settled).await.unwrap(), [Applied::LeaseLost], "another call is another matter");
    let dead = Settlement::Dead { reason: "rejected".to_owned(), error: "422".to_owned() };
    proxy.lose_one();
    assert_eq!(store.settle(vec![(claims[1].clone(), dead, Vec::new())]).await.unwrap(), [Applied::Done]);
    assert_eq!(store.page(&brand(), None, 10).await.unwrap().len(), 1, "c25: dead once");
    proxy.lose_one();
    assert_eq!(store.replay(&brand(), &claims[1].work.new.id).await, Ok(true));
    assert!(!proxy.is_losing());
    assert_eq!(store.replay(&brand(), &claims[1].work.new.id).await, Ok(false));
}

#[tokio::test]
async fn steps_states_and_budgets_whose_answers_were_lost_count_once() {
    let server = RedisServer::start();
    let (proxy, store) = behind_a_proxy(&server).await;
    let guard = Guard { key: [1; 32], content: [2; 32], value: "first".to_owned() };
    let effects = vec![Effect::Enqueue(sample_work("evt_b").build())];
    let step = Step { brand: brand(), guard: Some(guard), effects };
    proxy.lose_one();
    assert_eq!(store.apply(step.clone()).await, Ok(Applied::Done));
    assert!(!proxy.is_losing());
    assert_eq!(store.apply(step).await, Ok(Applied::Repeated("first".to_owned())));

    let inbox = InboxId { brand: brand(), name: inbox() };
    proxy.lose_one();
    assert_eq!(store.save(&inbox, "cursor", 0, "1".into()).await, Ok(Some(1)));
    assert!(!proxy.is_losing());
    assert_eq!(store.save(&inbox, "cursor", 0, "1".into()).await, Ok(None));

    proxy.lose_one();
    for _ in 0..2 {
        assert_eq!(store.take(&brand(), &[two_a_minute()]).await, Ok(BudgetVerdict::Granted));
    }
    assert!(!proxy.is_losing());
    assert!(matches!(store.take(&brand(), &[two_a_minute()]).await, Ok(BudgetVerdict::Exhausted { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t12_calls_that_are_cancelled_mix_up_no_answers() {
    let server = RedisServer::start();
    let store = open_one(&server.url()).await;
    for number in 0..50 {
        accept(&store, number).await.unwrap();
    }
    let mut callers = Vec::new();
    for number in 0..400_usize {
        let store = store.clone();
        callers.push(tokio::spawn(async move {
            let wanted = candidate(number % 50).envelope;
            let brand = brand();
            let look = store.find(&brand, Lookup::Envelope(wanted.clone()));
            if number % 3 == 0 {
                let patience = Duration::from_micros(number as u64 * 5);
                drop(tokio::time::timeout(patience, look).await);
                drop(tokio::time::timeout(patience, accept(&store, number)).await);
                return;
            }
            let found = look.await.unwrap();
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].receipt.envelope, wanted, "the answer of another call");
            let receipts = store.accept(vec![candidate(number)]).await.unwrap();
            assert_eq!(receipts[0].envelope, candidate(number).envelope);
        }));
    }
    for caller in callers {
        caller.await.unwrap();
    }
}
