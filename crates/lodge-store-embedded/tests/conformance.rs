//! The suite of stores, over a file in a temporary folder.
#![expect(clippy::unwrap_used, reason = "test code: a broken expectation must panic")]

use async_trait::async_trait;
use lodge_domain::ports::Store;
use lodge_store_embedded::{EmbeddedStore, Options};
use lodge_testkit::conformance::store::StoreUnderTest;
use lodge_testkit::{ManualClock, SeededEntropy, store_conformance};
use std::sync::Arc;
use tempfile::TempDir;

struct Embedded {
    clock: Arc<ManualClock>,
    store: Arc<EmbeddedStore>,
    folder: TempDir,
}

impl Embedded {
    fn open(folder: &TempDir, clock: Arc<ManualClock>, seed: u64) -> Arc<EmbeddedStore> {
        // The suite is about answers, not about disks: without syncs it takes seconds instead of minutes.
        let options = Options {
            clock,
            entropy: Arc::new(SeededEntropy::new(seed)),
            synchronous_off_for_scratch: true,
            queue: 2048,
            run_lock: false,
        };
        EmbeddedStore::open(folder.path(), options).unwrap()
    }
}

#[async_trait]
impl StoreUnderTest for Embedded {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn second(&self) -> Arc<dyn Store> {
        Self::open(&self.folder, self.clock.clone(), 2)
    }

    fn clock(&self) -> Arc<ManualClock> {
        self.clock.clone()
    }
}

async fn embedded() -> Embedded {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new());
    Embedded { store: Embedded::open(&folder, clock.clone(), 1), clock, folder }
}

store_conformance!(embedded);
