//! What the bot says by itself, and the short answers that it understands: built in for eighteen languages, to be
//! changed and added to by the configuration.

mod built_in;
mod person;

use super::settings::PhraseSettings;
use super::words;
use crate::articles::primary;
use std::collections::BTreeMap;

/// The phrases of one language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Phrases {
    pub(super) introduction: String,
    pub(super) person: String,
    pub(super) skip: String,
    pub(super) yes: String,
    pub(super) no: String,
    pub(super) handing_over: String,
    pub(super) giving_up: String,
    pub(super) may_help: String,
    pub(super) did_it_help: String,
    pub(super) glad: String,
    pub(super) choose: String,
    pub(super) no_name: String,
    pub(super) no_email: String,
    pub(super) no_phone: String,
    pub(super) no_answer: String,
}

/// Whether there are built-in phrases in `language`.
pub(super) fn is_built_in(language: &str) -> bool {
    built_in::PHRASES.iter().any(|(tag, _)| *tag == primary(language))
}

/// The phrases in `language`: those of `own` first, then the built-in ones of the language, else English ones.
pub(super) fn of(language: &str, own: &BTreeMap<String, PhraseSettings>) -> Phrases {
    let find = |tag: &str| built_in::PHRASES.iter().find(|(known, _)| *known == tag).map(|(_, all)| all);
    let built = find(&primary(language)).or_else(|| find("en"));
    let own = own.get(language).cloned().unwrap_or_default();
    let text = |at: usize| built.and_then(|all| all.get(at)).map_or_else(String::new, |s| (*s).to_owned());
    Phrases {
        introduction: text(0),
        person: own.person.unwrap_or_else(|| text(1)),
        skip: own.skip.unwrap_or_else(|| text(2)),
        yes: own.yes.unwrap_or_else(|| text(3)),
        no: own.no.unwrap_or_else(|| text(4)),
        handing_over: own.handing_over.unwrap_or_else(|| text(5)),
        giving_up: own.giving_up.unwrap_or_else(|| text(6)),
        may_help: own.may_help.unwrap_or_else(|| text(7)),
        did_it_help: own.did_it_help.unwrap_or_else(|| text(8)),
        glad: own.glad.unwrap_or_else(|| text(9)),
        choose: own.choose.unwrap_or_else(|| text(10)),
        no_name: own.no_name.unwrap_or_else(|| text(11)),
        no_email: own.no_email.unwrap_or_else(|| text(12)),
        no_phone: own.no_phone.unwrap_or_else(|| text(13)),
        no_answer: own.no_answer.unwrap_or_else(|| text(14)),
    }
}

/// Yes or no, as people type it in any of the languages; `None` where it is neither.
pub(super) fn agrees(said: &str, phrases: &Phrases) -> Option<bool> {
    let said = words::normal(said);
    if said == words::normal(&phrases.yes) {
        return Some(true);
    }
    if said == words::normal(&phrases.no) {
        return Some(false);
    }
    // "yes, thank you" and "no it did not" begin with their answer; a longer message says something of its own.
    let first = said.split(' ').next().filter(|_| said.split(' ').count() <= 6)?;
    let is_among = |list: &str| list.split_ascii_whitespace().any(|word| word == first);
    match (is_among(built_in::YES), is_among(built_in::NO)) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// Whether a question is to be left out.
pub(super) fn skips(said: &str, phrases: &Phrases) -> bool {
    let said = words::normal(said);
    said == words::normal(&phrases.skip) || built_in::SKIP.split('|').any(|phrase| phrase == said)
}

/// The labels of the button for a person in all languages, and phrases that mean the same.
pub(super) fn person_phrases() -> impl Iterator<Item = &'static str> {
    let labels = built_in::PHRASES.iter().filter_map(|(_, all)| all.get(1).copied());
    labels.chain(person::PERSON.iter().flat_map(|line| line.split('|')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_every_phrase_and_introduces_a_bot() {
        assert!(built_in::PHRASES.len() >= 12);
        for (language, phrases) in built_in::PHRASES {
            assert!(phrases.iter().all(|phrase| !phrase.trim().is_empty()), "{language}");
            assert!(words::says_bot(phrases[0]), "{language}: {}", phrases[0]);
            let phrases = of(language, &BTreeMap::new());
            assert_eq!(agrees(&phrases.yes, &phrases), Some(true), "{language}");
            assert_eq!(agrees(&phrases.no, &phrases), Some(false), "{language}");
            assert!(skips(&phrases.skip, &phrases), "{language}");
        }
    }

    #[test]
    fn short_answers_are_understood_and_long_ones_are_not_guessed_at() {
        let phrases = of("en", &BTreeMap::new());
        for (said, meant) in [
            ("Yes, thank you!", Some(true)),
            ("joke", None),
            ("ja danke", Some(true)),
            ("no it didn't", Some(false)),
            ("Nein.", Some(false)),
            ("да", Some(true)),
            ("no I would rather ask something else entirely now", None),
            ("maybe", None),
            ("", None),
        ] {
            assert_eq!(agrees(said, &phrases), meant, "{said}");
        }
    }

    #[test]
    fn the_configuration_changes_and_adds_phrases() {
        let settings = PhraseSettings { person: Some("Ember".to_owned()), ..PhraseSettings::default() };
        let own = BTreeMap::from([("hu".to_owned(), settings)]);
        let phrases = of("hu", &own);
        assert_eq!((phrases.person.as_str(), phrases.skip.as_str()), ("Ember", "Skip"));
    }
}
