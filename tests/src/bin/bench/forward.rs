//! Posting ticket events to a core that says yes at once, against a bare client that posts the same bodies, signed before.

use crate::measure::{Rounds, Watch};
use crate::sample::RealClock;
use anyhow::Result;
use bytes::Bytes;
use lodge_domain::ports::TicketSink;
use lodge_domain::{EnvelopeId, EventId};
use lodge_e2e::{clock, core};
use lodge_ticketing::sink::{SinkSettings, WebhookSink};
use secrecy::SecretString;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const EVENTS: usize = 20_000;
const TOGETHER: usize = 64;

/// Measures; goal: 0.7 of the bare client.
pub(crate) async fn run() -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}/lodge", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(agree(stream));
        }
    });
    let body =
        Bytes::from(format!("{{\"schema\":\"lodge.ticket-event.v1\",\"text\":\"{}\"}}", "x".repeat(1450)));
    let ids: Vec<EventId> = (0..EVENTS).map(id).collect();
    let secret = SecretString::from(core::SECRET);
    let sink =
        Arc::new(WebhookSink::new(&SinkSettings::new(url.parse()?, vec![secret]), Arc::new(RealClock))?);
    let client = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
    let ids = Arc::new(ids);
    let mut rounds = Rounds::default();
    for _ in 0..Rounds::COUNT {
        let at = clock::now().as_second();
        let signed: Arc<Vec<String>> =
            Arc::new(ids.iter().map(|id| core::sign(core::SECRET, id.as_str(), at, &body)).collect());
        let watch = Watch::start()?;
        let (bare, to, bytes, names) = (client.clone(), url.clone(), body.clone(), Arc::clone(&ids));
        each(move |number| {
            let (request, names, signed) =
                (bare.post(&to).body(bytes.clone()), Arc::clone(&names), Arc::clone(&signed));
            async move {
                let (id, signature) = (names.get(number), signed.get(number));
                let request = request
                    .header("webhook-id", id.map_or("", |id| id.as_str()))
                    .header("webhook-timestamp", at);
                let request = request.header("webhook-signature", signature.map_or("", String::as_str));
                request.header("content-type", "application/json").send().await?.bytes().await?;
                Ok(())
            }
        })
        .await?;
        rounds.floor.push(watch.stop(EVENTS)?);
        let watch = Watch::start()?;
        let (sink, bytes, names) = (Arc::clone(&sink), body.clone(), Arc::clone(&ids));
        each(move |number| {
            let (sink, body, names) = (Arc::clone(&sink), bytes.clone(), Arc::clone(&names));
            async move {
                if let Some(id) = names.get(number) {
                    sink.forward(id, body).await?;
                }
                Ok(())
            }
        })
        .await?;
        rounds.ours.push(watch.stop(EVENTS)?);
    }
    rounds.report("forward", 0.7);
    Ok(())
}

fn id(number: usize) -> EventId {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    EnvelopeId::of_contact(&seed)
}

/// Runs `act` for every event, so many at a time.
async fn each<F, A>(act: F) -> Result<()>
where
    F: Fn(usize) -> A + Clone + Send + 'static,
    A: Future<Output = Result<()>> + Send,
{
    let next = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..TOGETHER {
        let (act, next) = (act.clone(), Arc::clone(&next));
        callers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= EVENTS {
                    return anyhow::Ok(());
                }
                act(number).await?;
            }
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller??;
    }
    Ok(())
}

/// Answers every request with an empty 200 as soon as its body is there.
async fn agree(mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let (mut waiting, mut piece) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        let read = stream.read(&mut piece).await?;
        if read == 0 {
            return Ok(());
        }
        waiting.extend_from_slice(piece.get(..read).unwrap_or_default());
        while let Some(length) = whole_request(&waiting) {
            waiting.drain(..length);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await?;
        }
    }
}

/// The length of the first request, where it is there whole.
fn whole_request(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(bytes.get(..head)?).to_ascii_lowercase();
    let length =
        text.lines().find_map(|line| line.strip_prefix("content-length:"))?.trim().parse::<usize>().ok()?;
    (bytes.len() >= head + length).then_some(head + length)
}
