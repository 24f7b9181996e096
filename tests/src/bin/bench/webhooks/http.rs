//! The same webhooks over HTTP, each server a process of its own: the gateway on Redis, the bare handler, and what people would write
//! with Node and Python. Then five hundred a second, with everything that follows going on behind.

use super::{SECRET, bare, signed};
use crate::load::{flood, paced, percentile};
use crate::measure::{Figure, Rounds, Watch, line, median};
use crate::peers;
use crate::servers::{gateway, own};
use anyhow::{Context as _, Result, ensure};
use lodge_e2e::process::Process;
use lodge_e2e::{Core, RedisServer, core, needs};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const REQUESTS: usize = 12_000;
/// Requests a second and seconds of the steady run (acceptance G02).
const STEADY: usize = 500;
const SECONDS: usize = 15;
/// The argument by which this program is the bare handler instead.
pub(crate) const FLOOR: &str = "webhook-floor";

/// Serves the bare handler on `port`, until it is killed.
pub(crate) async fn floor(port: u16) -> Result<()> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    Ok(axum::serve(listener, bare()).await?)
}

pub(super) async fn run() -> Result<()> {
    ensure!(needs::has(&["redis"]), "redis-server is not installed");
    let requests: Arc<Vec<Vec<u8>>> = Arc::new((0..REQUESTS).map(request).collect());
    let mut rounds = Rounds::default();
    for _ in 0..Rounds::COUNT {
        let folder = tempfile::tempdir()?;
        let redis = RedisServer::start(&folder.path().join("redis"), &["--appendfsync", "everysec"]).await?;
        let (process, port) = page(folder.path(), &redis.url(), "").await?;
        rounds.ours.push(measure(&process, port, &requests).await?);
        let (process, port) = own(folder.path(), FLOOR).await?;
        rounds.floor.push(measure(&process, port, &requests).await?);
    }
    rounds.report("webhooks, HTTP", 0.5);
    let ours = median(&rounds.ours);
    beside(ours, "webhooks.mjs", "fastify", 1.7, &requests).await;
    beside(ours, "webhooks.py", "FastAPI", 8.0, &requests).await;
    steady(&requests).await
}

/// One row against a peer; says so where it cannot be had.
async fn beside(ours: Figure, file: &str, name: &str, goal: f64, requests: &Arc<Vec<Vec<u8>>>) {
    let rounds = async {
        let mut figures = Vec::new();
        for _ in 0..Rounds::COUNT {
            let folder = tempfile::tempdir()?;
            let peer = peers::start(file, folder.path(), &[SECRET]).await?;
            figures.push(measure(&peer.process, peer.port, requests).await?);
        }
        anyhow::Ok(median(&figures))
    };
    match rounds.await {
        Ok(theirs) => line(&format!("  × {name}"), ours, theirs.rate, theirs.cpu, goal),
        Err(error) => println!("  × {name}: no comparison: {error:#}"),
    }
}

async fn measure(process: &Process, port: u16, requests: &Arc<Vec<Vec<u8>>>) -> Result<Figure> {
    let watch = Watch::on(process.id().to_string())?;
    flood(port, requests).await?;
    watch.stop(requests.len())
}

/// G02: 500 requests a second while everything that was accepted is triaged and forwarded.
async fn steady(requests: &Arc<Vec<Vec<u8>>>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let redis = RedisServer::start(&folder.path().join("redis"), &["--appendfsync", "everysec"]).await?;
    let core = Core::start().await?;
    let desk = format!("[core]\nurl = \"{}\"\nsecret = \"file:core-secret\"\n", core.url());
    let (process, port) = page(folder.path(), &redis.url(), &desk).await?;
    let watch = Watch::on(process.id().to_string())?;
    let count = (STEADY * SECONDS).min(requests.len());
    let bodies = Arc::clone(requests);
    let mut times = paced(port, STEADY, count, move |mut line, number, due| {
        let bodies = Arc::clone(&bodies);
        async move {
            line.ask(bodies.get(number).context("no request")?).await?;
            Ok((line, due.elapsed()))
        }
    })
    .await?;
    let waited = Instant::now();
    while core.taken() < count && waited.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let cpu = watch.stop(count)?.cpu;
    let p99 = percentile(&mut times, 0.99);
    let verdict = if p99 <= 200.0 { "reached" } else { "MISSED" };
    println!(
        "webhooks, steady   {STEADY}/s: p99 {p99:.0} ms (goal 200) {verdict}; {} of {count} at the core {:.1} s after the last; \
         CPU {cpu:.0} µs each, triage and forwarding included",
        core.taken(),
        waited.elapsed().as_secs_f64()
    );
    Ok(())
}

/// The whole bytes of request `number`.
fn request(number: usize) -> Vec<u8> {
    let (body, signature) = signed(number);
    let head = format!(
        "POST /hooks/page HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
         X-Hub-Signature-256: {signature}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

/// A gateway with a page's inbox; where it listens.
async fn page(folder: &Path, store: &str, more: &str) -> Result<(Process, u16)> {
    let inbox = "[inbox.page.social.messenger]\napp_secret = \"file:secret\"\nverify_token = \"file:secret\"\n\
         access_token = \"file:secret\"\napi_base = \"http://127.0.0.1:1\"\n";
    let secrets = [("secret", SECRET), ("core-secret", core::SECRET)];
    gateway(folder, "page", store, &secrets, &format!("{more}{inbox}")).await
}
