//! Builds the house from a checked configuration: store, blobs, keys, hallway, doors; and holds it together while it runs.

mod building;
mod house;
mod links;
mod store;

pub use building::Building;
pub use house::{House, ParkedLane};
pub use links::SignedLinks;
pub use store::{open_scratch, open_store};
