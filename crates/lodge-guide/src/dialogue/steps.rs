//! A guide as a picture needs it: its steps, what they are, and where they lead.

use super::flow;
use super::guide::{Action, Guide};
use super::settings::AskKind;
use crate::clean;

/// Characters of a text in a picture.
const MOST_TEXT: usize = 80;

/// A step of a guide, to be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepView {
    /// Its name.
    pub name: String,
    /// What it does: `say`, `ask email`, `offer`, `branch`, `set` or `hand over`.
    pub does: &'static str,
    /// What it says, in the guide's own language, shortened; may be empty.
    pub text: String,
    /// Where it leads: what for (may be empty), and the step.
    pub to: Vec<(String, String)>,
}

impl Guide {
    /// All steps in the order of the file; the first is where a chat begins.
    #[must_use]
    pub fn steps(&self) -> Vec<StepView> {
        self.steps.iter().map(|step| self.view(step)).collect()
    }

    fn view(&self, step: &super::guide::Step) -> StepView {
        let own = |texts| self.text(texts, &self.settings.language);
        let (does, text) = match &step.action {
            Action::Say(texts) => ("say", own(texts)),
            Action::Ask(ask) => (ask_kind(ask.settings.kind), own(&ask.settings.text)),
            Action::Offer { settings, .. } => ("offer", own(&settings.text)),
            Action::Branch { .. } => ("branch", ""),
            Action::Set(_) => ("set", ""),
            Action::HandOver(texts) => ("hand over", own(texts)),
        };
        let name = |at: usize| self.steps.get(at).map_or_else(String::new, |step| step.name.clone());
        let reason = |at: &usize| self.reason(step, *at);
        let to = flow::targets(step).iter().map(|at| (reason(at), name(*at))).collect();
        StepView {
            name: step.name.clone(),
            does,
            text: clean::shorten(&clean::line(text, 2_000), MOST_TEXT),
            to,
        }
    }

    /// For what a step leads to the step at `target`.
    fn reason(&self, step: &super::guide::Step, target: usize) -> String {
        match &step.action {
            Action::Branch { cases, .. } => {
                let answers: Vec<&str> = cases
                    .iter()
                    .filter(|(_, at)| **at == target)
                    .map(|(answer, _)| answer.as_str())
                    .collect();
                if answers.is_empty() { "otherwise".to_owned() } else { answers.join(", ") }
            }
            Action::Ask(ask) if ask.otherwise == Some(target) && step.next != Some(target) => {
                "otherwise".to_owned()
            }
            Action::Offer { none, .. } if *none == Some(target) && step.next != Some(target) => {
                "none".to_owned()
            }
            Action::Offer { .. } => "no".to_owned(),
            _ => String::new(),
        }
    }
}

fn ask_kind(kind: AskKind) -> &'static str {
    match kind {
        AskKind::Name => "ask name",
        AskKind::Email => "ask email",
        AskKind::Phone => "ask phone",
        AskKind::Choice => "ask choice",
        AskKind::Text => "ask text",
        AskKind::Number => "ask number",
    }
}
