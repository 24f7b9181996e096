//! A problem of the configuration, as it is printed.

use std::path::PathBuf;

/// One thing that is wrong, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileProblem {
    /// The file.
    pub file: PathBuf,
    /// Its line, from 1; 0 where the problem has no place of its own.
    pub line: usize,
    /// The key, as a dotted path.
    pub key: String,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

impl std::fmt::Display for FileProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}\n    remedy: {}", self.reason, self.remedy)
    }
}

/// Everything wrong with a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<FileProblem>);

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for problem in &self.0 {
            writeln!(f, "{problem}")?;
        }
        match self.0.len() {
            1 => f.write_str("1 problem"),
            many => write!(f, "{many} problems"),
        }
    }
}

impl std::error::Error for Problems {}

/// The reason where a section that is one of several tables has none of them.
pub(super) const NO_TABLE: &str = "one table is wanted here, and there is none";

/// Turns the words of the parser into a reason and a remedy.
pub(super) fn explain(message: &str) -> (String, String) {
    let first = message.lines().next().unwrap_or(message).trim();
    if let Some(rest) = first.strip_prefix("unknown field `") {
        let (name, expected) = rest.split_once('`').unwrap_or((rest, ""));
        let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        let close = known.iter().find(|candidate| distance(name, candidate) <= 2);
        let remedy = match (close, known.is_empty()) {
            (Some(close), _) => format!("did you mean `{close}`? known keys: {}", known.join(", ")),
            (None, false) => format!("remove it, or use one of: {}", known.join(", ")),
            (None, true) => "remove it: this table takes no keys".to_owned(),
        };
        return (format!("unknown key `{name}`"), remedy);
    }
    if let Some(rest) = first.strip_prefix("missing field `") {
        let name = rest.trim_end_matches('`');
        return (format!("`{name}` is missing"), format!("add `{name} = …`; see `lodge config-reference`"));
    }
    if let Some(rest) = first.strip_prefix("unknown variant `") {
        let (name, expected) = rest.split_once('`').unwrap_or((rest, ""));
        let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        return (
            format!("`{name}` is not one of the possible values"),
            format!("use one of: {}", known.join(", ")),
        );
    }
    if let Some(rest) = first.strip_prefix("invalid type: ") {
        let (found, wanted) = rest.split_once(", expected ").unwrap_or((rest, "another type"));
        return (format!("found {found}"), format!("write {} here", plainly(wanted)));
    }
    if let Some(rest) = first.strip_prefix("wanted exactly 1 element, ") {
        let none = rest.starts_with("found 0");
        let reason = if none { NO_TABLE } else { "one table is wanted here, and there are more" };
        return (reason.to_owned(), "write one of those that `lodge config-reference` names".to_owned());
    }
    (first.to_owned(), "correct the value; see `lodge config-reference`".to_owned())
}

/// The parser's name of a type in an operator's words.
fn plainly(wanted: &str) -> &str {
    match wanted {
        "u8" | "u16" | "u32" | "u64" | "usize" | "i32" | "i64" => "a whole number without quotes",
        "a boolean" => "true or false without quotes",
        "a sequence" => "a list such as [\"a\", \"b\"]",
        "a map" => "a table",
        other if other.starts_with("struct ") => "a table",
        other => other,
    }
}

/// Edit distance (Levenshtein), for "did you mean".
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, cb) in b.iter().enumerate() {
            let above = row.get(j + 1).copied().unwrap_or(0);
            let left = row.get(j).copied().unwrap_or(0);
            let next = if ca == *cb { diagonal } else { 1 + diagonal.min(above).min(left) };
            diagonal = above;
            if let Some(cell) = row.get_mut(j + 1) {
                *cell = next;
            }
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_get_a_suggestion() {
        let (reason, remedy) = explain("unknown field `prot`, expected one of `host`, `port`\nmore");
        assert_eq!(reason, "unknown key `prot`");
        assert_eq!(remedy, "did you mean `port`? known keys: host, port");
        assert_eq!(explain("missing field `host`").0, "`host` is missing");
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
