//! `cargo xtask tidy`: what the compiler cannot hold. Every check gives all its findings at once, each with a remedy.

mod floors;
mod generated;
mod libraries;
mod places;
mod sources;
mod tree;
mod vocabulary;
mod widget;

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
    let mut found = 0;
    let mut report = |name: &str, findings: Vec<Finding>| {
        eprintln!("{} {name}", if findings.is_empty() { "ok  " } else { "FAIL" });
        findings.iter().for_each(|finding| eprintln!("       {}", finding.0));
        found += findings.len();
    };
    report("floors: crates depend downwards only", floors::check(&metadata));
    report("libraries: each is named by its crate alone", libraries::wrappers(&metadata));
    report("libraries: one version of each", libraries::duplicates(&libraries::built_in()?));
    report("vocabulary: the inner rooms know no channel", vocabulary::check(&files));
    report("sources: sizes, loose ends, signs", sources::check(&files));
    report("places: every room has its sign", places::rooms(&root, &files));
    report("places: every fixture has its answer", places::fixtures(&files));
    report("places: every provider has fixtures", places::providers(&files));
    report("places: every link leads somewhere", places::links(&root, &files));
    report("the built chat widget is fresh", widget::check(&files));
    // Last, since the gateway has to be built for it.
    report("generated files are fresh", generated::check(&root)?);
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
