//! Free ports on the loopback address.

use anyhow::{Context, Result};
use std::net::TcpListener;
use std::sync::{LazyLock, Mutex, PoisonError};

/// A port that nobody listens on and that this process has not given out before.
///
/// # Errors
/// Where the system has none left.
pub fn free() -> Result<u16> {
    static GIVEN: LazyLock<Mutex<Vec<u16>>> = LazyLock::new(Mutex::default);
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("take a free port")?;
        let port = listener.local_addr().context("ask for the port")?.port();
        if !given.contains(&port) {
            given.push(port);
            return Ok(port);
        }
    }
}
