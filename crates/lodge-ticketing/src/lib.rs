//! Speaks with the core ticket service both ways: signed events out, signed commands in.
//!
//! Start reading at [`signature`] (one scheme for both directions), then [`sink`] (events out), [`commands`] (calls of
//! the core) and [`links`] (signed links to originals that stand in events). Here never lives a decision about contacts:
//! commands go through the port, and the pipeline decides what is forwarded when.
#![warn(missing_docs)]

pub mod commands;
pub mod links;
mod names;
pub mod signature;
pub mod sink;

pub use commands::{CommandsState, openapi, router};
pub use links::{BlobLinks, LinkTarget, blob_router};
pub use signature::{SigningSecrets, Verified};
pub use sink::{ProbeReport, SinkSettings, WebhookSink};
