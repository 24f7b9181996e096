//! One article: what its file says about it, and its text in plain words.

use super::front::{self, Front};
use super::plain::{self, Block};
use crate::clean;
use crate::problem::Problem;

/// Characters that a title has at most.
const MOST_TITLE: usize = 200;

/// An article as it is indexed and shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Article {
    /// Its path in the folder without `.md`, such as `de/ruecksendung`.
    pub id: String,
    /// Its title, one line.
    pub title: String,
    /// Its language (BCP 47), where the file or its folder says so.
    pub language: Option<String>,
    /// Where the public can read it.
    pub url: Option<String>,
    /// Words by which it should be found besides those of its text.
    pub keywords: Vec<String>,
    pub(super) blocks: Vec<Block>,
}

impl Article {
    /// Reads `text`, the file of the article `id`.
    ///
    /// # Errors
    /// All problems of the front matter, and a missing title.
    pub(super) fn read(id: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (front, body) = front::split(text)?;
        let Front { title, language, url, keywords } = front;
        let mut blocks = plain::blocks(body);
        let heading = blocks.iter().position(|block| block.heading);
        let own_title = heading.and_then(|at| blocks.get(at)).map(|block| block.text.clone());
        let title = clean::line(&title.or(own_title.clone()).unwrap_or_default(), MOST_TITLE);
        if title.is_empty() {
            let remedy = "write `title: …` between two lines of `---` at the top, or a first `# heading`";
            return Err(vec![Problem::at(1, "title", "the article has no title", remedy)]);
        }
        // The title is shown above the text, so that it need not stand there twice.
        if heading == Some(0) && own_title.is_some_and(|own| own == title) {
            blocks.remove(0);
        }
        let language = language.or_else(|| folder_language(id));
        Ok(Self { id: id.to_owned(), title, language, url, keywords, blocks })
    }

    /// The whole text, in plain words.
    #[must_use]
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self.blocks.iter().map(|block| block.text.as_str()).collect();
        texts.join("\n\n")
    }

    /// Whether it is for people who read `language`: written in it, whatever the region, or in none that it says.
    pub(crate) fn is_for(&self, language: &str) -> bool {
        self.language.as_deref().is_none_or(|own| front::primary(own) == front::primary(language))
    }
}

/// `de/returns` is German. Only tags with a primary part of two letters: a folder `faq` is no language.
fn folder_language(id: &str) -> Option<String> {
    let (folder, _) = id.split_once('/')?;
    (front::primary(folder).len() == 2 && front::is_language(folder)).then(|| folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn title_and_language_come_from_the_file_else_from_its_surroundings() {
        let article = Article::read("de/rueck", "# Rücksendung\n\nSo geht es.\n").unwrap();
        assert_eq!((article.title.as_str(), article.language.as_deref()), ("Rücksendung", Some("de")));
        assert_eq!(article.text(), "So geht es.");
        let text = "---\ntitle: Returns\nlanguage: en-GB\n---\n# How\nSo.\n";
        let article = Article::read("de/x", text).unwrap();
        assert_eq!((article.title.as_str(), article.language.as_deref()), ("Returns", Some("en-GB")));
        assert_eq!(article.text(), "How\n\nSo.");
        assert!(article.is_for("en-US") && !article.is_for("de"));
        assert_eq!(Article::read("faq/x", "# A").unwrap().language, None);
        assert_eq!(Article::read("x", "only text").unwrap_err().len(), 1);
    }

    #[test]
    fn t46_a_title_has_no_directions_in_it() {
        let article = Article::read("x", "---\ntitle: a\u{202e}b\u{7}\n---\n").unwrap();
        assert_eq!(article.title, "ab");
    }
}
