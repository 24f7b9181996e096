//! A guide that can be followed: settings that were checked, with their targets found and their patterns compiled.

use super::check;
use super::flow;
use super::person::PersonWords;
use super::phrases::{self, Phrases};
use super::read;
use super::settings::{AskSettings, GuideSettings, OfferSettings, SetSettings, StepSettings, Texts};
use super::texts;
use super::understand;
use crate::problem::Problem;
use regex::Regex;
use std::collections::{BTreeMap, HashMap};

/// The guide that Lodge brings along: `config/guides/website.toml`.
pub const BUILT_IN: &str = include_str!("../../../../config/guides/website.toml");

/// A dialogue, checked and ready. [`Guide::begin`] begins a chat, [`Guide::advance`] goes on with it.
#[derive(Clone, Debug)]
pub struct Guide {
    pub(super) settings: GuideSettings,
    pub(super) languages: Vec<String>,
    pub(super) steps: Vec<Step>,
    pub(super) by_name: HashMap<String, usize>,
    pub(super) person: PersonWords,
    pub(super) phrases: BTreeMap<String, Phrases>,
}

/// A step with its targets, as places in [`Guide::steps`].
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) name: String,
    /// Where it goes on; `None` for the end alone.
    pub(super) next: Option<usize>,
    pub(super) action: Action,
}

/// What a step does.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Say(Texts),
    Ask(Box<Ask>),
    Offer { settings: OfferSettings, none: Option<usize> },
    Branch { on: String, cases: BTreeMap<String, usize>, otherwise: Option<usize> },
    Set(SetSettings),
    HandOver(Texts),
}

/// A question with its pattern compiled.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) settings: AskSettings,
    pub(super) pattern: Option<Regex>,
    pub(super) otherwise: Option<usize>,
}

impl Guide {
    /// Reads and checks a guide.
    ///
    /// # Errors
    /// All problems at once, each with its line, its step and what to do: wrong keys, missing texts and targets, bad
    /// patterns, steps that are never reached, ways that never end.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let Some(read) = read::read(text, &mut problems) else { return Err(problems) };
        check::check(&read, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let guide = Self::compile(read.settings);
        flow::check(&guide, &read.lines, &mut problems);
        if problems.is_empty() { Ok(guide) } else { Err(problems) }
    }

    /// Advice on a guide that works, but could serve its visitors better.
    #[must_use]
    pub fn check(&self) -> Vec<Problem> {
        check::advise(self)
    }

    /// The settings as they were read.
    #[must_use]
    pub fn settings(&self) -> &GuideSettings {
        &self.settings
    }

    /// Makes a guide of settings in which every target is a step and every pattern compiles.
    fn compile(settings: GuideSettings) -> Self {
        let by_name: HashMap<String, usize> =
            settings.step.iter().enumerate().map(|(at, step)| (step.name.clone(), at)).collect();
        let last = settings.step.len().saturating_sub(1);
        let steps = settings.step.iter().enumerate().map(|(at, step)| {
            let find = |name: &Option<String>| name.as_ref().and_then(|name| by_name.get(name).copied());
            let following = (at < last).then_some(at + 1);
            let next = if step.hand_over.is_some() { None } else { find(&step.next).or(following) };
            Step { name: step.name.clone(), next, action: action(step, &by_name) }
        });
        let steps = steps.collect();
        let languages = languages(&settings);
        let phrases: BTreeMap<String, Phrases> =
            languages.iter().map(|tag| (tag.clone(), phrases::of(tag, &settings.phrases))).collect();
        let person =
            PersonWords::new(&settings.person, phrases.values().map(|phrases| phrases.person.as_str()));
        Self { languages, steps, by_name, person, phrases, settings }
    }

    /// The bot's own phrases in `language`.
    pub(super) fn phrases(&self, language: &str) -> Phrases {
        self.phrases.get(language).cloned().unwrap_or_else(|| phrases::of(language, &self.settings.phrases))
    }

    /// The text in `language`, else in the guide's own; empty where there is none.
    pub(super) fn text<'t>(&self, texts: &'t Texts, language: &str) -> &'t str {
        texts::pick(texts, language, &self.settings.language).unwrap_or_default()
    }
}

/// All languages of a guide, its own first.
pub(super) fn languages(settings: &GuideSettings) -> Vec<String> {
    let mut languages = vec![settings.language.clone()];
    languages.extend(settings.languages.iter().filter(|tag| **tag != settings.language).cloned());
    languages
}

fn action(step: &StepSettings, by_name: &HashMap<String, usize>) -> Action {
    let find = |name: &Option<String>| name.as_ref().and_then(|name| by_name.get(name).copied());
    if let Some(texts) = &step.say {
        return Action::Say(texts.clone());
    }
    if let Some(settings) = &step.ask {
        let pattern = settings.pattern.as_deref().and_then(|pattern| understand::compile(pattern).ok());
        let otherwise = find(&settings.otherwise);
        return Action::Ask(Box::new(Ask { settings: settings.clone(), pattern, otherwise }));
    }
    if let Some(settings) = &step.offer {
        return Action::Offer { settings: settings.clone(), none: find(&settings.none) };
    }
    if let Some(branch) = &step.branch {
        let target = |(answer, name): (&String, &String)| Some((answer.clone(), *by_name.get(name)?));
        let cases = branch.cases.iter().filter_map(target).collect();
        return Action::Branch { on: branch.on.clone(), cases, otherwise: find(&branch.otherwise) };
    }
    match &step.set {
        Some(set) => Action::Set(set.clone()),
        None => Action::HandOver(step.hand_over.clone().unwrap_or_default()),
    }
}
