//! The calls of the core over the router: who is let in, what each call does, and how trouble is told.
#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a test fails by panicking")]

mod access;
mod calls;
mod hostile;
mod house;
mod polling;
