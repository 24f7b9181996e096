//! Sessions over real stores: doors on loopback listeners, gateways that die, sockets that break at any byte (H01).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cut;
mod drops;
mod ended;
mod gateway;
mod ground;
mod guide;
mod limits;
mod retention;
mod revoke;
mod slow;
mod visitor;
mod wire;
mod world;
