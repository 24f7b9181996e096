//! Plausible records for tests, each with as little said about it as the test needs.

mod contact;
mod delivery;
mod work;

pub use contact::{SampleContact, key, sample_contact, sample_time};
pub use delivery::{sample_decision, sample_message, sample_outbound};
pub use work::{SampleWork, sample_work};
