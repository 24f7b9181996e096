//! Where a call is in its dialogue, and what it taught so far: what is kept between two callbacks.

use super::settings::Dialogue;
use lodge_domain::Reference;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name of a message's words, where no file is made of it.
pub(super) const MESSAGE: &str = "message";

/// Where a call is, and what it taught. Small, and read back by later versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The step that waits for the caller.
    pub step: String,
    /// How often that step was asked before.
    pub attempt: u32,
    /// How many turns there were.
    pub turn: u32,
    /// The language spoken.
    pub language: String,
    /// What the caller let us know.
    pub learned: Learned,
    /// Whether the dialogue came to its end.
    pub ended: bool,
}

/// What a call taught so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    /// The names of what was chosen, in order.
    pub path: Vec<String>,
    /// Digits by name.
    pub digits: BTreeMap<String, String>,
    /// The names of digits that were given and are not kept.
    pub withheld: Vec<String>,
    /// Words by name.
    pub speech: BTreeMap<String, Spoken>,
    /// The reference of an earlier contact, its check digit right.
    pub reference: Option<Reference>,
    /// Consent to being recorded, where asked.
    pub recording: Option<bool>,
    /// Consent to text messages, where asked.
    pub text_message: Option<bool>,
    /// Messages recorded: the provider's ids and their seconds.
    pub messages: Vec<Message>,
    /// Whether an operator answered, where one was called.
    pub operator: Option<bool>,
}

/// Words, and how sure the provider is of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spoken {
    /// The words.
    pub text: String,
    /// From 0 to 1, where the provider says.
    pub confidence: Option<f64>,
}

/// A recorded message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The provider's id of the recording.
    pub id: String,
    /// Its length in seconds, where known.
    pub seconds: Option<u32>,
}

impl Call {
    /// A call that begins.
    #[must_use]
    pub fn begin(dialogue: &Dialogue) -> Self {
        Self {
            step: dialogue.start.clone(),
            attempt: 0,
            turn: 0,
            language: dialogue.languages.first().cloned().unwrap_or_else(|| "en".to_owned()),
            learned: Learned::default(),
            ended: false,
        }
    }
}

impl Learned {
    /// Whether a message was left, as a recording or in words.
    pub(crate) fn left_a_message(&self) -> bool {
        !self.messages.is_empty() || self.speech.contains_key(MESSAGE)
    }

    /// Whether the message is new. One that is known already may learn its length.
    pub(crate) fn remember(&mut self, message: Message) -> bool {
        match self.messages.iter_mut().find(|one| one.id == message.id) {
            Some(known) => known.seconds = known.seconds.or(message.seconds),
            None => {
                self.messages.push(message);
                return true;
            }
        }
        false
    }
}
