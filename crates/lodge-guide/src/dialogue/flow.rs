//! Ways through a guide: every step can be reached, every way can end, and none goes round without asking.

use super::guide::{Action, Guide, Step};
use super::settings::AskKind;
use crate::problem::Problem;
use std::collections::BTreeSet;

/// Notes steps that are never reached, steps from which no end can be reached, and rounds that ask nothing.
pub(super) fn check(guide: &Guide, lines: &[usize], problems: &mut Vec<Problem>) {
    let steps = &guide.steps;
    let reached = closure(BTreeSet::from([0]), |at| steps.get(at).map(targets).unwrap_or_default());
    let is_end = |step: &Step| matches!(step.action, Action::HandOver(_));
    let ends = steps.iter().enumerate().filter(|(_, step)| is_end(step)).map(|(at, _)| at).collect();
    let before = |at: usize| -> Vec<usize> {
        let leads = |step: &Step| targets(step).contains(&at);
        steps.iter().enumerate().filter(|(_, step)| leads(step)).map(|(at, _)| at).collect()
    };
    let ending = closure(ends, before);
    for (at, step) in steps.iter().enumerate() {
        let line = lines.get(at).copied().unwrap_or(0);
        let key = format!("step \"{}\"", step.name);
        if !reached.contains(&at) {
            let remedy = "name it in another step's `next`, or remove it";
            problems.push(Problem::at(line, key, "no way leads here", remedy));
        } else if !ending.contains(&at) {
            let remedy = "lead it to a step with `hand_over`";
            problems.push(Problem::at(line, key, "from here no way leads to an end", remedy));
        } else if let Some(round) = silent_round(steps, at) {
            let remedy = "ask something in between, or lead it elsewhere";
            problems.push(Problem::at(line, key, format!("it goes round and asks nothing: {round}"), remedy));
        }
    }
}

/// Where a step may lead.
pub(super) fn targets(step: &Step) -> Vec<usize> {
    let mut targets: Vec<usize> = step.next.into_iter().collect();
    match &step.action {
        Action::Ask(ask) => targets.extend(ask.otherwise),
        Action::Offer { none, .. } => targets.extend(none),
        Action::Branch { cases, otherwise, .. } => {
            if otherwise.is_some() {
                // Whatever no case names goes there, so the next step is not one of the ways.
                targets.clear();
            }
            targets.extend(cases.values().copied().chain(*otherwise));
        }
        Action::Say(_) | Action::Set(_) | Action::HandOver(_) => {}
    }
    targets
}

/// Where a step may lead without waiting for the visitor.
fn silent_targets(step: &Step) -> Vec<usize> {
    match &step.action {
        Action::Ask(ask) => match ask.settings.kind {
            // Not asked where it is known.
            AskKind::Name | AskKind::Email | AskKind::Phone => step.next.into_iter().collect(),
            AskKind::Choice | AskKind::Text | AskKind::Number => Vec::new(),
        },
        Action::Offer { none, .. } => none.or(step.next).into_iter().collect(),
        _ => targets(step),
    }
}

/// A way from `start` back to it without any wait, told by the first of its steps alone.
fn silent_round(steps: &[Step], start: usize) -> Option<String> {
    let mut ways = vec![vec![start]];
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop() {
        let here = way.last().copied().and_then(|at| steps.get(at))?;
        for target in silent_targets(here) {
            if target == start {
                let is_first = way.iter().all(|at| *at >= start);
                let names: Vec<&str> = way
                    .iter()
                    .chain([&start])
                    .filter_map(|at| steps.get(*at))
                    .map(|step| step.name.as_str())
                    .collect();
                return is_first.then(|| names.join(" → "));
            }
            if seen.insert(target) {
                ways.push([way.as_slice(), &[target]].concat());
            }
        }
    }
    None
}

/// Everything that can be reached from `found` by `next`.
fn closure(found: BTreeSet<usize>, next: impl Fn(usize) -> Vec<usize>) -> BTreeSet<usize> {
    let mut waiting: Vec<usize> = found.iter().copied().collect();
    let mut found = found;
    while let Some(at) = waiting.pop() {
        waiting.extend(next(at).into_iter().filter(|target| found.insert(*target)));
    }
    found
}
