//! Evaluates compiled rules on one envelope: first to last, later rules see what earlier ones set.

use crate::compile::{Compiled, Rules};
use crate::facts::{Facts, word};
use crate::{InboxDefault, RuleSet};
use lodge_domain::{
    Conversation, Decision, Envelope, Placement, Priority, Reason, SignedDuration, TicketType,
};
use std::collections::BTreeSet;

/// A decision in the making.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) kind: Option<TicketType>,
    pub(crate) category: Option<String>,
    pub(crate) priority: Priority,
    pub(crate) tags: BTreeSet<String>,
    pub(crate) queue: Option<String>,
    pub(crate) inherited: bool,
    pub(crate) respond_within: Option<SignedDuration>,
    pub(crate) resolve_within: Option<SignedDuration>,
    pub(crate) reasons: Vec<Reason>,
}

/// Decides about `envelope`, given the facts of its conversation where they are known.
///
/// The same envelope under the same rules and facts always gets the same decision; times count from its acceptance.
#[must_use]
pub fn evaluate(rules: &Rules, envelope: &Envelope, conversation: Option<&Conversation>) -> Decision {
    let facts = Facts::of(envelope, rules);
    let mut draft = Draft::starting(rules, envelope, conversation);
    for rule in &rules.rules {
        if rule.when.holds(&facts, &draft, rules) {
            draft.take(rule, &facts, rules);
            if rule.stop {
                break;
            }
        }
    }
    draft.finish(rules, envelope)
}

impl Draft {
    /// Starts with what the inbox defaults to. A contact that continues a conversation starts in that conversation's
    /// queue, as long as that still exists.
    pub(crate) fn starting(rules: &Rules, envelope: &Envelope, conversation: Option<&Conversation>) -> Self {
        let mut draft = Self::default();
        if let Some(default) = rules.inboxes.0.get(&envelope.contact.inbox.name) {
            draft.defaults(default, envelope);
        }
        let queue = conversation.and_then(|conversation| conversation.queue.as_deref());
        if let Some(queue) = queue
            && envelope.receipt.placement != Placement::New
            && rules.queues.0.contains_key(queue)
        {
            draft.queue = Some(queue.to_owned());
            draft.inherited = true;
            draft.reason("inherited", format!("its conversation is in queue {queue}"));
        }
        draft
    }

    fn defaults(&mut self, default: &InboxDefault, envelope: &Envelope) {
        let InboxDefault { category, priority, kind, tags, .. } = default;
        if category.is_none() && priority.is_none() && kind.is_none() && tags.is_empty() {
            return;
        }
        let set = RuleSet {
            category: category.clone(),
            priority: *priority,
            kind: *kind,
            tags: tags.clone(),
            ..RuleSet::default()
        };
        let done = self.apply(&set);
        self.reason(
            "inbox default",
            format!("inbox is {}; set {}", envelope.contact.inbox.name, done.join(", ")),
        );
    }

    /// Applies a rule that matched.
    pub(crate) fn take(&mut self, rule: &Compiled, facts: &Facts<'_>, rules: &Rules) {
        let mut because = Vec::new();
        rule.when.evidence(facts, self, rules, &mut because);
        if because.is_empty() {
            because.push("always".to_owned());
        }
        let set = self.apply(&rule.set);
        let set = if set.is_empty() { String::new() } else { format!("; set {}", set.join(", ")) };
        self.reason(&rule.name, format!("{}{set}", because.join(", ")));
    }

    fn apply(&mut self, set: &RuleSet) -> Vec<String> {
        let mut done = Vec::new();
        if let Some(kind) = set.kind {
            self.kind = Some(kind);
            done.push(format!("type {}", word(&kind)));
        }
        if let Some(category) = &set.category {
            self.category = Some(category.clone());
            done.push(format!("category {category}"));
        }
        if let Some(priority) = set.priority {
            self.priority = priority;
            done.push(format!("priority {}", word(&priority)));
        }
        match &set.queue {
            Some(queue) if !self.inherited => {
                self.queue = Some(queue.clone());
                done.push(format!("queue {queue}"));
            }
            _ => {}
        }
        if !set.tags.is_empty() {
            self.tags.extend(set.tags.iter().cloned());
            done.push(format!("tags {}", set.tags.join(" ")));
        }
        if let Some(span) = set.respond_within {
            self.respond_within = Some(span.duration());
            done.push(format!("respond within {span}"));
        }
        if let Some(span) = set.resolve_within {
            self.resolve_within = Some(span.duration());
            done.push(format!("resolve within {span}"));
        }
        done
    }

    fn finish(mut self, rules: &Rules, envelope: &Envelope) -> Decision {
        let queue = self.queue.take().unwrap_or_else(|| self.unrouted(rules, envelope));
        let due = |within: Option<SignedDuration>| {
            within.and_then(|within| envelope.receipt.accepted_at.checked_add(within).ok())
        };
        Decision {
            kind: self.kind,
            category: self.category,
            priority: self.priority,
            tags: self.tags.into_iter().collect(),
            queue,
            respond_by: due(self.respond_within),
            resolve_by: due(self.resolve_within),
            reasons: self.reasons,
        }
    }

    /// Where what no rule routed goes: the inbox's queue, else the fallback.
    fn unrouted(&mut self, rules: &Rules, envelope: &Envelope) -> String {
        let inbox = &envelope.contact.inbox.name;
        let default = rules.inboxes.0.get(inbox).and_then(|default| default.queue.clone());
        match default {
            Some(queue) => {
                self.reason("inbox default", format!("inbox {inbox} goes to queue {queue}"));
                queue
            }
            None => {
                self.reason("fallback queue", format!("no rule chose a queue, so {}", rules.fallback));
                rules.fallback.clone()
            }
        }
    }

    fn reason(&mut self, rule: &str, because: String) {
        self.reasons.push(Reason { rule: rule.to_owned(), because });
    }
}
