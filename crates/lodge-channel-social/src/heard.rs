//! What a provider's body says, in words that all providers share. Pure: made by a provider's file from bytes alone.

use jiff::Timestamp;
use lodge_domain::OutboundId;
use lodge_domain::delivery::OutboundState;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One thing that a body says.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// Somebody said something.
    Said(Box<Said>),
    /// Somebody changed what they had said.
    Edited(Edited),
    /// Somebody took back what they had said.
    Deleted(Deleted),
    /// Something that our account sent came back.
    Echo(Echo),
    /// Something that we sent fares differently.
    Fared(Fared),
    /// Nothing to file, and why: a fixed phrase.
    Nothing {
        /// Why.
        reason: &'static str,
        /// The provider's id, where it has one.
        id: Option<String>,
    },
    /// The body, or a part of it, is nothing that we understand: it becomes a contact of its own, with the raw original.
    Strange {
        /// What is strange about it: a fixed phrase.
        why: &'static str,
        /// What tells it from others; empty where the raw body has to.
        id: String,
    },
}

/// Who said something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// The account at the provider.
    pub account: String,
    /// A further account that is the same person.
    pub alias: Option<String>,
    /// The telephone number (E.164), where the provider names it; then it is the party's handle.
    pub phone: Option<String>,
    /// The name they gave.
    pub name: Option<String>,
    /// The name by which others address them.
    pub username: Option<String>,
    /// A program, by the provider's own word.
    pub is_bot: bool,
}

/// What holds a conversation together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thread {
    /// One person and us; any of the names leads there, the first one first.
    Private(Vec<String>),
    /// Several people and us, none of whom is a stranger to what is said there.
    Shared(String),
    /// Everybody can read it: each person there has a conversation of their own.
    Public(String),
}

/// A file that came with something said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// What it is: `image`, `audio`, `video`, `file`, `sticker`.
    pub kind: String,
    /// Its address, or the id by which the provider gives one.
    pub handle: String,
    /// Whether `handle` is an id.
    pub by_id: bool,
    /// Its name.
    pub name: Option<String>,
    /// The media type that the provider says it has.
    pub media_type: Option<String>,
    /// What stays the same however often it is told: the provider's id, where the address does not.
    pub identity: Option<String>,
}

/// Something said.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The provider's id of it, unique in our account there; empty where there is none.
    pub id: String,
    /// A later telling of the same id that is a contact of its own all the same; empty for the first.
    pub version: String,
    /// Who.
    pub from: Who,
    /// Where it belongs.
    pub thread: Thread,
    /// The words. For what has none, words of ours in brackets.
    pub text: String,
    /// The files.
    pub media: Vec<Media>,
    /// `text`, `image`, `button`, `reaction`, `location`, …; lands in `details.kind`.
    pub kind: String,
    /// The id of what it answers.
    pub answers: Option<String>,
    /// Which account of ours it was said to.
    pub to: Option<String>,
    /// What only this provider has; lands in the event's `details`.
    pub details: Map<String, Value>,
    /// The way back, in the provider's own words.
    pub way: Value,
    /// Until when it can be answered.
    pub window_ends_at: Option<Timestamp>,
    /// Why it must not be acknowledged.
    pub quiet: Option<&'static str>,
    /// The answer to the webhook tells the party the reference: nothing else acknowledges it.
    pub told_at_once: bool,
    /// Not a message but a gesture: it changes nothing about the conversation.
    pub gesture: bool,
    /// Of a kind we do not know; the raw original says more.
    pub unknown: bool,
    /// When.
    pub at: Timestamp,
}

impl Said {
    /// Something that `from` said in `thread`, with nothing else known about it.
    #[must_use]
    pub fn new(id: impl Into<String>, from: Who, thread: Thread, at: Timestamp) -> Self {
        Self {
            id: id.into(),
            version: String::new(),
            from,
            thread,
            text: String::new(),
            media: Vec::new(),
            kind: "text".to_owned(),
            answers: None,
            to: None,
            details: Map::new(),
            way: Value::Null,
            window_ends_at: None,
            quiet: None,
            told_at_once: false,
            gesture: false,
            unknown: false,
            at,
        }
    }

    /// The same with another kind and words of ours for it.
    #[must_use]
    pub fn as_kind(mut self, kind: &str, words: impl Into<String>) -> Self {
        kind.clone_into(&mut self.kind);
        if self.text.is_empty() {
            self.text = words.into();
        }
        self
    }
}

/// A change to something said.
#[derive(Clone, Debug, PartialEq)]
pub struct Edited {
    /// The id of what was changed.
    pub id: String,
    /// What tells this change from others.
    pub version: String,
    /// How it reads now; filed as it is where we never had what was changed.
    pub now: Box<Said>,
}

/// Something taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// The id of what was taken back.
    pub id: String,
    /// When.
    pub at: Timestamp,
}

/// Something that our account sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Echo {
    /// The provider's id of it.
    pub id: String,
    /// To whom.
    pub party: String,
    /// What we wrote into it to recognise it.
    pub mark: Option<String>,
}

/// What a report is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// What we wrote into it.
    Mark(OutboundId),
    /// The provider's id of it.
    Id(String),
    /// Everything sent to this party up to then.
    UpTo(Timestamp),
}

/// How something that we sent fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fared {
    /// What.
    pub about: About,
    /// At whom.
    pub party: String,
    /// How.
    pub state: OutboundState,
    /// The provider's words.
    pub words: Option<String>,
}
