//! Understanding mail: raw bytes in, a contact, a report or a reason to skip out. Pure but for the threads of [`Worker`].
//!
//! [`understand()`] never panics on purpose and never aborts: structure is counted before anything builds a tree, and
//! every limit stands in [`limits`]. [`Worker`] runs it on threads of its own, with a deadline, and turns a panic of a
//! library into [`Poison`]; [`unparsed`] makes a contact of what could not be understood.

pub mod address;
mod authentication;
mod automation;
mod body;
mod charset;
mod clean;
mod contact;
mod facts;
mod fields;
mod html;
mod ids;
mod language;
pub mod limits;
mod mime;
mod quote;
mod report;
mod surroundings;
mod threading;
mod tnef;
mod topic;
mod words;
mod worker;

pub(crate) use clean::line as clean_line;
pub use contact::{understand, unparsed};
pub use ids::message_id_key;
pub use surroundings::{Arrival, Copies, OwnAddress, Surroundings, Understood};
pub use worker::{Poison, Worker};
