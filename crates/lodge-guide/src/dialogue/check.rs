//! Everything that can be wrong with a guide before it is followed: names, targets, texts, choices, patterns. Ways that
//! lead nowhere are found in [`super::flow`].

use super::guide::{Action, Guide, languages};
use super::phrases;
use super::read::Read;
use super::settings::{AskKind, AskSettings, GuideSettings, StepSettings, Texts};
use super::texts::{Piece, is_name, pieces};
use super::{understand, words};
use crate::articles::is_language;
use crate::problem::Problem;
use std::collections::BTreeSet;

/// Steps and questions of a guide at most; the state has to keep an answer to each question.
const MOST_STEPS: usize = 200;
const MOST_ASKS: usize = 16;
/// Characters of a text and of a button at most.
const MOST_TEXT: usize = 2_000;
const MOST_LABEL: usize = 80;
/// What may be noted for a ticket.
const MOST_CATEGORY: usize = 60;
const MOST_TAGS: usize = 16;
const MOST_TAG: usize = 40;
/// Words and languages at most.
const MOST_WORDS: usize = 500;
const MOST_LANGUAGES: usize = 40;

/// Notes every problem of the settings.
pub(super) fn check(read: &Read, problems: &mut Vec<Problem>) {
    let settings = &read.settings;
    let names: BTreeSet<&str> = settings.step.iter().map(|step| step.name.as_str()).collect();
    let asked = settings.step.iter().filter(|step| step.ask.is_some()).map(|step| step.name.as_str());
    let mut checker = Checker {
        languages: languages(settings),
        names,
        asked: asked.collect(),
        line: 0,
        step: String::new(),
        problems,
    };
    checker.head(settings);
    let mut seen = BTreeSet::new();
    for (step, line) in settings.step.iter().zip(&read.lines) {
        (checker.line, checker.step) = (*line, format!("step \"{}\"", step.name));
        if !is_name(&step.name) {
            checker.problem(
                "name",
                "it is no name",
                "use at most 40 lower-case letters, digits, `-` and `_`",
            );
        }
        if !seen.insert(step.name.as_str()) {
            checker.problem("name", "there is another step of this name", "give each step a name of its own");
        }
        checker.step(step, settings);
    }
}

struct Checker<'c> {
    languages: Vec<String>,
    names: BTreeSet<&'c str>,
    asked: BTreeSet<&'c str>,
    line: usize,
    step: String,
    problems: &'c mut Vec<Problem>,
}

impl Checker<'_> {
    fn problem(&mut self, field: &str, reason: impl Into<String>, remedy: impl Into<String>) {
        let key = if self.step.is_empty() { field.to_owned() } else { format!("{}: {field}", self.step) };
        self.problems.push(Problem::at(self.line, key, reason, remedy));
    }

    fn head(&mut self, settings: &GuideSettings) {
        for tag in self.languages.clone().iter().filter(|tag| !is_language(tag)) {
            self.problem(
                "languages",
                format!("`{tag}` is no language tag"),
                "write tags such as `de` or `pt-BR`",
            );
        }
        if self.languages.len() > MOST_LANGUAGES {
            self.problem("languages", format!("there are more than {MOST_LANGUAGES}"), "keep fewer");
        }
        let bot = settings.bot.chars().count();
        if bot == 0 || bot > MOST_LABEL {
            self.problem("bot", "it is empty or too long", format!("write at most {MOST_LABEL} characters"));
        }
        if !(1..=60).contains(&settings.most_turns) {
            self.problem("most_turns", "it is out of range", "write a number from 1 to 60");
        }
        if settings.person.values().map(Vec::len).sum::<usize>() > MOST_WORDS {
            self.problem(
                "person",
                format!("there are more than {MOST_WORDS} words"),
                "keep those that people use",
            );
        }
        let is_empty = |word: &String| words::normal(word).is_empty();
        if settings.person.values().flatten().any(is_empty) {
            self.problem("person", "a word is empty", "remove it");
        }
        if !settings.introduction.is_empty() {
            self.texts("introduction", &settings.introduction, MOST_TEXT);
        }
        for (language, text) in &settings.introduction {
            if !words::says_bot(text) {
                let reason = format!("the text in `{language}` does not say that a bot is speaking");
                self.problem("introduction", reason, "name it: “I am {bot}, a bot”");
            }
        }
        self.phrases(settings);
        if settings.step.is_empty() {
            self.problem("step", "there is no step", "write at least one `[[step]]` with `hand_over`");
        }
        if settings.step.len() > MOST_STEPS {
            self.problem("step", format!("there are more than {MOST_STEPS} steps"), "split the guide");
        }
        if self.asked.len() > MOST_ASKS {
            let remedy = "ask for less: nobody answers that many questions to a bot";
            self.problem("step", format!("there are more than {MOST_ASKS} questions"), remedy);
        }
    }

    fn phrases(&mut self, settings: &GuideSettings) {
        for (language, own) in &settings.phrases {
            let key = format!("phrases.{language}");
            if !self.languages.contains(language) {
                self.problem(&key, "the guide does not speak this language", "add it to `languages`");
            }
            let labels = [&own.person, &own.skip, &own.yes, &own.no];
            if labels.iter().any(|label| label.as_ref().is_some_and(|l| !fits(l, MOST_LABEL))) {
                let remedy = format!("write 1 to {MOST_LABEL} characters");
                self.problem(&key, "a button is empty or too long", remedy);
            }
            let said = [
                &own.handing_over,
                &own.giving_up,
                &own.may_help,
                &own.did_it_help,
                &own.glad,
                &own.choose,
                &own.no_name,
                &own.no_email,
                &own.no_phone,
                &own.no_answer,
            ];
            for text in said.into_iter().flatten() {
                self.text(&key, text, MOST_TEXT);
            }
        }
    }

    fn step(&mut self, step: &StepSettings, settings: &GuideSettings) {
        let kinds = [
            step.say.is_some(),
            step.ask.is_some(),
            step.offer.is_some(),
            step.branch.is_some(),
            step.set.is_some(),
            step.hand_over.is_some(),
        ];
        if kinds.into_iter().filter(|is| *is).count() != 1 {
            let remedy = "write one of `say`, `ask`, `offer`, `branch`, `set`, `hand_over`";
            self.problem("", "it does not do exactly one thing", remedy);
        }
        self.target("next", step.next.as_ref());
        if step.hand_over.is_some() && step.next.is_some() {
            self.problem("next", "nothing follows when a person has taken over", "remove it");
        }
        let is_last = settings.step.last().is_some_and(|last| std::ptr::eq(last, step));
        if is_last && step.next.is_none() && step.hand_over.is_none() {
            self.problem(
                "next",
                "the last step leads nowhere",
                "name the next step, or end with a `hand_over`",
            );
        }
        if let Some(texts) = &step.say {
            self.texts("say", texts, MOST_TEXT);
        }
        if let Some(texts) = &step.hand_over {
            self.texts("hand_over", texts, MOST_TEXT);
        }
        if let Some(ask) = &step.ask {
            self.ask(ask);
        }
        if let Some(offer) = &step.offer {
            self.target("offer.none", offer.none.as_ref());
            self.answered("offer.about", offer.about.as_ref());
            if offer.most.is_some_and(|most| !(1..=3).contains(&most)) {
                self.problem("offer.most", "it is out of range", "write 1, 2 or 3");
            }
            for (field, texts) in [("offer.text", &offer.text), ("offer.helped", &offer.helped)] {
                if !texts.is_empty() {
                    self.texts(field, texts, MOST_TEXT);
                }
            }
        }
        if let Some(branch) = &step.branch {
            self.answered("branch.on", Some(&branch.on));
            self.target("branch.otherwise", branch.otherwise.as_ref());
            self.cases(branch, settings);
        }
        if let Some(set) = &step.set {
            let too_long = set.category.as_ref().is_some_and(|category| !is_short(category, MOST_CATEGORY))
                || set.tags.iter().any(|tag| !is_short(tag, MOST_TAG));
            if too_long || set.tags.len() > MOST_TAGS {
                let remedy = format!(
                    "a category has up to {MOST_CATEGORY} bytes, a tag {MOST_TAG}, and there are up to {MOST_TAGS} tags"
                );
                self.problem("set", "something is empty, too long or too much", remedy);
            }
        }
    }

    fn cases(&mut self, branch: &super::settings::BranchSettings, settings: &GuideSettings) {
        let asked =
            settings.step.iter().find(|step| step.name == branch.on).and_then(|step| step.ask.as_ref());
        for (answer, target) in &branch.cases {
            self.target(&format!("branch.cases.{answer}"), Some(target));
            let Some(ask) = asked.filter(|ask| ask.kind == AskKind::Choice) else { continue };
            if !ask.choices.iter().any(|choice| choice.value == *answer) {
                let values: Vec<&str> = ask.choices.iter().map(|choice| choice.value.as_str()).collect();
                let reason = format!("`{answer}` is none of the choices of \"{}\"", branch.on);
                self.problem("branch.cases", reason, format!("use one of: {}", values.join(", ")));
            }
        }
    }

    fn ask(&mut self, ask: &AskSettings) {
        self.texts("ask.text", &ask.text, MOST_TEXT);
        if !ask.retry.is_empty() {
            self.texts("ask.retry", &ask.retry, MOST_TEXT);
        }
        self.target("ask.otherwise", ask.otherwise.as_ref());
        if ask.retries > 5 {
            self.problem("ask.retries", "it is out of range", "write a number from 0 to 5");
        }
        if let Some(pattern) = &ask.pattern
            && let Err(reason) = understand::compile(pattern)
        {
            self.problem("ask.pattern", reason, "correct the regular expression (crate `regex`)");
        }
        match ask.kind {
            AskKind::Number if ask.pattern.is_none() => {
                let remedy = "write a regular expression such as '[0-9]{6,10}'";
                self.problem("ask.pattern", "a number is asked for without a pattern", remedy);
            }
            AskKind::Number | AskKind::Text => {}
            _ if ask.pattern.is_some() => {
                let remedy = "remove it, or ask with kind `number` or `text`";
                self.problem("ask.pattern", "this kind of question has no pattern", remedy);
            }
            _ => {}
        }
        self.choices(ask);
    }

    fn choices(&mut self, ask: &AskSettings) {
        if ask.kind != AskKind::Choice {
            if !ask.choices.is_empty() {
                self.problem("ask.choices", "this kind of question has no choices", "ask with kind `choice`");
            }
            return;
        }
        if !(2..=10).contains(&ask.choices.len()) {
            self.problem("ask.choices", "there are not two to ten choices", "add some, or take some away");
        }
        let mut seen = BTreeSet::new();
        for choice in &ask.choices {
            let field = format!("ask.choices.{}", choice.value);
            if !is_name(&choice.value) || !seen.insert(&choice.value) {
                let remedy = "use lower-case letters, digits, `-` and `_`, each value once";
                self.problem(&field, "its value is no name, or there twice", remedy);
            }
            self.texts(&field, &choice.label, MOST_LABEL);
            if choice.words.len() > MOST_WORDS
                || choice.words.iter().any(|word| words::normal(word).is_empty())
            {
                self.problem(&field, "its words are too many, or one is empty", "keep those that people use");
            }
        }
    }

    /// All languages of the guide are there, no other, and each text fits.
    fn texts(&mut self, field: &str, texts: &Texts, most: usize) {
        let missing: Vec<&str> =
            self.languages.iter().filter(|tag| !texts.contains_key(*tag)).map(String::as_str).collect();
        if !missing.is_empty() {
            let remedy =
                format!("add a text, or take the language out of `languages`: {}", missing.join(", "));
            self.problem(field, format!("there is no text in {}", missing.join(", ")), remedy);
        }
        for (language, text) in texts {
            if !self.languages.contains(language) {
                let reason = format!("there is a text in `{language}`, which the guide does not speak");
                self.problem(field, reason, "add it to `languages`");
            }
            self.text(&format!("{field}.{language}"), text, most);
        }
    }

    fn text(&mut self, field: &str, text: &str, most: usize) {
        if !fits(text, most) {
            self.problem(field, "it is empty or too long", format!("write 1 to {most} characters"));
        }
        for piece in pieces(text) {
            if let Piece::Place(name) = piece
                && !["name", "email", "phone", "topic", "bot"].contains(&name)
                && !self.asked.contains(name)
            {
                let remedy = "use {name}, {email}, {phone}, {topic}, {bot}, or a step that asks something";
                self.problem(field, format!("nothing is known of `{{{name}}}`"), remedy);
            }
        }
    }

    fn target(&mut self, field: &str, target: Option<&String>) {
        if let Some(target) = target
            && !self.names.contains(target.as_str())
        {
            self.problem(field, format!("there is no step `{target}`"), "name a step of this guide");
        }
    }

    fn answered(&mut self, field: &str, step: Option<&String>) {
        if let Some(step) = step
            && !self.asked.contains(step.as_str())
        {
            self.problem(field, format!("`{step}` is no step that asks something"), "name one that does");
        }
    }
}

fn fits(text: &str, most: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= most
}

fn is_short(text: &str, most: usize) -> bool {
    !text.trim().is_empty() && text.len() <= most && !text.chars().any(char::is_control)
}

/// What could be better in a guide that works.
pub(super) fn advise(guide: &Guide) -> Vec<Problem> {
    let mut advice = Vec::new();
    let mut advise =
        |key: &str, reason: String, remedy: &str| advice.push(Problem::at(0, key, reason, remedy));
    for language in guide.languages.iter().filter(|language| !phrases::is_built_in(language)) {
        let own = guide.settings.phrases.get(language);
        if own.is_none_or(|own| {
            own.person.is_none() || own.yes.is_none() || own.no.is_none() || own.skip.is_none()
        }) {
            let reason = format!("the buttons in `{language}` are English");
            advise(&format!("phrases.{language}"), reason, "write at least `person`, `skip`, `yes` and `no`");
        }
    }
    let asks = |fits: &dyn Fn(&AskSettings) -> bool| {
        guide.steps.iter().any(|step| matches!(&step.action, Action::Ask(ask) if fits(&ask.settings)))
    };
    if !asks(&|ask| matches!(ask.kind, AskKind::Email | AskKind::Phone)) {
        let reason = "nobody is asked how to be reached".to_owned();
        advise("step", reason, "ask for an email address, so that visitors who left can be answered");
    }
    if !asks(&|ask| ask.topic) {
        let reason = "no question says what a chat is about".to_owned();
        advise("step", reason, "set `topic = true` on one, so that tickets have a subject");
    }
    if !guide.steps.iter().any(|step| matches!(step.action, Action::Offer { .. })) {
        let reason = "articles are never offered".to_owned();
        advise("step", reason, "add a step with `offer`, so that visitors may find an answer at once");
    }
    advice
}
