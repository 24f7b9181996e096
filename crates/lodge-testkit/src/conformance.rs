//! Suites that every implementation of a port runs: what the port's contract says, as cases that can fail.
#![expect(clippy::unwrap_used, reason = "the suite is test code, and a broken expectation must panic")]

pub mod store;
pub mod webhook;
