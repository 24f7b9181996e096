//! What outlives a gateway: a file or a redis-server, and time.

use lodge_domain::NodeName;
use lodge_domain::ports::{Clock, Store};
use lodge_store_embedded::EmbeddedStore;
use lodge_store_redis::RedisStore;
use lodge_testkit::{ManualClock, SeededEntropy};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where a store keeps what it keeps.
pub(crate) enum Kept {
    /// A folder.
    Embedded(tempfile::TempDir),
    /// A server.
    Redis(RedisServer),
}

/// A store's place, and the clock of all who use it.
pub(crate) struct Ground {
    pub(crate) kept: Kept,
    pub(crate) clock: Arc<ManualClock>,
}

impl Ground {
    pub(crate) fn embedded() -> Self {
        Self { kept: Kept::Embedded(tempfile::tempdir().unwrap()), clock: Arc::default() }
    }

    pub(crate) fn redis() -> Self {
        Self { kept: Kept::Redis(RedisServer::start()), clock: Arc::default() }
    }

    /// A handle of a process's own.
    pub(crate) async fn open(&self, node: &NodeName, seed: u64) -> Arc<dyn Store> {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let entropy = Arc::new(SeededEntropy::new(seed));
        match &self.kept {
            Kept::Embedded(folder) => {
                let options = lodge_store_embedded::Options {
                    clock,
                    entropy,
                    synchronous_off_for_scratch: true,
                    queue: 2048,
                    run_lock: false,
                };
                EmbeddedStore::open(folder.path(), options).unwrap()
            }
            Kept::Redis(server) => {
                let options = lodge_store_redis::Options { clock, entropy, node: node.clone(), queue: 4096 };
                RedisStore::connect(&format!("redis://127.0.0.1:{}", server.port), options).await.unwrap()
            }
        }
    }
}

/// A redis-server of a test's own, killed when dropped.
pub(crate) struct RedisServer {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl RedisServer {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("redis-server is needed for these tests: {error}"));
        let mut server = Self { child, port, _folder: folder };
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(server.child.try_wait().unwrap().is_none(), "redis-server ended at once");
            assert!(Instant::now() < end, "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        server
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
