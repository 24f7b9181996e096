//! Sets logs up: JSON lines on standard error, or text where a person reads along.

use tracing_subscriber::{EnvFilter, fmt};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Text; control characters are escaped.
    Text,
}

/// Libraries that would log secrets or customers' words at their finest levels are held at `info` whatever is asked.
const HELD: [&str; 4] = ["async_imap=info", "imap_proto=info", "lettre=info", "hyper=info"];

/// Starts logging at `filter` (such as `info` or `lodge=debug`); an unreadable filter becomes `info`.
///
/// Answers whether this call set it up; a second call changes nothing.
pub fn start(format: LogFormat, filter: &str) -> bool {
    let mut directives = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    for held in HELD {
        if let Ok(directive) = held.parse() {
            directives = directives.add_directive(directive);
        }
    }
    let base = fmt().with_env_filter(directives).with_writer(std::io::stderr);
    match format {
        LogFormat::Json => base.json().flatten_event(true).try_init().is_ok(),
        LogFormat::Text => base.with_target(false).try_init().is_ok(),
    }
}
