//! The adapter kit: everything an author of a channel adapter needs, and nothing of one channel.
//!
//! An adapter is a [`Door`]: settings that can check themselves and build [`Parts`] (tasks, routes, a replier) from a
//! [`Context`]. It holds the hallway only as `Arc<dyn Intake>` and says "accepted" to its source only after
//! `Intake::accept` returned. `examples/echo_adapter.rs` is a complete one.
#![warn(missing_docs)]

pub mod attachment_policy;
pub mod attempts;
pub mod backoff;
pub mod door;
pub mod fetch;
pub mod health;
pub mod net;
pub mod secret;
pub mod socket;
pub mod values;
pub mod visitor;
pub mod webhook;

pub use attempts::Attempts;
pub use backoff::Backoff;
pub use door::{
    Arrival, BuildError, Context, Door, Importer, Neighbour, Parts, Probe, Problem, Registrar, Task,
    TaskError,
};
pub use health::{Health, HealthReport};
pub use secret::{Plain, Secret, SecretError, SecretSource, Secrets};
pub use values::OneOrMany;
pub use visitor::{Client, FileLinks};
