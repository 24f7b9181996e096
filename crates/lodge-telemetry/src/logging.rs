//! Sets logs up: JSON lines on standard error, or text where a person reads along.

use crate::sampling::Sampler;
use std::sync::Arc;
use std::time::Instant;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

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

/// Starts logging at `filter` (such as `info` or `lodge=debug`); an unreadable filter becomes `info`. What says the same
/// more than `repeats` times a minute is left out (0: nothing is).
///
/// Answers what tells how much was left out, if this call set it up; a second call changes nothing.
pub fn start(format: LogFormat, filter: &str, repeats: u64) -> Option<Sampler> {
    let mut directives = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    for held in HELD {
        if let Ok(directive) = held.parse() {
            directives = directives.add_directive(directive);
        }
    }
    let begun = Instant::now();
    let sampler = Sampler::new(repeats, Arc::new(move || begun.elapsed()));
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Text => lines.with_target(false).boxed(),
    };
    let begun = tracing_subscriber::registry().with(directives).with(sampler.clone()).with(lines).try_init();
    begun.is_ok().then_some(sampler)
}
