//! Events out: a signed webhook to the core. Never decides when to try again, and never logs a body.

mod answer;
mod settings;
mod webhook;

pub(crate) use answer::is_ticket;
pub use settings::{SinkError, SinkSettings};
pub use webhook::{ProbeReport, WebhookSink};
