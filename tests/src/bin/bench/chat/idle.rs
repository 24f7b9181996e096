//! Sessions that are only there.

use super::sockets::{LODGE, PEER, Socket, many, website};
use crate::peers;
use anyhow::{Context as _, Result};
use lodge_e2e::{RedisServer, needs};
use std::time::{Duration, Instant};

const SESSIONS: usize = 15_000;
const STEP: usize = 5_000;
/// How many come first, so that what a process needs once is not counted to them.
const WARM: usize = 1_000;

/// What sessions cost a process.
struct Cost {
    each: f64,
    steps: Vec<f64>,
    rate: f64,
}

pub(super) async fn run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (process, port) = website(folder.path(), "one", "embedded:store").await?;
    let ours = fill(process.id(), port, LODGE, SESSIONS).await?;
    drop(process);
    report("chat idle", &ours, Some(4096.0));
    match peers::start("chat.mjs", folder.path(), &[]).await {
        Ok(node) => {
            let theirs = fill(node.process.id(), node.port, PEER, SESSIONS).await?;
            report("  ws of Node", &theirs, None);
            let (rate, bytes) = (ours.rate / theirs.rate, ours.each / theirs.each);
            let verdict = if rate >= 2.0 { "reached" } else { "MISSED" };
            println!(
                "chat idle          opened {rate:.2} × as fast as ws (goal 2.00) {verdict}, {bytes:.2} of its memory"
            );
        }
        Err(error) => println!("chat idle          no comparison with Node: {error:#}"),
    }
    if needs::has(&["redis"]) {
        several(folder.path()).await?;
    }
    Ok(())
}

/// Two gateways that share one Redis, with half of the sessions each.
async fn several(folder: &std::path::Path) -> Result<()> {
    let redis = RedisServer::start(&folder.join("redis"), &["--appendfsync", "everysec"]).await?;
    let (left, left_port) = website(folder, "left", &redis.url()).await?;
    let (right, right_port) = website(folder, "right", &redis.url()).await?;
    let before = resident(redis.id())?;
    let (one, two) = tokio::try_join!(
        fill(left.id(), left_port, LODGE, SESSIONS / 2),
        fill(right.id(), right_port, LODGE, SESSIONS / 2)
    )?;
    report("  left, on Redis", &one, Some(4096.0));
    report("  right, on Redis", &two, Some(4096.0));
    let kept = (resident(redis.id())? - before) / SESSIONS as f64;
    println!(
        "chat idle          two gateways on one Redis, which keeps {kept:.0} bytes for each silent session"
    );
    Ok(())
}

async fn fill(process: u32, port: u16, path: &'static str, sessions: usize) -> Result<Cost> {
    let mut open: Vec<Socket> = Vec::with_capacity(sessions);
    open.extend(many(port, path, WARM).await?);
    settle().await;
    let first = resident(process)?;
    let (mut before, mut opening, mut steps) = (first, Duration::ZERO, Vec::new());
    while open.len() < sessions {
        let more = STEP.min(sessions - open.len());
        let started = Instant::now();
        open.extend(many(port, path, more).await?);
        opening += started.elapsed();
        settle().await;
        let now = resident(process)?;
        steps.push((now - before) / more as f64);
        before = now;
    }
    let count = (sessions - WARM) as f64;
    Ok(Cost { each: (before - first) / count, steps, rate: count / opening.as_secs_f64() })
}

async fn settle() {
    tokio::time::sleep(Duration::from_millis(500)).await;
}

fn report(name: &str, cost: &Cost, goal: Option<f64>) {
    let steps: Vec<String> = cost.steps.iter().map(|bytes| format!("{bytes:.0}")).collect();
    let verdict = match goal {
        Some(goal) if cost.each <= goal => " (goal 4096) reached",
        Some(_) => " (goal 4096) MISSED",
        None => "",
    };
    println!(
        "{name:<18} {:.0} bytes a session{verdict}; by step {}; {:.0} opened/s, hello included",
        cost.each,
        steps.join(", "),
        cost.rate
    );
}

/// Resident memory of a process in bytes (proc(5)).
fn resident(process: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).context("read the memory")?;
    let row = status.lines().find_map(|row| row.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(row.trim().trim_end_matches(" kB").trim().parse::<f64>()? * 1024.0)
}
