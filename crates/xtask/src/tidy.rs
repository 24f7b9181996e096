//! `cargo xtask tidy`: what the compiler cannot hold. Every check gives all its findings at once, each with a remedy.

mod floors;
mod generated;
mod libraries;
mod places;
mod sources;
mod tree;
mod vocabulary;

use crate::shell;
use anyhow::{Context, Result, bail};
use cargo_metadata::{Metadata, MetadataCommand};

/// A finding: where, what, and what to do.
pub(crate) struct Finding(pub(crate) String);

/// Runs every check.
///
/// # Errors
/// Where a check cannot run, or anything was found.
pub(crate) fn run() -> Result<()> {
    let root = shell::root();
    let metadata = metadata()?;
    let files = tree::files(&root)?;
    let checks: [(&str, Vec<Finding>); 8] = [
        ("floors: crates depend downwards only", floors::check(&metadata)),
        ("libraries: each is named by its crate alone", libraries::wrappers(&metadata)),
        ("libraries: one version of each", libraries::duplicates(&metadata)),
        ("vocabulary: the inner rooms know no channel", vocabulary::check(&files)),
        ("sources: sizes, loose ends, signs", sources::check(&files)),
        ("places: every room has its sign", places::rooms(&root, &files)),
        ("places: every fixture has its answer", places::fixtures(&files)),
        ("generated files are fresh", generated::check(&root)?),
    ];
    let mut found = 0;
    for (name, findings) in &checks {
        eprintln!("{} {name}", if findings.is_empty() { "ok  " } else { "FAIL" });
        for finding in findings {
            eprintln!("       {}", finding.0);
        }
        found += findings.len();
    }
    if found > 0 {
        bail!("{found} findings");
    }
    Ok(())
}

fn metadata() -> Result<Metadata> {
    let options = ["--locked".to_owned()];
    let mut command = MetadataCommand::new();
    command.current_dir(shell::root()).other_options(options).exec().context("read cargo's metadata")
}
