//! A redis-server of a test's own: on a free port, in a folder of its own, ended by its process id.

use lodge_domain::ports::{Clock, Entropy, Housekeeping, Ledger, StoreError};
use lodge_domain::{BrandName, Candidate, NodeName, Placement};
use lodge_store_redis::{OpenError, Options, RedisStore};
use lodge_testkit::{ManualClock, SeededEntropy, sample_contact};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A running server; dropping it kills it.
pub struct RedisServer {
    folder: tempfile::TempDir,
    port: u16,
    program: &'static str,
    arguments: Vec<String>,
    child: Option<Child>,
}

/// A port nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl RedisServer {
    /// Without persistence.
    pub fn start() -> Self {
        Self::with(&["--save", "", "--appendonly", "no"])
    }

    /// With these options.
    pub fn with(options: &[&str]) -> Self {
        Self::launch("redis-server", None, options)
    }

    /// A sentinel that watches the server at `port` as `main`.
    pub fn sentinel(port: u16) -> Self {
        let config = format!(
            "sentinel monitor main 127.0.0.1 {port} 1\nsentinel down-after-milliseconds main 500\n\
             sentinel failover-timeout main 3000\n"
        );
        Self::launch("redis-sentinel", Some(&config), &[])
    }

    fn launch(program: &'static str, config: Option<&str>, options: &[&str]) -> Self {
        for _ in 0..5 {
            let folder = tempfile::tempdir().unwrap();
            let port = free_port();
            let mut arguments = Vec::new();
            if let Some(config) = config {
                let path = folder.path().join("sentinel.conf");
                std::fs::write(&path, config).unwrap();
                arguments.push(path.display().to_string());
            }
            let port_text = port.to_string();
            let dir = folder.path().display().to_string();
            let pid = folder.path().join("pid").display().to_string();
            let fixed = ["--port", &port_text, "--bind", "127.0.0.1", "--dir", &dir, "--pidfile", &pid];
            arguments.extend(fixed.iter().chain(options).map(|text| (*text).to_owned()));
            let mut server = Self { folder, port, program, arguments, child: None };
            if server.try_start() {
                return server;
            }
        }
        panic!("{program} finds no free port");
    }

    /// Starts it again in the same folder.
    pub fn resume(&mut self) {
        assert!(self.try_start(), "{} does not start again", self.program);
    }

    /// Starts it, and waits until it listens (it writes its process id then); false where somebody took its port.
    fn try_start(&mut self) -> bool {
        let pid = self.folder.path().join("pid");
        drop(std::fs::remove_file(&pid));
        let child = Command::new(self.program)
            .args(&self.arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{} is needed for these tests: {error}", self.program));
        let child = self.child.insert(child);
        let own = child.id().to_string();
        let end = Instant::now() + Duration::from_secs(20);
        while !std::fs::read_to_string(&pid).is_ok_and(|text| text.trim() == own)
            || TcpStream::connect(("127.0.0.1", self.port)).is_err()
        {
            if child.try_wait().unwrap().is_some() {
                self.child = None;
                return false;
            }
            assert!(Instant::now() < end, "{} does not listen", self.program);
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }

    /// Kills it at once.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A plain connection, for looking behind the store's back.
    pub async fn raw(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.url()).unwrap();
        let mut last = None;
        for _ in 0..100 {
            match client.get_multiplexed_async_connection().await {
                Ok(connection) => return connection,
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{last:?}");
    }

    /// One command, behind the store's back.
    pub async fn command<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::cmd(words[0]);
        for word in &words[1..] {
            command.arg(*word);
        }
        command.query_async(&mut self.raw().await).await.unwrap()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Opens a store as node `node`.
pub async fn open(
    url: &str,
    node: &str,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> Result<Arc<RedisStore>, OpenError> {
    let node = NodeName::parse(node).unwrap();
    RedisStore::connect(url, Options { clock, entropy, node, queue: 4096 }).await
}

pub fn brand() -> BrandName {
    BrandName::unbranded()
}

/// A contact of its own for each number.
pub fn candidate(number: usize) -> Candidate {
    let clock = ManualClock::new();
    sample_contact().id(&format!("<{number}@load>")).text(&number.to_string()).candidate(clock.now())
}

/// The only store of a test.
pub async fn open_one(url: &str) -> Arc<RedisStore> {
    open(url, "gw-1", Arc::new(ManualClock::new()), Arc::new(SeededEntropy::new(7))).await.unwrap()
}

/// Why there is none.
pub async fn refusal(url: &str) -> OpenError {
    let entropy = Arc::new(SeededEntropy::new(7));
    open(url, "gw-1", Arc::new(ManualClock::new()), entropy).await.unwrap_err()
}

pub async fn accept(store: &RedisStore, number: usize) -> Result<Placement, StoreError> {
    store.accept(vec![candidate(number)]).await.map(|receipts| receipts[0].placement)
}

/// Envelopes, conversations and work agree: nothing is half there.
pub async fn assert_whole(store: &RedisStore, contacts: u64) {
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.envelopes, counts.conversations), (contacts, contacts));
    let depth: u64 = counts.lanes.iter().map(|lane| lane.depth).sum();
    assert_eq!(depth, contacts, "each contact has its work");
}
