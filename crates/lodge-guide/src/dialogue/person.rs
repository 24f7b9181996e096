//! Hears that somebody asks for a person: at any step, in any of the languages, built in or configured.

use super::phrases;
use super::words;
use crate::articles::is_stop_word;
use std::collections::BTreeMap;

/// Words and phrases that ask for a person.
#[derive(Clone, Debug)]
pub(super) struct PersonWords {
    /// Whole messages, besides small words.
    alone: Vec<String>,
    /// Anywhere in a message.
    anywhere: Vec<String>,
}

impl PersonWords {
    /// The built-in ones and those of the configuration; `labels` are those of the button.
    pub(super) fn new<'l>(
        own: &'l BTreeMap<String, Vec<String>>,
        labels: impl Iterator<Item = &'l str>,
    ) -> Self {
        let configured = own.values().flatten().map(String::as_str);
        let (mut alone, mut anywhere) = (Vec::new(), Vec::new());
        let built_in = phrases::person_phrases().map(|phrase| -> &'l str { phrase });
        for phrase in built_in.chain(configured).chain(labels).map(words::normal) {
            // Without spaces between words nobody can tell one word from several.
            let has_several = phrase.contains(' ') || phrase.chars().any(|c| c >= '\u{3000}');
            if has_several { anywhere.push(phrase) } else { alone.push(phrase) }
        }
        Self { alone, anywhere }
    }

    /// Whether `said` asks for a person. "my travel agent" does not, "an agent please" does.
    pub(super) fn ask(&self, said: &str) -> bool {
        let whole = words::normal(said);
        if self.anywhere.iter().any(|phrase| words::contains(&whole, phrase)) {
            return true;
        }
        let lower = said.to_lowercase();
        let meant: Vec<&str> = lower
            .split(|c: char| !c.is_alphanumeric() && !matches!(c, '\'' | '’'))
            .filter(|word| !word.is_empty() && !is_stop_word(word))
            .collect();
        match meant.as_slice() {
            [word] => {
                let word = words::normal(word);
                self.alone.contains(&word)
            }
            _ => self.alone.contains(&whole),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_asked_for_in_many_languages_and_only_when_meant() {
        let own =
            BTreeMap::from([("hu".to_owned(), vec!["ügyfélszolgálat".to_owned(), "élő ember".to_owned()])]);
        let words = PersonWords::new(&own, std::iter::empty());
        for said in [
            "Talk to a person",
            "i want to speak to someone NOW",
            "agent!!",
            "An agent, please",
            "I need a human",
            "Ich möchte mit einem Menschen reden",
            "Mensch",
            "je voudrais parler à quelqu’un",
            "Hablar con una persona",
            "parlare con un operatore",
            "falar com uma pessoa",
            "met een medewerker graag",
            "chcę rozmawiać z człowiekiem",
            "prata med en människa",
            "tale med et menneske",
            "человек",
            "хочу поговорить с человеком",
            "转人工",
            "我要转人工服务",
            "担当者と話す",
            "Ügyfélszolgálat",
            "egy élő ember kell",
        ] {
            assert!(words.ask(said), "{said}");
        }
        for said in [
            "my travel agent booked the wrong person",
            "personal data",
            "The operator of the lift is broken",
            "hello",
            "",
            "Ich habe menschlich versagt",
            "a user agent string",
        ] {
            assert!(!words.ask(said), "{said}");
        }
    }
}
