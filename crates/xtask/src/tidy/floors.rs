//! Floors: a crate depends on lower floors only, never on a neighbour; the annexe is for tests alone.
//! Cargo refuses cycles by itself; this refuses edges that go sideways or up.

use super::Finding;
use cargo_metadata::{DependencyKind, Metadata};

/// The floor a crate stands on; `None` for those outside the house (annexe, chores, end-to-end tests).
fn floor(name: &str) -> Option<u8> {
    match name {
        "lodge-domain" => Some(0),
        "lodge-triage" | "lodge-guide" | "lodge-channel" | "lodge-telemetry" => Some(1),
        "lodge" => Some(3),
        "lodge-pipeline" | "lodge-blobs" | "lodge-ticketing" => Some(2),
        _ if name.starts_with("lodge-channel-") || name.starts_with("lodge-store-") => Some(2),
        _ => None,
    }
}

/// Edges within one floor that are part of the plan: the kit reports through the metric catalogue.
const PLANNED: &[(&str, &str)] = &[("lodge-channel", "lodge-telemetry")];

const ANNEXE: &str = "lodge-testkit";
const OUTSIDE: &[&str] = &[ANNEXE, "lodge-e2e", "xtask"];

/// Every edge that should not be there.
pub(super) fn check(metadata: &Metadata) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in metadata.workspace_packages() {
        let from = package.name.as_str();
        let here = floor(from);
        if here.is_none() && !OUTSIDE.contains(&from) {
            findings.push(Finding(format!("{from} stands on no floor: name it in xtask/src/tidy/floors.rs")));
        }
        for dependency in &package.dependencies {
            let to = dependency.name.as_str();
            let ours = to == ANNEXE || floor(to).is_some();
            if ours && let Some(problem) = problem(from, to, dependency.kind) {
                findings.push(Finding(format!("{from} → {to}: {problem}")));
            }
        }
    }
    findings
}

fn problem(from: &str, to: &str, kind: DependencyKind) -> Option<&'static str> {
    if kind == DependencyKind::Development {
        return None;
    }
    if to == ANNEXE {
        return Some("the annexe is a dev-dependency only");
    }
    if OUTSIDE.contains(&from) || PLANNED.contains(&(from, to)) {
        return None;
    }
    match floor(from)?.cmp(&floor(to)?) {
        std::cmp::Ordering::Greater => None,
        std::cmp::Ordering::Equal => Some("neighbours never see each other; meet at a port of lodge-domain"),
        std::cmp::Ordering::Less => Some("goes up; move what is needed to a lower floor or make it a port"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sideways_and_upwards_are_found_and_downwards_is_not() {
        let normal = DependencyKind::Normal;
        assert!(problem("lodge-pipeline", "lodge-domain", normal).is_none());
        assert!(problem("lodge-pipeline", "lodge-store-redis", normal).is_some());
        assert!(problem("lodge-channel-email", "lodge-pipeline", normal).is_some());
        assert!(problem("lodge-domain", "lodge-triage", normal).is_some());
        assert!(problem("lodge-channel", "lodge-telemetry", normal).is_none());
        assert!(problem("lodge-telemetry", "lodge-channel", normal).is_some());
    }

    #[test]
    fn the_annexe_is_for_tests() {
        assert!(problem("lodge-pipeline", ANNEXE, DependencyKind::Development).is_none());
        assert!(problem("lodge-pipeline", ANNEXE, DependencyKind::Normal).is_some());
    }
}
