//! From what a stranger asks to what is searched for. Only letters and digits pass, each word quoted: no operator, column
//! or wildcard of a stranger ever reaches the search (FTS5's query language, sqlite.org/fts5.html §3).

use super::stop_words::is_stop_word;

/// Terms of one question at most.
pub(super) const MOST_TERMS: usize = 16;
/// Characters of a question that are read, and characters of a word that is one.
const MOST_CHARACTERS: usize = 2_000;
const LONGEST_WORD: usize = 40;

/// One thing to search for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Term {
    /// The word, or its beginning; letters and digits alone, in lower case.
    pub(super) text: String,
    /// Whether words that begin with it are meant too.
    pub(super) prefix: bool,
}

impl Term {
    /// As FTS5 reads it. Letters and digits hold no quote; doubling them keeps that true whatever happens above.
    pub(super) fn expression(&self) -> String {
        let star = if self.prefix { " *" } else { "" };
        format!("\"{}\"{star}", self.text.replace('"', "\"\""))
    }
}

/// The terms of `question`, in order, each once.
pub(super) fn terms(question: &str) -> Vec<Term> {
    let read: String = question.chars().take(MOST_CHARACTERS).collect();
    let mut terms = Vec::new();
    for word in read.to_lowercase().split(|c: char| !is_letter(c) && !is_apostrophe(c)) {
        if is_stop_word(word) {
            continue;
        }
        for part in word.split(is_apostrophe) {
            for piece in segment(part).split(' ').filter(|piece| matters(piece)) {
                let term = term(piece);
                if terms.len() < MOST_TERMS && !terms.contains(&term) {
                    terms.push(term);
                }
            }
        }
    }
    terms
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric()
}

/// `don't` is a small word as a whole, `l'adresse` is one before and another behind.
fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '’')
}

fn matters(word: &str) -> bool {
    let length = word.chars().count();
    let enough = length >= 2 || word.chars().any(is_ideograph);
    enough && length <= LONGEST_WORD && !is_stop_word(word)
}

/// Long words lose their end, so that "returning" finds "return" and "Rechnungen" finds "Rechnung": enough for the
/// endings of many languages, without knowing one. Numbers are meant as they are.
fn term(word: &str) -> Term {
    let length = word.chars().count();
    if length < 4 || word.chars().any(|c| c.is_numeric() || is_ideograph(c)) {
        return Term { text: word.to_owned(), prefix: false };
    }
    let ending = match length {
        0..=5 => 0,
        6 => 1,
        7 | 8 => 2,
        9..=11 => 3,
        _ => 4,
    };
    Term { text: word.chars().take(length - ending).collect(), prefix: true }
}

/// Scripts without spaces between words: each two characters that stand together become a word of their own, in articles
/// as in questions. Everything else stays.
pub(super) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut previous: Option<char> = None;
    let mut alone = false;
    for c in text.chars() {
        match (previous.filter(|p| is_ideograph(*p)), is_ideograph(c)) {
            (Some(before), true) => {
                if !alone {
                    out.push(' ');
                    out.push(before);
                }
                alone = false;
                out.push(c);
                out.push(' ');
            }
            (None, true) => {
                out.push(' ');
                out.push(c);
                alone = true;
            }
            (Some(_), false) => {
                out.push(' ');
                out.push(c);
                alone = false;
            }
            (None, false) => out.push(c),
        }
        previous = Some(c);
    }
    out
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{323af}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(question: &str) -> Vec<String> {
        terms(question).iter().map(Term::expression).collect()
    }

    #[test]
    fn small_words_go_and_long_words_lose_their_end() {
        assert_eq!(words("How can I return my orders, please?"), ["\"retur\" *", "\"order\" *"]);
        assert_eq!(
            words("Où est l'adresse 4711 de Rechnungen"),
            ["\"adres\" *", "\"4711\"", "\"rechnun\" *"]
        );
        assert_eq!(words("I don't can't HELLO"), Vec::<String>::new());
        assert_eq!(words("refund refund REFUND"), ["\"refun\" *"]);
    }

    #[test]
    fn the_query_language_is_not_spoken_by_strangers() {
        for question in [
            "\" OR 1=1",
            "NEAR(",
            "*",
            "col:",
            "title : x",
            "a^b",
            "{title} : \"",
            "x AND NOT y",
            "-",
            "\0\0",
        ] {
            for word in words(question) {
                let inner = word.trim_end_matches(" *");
                let inner = inner.strip_prefix('"').and_then(|w| w.strip_suffix('"')).unwrap();
                assert!(inner.chars().all(char::is_alphanumeric), "{question}: {word}");
            }
        }
        let many: Vec<String> = (0..100).map(|n| format!("word{n}")).collect();
        assert_eq!(terms(&many.join(" ")).len(), MOST_TERMS);
        assert!(terms(&"x".repeat(10_000)).is_empty());
    }

    #[test]
    fn scripts_without_spaces_are_searched_by_pairs() {
        assert_eq!(words("退款政策"), ["\"退款\"", "\"款政\"", "\"政策\""]);
        assert_eq!(words("退"), ["\"退\""]);
        assert_eq!(segment("abc"), "abc");
    }
}
