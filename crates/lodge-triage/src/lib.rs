//! Compiles rules and evaluates them: what a contact asks for, how soon it matters, where it goes, and why.
//!
//! Everything here is a pure function of an envelope and the facts of its conversation. Here never live I/O, time, a
//! store, or the words of one channel or provider. Start reading at [`rules`], then [`mod@compile`], then [`mod@evaluate`].
#![warn(missing_docs)]

pub mod compile;
pub mod evaluate;
pub mod explain;
mod facts;
mod patterns;
pub mod route;
pub mod rules;
pub mod span;
mod test;

pub use compile::{RuleError, Rules, compile};
pub use evaluate::evaluate;
pub use explain::{Explanation, explain};
pub use route::{InboxDefault, InboxDefaults, QueueSettings, Queues};
pub use rules::{Condition, OneOrMany, Rule, RuleFile, RuleSet};
pub use span::Span;
