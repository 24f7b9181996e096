//! Calls of the core: replies, states, merges, history and the feed of events. Never decides what a call does: that is
//! the pipeline's business, behind [`lodge_domain::ports::CoreCommands`].

mod answered;
mod auth;
mod conversations;
mod events;
mod openapi;
mod problem;
mod replay;
mod replies;
mod routes;
mod state;

pub use openapi::openapi;
pub use problem::Problem;
pub use routes::{ROUTES, router};
pub use state::CommandsState;
