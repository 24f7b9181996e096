//! The dialogue as an operator writes it. Reading it checks its shape; [`super::check()`] checks what it means.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A text, or an address of an audio file, by language.
pub type ByLanguage = BTreeMap<String, String>;

/// A dialogue: steps by name, one of which is the first.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dialogue {
    /// The step a call begins with.
    pub start: String,
    /// The languages it speaks, as BCP 47 tags; the first is spoken until another is chosen.
    pub languages: Vec<String>,
    /// The provider's name of the voice, by language; its own choice where none is given.
    #[serde(default)]
    pub voices: ByLanguage,
    /// The steps.
    pub step: BTreeMap<String, Step>,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Says something and goes on.
    Say(Say),
    /// Lets the caller choose a language by key.
    Language(Language),
    /// Lets the caller choose by key or speech.
    Menu(Menu),
    /// Collects digits: an order number, or the reference of an earlier contact.
    Digits(Digits),
    /// Collects a few words.
    Speech(Speech),
    /// Asks for consent.
    Consent(Consent),
    /// Records a message.
    Record(Record),
    /// Files what was learned and speaks the reference, digit by digit in groups.
    Confirm(Confirm),
    /// Goes one way within opening hours and another outside.
    Hours(Hours),
    /// Connects the caller with an operator.
    Operator(Operator),
    /// Says something and hangs up.
    Goodbye(Goodbye),
}

/// Says something and goes on.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Say {
    /// What is said, by language.
    #[serde(default)]
    pub say: ByLanguage,
    /// An audio file that is played instead, by language.
    #[serde(default)]
    pub play: ByLanguage,
    /// The next step.
    pub next: String,
}

/// How an unanswered or misunderstood question goes on.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// How often it is asked in all, 1 to 5.
    pub times: u32,
    /// How long silence is waited for, in seconds.
    pub seconds: u32,
    /// What is said before it is asked again, by language.
    pub say: ByLanguage,
    /// Where it goes on after the last time; the step's own next one where nothing is named.
    pub otherwise: Option<String>,
}

impl Default for Retry {
    fn default() -> Self {
        Self { times: 3, seconds: 5, say: ByLanguage::new(), otherwise: None }
    }
}

/// Lets the caller choose a language by key.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Language {
    /// What is said; each language's text is said in that language, one after the other.
    pub say: ByLanguage,
    /// The language by key.
    pub choice: BTreeMap<String, String>,
    /// The next step.
    pub next: String,
    /// Silence and nonsense.
    #[serde(default)]
    pub retry: Retry,
}

/// Lets the caller choose by key or speech.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Menu {
    /// What is said, by language.
    #[serde(default)]
    pub say: ByLanguage,
    /// An audio file that is played instead, by language.
    #[serde(default)]
    pub play: ByLanguage,
    /// The choices by key: a digit, `*` or `#`.
    pub choice: BTreeMap<String, Choice>,
    /// Silence and nonsense.
    #[serde(default)]
    pub retry: Retry,
}

/// One choice of a menu.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// Its name: stands in the ticket's `details.path`, and rules ask for it by `path`.
    pub name: String,
    /// Words that mean it when spoken, by language.
    #[serde(default)]
    pub words: BTreeMap<String, Vec<String>>,
    /// The next step.
    pub next: String,
}

/// What digits are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DigitsKind {
    /// Any number.
    #[default]
    Number,
    /// The reference of an earlier contact: ten digits, the last a check digit.
    Reference,
}

/// Collects digits.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Digits {
    /// Their name in the ticket's `details.digits`.
    pub name: String,
    /// What is said, by language.
    #[serde(default)]
    pub say: ByLanguage,
    /// An audio file that is played instead, by language.
    #[serde(default)]
    pub play: ByLanguage,
    /// What they are.
    #[serde(default)]
    pub kind: DigitsKind,
    /// The least number of digits.
    #[serde(default = "one")]
    pub least: usize,
    /// The greatest number of digits, up to 32.
    #[serde(default = "most_digits")]
    pub most: usize,
    /// Never kept anywhere: the ticket only says that they were given.
    #[serde(default)]
    pub sensitive: bool,
    /// The next step.
    pub next: String,
    /// Silence and nonsense.
    #[serde(default)]
    pub retry: Retry,
}

fn one() -> usize {
    1
}

fn most_digits() -> usize {
    20
}

/// Collects a few words.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Speech {
    /// Their name in the ticket's `details.speech`.
    pub name: String,
    /// What is said, by language.
    #[serde(default)]
    pub say: ByLanguage,
    /// An audio file that is played instead, by language.
    #[serde(default)]
    pub play: ByLanguage,
    /// The next step.
    pub next: String,
    /// Silence and nonsense.
    #[serde(default)]
    pub retry: Retry,
}

/// What consent is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum About {
    /// Being recorded: without it no recording is fetched.
    Recording,
    /// Text messages to the caller's number: the reference, and agents' answers.
    TextMessage,
}

/// Asks for consent.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// What is said, by language.
    #[serde(default)]
    pub say: ByLanguage,
    /// An audio file that is played instead, by language.
    #[serde(default)]
    pub play: ByLanguage,
    /// What it is about.
    pub about: About,
    /// The key that means yes; every other one, and silence, means no.
    #[serde(default = "yes_key")]
    pub yes: String,
    /// The next step after yes.
    pub next: String,
    /// The next step after no; the same where nothing is named.
    #[serde(default)]
    pub refused: Option<String>,
    /// How long silence is waited for, in seconds.
    #[serde(default = "consent_seconds")]
    pub seconds: u32,
}

fn yes_key() -> String {
    "1".to_owned()
}

fn consent_seconds() -> u32 {
    5
}

/// Records a message.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// What is said before the tone, by language.
    #[serde(default)]
    pub say: ByLanguage,
    /// An audio file that is played instead, by language.
    #[serde(default)]
    pub play: ByLanguage,
    /// The longest message in seconds, up to 600.
    #[serde(default = "record_seconds")]
    pub seconds: u32,
    /// Silence that ends it, in seconds.
    #[serde(default = "record_silence")]
    pub silence: u32,
    /// Whether the provider is asked for the words.
    #[serde(default)]
    pub transcribe: bool,
    /// The next step.
    pub next: String,
}

fn record_seconds() -> u32 {
    120
}

fn record_silence() -> u32 {
    4
}

/// Files what was learned and speaks the reference.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirm {
    /// What is said, by language; `{reference}` stands for the digits.
    pub say: ByLanguage,
    /// How often it is said, 1 to 3.
    #[serde(default = "twice")]
    pub times: u32,
    /// The next step.
    pub next: String,
}

fn twice() -> u32 {
    2
}

/// Goes one way within opening hours and another outside.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// The time zone, such as `Europe/Berlin`.
    pub zone: String,
    /// Opening hours by day (`mon` to `sun`), each such as `09:00-17:00`; a day that is not named is closed.
    pub days: BTreeMap<String, Vec<String>>,
    /// The next step when open.
    pub open: String,
    /// The next step when closed.
    pub closed: String,
}

/// Connects the caller with an operator.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// What is said before, by language.
    #[serde(default)]
    pub say: ByLanguage,
    /// The number, in E.164.
    pub number: String,
    /// How long it rings, in seconds.
    #[serde(default = "ring_seconds")]
    pub seconds: u32,
    /// The next step after the operator hung up.
    pub next: String,
    /// The next step when nobody answers.
    pub otherwise: String,
}

fn ring_seconds() -> u32 {
    20
}

/// Says something and hangs up.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Goodbye {
    /// What is said, by language.
    #[serde(default)]
    pub say: ByLanguage,
    /// An audio file that is played instead, by language.
    #[serde(default)]
    pub play: ByLanguage,
}

/// Reads a dialogue.
///
/// # Errors
/// What is wrong with its shape, with the line.
pub fn read(text: &str) -> Result<Dialogue, String> {
    toml::from_str(text).map_err(|error: toml::de::Error| error.to_string())
}

impl Step {
    /// The steps that may follow, each with the reason; none where the call ends.
    #[must_use]
    pub fn ways(&self) -> Vec<(String, &str)> {
        match self {
            Self::Say(step) => vec![(String::new(), step.next.as_str())],
            Self::Language(step) => unanswered(&step.retry, &step.next, vec![(String::new(), &step.next)]),
            Self::Menu(step) => {
                let ways = step.choice.iter();
                let ways = ways.map(|(key, choice)| (format!("{key} {}", choice.name), choice.next.as_str()));
                let mut ways: Vec<_> = ways.collect();
                ways.extend(step.retry.otherwise.as_deref().map(|to| ("no answer".to_owned(), to)));
                ways
            }
            Self::Digits(step) => unanswered(&step.retry, &step.next, vec![(String::new(), &step.next)]),
            Self::Speech(step) => unanswered(&step.retry, &step.next, vec![(String::new(), &step.next)]),
            Self::Consent(step) => {
                let refused = step.refused.as_deref().unwrap_or(&step.next);
                vec![("yes".to_owned(), step.next.as_str()), ("no".to_owned(), refused)]
            }
            Self::Record(step) => vec![(String::new(), step.next.as_str())],
            Self::Confirm(step) => vec![(String::new(), step.next.as_str())],
            Self::Hours(step) => {
                vec![("open".to_owned(), step.open.as_str()), ("closed".to_owned(), step.closed.as_str())]
            }
            Self::Operator(step) => {
                let nobody = ("nobody answers".to_owned(), step.otherwise.as_str());
                vec![(String::new(), step.next.as_str()), nobody]
            }
            Self::Goodbye(_) => Vec::new(),
        }
    }

    /// The kind's name.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Say(_) => "say",
            Self::Language(_) => "language",
            Self::Menu(_) => "menu",
            Self::Digits(_) => "digits",
            Self::Speech(_) => "speech",
            Self::Consent(_) => "consent",
            Self::Record(_) => "record",
            Self::Confirm(_) => "confirm",
            Self::Hours(_) => "hours",
            Self::Operator(_) => "operator",
            Self::Goodbye(_) => "goodbye",
        }
    }

    /// What it says and plays, by language.
    #[must_use]
    pub fn prompts(&self) -> Option<(&ByLanguage, Option<&ByLanguage>)> {
        match self {
            Self::Say(step) => Some((&step.say, Some(&step.play))),
            Self::Language(_) | Self::Hours(_) => None,
            Self::Menu(step) => Some((&step.say, Some(&step.play))),
            Self::Digits(step) => Some((&step.say, Some(&step.play))),
            Self::Speech(step) => Some((&step.say, Some(&step.play))),
            Self::Consent(step) => Some((&step.say, Some(&step.play))),
            Self::Record(step) => Some((&step.say, Some(&step.play))),
            Self::Confirm(step) => Some((&step.say, None)),
            Self::Operator(step) => Some((&step.say, None)),
            Self::Goodbye(step) => Some((&step.say, Some(&step.play))),
        }
    }

    /// How silence and nonsense go on, where the step asks.
    #[must_use]
    pub fn retry(&self) -> Option<&Retry> {
        match self {
            Self::Language(step) => Some(&step.retry),
            Self::Menu(step) => Some(&step.retry),
            Self::Digits(step) => Some(&step.retry),
            Self::Speech(step) => Some(&step.retry),
            _ => None,
        }
    }
}

fn unanswered<'s>(
    retry: &'s Retry,
    next: &'s str,
    mut ways: Vec<(String, &'s str)>,
) -> Vec<(String, &'s str)> {
    ways.push(("no answer".to_owned(), retry.otherwise.as_deref().unwrap_or(next)));
    ways
}
