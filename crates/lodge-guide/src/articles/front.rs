//! Front matter: the lines between two `---` at the top of an article. A small part of YAML: `key: value`, lists in
//! brackets, with commas, or as `- item` lines below their key.

use crate::clean;
use crate::problem::Problem;

/// Keywords an article has at most, and characters in each.
const MOST_KEYWORDS: usize = 64;
const MOST_KEYWORD: usize = 80;
const MOST_URL: usize = 2_000;
const KEYS: &str = "title, language, url, keywords";

/// What the front matter says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Front {
    pub(super) title: Option<String>,
    pub(super) language: Option<String>,
    pub(super) url: Option<String>,
    pub(super) keywords: Vec<String>,
}

/// The front matter, and what follows it.
///
/// # Errors
/// Every line that says nothing known, and values that cannot be.
pub(super) fn split(text: &str) -> Result<(Front, &str), Vec<Problem>> {
    let mut lines = text.split_inclusive('\n');
    if lines.next().is_none_or(|first| first.trim_end() != "---") {
        return Ok((Front::default(), text));
    }
    let mut reader = Reader::default();
    let mut read = text.split_inclusive('\n').next().map_or(0, str::len);
    for (at, line) in lines.enumerate() {
        read += line.len();
        if line.trim_end() == "---" {
            let body = text.get(read..).unwrap_or_default();
            return if reader.problems.is_empty() { Ok((reader.front, body)) } else { Err(reader.problems) };
        }
        reader.line(at + 2, line.trim_end());
    }
    let remedy = "end it with a line of `---`, or begin the file with its text";
    Err(vec![Problem::at(1, "", "the front matter has no end", remedy)])
}

#[derive(Default)]
struct Reader {
    front: Front,
    problems: Vec<Problem>,
    in_keywords: bool,
}

impl Reader {
    fn line(&mut self, at: usize, line: &str) {
        let bare = line.trim();
        if bare.is_empty() || bare.starts_with('#') {
            return;
        }
        if let Some(item) = bare.strip_prefix("- ")
            && self.in_keywords
        {
            self.keyword(item);
            return;
        }
        self.in_keywords = false;
        let Some((key, value)) = bare.split_once(':') else {
            self.problem(at, "", format!("`{}` is no `key: value`", clean::shorten(bare, 40)), "");
            return;
        };
        self.key(at, key.trim(), unquoted(value.trim()));
    }

    fn key(&mut self, at: usize, key: &str, value: &str) {
        match key {
            "title" if value.is_empty() => self.problem(at, key, "it is empty", "write one, or leave it out"),
            "title" => self.front.title = Some(value.to_owned()),
            "language" if !is_language(value) => {
                let reason = format!("`{}` is no language tag", clean::shorten(value, 40));
                self.problem(at, key, reason, "write one such as `de` or `en-GB`");
            }
            "language" => self.front.language = Some(value.to_owned()),
            "url" if !is_public(value) => {
                let remedy = "write the whole address, beginning with https:// and without spaces";
                self.problem(at, key, "it is no web address", remedy);
            }
            "url" => self.front.url = Some(value.to_owned()),
            "keywords" => {
                self.in_keywords = value.is_empty();
                let inner = value.strip_prefix('[').and_then(|v| v.strip_suffix(']')).unwrap_or(value);
                inner.split(',').for_each(|keyword| self.keyword(keyword));
            }
            other => {
                let reason = format!("unknown key `{}`", clean::shorten(other, 40));
                self.problem(at, "", reason, &format!("use one of: {KEYS}"));
            }
        }
    }

    fn keyword(&mut self, keyword: &str) {
        let keyword = clean::line(unquoted(keyword.trim()), MOST_KEYWORD);
        if !keyword.is_empty() && self.front.keywords.len() < MOST_KEYWORDS {
            self.front.keywords.push(keyword);
        }
    }

    fn problem(&mut self, at: usize, key: &str, reason: impl Into<String>, remedy: &str) {
        let remedy = if remedy.is_empty() { "write `key: value`, one a line" } else { remedy };
        self.problems.push(Problem::at(at, key, reason, remedy));
    }
}

fn unquoted(value: &str) -> &str {
    let inside = |quote| value.strip_prefix(quote).and_then(|v| v.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).unwrap_or(value)
}

/// Whether `tag` has the shape of a language tag (BCP 47, RFC 5646): a primary part of two or three letters, then parts
/// of one to eight letters and digits.
pub(crate) fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let primary = parts.next().unwrap_or_default();
    let is_primary = (2..=3).contains(&primary.len()) && primary.bytes().all(|b| b.is_ascii_alphabetic());
    let is_part =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    is_primary && tag.len() <= 35 && parts.all(is_part)
}

/// The language of a tag without script and region, in lower case.
pub(crate) fn primary(tag: &str) -> String {
    tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase()
}

fn is_public(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let fits = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '<' | '>' | '"');
    url.len() <= MOST_URL && rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(fits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_values_and_lists_are_read() {
        let text = "---\ntitle: \"Returns: how\"\nurl: https://a.example/r\nkeywords: [money back, refund]\n---\nText";
        let (front, body) = split(text).unwrap();
        assert_eq!(front.title.as_deref(), Some("Returns: how"));
        assert_eq!(front.keywords, ["money back", "refund"]);
        assert_eq!(body, "Text");
        let (front, _) = split("---\r\nkeywords:\r\n  - a\r\n  - 'b c'\r\n---\r\n").unwrap();
        assert_eq!(front.keywords, ["a", "b c"]);
        assert_eq!(split("no front\n---\n").unwrap().1, "no front\n---\n");
    }

    #[test]
    fn every_wrong_line_is_told_with_its_number() {
        let text = "---\ntitel: x\nlanguage: german language\nurl: javascript:alert(1)\nnonsense\n---\n";
        let problems = split(text).unwrap_err();
        assert_eq!(problems.iter().map(|p| p.line).collect::<Vec<_>>(), [2, 3, 4, 5]);
        assert!(problems[0].remedy.contains("title"));
        assert!(split("---\ntitle: x\n").unwrap_err()[0].reason.contains("no end"));
    }

    #[test]
    fn language_tags_have_a_shape() {
        for good in ["de", "en-GB", "zh-Hant-TW", "gsw"] {
            assert!(is_language(good), "{good}");
        }
        for bad in ["", "d", "german", "en_GB", "de-", "1a", "en-ÄÖ"] {
            assert!(!is_language(bad), "{bad}");
        }
        assert_eq!(primary("PT-br"), "pt");
    }
}
