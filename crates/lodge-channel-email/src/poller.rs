//! Reads a mailbox: one task an inbox, one holder a mailbox among all gateways.
//!
//! The order that loses nothing: fetched, counted (crash point C4), understood, blobs kept, accepted by the hallway, cursor
//! written, flagged, moved. A crash between any two is made good by the next session. Nothing is flagged, moved or deleted
//! before the hallway has accepted it (A08), and `\Seen` decides nothing (A07).

mod after;
mod cursor;
mod fetch;
mod filing;
mod gather;
mod lease;
mod outcome;
mod pace;
mod plan;
mod quarantine;
pub(crate) mod stub;
mod sync;
mod task;

pub(crate) use task::{Mailbox, task};
