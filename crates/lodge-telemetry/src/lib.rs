//! Metric names, log setup, redaction and fail points.
//!
//! Every metric of Lodge stands in [`catalogue`]; every label is one of ours, never a person. [`failpoint`] names the
//! places where tests stop the process. This crate knows nothing of contacts.

pub mod catalogue;
pub mod failpoint;
pub mod logging;
pub mod redact;
pub mod sampling;
