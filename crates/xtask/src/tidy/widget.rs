//! The built chat widget is that of its sources: its first line carries their fingerprint, so that no Node is needed to
//! tell. Whether the rest of the file is what the sources give, `cargo xtask widget` finds out.

use super::{Finding, tree::SourceFile};
use crate::sha256;

const SOURCES: &str = "crates/lodge-channel-chat/widget/src/";
const BUILT: &str = "crates/lodge-channel-chat/assets/widget.js";

/// A finding where the built file is missing, or made of other sources.
pub(super) fn check(files: &[SourceFile]) -> Vec<Finding> {
    let expected = format!("sha256:{} ", fingerprint(files));
    let built = files.iter().find(|file| file.path == BUILT);
    let first = built.and_then(|file| file.text.lines().next()).unwrap_or_default();
    if first.contains(&expected) {
        return Vec::new();
    }
    vec![Finding(format!("{BUILT} is stale; run: cargo xtask widget --write"))]
}

/// Of every source: path below `src`, line feed, content with LF, zero byte; sorted by path. `build.mjs` does the same.
fn fingerprint(files: &[SourceFile]) -> String {
    let mut sources: Vec<(&str, &str)> = files
        .iter()
        .filter_map(|file| Some((file.path.strip_prefix(SOURCES)?, file.text.as_str())))
        .collect();
    sources.sort_unstable();
    let parts = sources.iter().map(|(name, text)| format!("{name}\n{}\0", text.replace("\r\n", "\n")));
    sha256::hex(parts.collect::<String>().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_changed_source_makes_the_built_file_stale() {
        let source = |text: &str| file(&format!("{SOURCES}main.ts"), text);
        let print = fingerprint(&[source("a\n")]);
        let built = file(BUILT, &format!("/* Sources: sha256:{print} */\ncode\n"));
        assert!(check(&[source("a\r\n"), file(BUILT, &built.text)]).is_empty());
        assert_eq!(check(&[source("b\n"), file(BUILT, &built.text)]).len(), 1);
        assert_eq!(check(&[source("a\n")]).len(), 1);
    }
}
