//! A guide as an operator writes it: `guides/NAME.toml`. Reading checks its shape; [`super::Guide::parse`] checks what
//! it means.

use lodge_domain::Priority;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A text by language (BCP 47). The guide's own languages are all there; visitors of other languages read the text in
/// `language`. `{name}`, `{email}`, `{phone}`, `{topic}`, `{bot}` and `{STEP}` stand for what is known, or for nothing.
pub type Texts = BTreeMap<String, String>;

/// A guide: how the bot introduces itself, and the steps it goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GuideSettings {
    /// What the bot calls itself.
    #[serde(default = "default_bot")]
    pub bot: String,
    /// The language for visitors of whose language there are no texts.
    #[serde(default = "default_language")]
    pub language: String,
    /// All languages in which there are texts. Default: `language` alone.
    #[serde(default)]
    pub languages: Vec<String>,
    /// The first line of every chat; has to say that a bot is speaking. Default: a built-in text.
    #[serde(default)]
    pub introduction: Texts,
    /// How many messages a visitor writes at most before a person takes over, 1 to 60.
    #[serde(default = "default_most_turns")]
    pub most_turns: u32,
    /// Further words and phrases, by language, that ask for a person. One word counts as a whole message, several words
    /// count wherever they stand.
    #[serde(default)]
    pub person: BTreeMap<String, Vec<String>>,
    /// Built-in phrases in other words or other languages.
    #[serde(default)]
    pub phrases: BTreeMap<String, PhraseSettings>,
    /// The steps, first to last; the first is where a chat begins.
    #[serde(default)]
    pub step: Vec<StepSettings>,
}

/// What the bot says by itself. What is not named keeps its built-in words.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PhraseSettings {
    /// On the button that is always there: asks for a person.
    pub person: Option<String>,
    /// On the button that leaves a question out.
    pub skip: Option<String>,
    /// Yes, as a button.
    pub yes: Option<String>,
    /// No, as a button.
    pub no: Option<String>,
    /// Said when a person takes over because the visitor asked for one.
    pub handing_over: Option<String>,
    /// Said when a person takes over because the bot understood nothing.
    pub giving_up: Option<String>,
    /// Said above articles.
    pub may_help: Option<String>,
    /// Asked below articles.
    pub did_it_help: Option<String>,
    /// Said when an article helped.
    pub glad: Option<String>,
    /// Said when an answer is none of the choices.
    pub choose: Option<String>,
    /// Said when an answer is no name.
    pub no_name: Option<String>,
    /// Said when an answer holds no email address.
    pub no_email: Option<String>,
    /// Said when an answer holds no telephone number.
    pub no_phone: Option<String>,
    /// Said when an answer does not have the form asked for, or says nothing.
    pub no_answer: Option<String>,
}

/// A step: a name, and exactly one of `say`, `ask`, `offer`, `branch`, `set` and `hand_over`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepSettings {
    /// Its name: lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// The step that follows. Default: the one below in the file.
    #[serde(default)]
    pub next: Option<String>,
    /// Says something and goes on.
    #[serde(default)]
    pub say: Option<Texts>,
    /// Asks something and waits for the answer.
    #[serde(default)]
    pub ask: Option<AskSettings>,
    /// Offers articles, and ends the chat where one helped.
    #[serde(default)]
    pub offer: Option<OfferSettings>,
    /// Goes on in different ways, by what was answered before.
    #[serde(default)]
    pub branch: Option<BranchSettings>,
    /// Notes something for the ticket and goes on.
    #[serde(default)]
    pub set: Option<SetSettings>,
    /// Says something and hands over to a person: the end.
    #[serde(default)]
    pub hand_over: Option<Texts>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AskKind {
    /// The visitor's name. Not asked where it is known.
    Name,
    /// The visitor's email address. Not asked where it is known.
    Email,
    /// The visitor's telephone number. Not asked where it is known.
    Phone,
    /// One of several choices, shown as buttons.
    Choice,
    /// Whatever the visitor writes.
    Text,
    /// A number by `pattern`, such as that of an order, found anywhere in the answer.
    Number,
}

/// A question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AskSettings {
    /// What is asked for.
    pub kind: AskKind,
    /// The question.
    pub text: Texts,
    /// Said instead of a built-in text when the answer is none.
    #[serde(default)]
    pub retry: Texts,
    /// How often it is asked again after an answer that is none, up to 5.
    #[serde(default = "default_retries")]
    pub retries: u8,
    /// Whether there is a button to leave it out.
    #[serde(default)]
    pub skip: bool,
    /// Where to go when the visitor left it out or nothing was understood. Default: left out, the next step; not
    /// understood, the next step where it may be left out, else a person.
    #[serde(default)]
    pub otherwise: Option<String>,
    /// A regular expression (crate `regex`, without regard to case) for `number` and `text`: what it finds is the answer.
    #[serde(default)]
    pub pattern: Option<String>,
    /// For `choice`: the choices, two to ten.
    #[serde(default)]
    pub choices: Vec<ChoiceSettings>,
    /// Whether the answer is what the chat is about: the subject of the ticket.
    #[serde(default)]
    pub topic: bool,
}

/// One of several choices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChoiceSettings {
    /// What it is called in `branch` and in the ticket.
    pub value: String,
    /// What is on its button.
    pub label: Texts,
    /// Other words that mean it, in any language.
    #[serde(default)]
    pub words: Vec<String>,
}

/// Articles on what was said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OfferSettings {
    /// The step whose answer is searched for. Default: what the visitor wrote last.
    pub about: Option<String>,
    /// How many articles are offered, 1 to 3. Default: 3.
    pub most: Option<u8>,
    /// Said above the articles. Default: a built-in text.
    pub text: Texts,
    /// Said when one helped. Default: a built-in text.
    pub helped: Texts,
    /// Where to go when no article fits. Default: the next step.
    pub none: Option<String>,
}

/// Ways to go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BranchSettings {
    /// The step whose answer decides.
    pub on: String,
    /// From an answer (a choice's value) to a step.
    pub cases: BTreeMap<String, String>,
    /// Where to go with any other answer or none. Default: the next step.
    #[serde(default)]
    pub otherwise: Option<String>,
}

/// What is noted for the ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SetSettings {
    /// The topic, in the installation's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// How soon it seems to matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Tags to add.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

fn default_bot() -> String {
    "Lodge".to_owned()
}

fn default_language() -> String {
    "en".to_owned()
}

fn default_most_turns() -> u32 {
    30
}

fn default_retries() -> u8 {
    2
}
