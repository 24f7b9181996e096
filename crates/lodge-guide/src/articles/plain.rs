//! Markdown as plain text for a chat: headings and paragraphs, lists with bullets, links with their address behind
//! them. A small honest reader of what articles use, not CommonMark: what it does not know, it shows as it stands.

use super::inline::{Definitions, inline};
use crate::clean;

/// A heading, a paragraph, a list, a table or a piece of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) heading: bool,
    pub(super) text: String,
}

/// The blocks of `markdown`, in order.
pub(super) fn blocks(markdown: &str) -> Vec<Block> {
    let mut reader = Reader { definitions: definitions(markdown), ..Reader::default() };
    markdown.lines().for_each(|line| reader.line(line));
    reader.flush();
    reader.blocks
}

/// `[name]: address` lines, by name in lower case.
fn definitions(markdown: &str) -> Definitions {
    markdown.lines().filter_map(definition).collect()
}

fn definition(line: &str) -> Option<(String, String)> {
    let (name, address) = line.trim().strip_prefix('[')?.split_once("]:")?;
    let address = address.split_whitespace().next()?.trim_matches(['<', '>']);
    (!name.is_empty() && !address.is_empty()).then(|| (name.to_lowercase(), address.to_owned()))
}

#[derive(Default)]
struct Reader {
    blocks: Vec<Block>,
    definitions: Definitions,
    /// The lines of the block being read, each still Markdown.
    lines: Vec<String>,
    /// What ends the code being read.
    fence: Option<String>,
    in_comment: bool,
}

impl Reader {
    fn line(&mut self, raw: &str) {
        let trimmed = raw.trim();
        if let Some(fence) = &self.fence {
            if trimmed.starts_with(fence.as_str()) && trimmed.trim_start_matches(['`', '~']).is_empty() {
                self.code();
            } else {
                self.lines.push(raw.to_owned());
            }
            return;
        }
        let without = self.without_comment(raw);
        let bare = without.trim_start_matches(['>', ' ', '\t']).trim_end_matches(['\r', '\n']);
        let indent = if without.starts_with([' ', '\t']) && !self.lines.is_empty() { "  " } else { "" };
        let content = bare.trim_end();
        if content.is_empty() || definition(content).is_some() || is_rule(content) {
            self.flush();
        } else if let Some(fence) = ["```", "~~~"].iter().find(|fence| content.starts_with(*fence)) {
            self.flush();
            self.fence = Some((*fence).to_owned());
        } else if let Some(heading) = heading(content) {
            self.flush();
            self.push(true, &inline(heading, &self.definitions));
        } else if let Some(cells) = row(content) {
            self.lines.extend(cells.filter(|cells| !cells.is_empty()));
        } else if let Some(item) = item(content) {
            self.lines.push(format!("{indent}{item}"));
        } else {
            self.continued(bare);
        }
    }

    /// Goes on with a paragraph or an item; two spaces or a backslash at the end of the line before break it.
    fn continued(&mut self, line: &str) {
        match self.lines.last_mut() {
            Some(last) if last.ends_with("  ") || last.ends_with('\\') => {
                let kept = last.trim_end_matches('\\').trim_end().len();
                last.truncate(kept);
                self.lines.push(line.to_owned());
            }
            Some(last) => {
                last.push(' ');
                last.push_str(line);
            }
            None => self.lines.push(line.to_owned()),
        }
    }

    fn without_comment(&mut self, line: &str) -> String {
        let mut out = String::new();
        let mut rest = line;
        loop {
            let mark = if self.in_comment { "-->" } else { "<!--" };
            let Some((before, after)) = rest.split_once(mark) else { break };
            if !self.in_comment {
                out.push_str(before);
            }
            self.in_comment = !self.in_comment;
            rest = after;
        }
        if !self.in_comment {
            out.push_str(rest);
        }
        out
    }

    fn flush(&mut self) {
        let lines: Vec<String> = self.lines.drain(..).collect();
        let texts: Vec<String> = lines.iter().map(|line| inline(line, &self.definitions)).collect();
        self.push(false, &texts.join("\n"));
    }

    fn code(&mut self) {
        self.fence = None;
        let text = self.lines.drain(..).collect::<Vec<_>>().join("\n");
        self.push(false, &text);
    }

    fn push(&mut self, heading: bool, text: &str) {
        let text = clean::block(text, usize::MAX);
        if !text.is_empty() {
            self.blocks.push(Block { heading, text });
        }
    }
}

/// A line that separates or underlines: `---`, `* * *`, `===`.
fn is_rule(line: &str) -> bool {
    let bare: String = line.split_whitespace().collect();
    bare.len() >= 3 && ["-", "*", "_", "="].iter().any(|mark| bare.replace(mark, "").is_empty())
}

fn heading(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#');
    let level = line.len() - text.len();
    ((1..=6).contains(&level) && text.starts_with([' ', '\t']))
        .then(|| text.trim().trim_end_matches('#').trim_end())
}

/// `- text` and its sisters get a bullet; `1. text` stays.
fn item(line: &str) -> Option<String> {
    if let Some(text) = ["- ", "* ", "+ "].iter().find_map(|mark| line.strip_prefix(mark)) {
        return Some(format!("• {}", text.trim_start()));
    }
    let (number, text) = line.split_once(['.', ')'])?;
    let is_number = (1..=3).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    (is_number && text.starts_with(' ')).then(|| format!("{number}. {}", text.trim_start()))
}

/// A table's row with its cells apart; `Some(None)` for the line below its head.
fn row(line: &str) -> Option<Option<String>> {
    let inner = line.strip_prefix('|')?;
    let inner = inner.strip_suffix('|').unwrap_or(inner);
    if inner.chars().all(|c| matches!(c, '|' | '-' | ':' | ' ')) {
        return Some(None);
    }
    let cells: Vec<&str> = inner.split('|').map(str::trim).filter(|cell| !cell.is_empty()).collect();
    Some(Some(cells.join(" · ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(markdown: &str) -> Vec<String> {
        blocks(markdown).into_iter().map(|block| block.text).collect()
    }

    #[test]
    fn paragraphs_headings_lists_and_code() {
        let found = blocks("# A **title** #\n\nOne\ntwo  \nthree\n\n- x\n- y\n  more\n  - z\n\n1. a\n2) b\n");
        assert!(found[0].heading && !found[1].heading);
        assert_eq!(found[0].text, "A title");
        assert_eq!(found[1].text, "One two\nthree");
        assert_eq!(found[2].text, "• x\n• y more\n  • z");
        assert_eq!(found[3].text, "1. a\n2. b");
        assert_eq!(text("```sh\nls *.md\n\n# no heading\n```\nend"), ["ls *.md\n\n# no heading", "end"]);
    }

    #[test]
    fn tables_quotes_rules_and_comments() {
        assert_eq!(text("| a | b |\n|---|:-:|\n| 1 | 2 |"), ["a · b\n1 · 2"]);
        assert_eq!(text("> said\n> so\n\n---\n\nx <!-- not\nthis --> y"), ["said so", "x  y"]);
        assert_eq!(text("Title\n=====\ntext"), ["Title", "text"]);
        assert_eq!(text("see [it][1]\n\n[1]: https://a.example"), ["see it (https://a.example)"]);
    }

    #[test]
    fn unfinished_things_show_what_they_hold() {
        assert_eq!(text("```\ncode without end"), ["code without end"]);
        assert!(text("<!-- comment without end\nx").is_empty());
        assert!(text("\n\n   \n").is_empty());
    }
}
