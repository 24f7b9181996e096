//! Joins the dialogue with a provider's webhooks: where a call is lies in the store, so that any gateway answers the next
//! callback, and the same callback gets the same answer.
//!
//! A callback is taken in this order: what was answered to it before, else one step of the dialogue, filing where that is
//! due, and saving with compare-and-set; a gateway that lost the race begins anew with what the other one saved. Filing
//! twice is harmless: a call's contact has one id.

use crate::contact::{self, Filing, Outcome};
use crate::dialect::{Addresses, Callback, Dialect, Facts, Voices};
use crate::dialogue::{Call, Dialogue, Input, Learned, Moment, Then, Turn, advance};
use crate::recordings::{Pending, Recordings};
use async_trait::async_trait;
use bytes::Bytes;
use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use lodge_channel::webhook::{Answer, Forged, Provider, Unverified, Verified};
use lodge_domain::ports::{Clock, InboxState, Intake, Outcome as Accepted, Refusal, StoreError};
use lodge_domain::ticket::SupplementKind;
use lodge_domain::{Inbound, InboxId, Placement, Reference, Supplement, TraceKey, digest_parts};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How often a callback begins anew after another gateway was faster.
const TRIES: usize = 16;
/// The layout of what is kept.
const VERSION: u32 = 1;
/// A call that nothing was heard of for this long is over, whoever forgot to say so.
const SILENT: SignedDuration = SignedDuration::from_mins(30);
/// How long a call that is over is remembered, for callbacks that are repeated.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(30);
/// The most answers kept of one call.
const MOST_ANSWERS: usize = 128;

/// Which calls become tickets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) missed: bool,
    pub(crate) abandoned: bool,
    pub(crate) anonymous: bool,
}

/// The voice inbox's side of its webhooks.
pub(crate) struct Desk {
    pub(crate) inbox: InboxId,
    /// `https://…/hooks/{inbox}`.
    pub(crate) base: String,
    pub(crate) dialogue: Dialogue,
    pub(crate) dialect: Arc<dyn Dialect>,
    pub(crate) policy: Policy,
    pub(crate) intake: Arc<dyn Intake>,
    pub(crate) state: Arc<dyn InboxState>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) recordings: Arc<Recordings>,
}

/// A call as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Kept {
    version: u32,
    pub(crate) facts: Facts,
    pub(crate) call: Call,
    pub(crate) began: Timestamp,
    pub(crate) heard: Timestamp,
    pub(crate) filed: Option<Filed>,
    status: Option<String>,
    /// Answers by the digest of what they answer.
    answers: Vec<(String, String)>,
}

/// How a call was filed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Filed {
    /// `None` where the settings say that such a call is no ticket.
    reference: Option<Reference>,
    /// What the contact says.
    learned: Learned,
}

/// The provider's word for how a call stands, and how long it took in seconds.
type Status<'s> = (&'s str, Option<u32>);

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

pub(crate) fn key(call: &str) -> String {
    // A provider's id is short and plain; whatever is not becomes its hash.
    let plain = call.len() <= 64
        && call.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b':'));
    if plain {
        format!("call/{call}")
    } else {
        format!("call/~{}", HEXLOWER.encode(&digest_parts(&[call.as_bytes()])))
    }
}

fn refusal(error: &StoreError) -> Refusal {
    match error {
        StoreError::Busy => Refusal::Busy { retry_after: Duration::from_secs(1) },
        StoreError::Closed => Refusal::Closing,
        error => Refusal::Unavailable { reason: error.to_string(), retry_after: Duration::from_secs(5) },
    }
}

impl Desk {
    /// The call as it is kept, and its version; a fresh one where nothing is.
    async fn load(&self, facts: &Facts) -> Result<(Kept, u64), Refusal> {
        let stored = self.state.load(&self.inbox, &key(&facts.id)).await.map_err(|error| refusal(&error))?;
        let now = self.clock.now();
        let version = stored.as_ref().map_or(0, |stored| stored.version);
        let known = stored.and_then(|stored| serde_json::from_slice::<Kept>(&stored.value).ok());
        let fresh = || Kept {
            version: VERSION,
            facts: facts.clone(),
            call: Call::begin(&self.dialogue),
            began: now,
            heard: now,
            filed: None,
            status: None,
            answers: Vec::new(),
        };
        Ok((known.unwrap_or_else(fresh), version))
    }

    /// Whether it was saved; another gateway may have been faster.
    async fn save(&self, kept: &mut Kept, version: u64) -> Result<bool, Refusal> {
        kept.heard = self.clock.now();
        let value =
            serde_json::to_vec(kept).map_err(|error| refusal(&StoreError::Unreadable(error.to_string())))?;
        let saved = self.state.save(&self.inbox, &key(&kept.facts.id), version, Bytes::from(value)).await;
        saved.map(|saved| saved.is_some()).map_err(|error| refusal(&error))
    }

    /// One step of the dialogue.
    async fn turn(
        &self,
        facts: &Facts,
        (number, input, gone): (Option<u32>, &Input, bool),
        digest: &str,
    ) -> Result<String, Refusal> {
        for _ in 0..TRIES {
            let (mut kept, version) = self.load(facts).await?;
            if let Some((_, answer)) = kept.answers.iter().find(|(known, _)| known == digest) {
                return Ok(answer.clone());
            }
            // What answers an earlier turn answers nothing now: the caller is asked again.
            let input = if number == Some(kept.call.turn) || gone { input } else { &Input::Begin };
            let turn = self.step(&mut kept, input, gone).await?;
            if gone || turn.then == Then::HangUp {
                kept.call.ended = true;
                let outcome = if gone { Outcome::Abandoned } else { Outcome::Completed };
                self.end(&mut kept, outcome, None).await?;
            }
            let addresses = Addresses { base: &self.base, call: &facts.id, turn: kept.call.turn };
            let answer = self.dialect.answer(&turn, &Voices(&self.dialogue.voices), &addresses);
            if kept.answers.len() < MOST_ANSWERS {
                kept.answers.push((digest.to_owned(), answer.clone()));
            }
            if self.save(&mut kept, version).await? {
                return Ok(answer);
            }
        }
        Err(Refusal::Busy { retry_after: Duration::from_secs(1) })
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

    /// The call is over: it is filed, and what came after it was filed is added. Whether the contact was made just now.
    async fn end(
        &self,
        kept: &mut Kept,
        outcome: Outcome,
        status: Option<Status<'_>>,
    ) -> Result<bool, Refusal> {
        let mut fresh = false;
        if kept.filed.is_none() {
            let left = !kept.call.learned.messages.is_empty();
            fresh = self.file(kept, if left { Outcome::Voicemail } else { outcome }, status).await?;
        }
        let Some(filed) = &kept.filed else { return Ok(fresh) };
        if filed.reference.is_some() && filed.learned != kept.call.learned {
            let details = contact::learned(&kept.call.learned);
            self.supplement(&kept.facts, SupplementKind::Status, "learned", details).await?;
            let learned = kept.call.learned.clone();
            kept.filed.iter_mut().for_each(|filed| filed.learned = learned.clone());
        }
        Ok(fresh)
    }

    /// Files the call; whether a contact was made just now.
    async fn file(
        &self,
        kept: &mut Kept,
        outcome: Outcome,
        status: Option<Status<'_>>,
    ) -> Result<bool, Refusal> {
        if let Some(reason) = self.unwanted(kept, outcome) {
            let skipped = Inbound::Skipped {
                inbox: self.inbox.clone(),
                reason: reason.to_owned(),
                trace_keys: vec![TraceKey(kept.facts.id.clone())],
            };
            self.intake.accept(vec![skipped]).await?;
            kept.filed = Some(Filed { reference: None, learned: kept.call.learned.clone() });
            return Ok(false);
        }
        let filing = Filing {
            inbox: &self.inbox,
            provider: self.dialect.name(),
            facts: &kept.facts,
            learned: &kept.call.learned,
            language: &kept.call.language,
            outcome,
            began: kept.began,
            status,
        };
        let accepted = self.intake.accept(vec![Inbound::Contact(Box::new(filing.contact()))]).await?;
        let Some(Accepted::Accepted(receipt)) = accepted.into_iter().next() else {
            return Err(Refusal::Busy { retry_after: Duration::from_secs(1) });
        };
        // Filed before, by a gateway that lost the race or did not live to say so: what that one knew may have been less.
        let duplicate = receipt.placement == Placement::Duplicate;
        let learned = if duplicate { Learned::default() } else { kept.call.learned.clone() };
        kept.filed = Some(Filed { reference: Some(receipt.reference.clone()), learned });
        Ok(!duplicate)
    }

    /// Why such a call is no ticket, where the settings say so.
    fn unwanted(&self, kept: &Kept, outcome: Outcome) -> Option<&'static str> {
        let Policy { missed, abandoned, anonymous } = self.policy;
        match outcome {
            Outcome::Missed if !missed => Some("a missed call"),
            Outcome::Abandoned if !abandoned => Some("an abandoned call"),
            Outcome::Missed | Outcome::Abandoned if !anonymous && kept.facts.from.is_none() => {
                Some("an anonymous caller who left nothing")
            }
            _ => None,
        }
    }

    pub(crate) async fn supplement(
        &self,
        facts: &Facts,
        kind: SupplementKind,
        source: &str,
        details: Map<String, Value>,
    ) -> Result<(), Refusal> {
        let supplement = Supplement {
            inbox: self.inbox.clone(),
            of: contact::envelope(&self.inbox, &facts.id),
            kind,
            source: source.to_owned(),
            details,
            attachments: Vec::new(),
            trace_keys: Vec::new(),
            at: self.clock.now(),
        };
        self.intake.accept(vec![Inbound::Supplement(Box::new(supplement))]).await.map(drop)
    }

    /// The call's last state: what was learned is filed, whatever happened before.
    async fn last(&self, facts: &Facts, status: &str, seconds: Option<u32>) -> Result<(), Refusal> {
        for _ in 0..TRIES {
            let (mut kept, version) = self.load(facts).await?;
            if kept.status.as_deref() == Some(status) {
                return Ok(());
            }
            let outcome = if kept.call.turn == 0 { Outcome::Missed } else { Outcome::Abandoned };
            kept.call.ended = true;
            let told = self.end(&mut kept, outcome, Some((status, seconds))).await?;
            let is_ticket = kept.filed.as_ref().is_some_and(|filed| filed.reference.is_some());
            if is_ticket && !told {
                let details = object(json!({"status": status, "duration": seconds}));
                self.supplement(facts, SupplementKind::Status, &format!("status/{status}"), details).await?;
            }
            kept.status = Some(status.to_owned());
            if self.save(&mut kept, version).await? {
                return Ok(());
            }
        }
        Err(Refusal::Busy { retry_after: Duration::from_secs(1) })
    }

    async fn take(&self, request: &Verified<'_>) -> Result<Answer, Refusal> {
        let Some((facts, callback)) = self.dialect.read(request) else {
            return Ok(Answer::empty(axum::http::StatusCode::BAD_REQUEST));
        };
        match callback {
            Callback::Turn { number, input, gone } => {
                let token = request.request().header(self.dialect.idempotency_header()).unwrap_or_default();
                let parts = [request.request().target().as_bytes(), request.body(), token.as_bytes()];
                let digest = HEXLOWER.encode(&digest_parts(&parts)[..16]);
                let answer = self.turn(&facts, (number, &input, gone), &digest).await?;
                return Ok(Answer::with(self.dialect.media_type(), answer));
            }
            Callback::Status { status, last: true, seconds } => {
                self.last(&facts, &status, seconds).await?;
            }
            Callback::Recording { id, address: Some(address), seconds, .. } => {
                let now = self.clock.now();
                self.recordings
                    .keep(&Pending::new(facts, id, address, seconds, now))
                    .await
                    .map_err(|e| refusal(&e))?;
            }
            Callback::Recording { id, address: None, state, .. } => {
                let details = object(json!({"recording_id": id, "state": state}));
                self.supplement(
                    &facts,
                    SupplementKind::Recording,
                    &format!("recording/{id}/{state}"),
                    details,
                )
                .await?;
            }
            Callback::Transcript { id, recording, text, confidence, state } => {
                let details = object(json!({
                    "transcript_id": id, "recording_id": recording, "text": text, "confidence": confidence, "state": state,
                }));
                self.supplement(
                    &facts,
                    SupplementKind::Transcript,
                    &format!("transcript/{id}/{state}"),
                    details,
                )
                .await?;
            }
            Callback::Status { .. } | Callback::Nothing => {}
        }
        Ok(self.dialect.nothing())
    }

    /// Files calls whose end was never told, and forgets those that are long over; how many were filed.
    pub(crate) async fn sweep(&self) -> Result<usize, Refusal> {
        let all = self.state.list(&self.inbox, "call/").await.map_err(|error| refusal(&error))?;
        let now = self.clock.now();
        let mut filed = 0;
        for (key, stored) in all {
            let Ok(mut kept) = serde_json::from_slice::<Kept>(&stored.value) else { continue };
            let silent = now.duration_since(kept.heard);
            let over = kept.call.ended && kept.filed.is_some();
            if over && silent >= REMEMBERED {
                self.state.remove(&self.inbox, &key).await.map_err(|error| refusal(&error))?;
            } else if !over && silent >= SILENT {
                kept.call.ended = true;
                self.end(&mut kept, Outcome::Abandoned, Some(("unknown", None))).await?;
                self.save(&mut kept, stored.version).await?;
                filed += 1;
            }
        }
        Ok(filed)
    }
}

#[async_trait]
impl Provider for Desk {
    fn serves(&self, below: &str) -> bool {
        let turn = below.strip_prefix("turn/").map(|turn| turn.strip_suffix("/none").unwrap_or(turn));
        matches!(below, "" | "status" | "recording" | "transcript")
            || turn
                .is_some_and(|turn| (1..=4).contains(&turn.len()) && turn.bytes().all(|b| b.is_ascii_digit()))
    }

    fn media_types(&self) -> &[&str] {
        &["application/x-www-form-urlencoded"]
    }

    fn signs_get(&self) -> bool {
        true
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
