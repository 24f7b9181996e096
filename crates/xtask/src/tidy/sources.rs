//! Sources: no file that nobody can hold in mind, no loose ends, a sign above every file.

use super::{Finding, tree::SourceFile};

/// Lines a source file may have at most; comfortable is half of it.
const MOST_LINES: usize = 450;

/// Every breach in the Rust, Lua and shell sources.
pub(super) fn check(files: &[SourceFile]) -> Vec<Finding> {
    let sources = files.iter().filter(|file| file.path.ends_with(".rs") || file.path.ends_with(".lua"));
    sources.flat_map(breaches).collect()
}

fn breaches(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = file.text.lines().count();
    if lines > MOST_LINES {
        findings
            .push(Finding(format!("{}: {lines} lines; split it by nouns (at most {MOST_LINES})", file.path)));
    }
    if file.path.ends_with(".rs") && !has_sign(file) {
        findings.push(Finding(format!("{}: the first line says what the file does (`//! …`)", file.path)));
    }
    for (at, line) in file.text.lines().enumerate() {
        if let Some(mark) = loose_ends().into_iter().find(|mark| says(line, mark)) {
            findings.push(Finding(format!("{}:{}: `{mark}`; finish it or file an issue", file.path, at + 1)));
        }
    }
    findings
}

/// A sign is the first line; an example or a test program may begin with its attributes.
fn has_sign(file: &SourceFile) -> bool {
    let first = file.text.lines().find(|line| !line.starts_with("#!["));
    first.is_some_and(|line| line.starts_with("//!"))
}

/// Whether the mark stands there, and not as a part of a longer word.
fn says(line: &str, mark: &str) -> bool {
    let mut before = line.match_indices(mark).map(|(at, _)| line.get(..at).unwrap_or_default());
    before.any(|before| !before.ends_with(|c: char| c.is_alphanumeric()))
}

/// Put together here, so that this file is no finding of its own. A test that is left out says why: `#[ignore = "…"]`.
fn loose_ends() -> [String; 6] {
    [
        ["to", "do!("].concat(),
        ["unimple", "mented!("].concat(),
        ["FIX", "ME"].concat(),
        ["TO", "DO"].concat(),
        ["#[ig", "nore]"].concat(),
        ["#[al", "low("].concat(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> SourceFile {
        SourceFile { path: "crates/x/src/a.rs".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_tidy_file_has_no_findings() {
        assert!(breaches(&file("//! Holds a thing.\n\nfn a() {}\n")).is_empty());
    }

    #[test]
    fn length_sign_and_loose_ends_are_found() {
        let long = format!("//! Long.\n{}", "\n".repeat(MOST_LINES));
        assert_eq!(breaches(&file(&long)).len(), 1);
        assert_eq!(breaches(&file("fn a() {}\n")).len(), 1);
        for mark in loose_ends() {
            assert_eq!(breaches(&file(&format!("//! Sign.\n{mark}\n"))).len(), 1, "{mark}");
            let within = format!("//! Sign.\nconst MAS{mark}N: u8 = 1;\n");
            assert!(breaches(&file(&within)).is_empty(), "{within}");
        }
    }
}
