//! Words heard and digits read out: which choice a caller's words mean, and how a reference is spoken.

use super::settings::{Choice, Menu};
use lodge_domain::Reference;

/// The one choice that the words mean; `None` where they mean none or several.
pub(super) fn meant<'m>(menu: &'m Menu, text: &str, language: &str) -> Option<&'m Choice> {
    let said = words(text);
    let means = |choice: &&Choice| {
        let phrases = choice.words.get(language).into_iter().flatten();
        phrases.map(|phrase| words(phrase)).any(|phrase| {
            !phrase.is_empty() && said.windows(phrase.len()).any(|window| window == phrase.as_slice())
        })
    };
    let mut fitting = menu.choice.values().filter(means);
    let one = fitting.next();
    if fitting.next().is_none() { one } else { None }
}

fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.take(200).map(str::to_lowercase).collect()
}

/// `482 913 6057` as it is read out: digit by digit, with a pause between the groups.
#[must_use]
pub fn spelled(reference: &Reference) -> String {
    let group = |group: &str| {
        let digits: Vec<String> = group.chars().map(|digit| digit.to_string()).collect();
        digits.join(" ")
    };
    reference.grouped().split(' ').map(group).collect::<Vec<_>>().join(", ")
}
