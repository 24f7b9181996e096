//! Libraries: which crate may name which (the same list as `.deny.toml`), and one version of each in the build.

use super::Finding;
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
    ("rusqlite", &["lodge-store-embedded"]),
    ("minijinja", &["lodge-pipeline"]),
    ("clap", &["lodge", "xtask"]),
    ("hyper", &["lodge"]),
    ("hyper-util", &["lodge"]),
    ("anyhow", &["lodge", "lodge-e2e", "xtask"]),
    ("prometheus-client", &["lodge-telemetry"]),
    ("tracing-subscriber", &["lodge-telemetry"]),
];

/// The end-to-end crate measures bare libraries, so it may name them all.
const MEASURES: &str = "lodge-e2e";

/// Libraries of which more than one version is in the build, with the reason why that is borne.
const TWICE: &[(&str, &str)] = &[];

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

/// Every library that is in the build in more than one version without a reason on the list, and every reason that
/// has outlived its cause.
pub(super) fn duplicates(metadata: &Metadata) -> Vec<Finding> {
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for package in built(metadata) {
        versions.entry(package.name.as_str()).or_default().insert(package.version.to_string());
    }
    let mut findings = Vec::new();
    for (name, found) in &versions {
        if found.len() > 1 && !TWICE.iter().any(|(allowed, _)| allowed == name) {
            let list = found.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
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

/// The packages that a build for this platform compiles in for normal use: no dev-dependencies, no other platforms.
fn built(metadata: &Metadata) -> Vec<&cargo_metadata::Package> {
    let Some(resolve) = &metadata.resolve else { return Vec::new() };
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let mut reached = BTreeSet::new();
    let gateway = metadata.workspace_packages().into_iter().find(|package| package.name.as_str() == "lodge");
    let mut waiting: Vec<_> = gateway.into_iter().map(|package| &package.id).collect();
    while let Some(id) = waiting.pop() {
        if !reached.insert(id) {
            continue;
        }
        let Some(node) = nodes.get(id) else { continue };
        let normal = node
            .deps
            .iter()
            .filter(|dependency| dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
        waiting.extend(normal.map(|dependency| &dependency.pkg));
    }
    metadata.packages.iter().filter(|package| reached.contains(&package.id)).collect()
}
