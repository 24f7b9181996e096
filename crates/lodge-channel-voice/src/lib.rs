//! Telephone calls: dialogues spoken over the webhooks of telephony providers.
//!
//! A call is one contact, whatever it brings and in whatever order: filed when the dialogue confirms it or the call ends,
//! and supplemented by recordings, transcripts and the final state. [`dialogue`] is what is said and asked, pure and without
//! any provider; a file in `providers/` speaks one provider's language; `desk` joins them. Start reading at [`dialogue`].
#![warn(missing_docs)]

pub mod dialogue;

mod calls;
mod config;
mod contact;
mod desk;
mod dialect;
mod documents;
mod door;
mod dues;
mod filing;
mod markup;
mod misdirected;
mod networks;
mod outward;
mod places;
mod providers;
mod recordings;
mod replier;
mod stream;
mod streams;
#[cfg(test)]
mod tests;
mod tickets;
mod uploads;
mod wav;

pub use providers::*;

/// A commented example of `[inbox.NAME.voice]`.
pub const EXAMPLE: &str = include_str!("../example.toml");
