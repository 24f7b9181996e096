//! Finds everything that is wrong with a dialogue at once, before a caller does.

use super::hours::{DAYS, span};
use super::settings::{ByLanguage, Dialogue, Step};
use std::collections::{BTreeSet, VecDeque};

/// The longest text of one prompt, in characters: the least that any provider speaks.
const LONGEST_TEXT: usize = 1500;

/// Something wrong with a dialogue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("step \"{step}\": {problem}; {remedy}")]
pub struct Flaw {
    /// The step, or `start` or `languages`.
    pub step: String,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

/// All flaws of `dialogue`; empty where it can be used.
#[must_use]
pub fn check(dialogue: &Dialogue) -> Vec<Flaw> {
    let mut checker = Checker { dialogue, flaws: Vec::new() };
    checker.start();
    for (name, step) in &dialogue.step {
        checker.ways(name, step);
        checker.prompts(name, step);
        checker.own(name, step);
    }
    checker.reach();
    checker.flaws
}

struct Checker<'c> {
    dialogue: &'c Dialogue,
    flaws: Vec<Flaw>,
}

impl<'c> Checker<'c> {
    fn flaw(&mut self, step: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        self.flaws.push(Flaw { step: step.to_owned(), problem: problem.into(), remedy: remedy.into() });
    }

    fn start(&mut self) {
        if !self.dialogue.step.contains_key(&self.dialogue.start) {
            let problem = format!("there is no step \"{}\"", self.dialogue.start);
            self.flaw("start", problem, "name the step that a call begins with");
        }
        if self.dialogue.languages.is_empty() {
            self.flaw(
                "languages",
                "no language is named",
                "write at least one, such as languages = [\"en\"]",
            );
        }
    }

    fn ways(&mut self, name: &str, step: &Step) {
        for (_, to) in step.ways() {
            if !self.dialogue.step.contains_key(to) {
                self.flaw(
                    name,
                    format!("it leads to \"{to}\", which is not there"),
                    "add that step or correct the name",
                );
            }
        }
    }

    fn prompts(&mut self, name: &str, step: &Step) {
        if let Some((say, play)) = step.prompts() {
            self.prompt(name, say, play, !matches!(step, Step::Operator(_) | Step::Goodbye(_)));
        }
        if let Some(retry) = step.retry() {
            if !(1..=5).contains(&retry.times) || !(1..=30).contains(&retry.seconds) {
                self.flaw(name, "retry is out of bounds", "ask 1 to 5 times, and wait 1 to 30 seconds");
            }
            self.prompt(name, &retry.say, None, false);
        }
    }

    fn prompt(&mut self, name: &str, say: &ByLanguage, play: Option<&ByLanguage>, needed: bool) {
        let played = |language: &String| play.is_some_and(|play| play.contains_key(language));
        for language in &self.dialogue.languages {
            let silent = say.is_empty() && play.is_none_or(ByLanguage::is_empty);
            if !say.contains_key(language) && !played(language) && (needed || !silent) {
                self.flaw(
                    name,
                    format!("it says nothing in \"{language}\""),
                    "add the text, or a file under play",
                );
            }
        }
        for language in say.keys().chain(play.into_iter().flat_map(ByLanguage::keys)) {
            if !self.dialogue.languages.contains(language) {
                self.flaw(
                    name,
                    format!("\"{language}\" is not among the languages"),
                    "add it there or remove the text",
                );
            }
        }
        if say.values().any(|text| text.chars().count() > LONGEST_TEXT) {
            self.flaw(name, "it talks too long", format!("keep a text under {LONGEST_TEXT} characters"));
        }
        if play.is_some_and(|play| play.values().any(|address| !address.starts_with("https://"))) {
            self.flaw(name, "an audio file has no https address", "write the whole address, https://…");
        }
    }

    /// What only one kind of step can have wrong.
    fn own(&mut self, name: &str, step: &Step) {
        let key = |key: &str| key.len() == 1 && key.bytes().all(|b| b.is_ascii_digit() || b == b'*');
        match step {
            Step::Menu(menu) if menu.choice.is_empty() || !menu.choice.keys().all(|k| key(k)) => {
                self.flaw(name, "its choices have no usable keys", "name choices by one digit or *");
            }
            Step::Language(step) => {
                for language in &self.dialogue.languages {
                    if !step.say.contains_key(language) {
                        self.flaw(name, format!("it says nothing in \"{language}\""), "add the text");
                    }
                }
                let known = step.choice.values().all(|language| self.dialogue.languages.contains(language));
                if step.choice.is_empty() || !known || !step.choice.keys().all(|k| key(k)) {
                    self.flaw(
                        name,
                        "its choices are no languages of this dialogue",
                        "write choice = { 1 = \"en\" }",
                    );
                }
            }
            Step::Digits(digits) if digits.least == 0 || digits.least > digits.most || digits.most > 32 => {
                self.flaw(name, "its numbers of digits cannot be", "let 1 ≤ least ≤ most ≤ 32");
            }
            Step::Record(record) if !(1..=600).contains(&record.seconds) => {
                self.flaw(name, "its length cannot be", "record 1 to 600 seconds");
            }
            Step::Confirm(confirm) if !confirm.say.values().all(|text| text.contains("{reference}")) => {
                self.flaw(name, "it does not say the reference", "write {reference} where the digits go");
            }
            Step::Hours(hours) => {
                if jiff::tz::TimeZone::get(&hours.zone).is_err() {
                    self.flaw(
                        name,
                        format!("there is no time zone \"{}\"", hours.zone),
                        "write one such as Europe/Berlin",
                    );
                }
                let day = |day: &String| DAYS.iter().any(|(known, _)| known == day);
                if !hours.days.keys().all(day)
                    || !hours.days.values().flatten().all(|text| span(text).is_some())
                {
                    self.flaw(
                        name,
                        "its opening hours cannot be read",
                        "write days such as mon = [\"09:00-17:00\"]",
                    );
                }
            }
            Step::Operator(operator) if !is_e164(&operator.number) => {
                self.flaw(
                    name,
                    "its number cannot be dialled",
                    "write it with country code, such as +493012345",
                );
            }
            _ => {}
        }
    }

    /// Steps that nobody comes to, and steps that nobody comes away from.
    fn reach(&mut self) {
        let reached = self.walk(&self.dialogue.start);
        for name in self.dialogue.step.keys() {
            if !reached.contains(name.as_str()) {
                self.flaw(name, "no step leads to it", "lead to it from another step or remove it");
            } else if !self.walk(name).iter().any(|to| self.ends(to)) {
                self.flaw(name, "no way leads from it to an end", "lead to a goodbye step sooner or later");
            } else if self.talks_to_itself(name) {
                self.flaw(
                    name,
                    "it comes back to itself without asking anything",
                    "ask something on the way",
                );
            }
        }
    }

    fn ends(&self, name: &str) -> bool {
        self.dialogue.step.get(name).is_some_and(|step| matches!(step, Step::Goodbye(_)))
    }

    /// All steps that can be reached from `from`, itself included.
    fn walk(&self, from: &str) -> BTreeSet<&'c str> {
        let dialogue: &'c Dialogue = self.dialogue;
        let mut seen = BTreeSet::new();
        let mut next: VecDeque<&str> =
            dialogue.step.get_key_value(from).map(|(name, _)| name.as_str()).into_iter().collect();
        while let Some(name) = next.pop_front() {
            if seen.insert(name)
                && let Some(step) = dialogue.step.get(name)
            {
                let ways = step.ways().into_iter();
                next.extend(ways.map(|(_, to)| to).filter(|to| dialogue.step.contains_key(*to)));
            }
        }
        seen
    }

    fn talks_to_itself(&self, name: &str) -> bool {
        let silent = |step: &Step| matches!(step, Step::Say(_) | Step::Hours(_) | Step::Confirm(_));
        let mut next: Vec<&str> = vec![name];
        let mut seen = BTreeSet::new();
        while let Some(at) = next.pop() {
            let Some(step) = self.dialogue.step.get(at).filter(|step| silent(step)) else { continue };
            for (_, to) in step.ways() {
                if to == name {
                    return true;
                }
                if seen.insert(to) {
                    next.push(to);
                }
            }
        }
        false
    }
}

/// Whether `text` is a telephone number with its country code (ITU-T E.164).
#[must_use]
pub fn is_e164(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0')
}
