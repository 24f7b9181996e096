//! The state machine: begins a chat, and goes on with it by what a visitor wrote. Pure: no clock, no chance, no store;
//! the same state and the same words give the same turn. It always ends: questions have a number of tries, a chat has a
//! number of turns, and a way without questions has a number of steps.

use super::guide::{Action, Guide, Step};
use super::learned::{Learned, Reason};
use super::state::{Known, MOST_SAID, State};
use super::turn::{Line, Outcome, Turn};
use super::{texts, understand};
use crate::articles::{Articles, is_language};
use crate::clean;
use jiff::Timestamp;

/// Steps between two questions at most; the check of a guide finds rounds before, this is the wall behind it.
const MOST_SILENT: usize = 256;
/// Characters of a line at most: one message of a chat.
const MOST_LINE: usize = 8_000;
/// Characters of a name that a door knows already.
const MOST_NAME: usize = 120;

impl Guide {
    /// Begins a chat with a visitor who speaks `language` (BCP 47): the bot says that it is one, and goes to its first
    /// question. What is `known` is not asked.
    #[must_use]
    pub fn begin(&self, language: &str, known: Known) -> Turn {
        let wanted = if is_language(language) { language } else { self.settings.language.as_str() };
        let spoken = texts::speak(&self.languages, wanted).unwrap_or(&self.settings.language);
        let known = Known {
            name: known.name.map(|name| clean::line(&name, MOST_NAME)).filter(|name| !name.is_empty()),
            email: known.email.and_then(|email| understand::email(&email)),
            phone: known.phone.and_then(|phone| understand::phone(&phone)),
        };
        let mut play = Play::new(self, State::new(spoken.clone(), wanted.to_owned(), known), None);
        play.introduce();
        play.run(Some(0))
    }

    /// Begins a chat of a visitor who wrote before the bot could say anything: it introduces itself, and takes what was
    /// said as the answer to its first question.
    #[must_use]
    pub fn open(
        &self,
        language: &str,
        known: Known,
        said: &str,
        articles: Option<&Articles>,
        now: Timestamp,
    ) -> Turn {
        let begun = self.begin(language, known);
        let mut turn = self.advance(&begun.state, said, articles, now);
        // Nobody is asked what they have just said.
        turn.say.splice(0..0, begun.say.into_iter().take(1).map(|line| Line { choices: Vec::new(), ..line }));
        turn
    }

    /// Goes on with a chat by what the visitor `said`, at `now` by the door's clock. After a hand-over nothing is said
    /// any more; after an answer the guide begins once more.
    #[must_use]
    pub fn advance(&self, state: &State, said: &str, articles: Option<&Articles>, now: Timestamp) -> Turn {
        let mut play = Play::new(self, state.clone(), articles);
        play.state.last = Some(now);
        match play.state.end {
            None => play.hear(said),
            Some(Reason::Answered) => {
                play.state.reopen();
                let again = play.run(Some(0));
                if again.state.is_over() {
                    return again;
                }
                self.advance(&again.state, said, articles, now)
            }
            Some(_) => {
                play.state.hear(&clean::block(said, MOST_SAID));
                play.finish()
            }
        }
    }
}

/// A turn being made.
pub(super) struct Play<'g> {
    pub(super) guide: &'g Guide,
    pub(super) articles: Option<&'g Articles>,
    pub(super) state: State,
    pub(super) say: Vec<Line>,
}

impl<'g> Play<'g> {
    fn new(guide: &'g Guide, state: State, articles: Option<&'g Articles>) -> Self {
        Self { guide, articles, state, say: Vec::new() }
    }

    /// The first line of every chat.
    fn introduce(&mut self) {
        let own = self.guide.text(&self.guide.settings.introduction, &self.state.language);
        let text = if own.is_empty() { self.phrases().introduction } else { own.to_owned() };
        self.line(&text);
    }

    /// Understands what was said and goes on.
    fn hear(mut self, said: &str) -> Turn {
        let said = clean::block(said, MOST_SAID);
        self.state.turns = self.state.turns.saturating_add(1);
        let guide = self.guide;
        let here = guide.by_name.get(&self.state.at).and_then(|at| guide.steps.get(*at));
        if !here.is_some_and(|step| self.is_button(step, &said)) && guide.person.ask(&said) {
            self.state.hear(&said);
            let text = self.phrases().handing_over;
            return self.over(&text, Reason::AskedForAPerson);
        }
        if self.state.turns >= guide.settings.most_turns {
            return self.give_up(&said);
        }
        match here.map(|step| (step, &step.action)) {
            Some((step, Action::Ask(ask))) => self.answer(step, ask, &said),
            Some((step, Action::Offer { settings, .. })) => self.decide(step, settings, &said),
            // The guide was changed meanwhile, and the step is gone.
            _ => self.give_up(&said),
        }
    }

    /// Whether what was said is exactly one of the step's own buttons: those mean what they say.
    fn is_button(&self, step: &Step, said: &str) -> bool {
        match &step.action {
            Action::Ask(ask) => {
                let names = self.guide.choice_names(ask, &self.state.language);
                names.iter().any(|names| super::words::is_one_of(said, names))
            }
            Action::Offer { .. } => self.open_titles().iter().any(|(_, title)| title == said),
            _ => false,
        }
    }

    /// Goes from step to step until one waits, or the guide is over.
    pub(super) fn run(mut self, first: Option<usize>) -> Turn {
        let guide = self.guide;
        let mut at = first;
        self.state.tries = 0;
        self.state.at.clear();
        for _ in 0..MOST_SILENT {
            let Some(step) = at.and_then(|at| guide.steps.get(at)) else { break };
            at = match &step.action {
                Action::Say(texts) => {
                    self.line(guide.text(texts, &self.state.language));
                    step.next
                }
                Action::Set(set) => {
                    self.set(set);
                    step.next
                }
                Action::Branch { on, cases, otherwise } => {
                    let case = self.state.answer(on).and_then(|answer| cases.get(answer));
                    case.copied().or(*otherwise).or(step.next)
                }
                Action::Ask(ask) if self.is_known(ask) => step.next,
                Action::Ask(ask) => return self.ask(step, ask),
                Action::Offer { settings, none } => {
                    if self.offer(settings) {
                        self.state.at.clone_from(&step.name);
                        return self.wait();
                    }
                    none.or(step.next)
                }
                Action::HandOver(texts) => {
                    let text = guide.text(texts, &self.state.language).to_owned();
                    return self.over(&text, Reason::Finished);
                }
            };
        }
        self.give_up("")
    }

    fn set(&mut self, set: &super::settings::SetSettings) {
        let own = &mut self.state.set;
        own.category = set.category.clone().or(own.category.take());
        own.priority = set.priority.or(own.priority);
        for tag in &set.tags {
            if own.tags.len() < 16 && !own.tags.contains(tag) {
                own.tags.push(tag.clone());
            }
        }
    }

    /// Says `text`, its places filled.
    pub(super) fn line(&mut self, text: &str) {
        let text = self.filled(text);
        if !text.is_empty() {
            self.say.push(Line { text, choices: Vec::new() });
        }
    }

    /// Says `text` as it is, with buttons: these, and always the one that asks for a person.
    pub(super) fn question(&mut self, text: String, mut choices: Vec<String>) {
        choices.push(self.phrases().person);
        self.say.push(Line { text, choices });
    }

    /// `text` with its places filled by what is known, as data.
    pub(super) fn filled(&self, text: &str) -> String {
        let value = |name: &str| match name {
            "bot" => Some(self.guide.settings.bot.clone()),
            "name" => self.state.known.name.clone(),
            "email" => self.state.known.email.clone(),
            "phone" => self.state.known.phone.clone(),
            "topic" => self.state.topic.clone(),
            step => self.state.answer(step).map(str::to_owned),
        };
        clean::shorten(texts::fill(text, value).trim(), MOST_LINE)
    }

    pub(super) fn phrases(&self) -> super::phrases::Phrases {
        self.guide.phrases(&self.state.language)
    }

    pub(super) fn give_up(mut self, said: &str) -> Turn {
        self.state.hear(said);
        let text = self.phrases().giving_up;
        self.over(&text, Reason::GaveUp)
    }

    pub(super) fn over(mut self, text: &str, reason: Reason) -> Turn {
        self.line(text);
        self.state.end = Some(reason);
        self.state.at.clear();
        self.state.offer = None;
        self.finish()
    }

    fn finish(mut self) -> Turn {
        self.state.fit();
        let outcome = Outcome::HandOver(Learned::from_state(&self.state));
        Turn { state: self.state, say: self.say, outcome }
    }

    /// The turn in which the visitor is waited for.
    pub(super) fn wait(mut self) -> Turn {
        self.state.fit();
        Turn { state: self.state, say: self.say, outcome: Outcome::Continue }
    }
}
