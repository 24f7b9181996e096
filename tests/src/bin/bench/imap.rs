//! From a full mailbox to accepted contacts, by the built gateway, against draining the same mailbox over a bare socket
//! and against understanding alone: whichever of the two is slower is the limit.

use crate::measure::{Figure, Rounds, Watch, line, median};
use crate::sample;
use anyhow::{Context, Result, ensure};
use lodge_channel_email::understand::understand;
use lodge_e2e::{House, Plan, Store, dovecot};
use std::hint::black_box;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const MAILS: usize = 4_000;

/// Measures; goal: 0.8 of the slower of fetching and understanding on all cores.
pub(crate) async fn run() -> Result<()> {
    let mut rounds = Rounds::default();
    let mut understood = Vec::new();
    for _ in 0..Rounds::COUNT {
        let mut plan = Plan::on(Store::Embedded);
        plan.core = false;
        let Some(house) = House::build(plan).await? else { anyhow::bail!("dovecot is not installed") };
        for number in 0..MAILS {
            house.dovecot.deliver_bytes("support", &sample::mail(number))?;
        }
        drain(house.dovecot.port()).await?;
        let watch = Watch::start()?;
        drain(house.dovecot.port()).await?;
        rounds.floor.push(watch.stop(MAILS)?);
        understood.push(understanding()?);
        rounds.ours.push(ingestion(&house).await?);
    }
    let (ours, fetch, parse) = (median(&rounds.ours), median(&rounds.floor), median(&understood));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as f64;
    line("imap", ours, fetch.rate.min(parse.rate * cores), fetch.cpu, 0.8);
    println!(
        "{:<18} fetch alone {:.0}/s, understanding alone {:.0}/s a core, {cores} cores",
        "", fetch.rate, parse.rate
    );
    Ok(())
}

fn understanding() -> Result<Figure> {
    let mails: Vec<_> = (0..500).map(sample::mail).collect();
    let (around, arrival) = (sample::surroundings()?, sample::arrival());
    let watch = Watch::start()?;
    for raw in &mails {
        black_box(understand(raw, &arrival, &around));
    }
    watch.stop(mails.len())
}

async fn ingestion(house: &House) -> Result<Figure> {
    let gateway = house.launch("")?;
    let watch = Watch::on(gateway.id().to_string())?;
    let desk = house.desk()?;
    loop {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let Ok(heard) = desk.look("/metrics").await else { continue };
        let text = heard.body.as_str().unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("lodge_contacts_accepted_total{"));
        let accepted =
            line.and_then(|line| line.rsplit_once(' ')).and_then(|(_, count)| count.parse::<usize>().ok());
        if accepted.is_some_and(|accepted| accepted >= MAILS) {
            return watch.stop(MAILS);
        }
    }
}

/// Reads the whole mailbox and throws it away.
async fn drain(port: u16) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let commands = format!("a LOGIN support {}\r\nb SELECT INBOX\r\n", dovecot::PASSWORD);
    stream.write_all(commands.as_bytes()).await?;
    until(&mut stream, b"\r\nb OK").await?;
    stream.write_all(b"c UID FETCH 1:* (UID FLAGS BODY.PEEK[])\r\n").await?;
    until(&mut stream, b"\r\nc OK").await
}

async fn until(stream: &mut TcpStream, end: &[u8]) -> Result<()> {
    let mut piece = vec![0; 256 * 1024];
    let mut tail: Vec<u8> = Vec::new();
    loop {
        let read = stream.read(&mut piece).await?;
        ensure!(read > 0, "the server hung up");
        tail.extend_from_slice(piece.get(..read).context("a piece")?);
        if tail.windows(end.len()).any(|window| window == end) {
            return Ok(());
        }
        tail.drain(..tail.len().saturating_sub(end.len()));
    }
}
