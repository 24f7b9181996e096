//! The files of the repository, as git would list them: everything but what is built and what is hidden.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// A text file: its path from the root, and what it holds.
pub(super) struct SourceFile {
    /// With `/` between folders.
    pub(super) path: String,
    /// Empty for files that are no UTF-8.
    pub(super) text: String,
}

/// All files under `root`.
///
/// # Errors
/// Where a folder or a file cannot be read.
pub(super) fn files(root: &Path) -> Result<Vec<SourceFile>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
            let path = entry.with_context(|| format!("list {}", folder.display()))?.path();
            if path.is_dir() && !is_left_out(&path, root) {
                folders.push(path);
            } else if path.is_file() {
                found.push(read(&path, root)?);
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn is_left_out(folder: &Path, root: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.')
        || name == "node_modules"
        || *folder == root.join("target")
        || *folder == root.join("data")
}

fn read(path: &PathBuf, root: &Path) -> Result<SourceFile> {
    let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let relative = path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/");
    Ok(SourceFile { path: relative, text: String::from_utf8(bytes).unwrap_or_default() })
}
