//! `cargo xtask test`: everything that must pass, in one command, on a machine that has Rust and little else.

use crate::{install, shell};
use anyhow::Result;
use std::time::Instant;

/// Installs servers (unless told not to), builds, runs every test, and sums up.
///
/// # Errors
/// Where a server is missing, the build fails or a test fails.
pub(crate) fn run(may_install: bool, rest: &[String]) -> Result<()> {
    if may_install {
        install::servers()?;
    }
    let started = Instant::now();
    // All targets at once: the gateway is then built with the very features its tests are built with, so nothing is
    // compiled twice, and the end-to-end tests drive what was just built.
    shell::run(shell::cargo().args(["build", "--workspace", "--all-targets", "--locked"]))?;
    let built = started.elapsed();
    let gateway = crate::generate::gateway()?;
    let mut tests = shell::cargo();
    tests.args(["test", "--workspace", "--locked", "--no-fail-fast"]);
    tests.env("LODGE_BIN", &gateway).env("E2E_REQUIRE", required());
    if !rest.is_empty() {
        tests.arg("--").args(rest);
    }
    let widget = crate::widget::test(&required());
    let outcome = shell::run(&mut tests).and(widget);
    let verdict = if outcome.is_ok() { "every test passed" } else { "tests failed, see above" };
    eprintln!(
        "xtask: {verdict}; building took {} s, testing {} s; servers required: {}",
        built.as_secs(),
        (started.elapsed() - built).as_secs(),
        required()
    );
    outcome
}

/// The servers whose absence is a failure instead of a skip. Postfix starts its own instance only as the superuser.
fn required() -> String {
    let asked = shell::variable("E2E_REQUIRE");
    let here = if install::is_root() {
        "redis,dovecot,chromium,chromedriver,postfix"
    } else {
        "redis,dovecot,chromium,chromedriver"
    };
    asked.unwrap_or_else(|| here.to_owned())
}
