//! Reads a guide's file: table by table, so that one wrong key hides no other.

use super::settings::{GuideSettings, StepSettings};
use crate::problem::{Problem, line_of};
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// A file of this many bytes is no guide.
const MOST_BYTES: usize = 512 << 10;

/// The settings, each step with the line it begins at.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) settings: GuideSettings,
    pub(super) lines: Vec<usize>,
}

/// Reads `text`. Without settings where the shape is wrong.
pub(super) fn read(text: &str, problems: &mut Vec<Problem>) -> Option<Read> {
    if text.len() > MOST_BYTES {
        let reason = format!("the guide is larger than {MOST_BYTES} bytes");
        problems.push(Problem::at(0, "", reason, "move answers into articles"));
        return None;
    }
    let before = problems.len();
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let reason = error.message().lines().next().unwrap_or("it cannot be read").to_owned();
        let line = error.span().map_or(0, |span| line_of(text, span.start));
        let remedy = "correct the line; quotes, brackets and `=` are the usual cause";
        problems.push(Problem::at(line, "", format!("not valid TOML: {reason}"), remedy));
    }
    if problems.len() > before {
        return None;
    }
    let span = table.span();
    let mut head = table.into_inner();
    let steps: Vec<Spanned<DeValue<'_>>> = take_steps(&mut head);
    let mut reader = Reader { text, problems };
    let head = reader.section::<GuideSettings>("", Spanned::new(span, DeValue::Table(head)));
    let mut lines = Vec::new();
    let mut read = Vec::new();
    for (at, step) in steps.into_iter().enumerate() {
        lines.push(line_of(text, step.span().start));
        let key = step_key(&step, at);
        read.extend(reader.section::<StepSettings>(&key, step));
    }
    let mut settings = head?;
    if problems.len() > before {
        return None;
    }
    settings.step = read;
    Some(Read { settings, lines })
}

fn take_steps<'t>(head: &mut DeTable<'t>) -> Vec<Spanned<DeValue<'t>>> {
    let is_list = head.get("step").is_some_and(|value| matches!(value.get_ref(), DeValue::Array(_)));
    // Anything but a list stays, and is told as a wrong type.
    match is_list.then(|| head.remove("step")).flatten().map(Spanned::into_inner) {
        Some(DeValue::Array(steps)) => steps.into_iter().collect(),
        _ => Vec::new(),
    }
}

/// A step by its name, else by its place.
fn step_key(step: &Spanned<DeValue<'_>>, at: usize) -> String {
    let name = match step.get_ref() {
        DeValue::Table(table) => table.get("name").and_then(|name| name.get_ref().as_str()),
        _ => None,
    };
    name.map_or_else(
        || format!("step {}", at + 1),
        |name| format!("step \"{}\"", crate::clean::line(name, 40)),
    )
}

struct Reader<'r> {
    text: &'r str,
    problems: &'r mut Vec<Problem>,
}

impl Reader<'_> {
    fn section<T: DeserializeOwned>(&mut self, key: &str, value: Spanned<DeValue<'_>>) -> Option<T> {
        let whole = value.span();
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(section) => Some(section),
            Err(error) => {
                let at = error.span().unwrap_or(whole).start;
                let (reason, remedy) = explain(error.message());
                self.problems.push(Problem::at(line_of(self.text, at), key, reason, remedy));
                None
            }
        }
    }
}

/// The parser's words as a reason and a remedy.
fn explain(message: &str) -> (String, String) {
    let first = message.lines().next().unwrap_or(message).trim();
    let names =
        |rest: &str| -> Vec<String> { rest.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    if let Some((name, expected)) =
        first.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`'))
    {
        return (
            format!("unknown key `{name}`"),
            format!("remove it, or use one of: {}", names(expected).join(", ")),
        );
    }
    if let Some(name) = first.strip_prefix("missing field `") {
        let name = name.trim_end_matches('`');
        return (format!("`{name}` is missing"), format!("add `{name} = …`"));
    }
    if let Some((name, expected)) =
        first.strip_prefix("unknown variant `").and_then(|rest| rest.split_once('`'))
    {
        let remedy = format!("use one of: {}", names(expected).join(", "));
        return (format!("`{name}` is not one of the possible values"), remedy);
    }
    if let Some((found, wanted)) =
        first.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "))
    {
        let wanted = match wanted {
            "a map" => "texts by language, such as { en = \"…\" }",
            "a sequence" => "a list such as [\"a\", \"b\"]",
            "a boolean" => "true or false without quotes",
            "u8" | "u32" => "a whole number without quotes",
            other if other.starts_with("struct ") => "a table",
            other => other,
        };
        return (format!("found {found}"), format!("write {wanted} here"));
    }
    (first.to_owned(), "correct the value".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        assert!(read(text, &mut problems).is_none() || problems.is_empty());
        problems
    }

    #[test]
    fn every_step_tells_its_own_problem_with_its_line() {
        let text = "bots = \"x\"\n\n[[step]]\nname = \"a\"\nsays = {}\n\n[[step]]\nnext = \"a\"\n\n[[step]]\nname = \"c\"\n\
                    [step.ask]\nkind = \"colour\"\ntext.en = \"?\"\n";
        let found = problems(text);
        let told: Vec<_> = found.iter().map(|p| (p.line, p.key.as_str(), p.reason.as_str())).collect();
        assert_eq!(told[0], (1, "", "unknown key `bots`"));
        assert_eq!(told[1], (5, "step \"a\"", "unknown key `says`"));
        assert_eq!((told[2].1, told[2].2), ("step 2", "`name` is missing"));
        assert_eq!((told[3].0, told[3].1), (13, "step \"c\""));
        assert!(found[3].remedy.contains("email"));
    }

    #[test]
    fn broken_files_are_told_too() {
        assert!(problems("[[step]\n")[0].reason.starts_with("not valid TOML"));
        assert_eq!(problems(&"#".repeat(MOST_BYTES + 1)).len(), 1);
        assert!(problems("step = 3\n")[0].reason.contains("found"));
        assert_eq!(
            problems("[[step]]\nname = \"a\"\nsay = \"hello\"\n")[0].remedy,
            "write texts by language, such as { en = \"…\" } here"
        );
    }
}
