//! The default durable store: one SQLite file, one writer thread, grouped commits.
//!
//! [`schema`] is every table on one page, [`writer`] turns concurrent calls into few commits, the file of each port says
//! how it is answered from the tables. The rules of accept stand in `accept.rs`, in the order of the port's contract.
//! Here never live channels, triage, or a network.
#![warn(missing_docs)]

mod accept;
mod budgets;
mod codec;
mod dead_letters;
mod effects;
mod enqueue;
mod error;
mod feed;
mod folder;
mod forget;
mod housekeeping;
mod inbox_state;
mod leases;
mod ledger;
mod readers;
mod schema;
mod signals;
mod store;
mod timelines;
mod work;
mod writer;

pub use error::OpenError;
pub use store::{EmbeddedStore, Options};
