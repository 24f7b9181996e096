//! One file a command.

pub mod check;
pub mod dead_letters;
pub mod demo;
pub mod dialogue;
pub mod ingest;
pub mod normalize;
pub mod pipe;
pub mod run;
pub mod schema;
pub mod store;
pub mod trace;
pub mod webhook;

use crate::cli::Usage;
use crate::config::{Checked, load};
use anyhow::Context as _;
use std::path::{Path, PathBuf};

/// The configuration file to use.
///
/// # Errors
/// Where none is named and none of the default ones exists.
pub fn config_path(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    let defaults = ["lodge.toml", "/etc/lodge/lodge.toml"];
    let found = defaults.iter().map(PathBuf::from).find(|path| path.is_file());
    found.ok_or_else(|| {
        let words = "there is no lodge.toml here and no /etc/lodge/lodge.toml: name one with --config, or try `lodge demo`";
        Usage(words.to_owned()).into()
    })
}

/// Reads and checks the configuration.
///
/// # Errors
/// Where it cannot be read, or has problems (all of them, as [`crate::config::Problems`]).
pub fn configuration(named: Option<&Path>) -> anyhow::Result<Checked> {
    let path = config_path(named)?;
    let loaded = load(&path).map_err(|error| Usage(format!("{} cannot be read: {error}", path.display())))?;
    Ok(loaded.check()?)
}

/// One of the configured inboxes.
///
/// # Errors
/// Where there is none of this name; names those that are.
pub fn inbox(checked: &Checked, name: &str) -> anyhow::Result<crate::config::CheckedInbox> {
    let found = checked.inboxes.iter().find(|(known, _)| known.as_str() == name);
    let known: Vec<&str> = checked.inboxes.keys().map(lodge_domain::InboxName::as_str).collect();
    let words = || Usage(format!("there is no inbox `{name}`; the configuration has: {}", known.join(", ")));
    found.map(|(_, inbox)| inbox.clone()).with_context(words)
}

/// A table for people.
#[must_use]
pub fn table(header: &[&str]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_BORDERS_ONLY);
    table.set_header(header);
    table
}
