//! All regular expressions that look at one kind of text, searched together.
//!
//! Only the `regex` crate: linear time whatever the pattern (T27). Patterns are searched in sets, so that a thousand
//! rules cost a few passes over the text and not a thousand.

use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use std::collections::HashMap;

/// The compiled size one pattern may have, in bytes.
const PATTERN_LIMIT: usize = 1 << 20;
/// The compiled size a set of patterns may have, and that of its search cache, in bytes.
const SET_LIMIT: usize = 16 << 20;
/// How many patterns one set holds: larger ones outgrow the search cache.
const SET_SIZE: usize = 128;

/// Patterns under construction: each distinct one once.
#[derive(Debug, Default)]
pub(crate) struct PatternList {
    patterns: Vec<Regex>,
    known: HashMap<String, usize>,
}

/// Patterns ready to be searched.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    patterns: Vec<Regex>,
    sets: Vec<RegexSet>,
}

/// Which patterns were found in a text.
#[derive(Debug, Default)]
pub(crate) struct Found(Vec<bool>);

impl Found {
    /// Whether pattern number `index` was found.
    pub(crate) fn has(&self, index: usize) -> bool {
        self.0.get(index).copied().unwrap_or(false)
    }
}

impl PatternList {
    /// Adds a pattern; its number, or why it cannot be compiled.
    pub(crate) fn add(&mut self, pattern: &str) -> Result<usize, String> {
        if let Some(index) = self.known.get(pattern) {
            return Ok(*index);
        }
        let built =
            RegexBuilder::new(pattern).size_limit(PATTERN_LIMIT).dfa_size_limit(PATTERN_LIMIT).build();
        let regex = built.map_err(|error| match error {
            regex::Error::CompiledTooBig(limit) => format!("it grows beyond {limit} bytes when compiled"),
            other => last_line(&other.to_string()),
        })?;
        self.patterns.push(regex);
        self.known.insert(pattern.to_owned(), self.patterns.len() - 1);
        Ok(self.patterns.len() - 1)
    }

    /// Builds the sets. Where a set grows too big, its patterns are searched one by one instead.
    pub(crate) fn finish(self) -> Patterns {
        let build = |chunk: &[Regex]| {
            RegexSetBuilder::new(chunk.iter().map(Regex::as_str))
                .size_limit(SET_LIMIT)
                .dfa_size_limit(SET_LIMIT)
                .build()
                .unwrap_or_else(|_| RegexSet::empty())
        };
        let sets = self.patterns.chunks(SET_SIZE).map(build).collect();
        Patterns { patterns: self.patterns, sets }
    }
}

impl Patterns {
    /// Searches all patterns in each of `texts`; a pattern counts as found where any text has it.
    pub(crate) fn search<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> Found {
        let mut found = vec![false; self.patterns.len()];
        if self.patterns.is_empty() {
            return Found(found);
        }
        for text in texts {
            for ((chunk, regexes), set) in
                found.chunks_mut(SET_SIZE).zip(self.patterns.chunks(SET_SIZE)).zip(&self.sets)
            {
                if set.len() == regexes.len() {
                    set.matches(text).into_iter().for_each(|at| chunk[at] = true);
                } else {
                    chunk.iter_mut().zip(regexes).for_each(|(hit, regex)| *hit |= regex.is_match(text));
                }
            }
        }
        Found(found)
    }

    /// What pattern number `index` found, for a reason: the first match in any of `texts`.
    pub(crate) fn first<'t>(
        &self,
        index: usize,
        texts: impl IntoIterator<Item = &'t str>,
    ) -> Option<&'t str> {
        let regex = self.patterns.get(index)?;
        texts.into_iter().find_map(|text| regex.find(text)).map(|found| found.as_str())
    }
}

/// The regex crate draws a picture of the fault over several lines; its last line says what it is.
fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or(text).trim().trim_start_matches("error: ").to_owned()
}
