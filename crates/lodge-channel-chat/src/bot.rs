//! The bot's half of a chat, where an inbox has a guide: it answers and asks until a person takes over.
//!
//! While it speaks, what the visitor says stands in the timeline alone, and no ticket is made; a hand-over makes exactly
//! one, of everything that was said. Each turn is a function of what is kept, and every line of it has an id derived
//! from the message it answers, so that a turn done twice after a crash says nothing twice. A visitor who leaves midway
//! is handed over all the same, after a while.

use crate::config::ChatSettings;
use crate::contact::{Visitor, handed_over};
use crate::desk::Desk;
use crate::entry::{Entry, KeptFile};
use crate::note::SessionNote;
use crate::protocol::From;
use crate::token::timeline;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use lodge_channel::{Problem, TaskError};
use lodge_domain::ports::{Outcome as Taken, Refusal, StoreError};
use lodge_domain::{EntryId, Inbound, NewEntry, Receipt};
use lodge_guide::{Articles, Guide, Known, Learned, Outcome, State, Turn};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A visitor who said nothing for this long left.
const GONE: SignedDuration = SignedDuration::from_mins(15);
/// How often we look for those who left.
const LOOK: Duration = Duration::from_secs(60);
/// Sessions in which the guide speaks are listed under this.
const UNDER_WAY: &str = "guide/";

/// A guide with its articles.
pub(crate) struct Bot {
    guide: Guide,
    articles: Option<Articles>,
}

/// What the guide comes to.
pub(crate) enum Guided {
    /// It goes on.
    Speaks,
    /// A person takes over: the ticket.
    HandedOver(Receipt),
    /// The hand-over was not taken now; the message is to be sent again.
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
    /// Whether the guide answers in a session that is noted like this.
    pub(crate) fn is_guided(&self, note: &SessionNote) -> bool {
        self.bot.is_some() && note.reference.is_none()
    }

    /// Lets the guide answer message number `seq` of a session.
    pub(crate) async fn guide(&self, visitor: &Visitor, seq: u64, said: &str) -> Result<Guided, StoreError> {
        let Some(bot) = &self.bot else { return Ok(Guided::Speaks) };
        let place = timeline(&self.inbox, &visitor.session);
        let note = self.note(&place).await?;
        if note.guided >= seq {
            return Ok(Guided::Speaks);
        }
        let turn = bot.turn(&note, visitor, said, self.now());
        // Listed first: whoever leaves from here on is found.
        let key = format!("{UNDER_WAY}{}", visitor.session);
        if self.state.load(&self.inbox, &key).await?.is_none() {
            self.state.save(&self.inbox, &key, 0, Bytes::from_static(b"1")).await?;
        }
        self.say_lines(visitor, seq, &turn).await?;
        let receipt = match &turn.outcome {
            Outcome::Continue => None,
            Outcome::Answered { article, question: _, learned: _ } => {
                tracing::info!(inbox = %self.inbox.name, article = article.id, "an article answered a visitor");
                None
            }
            Outcome::HandOver(learned) => match self.hand_over(visitor, learned).await {
                Ok(receipt) => Some(receipt),
                Err(refusal) => return Ok(Guided::Refused(refusal)),
            },
        };
        let state = serde_json::to_value(&turn.state).ok();
        let over = !matches!(turn.outcome, Outcome::Continue);
        let change = |note: &mut SessionNote| {
            note.guided = note.guided.max(seq);
            note.guide.clone_from(&state);
            note.name = note.name.clone().or_else(|| visitor.name.clone());
            note.email = note.email.clone().or_else(|| visitor.email.clone());
            note.language.clone_from(&visitor.language);
            if let Some(receipt) = &receipt {
                note.reference = Some(receipt.reference.clone());
            }
        };
        self.change_note(&place, change).await?;
        if over {
            self.state.remove(&self.inbox, &key).await?;
        }
        Ok(receipt.map_or(Guided::Speaks, Guided::HandedOver))
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

    /// Makes the one ticket of what the guide learned; the same session makes the same one.
    async fn hand_over(&self, visitor: &Visitor, learned: &Learned) -> Result<Receipt, Refusal> {
        let later = Refusal::Busy { retry_after: Duration::from_secs(1) };
        let unavailable = |error: StoreError| Refusal::Unavailable {
            reason: error.to_string(),
            retry_after: Duration::from_secs(5),
        };
        let said = self.said_by_visitor(&visitor.session).await.map_err(unavailable)?;
        let contact = handed_over(&self.inbox, visitor, learned, said, self.now());
        let outcomes = self.intake.accept(vec![Inbound::Contact(Box::new(contact))]).await?;
        match outcomes.into_iter().next() {
            Some(Taken::Accepted(receipt)) => Ok(receipt),
            _ => Err(later),
        }
    }

    /// Everything the visitor said so far, whole: words and files.
    async fn said_by_visitor(&self, session: &str) -> Result<(Vec<String>, Vec<KeptFile>), StoreError> {
        let place = timeline(&self.inbox, session);
        let (mut texts, mut files, mut after) = (Vec::new(), Vec::new(), 0);
        loop {
            let page = self.timelines.entries(&self.inbox.brand, &place, after, 200).await?;
            let Some(last) = page.entries.last() else { return Ok((texts, files)) };
            after = last.sequence;
            for entry in page.entries.iter().map(Entry::decode).filter(|entry| entry.from == From::Visitor) {
                texts.push(entry.text);
                files.extend(entry.files);
            }
        }
    }

    /// Hands over those who left in the middle of the guide.
    async fn hand_over_the_gone(&self) -> Result<(), StoreError> {
        for (key, _) in self.state.list(&self.inbox, UNDER_WAY).await? {
            let session = key.trim_start_matches(UNDER_WAY);
            let place = timeline(&self.inbox, session);
            let note = self.note(&place).await?;
            let state = note.guide.clone().and_then(|state| serde_json::from_value::<State>(state).ok());
            let last = state.as_ref().and_then(State::last_said);
            if last.is_some_and(|last| self.now().duration_since(last) < GONE) {
                continue;
            }
            if let Some(state) = state.filter(|state| !state.is_over() && note.reference.is_none()) {
                let visitor = Visitor {
                    session: session.to_owned(),
                    subject: note.subject.clone(),
                    name: note.name.clone(),
                    email: note.email.clone(),
                    language: note.language.clone(),
                    ..Visitor::default()
                };
                // Refused now: the next look tries again.
                let Ok(receipt) = self.hand_over(&visitor, &Learned::from_state(&state)).await else {
                    continue;
                };
                self.change_note(&place, |note| note.reference = Some(receipt.reference.clone())).await?;
            } else if note == SessionNote::default() {
                // The first turn is under way somewhere, or ended before it was noted: the message is sent again.
                let page = self.timelines.entries(&self.inbox.brand, &place, 0, 1).await?;
                let first = page.entries.first().map(|entry| entry.at);
                if first.is_some_and(|at| self.now().duration_since(at) < GONE) {
                    continue;
                }
            }
            self.state.remove(&self.inbox, &key).await?;
        }
        Ok(())
    }
}

/// Looks for those who left, one gateway at a time, until the house closes.
pub(crate) async fn watch(desk: Arc<Desk>) -> Result<(), TaskError> {
    let name = format!("chat-guide/{}", desk.inbox.name);
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = desk.shutdown.cancelled() => return Ok(()),
        }
        let held = desk.leases.acquire(&name, desk.node.as_str(), LOOK).await;
        let Ok(Some(lease)) = held else { continue };
        if let Err(error) = desk.hand_over_the_gone().await {
            tracing::warn!(inbox = %desk.inbox.name, %error, "visitors who left are handed over later");
        }
        // It ends by itself as well.
        drop(desk.leases.release(&lease).await);
    }
}
