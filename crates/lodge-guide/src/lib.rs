//! The bot's half of a chat: finds an answer in articles, or asks for what a ticket needs and hands over to a person.
//!
//! Two rooms. [`articles`] holds a folder of Markdown files and searches them. [`dialogue`] is a pure state machine over
//! a dialogue that stands in configuration: the same state and the same words always give the same turn. Here never live
//! sockets, tasks, clocks or stores: a door keeps the state between turns and passes on what was learned.
//!
//! ```
//! use lodge_guide::dialogue::{BUILT_IN, Guide, Known, Outcome};
//!
//! let guide = Guide::parse(BUILT_IN).unwrap();
//! let turn = guide.begin("en", Known::default());
//! assert!(turn.say[0].text.contains("bot"));
//! let turn = guide.advance(&turn.state, "I want to talk to a human", None, jiff::Timestamp::UNIX_EPOCH);
//! assert!(matches!(turn.outcome, Outcome::HandOver(_)));
//! ```
#![warn(missing_docs)]

pub mod articles;
mod clean;
pub mod dialogue;
mod problem;

pub use articles::{Articles, Hit};
pub use dialogue::{Guide, Known, Learned, Line, Outcome, State, Turn};
pub use problem::Problem;
