//! The bot's half of a chat, where an inbox has a guide: it answers and asks until a person takes over.
//!
//! While it speaks, what the visitor says stands in the timeline alone, and no ticket is made; a hand-over makes exactly
//! one, of everything that was said (`handover.rs`). Each turn is a function of what is kept, and every line of it has an
//! id derived from the message it answers, so that a turn done twice after a crash says nothing twice.

use crate::config::ChatSettings;
use crate::contact::Visitor;
use crate::desk::Desk;
use crate::entry::Entry;
use crate::handover::under_way;
use crate::note::SessionNote;
use crate::protocol::From;
use crate::token::timeline;
use bytes::Bytes;
use jiff::Timestamp;
use lodge_channel::Problem;
use lodge_domain::ports::{Refusal, StoreError};
use lodge_domain::{Answered, EntryId, Inbound, NewEntry, Reference};
use lodge_guide::{Articles, Guide, Known, Outcome, State, Turn};
use std::path::Path;

/// A guide with its articles.
pub(crate) struct Bot {
    guide: Guide,
    articles: Option<Articles>,
}

/// What the guide comes to.
pub(crate) enum Guided {
    /// It goes on.
    Speaks,
    /// A person took over, and the ticket has this message.
    HandedOver(Reference),
    /// A person took over before this message: it is a contact of its own.
    Passed,
    /// Not taken now; the message is to be sent again.
    Refused(Refusal),
}

impl Bot {
    /// Reads the guide and the articles that `settings` name below `folder`; `None` where there is no guide.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(crate) fn load(settings: &ChatSettings, folder: &Path) -> Result<Option<Self>, Vec<Problem>> {
        let told = |key: &'static str, problems: Vec<lodge_guide::Problem>| -> Vec<Problem> {
            let one = |problem: lodge_guide::Problem| {
                let place =
                    problem.file.as_deref().map(|file| format!("{}:{}: ", file.display(), problem.line));
                Problem::new(key, format!("{}{}", place.unwrap_or_default(), problem.reason), problem.remedy)
            };
            problems.into_iter().map(one).collect()
        };
        let Some(name) = &settings.guide else {
            let stray = settings.articles.is_some().then(|| {
                Problem::new("articles", "nobody offers the articles", "name a `guide`, or leave the key out")
            });
            return stray.map_or(Ok(None), |problem| Err(vec![problem]));
        };
        let path = folder.join("guides").join(format!("{name}.toml"));
        let text = std::fs::read_to_string(&path).map_err(|error| {
            let reason = format!("{} cannot be read: {error}", path.display());
            vec![Problem::new("guide", reason, "put the guide there; config/guides has one to start from")]
        })?;
        let guide = Guide::parse(&text).map_err(|problems| {
            told("guide", problems.into_iter().map(|problem| problem.in_file(&path)).collect())
        })?;
        let articles = settings.articles.as_ref().map(|articles| Articles::load(&folder.join(articles)));
        let articles = articles.transpose().map_err(|problems| told("articles", problems))?;
        Ok(Some(Self { guide, articles }))
    }

    fn turn(&self, note: &SessionNote, visitor: &Visitor, said: &str, now: Timestamp) -> Turn {
        match note.guide.as_ref().and_then(|state| serde_json::from_value::<State>(state.clone()).ok()) {
            Some(state) => self.guide.advance(&state, said, self.articles.as_ref(), now),
            None => {
                let known = Known { name: visitor.name.clone(), email: visitor.email.clone(), phone: None };
                let language = visitor.language.as_deref().unwrap_or_default();
                self.guide.open(language, known, said, self.articles.as_ref(), now)
            }
        }
    }
}

impl Desk {
    /// Lets the guide answer message number `seq` of a session.
    pub(crate) async fn guide(&self, visitor: &Visitor, seq: u64, said: &str) -> Result<Guided, StoreError> {
        let Some(bot) = &self.bot else { return Ok(Guided::Speaks) };
        let place = timeline(&self.inbox, &visitor.session);
        let note = self.note(&place).await?;
        if note.guided >= seq || note.handed.is_some() {
            return self.after(visitor, &note, seq).await;
        }
        let turn = bot.turn(&note, visitor, said, self.now());
        // Listed first: whoever leaves from here on is found.
        let key = under_way(&visitor.session);
        if self.state.load(&self.inbox, &key).await?.is_none() {
            self.state.save(&self.inbox, &key, 0, Bytes::from_static(b"1")).await?;
        }
        self.say_lines(visitor, seq, &turn).await?;
        // Everything that stands there by now goes into the ticket, whoever of several tabs said it.
        let last = self.timelines.entries(&self.inbox.brand, &place, u64::MAX >> 1, 1).await?.last;
        if let Outcome::Answered { article, .. } = &turn.outcome {
            let answer = Answered {
                inbox: self.inbox.clone(),
                source: format!("{}/{seq}", visitor.session),
                article: article.id.clone(),
                at: self.now(),
            };
            if let Err(refusal) = self.intake.accept(vec![Inbound::Answered(Box::new(answer))]).await {
                return Ok(Guided::Refused(refusal));
            }
        }
        let state = serde_json::to_value(&turn.state).ok();
        let hands_over = matches!(turn.outcome, Outcome::HandOver(_));
        let change = |note: &mut SessionNote| {
            // Another tab was quicker: what it came to stands.
            if note.handed.is_some() {
                return;
            }
            if seq > note.guided {
                note.guide.clone_from(&state);
                note.guided = seq;
            }
            note.name = note.name.clone().or_else(|| visitor.name.clone());
            note.email = note.email.clone().or_else(|| visitor.email.clone());
            note.language.clone_from(&visitor.language);
            note.handed = hands_over.then_some(last.max(note.guided));
        };
        let note = self.change_note(&place, change).await?;
        if matches!(turn.outcome, Outcome::Answered { .. }) && note.handed.is_none() {
            self.state.remove(&self.inbox, &key).await?;
        }
        self.after(visitor, &note, seq).await
    }

    /// What message number `seq` comes to in a session that is noted like this.
    pub(crate) async fn after(
        &self,
        visitor: &Visitor,
        note: &SessionNote,
        seq: u64,
    ) -> Result<Guided, StoreError> {
        let Some(handed) = note.handed else { return Ok(Guided::Speaks) };
        Ok(match self.hand_over(visitor, note).await? {
            Ok(reference) if seq <= handed => Guided::HandedOver(reference),
            Ok(_) => Guided::Passed,
            Err(refusal) => Guided::Refused(refusal),
        })
    }

    async fn say_lines(&self, visitor: &Visitor, seq: u64, turn: &Turn) -> Result<(), StoreError> {
        let place = timeline(&self.inbox, &visitor.session);
        let entry = |(at, line): (usize, &lodge_guide::Line)| {
            let said = Entry { choices: line.choices.clone(), ..Entry::said(From::Bot, line.text.clone()) };
            let parts = [seq.to_be_bytes(), (at as u64).to_be_bytes()];
            let id = EntryId::of(&[b"bot", visitor.session.as_bytes(), &parts[0], &parts[1]]);
            NewEntry { timeline: place, id, body: said.encode(), at: self.now() }
        };
        let lines: Vec<NewEntry> = turn.say.iter().enumerate().map(entry).collect();
        if !lines.is_empty() {
            self.timelines.append(&self.inbox.brand, lines).await?;
        }
        Ok(())
    }
}
