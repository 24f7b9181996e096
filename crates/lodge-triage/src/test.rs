//! One compiled condition: asks the facts and the draft so far, and says what made it hold.

use crate::compile::Rules;
use crate::evaluate::Draft;
use crate::facts::{Facts, TextField, word};

/// A word that is compared whole, without regard to case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WordField {
    Channel,
    Inbox,
    Provider,
    From,
    Domain,
    Language,
    Tier,
    Path,
    Origin,
    Flag,
    Assurance,
    To,
    Category,
    Queue,
    Priority,
    Tag,
}

impl WordField {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Inbox => "inbox",
            Self::Provider => "provider",
            Self::From => "from",
            Self::Domain => "domain",
            Self::Language => "language",
            Self::Tier => "tier",
            Self::Path => "path",
            Self::Origin => "origin",
            Self::Flag => "flag",
            Self::Assurance => "assurance",
            Self::To => "to",
            Self::Category => "category",
            Self::Queue => "queue",
            Self::Priority => "priority",
            Self::Tag => "tag",
        }
    }
}

/// A compiled condition.
#[derive(Debug)]
pub(crate) enum Test {
    /// One of `words`, which are in lower case.
    Word {
        field: WordField,
        words: Vec<String>,
    },
    /// One of the patterns with these numbers.
    Pattern {
        field: TextField,
        label: String,
        patterns: Vec<usize>,
    },
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
}

impl Test {
    /// Whether it holds.
    pub(crate) fn holds(&self, facts: &Facts<'_>, draft: &Draft, rules: &Rules) -> bool {
        match self {
            Self::Word { field, words } => {
                words.iter().any(|wanted| word_holds(*field, wanted, facts, draft))
            }
            Self::Pattern { field, patterns, .. } => {
                let found = facts.found(*field, rules);
                patterns.iter().any(|at| found.has(*at))
            }
            Self::All(tests) => tests.iter().all(|test| test.holds(facts, draft, rules)),
            Self::Any(tests) => tests.iter().any(|test| test.holds(facts, draft, rules)),
            Self::Not(test) => !test.holds(facts, draft, rules),
        }
    }

    /// Says what made it hold, in a few words each. Only to be asked where it holds.
    pub(crate) fn evidence(&self, facts: &Facts<'_>, draft: &Draft, rules: &Rules, out: &mut Vec<String>) {
        match self {
            Self::Word { field, words } => {
                let hit = words.iter().find(|wanted| word_holds(*field, wanted, facts, draft));
                out.extend(hit.map(|wanted| format!("{} is {wanted}", field.name())));
            }
            Self::Pattern { field, label, patterns } => {
                let found = facts.found(*field, rules);
                let hit = patterns.iter().find(|at| found.has(**at));
                let words = hit
                    .and_then(|at| rules.patterns(*field).first(*at, facts.texts(*field, rules)))
                    .unwrap_or_default();
                out.push(format!("{label} has \"{}\"", shortened(words)));
            }
            Self::All(tests) => tests.iter().for_each(|test| test.evidence(facts, draft, rules, out)),
            Self::Any(tests) => {
                if let Some(test) = tests.iter().find(|test| test.holds(facts, draft, rules)) {
                    test.evidence(facts, draft, rules, out);
                }
            }
            Self::Not(test) => out.push(format!("not {}", test.label())),
        }
    }

    /// The first condition in it that does not hold; `None` where it holds.
    pub(crate) fn failing(&self, facts: &Facts<'_>, draft: &Draft, rules: &Rules) -> Option<String> {
        match self {
            Self::All(tests) => tests.iter().find_map(|test| test.failing(facts, draft, rules)),
            _ if self.holds(facts, draft, rules) => None,
            _ => Some(self.label()),
        }
    }

    fn label(&self) -> String {
        match self {
            Self::Word { field, words } => format!("{} {}", field.name(), words.join(" or ")),
            Self::Pattern { label, .. } => label.clone(),
            Self::All(tests) => tests.iter().map(Self::label).collect::<Vec<_>>().join(" and "),
            Self::Any(tests) => {
                format!("any of {}", tests.iter().map(Self::label).collect::<Vec<_>>().join(", "))
            }
            Self::Not(test) => format!("not {}", test.label()),
        }
    }
}

fn word_holds(field: WordField, wanted: &str, facts: &Facts<'_>, draft: &Draft) -> bool {
    let among = |words: &[String]| words.iter().any(|word| word == wanted);
    match field {
        WordField::Channel => facts.channel == wanted,
        WordField::Inbox => facts.inbox == wanted,
        WordField::Provider => facts.provider == wanted,
        WordField::From => facts.from == wanted,
        WordField::Domain => in_domain(&facts.from, wanted),
        WordField::Language => speaks(&facts.language, wanted),
        WordField::Tier => facts.tier == wanted,
        WordField::Path => among(&facts.path),
        WordField::Origin => among(&facts.origin),
        WordField::Flag => among(&facts.flags),
        WordField::Assurance => facts.assurance == wanted,
        WordField::To => among(&facts.to),
        WordField::Category => draft.category.as_deref().is_some_and(|is| is.to_lowercase() == wanted),
        WordField::Queue => draft.queue.as_deref().is_some_and(|is| is.to_lowercase() == wanted),
        WordField::Priority => word(&draft.priority) == wanted,
        WordField::Tag => draft.tags.iter().any(|tag| tag.to_lowercase() == wanted),
    }
}

/// Whether the address is in `domain` or a subdomain of it.
fn in_domain(address: &str, domain: &str) -> bool {
    let Some((_, host)) = address.rsplit_once('@') else { return false };
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether a language tag is `wanted` or a variety of it (RFC 4647, basic filtering).
fn speaks(tag: &str, wanted: &str) -> bool {
    tag.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// At most forty characters, on one line.
fn shortened(text: &str) -> String {
    let mut out: String = text.chars().take(40).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(40).is_some() {
        out.push('…');
    }
    out
}
