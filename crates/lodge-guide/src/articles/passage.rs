//! The part of an article that stands for it in a list: the passage that speaks most of what was asked, else its first.

use super::article::Article;
use super::question::Term;
use crate::clean;

/// Characters of a summary at most.
const MOST: usize = 400;
/// Passages of an article that are looked at, and characters of each.
const LOOKED_AT: usize = 50;
const READ: usize = 2_000;

/// A summary of `article` for somebody who asked for `terms`.
pub(super) fn summary(article: &Article, terms: &[Term]) -> String {
    let passages = article.blocks.iter().filter(|block| !block.heading).take(LOOKED_AT);
    let mut best: Option<(usize, &str)> = None;
    for passage in passages {
        let words: String = passage.text.chars().take(READ).flat_map(char::to_lowercase).collect();
        let spoken = terms.iter().filter(|term| words.contains(&term.text)).count();
        // The first of equals: an article says first what matters most.
        if best.is_none_or(|(most, _)| spoken > most) {
            best = Some((spoken, &passage.text));
        }
    }
    clean::shorten(best.map_or("", |(_, text)| text), MOST)
}

#[cfg(test)]
mod tests {
    use super::super::question::terms;
    use super::*;

    #[test]
    fn the_passage_that_speaks_of_it_is_shown_else_the_first() {
        let text = "# Money\n\nFirst words.\n\n## Refunds\n\nA refund takes five days.\n\nLast words.";
        let article = Article::read("x", text).unwrap();
        assert_eq!(summary(&article, &terms("when is the refund here")), "A refund takes five days.");
        assert_eq!(summary(&article, &terms("bicycle")), "First words.");
        let long = Article::read("x", &format!("# A\n\n{}", "word ".repeat(300))).unwrap();
        let summary = summary(&long, &[]);
        assert!(summary.chars().count() <= MOST && summary.ends_with("word…"));
    }
}
