//! What is remembered of a visitor between two turns. Small (at most 8 KiB as JSON), versioned, and all that a turn
//! depends on.

use super::learned::Reason;
use super::settings::SetSettings;
use crate::clean;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

/// Bytes of a state as JSON at most.
pub const MOST_STATE: usize = 8 << 10;
/// The version that this code writes and reads.
const VERSION: u32 = 1;
/// Characters of one message that are kept at most; the whole message is the door's to keep.
pub(super) const MOST_SAID: usize = 2_000;
/// Messages that answered no question and are kept without need.
const MOST_LOOSE: usize = 20;
/// Articles that are offered in a chat at most.
pub(super) const MOST_OFFERED: usize = 9;

/// Who a visitor is, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Known {
    /// Their name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Their email address; claimed, unless the door knows better.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Their telephone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

/// An article that was offered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offered {
    /// Its id.
    pub article: String,
    /// Whether it helped; `None` where the visitor did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<bool>,
}

/// A chat between two turns. Only [`super::Guide`] changes it; a door stores it as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    #[serde(deserialize_with = "this_version")]
    version: u32,
    /// The language in which the bot speaks.
    pub(super) language: String,
    /// The language of the visitor.
    pub(super) wanted: String,
    /// The step that waits for an answer; empty where none does.
    pub(super) at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) end: Option<Reason>,
    #[serde(default)]
    pub(super) turns: u32,
    #[serde(default)]
    pub(super) tries: u8,
    #[serde(default)]
    pub(super) known: Known,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) topic: Option<String>,
    #[serde(default)]
    pub(super) heard: Vec<Heard>,
    #[serde(default)]
    pub(super) left_out: u32,
    #[serde(default)]
    pub(super) offered: Vec<Offered>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) offer: Option<OpenOffer>,
    #[serde(default)]
    pub(super) set: SetSettings,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last: Option<Timestamp>,
}

/// Something a visitor wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Heard {
    pub(super) text: String,
    /// The step that it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) step: Option<String>,
    /// What had been asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) question: Option<String>,
    /// What was understood, where that is not the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<String>,
}

/// Articles that wait for a yes or no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OpenOffer {
    /// What was searched for.
    pub(super) question: String,
    /// Where they begin in `offered`.
    pub(super) first: usize,
    /// Which one is being read.
    #[serde(default)]
    pub(super) reading: Option<usize>,
}

fn this_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let version = u32::deserialize(deserializer)?;
    if version == VERSION {
        return Ok(version);
    }
    Err(serde::de::Error::custom(format!("a state of version {version}; this is version {VERSION}")))
}

impl State {
    pub(super) fn new(language: String, wanted: String, known: Known) -> Self {
        Self {
            version: VERSION,
            language,
            wanted,
            known,
            at: String::new(),
            end: None,
            turns: 0,
            tries: 0,
            topic: None,
            heard: Vec::new(),
            left_out: 0,
            offered: Vec::new(),
            offer: None,
            set: SetSettings::default(),
            last: None,
        }
    }

    /// Whether the guide has done what it can: handed over, or answered.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// When the visitor wrote last.
    #[must_use]
    pub fn last_said(&self) -> Option<Timestamp> {
        self.last
    }

    /// Who the visitor is, as far as is known by now.
    #[must_use]
    pub fn known(&self) -> &Known {
        &self.known
    }

    /// The language in which the bot speaks.
    #[must_use]
    pub fn language(&self) -> &str {
        &self.language
    }

    /// What was answered to `step`.
    pub(super) fn answer(&self, step: &str) -> Option<&str> {
        let heard = self.heard.iter().rev().find(|heard| heard.step.as_deref() == Some(step))?;
        Some(heard.value.as_deref().unwrap_or(&heard.text))
    }

    /// Keeps something that answered no question.
    pub(super) fn hear(&mut self, text: &str) {
        if !text.is_empty() {
            self.heard.push(Heard { text: text.to_owned(), ..Heard::default() });
        }
    }

    /// Keeps the answer to `step`; an earlier answer to it is only something that was said.
    pub(super) fn hear_answer(&mut self, step: &str, question: String, text: &str, value: Option<String>) {
        for earlier in self.heard.iter_mut().filter(|heard| heard.step.as_deref() == Some(step)) {
            (earlier.step, earlier.question, earlier.value) = (None, None, None);
        }
        let (text, step) = (text.to_owned(), Some(step.to_owned()));
        self.heard.push(Heard { text, step, question: Some(question), value });
    }

    /// Begins once more after an answer was found: who it is stays known, what was said is kept.
    pub(super) fn reopen(&mut self) {
        for heard in &mut self.heard {
            (heard.step, heard.question, heard.value) = (None, None, None);
        }
        (self.end, self.offer, self.topic) = (None, None, None);
        (self.turns, self.tries) = (0, 0);
        self.set = SetSettings::default();
    }

    /// Makes the state fit into [`MOST_STATE`]. What was said first and what answered a question is kept longest.
    pub(super) fn fit(&mut self) {
        while self.loose().count() > MOST_LOOSE {
            self.drop_oldest();
        }
        while self.size() > MOST_STATE {
            let shortened = self.shorten_longest(500)
                || self.drop_oldest()
                || self.shorten_longest(40)
                || self.heard.iter_mut().any(|heard| heard.question.take().is_some())
                || self.shorten_longest(10)
                || self.shorten_topics();
            if !shortened {
                return;
            }
        }
    }

    fn size(&self) -> usize {
        serde_json::to_string(self).map_or(usize::MAX, |json| json.len())
    }

    /// Where messages stand that answered no question, without the very first message.
    fn loose(&self) -> impl Iterator<Item = usize> {
        let loose = self.heard.iter().enumerate().skip(1).filter(|(_, heard)| heard.step.is_none());
        loose.map(|(at, _)| at)
    }

    fn drop_oldest(&mut self) -> bool {
        let oldest = self.loose().next();
        if let Some(at) = oldest {
            self.heard.remove(at);
            self.left_out = self.left_out.saturating_add(1);
        }
        oldest.is_some()
    }

    /// Halves what the chat is about and what was searched for, where they are long.
    fn shorten_topics(&mut self) -> bool {
        let texts = self.topic.iter_mut().chain(self.offer.iter_mut().map(|offer| &mut offer.question));
        let mut shortened = false;
        for text in texts.filter(|text| text.chars().count() > 40) {
            *text = clean::shorten(text, (text.chars().count() / 2).max(40));
            shortened = true;
        }
        shortened
    }

    /// Halves the longest message, where it is longer than `least` characters.
    fn shorten_longest(&mut self, least: usize) -> bool {
        let longest = self.heard.iter_mut().max_by_key(|heard| heard.text.chars().count());
        let Some(heard) = longest.filter(|heard| heard.text.chars().count() > least) else { return false };
        let length = heard.text.chars().count();
        heard.text = clean::shorten(&heard.text, (length / 2).max(least));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_versions_are_refused() {
        let state = State::new("en".to_owned(), "en".to_owned(), Known::default());
        let json = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&json).unwrap(), state);
        let other = json.replace("\"version\":1", "\"version\":2");
        assert!(serde_json::from_str::<State>(&other).unwrap_err().to_string().contains("version 2"));
    }

    #[test]
    fn the_first_message_and_answers_are_kept_longest() {
        let mut state = State::new("en".to_owned(), "en".to_owned(), Known::default());
        state.hear(&format!("first {}", "щ".repeat(1_900)));
        state.hear_answer("order", "Which order?".to_owned(), "4711", None);
        for n in 0..100 {
            state.hear(&format!("{n} {}", "\"x\\".repeat(500)));
            state.fit();
            assert!(state.size() <= MOST_STATE);
        }
        assert!(state.heard[0].text.starts_with("first"));
        assert_eq!(state.answer("order"), Some("4711"));
        assert!(state.heard.last().unwrap().text.starts_with("99"));
        assert!(state.left_out > 50);
    }

    #[test]
    fn even_the_worst_state_fits() {
        let wide = |count: usize| "\u{1f600}".repeat(count);
        let known = Known {
            name: Some(wide(120)),
            email: Some("e".repeat(254)),
            phone: Some("+123456789012345".to_owned()),
        };
        let mut state = State::new("x".repeat(35), "x".repeat(35), known);
        state.topic = Some(wide(200));
        state.at = "s".repeat(40);
        state.set = SetSettings {
            category: Some("c".repeat(60)),
            priority: Some(lodge_domain::Priority::Urgent),
            tags: vec!["t".repeat(40); 16],
        };
        state.offered = vec![Offered { article: "a".repeat(120), accepted: Some(false) }; MOST_OFFERED];
        state.offer = Some(OpenOffer { question: wide(200), first: 8, reading: Some(8) });
        for step in 0..16 {
            let name = format!("{step:040}");
            // A name is asked for once at most, and so is an address.
            let value = [wide(120), "e".repeat(254)].into_iter().nth(step).unwrap_or_else(|| "v".repeat(60));
            state.hear_answer(&name, wide(80), &wide(2_000), Some(value));
        }
        state.fit();
        assert!(state.size() <= MOST_STATE, "{}", state.size());
    }
}
