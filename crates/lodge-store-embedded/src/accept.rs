//! Accept, as [`lodge_domain::ports::Ledger`] says it, inside the writer's transaction.
//!
//! `decide` goes through the rules in the port's order and by its numbers, `look_up` is all that it reads, `write` all that
//! it changes.

mod decide;
mod look_up;
mod write;

pub(crate) use decide::accept;
pub(crate) use look_up::{RECEIPT, read_receipt};
pub(crate) use write::{add_participant, bind, trace};
