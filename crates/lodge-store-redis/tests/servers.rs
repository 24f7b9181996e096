//! Which servers are taken, which are refused, and how they may be laid out.
#![expect(clippy::unwrap_used, reason = "tests may panic")]
#![expect(unreachable_pub, dead_code, reason = "the fixture is shared by several test programs")]

mod support;

use lodge_domain::effect::{Applied, Effect};
use lodge_domain::ports::{Clock, Feed, Housekeeping, Lookup, PurgeClass, Store, StoreError};
use lodge_domain::{Lane, Placement, Settlement};
use lodge_store_redis::{ACL_RULES, OpenError};
use lodge_testkit::ManualClock;
use std::sync::Arc;
use std::time::Duration;
use support::{RedisServer, accept, brand, candidate, open_one, refusal};

#[tokio::test]
async fn an_evicting_server_is_refused() {
    let server =
        RedisServer::with(&["--save", "", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    let error = refusal(&server.url()).await;
    assert!(matches!(&error, OpenError::Unfit { reason, .. } if reason.contains("noeviction")), "{error}");
    let _: String = server.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    let store = open_one(&server.url()).await;
    assert!(store.check().await.unwrap().contains("allkeys-lru"), "told, while there is no limit");
    let _: String = server.command(&["CONFIG", "SET", "maxmemory", "100mb"]).await;
    assert!(matches!(store.check().await, Err(StoreError::Unavailable(_))), "and refused once there is one");
}

#[tokio::test]
async fn what_a_contact_survives_is_said() {
    let server = RedisServer::with(&["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]);
    let store = open_one(&server.url()).await;
    let words = store.check().await.unwrap();
    assert!(words.contains("Redis 7") && words.contains("last second"), "{words}");
    let none = RedisServer::start();
    assert!(open_one(&none.url()).await.check().await.unwrap().contains("loses everything"));
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
    let store = open_one(&right).await;
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
    for class in [PurgeClass::Dedupe, PurgeClass::Conversations, PurgeClass::Feed] {
        assert_eq!(store.purge(class, later.now()).await.unwrap(), 1, "{class:?}");
    }
    store.purge(PurgeClass::Transient, later.now()).await.unwrap();
}

/// Makes the user that `durability.rs` describes.
async fn limited_user(server: &RedisServer) {
    let mut words = vec!["ACL", "SETUSER", "lodge", "reset", "on", ">secret"];
    words.extend(ACL_RULES.split_whitespace());
    let _: String = server.command(&words).await;
}

/// The error by which `lodge` is refused a command.
async fn refused(server: &RedisServer, words: &[&str]) -> Option<String> {
    let client = redis::Client::open(format!("redis://lodge:secret@127.0.0.1:{}", server.port())).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut command = redis::cmd(words[0]);
    for word in &words[1..] {
        command.arg(*word);
    }
    let answer: redis::RedisResult<redis::Value> = command.query_async(&mut connection).await;
    answer.err().map(|error| format!("{} {error}", error.code().unwrap_or_default()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t52_a_user_with_our_keys_and_commands_alone_is_enough() {
    let server = RedisServer::start();
    let _: String = server.command(&["SET", "others", "1"]).await;
    limited_user(&server).await;
    let store = open_one(&format!("redis://lodge:secret@127.0.0.1:{}", server.port())).await;
    walk_through(store).await;
    let read_others = "return redis.call('GET', 'others')";
    for words in [
        &["FLUSHALL"][..],
        &["FLUSHDB"],
        &["KEYS", "*"],
        &["SCAN", "0"],
        &["RANDOMKEY"],
        &["CONFIG", "SET", "maxmemory", "1"],
        &["CONFIG", "REWRITE"],
        &["SHUTDOWN"],
        &["ACL", "LIST"],
        &["ACL", "SETUSER", "lodge", "allkeys"],
        &["REPLICAOF", "127.0.0.1", "1"],
        &["MODULE", "LIST"],
        &["SCRIPT", "FLUSH"],
        &["FUNCTION", "FLUSH"],
        &["MONITOR"],
        &["SUBSCRIBE", "x"],
        &["PUBLISH", "x", "y"],
        &["CLIENT", "LIST"],
        &["GET", "others"],
        &["SET", "lodge", "1"],
        &["UNLINK", "others"],
        &["GET", "{lodge-other}:head"],
        &["MGET", "{lodge:default}:head", "others"],
    ] {
        let error = refused(&server, words).await.unwrap_or_default();
        assert!(error.starts_with("NOPERM"), "{words:?}: {error}");
    }
    // Scripts have no more rights than their user, whatever key they name.
    for keys in [&["0"][..], &["1", "{lodge:default}:head"]] {
        let error = refused(&server, &[&["EVAL", read_others], keys].concat()).await.unwrap_or_default();
        assert!(error.contains("ACL failure") || error.contains("can't access"), "{keys:?}: {error}");
    }
    let untouched: String = server.command(&["GET", "others"]).await;
    assert_eq!((untouched.as_str(), refused(&server, &["GET", "{lodge}:probe"]).await), ("1", None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t52_the_same_user_serves_behind_a_sentinel() {
    let server = RedisServer::start();
    limited_user(&server).await;
    let sentinel = RedisServer::sentinel(server.port());
    walk_through(
        open_one(&format!("redis+sentinel://lodge:secret@127.0.0.1:{}/main", sentinel.port())).await,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t52_a_user_who_lacks_a_right_is_told_which() {
    let server = RedisServer::start();
    limited_user(&server).await;
    let _: String = server.command(&["ACL", "SETUSER", "lodge", "-info"]).await;
    let error = refusal(&format!("redis://lodge:secret@127.0.0.1:{}", server.port())).await.to_string();
    assert!(error.contains("lacks a permission") && error.contains("info"), "{error}");
    assert!(!error.contains("secret"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t53_a_cluster_serves_a_brand_from_one_slot() {
    // The port of the cluster bus would else be the server's plus 10,000, which may be too high.
    let bus = support::free_port().to_string();
    let server = RedisServer::with(&["--save", "", "--cluster-enabled", "yes", "--cluster-port", &bus]);
    let _: String = server.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await;
    for _ in 0..200 {
        let info: String = server.command(&["CLUSTER", "INFO"]).await;
        if info.contains("cluster_state:ok") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    limited_user(&server).await;
    walk_through(open_one(&format!("redis+cluster://lodge:secret@127.0.0.1:{}", server.port())).await).await;
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
    walk_through(open_one(&url).await).await;
}

/// Waits until `found` says so.
async fn eventually<F: Future<Output = bool>>(what: &str, found: impl Fn() -> F) {
    for _ in 0..600 {
        if found().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what} takes longer than half a minute");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_is_followed_and_nothing_replicated_is_lost() {
    let mut primary = RedisServer::start();
    let port = primary.port().to_string();
    let replica = RedisServer::with(&["--save", "", "--replicaof", "127.0.0.1", &port]);
    eventually("replication", || async {
        let info: String = replica.command(&["INFO", "replication"]).await;
        info.contains("master_link_status:up")
    })
    .await;
    let sentinel = RedisServer::sentinel(primary.port());
    eventually("finding the replica", || async {
        let known: Vec<redis::Value> = sentinel.command(&["SENTINEL", "REPLICAS", "main"]).await;
        !known.is_empty()
    })
    .await;
    let store = open_one(&format!("redis+sentinel://127.0.0.1:{}/main", sentinel.port())).await;
    for number in 0..20 {
        assert_eq!(accept(&store, number).await, Ok(Placement::New));
    }
    eventually("replicating", || async {
        let head = ["HGET", "{lodge:default}:head", "env"];
        replica.command::<Option<String>>(&head).await.as_deref() == Some("20")
    })
    .await;
    primary.kill();
    eventually("the failover", || async { accept(&store, 100).await.is_ok() }).await;
    for number in 0..20 {
        assert_eq!(accept(&store, number).await, Ok(Placement::Duplicate), "{number}");
    }
    assert_eq!(store.losses(), 0);
}
