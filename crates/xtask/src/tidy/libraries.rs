//! Libraries: which crate may name which (the same list as `.deny.toml`), and one version of each in the build.

use super::Finding;
use crate::shell;
use anyhow::Result;
use cargo_metadata::{DependencyKind, Metadata};
use std::collections::{BTreeMap, BTreeSet};

/// A library and the crates of ours that may name it. Everybody else goes through a port.
const WRAPPERS: &[(&str, &[&str])] = &[
    ("async-imap", &["lodge-channel-email"]),
    ("mail-parser", &["lodge-channel-email"]),
    ("lettre", &["lodge-channel-email"]),
    ("ammonia", &["lodge-channel-email"]),
    ("html2text", &["lodge-channel-email"]),
    ("redis", &["lodge-store-redis"]),
    ("rusqlite", &["lodge-store-embedded", "lodge-guide"]),
    ("minijinja", &["lodge-pipeline"]),
    ("md-5", &["lodge-channel"]),
    ("clap", &["lodge", "xtask"]),
    ("hyper", &["lodge", "lodge-channel"]),
    ("hyper-util", &["lodge", "lodge-channel"]),
    ("tokio-tungstenite", &["lodge-channel", "lodge-channel-chat", "lodge-channel-voice"]),
    ("anyhow", &["lodge", "lodge-e2e", "xtask"]),
    ("prometheus-client", &["lodge-telemetry"]),
    ("tracing-subscriber", &["lodge-telemetry"]),
];

/// The end-to-end crate measures bare libraries, so it may name them all.
const MEASURES: &str = "lodge-e2e";

/// Libraries of which more than one version is in the build, with the reason why that is borne.
const TWICE: &[(&str, &str)] = &[
    ("async-channel", "async-imap's stop-token still uses version 1"),
    ("event-listener", "of async-channel 1, see there"),
    ("foldhash", "of hashbrown 0.15, see there"),
    ("hashbrown", "whatlang still uses 0.15"),
    ("thiserror", "async-imap still uses version 1"),
];

/// Every library that is named where it should not be.
pub(super) fn wrappers(metadata: &Metadata) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in metadata.workspace_packages() {
        for dependency in package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development) {
            let Some((library, allowed)) = WRAPPERS.iter().find(|(library, _)| *library == dependency.name)
            else {
                continue;
            };
            if package.name.as_str() != MEASURES && !allowed.contains(&package.name.as_str()) {
                let crates = allowed.join(", ");
                findings.push(Finding(format!("{} names {library}; only {crates} may", package.name)));
            }
        }
    }
    findings
}

/// What ends up in the gateway: no dev- or build-dependencies, nothing that only the compiler runs. One package a line.
///
/// # Errors
/// Where cargo cannot tell.
pub(super) fn built_in() -> Result<String> {
    let arguments =
        ["tree", "--locked", "--package", "lodge", "--edges", "normal,no-proc-macro", "--prefix", "none"];
    shell::output(shell::cargo().args(arguments))
}

/// Every library that is in the build in more than one version without a reason on the list, and every reason that
/// has outlived its cause.
pub(super) fn duplicates(tree: &str) -> Vec<Finding> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in tree.lines() {
        let mut words = line.split_whitespace();
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            versions.entry(name).or_default().insert(version);
        }
    }
    let mut findings = Vec::new();
    for (name, found) in &versions {
        if found.len() > 1 && !TWICE.iter().any(|(allowed, _)| allowed == name) {
            let list = found.iter().copied().collect::<Vec<_>>().join(", ");
            findings
                .push(Finding(format!("{name} is in the build as {list}; unify, or list it with a reason")));
        }
    }
    for (name, reason) in TWICE {
        if versions.get(name).is_none_or(|found| found.len() < 2) {
            findings.push(Finding(format!("{name} is there once by now: drop its excuse ({reason})")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_versions_are_found_and_repeats_are_not() {
        let excused: String =
            TWICE.iter().map(|(name, _)| format!("{name} v1.0.0\n{name} v2.0.0\n")).collect();
        assert!(duplicates(&format!("{excused}serde v1.0.0\nserde v1.0.0 (*)\n")).is_empty());
        assert_eq!(duplicates(&format!("{excused}serde v1.0.0\nserde v2.0.0\n")).len(), 1);
        assert_eq!(duplicates("").len(), TWICE.len());
    }
}
