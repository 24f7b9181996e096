//! Free ports on the loopback address, below those that the system gives to outgoing connections: a gateway that is killed
//! and started again must find its port as it left it.

use anyhow::{Result, bail};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// Ports that are given out: above those of well-known services, below Linux' range for outgoing connections (32768 up).
const FIRST: u32 = 12_000;
const COUNT: u32 = 20_000;

/// A port that nobody listens on and that this process has not given out before.
///
/// # Errors
/// Where there is none left.
pub fn free() -> Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Processes that run at the same time begin at different places.
    let start = std::process::id().wrapping_mul(7_919);
    for _ in 0..COUNT {
        let at = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST + at % COUNT).unwrap_or_default();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free")
}
