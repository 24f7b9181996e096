//! Offers articles on what was said, shows the one that is chosen, and hears whether it helped.

use super::guide::Step;
use super::learned::{Learned, Reason};
use super::machine::Play;
use super::phrases;
use super::settings::OfferSettings;
use super::state::{MOST_OFFERED, Offered, OpenOffer};
use super::turn::{AnsweredBy, Line, Outcome, Turn};
use super::words;
use crate::articles::Hit;
use crate::clean;

/// Characters of a title on a button, and of a question that is kept.
const MOST_BUTTON: usize = 80;
const MOST_QUESTION: usize = 200;
/// Articles that are offered at once.
const MOST_AT_ONCE: u8 = 3;

impl Play<'_> {
    /// Looks for articles and shows them; whether there are any.
    pub(super) fn offer(&mut self, settings: &OfferSettings) -> bool {
        let asked = settings.about.as_ref().and_then(|step| self.state.answer(step));
        let latest = || self.state.heard.last().map(|heard| heard.text.as_str());
        let Some(question) = asked.or_else(latest).map(str::to_owned) else { return false };
        let hits = self.fitting(&question, usize::from(settings.most.unwrap_or(MOST_AT_ONCE)));
        if hits.is_empty() {
            return false;
        }
        let first = self.state.offered.len();
        let question = clean::shorten(&clean::line(&question, 2_000), MOST_QUESTION);
        let reading = (hits.len() == 1).then_some(first);
        self.state.offer = Some(OpenOffer { question, first, reading });
        let offered = hits.iter().map(|hit| Offered { article: hit.id.clone(), accepted: None });
        self.state.offered.extend(offered);
        let own = self.guide.text(&settings.text, &self.state.language);
        let intro = if own.is_empty() { self.phrases().may_help } else { own.to_owned() };
        self.line(&intro);
        match hits.as_slice() {
            [only] => self.show(&only.id),
            several => {
                for (number, hit) in (1_usize..).zip(several) {
                    self.say.push(Line { text: summary(number, hit), choices: Vec::new() });
                }
            }
        }
        self.did_it_help();
        true
    }

    /// At most `most` articles that fit: only those in the visitor's language where there are any, and none that did
    /// not help before.
    fn fitting(&self, question: &str, most: usize) -> Vec<Hit> {
        let Some(articles) = self.articles else { return Vec::new() };
        let known = &self.state.offered;
        let mut hits = articles.search(question, Some(&self.state.wanted), most + known.len());
        let is_own =
            |hit: &Hit| articles.get(&hit.id).is_some_and(|article| article.is_for(&self.state.wanted));
        if hits.iter().any(is_own) {
            hits.retain(is_own);
        }
        let is_spent = |offered: &Offered| offered.accepted != Some(true);
        hits.retain(|hit| !known.iter().any(|offered| offered.article == hit.id && is_spent(offered)));
        hits.truncate(MOST_OFFERED.saturating_sub(known.len()).min(most));
        hits
    }

    /// Shows a whole article.
    fn show(&mut self, id: &str) {
        if let Some(text) = self.articles.and_then(|articles| articles.answer(id)) {
            self.say.push(Line { text, choices: Vec::new() });
        }
    }

    /// Asks whether it helped; while several are to choose from, their titles are buttons too.
    fn did_it_help(&mut self) {
        let phrases = self.phrases();
        let is_reading = self.state.offer.as_ref().is_some_and(|offer| offer.reading.is_some());
        let titles = if is_reading { Vec::new() } else { self.open_titles() };
        let buttons = titles.into_iter().map(|(_, title)| title).chain([phrases.yes, phrases.no]).collect();
        self.question(phrases.did_it_help, buttons);
    }

    /// The articles that are being offered, by their places in `offered`, as buttons.
    pub(super) fn open_titles(&self) -> Vec<(usize, String)> {
        let Some(offer) = &self.state.offer else { return Vec::new() };
        let open = self.state.offered.iter().enumerate().skip(offer.first);
        open.filter_map(|(at, offered)| {
            let article = self.articles?.get(&offered.article)?;
            Some((at, clean::shorten(&article.title, MOST_BUTTON)))
        })
        .collect()
    }

    /// Goes on by what the visitor says of the articles.
    pub(super) fn decide(mut self, step: &Step, settings: &OfferSettings, said: &str) -> Turn {
        self.state.hear(said);
        if let Some(at) = self.chosen(said) {
            return self.read(at);
        }
        match phrases::agrees(said, &self.phrases()) {
            Some(true) => self.helped(settings),
            Some(false) => self.did_not_help(step),
            None if self.state.tries == 0 => {
                self.state.tries = 1;
                self.did_it_help();
                self.wait()
            }
            // Somebody who goes on telling has not been helped, and has not said so either.
            None => {
                self.state.offer = None;
                self.run(step.next)
            }
        }
    }

    /// Which of several articles is meant: by its title, or its number.
    fn chosen(&self, said: &str) -> Option<usize> {
        let titles = self.open_titles();
        let said = words::normal(said);
        let by_title = titles.iter().find(|(_, title)| words::normal(title) == said);
        let by_number = || said.parse::<usize>().ok().and_then(|number| titles.get(number.checked_sub(1)?));
        (titles.len() > 1).then(|| by_title.or_else(by_number).map(|(at, _)| *at)).flatten()
    }

    fn read(mut self, at: usize) -> Turn {
        if let Some(offer) = &mut self.state.offer {
            offer.reading = Some(at);
        }
        if let Some(id) = self.state.offered.get(at).map(|offered| offered.article.clone()) {
            self.show(&id);
        }
        self.did_it_help();
        self.wait()
    }

    /// The guide's work is done: the article that was read, else the one that fits best, gets the credit.
    fn helped(mut self, settings: &OfferSettings) -> Turn {
        let Some(OpenOffer { question, first, reading }) = self.state.offer.take() else {
            return self.give_up("");
        };
        let at = reading.unwrap_or(first);
        let Some(offered) = self.state.offered.get_mut(at) else { return self.give_up("") };
        offered.accepted = Some(true);
        let id = offered.article.clone();
        let own = self.guide.text(&settings.helped, &self.state.language);
        let text = if own.is_empty() { self.phrases().glad } else { own.to_owned() };
        self.line(&text);
        let article = self.articles.and_then(|articles| articles.get(&id));
        let title = article.map_or_else(|| id.clone(), |article| article.title.clone());
        let article = AnsweredBy { title, url: article.and_then(|article| article.url.clone()), id };
        self.state.end = Some(Reason::Answered);
        self.state.at.clear();
        self.state.fit();
        let learned = Learned::from_state(&self.state);
        Turn { state: self.state, say: self.say, outcome: Outcome::Answered { article, question, learned } }
    }

    fn did_not_help(mut self, step: &Step) -> Turn {
        if let Some(offer) = self.state.offer.take() {
            let refused = self.state.offered.iter_mut().skip(offer.first);
            refused.for_each(|offered| offered.accepted = Some(false));
        }
        self.run(step.next)
    }
}

fn summary(number: usize, hit: &Hit) -> String {
    let link = hit.url.as_deref().map(|url| format!("\n{url}")).unwrap_or_default();
    format!("{number}. {}\n{}{link}", hit.title, hit.summary)
}
