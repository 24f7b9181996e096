//! What tests of the mail door share: a house around one inbox, a real Dovecot, a scripted IMAP and a scripted SMTP server.
//! Everything listens on 127.0.0.1 and ends with the test.
#![expect(dead_code, reason = "each test program uses its own part of the rig")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what a rig cannot do fails the test")]

pub(crate) mod dovecot;
pub(crate) mod house;
pub(crate) mod imap;
pub(crate) mod mail;
pub(crate) mod smtp;
pub(crate) mod trap;

use std::time::{Duration, Instant};

/// Waits until `ready` holds; fails with `what` after 20 s.
pub(crate) async fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let started = Instant::now();
    while !ready() {
        assert!(started.elapsed() < Duration::from_secs(20), "in vain waited: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
