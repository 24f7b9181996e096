//! From the guide to a person: one ticket of everything that was said until then, and of nothing that came later.
//!
//! The number up to which the ticket has what was said is noted first, once and for all. So the ticket is the same
//! whoever makes it, and however often; a message of another tab is in it, or is a contact of its own. A visitor who
//! leaves midway is handed over all the same, after a while.

use crate::contact::{Visitor, handed_over};
use crate::desk::Desk;
use crate::entry::{Entry, KeptFile};
use crate::note::SessionNote;
use crate::protocol::From;
use crate::token::timeline;
use jiff::SignedDuration;
use lodge_channel::TaskError;
use lodge_domain::ports::{Outcome, Refusal, StoreError};
use lodge_domain::{EntryId, Inbound, Reference, TimelineEntry};
use lodge_guide::{Learned, State};
use std::sync::Arc;
use std::time::Duration;

/// A visitor who said nothing for this long left.
const GONE: SignedDuration = SignedDuration::from_mins(15);
/// How often we look for those who left.
const LOOK: Duration = Duration::from_secs(60);
/// Sessions in which the guide speaks are listed under this.
const UNDER_WAY: &str = "guide/";
/// Entries read at a time.
const PAGE: usize = 200;

/// Under which a session is listed while the guide speaks in it.
pub(crate) fn under_way(session: &str) -> String {
    format!("{UNDER_WAY}{session}")
}

impl Desk {
    /// Makes the one ticket of a session that is noted as handed over, or finds it.
    pub(crate) async fn hand_over(
        &self,
        visitor: &Visitor,
        note: &SessionNote,
    ) -> Result<Result<Reference, Refusal>, StoreError> {
        if let Some(reference) = &note.reference {
            return Ok(Ok(reference.clone()));
        }
        let state = note.guide.clone().and_then(|state| serde_json::from_value::<State>(state).ok());
        let state = state.ok_or_else(|| StoreError::Unreadable("where the guide is".to_owned()))?;
        let said = self.said_until(&visitor.session, note.handed.unwrap_or(0)).await?;
        let contact = handed_over(&self.inbox, visitor, &Learned::from_state(&state), said, self.now());
        let reference = match self.intake.accept(vec![Inbound::Contact(Box::new(contact))]).await {
            Err(refusal) => return Ok(Err(refusal)),
            Ok(outcomes) => match outcomes.into_iter().next() {
                Some(Outcome::Accepted(receipt)) => receipt.reference,
                _ => return Ok(Err(Refusal::Busy { retry_after: Duration::from_secs(1) })),
            },
        };
        let place = timeline(&self.inbox, &visitor.session);
        self.change_note(&place, |note| note.reference = Some(reference.clone())).await?;
        self.state.remove(&self.inbox, &under_way(&visitor.session)).await?;
        Ok(Ok(reference))
    }

    /// Everything that the visitor said up to number `last`, whole: words and files.
    async fn said_until(&self, session: &str, last: u64) -> Result<(Vec<String>, Vec<KeptFile>), StoreError> {
        let (mut texts, mut files) = (Vec::new(), Vec::new());
        for kept in self.first_entries(session, last).await? {
            let entry = Entry::decode(&kept);
            if entry.from == From::Visitor {
                texts.push(entry.text);
                files.extend(entry.files);
            }
        }
        Ok((texts, files))
    }

    /// The number of an entry, if it is among those up to `last`.
    pub(crate) async fn number_until(
        &self,
        session: &str,
        id: EntryId,
        last: u64,
    ) -> Result<Option<u64>, StoreError> {
        let entries = self.first_entries(session, last).await?;
        Ok(entries.iter().find(|kept| kept.id == id).map(|kept| kept.sequence))
    }

    async fn first_entries(&self, session: &str, last: u64) -> Result<Vec<TimelineEntry>, StoreError> {
        let place = timeline(&self.inbox, session);
        let mut all: Vec<TimelineEntry> = Vec::new();
        loop {
            let after = all.last().map_or(0, |entry| entry.sequence);
            let page = self.timelines.entries(&self.inbox.brand, &place, after, PAGE).await?;
            let is_over = page.entries.is_empty();
            all.extend(page.entries.into_iter().filter(|entry| entry.sequence <= last));
            if is_over || all.last().is_none_or(|entry| entry.sequence >= last || entry.sequence == after) {
                return Ok(all);
            }
        }
    }

    /// Hands over those who left in the middle of the guide.
    async fn hand_over_the_gone(&self) -> Result<(), StoreError> {
        for (key, _) in self.state.list(&self.inbox, UNDER_WAY).await? {
            if self.is_dealt_with(key.trim_start_matches(UNDER_WAY)).await? {
                self.state.remove(&self.inbox, &key).await?;
            }
        }
        Ok(())
    }

    /// Hands over the visitor of a session if they left; whether there is nothing more to do for them.
    async fn is_dealt_with(&self, session: &str) -> Result<bool, StoreError> {
        let place = timeline(&self.inbox, session);
        let note = self.note(&place).await?;
        let state = note.guide.clone().and_then(|state| serde_json::from_value::<State>(state).ok());
        let Some(state) = state else {
            // The first turn is under way somewhere, or ended before it was noted: the message is sent again.
            let page = self.timelines.entries(&self.inbox.brand, &place, 0, 1).await?;
            let first = page.entries.first().map(|entry| entry.at);
            return Ok(first.is_none_or(|at| self.now().duration_since(at) >= GONE));
        };
        if note.reference.is_some() || (state.is_over() && note.handed.is_none()) {
            return Ok(true);
        }
        if state.last_said().is_some_and(|last| self.now().duration_since(last) < GONE) {
            return Ok(false);
        }
        let last = self.timelines.entries(&self.inbox.brand, &place, u64::MAX >> 1, 1).await?.last;
        let was = note.guided;
        let change = |note: &mut SessionNote| {
            // Unless they came back this very moment.
            if note.handed.is_none() && note.guided == was {
                note.handed = Some(last.max(was));
            }
        };
        let note = self.change_note(&place, change).await?;
        if note.handed.is_none() {
            return Ok(false);
        }
        let visitor = Visitor {
            session: session.to_owned(),
            subject: note.subject.clone(),
            name: note.name.clone(),
            email: note.email.clone(),
            language: note.language.clone(),
            ..Visitor::default()
        };
        // Refused now: the next look tries again.
        Ok(self.hand_over(&visitor, &note).await?.is_ok())
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
