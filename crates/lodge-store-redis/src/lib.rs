//! The store ports over Redis 7.0 or later; each atomic step is one script under `lua/`, each a page to be read.
//!
//! Start at [`keys`] (what lies where), then `lua/accept.lua` (how a contact is decided), then `accept.rs` (how batches
//! of them are written). Here never happens: a decision about a contact outside a script, a lease that guards
//! correctness, a connection used again after it timed out. What an accepted contact survives is what the server's
//! persistence says (`durability.rs`); that the server forgot something is noticed at the next accept and said loudly.
#![warn(missing_docs)]

mod accept;
mod address;
mod brands;
mod budgets;
mod candidates;
mod connection;
mod dead_letters;
mod durability;
mod effects;
mod encode;
mod error;
mod feed;
mod housekeeping;
mod inbox_state;
pub mod keys;
mod leases;
mod ledger;
mod portions;
mod purge;
mod records;
mod reply;
mod restart;
mod scripts;
mod settle;
mod signals;
mod store;
mod timelines;
mod work;

pub use durability::ACL_RULES;
pub use error::OpenError;
pub use store::{Options, RedisStore};
