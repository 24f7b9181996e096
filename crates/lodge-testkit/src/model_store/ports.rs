//! The ports of the model store.

mod budgets;
mod dead_letters;
mod feed;
mod housekeeping;
mod inbox_state;
mod leases;
mod ledger;
mod timelines;
mod work;
