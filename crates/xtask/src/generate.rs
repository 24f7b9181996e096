//! `cargo xtask generate`: files that are made from the types by the gateway itself. `tidy` compares them.

use crate::shell;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Command;

/// A generated file, relative to the root, and the arguments that make the gateway print it.
pub(crate) struct Generated {
    /// Where it is kept.
    pub(crate) path: &'static str,
    arguments: &'static [&'static str],
}

/// All of them.
pub(crate) const FILES: &[Generated] = &[
    Generated { path: "config/lodge.schema.json", arguments: &["schema", "config"] },
    Generated { path: "config/reference.md", arguments: &["config-reference"] },
    Generated {
        path: "fixtures/ticketing/v1/ticket-event.schema.json",
        arguments: &["schema", "ticket-event"],
    },
];

/// Writes every generated file.
///
/// # Errors
/// Where the gateway cannot be built or run, or a file cannot be written.
pub(crate) fn run() -> Result<()> {
    shell::run(shell::cargo().args(["build", "--package", "lodge", "--bin", "lodge", "--locked"]))?;
    let gateway = gateway()?;
    for file in FILES {
        let path = shell::root().join(file.path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        }
        std::fs::write(&path, fresh(&gateway, file)?).with_context(|| format!("write {}", path.display()))?;
        eprintln!("xtask: wrote {}", file.path);
    }
    Ok(())
}

/// What `file` should hold.
///
/// # Errors
/// Where the gateway cannot be run.
pub(crate) fn fresh(gateway: &PathBuf, file: &Generated) -> Result<String> {
    let mut text = shell::output(Command::new(gateway).args(file.arguments))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// Where the gateway's binary is built to.
///
/// # Errors
/// Where cargo does not say where it builds.
pub(crate) fn gateway() -> Result<PathBuf> {
    Ok(target()?.join("debug").join("lodge"))
}

/// Where cargo builds to.
///
/// # Errors
/// Where cargo does not say.
pub(crate) fn target() -> Result<PathBuf> {
    let metadata = cargo_metadata::MetadataCommand::new()
        .current_dir(shell::root())
        .no_deps()
        .exec()
        .context("ask cargo where it builds")?;
    Ok(metadata.target_directory.into_std_path_buf())
}
