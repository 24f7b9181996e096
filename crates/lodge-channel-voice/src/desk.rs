//! Joins the dialogue with a provider's webhooks: where a call is lies in the store, so that any gateway answers the next
//! callback, and the same callback gets the same answer.
//!
//! A callback is taken in this order: what was answered to it before, else one step of the dialogue, filing where that is
//! due, and saving with compare-and-set; a gateway that lost the race begins anew with what the other one saved. Filing
//! twice is harmless: a call's contact has one id. Orders go out after saving and are marked then: a gateway that dies in
//! between is asked again by the provider, and gives the same orders.

use crate::calls::{Calls, Given, Kept, refusal};
use crate::contact::Outcome;
use crate::dialect::{Dialect, Event, Facts, Heard, Manner, Words};
use crate::dialogue::{Dialogue, Input, Message, Moment, Then, Turn, advance};
use crate::filing::{Policy, object};
use crate::misdirected::{misdirected, no_call, unreadable};
use crate::places::{Place, Script};
use crate::recordings::{Pending, Recordings, What};
use crate::uploads::{Upload, upload};
use async_trait::async_trait;
use data_encoding::HEXLOWER;
use lodge_channel::webhook::{Answer, Forged, Provider, Unverified, Verified};
use lodge_domain::ports::{Clock, Intake, Outcome as Accepted, Refusal};
use lodge_domain::ticket::SupplementKind;
use lodge_domain::{Disposition, Inbound, InboxId, Timestamp};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// How often a callback begins anew after another gateway was faster.
pub(crate) const TRIES: usize = 16;
/// The most answers kept of one call.
const MOST_ANSWERS: usize = 128;

/// The voice inbox's side of its webhooks.
pub(crate) struct Desk {
    pub(crate) inbox: InboxId,
    /// The provider's name.
    pub(crate) provider: &'static str,
    /// `https://…/hooks/{inbox}`.
    pub(crate) base: String,
    pub(crate) dialogue: Dialogue,
    pub(crate) dialect: Arc<dyn Dialect>,
    pub(crate) policy: Policy,
    /// Whether text messages can go out at all.
    pub(crate) texts: bool,
    pub(crate) intake: Arc<dyn Intake>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) recordings: Arc<Recordings>,
}

impl Desk {
    /// What is answered to what the caller did.
    async fn turn(
        &self,
        facts: &Facts,
        (number, input, gone): (Option<u32>, &Input, bool),
        digest: &str,
    ) -> Result<Answer, Refusal> {
        for _ in 0..TRIES {
            let (mut kept, version) = self.calls.load(facts, &self.dialogue).await?;
            if let Some(given) = kept.given(digest) {
                return self.give(facts, given).await;
            }
            if self.dialect.manner() == Manner::Orders && !gone && number.is_some_and(|n| n != kept.call.turn)
            {
                // The call went on meanwhile, and nobody waits for an answer: orders now would be spoken into its midst.
                let given = Given { to: digest.to_owned(), answer: String::new(), done: true };
                if self.keep(&mut kept, version, &given).await? {
                    return self.give(facts, given).await;
                }
                continue;
            }
            let gone = gone || self.left(facts, &kept, input).await?;
            if let Input::Recorded(Some(message)) = input
                && !kept.is_ticket()
            {
                // A message is one, even if the call went on or came to its end before it was told of.
                kept.call.learned.remember(message.clone());
            }
            // What answers an earlier turn answers nothing now: the caller is asked again.
            let input = if number == Some(kept.call.turn) || gone { input } else { &Input::Begin };
            let turn = self.step(&mut kept, input, gone).await?;
            if gone || turn.then == Then::HangUp {
                kept.call.ended = true;
                let outcome = if gone { Outcome::Abandoned } else { Outcome::Completed };
                let status = kept.status.clone();
                self.end(&mut kept, outcome, status.as_deref().map(|status| (status, None))).await?;
            }
            let turns = kept.call.turn;
            let script =
                Script { base: &self.base, call: &facts.id, turn: turns, voices: &self.dialogue.voices };
            let answer = self.dialect.write(&turn, &script);
            // Who is gone is ordered nothing.
            let done = gone || self.dialect.manner() != Manner::Orders;
            let given = Given { to: digest.to_owned(), answer, done };
            if self.keep(&mut kept, version, &given).await? {
                return self.give(facts, given).await;
            }
        }
        Err(Refusal::Busy { retry_after: Duration::from_secs(1) })
    }

    /// Whether whoever ended a recording did so by hanging up.
    async fn left(&self, facts: &Facts, kept: &Kept, input: &Input) -> Result<bool, Refusal> {
        if kept.call.ended || !matches!(input, Input::Recorded(_)) {
            return Ok(false);
        }
        let present = self.dialect.present(facts).await;
        let unknown = |error: lodge_domain::DeliveryError| Refusal::Unavailable {
            reason: error.to_string(),
            retry_after: Duration::from_secs(1),
        };
        present.map(|present| !present).map_err(unknown)
    }

    /// Orders that go on within a turn, as long as the call is in it.
    async fn follow(
        &self,
        facts: &Facts,
        (number, orders): (Option<u32>, &str),
        digest: &str,
    ) -> Result<Answer, Refusal> {
        for _ in 0..TRIES {
            let (mut kept, version) = self.calls.load(facts, &self.dialogue).await?;
            if let Some(given) = kept.given(digest) {
                return self.give(facts, given).await;
            }
            let stale = number.is_some_and(|number| number != kept.call.turn);
            let answer = if stale { String::new() } else { orders.to_owned() };
            let given = Given { to: digest.to_owned(), answer, done: stale };
            if self.keep(&mut kept, version, &given).await? {
                return self.give(facts, given).await;
            }
        }
        Err(Refusal::Busy { retry_after: Duration::from_secs(1) })
    }

    /// Whether the call was saved, with what was given last.
    async fn keep(&self, kept: &mut Kept, version: u64, given: &Given) -> Result<bool, Refusal> {
        if kept.answers.len() < MOST_ANSWERS {
            kept.answers.push(given.clone());
        }
        self.calls.save(kept, version).await
    }

    /// Gives an answer: as a document, or by carrying its orders out where nobody did yet.
    async fn give(&self, facts: &Facts, given: Given) -> Result<Answer, Refusal> {
        if let Manner::Document(media_type) = self.dialect.manner() {
            return Ok(Answer::with(media_type, self.dialect.seal(given.answer)));
        }
        if !given.done {
            match self.dialect.order(facts, &given.answer).await {
                Ok(()) => {}
                // The call is not there any more, or never will do that: asking again would not help anybody.
                Err(error) if error.disposition == Disposition::Never => {
                    tracing::info!(inbox = %self.inbox.name, %error, "a call's orders were not taken");
                }
                Err(error) => {
                    let reason = error.to_string();
                    return Err(Refusal::Unavailable { reason, retry_after: Duration::from_secs(1) });
                }
            }
            self.mark_done(facts, &given.to).await?;
        }
        Ok(Answer::empty(axum::http::StatusCode::OK))
    }

    async fn mark_done(&self, facts: &Facts, digest: &str) -> Result<(), Refusal> {
        for _ in 0..TRIES {
            let (mut kept, version) = self.calls.load(facts, &self.dialogue).await?;
            let Some(given) = kept.answers.iter_mut().find(|given| given.to == digest) else { return Ok(()) };
            given.done = true;
            if self.calls.save(&mut kept, version).await? {
                return Ok(());
            }
        }
        // Somebody else is busy with the call; the same orders given twice are the same to the provider.
        Ok(())
    }

    /// The dialogue's step, with the contact filed in the midst of it where it asks for that. Who is gone hears nothing, and
    /// is told nothing.
    async fn step(&self, kept: &mut Kept, input: &Input, gone: bool) -> Result<Turn, Refusal> {
        let silence = || Turn { lines: Vec::new(), then: Then::HangUp };
        let now = self.clock.now();
        let reference = kept.filed.as_ref().and_then(|filed| filed.reference.clone());
        let moment = Moment { now, reference: reference.as_ref() };
        let (call, turn) = advance(&self.dialogue, &kept.call, input, moment);
        let before = std::mem::replace(&mut kept.call, call);
        if gone {
            return Ok(silence());
        }
        if turn.then != Then::File {
            return Ok(turn);
        }
        self.file(kept, Outcome::Confirmed, None).await?;
        let Some(reference) = kept.filed.as_ref().and_then(|filed| filed.reference.clone()) else {
            return Ok(silence());
        };
        let (call, turn) =
            advance(&self.dialogue, &before, input, Moment { now, reference: Some(&reference) });
        kept.call = call;
        Ok(turn)
    }

    /// A message was recorded, whoever tells of it first: the provider's callback, or the dialogue's next step.
    pub(crate) async fn recorded(&self, facts: &Facts, message: &Message) -> Result<(), Refusal> {
        for _ in 0..TRIES {
            let known = self.calls.known(&facts.id).await.map_err(|error| refusal(&error))?;
            let Some((mut kept, version)) = known else { return Ok(()) };
            // What was filed is told of by the recording's own supplement.
            if kept.is_ticket() || !kept.call.learned.remember(message.clone()) {
                return Ok(());
            }
            if kept.filed.is_some() {
                // Without a message the call was no ticket; it is one now.
                let status = kept.status.clone();
                self.end(&mut kept, Outcome::Voicemail, status.as_deref().map(|status| (status, None)))
                    .await?;
            }
            if self.calls.save(&mut kept, version).await? {
                return Ok(());
            }
        }
        Err(Refusal::Busy { retry_after: Duration::from_secs(1) })
    }

    async fn take(&self, request: &Verified<'_>) -> Result<Answer, Refusal> {
        if misdirected(request) {
            tracing::warn!(inbox = %self.inbox.name, "a text message came to an inbox for calls");
            return Ok(no_call());
        }
        let heard = self.dialect.read(request).filter(|heard| heard.facts.are_plausible());
        let Some(Heard { facts, events }) = heard else { return Ok(unreadable()) };
        if let Some(upload) = upload(request, &facts.id) {
            self.take_in(&facts, upload).await?;
        }
        let mut answer = None;
        for event in events {
            let digest = || HEXLOWER.encode(&self.dialect.sameness(request)[..16]);
            match event {
                Event::Orders { number, orders } => {
                    let digest = format!("{}/orders", digest());
                    answer = Some(self.follow(&facts, (number, &orders), &digest).await?);
                }
                Event::Turn { number, input, gone } => {
                    let digest = digest();
                    answer = Some(self.turn(&facts, (number, &input, gone), &digest).await?);
                }
                Event::Ended { status, seconds } => self.last(&facts, &status, seconds).await?,
                event => self.later(&facts, event).await?,
            }
        }
        Ok(answer.unwrap_or_else(|| self.dialect.nothing()))
    }

    /// Keeps a recording that came along. What cannot be kept now will not come again: the core is told so, and the call goes
    /// on.
    async fn take_in(&self, facts: &Facts, upload: Upload) -> Result<(), Refusal> {
        let Message { id, seconds } = upload.message();
        let now = self.clock.now();
        match self.recordings.store(facts, upload).await.map_err(|error| refusal(&error))? {
            Ok(file) => {
                let what = What::Recording { seconds };
                let pending = Pending::new(facts.clone(), what, id.clone(), String::new(), now);
                let kept = file.is_some();
                self.recordings.keep(pending.with(file)).await.map_err(|error| refusal(&error))?;
                // At once: nobody tells of it again where the turn that it came with is not taken.
                if kept { self.recorded(facts, &Message { id, seconds }).await } else { Ok(()) }
            }
            Err(error) => {
                tracing::warn!(inbox = %self.inbox.name, %error, "a recording that came along was not kept");
                let lost = object(json!({"recording_id": id, "missing": error.to_string()}));
                let source = format!("recording/{id}/lost");
                self.supplement(facts, SupplementKind::Recording, &source, lost).await
            }
        }
    }

    /// What comes of a recording, whenever it comes.
    async fn later(&self, facts: &Facts, event: Event) -> Result<(), Refusal> {
        let now = self.clock.now();
        match event {
            Event::Recording { id, address: Some(address), seconds, .. } => {
                self.recorded(facts, &Message { id: id.clone(), seconds }).await?;
                let pending = Pending::new(facts.clone(), What::Recording { seconds }, id, address, now);
                self.recordings.keep(pending).await.map_err(|error| refusal(&error))
            }
            Event::Recording { id, address: None, state, .. } => {
                let source = format!("recording/{id}/{state}");
                let details = object(json!({"recording_id": id, "state": state}));
                self.supplement(facts, SupplementKind::Recording, &source, details).await
            }
            Event::Transcript { id, recording, words: Words::At(address), .. } => {
                let pending = Pending::new(facts.clone(), What::Words { recording }, id, address, now);
                self.recordings.keep(pending).await.map_err(|error| refusal(&error))
            }
            Event::Transcript { id, recording, words, confidence, state } => {
                let text = if let Words::Here(text) = words { Some(text) } else { None };
                let source = format!("transcript/{id}/{state}");
                let details = object(json!({
                    "transcript_id": id, "recording_id": recording, "text": text, "confidence": confidence, "state": state,
                }));
                self.supplement(facts, SupplementKind::Transcript, &source, details).await
            }
            Event::Turn { .. } | Event::Orders { .. } | Event::Ended { .. } => Ok(()),
        }
    }
}

#[async_trait]
impl Provider for Desk {
    fn serves(&self, below: &str) -> bool {
        Place::of(below).is_some()
    }

    fn media_types(&self) -> &[&str] {
        self.dialect.media_types()
    }

    fn body_limit(&self) -> usize {
        self.dialect.body_limit()
    }

    fn body_limit_of(&self, request: &Unverified) -> usize {
        self.dialect.body_limit_of(request)
    }

    fn signs_get(&self) -> bool {
        self.dialect.signs_get()
    }

    fn verify<'r>(&self, request: &'r Unverified, now: Timestamp) -> Result<Verified<'r>, Forged> {
        self.dialect.verify(request, now)
    }

    async fn parse(&self, _: &Verified<'_>) -> Result<Vec<Inbound>, Refusal> {
        // A callback's answer depends on what is filed for it, and where the call is: both are `respond`'s.
        Ok(Vec::new())
    }

    async fn respond(&self, request: &Verified<'_>, _: &[Accepted]) -> Answer {
        match self.take(request).await {
            Ok(answer) => answer,
            Err(refusal) => {
                tracing::warn!(inbox = %self.inbox.name, %refusal, "a call's callback was asked to come back");
                Answer::later(&refusal)
            }
        }
    }
}
