//! Queues and what inboxes default to: where a contact goes when no rule says so. Nothing is unroutable (J01).

use crate::Span;
use lodge_domain::{InboxName, Priority, TicketType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `[queue.NAME]`: a destination at the core.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QueueSettings {
    /// Takes whatever no rule and no inbox sends elsewhere. Exactly one queue says so; a single queue need not.
    pub fallback: bool,
    /// How long after closing a contact still reopens a conversation of this queue (default 72 hours).
    pub reopen: Option<Span>,
    /// What the queue is for.
    pub description: Option<String>,
}

/// All queues by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Queues(pub BTreeMap<String, QueueSettings>);

impl Queues {
    /// The queue that exists where none is configured.
    pub const ONLY: &'static str = "general";

    /// How long after closing a contact reopens a conversation where its queue does not say.
    #[must_use]
    pub fn default_reopen() -> Span {
        Span::hours(72)
    }

    /// How long after closing a contact reopens a conversation of `queue`.
    #[must_use]
    pub fn reopen(&self, queue: Option<&str>) -> Span {
        let settings = queue.and_then(|name| self.0.get(name));
        settings.and_then(|queue| queue.reopen).unwrap_or_else(Self::default_reopen)
    }
}

/// What an inbox decides where no rule does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InboxDefault {
    /// Its queue.
    pub queue: Option<String>,
    /// Its category.
    pub category: Option<String>,
    /// Its priority.
    pub priority: Option<Priority>,
    /// What its contacts ask for.
    pub kind: Option<TicketType>,
    /// Tags that every contact of it gets.
    pub tags: Vec<String>,
}

/// All inboxes that are configured, each with its defaults. Rules may only name these; an empty list is not checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InboxDefaults(pub BTreeMap<InboxName, InboxDefault>);
