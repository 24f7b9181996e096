//! The hallway: accept, triage, deliver.
//!
//! Doors hand contacts to [`Pipeline::intake`]; durable work then carries each through triage to the core and, as an
//! acknowledgment, back to its sender; [`Pipeline::commands`] takes over what the core asks for. Here never live the words
//! of one channel or provider, HTTP, or a database: everything foreign is behind a port of `lodge-domain`.
//!
//! Start reading at [`pipeline`], then [`worker`] (the one loop), then `triage`, `forward` and `reply` (what it does).
#![warn(missing_docs)]

pub mod acknowledge;
mod allowance;
mod answered;
mod burst;
pub mod circuit;
pub mod commands;
mod continuity;
pub mod dead_letter;
mod events;
mod forward;
pub mod health;
mod intake;
pub mod mask;
mod outbound;
pub mod parts;
pub mod pipeline;
pub mod preview;
mod reply;
mod report;
pub mod retention;
pub mod schedule;
pub mod settings;
mod supplement;
pub mod templates;
mod triage;
pub mod worker;

pub use dead_letter::DeadLetterDesk;
pub use health::LaneReport;
pub use parts::{Facets, Links, NoLinks, Parts};
pub use pipeline::Pipeline;
pub use preview::{founding_envelope, preview};
pub use settings::{
    AcknowledgmentSettings, AllowanceSettings, Audience, InboxFacts, Limits, Live, RetentionSettings,
    Settings,
};
pub use templates::{TemplateProblem, Templates};
