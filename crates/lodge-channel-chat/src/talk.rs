//! What a visitor's frames ask for: who they are, what they say, what they have read, the end.

use crate::bot::Guided;
use crate::clean;
use crate::config::MESSAGE_WINDOW;
use crate::contact::{Said, Visitor, contact};
use crate::desk::Desk;
use crate::entry::Entry;
use crate::greet::{Greeted, greet};
use crate::note::SessionNote;
use crate::protocol::{self, ClientFrame, Hello, Page, Say, ServerFrame};
use crate::socket::{End, Live, Socket};
use crate::uploads;
use lodge_domain::delivery::{OutboundState, RecipientState};
use lodge_domain::ports::{Outcome, StoreError};
use lodge_domain::ticket::SupplementKind;
use lodge_domain::{Contact, DeliveryReport, EntryId, Inbound, NewEntry, OutboundId, Receipt, Supplement};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket<S> {
    /// Does what a frame asks for.
    pub(crate) async fn frame(&mut self, text: &str) -> Result<(), End> {
        let frame = match protocol::read(text) {
            Ok(frame) => frame,
            Err(problem) => return self.error("bad_frame", problem, None, None).await,
        };
        match frame {
            ClientFrame::Hello(hello) => self.hello(*hello).await,
            _ if self.live.is_none() => self.error("hello_first", "say hello first", None, None).await,
            ClientFrame::Message(say) => self.say(say).await,
            ClientFrame::Read { seq } => self.read(seq).await,
            ClientFrame::End => self.end().await,
            // Nobody at the core can see it yet; it keeps the session alive.
            ClientFrame::Typing => Ok(()),
        }
    }

    async fn hello(&mut self, hello: Hello) -> Result<(), End> {
        let desk = Arc::clone(&self.desk);
        let after = hello.after.unwrap_or(0);
        let (key, note, resumed, fresh) = match greet(&desk, &hello, self.client).await? {
            Greeted::Session { key, note, resumed, fresh } => (key, *note, resumed, fresh),
            Greeted::Refused(code, words, wait) => return self.error(code, words, None, wait).await,
        };
        let timeline = key.timeline(&desk.inbox);
        let same = self.live.as_ref().is_some_and(|live| live.timeline == timeline);
        if !same {
            self.live = None;
            let Some(place) = desk.registry.enter(timeline, desk.now(), desk.settings.sockets) else {
                self.error("too_many_sockets", "this session is open too often", None, None).await?;
                return Err(End::Close(1008, "too many sockets"));
            };
            let visitor = Visitor { session: key.id.clone(), ..Visitor::default() };
            let read = note.read;
            self.live =
                Some(Box::new(Live { key, timeline, place, visitor, told: 0, read, reference: None }));
            if resumed {
                // What was revoked between the first look and here was told to nobody.
                self.may_stay(true).await?;
            }
        } else if let Some(live) = self.live.as_mut() {
            live.key = key;
        }
        let Some(live) = self.live.as_mut() else { return Ok(()) };
        let ended = note.ended;
        dress(&mut live.visitor, &note, &hello);
        live.reference = note.reference;
        let secret = live.key.secret(&desk.keys, &desk.inbox);
        let last = match fresh {
            true => 0,
            false => desk.timelines.entries(&desk.inbox.brand, &timeline, u64::MAX >> 1, 1).await?.last,
        };
        // A client that says it has more than there is has something else.
        let resumed = resumed && after <= last;
        live.told = if resumed { after } else { 0 };
        let told_all = live.told >= last;
        let reference = live.reference.clone();
        let (open, opens_at) = desk.presence();
        self.send(&ServerFrame::Welcome {
            session: &secret,
            seq: last,
            resumed,
            limits: desk.limits(),
            open,
            opens_at,
            ask: &desk.ask,
            continued_by_mail: desk.continue_by().is_some(),
            reference: reference.as_ref(),
        })
        .await?;
        // What comes after `last` was read rings the bell, which is ours since before.
        if !told_all {
            self.tell_news().await?;
        }
        if ended { Err(End::Close(1000, "ended")) } else { Ok(()) }
    }

    async fn say(&mut self, say: Say) -> Result<(), End> {
        let desk = Arc::clone(&self.desk);
        let Some(live) = self.live.as_ref() else { return Ok(()) };
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if say.id.is_empty() || say.id.len() > 64 || !say.id.bytes().all(is_plain) {
            let words = "`id` has 1 to 64 letters, digits, `-`, `_` or `.`";
            return self.error("bad_frame", words, None, None).await;
        }
        let text = clean::text(&say.text);
        if text.chars().count() > desk.settings.text {
            let words = format!("a message has at most {} characters", desk.settings.text);
            return self.error("text_too_long", &words, Some(&say.id), None).await;
        }
        if text.is_empty() && say.attachments.is_empty() {
            return self.error("bad_frame", "a message has words or files", Some(&say.id), None).await;
        }
        if say.attachments.len() > desk.settings.attachments {
            let words = format!("a message has at most {} files", desk.settings.attachments);
            return self.error("too_large", &words, Some(&say.id), None).await;
        }
        let most = desk.settings.messages;
        if let Err(wait) = desk.registry.may_say(&live.timeline, desk.now(), most) {
            let words = format!("at most {most} messages in {} s", MESSAGE_WINDOW.as_secs());
            return self.error("rate", &words, Some(&say.id), Some(wait)).await;
        }
        let files = say.attachments.iter().map(|id| uploads::read(&desk, &live.key.id, id));
        let Some(files) = files.collect::<Option<Vec<_>>>() else {
            let words = "a file is unknown here; upload it again";
            return self.error("upload_refused", words, Some(&say.id), None).await;
        };
        let said = Said { id: &say.id, text, files, at: desk.now() };
        let contact = contact(&desk.inbox, live.timeline, &live.visitor, said);
        if desk.bot.is_some() && self.say_to_the_guide(&say.id, &contact).await? {
            return Ok(());
        }
        let entry = contact.entry.clone();
        match desk.intake.accept(vec![Inbound::Contact(Box::new(contact))]).await {
            Ok(outcomes) => match outcomes.into_iter().next() {
                Some(Outcome::Accepted(receipt)) => self.accepted(&say.id, receipt, entry).await,
                _ => self.error("busy", "try again", Some(&say.id), Some(Duration::from_secs(1))).await,
            },
            Err(refusal) => {
                let wait = Some(refusal.retry_after());
                self.error("busy", "not taken yet; keep it and try again", Some(&say.id), wait).await
            }
        }
    }

    /// Appends what was said, which is durable then, and lets the guide answer. `false` where a person has taken over
    /// already and the message is for them.
    async fn say_to_the_guide(&mut self, id: &str, contact: &Contact) -> Result<bool, End> {
        let desk = Arc::clone(&self.desk);
        let (Some(live), Some(entry)) = (self.live.as_ref(), contact.entry.clone()) else { return Ok(false) };
        let (timeline, mut visitor) = (live.timeline, live.visitor.clone());
        let note = desk.note(&timeline).await?;
        visitor.name = visitor.name.or_else(|| note.name.clone());
        let (seq, guided) = if let Some(handed) = note.handed {
            // Sent again: the ticket may have it from the guide.
            let known = desk.number_until(&visitor.session, entry.id, handed).await?;
            let seq = known.unwrap_or(u64::MAX);
            (seq, desk.after(&visitor, &note, seq).await?)
        } else {
            let body = Entry::decode_body(&entry.body).without_contact().encode();
            let numbers = desk.timelines.append(&desk.inbox.brand, vec![NewEntry { body, ..entry }]).await?;
            let seq = numbers.first().copied().unwrap_or(0);
            (seq, desk.guide(&visitor, seq, &contact.body.text).await?)
        };
        let reference = match guided {
            Guided::Speaks => None,
            Guided::HandedOver(reference) => Some(reference),
            Guided::Passed => return Ok(false),
            Guided::Refused(refusal) => {
                let wait = Some(refusal.retry_after());
                self.error("busy", "not taken yet; keep it and try again", Some(id), wait).await?;
                return Ok(true);
            }
        };
        if let (Some(live), Some(reference)) = (self.live.as_mut(), &reference) {
            live.reference = Some(reference.clone());
        }
        let frame = protocol::write(&ServerFrame::Accepted { id, seq, reference: reference.as_ref() });
        if self.live.as_ref().is_some_and(|live| live.told >= seq) {
            self.send_text(frame).await?;
        } else {
            self.tell_until(seq, Some(frame)).await?;
        }
        self.tell_news().await?;
        Ok(true)
    }

    /// Tells what was said meanwhile, and then that the message is durable.
    async fn accepted(&mut self, id: &str, receipt: Receipt, entry: Option<NewEntry>) -> Result<(), End> {
        let desk = Arc::clone(&self.desk);
        let seq = match (receipt.entry, entry) {
            (Some(seq), _) => seq,
            // The contact is known, but its timeline was purged since: it stands in the new one.
            (None, Some(entry)) => {
                let numbers = desk.timelines.append(&desk.inbox.brand, vec![entry]).await?;
                numbers.first().copied().unwrap_or(0)
            }
            (None, None) => 0,
        };
        let Some(live) = self.live.as_mut() else { return Ok(()) };
        if live.reference.as_ref() != Some(&receipt.reference) {
            live.reference = Some(receipt.reference.clone());
            let (timeline, visitor) = (live.timeline, live.visitor.clone());
            let remember = |note: &mut SessionNote| {
                note.reference = Some(receipt.reference.clone());
                note.language.clone_from(&visitor.language);
                note.name = note.name.clone().or_else(|| visitor.name.clone());
                note.email = note.email.clone().or_else(|| visitor.email.clone());
            };
            desk.change_note(&timeline, remember).await?;
        }
        let frame = protocol::write(&ServerFrame::Accepted { id, seq, reference: Some(&receipt.reference) });
        if self.live.as_ref().is_some_and(|live| live.told >= seq) {
            return self.send_text(frame).await;
        }
        self.tell_until(seq, Some(frame)).await
    }

    /// Reports the replies that the visitor has now seen as delivered.
    async fn read(&mut self, seq: u64) -> Result<(), End> {
        let desk = Arc::clone(&self.desk);
        let Some(live) = self.live.as_mut() else { return Ok(()) };
        let seq = seq.min(live.told);
        if seq <= live.read {
            return Ok(());
        }
        let timeline = live.timeline;
        let replies = replies_between(&desk, &timeline, live.read, seq).await?;
        live.read = seq;
        if replies.is_empty() {
            return Ok(());
        }
        let handle = live.visitor.handle().value;
        let report = |about: OutboundId| {
            let recipients =
                vec![RecipientState { handle: handle.clone(), state: OutboundState::Delivered, text: None }];
            let inbox = desk.inbox.clone();
            Inbound::Report(Box::new(DeliveryReport { about, recipients, inbox, contact: None }))
        };
        // Not taken now: reported again when the visitor comes back, since `read` is kept only afterwards.
        if desk.intake.accept(replies.into_iter().map(report).collect()).await.is_ok() {
            desk.change_note(&timeline, |note| note.read = note.read.max(seq)).await?;
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<(), End> {
        let desk = Arc::clone(&self.desk);
        let Some(live) = self.live.as_ref() else { return Ok(()) };
        let (timeline, session) = (live.timeline, live.key.id.clone());
        if live.reference.is_none() {
            self.send(&ServerFrame::Ended { seq: 0 }).await?;
            return Err(End::Close(1000, "ended"));
        }
        let id = EntryId::of(&[b"end", session.as_bytes()]);
        let entry = NewEntry { timeline, id, body: Entry::end().encode(), at: desk.now() };
        let numbers = desk.timelines.append(&desk.inbox.brand, vec![entry]).await?;
        desk.change_note(&timeline, |note| note.ended = true).await?;
        if let Some(of) = last_contact(&desk, &timeline, numbers.first().copied().unwrap_or(0)).await? {
            let mut details = serde_json::Map::new();
            details.insert("state".to_owned(), "ended".into());
            let supplement = Supplement {
                inbox: desk.inbox.clone(),
                of,
                kind: SupplementKind::Status,
                source: "ended".to_owned(),
                details,
                attachments: Vec::new(),
                trace_keys: Vec::new(),
                at: desk.now(),
            };
            // The end is durable already; that the core hears of it is worth a try, and not more.
            drop(desk.intake.accept(vec![Inbound::Supplement(Box::new(supplement))]).await);
        }
        self.tell_news().await
    }
}

/// Takes over what is known of the visitor.
fn dress(visitor: &mut Visitor, note: &SessionNote, hello: &Hello) {
    visitor.subject.clone_from(&note.subject);
    visitor.name.clone_from(&note.name);
    visitor.email.clone_from(&note.email);
    if let Some(profile) = hello.profile.as_ref().filter(|_| note.subject.is_none()) {
        let name = profile.name.as_deref().map(clean::line).filter(|name| !name.is_empty());
        visitor.name = name.or(visitor.name.take());
        visitor.email = profile.email.as_deref().and_then(clean::email).or(visitor.email.take());
    }
    let tag = |language: &String| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        (2..=35).contains(&language.len()) && language.bytes().all(fits)
    };
    visitor.language = hello.language.clone().filter(tag).or_else(|| note.language.clone());
    if let Some(page) = &hello.page {
        visitor.page = Page {
            url: page.url.as_deref().and_then(clean::web_address),
            title: page.title.as_deref().map(clean::line).filter(|title| !title.is_empty()),
        };
    }
}

/// The replies among the entries after `from` up to `to`.
async fn replies_between(
    desk: &Desk,
    timeline: &lodge_domain::TimelineId,
    mut from: u64,
    to: u64,
) -> Result<Vec<OutboundId>, StoreError> {
    let mut replies = Vec::new();
    while from < to {
        let page = desk.timelines.entries(&desk.inbox.brand, timeline, from, 200).await?;
        let Some(last) = page.entries.last() else { break };
        from = last.sequence;
        let seen = page.entries.iter().filter(|kept| kept.sequence <= to);
        replies.extend(seen.filter_map(|kept| Entry::decode(kept).reply));
    }
    Ok(replies)
}

/// The last contact before number `end`.
async fn last_contact(
    desk: &Desk,
    timeline: &lodge_domain::TimelineId,
    end: u64,
) -> Result<Option<lodge_domain::EnvelopeId>, StoreError> {
    let from = end.saturating_sub(200);
    let page = desk.timelines.entries(&desk.inbox.brand, timeline, from, 200).await?;
    Ok(page.entries.iter().rev().find_map(|kept| Entry::decode(kept).contact))
}
