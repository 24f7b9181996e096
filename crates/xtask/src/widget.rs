//! `cargo xtask widget`: the chat widget's own checks, by Node: types, tests, size, and that the built file is that of its
//! sources. Rust builds need none of it: the built file is committed.

use crate::shell;
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::Command;

/// Checks the widget; with `write` the built file is written, otherwise compared.
///
/// # Errors
/// Where Node or npm is missing, or a check fails.
pub(crate) fn run(write: bool) -> Result<()> {
    let (Some(node), Some(npm)) = (shell::find("node"), shell::find("npm")) else {
        bail!(
            "the widget's checks need node (20 or later) and npm; on Debian: sudo apt-get install nodejs npm"
        );
    };
    // No package runs a script of its own here; those that are used need none.
    shell::run(within(npm).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))?;
    shell::run(within(node.clone()).arg("node_modules/typescript/bin/tsc").arg("--noEmit"))?;
    shell::run(within(node.clone()).arg("test.mjs"))?;
    shell::run(within(node).arg("build.mjs").args((!write).then_some("--check")))
}

/// As part of all tests: where Node is missing it is a loud skip, unless `E2E_REQUIRE` names `node`.
///
/// # Errors
/// As `run`.
pub(crate) fn test(required: &str) -> Result<()> {
    let is_here = shell::find("node").is_some() && shell::find("npm").is_some();
    if is_here || required.split(',').any(|name| name.trim() == "node") {
        return run(false);
    }
    eprintln!(
        "xtask: SKIPPED: the chat widget's tests: no node and npm here (sudo apt-get install nodejs npm)"
    );
    Ok(())
}

fn within(program: PathBuf) -> Command {
    let mut command = Command::new(program);
    command.current_dir(shell::root().join("crates/lodge-channel-chat/widget"));
    command
}
