//! The index: SQLite's FTS5 in memory. Shared between threads behind one lock; a search of a thousand articles takes a
//! few milliseconds at most, and nothing else happens under it.

use super::article::Article;
use super::folder;
use super::passage;
use super::question::{self, Term};
use crate::clean;
use crate::problem::Problem;
use rusqlite::{Connection, params};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Characters of an answer at most: one message of a chat.
const MOST_ANSWER: usize = 8_000;
/// Articles that are weighed in detail, the best of FTS5's own ranking.
const WEIGHED: usize = 30;
/// Diacritics count for nothing in both directions; nothing is stored twice, the texts are here already.
const SCHEMA: &str = "CREATE VIRTUAL TABLE articles USING fts5(title, keywords, body, content = '', \
                      tokenize = 'unicode61 remove_diacritics 2')";
/// `bm25` with a word in a title worth eight in the text, in keywords six.
const RANKED: &str = "SELECT rowid, bm25(articles, 8.0, 6.0, 1.0) FROM articles WHERE articles MATCH ?1 \
                      ORDER BY 2, 1 LIMIT ?2";
const HAVING: &str = "SELECT rowid FROM articles WHERE articles MATCH ?1 ORDER BY rowid";
/// What a word in the text alone is worth beside one in title or keywords.
const IN_TEXT: f64 = 0.5;
/// What a word that no article has counts in a question: people tell stories around what they ask.
const UNKNOWN: f64 = 0.5;
/// Articles about something else that are thought to be there too.
const IMAGINED: usize = 50;
/// The share of a question that an article must speak of. Below it, it was found by chance.
const RELEVANT: f64 = 0.3;
/// The share of the best article's score that another needs to be worth showing beside it.
const BESIDE: f64 = 0.6;

/// An article that may answer a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The article's id, for [`Articles::answer`].
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its passage that fits best, plain text of at most 400 characters.
    pub summary: String,
    /// Where the public can read it.
    pub url: Option<String>,
    /// How much of the question it speaks of, from 0 to 1.
    pub score: f64,
}

/// A folder of articles, indexed. `Send` and `Sync`.
#[derive(Debug)]
pub struct Articles {
    articles: Vec<Article>,
    by_id: HashMap<String, usize>,
    index: Mutex<Connection>,
}

impl Articles {
    /// Reads every `*.md` in `folder` and the folders in it, but `README.md` and what is hidden.
    ///
    /// # Errors
    /// All problems at once, each with its file: folders and files that cannot be read or lead out of `folder`, more than
    /// [`folder::MOST_ARTICLES`] or [`folder::MOST_BYTES`], front matter that says nothing known.
    pub fn load(folder: &Path) -> Result<Self, Vec<Problem>> {
        let articles = folder::read(folder)?;
        Self::index(articles).map_err(|error| {
            let remedy = "see whether there is memory left";
            vec![
                Problem::at(0, "", format!("the articles cannot be indexed: {error}"), remedy)
                    .in_file(folder),
            ]
        })
    }

    fn index(articles: Vec<Article>) -> rusqlite::Result<Self> {
        let mut connection = Connection::open_in_memory()?;
        connection.execute_batch(SCHEMA)?;
        let transaction = connection.transaction()?;
        {
            let mut insert = transaction
                .prepare("INSERT INTO articles (rowid, title, keywords, body) VALUES (?1, ?2, ?3, ?4)")?;
            for (row, article) in (0_i64..).zip(&articles) {
                let keywords = article.keywords.join("\n");
                let text = question::segment(&article.text());
                insert.execute(params![
                    row,
                    question::segment(&article.title),
                    question::segment(&keywords),
                    text
                ])?;
            }
        }
        transaction.execute("INSERT INTO articles (articles) VALUES ('optimize')", [])?;
        transaction.commit()?;
        let by_id = articles.iter().enumerate().map(|(at, article)| (article.id.clone(), at)).collect();
        Ok(Self { articles, by_id, index: Mutex::new(connection) })
    }

    /// How many articles there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.articles.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.articles.is_empty()
    }

    /// The article `id`.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Article> {
        self.by_id.get(id).and_then(|at| self.articles.get(*at))
    }

    /// At most `most` articles that speak of `question`, those in `language` first, then by how much. Whatever a stranger
    /// asks is only words to this.
    #[must_use]
    pub fn search(&self, question: &str, language: Option<&str>, most: usize) -> Vec<Hit> {
        let terms = question::terms(question);
        // The expression is of our own making; should SQLite refuse it nevertheless, nothing was found.
        let scores = self.scores(&terms).unwrap_or_default();
        let best = scores.iter().map(|(_, score)| *score).fold(0.0, f64::max);
        let mut found: Vec<(&Article, f64)> = scores
            .into_iter()
            .filter(|(_, score)| *score >= RELEVANT.max(best * BESIDE))
            .filter_map(|(row, score)| Some((self.articles.get(usize::try_from(row).ok()?)?, score)))
            .collect();
        let foreign = |article: &Article| language.is_some_and(|language| !article.is_for(language));
        // Stable, so that FTS5's own ranking decides between equals.
        found.sort_by(|(a, a_score), (b, b_score)| {
            foreign(a).cmp(&foreign(b)).then(b_score.total_cmp(a_score))
        });
        found.truncate(most);
        found.into_iter().map(|(article, score)| hit(article, score, &terms)).collect()
    }

    /// The whole article as plain text for a chat: its title, its text, and where it was cut, the link to the rest.
    #[must_use]
    pub fn answer(&self, id: &str) -> Option<String> {
        let article = self.get(id)?;
        let whole = format!("{}\n\n{}", article.title, article.text());
        if whole.chars().count() <= MOST_ANSWER {
            return Some(whole.trim_end().to_owned());
        }
        let link = article.url.as_deref().map(|url| format!("\n\n{url}")).unwrap_or_default();
        Some(clean::shorten(&whole, MOST_ANSWER - link.chars().count()) + &link)
    }

    /// The best candidates of FTS5 with the share of the question that each speaks of, best of FTS5 first.
    fn scores(&self, terms: &[Term]) -> rusqlite::Result<Vec<(i64, f64)>> {
        if terms.is_empty() || self.articles.is_empty() {
            return Ok(Vec::new());
        }
        let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let any: Vec<String> = terms.iter().map(Term::expression).collect();
        let mut ranked = index.prepare_cached(RANKED)?;
        let limit = i64::try_from(WEIGHED).unwrap_or(i64::MAX);
        let candidates: Vec<i64> = ranked
            .query_map(params![any.join(" OR "), limit], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let mut spoken: HashMap<i64, f64> = HashMap::new();
        let mut asked = 0.0;
        for term in terms {
            let everywhere = rows(&index, &term.expression())?;
            let weight = self.weight(everywhere.len());
            asked += if everywhere.is_empty() { weight * UNKNOWN } else { weight };
            if everywhere.is_empty() {
                continue;
            }
            let at_head = rows(&index, &format!("{{title keywords}} : {}", term.expression()))?;
            for row in candidates.iter().filter(|row| everywhere.binary_search(row).is_ok()) {
                let worth = if at_head.binary_search(row).is_ok() { 1.0 } else { IN_TEXT };
                *spoken.entry(*row).or_default() += weight * worth;
            }
        }
        let share = |row: i64| (row, spoken.get(&row).copied().unwrap_or_default() / asked);
        Ok(candidates.into_iter().map(share).collect())
    }

    /// How much a word says that `having` articles have: BM25's inverse document frequency, kept above zero, and as if
    /// there were a few more articles, since in a folder of five every word would seem a common one.
    fn weight(&self, having: usize) -> f64 {
        let [all, having] =
            [self.articles.len() + IMAGINED, having].map(|n| u32::try_from(n).map_or(f64::MAX, f64::from));
        (1.0 + (all - having + 0.5) / (having + 0.5)).ln()
    }
}

/// The articles that have what is meant, in order.
fn rows(index: &Connection, expression: &str) -> rusqlite::Result<Vec<i64>> {
    let mut having = index.prepare_cached(HAVING)?;
    having.query_map([expression], |row| row.get(0))?.collect()
}

fn hit(article: &Article, score: f64, terms: &[Term]) -> Hit {
    Hit {
        id: article.id.clone(),
        title: article.title.clone(),
        summary: passage::summary(article, terms),
        url: article.url.clone(),
        score,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn articles(texts: &[(&str, &str)]) -> Articles {
        let read = |(id, text): &(&str, &str)| Article::read(id, text).unwrap();
        Articles::index(texts.iter().map(read).collect()).unwrap()
    }

    #[test]
    fn what_strangers_type_is_never_an_error_of_the_search() {
        let articles = articles(&[("a", "# Refunds\n\nmoney")]);
        for question in
            ["\" OR 1=1", "NEAR(", "*", "col:", "title:", "^refund", "{x}:y", "a\0b", "ा ा", "'); DROP TABLE"]
        {
            assert!(articles.scores(&question::terms(question)).is_ok(), "{question}");
        }
        assert_eq!(articles.search("\"refunds\" OR NEAR(title:*", None, 3).len(), 1);
        assert!(articles.search("", None, 3).is_empty());
    }

    #[test]
    fn long_answers_are_cut_and_end_with_the_link() {
        let long = format!("---\ntitle: T\nurl: https://a.example/t\n---\n{}", "word ".repeat(5_000));
        let articles = articles(&[("long", &long), ("short", "# S\n\nText.")]);
        let answer = articles.answer("long").unwrap();
        assert!(answer.chars().count() <= MOST_ANSWER && answer.ends_with("word…\n\nhttps://a.example/t"));
        assert_eq!(articles.answer("short").unwrap(), "S\n\nText.");
        assert!(articles.answer("../short").is_none());
    }

    #[test]
    fn many_threads_may_search() {
        fn shared<T: Send + Sync>() {}
        shared::<Articles>();
    }
}
