//! Accepting contacts into Redis against the bare client: the very scripts with the very arguments that the store sent,
//! recorded on the wire and sent again, one in flight, over an emptied server.

use crate::accept_embedded::accept;
use crate::measure::{Rounds, Watch};
use crate::sample::{RealClock, RealEntropy, candidates};
use anyhow::{Context, Result, ensure};
use lodge_domain::NodeName;
use lodge_e2e::{RedisServer, needs};
use lodge_store_redis::{Options, RedisStore};
use redis::aio::MultiplexedConnection;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const CONTACTS: usize = 12_000;

/// What a client sent, in the order of arrival.
type Recorded = Arc<Mutex<Vec<Vec<Vec<u8>>>>>;

/// Measures; goal: 0.8 of the bare client.
pub(crate) async fn run() -> Result<()> {
    ensure!(needs::has(&["redis"]), "redis-server is not installed");
    let prepared = Arc::new(candidates(CONTACTS)?);
    let folder = tempfile::tempdir()?;
    let server = RedisServer::start(folder.path(), &["--appendfsync", "everysec"]).await?;
    let client = redis::Client::open(server.url())?;
    let mut bare = client.get_multiplexed_async_connection().await?;
    let mut rounds = Rounds::default();
    for _ in 0..Rounds::COUNT {
        // Once past the recorder for the scripts, once without it for the time.
        let scripts = record(&server, &mut bare, &prepared).await?;
        empty(&mut bare).await?;
        let store = open(&server.url()).await?;
        let watch = Watch::start()?;
        accept(store, &prepared).await?;
        rounds.ours.push(watch.stop(CONTACTS)?);
        let keys = size(&mut bare).await?;
        empty(&mut bare).await?;
        let commands: Vec<redis::Cmd> = scripts.iter().map(|arguments| command(arguments)).collect();
        let watch = Watch::start()?;
        for command in &commands {
            let _answer: redis::Value = command.query_async(&mut bare).await?;
        }
        rounds.floor.push(watch.stop(CONTACTS)?);
        let again = size(&mut bare).await?;
        ensure!(again.abs_diff(keys) <= 8, "the scripts made {again} keys instead of {keys}");
    }
    rounds.report("accept-redis", 0.8);
    Ok(())
}

async fn open(url: &str) -> Result<Arc<RedisStore>> {
    let node = NodeName::parse("bench").context("a name")?;
    let options = Options { clock: Arc::new(RealClock), entropy: Arc::new(RealEntropy), node, queue: 4096 };
    Ok(RedisStore::connect(url, options).await?)
}

async fn empty(bare: &mut MultiplexedConnection) -> Result<()> {
    Ok(redis::cmd("FLUSHALL").query_async(bare).await?)
}

async fn size(bare: &mut MultiplexedConnection) -> Result<u64> {
    Ok(redis::cmd("DBSIZE").query_async(bare).await?)
}

fn command(arguments: &[Vec<u8>]) -> redis::Cmd {
    let mut command = redis::Cmd::new();
    for argument in arguments {
        command.arg(argument.as_slice());
    }
    command
}

/// Lets the store accept everything through a recorder; gives back the script calls.
async fn record(
    server: &RedisServer,
    bare: &mut MultiplexedConnection,
    prepared: &Arc<Vec<lodge_domain::Candidate>>,
) -> Result<Vec<Vec<Vec<u8>>>> {
    empty(bare).await?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("redis://{}/0", listener.local_addr()?);
    let target = server.url().trim_start_matches("redis://").trim_end_matches("/0").to_owned();
    let recorded: Recorded = Arc::default();
    let into = Arc::clone(&recorded);
    let recorder = tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(relay(client, target.clone(), Arc::clone(&into)));
        }
    });
    accept(open(&url).await?, prepared).await?;
    recorder.abort();
    let all = std::mem::take(&mut *recorded.lock().unwrap_or_else(PoisonError::into_inner));
    let is_script = |arguments: &Vec<Vec<u8>>| {
        arguments.first().is_some_and(|name| name.eq_ignore_ascii_case(b"EVALSHA"))
    };
    Ok(all.into_iter().filter(is_script).collect())
}

async fn relay(client: TcpStream, target: String, into: Recorded) -> Result<()> {
    let server = TcpStream::connect(target).await?;
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let (mut waiting, mut piece) = (Vec::new(), vec![0; 256 * 1024]);
    loop {
        let read = from_client.read(&mut piece).await?;
        if read == 0 {
            return Ok(());
        }
        let bytes = piece.get(..read).unwrap_or_default();
        to_server.write_all(bytes).await?;
        waiting.extend_from_slice(bytes);
        let mut done = 0;
        while let Some((arguments, length)) = whole_command(waiting.get(done..).unwrap_or_default()) {
            into.lock().unwrap_or_else(PoisonError::into_inner).push(arguments);
            done += length;
        }
        waiting.drain(..done);
    }
}

/// One command (an array of bulk strings, RESP2) and its length, where it is there whole.
fn whole_command(bytes: &[u8]) -> Option<(Vec<Vec<u8>>, usize)> {
    let (count, mut at) = number_after(bytes, 0, b'*')?;
    let mut arguments = Vec::with_capacity(count);
    for _ in 0..count {
        let (length, start) = number_after(bytes, at, b'$')?;
        arguments.push(bytes.get(start..start + length)?.to_vec());
        at = start + length + 2;
    }
    (at <= bytes.len()).then_some((arguments, at))
}

/// The number in a line that begins with `mark` at `at`, and where the next line begins.
fn number_after(bytes: &[u8], at: usize, mark: u8) -> Option<(usize, usize)> {
    let rest = bytes.get(at..)?.strip_prefix(&[mark])?;
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let number = std::str::from_utf8(rest.get(..end)?).ok()?.parse().ok()?;
    Some((number, at + 1 + end + 2))
}
