//! The connection: opened when needed, dropped at the first doubt, and the same call sent again over a new one.
//!
//! A call whose answer was lost may have been executed; every script answers a repetition like the first (T12). A
//! connection is never used again after a timeout. With Sentinel each new connection asks again who the primary is.

use crate::address::{Address, Layout};
use crate::error::{OpenError, Verdict, classify, describe};
use crate::scripts::Call;
use lodge_domain::ports::StoreError;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{AsyncConnectionConfig, Client, Cmd, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};
use redis::{RedisError, RedisResult, TlsMode, Value};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

/// Longer than the longest script takes, shorter than a caller's patience.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long one call is tried again; at least twice, since a lost answer says nothing about its outcome.
const PATIENCE: Duration = Duration::from_secs(4);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// After a refused connection the next attempt waits this long; callers meanwhile hear the same.
const REST: Duration = Duration::from_millis(100);

enum Door {
    Single(Box<Client>),
    Sentinel(Box<SentinelClient>),
    Cluster(Box<ClusterClient>),
}

#[derive(Clone)]
enum Link {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Link {
    async fn query(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(command).await,
            Self::Cluster(connection) => connection.req_packed_command(command).await,
        }
        .and_then(Value::extract_error)
    }
}

struct State {
    door: Door,
    link: Option<(u64, Link)>,
    opened: u64,
    refused: Option<(Instant, Verdict)>,
}

/// The way to the server or servers.
pub(crate) struct Wire {
    address: Address,
    state: Mutex<State>,
}

impl Wire {
    /// Prepares the way; nothing is sent yet.
    pub(crate) fn new(address: Address) -> Result<Self, OpenError> {
        let door = open_door(&address).map_err(|error| OpenError::Address(describe(&error)))?;
        Ok(Self { address, state: Mutex::new(State { door, link: None, opened: 0, refused: None }) })
    }

    /// Where it leads, without credentials.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Calls a script; by its text where the server does not know it, as after a restart or a failover.
    pub(crate) async fn call(&self, call: &Call) -> Result<Value, StoreError> {
        self.patiently(call.by_hash(), Some(call)).await
    }

    /// Sends a command that may be repeated.
    pub(crate) async fn command(&self, command: &Cmd) -> Result<Value, StoreError> {
        self.patiently(command, None).await
    }

    async fn patiently(&self, command: &Cmd, call: Option<&Call>) -> Result<Value, StoreError> {
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        for attempt in 1_u32.. {
            let error = match self.once(command, call).await {
                Ok(value) => return Ok(value),
                Err(Verdict::Final(error)) => return Err(error),
                Err(Verdict::Later(error) | Verdict::Anew(error)) => error,
            };
            if attempt >= 2 && begun.elapsed() >= PATIENCE {
                return Err(error);
            }
            tracing::debug!(attempt, %error, "asking Redis again");
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Err(StoreError::Closed)
    }

    async fn once(&self, command: &Cmd, call: Option<&Call>) -> Result<Value, Verdict> {
        let (opened, mut link) = self.link().await?;
        let mut answer = link.query(command).await;
        if let (Some(call), Err(error)) = (call, &answer)
            && error.code() == Some("NOSCRIPT")
        {
            answer = link.query(&call.by_text()).await;
        }
        match answer {
            Ok(value) => Ok(value),
            Err(error) => {
                let verdict = classify(&error);
                if matches!(verdict, Verdict::Anew(_)) {
                    self.drop_link(opened).await;
                }
                Err(verdict)
            }
        }
    }

    /// The connection, opened by whoever needs it first.
    async fn link(&self) -> Result<(u64, Link), Verdict> {
        let mut state = self.state.lock().await;
        if let Some((opened, link)) = &state.link {
            return Ok((*opened, link.clone()));
        }
        if let Some((when, verdict)) = &state.refused
            && when.elapsed() < REST
        {
            return Err(again(verdict));
        }
        match connect(&mut state.door).await {
            Ok(link) => {
                state.opened += 1;
                state.refused = None;
                let opened = state.opened;
                state.link = Some((opened, link.clone()));
                Ok((opened, link))
            }
            Err(error) => {
                let verdict = classify(&error);
                state.refused = Some((Instant::now(), again(&verdict)));
                Err(verdict)
            }
        }
    }

    async fn drop_link(&self, opened: u64) {
        let mut state = self.state.lock().await;
        if state.link.as_ref().is_some_and(|(number, _)| *number == opened) {
            state.link = None;
        }
    }
}

fn again(verdict: &Verdict) -> Verdict {
    match verdict {
        Verdict::Final(error) => Verdict::Final(error.clone()),
        Verdict::Later(error) => Verdict::Later(error.clone()),
        Verdict::Anew(error) => Verdict::Anew(error.clone()),
    }
}

async fn connect(door: &mut Door) -> Result<Link, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_WITHIN))
        .set_response_timeout(Some(ANSWER_WITHIN));
    match door {
        Door::Single(client) => {
            client.get_multiplexed_async_connection_with_config(&config).await.map(Link::Single)
        }
        Door::Sentinel(client) => client.get_async_connection_with_config(&config).await.map(Link::Single),
        Door::Cluster(client) => client.get_async_connection().await.map(Link::Cluster),
    }
}

fn open_door(address: &Address) -> RedisResult<Door> {
    let servers = |address: &Address| -> Vec<ConnectionAddr> {
        address.hosts.iter().map(|(host, port)| server(host, *port, address.tls)).collect()
    };
    match &address.layout {
        Layout::Single { db } => {
            let first = servers(address).into_iter().next();
            let first =
                first.ok_or_else(|| RedisError::from((redis::ErrorKind::InvalidClientConfig, "no host")))?;
            let info = first.into_connection_info()?.set_redis_settings(settings(address, *db));
            Client::open(info).map(|client| Door::Single(Box::new(client)))
        }
        Layout::Sentinel { service, db } => {
            let mut builder =
                SentinelClientBuilder::new(servers(address), service, SentinelServerType::Master)?
                    .set_client_to_redis_db(*db);
            if let Some(user) = &address.user {
                builder = builder.set_client_to_redis_username(user);
            }
            if let Some(password) = &address.password {
                builder = builder.set_client_to_redis_password(password);
            }
            if address.tls {
                builder = builder
                    .set_client_to_redis_tls_mode(TlsMode::Secure)
                    .set_client_to_sentinel_tls_mode(TlsMode::Secure);
            }
            builder.build().map(|client| Door::Sentinel(Box::new(client)))
        }
        Layout::Cluster => {
            let mut builder = ClusterClientBuilder::new(servers(address))
                .connection_timeout(CONNECT_WITHIN)
                .response_timeout(ANSWER_WITHIN);
            if let Some(user) = &address.user {
                builder = builder.username(user);
            }
            if let Some(password) = &address.password {
                builder = builder.password(password);
            }
            if address.tls {
                builder = builder.tls(TlsMode::Secure);
            }
            builder.build().map(|client| Door::Cluster(Box::new(client)))
        }
    }
}

fn server(host: &str, port: u16, tls: bool) -> ConnectionAddr {
    if tls {
        ConnectionAddr::TcpTls { host: host.to_owned(), port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host.to_owned(), port)
    }
}

fn settings(address: &Address, db: i64) -> RedisConnectionInfo {
    let mut info = RedisConnectionInfo::default().set_db(db);
    if let Some(user) = &address.user {
        info = info.set_username(user);
    }
    if let Some(password) = &address.password {
        info = info.set_password(password);
    }
    info
}
