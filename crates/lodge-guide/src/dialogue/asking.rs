//! Questions: asked once, again after an answer that is none, left out, answered.

use super::guide::{Ask, Guide, Step};
use super::machine::Play;
use super::settings::AskKind;
use super::state::MOST_SAID;
use super::turn::Turn;
use super::{phrases, understand};
use crate::clean;

/// Characters of a question that are kept with its answer, and of what a chat is about.
const MOST_QUESTION: usize = 80;
const MOST_TOPIC: usize = 200;

impl Guide {
    /// What each choice is called: its label in `language` first, then those in other languages, and its words.
    pub(super) fn choice_names(&self, ask: &Ask, language: &str) -> Vec<Vec<String>> {
        let names = |choice: &super::settings::ChoiceSettings| {
            let own = self.text(&choice.label, language).to_owned();
            let others = choice.label.values().cloned();
            std::iter::once(own).chain(others).chain(choice.words.iter().cloned()).collect()
        };
        ask.settings.choices.iter().map(names).collect()
    }
}

impl Play<'_> {
    /// Whether the answer is known without asking.
    pub(super) fn is_known(&self, ask: &Ask) -> bool {
        match ask.settings.kind {
            AskKind::Name => self.state.known.name.is_some(),
            AskKind::Email => self.state.known.email.is_some(),
            AskKind::Phone => self.state.known.phone.is_some(),
            AskKind::Choice | AskKind::Text | AskKind::Number => false,
        }
    }

    /// Asks, and waits for the answer.
    pub(super) fn ask(mut self, step: &Step, ask: &Ask) -> Turn {
        let text = self.filled(self.guide.text(&ask.settings.text, &self.state.language));
        self.state.at.clone_from(&step.name);
        let buttons = self.buttons(ask);
        self.question(text, buttons);
        self.wait()
    }

    fn buttons(&self, ask: &Ask) -> Vec<String> {
        let label = |choice: &super::settings::ChoiceSettings| {
            self.guide.text(&choice.label, &self.state.language).to_owned()
        };
        let skip = ask.settings.skip.then(|| self.phrases().skip);
        ask.settings.choices.iter().map(label).chain(skip).collect()
    }

    /// Goes on by the answer, or asks again.
    pub(super) fn answer(mut self, step: &Step, ask: &Ask, said: &str) -> Turn {
        let settings = &ask.settings;
        if settings.skip && phrases::skips(said, &self.phrases()) {
            self.state.hear(said);
            return self.run(ask.otherwise.or(step.next));
        }
        let Some((value, shown)) = self.understood(ask, said) else {
            return self.ask_again(step, ask, said);
        };
        match settings.kind {
            AskKind::Name => self.state.known.name = Some(shown.clone()),
            AskKind::Email => self.state.known.email = Some(shown.clone()),
            AskKind::Phone => self.state.known.phone = Some(shown.clone()),
            AskKind::Choice | AskKind::Text | AskKind::Number => {}
        }
        if settings.topic {
            self.state.topic = Some(clean::shorten(&clean::line(&shown, MOST_SAID), MOST_TOPIC));
        }
        let question = self.filled(self.guide.text(&settings.text, &self.state.language));
        let question = clean::shorten(&clean::line(&question, MOST_SAID), MOST_QUESTION);
        self.state.hear_answer(&step.name, question, said, value);
        self.run(step.next)
    }

    /// What the answer is: how it is kept where that is not as it was said, and how it is shown.
    fn understood(&self, ask: &Ask, said: &str) -> Option<(Option<String>, String)> {
        let settings = &ask.settings;
        match settings.kind {
            AskKind::Name => understand::name(said).map(|name| (differing(&name, said), name)),
            AskKind::Email => understand::email(said).map(|email| (differing(&email, said), email)),
            AskKind::Phone => understand::phone(said).map(|phone| (differing(&phone, said), phone)),
            AskKind::Choice => {
                let names = self.guide.choice_names(ask, &self.state.language);
                let at = understand::choice(said, &names)?;
                let value = settings.choices.get(at)?.value.clone();
                let label = names.get(at)?.first()?.clone();
                Some((Some(value), label))
            }
            AskKind::Text | AskKind::Number => match &ask.pattern {
                Some(pattern) => {
                    understand::by_pattern(said, pattern).map(|found| (Some(found.clone()), found))
                }
                None => understand::text(said).map(|text| (None, text)),
            },
        }
    }

    /// After an answer that is none: again, until there were enough tries.
    fn ask_again(mut self, step: &Step, ask: &Ask, said: &str) -> Turn {
        let settings = &ask.settings;
        self.state.tries = self.state.tries.saturating_add(1);
        if self.state.tries > settings.retries {
            return match ask.otherwise.or(step.next.filter(|_| settings.skip)) {
                Some(next) => {
                    self.state.hear(said);
                    self.run(Some(next))
                }
                None => self.give_up(said),
            };
        }
        self.state.hear(said);
        let phrases = self.phrases();
        let built_in = match settings.kind {
            AskKind::Name => phrases.no_name,
            AskKind::Email => phrases.no_email,
            AskKind::Phone => phrases.no_phone,
            AskKind::Choice => phrases.choose,
            AskKind::Text | AskKind::Number => phrases.no_answer,
        };
        let own = self.guide.text(&settings.retry, &self.state.language);
        let text = self.filled(if own.is_empty() { &built_in } else { own });
        let buttons = self.buttons(ask);
        self.question(text, buttons);
        self.wait()
    }
}

/// What was understood, where it is not just what was said.
fn differing(understood: &str, said: &str) -> Option<String> {
    (understood != said).then(|| understood.to_owned())
}
