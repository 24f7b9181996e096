//! Requests over kept connections: as fast as they are answered, or at their times.

use anyhow::{Context as _, Result, ensure};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How many connections there are.
const CONNECTIONS: usize = 64;

/// A kept connection to a server of ours.
pub(crate) struct Line {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl Line {
    pub(crate) async fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, heard: Vec::with_capacity(4096) })
    }

    /// Sends one request and reads its answer, which must be a 2xx and name its length; the body.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<&[u8]> {
        self.stream.write_all(request).await?;
        self.heard.clear();
        let mut piece = [0; 4096];
        loop {
            let read = self.stream.read(&mut piece).await?;
            ensure!(read > 0, "the server hung up");
            self.heard.extend_from_slice(piece.get(..read).unwrap_or_default());
            let Some(head) = self.heard.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
            let text =
                String::from_utf8_lossy(self.heard.get(..head).unwrap_or_default()).to_ascii_lowercase();
            ensure!(text.starts_with("http/1.1 2"), "{text}");
            let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length = match length {
                Some(length) => length.trim().parse::<usize>()?,
                None if text.starts_with("http/1.1 204") => 0,
                None => anyhow::bail!("no length: {text}"),
            };
            if self.heard.len() >= head + 4 + length {
                return self.heard.get(head + 4..head + 4 + length).context("the body");
            }
        }
    }
}

/// Sends all requests, 64 at a time.
pub(crate) async fn flood(port: u16, requests: &Arc<Vec<Vec<u8>>>) -> Result<()> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (requests, next) = (Arc::clone(requests), Arc::clone(&next));
        callers.spawn(async move {
            let mut line = Line::open(port).await?;
            while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                line.ask(request).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller??;
    }
    Ok(())
}

/// Begins `count` pieces of work at `rate` a second, whether or not those before are done (while a connection is free); what
/// `work` gives back for each, which is told the time it was due.
pub(crate) async fn paced<F, W, T>(port: u16, rate: usize, count: usize, work: F) -> Result<Vec<T>>
where
    F: Fn(Line, usize, Instant) -> W + Clone + Send + 'static,
    W: Future<Output = Result<(Line, T)>> + Send,
    T: Send + 'static,
{
    let (next, started) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let mut callers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (next, work) = (Arc::clone(&next), work.clone());
        callers.spawn(async move {
            let (mut line, mut all) = (Line::open(port).await?, Vec::new());
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return anyhow::Ok(all);
                }
                let due = started + Duration::from_secs_f64(number as f64 / rate as f64);
                tokio::time::sleep_until(due.into()).await;
                let done;
                (line, done) = work(line, number, due).await?;
                all.push(done);
            }
        });
    }
    let mut all = Vec::with_capacity(count);
    while let Some(one) = callers.join_next().await {
        all.extend(one??);
    }
    Ok(all)
}

/// The time that `share` of all stayed below, in milliseconds.
pub(crate) fn percentile(times: &mut [Duration], share: f64) -> f64 {
    times.sort();
    times.get((times.len() as f64 * share) as usize).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}
