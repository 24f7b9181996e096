//! Says of every rule whether it matched an envelope and why, for `lodge rules explain`.

use crate::compile::Rules;
use crate::evaluate::Draft;
use crate::facts::Facts;
use lodge_domain::{Conversation, Envelope};
use serde::Serialize;

/// What became of one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The rule's name.
    pub rule: String,
    /// Whether it matched.
    pub matched: bool,
    /// What made it match and what it set; or the first condition that did not hold; or that an earlier one stopped.
    pub because: String,
}

/// Explains every rule, in order, on `envelope`.
#[must_use]
pub fn explain(rules: &Rules, envelope: &Envelope, conversation: Option<&Conversation>) -> Vec<Explanation> {
    let facts = Facts::of(envelope, rules);
    let mut draft = Draft::starting(rules, envelope, conversation);
    let mut stopped: Option<&str> = None;
    let mut out = Vec::with_capacity(rules.rules.len());
    for rule in &rules.rules {
        let (matched, because) = if let Some(by) = stopped {
            (false, format!("not looked at: {by} stops the rules"))
        } else if let Some(failing) = rule.when.failing(&facts, &draft, rules) {
            (false, format!("does not hold: {failing}"))
        } else {
            draft.take(rule, &facts, rules);
            if rule.stop {
                stopped = Some(&rule.name);
            }
            (true, draft.reasons.last().map(|reason| reason.because.clone()).unwrap_or_default())
        };
        out.push(Explanation { rule: rule.name.clone(), matched, because });
    }
    out
}
