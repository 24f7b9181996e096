//! What tests of every room share: samples, fakes for each port, the model store, and the suites that stores must pass.
//!
//! Here never lives anything that a release binary needs; only tests and benches depend on this crate.
#![warn(missing_docs)]

pub mod conformance;
pub mod fakes;
pub mod model_store;
pub mod samples;
pub mod signing;

pub use fakes::{ManualClock, MemoryBlobs, RecordingIntake, RecordingReplier, RecordingSink, SeededEntropy};
pub use model_store::ModelStore;
pub use samples::{SampleContact, sample_contact};
