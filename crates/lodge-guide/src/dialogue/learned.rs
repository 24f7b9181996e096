//! What a guide learned of a visitor: everything that goes with them into the ticket.

use super::settings::SetSettings;
use super::state::{Known, Offered, State};
use lodge_domain::Priority;
use serde::{Deserialize, Serialize};

/// Why the guide is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The visitor asked for a person.
    AskedForAPerson,
    /// The guide went to its end.
    Finished,
    /// The guide understood nothing, or went round in circles.
    GaveUp,
    /// The visitor left midway.
    Left,
    /// An article answered the question: no ticket.
    Answered,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::AskedForAPerson => "asked for a person",
            Self::Finished => "finished",
            Self::GaveUp => "gave up",
            Self::Left => "left",
            Self::Answered => "answered",
        })
    }
}

/// An answer to a step of the guide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The step.
    pub step: String,
    /// What was asked, shortened; may be empty.
    pub question: String,
    /// What was understood: a choice's value, what a pattern found, else what was said.
    pub answer: String,
}

/// Everything a guide learned, as far as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learned {
    /// The visitor's name, as claimed.
    pub name: Option<String>,
    /// The visitor's email address, as claimed.
    pub email: Option<String>,
    /// The visitor's telephone number, as claimed.
    pub phone: Option<String>,
    /// What the chat is about.
    pub topic: Option<String>,
    /// Answers, in the order in which they were given.
    pub answers: Vec<Answer>,
    /// Everything the visitor said, in order; long messages are shortened.
    pub said: Vec<String>,
    /// How many messages are not in `said`, because there were too many.
    pub left_out: u32,
    /// Articles that were offered, and whether they helped.
    pub offered: Vec<Offered>,
    /// The topic in the installation's own words.
    pub category: Option<String>,
    /// How soon it seems to matter.
    pub priority: Option<Priority>,
    /// Tags.
    pub tags: Vec<String>,
    /// The language in which the bot spoke.
    pub language: String,
    /// Why the guide is over.
    pub reason: Reason,
}

impl Learned {
    /// What was learned so far. Of a visitor who left midway the reason is [`Reason::Left`].
    #[must_use]
    pub fn from_state(state: &State) -> Self {
        let Known { name, email, phone } = state.known.clone();
        let SetSettings { category, priority, tags } = state.set.clone();
        let answers = state.heard.iter().filter_map(|heard| {
            let answer = heard.value.as_ref().unwrap_or(&heard.text).clone();
            Some(Answer {
                step: heard.step.clone()?,
                question: heard.question.clone().unwrap_or_default(),
                answer,
            })
        });
        Self {
            name,
            email,
            phone,
            topic: state.topic.clone(),
            answers: answers.collect(),
            said: state.heard.iter().map(|heard| heard.text.clone()).collect(),
            left_out: state.left_out,
            offered: state.offered.clone(),
            category,
            priority,
            tags,
            language: state.language.clone(),
            reason: state.end.unwrap_or(Reason::Left),
        }
    }
}
