//! The rule file as an operator writes it. Reading it checks its shape; [`crate::compile()`] checks what it means.
//!
//! ```
//! let file: lodge_triage::RuleFile = toml::from_str(r#"
//!     [[rules]]
//!     name = "invoices"
//!     when = { subject = "(?i)invoice|refund", not = { tier = "partner" } }
//!     set  = { category = "billing", priority = "high", queue = "billing", tags = ["money"] }
//! "#).unwrap();
//! assert_eq!(file.rules[0].name, "invoices");
//! ```

use crate::Span;
use lodge_domain::{Priority, TicketType};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{SeqAccess, Visitor, value::SeqAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A file named by `include`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// Rules, first to last.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// One rule: when it matches, what it sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, unique; stands in the reasons of every ticket it touches.
    pub name: String,
    /// When it matches; all conditions named must hold. Without any it always matches.
    #[serde(default)]
    pub when: Condition,
    /// What it sets.
    #[serde(default)]
    pub set: RuleSet,
    /// Whether the rules after it are skipped once it matched.
    #[serde(default)]
    pub stop: bool,
}

/// One text or a list of them; a list matches where any of its texts does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct OneOrMany(pub Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<OneOrMany, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(OneOrMany)
            }
        }
        deserializer.deserialize_any(Texts)
    }
}

impl JsonSchema for OneOrMany {
    fn schema_name() -> Cow<'static, str> {
        "OneOrMany".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A text, or a list of texts of which any may match.",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        })
    }
}

/// When a rule matches. Every condition that is named must hold. `subject`, `text`, `header.NAME` and `attachment` are
/// regular expressions found anywhere in the text; all others compare whole words without regard to case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Condition {
    /// `email`, `chat`, `voice`, `social` or `form`.
    pub channel: Option<OneOrMany>,
    /// The inbox's name.
    pub inbox: Option<OneOrMany>,
    /// The company or protocol behind the door.
    pub provider: Option<OneOrMany>,
    /// The sender's whole address.
    pub from: Option<OneOrMany>,
    /// The domain of the sender's address; matches its subdomains too.
    pub domain: Option<OneOrMany>,
    /// Found in the subject.
    pub subject: Option<OneOrMany>,
    /// Found in the text, of which the first 256 KiB are looked at.
    pub text: Option<OneOrMany>,
    /// `header.NAME`: found in any header of this name.
    pub header: BTreeMap<String, OneOrMany>,
    /// The language of the text; `de` matches `de-AT` too.
    pub language: Option<OneOrMany>,
    /// The customer's tier, where the door knows it.
    pub tier: Option<OneOrMany>,
    /// What the customer chose on the way in, such as the name of a choice in a telephone menu; any step of the way.
    pub path: Option<OneOrMany>,
    /// `human`, `automated`, `ours`, or a class such as `bounce`.
    pub origin: Option<OneOrMany>,
    /// A flag such as `new_participant`.
    pub flag: Option<OneOrMany>,
    /// `authenticated`, `unverified` or `failed`.
    pub assurance: Option<OneOrMany>,
    /// The whole address of any recipient.
    pub to: Option<OneOrMany>,
    /// Found in the name of any attachment.
    pub attachment: Option<OneOrMany>,
    /// The category that an earlier rule set.
    pub category: Option<OneOrMany>,
    /// The queue that an earlier rule set, or that the conversation is in.
    pub queue: Option<OneOrMany>,
    /// The priority so far.
    pub priority: Option<OneOrMany>,
    /// A tag that an earlier rule added.
    pub tag: Option<OneOrMany>,
    /// At least one of these must hold.
    pub any: Option<Vec<Condition>>,
    /// All of these must hold.
    pub all: Option<Vec<Condition>>,
    /// This must not hold.
    pub not: Option<Box<Condition>>,
}

/// What a rule sets. A later rule overwrites what an earlier one set; tags add up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RuleSet {
    /// What is asked for.
    #[serde(rename = "type")]
    pub kind: Option<TicketType>,
    /// The topic, in the installation's own words.
    pub category: Option<String>,
    /// How soon it matters.
    pub priority: Option<Priority>,
    /// Where it goes. A contact that continues a conversation stays in that conversation's queue.
    pub queue: Option<String>,
    /// Tags to add.
    pub tags: Vec<String>,
    /// When the customer is owed a first answer, counted from when the contact was accepted.
    pub respond_within: Option<Span>,
    /// When the matter is to be resolved, counted from when the contact was accepted.
    pub resolve_within: Option<Span>,
}
