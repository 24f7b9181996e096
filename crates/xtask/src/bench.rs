//! `cargo xtask bench`: hands over to the measuring program of the end-to-end crate, built for release.

use crate::shell;
use anyhow::Result;

/// Measures the benches called `names`; all of them without any.
///
/// # Errors
/// Where building fails or a bench cannot run; a missed goal is printed, never an error.
pub(crate) fn run(names: &[String]) -> Result<()> {
    shell::run(shell::cargo().args([
        "build",
        "--release",
        "--locked",
        "--package",
        "lodge",
        "--bin",
        "lodge",
    ]))?;
    let build = [
        "run",
        "--release",
        "--locked",
        "--package",
        "lodge-e2e",
        "--features",
        "bench",
        "--bin",
        "bench",
        "--",
    ];
    let gateway = crate::generate::target()?.join("release").join("lodge");
    shell::run(shell::cargo().args(build).args(names).env("LODGE_BIN", gateway))
}
