//! Measures the gateway's parts against their floors: the same work by the bare library, in the same run, in turns.
//!
//! Rates on a shared machine swing; the ratio of two that were taken in turns is steady. Nothing here ever fails a build:
//! a missed goal is printed as such.

mod accept_embedded;
mod accept_redis;
mod chat;
mod forward;
mod imap;
mod load;
mod measure;
mod parse;
mod peers;
mod sample;
mod servers;
mod voice;
mod webhooks;

use anyhow::Result;
use mimalloc::MiMalloc;

/// The gateway's own (ADR 0014), so that no ratio to a bare server praises the allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const BENCHES: &[&str] =
    &["parse", "accept-embedded", "accept-redis", "forward", "imap", "webhooks", "chat", "voice"];

#[tokio::main]
async fn main() -> Result<()> {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    match asked.as_slice() {
        [name, port] if name == chat::ECHO => return chat::echo(port.parse()?).await,
        [name, port] if name == webhooks::FLOOR => return webhooks::floor(port.parse()?).await,
        [name, port] if name == voice::FLOOR => return voice::floor(port.parse()?).await,
        _ => {}
    }
    if let Some(unknown) = asked.iter().find(|name| !BENCHES.contains(&name.as_str())) {
        anyhow::bail!("there is no bench `{unknown}`; there are: {}", BENCHES.join(", "));
    }
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build: figures mean nothing; use `cargo xtask bench`");
    }
    measure::title();
    for name in BENCHES.iter().filter(|name| asked.is_empty() || asked.iter().any(|ask| ask == *name)) {
        let outcome = match *name {
            "parse" => parse::run(),
            "accept-embedded" => accept_embedded::run().await,
            "accept-redis" => accept_redis::run().await,
            "forward" => forward::run().await,
            "imap" => imap::run().await,
            "chat" => chat::run().await,
            "voice" => voice::run().await,
            _ => webhooks::run().await,
        };
        if let Err(error) = outcome {
            println!("{name:<18} could not be measured: {error:#}");
        }
    }
    Ok(())
}
