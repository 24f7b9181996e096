//! The one place of the rig that asks what time it is.

use jiff::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering};

/// Now, by this machine's clock.
#[expect(clippy::disallowed_methods, reason = "the rig stands outside the house, where time is real")]
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// `then` as a mail writes it (RFC 5322, 3.3).
#[must_use]
pub fn mail_date(then: Timestamp) -> String {
    then.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// A text that no other call in this process, nor another process of today, gives.
#[must_use]
pub fn unique() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{:x}.{:x}.{count}", now().as_microsecond(), std::process::id())
}
