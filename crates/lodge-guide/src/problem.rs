//! Something wrong in a guide or an article: where, what, and what to do about it.

use std::path::{Path, PathBuf};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    /// The file, where it is known.
    pub file: Option<PathBuf>,
    /// Its line, from 1; 0 where the problem has no place of its own.
    pub line: usize,
    /// The part of the file, such as `step "email": ask.text`; may be empty.
    pub key: String,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

impl Problem {
    /// A problem at a line of a file that is not named yet.
    pub(crate) fn at(
        line: usize,
        key: impl Into<String>,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { file: None, line, key: key.into(), reason: reason.into(), remedy: remedy.into() }
    }

    /// The same problem, with the file it stands in.
    #[must_use]
    pub fn in_file(mut self, file: &Path) -> Self {
        self.file = Some(file.to_owned());
        self
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}", file.display())?;
            if self.line > 0 {
                write!(f, ":{}", self.line)?;
            }
            f.write_str(": ")?;
        } else if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}\n    remedy: {}", self.reason, self.remedy)
    }
}

/// The line, from 1, in which byte `at` of `text` stands.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_place_reason_and_remedy() {
        let problem = Problem::at(3, "title", "it is empty", "write one");
        assert_eq!(problem.to_string(), "line 3: title: it is empty\n    remedy: write one");
        let problem = problem.in_file(Path::new("de/a.md"));
        assert_eq!(problem.to_string(), "de/a.md:3: title: it is empty\n    remedy: write one");
        assert_eq!((line_of("a\nb", 0), line_of("a\nb", 2), line_of("a\nb", 99)), (1, 2, 2));
    }
}
