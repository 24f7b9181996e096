//! A thousand sessions that each say something, wait until it is kept, and say more.

use super::sockets::{BARE, ECHO, LODGE, PEER, many, talk, website};
use crate::accept_embedded::accept;
use crate::load::percentile;
use crate::measure::{Figure, Rounds, Watch, line, median};
use crate::peers;
use crate::sample::{RealClock, RealEntropy, candidates};
use crate::servers::own;
use anyhow::Result;
use lodge_e2e::{RedisServer, needs};
use lodge_store_embedded::{EmbeddedStore, Options};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const SESSIONS: usize = 1_000;
const MESSAGES: usize = 10;

pub(super) async fn run() -> Result<()> {
    let prepared = Arc::new(candidates(SESSIONS * MESSAGES)?);
    let (mut rounds, mut accepts) = (Rounds::default(), Vec::new());
    let mut waits = Vec::new();
    for _ in 0..Rounds::COUNT {
        let folder = tempfile::tempdir()?;
        let (figure, times) = gateway_round(folder.path(), "embedded:store").await?;
        rounds.ours.push(figure);
        waits.extend(times);
        let (echo, port) = own(folder.path(), ECHO).await?;
        let sockets = many(port, BARE, SESSIONS).await?;
        let watch = Watch::on(echo.id().to_string())?;
        talk(sockets, MESSAGES, BARE).await?;
        rounds.floor.push(watch.stop(SESSIONS * MESSAGES)?);
        accepts.push(accept_round(folder.path(), &prepared).await?);
    }
    let (ours, echo, accept) = (median(&rounds.ours), median(&rounds.floor), median(&accepts));
    line("chat active", ours, echo.rate, echo.cpu, 0.0);
    let (share, goal) = (ours.cpu / (echo.cpu + accept.cpu), 1.3);
    let verdict = if share <= goal { "reached" } else { "MISSED" };
    println!(
        "chat active        CPU {share:.2} of a bare echo plus one accept of {:.0} µs (goal {goal:.2}) {verdict}; {}",
        accept.cpu,
        percentiles(waits)
    );
    if needs::has(&["redis"]) { beside_node().await } else { Ok(()) }
}

/// The gateway on Redis against Node's server on Redis.
async fn beside_node() -> Result<()> {
    let (mut rounds, mut waits, mut theirs) = (Rounds::default(), Vec::new(), Vec::new());
    for _ in 0..Rounds::COUNT {
        let folder = tempfile::tempdir()?;
        let redis = RedisServer::start(&folder.path().join("redis"), &["--appendfsync", "everysec"]).await?;
        let (figure, times) = gateway_round(folder.path(), &redis.url()).await?;
        rounds.ours.push(figure);
        waits.extend(times);
        let node = match peers::start("chat.mjs", folder.path(), &[]).await {
            Ok(node) => node,
            Err(error) => {
                println!(
                    "chat on Redis      no comparison with Node: {error:#}; ours {}",
                    percentiles(waits)
                );
                return Ok(());
            }
        };
        let sockets = many(node.port, PEER, SESSIONS).await?;
        let watch = Watch::on(node.process.id().to_string())?;
        theirs.extend(talk(sockets, MESSAGES, PEER).await?);
        rounds.floor.push(watch.stop(SESSIONS * MESSAGES)?);
    }
    let (ours, node) = (median(&rounds.ours), median(&rounds.floor));
    line("chat on Redis", ours, node.rate, node.cpu, 0.0);
    let verdict = if ours.cpu <= 0.7 * node.cpu { "reached" } else { "MISSED" };
    println!(
        "chat on Redis      CPU {:.2} of ws of Node (goal 0.70) {verdict}; {}; ws of Node {}",
        ours.cpu / node.cpu,
        percentiles(waits),
        percentiles(theirs)
    );
    Ok(())
}

async fn gateway_round(folder: &Path, store: &str) -> Result<(Figure, Vec<Duration>)> {
    let (gateway, port) = website(folder, "busy", store).await?;
    let sockets = many(port, LODGE, SESSIONS).await?;
    let watch = Watch::on(gateway.id().to_string())?;
    let times = talk(sockets, MESSAGES, LODGE).await?;
    Ok((watch.stop(SESSIONS * MESSAGES)?, times))
}

async fn accept_round(folder: &Path, prepared: &Arc<Vec<lodge_domain::Candidate>>) -> Result<Figure> {
    let options = Options {
        clock: Arc::new(RealClock),
        entropy: Arc::new(RealEntropy),
        synchronous_off_for_scratch: false,
        queue: 4096,
        run_lock: true,
    };
    let store = EmbeddedStore::open(&folder.join("accept"), options)?;
    let watch = Watch::start()?;
    accept(store, prepared).await?;
    watch.stop(prepared.len())
}

fn percentiles(mut waits: Vec<Duration>) -> String {
    let (p50, p99) = (percentile(&mut waits, 0.5), percentile(&mut waits, 0.99));
    format!("p50 {p50:.0} ms, p99 {p99:.0} ms")
}
