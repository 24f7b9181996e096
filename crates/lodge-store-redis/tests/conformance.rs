//! The suite of stores, each case on a real redis-server of its own.
#![expect(clippy::unwrap_used, reason = "tests may panic")]
#![expect(unreachable_pub, dead_code, reason = "the fixture is shared by several test programs")]

mod support;

use async_trait::async_trait;
use lodge_domain::ports::Store;
use lodge_store_redis::RedisStore;
use lodge_testkit::conformance::store::StoreUnderTest;
use lodge_testkit::{ManualClock, SeededEntropy};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use support::RedisServer;

struct OverRedis {
    server: RedisServer,
    store: Arc<RedisStore>,
    clock: Arc<ManualClock>,
    handles: AtomicU64,
}

#[async_trait]
impl StoreUnderTest for OverRedis {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn second(&self) -> Arc<dyn Store> {
        let number = self.handles.fetch_add(1, Ordering::Relaxed);
        let entropy = Arc::new(SeededEntropy::new(number + 1000));
        support::open(&self.server.url(), &format!("gw-{number}"), self.clock.clone(), entropy).await.unwrap()
    }

    fn clock(&self) -> Arc<ManualClock> {
        self.clock.clone()
    }
}

async fn over_redis() -> OverRedis {
    let server = RedisServer::start();
    let clock = Arc::new(ManualClock::new());
    let store =
        support::open(&server.url(), "gw-1", clock.clone(), Arc::new(SeededEntropy::new(1))).await.unwrap();
    OverRedis { server, store, clock, handles: AtomicU64::new(2) }
}

lodge_testkit::store_conformance!(over_redis);
