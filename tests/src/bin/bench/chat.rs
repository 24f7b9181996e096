//! Chat: what an idle session costs in memory and how fast they come, and what a message of a thousand busy sessions costs, against a
//! bare echo over the same WebSocket library with the same small buffers. The gateway is a process of its own.

use crate::measure::{Figure, Rounds, Watch, line, median};
use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use lodge_e2e::process::{Process, listening};
use lodge_e2e::{chat::ORIGIN, gateway, ports};
use serde_json::json;
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, accept_async_with_config, client_async_with_config};

const IDLE: usize = 15_000;
const STEP: usize = 5_000;
const ACTIVE: usize = 1_000;
const MESSAGES: usize = 10;
/// The argument by which this program is an echo server instead.
pub(crate) const ECHO: &str = "chat-echo";

type Socket = WebSocketStream<TcpStream>;

fn small() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(1024).write_buffer_size(0).max_write_buffer_size(1 << 18)
}

/// Measures; goals: 4 KB a session, CPU a message at most 1.3 of a bare echo plus one accept.
pub(crate) async fn run() -> Result<()> {
    idle().await?;
    active().await
}

/// An echo server on `port`, until it is killed.
pub(crate) async fn echo(port: u16) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let Ok(mut socket) = accept_async_with_config(stream, Some(small())).await else { return };
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() && socket.send(message).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// A gateway with a chat inbox and the embedded store; where it listens.
async fn gateway_on(folder: &std::path::Path) -> Result<(Process, u16)> {
    let (listen, internal) = (ports::free()?, ports::free()?);
    let text = format!(
        "[log]\nlevel = \"warn\"\n[server]\nlisten = \"127.0.0.1:{listen}\"\ninternal = \"127.0.0.1:{internal}\"\n\
         public_url = \"http://127.0.0.1:{listen}\"\n[store]\nurl = \"embedded:store\"\n[blobs]\nurl = \"file:blobs\"\n\
         [limits]\nburst = 0\n[acknowledgment]\nenabled = false\n[queue.general]\nfallback = true\n\
         [inbox.website.chat]\norigins = [\"{ORIGIN}\"]\nsessions_per_address = 1000000\n\
         sockets_per_address = 1000000\nmessages = 1000\n"
    );
    let config = folder.join("lodge.toml");
    std::fs::write(&config, text)?;
    let mut command = Command::new(gateway::binary()?);
    command.args(["run", "--config"]).arg(&config);
    let mut process = Process::start(&mut command, &folder.join("log"))?;
    listening(&mut process, listen).await?;
    Ok((process, listen))
}

async fn open(port: u16, path: &str) -> Result<Socket> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let mut request = format!("ws://127.0.0.1:{port}{path}").into_client_request()?;
    request.headers_mut().insert("origin", HeaderValue::from_static(ORIGIN));
    if !path.is_empty() {
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("lodge.chat.v1"));
    }
    let (socket, _) = client_async_with_config(request, stream, Some(small())).await?;
    Ok(socket)
}

/// A session that said hello and was welcomed.
async fn session(port: u16) -> Result<Socket> {
    let mut socket = open(port, "/chat/website").await?;
    socket.send(Message::text(r#"{"t":"hello"}"#)).await?;
    let welcome = socket.next().await.context("no welcome")??;
    anyhow::ensure!(welcome.to_text()?.contains("\"welcome\""), "{welcome}");
    Ok(socket)
}

/// Resident memory of a process in bytes (proc(5)).
fn resident(process: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).context("read the memory")?;
    let row = status.lines().find_map(|row| row.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(row.trim().trim_end_matches(" kB").trim().parse::<f64>()? * 1024.0)
}

async fn many(port: u16, count: usize, at_a_time: usize) -> Result<Vec<Socket>> {
    let mut sockets = Vec::with_capacity(count);
    let mut opening = JoinSet::new();
    let mut begun = 0;
    while sockets.len() < count {
        while begun < count && opening.len() < at_a_time {
            opening.spawn(session(port));
            begun += 1;
        }
        sockets.push(opening.join_next().await.context("nothing opens")???);
    }
    Ok(sockets)
}

async fn idle() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (gateway, port) = gateway_on(folder.path()).await?;
    let mut open = Vec::with_capacity(IDLE);
    // The first thousand warm the process up.
    open.extend(many(port, 1000, 64).await?);
    let mut before = resident(gateway.id())?;
    let first = before;
    let started = Instant::now();
    let mut slopes = Vec::new();
    while open.len() < IDLE {
        let more = STEP.min(IDLE - open.len());
        open.extend(many(port, more, 64).await?);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = resident(gateway.id())?;
        slopes.push((now - before) / more as f64);
        before = now;
    }
    let rate = (IDLE - 1000) as f64 / started.elapsed().as_secs_f64();
    let each = (before - first) / (IDLE - 1000) as f64;
    let verdict = if each <= 4096.0 { "reached" } else { "MISSED" };
    let slopes: Vec<String> = slopes.iter().map(|slope| format!("{slope:.0}")).collect();
    println!(
        "chat idle          {IDLE} sessions: {each:.0} bytes each (goal 4096) {verdict}; by step {}; {rate:.0} opened/s, hello included",
        slopes.join(", ")
    );
    Ok(())
}

/// A thousand sessions that each say something and wait, again and again; the times they waited.
async fn talk(sockets: Vec<Socket>, lodge: bool) -> Result<Vec<Duration>> {
    let mut talking = JoinSet::new();
    for (number, mut socket) in sockets.into_iter().enumerate() {
        talking.spawn(async move {
            let mut waits = Vec::with_capacity(MESSAGES);
            for at in 0..MESSAGES {
                let text = "My lamp flickers when it rains. ".repeat(4);
                let frame = json!({"t": "message", "id": format!("{number}-{at}"), "text": text}).to_string();
                let begun = Instant::now();
                socket.send(Message::text(frame)).await?;
                loop {
                    let answer = socket.next().await.context("the socket ended")??;
                    if answer.is_text() && (!lodge || answer.to_text()?.contains("\"accepted\"")) {
                        break;
                    }
                    if answer.is_text() && answer.to_text()?.contains("\"error\"") {
                        bail!("refused: {answer}");
                    }
                }
                waits.push(begun.elapsed());
            }
            anyhow::Ok(waits)
        });
    }
    let mut all = Vec::new();
    while let Some(waits) = talking.join_next().await {
        all.extend(waits??);
    }
    all.sort();
    Ok(all)
}

async fn active() -> Result<()> {
    let mut rounds = Rounds::default();
    let mut waits = Vec::new();
    for _ in 0..Rounds::COUNT {
        let folder = tempfile::tempdir()?;
        let (gateway, port) = gateway_on(folder.path()).await?;
        let sockets = many(port, ACTIVE, 64).await?;
        let watch = Watch::on(gateway.id().to_string())?;
        waits = talk(sockets, true).await?;
        rounds.ours.push(watch.stop(ACTIVE * MESSAGES)?);
        drop(gateway);
        let port = ports::free()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args([ECHO, &port.to_string()]);
        let mut echo = Process::start(&mut command, &folder.path().join("echo.log"))?;
        listening(&mut echo, port).await?;
        let mut sockets = Vec::with_capacity(ACTIVE);
        for _ in 0..ACTIVE {
            sockets.push(open(port, "").await?);
        }
        let watch = Watch::on(echo.id().to_string())?;
        talk(sockets, false).await?;
        rounds.floor.push(watch.stop(ACTIVE * MESSAGES)?);
    }
    let at = |share: f64| waits.get((waits.len() as f64 * share) as usize).copied().unwrap_or_default();
    let (ours, floor): (Figure, Figure) = (median(&rounds.ours), median(&rounds.floor));
    line("chat active", ours, floor.rate, floor.cpu, 0.0);
    println!(
        "chat active        {ACTIVE} sessions, each message durable before it is accepted: p50 {:.0} ms, p99 {:.0} ms",
        at(0.5).as_secs_f64() * 1e3,
        at(0.99).as_secs_f64() * 1e3
    );
    Ok(())
}
