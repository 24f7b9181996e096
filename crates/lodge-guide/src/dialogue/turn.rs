//! What comes of something a visitor wrote: what the bot says, what is remembered, and whether the guide is over.

use super::learned::Learned;
use super::state::State;

/// One message of the bot: at most 8,000 characters, and answers that are offered as buttons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Plain text.
    pub text: String,
    /// What buttons say; a visitor may as well write it, or something else. Where a visitor is waited for, the last
    /// one asks for a person.
    pub choices: Vec<String>,
}

/// The article that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnsweredBy {
    /// Its id.
    pub id: String,
    /// Its title; the id where the article is gone by now.
    pub title: String,
    /// Where the public can read it.
    pub url: Option<String>,
}

/// How it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The bot waits for the visitor.
    Continue,
    /// A person takes over: with this the door makes a ticket.
    HandOver(Learned),
    /// An article answered, and the visitor said so: reported as such, not as a ticket.
    Answered {
        /// Which one.
        article: AnsweredBy,
        /// What was searched for.
        question: String,
        /// What was learned until then.
        learned: Learned,
    },
}

/// A turn of the guide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// To be kept until the visitor's next message.
    pub state: State,
    /// What the bot says, in order; may be nothing.
    pub say: Vec<Line>,
    /// How it goes on.
    pub outcome: Outcome,
}
