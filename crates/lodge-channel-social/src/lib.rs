//! Social networks and messengers: webhooks in, send APIs out.
//!
//! [`SocialSettings`] is the door. A provider is one file in `providers/`: its settings, how it signs, what its bodies say
//! ([`heard::Heard`]) and how it is spoken to. Everything else is the same for all of them and stands beside: contacts and
//! their threads (`contact`), the way from a body to the hallway (`desk`), files (`media`), what we sent (`outbox`), the way
//! back (`replier`), looking for news where a provider calls nobody (`watch`), and what providers of telephone numbers share (`numbers`).
#![warn(missing_docs)]

mod config;
mod contact;
mod desk;
mod door;
pub mod heard;
mod json;
mod media;
mod names;
mod numbers;
mod outbox;
mod pace;
mod providers;
mod replier;
mod speech;
mod split;
mod watch;

pub use config::{LongText, SocialSettings, UnsendableFiles};
pub use providers::{PROVIDERS, matrix, scratch};
pub use watch::{Next, WatchError, Watcher};

/// A commented example of a social inbox's table.
pub const EXAMPLE: &str = include_str!("../example.toml");
