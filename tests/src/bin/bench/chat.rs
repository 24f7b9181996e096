//! Chat: what an idle session costs in memory and how fast they come, and what a message of a thousand busy sessions costs; against
//! a bare echo over the same WebSocket library with the same small buffers, and against a `ws` server of Node that keeps
//! everything in Redis too. Every server is a process of its own.

mod active;
mod idle;
mod sockets;

pub(crate) use sockets::{ECHO, echo};

use anyhow::Result;

/// Measures; goals: 4 KB a session, twice Node's rate of opening, CPU a message at most 1.3 of a bare echo plus one accept and
/// 0.7 of Node's.
pub(crate) async fn run() -> Result<()> {
    idle::run().await?;
    active::run().await
}
