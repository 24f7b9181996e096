//! The bot's half of a chat: finds an answer in articles, a folder of Markdown files with an index to search them.
//!
//! Here never live sockets, tasks, clocks or stores.
#![warn(missing_docs)]

pub mod articles;
mod clean;
mod problem;

pub use articles::{Articles, Hit};
pub use problem::Problem;
