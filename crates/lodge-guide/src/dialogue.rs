//! The dialogue of a bot: configuration ([`settings`]), a checked guide ([`Guide`]), and a pure state machine over it.
//!
//! A door calls [`Guide::begin`] when a visitor opens a chat and [`Guide::advance`] for each message, keeps the
//! [`State`] in between, shows what a [`Turn`] says, and looks at its [`Outcome`]. A visitor may ask for a person at any
//! time. Of a visitor who left midway, [`Learned::from_state`] tells what was learned.

mod asking;
mod check;
mod flow;
mod guide;
mod learned;
mod machine;
mod offering;
mod person;
mod phrases;
mod read;
pub mod settings;
mod state;
mod steps;
mod texts;
mod turn;
mod understand;
mod words;

pub use guide::{BUILT_IN, Guide};
pub use learned::{Answer, Learned, Reason};
pub use state::{Known, MOST_STATE, Offered, State};
pub use steps::StepView;
pub use turn::{AnsweredBy, Line, Outcome, Turn};
