//! Turns rules into something fast, and finds everything that is wrong with them at once.

use crate::facts::{TextField, word};
use crate::patterns::{PatternList, Patterns};
use crate::rules::{Condition, OneOrMany, Rule, RuleSet};
use crate::test::{Test, WordField};
use crate::{InboxDefaults, Queues};
use lodge_domain::{Assurance, Channel, Flag, OriginClass, OriginKind, Priority};
use std::collections::HashSet;

/// Something wrong with the rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rule \"{rule}\": {field}: {problem}; {remedy}")]
pub struct RuleError {
    /// The rule's name, or `queues`.
    pub rule: String,
    /// Which part of it, such as `when.subject`.
    pub field: String,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

/// Compiled rules with the queues they route to.
#[derive(Debug)]
pub struct Rules {
    pub(crate) rules: Vec<Compiled>,
    pub(crate) queues: Queues,
    pub(crate) inboxes: InboxDefaults,
    pub(crate) fallback: String,
    pub(crate) headers: Vec<(String, Patterns)>,
    subject: Patterns,
    text: Patterns,
    attachment: Patterns,
}

/// A compiled rule.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) name: String,
    pub(crate) when: Test,
    pub(crate) set: RuleSet,
    pub(crate) stop: bool,
}

impl Rules {
    /// The queues as configured, the implied one included.
    #[must_use]
    pub fn queues(&self) -> &Queues {
        &self.queues
    }

    /// The queue that takes what nothing else routes.
    #[must_use]
    pub fn fallback(&self) -> &str {
        &self.fallback
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    pub(crate) fn patterns(&self, field: TextField) -> &Patterns {
        match field {
            TextField::Subject => &self.subject,
            TextField::Text => &self.text,
            TextField::Attachment => &self.attachment,
            TextField::Header(at) => &self.headers[at].1,
        }
    }
}

/// Compiles `rules` for these queues and inboxes. Without any queue there is one, [`Queues::ONLY`].
///
/// # Errors
/// All problems at once: unknown queues and inboxes, unreadable patterns, words that nothing can ever have, duplicate
/// names, no or several fallback queues.
pub fn compile(rules: &[Rule], queues: &Queues, inboxes: &InboxDefaults) -> Result<Rules, Vec<RuleError>> {
    let mut queues = queues.clone();
    if queues.0.is_empty() {
        queues
            .0
            .insert(Queues::ONLY.to_owned(), crate::QueueSettings { fallback: true, ..Default::default() });
    }
    let mut compiler = Compiler {
        queues: &queues,
        inboxes,
        errors: Vec::new(),
        rule: String::new(),
        subject: PatternList::default(),
        text: PatternList::default(),
        attachment: PatternList::default(),
        headers: Vec::new(),
    };
    let fallback = compiler.routes();
    let mut names = HashSet::new();
    let compiled = rules.iter().map(|rule| compiler.rule(rule, &mut names)).collect();
    let Compiler { errors, subject, text, attachment, headers, .. } = compiler;
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(Rules {
        rules: compiled,
        fallback,
        inboxes: inboxes.clone(),
        headers: headers.into_iter().map(|(name, list)| (name, list.finish())).collect(),
        subject: subject.finish(),
        text: text.finish(),
        attachment: attachment.finish(),
        queues,
    })
}

struct Compiler<'c> {
    queues: &'c Queues,
    inboxes: &'c InboxDefaults,
    errors: Vec<RuleError>,
    rule: String,
    subject: PatternList,
    text: PatternList,
    attachment: PatternList,
    headers: Vec<(String, PatternList)>,
}

impl Compiler<'_> {
    fn error(&mut self, field: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        let (rule, field) = (self.rule.clone(), field.to_owned());
        self.errors.push(RuleError { rule, field, problem: problem.into(), remedy: remedy.into() });
    }

    /// Checks queues and inbox defaults; the fallback queue.
    fn routes(&mut self) -> String {
        "queues".clone_into(&mut self.rule);
        let names: Vec<&String> = self.queues.0.keys().collect();
        let fallbacks: Vec<&String> =
            self.queues.0.iter().filter(|(_, queue)| queue.fallback).map(|(name, _)| name).collect();
        let fallback = match (fallbacks.as_slice(), names.as_slice()) {
            ([one], _) => (*one).clone(),
            ([], [only]) => (*only).clone(),
            ([], _) => {
                self.error(
                    "fallback",
                    "none of several queues is the fallback",
                    "set fallback = true in one",
                );
                String::new()
            }
            _ => {
                self.error(
                    "fallback",
                    "several queues are the fallback",
                    "keep fallback = true in one of them",
                );
                String::new()
            }
        };
        for (inbox, default) in &self.inboxes.0 {
            if let Some(queue) = &default.queue {
                self.check_queue(&format!("inbox.{inbox}.queue"), queue);
            }
        }
        fallback
    }

    fn rule(&mut self, rule: &Rule, names: &mut HashSet<String>) -> Compiled {
        self.rule.clone_from(&rule.name);
        if rule.name.trim().is_empty() {
            self.error("name", "it has no name", "give it one: it stands in the reasons of tickets");
        } else if !names.insert(rule.name.clone()) {
            self.error("name", "another rule has this name", "give each rule a name of its own");
        }
        if let Some(queue) = &rule.set.queue {
            self.check_queue("set.queue", queue);
        }
        let when = self.condition(&rule.when, "when");
        Compiled { name: rule.name.clone(), when, set: rule.set.clone(), stop: rule.stop }
    }

    fn check_queue(&mut self, field: &str, queue: &str) {
        if !self.queues.0.contains_key(queue) {
            let known: Vec<&str> = self.queues.0.keys().map(String::as_str).collect();
            let remedy = format!("add [queue.{queue}] or use one of {}", known.join(", "));
            self.error(field, format!("there is no queue \"{queue}\""), remedy);
        }
    }

    fn condition(&mut self, when: &Condition, path: &str) -> Test {
        let mut tests = Vec::new();
        let words: [(WordField, &Option<OneOrMany>); 16] = [
            (WordField::Channel, &when.channel),
            (WordField::Inbox, &when.inbox),
            (WordField::Provider, &when.provider),
            (WordField::From, &when.from),
            (WordField::Domain, &when.domain),
            (WordField::Language, &when.language),
            (WordField::Tier, &when.tier),
            (WordField::Path, &when.path),
            (WordField::Origin, &when.origin),
            (WordField::Flag, &when.flag),
            (WordField::Assurance, &when.assurance),
            (WordField::To, &when.to),
            (WordField::Category, &when.category),
            (WordField::Queue, &when.queue),
            (WordField::Priority, &when.priority),
            (WordField::Tag, &when.tag),
        ];
        for (field, values) in words {
            if let Some(values) = values {
                tests.push(self.words(field, values, path));
            }
        }
        let texts = [
            (TextField::Subject, "subject", &when.subject),
            (TextField::Text, "text", &when.text),
            (TextField::Attachment, "attachment", &when.attachment),
        ];
        for (field, label, patterns) in texts {
            if let Some(patterns) = patterns {
                tests.push(self.patterns(field, label.to_owned(), patterns, path));
            }
        }
        for (name, patterns) in &when.header {
            let field = self.header(name);
            tests.push(self.patterns(field, format!("header.{name}"), patterns, path));
        }
        self.combined(when, path, &mut tests);
        Test::All(tests)
    }

    fn combined(&mut self, when: &Condition, path: &str, tests: &mut Vec<Test>) {
        for (name, list) in [("any", &when.any), ("all", &when.all)] {
            let Some(list) = list else { continue };
            let path = format!("{path}.{name}");
            if list.is_empty() {
                self.error(&path, "it lists nothing", "name at least one condition or leave it out");
            }
            let inner = list.iter().map(|condition| self.condition(condition, &path)).collect();
            tests.push(if name == "any" { Test::Any(inner) } else { Test::All(inner) });
        }
        if let Some(not) = &when.not {
            let path = format!("{path}.not");
            if **not == Condition::default() {
                self.error(&path, "it lists nothing", "name at least one condition or leave it out");
            }
            tests.push(Test::Not(Box::new(self.condition(not, &path))));
        }
    }

    fn words(&mut self, field: WordField, values: &OneOrMany, path: &str) -> Test {
        let path = format!("{path}.{}", field.name());
        let words: Vec<String> = values.0.iter().map(|value| value.trim().to_lowercase()).collect();
        if words.is_empty() || words.iter().any(String::is_empty) {
            self.error(&path, "it is empty", "name at least one value or leave it out");
        }
        for word in &words {
            match known_words(field) {
                Some(known) if !known.contains(word) => {
                    let problem = format!("nothing ever has the value \"{word}\"");
                    self.error(&path, problem, format!("use one of {}", known.join(", ")));
                }
                _ => {}
            }
            match field {
                WordField::Queue if !self.queues.0.keys().any(|name| name.to_lowercase() == *word) => {
                    self.check_queue(&path, word);
                }
                WordField::Inbox
                    if !self.inboxes.0.is_empty()
                        && !self.inboxes.0.keys().any(|name| name.as_str().to_lowercase() == *word) =>
                {
                    let known: Vec<&str> =
                        self.inboxes.0.keys().map(lodge_domain::InboxName::as_str).collect();
                    let remedy = format!("use one of {}", known.join(", "));
                    self.error(&path, format!("there is no inbox \"{word}\""), remedy);
                }
                _ => {}
            }
        }
        let words = match field {
            // Both `example.com` and `@example.com` are what people write.
            WordField::Domain => words.iter().map(|w| w.trim_start_matches(['@', '.']).to_owned()).collect(),
            _ => words,
        };
        Test::Word { field, words }
    }

    fn header(&mut self, name: &str) -> TextField {
        let name = name.to_lowercase();
        let at = self.headers.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            self.headers.push((name, PatternList::default()));
            self.headers.len() - 1
        });
        TextField::Header(at)
    }

    fn patterns(&mut self, field: TextField, label: String, values: &OneOrMany, path: &str) -> Test {
        let path = format!("{path}.{label}");
        if values.0.is_empty() {
            self.error(&path, "it is empty", "name at least one pattern or leave it out");
        }
        let mut patterns = Vec::new();
        for value in &values.0 {
            let list = match field {
                TextField::Subject => &mut self.subject,
                TextField::Text => &mut self.text,
                TextField::Attachment => &mut self.attachment,
                TextField::Header(at) => &mut self.headers[at].1,
            };
            match list.add(value) {
                Ok(number) => patterns.push(number),
                Err(why) => {
                    let problem = format!("the pattern \"{value}\" cannot be used: {why}");
                    self.error(
                        &path,
                        problem,
                        "correct the regular expression (look-around is not supported)",
                    );
                }
            }
        }
        Test::Pattern { field, label, patterns }
    }
}

/// The words a field can have, where there are only so many.
fn known_words(field: WordField) -> Option<Vec<String>> {
    match field {
        WordField::Channel => {
            let all = [Channel::Email, Channel::Chat, Channel::Voice, Channel::Social, Channel::Form];
            Some(all.iter().map(word).collect())
        }
        WordField::Assurance => Some(
            [Assurance::Authenticated, Assurance::Unverified, Assurance::Failed].iter().map(word).collect(),
        ),
        WordField::Priority => Some(
            [Priority::Low, Priority::Normal, Priority::High, Priority::Urgent].iter().map(word).collect(),
        ),
        WordField::Origin => {
            let kinds = [OriginKind::Human, OriginKind::Automated, OriginKind::Ours];
            Some(kinds.iter().map(word).chain(CLASSES.iter().map(word)).collect())
        }
        WordField::Flag => Some(FLAGS.iter().map(word).collect()),
        _ => None,
    }
}

const CLASSES: [OriginClass; 8] = [
    OriginClass::AutoReply,
    OriginClass::Bounce,
    OriginClass::DeliveryReport,
    OriginClass::Complaint,
    OriginClass::List,
    OriginClass::Bulk,
    OriginClass::Calendar,
    OriginClass::Notification,
];

const FLAGS: [Flag; 14] = [
    Flag::NewParticipant,
    Flag::Conflict,
    Flag::Ambiguous,
    Flag::Truncated,
    Flag::Unparsed,
    Flag::Encrypted,
    Flag::SubjectChanged,
    Flag::PossibleDuplicate,
    Flag::ReplyToDiffers,
    Flag::Verification,
    Flag::HiddenText,
    Flag::FutureDate,
    Flag::Burst,
    Flag::NameLooksLikeAddress,
];
