//! Generated files say what the types say: the gateway prints them anew, and they must be equal.

use super::Finding;
use crate::{generate, shell};
use anyhow::Result;
use std::path::Path;

/// Every generated file that is missing or stale.
///
/// # Errors
/// Where the gateway cannot be built or run.
pub(super) fn check(root: &Path) -> Result<Vec<Finding>> {
    shell::run(shell::cargo().args(["build", "--workspace", "--all-targets", "--locked", "--quiet"]))?;
    let gateway = generate::gateway()?;
    let mut findings = Vec::new();
    for file in generate::FILES {
        let kept = std::fs::read_to_string(root.join(file.path)).unwrap_or_default();
        if kept != generate::fresh(&gateway, file)? {
            findings.push(Finding(format!("{} is stale; run: cargo xtask generate", file.path)));
        }
    }
    Ok(findings)
}
