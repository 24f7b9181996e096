//! From a verified body to what the hallway accepts: the same way for every provider.

use crate::contact::{Files, Place, contact, handle, strange};
use crate::heard::{About, Deleted, Echo, Edited, Fared, Heard, Said};
use crate::media::Fetcher;
use crate::names::Names;
use crate::outbox::Outbox;
use crate::speech::{Settings, Speech};
use async_trait::async_trait;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use lodge_channel::Context;
use lodge_channel::webhook::{Answer, Forged, Provider, Unverified, Verified};
use lodge_domain::delivery::{OutboundState, RecipientState};
use lodge_domain::ports::{Outcome, Refusal};
use lodge_domain::ticket::SupplementKind;
use lodge_domain::{Candidate, DeliveryReport, EnvelopeId, Inbound, OutboundId, Supplement, TraceKey};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// How long a deletion that came before what it deletes is sent back to come again.
const OVERTAKEN: SignedDuration = SignedDuration::from_mins(5);

/// One inbox, as its provider's webhooks see it.
pub(crate) struct SocialDesk {
    pub(crate) settings: Arc<dyn Settings>,
    pub(crate) speech: Arc<dyn Speech>,
    pub(crate) context: Context,
    pub(crate) place: Place,
    pub(crate) blocked: Vec<String>,
    pub(crate) fetcher: Arc<Fetcher>,
    pub(crate) outbox: Outbox,
    pub(crate) names: Names,
}

#[async_trait]
impl Provider for SocialDesk {
    fn body_limit(&self) -> usize {
        self.speech.body_limit()
    }

    fn media_types(&self) -> &[&str] {
        self.speech.media_types()
    }

    fn encodings(&self) -> &[&str] {
        self.speech.encodings()
    }

    fn handshake(&self, request: &Unverified) -> Option<Answer> {
        self.speech.handshake(request)
    }

    async fn prepare(&self, request: &Unverified) -> Result<(), Refusal> {
        self.speech.prepare(request).await
    }

    fn verify<'r>(&self, request: &'r Unverified, now: Timestamp) -> Result<Verified<'r>, Forged> {
        self.speech.verify(request, now)
    }

    fn disbelief(&self) -> Answer {
        self.speech.disbelief()
    }

    async fn parse(&self, request: &Verified<'_>) -> Result<Vec<Inbound>, Refusal> {
        let now = self.context.clock.now();
        let id = self.speech.id_of(request);
        let opened = self.speech.opened(request);
        let said = opened.as_ref().unwrap_or(request.body());
        let heard = self.settings.understand_as(id.as_deref(), said, now);
        let mut inbound = Vec::with_capacity(heard.len());
        for one in heard {
            let item = self.take(one, request.body(), &inbound, now).await?;
            inbound.extend(item);
        }
        Ok(inbound)
    }

    async fn respond(&self, request: &Verified<'_>, outcomes: &[Outcome]) -> Answer {
        self.speech.answer(request, outcomes)
    }
}

fn unavailable(error: impl std::fmt::Display) -> Refusal {
    Refusal::Unavailable { reason: error.to_string(), retry_after: Duration::from_secs(5) }
}

impl SocialDesk {
    /// What one thing heard becomes; `before` is what the same body said earlier.
    pub(crate) async fn take(
        &self,
        heard: Heard,
        body: &Bytes,
        before: &[Inbound],
        now: Timestamp,
    ) -> Result<Option<Inbound>, Refusal> {
        match heard {
            Heard::Said(said) => self.said(&said, body, now).await.map(Some),
            Heard::Edited(edited) => self.edited(&edited, body, before, now).await.map(Some),
            Heard::Deleted(deleted) => self.deleted(&deleted, before, now).await.map(Some),
            Heard::Echo(echo) => self.echo(&echo).await.map(Some),
            Heard::Fared(fared) => self.fared(&fared).await,
            Heard::Nothing { reason, id } => Ok(Some(self.skipped(reason, id.as_deref()))),
            Heard::Strange { why, id } => {
                let raw = self.context.blobs.put(body.clone()).await.map_err(unavailable)?;
                Ok(Some(Inbound::Contact(Box::new(strange(why, &id, raw, &self.place, now)))))
            }
        }
    }

    fn skipped(&self, reason: &str, id: Option<&str>) -> Inbound {
        Inbound::Skipped {
            inbox: self.context.inbox.clone(),
            reason: reason.to_owned(),
            trace_keys: id.map(|id| TraceKey(id.to_owned())).into_iter().collect(),
        }
    }

    fn is_blocked(&self, said: &Said) -> bool {
        let who = &said.from;
        let names = [Some(&who.account), who.phone.as_ref(), who.username.as_ref(), who.alias.as_ref()];
        names.into_iter().flatten().any(|name| self.blocked.contains(name))
    }

    async fn said(&self, said: &Said, body: &Bytes, now: Timestamp) -> Result<Inbound, Refusal> {
        // Before anything is looked up or fetched (G06).
        if self.is_blocked(said) {
            return Ok(self.skipped("the sender is blocked", Some(&said.id)));
        }
        let wants_name = said.from.name.is_none() && !said.from.is_bot;
        let name = async {
            if wants_name { self.names.of(&said.from.account, &*self.speech, now).await } else { None }
        };
        let files = async {
            if said.media.is_empty() { Ok(Files::default()) } else { self.fetcher.files(said).await }
        };
        let (name, files) = tokio::join!(name, files);
        let files = files.map_err(unavailable)?;
        let pending = files.states.contains(&"pending").then(|| files.clone());
        let mut contact = contact(said, &self.place, name, files, now);
        if said.unknown {
            contact.raw = Some(self.context.blobs.put(body.clone()).await.map_err(unavailable)?);
        }
        if let Some(files) = pending {
            let envelope = Candidate::new(&contact, now).map_err(unavailable)?.envelope;
            self.fetcher.note(&envelope, said, &files).await?;
        }
        Ok(Inbound::Contact(Box::new(contact)))
    }

    /// The contact of the provider's id: one of the same body, or one of the hallway's.
    pub(crate) async fn known(&self, id: &str, before: &[Inbound]) -> Result<Option<EnvelopeId>, Refusal> {
        let same = before.iter().find_map(|item| match item {
            Inbound::Contact(contact) if contact.dedupe.source == id => Some(contact),
            _ => None,
        });
        if let Some(contact) = same {
            let candidate = Candidate::new(contact, contact.received_at).map_err(unavailable)?;
            return Ok(Some(candidate.envelope));
        }
        self.context.intake.known(&self.context.inbox, &TraceKey(id.to_owned())).await
    }

    /// An edit of what we have adds to it; of what we never had, it is what was said.
    async fn edited(
        &self,
        edited: &Edited,
        body: &Bytes,
        before: &[Inbound],
        now: Timestamp,
    ) -> Result<Inbound, Refusal> {
        if self.is_blocked(&edited.now) {
            return Ok(self.skipped("the sender is blocked", Some(&edited.id)));
        }
        let Some(of) = self.known(&edited.id, before).await? else {
            return self.said(&edited.now, body, now).await;
        };
        let text = json!(edited.now.text);
        let details = [("text".to_owned(), text), ("message_id".to_owned(), json!(edited.id))];
        Ok(self.supplement(of, SupplementKind::Edit, &edited.version, details, edited.now.at.min(now)))
    }

    async fn deleted(
        &self,
        deleted: &Deleted,
        before: &[Inbound],
        now: Timestamp,
    ) -> Result<Inbound, Refusal> {
        let Some(of) = self.known(&deleted.id, before).await? else {
            // It may have overtaken what it takes back, which would then stay: the provider comes again.
            if now.duration_since(deleted.at) < OVERTAKEN {
                return Err(Refusal::Busy { retry_after: Duration::from_secs(20) });
            }
            return Ok(self.skipped("takes back what never came in", Some(&deleted.id)));
        };
        let details = [("message_id".to_owned(), json!(deleted.id))];
        Ok(self.supplement(of, SupplementKind::Deletion, "deleted", details, deleted.at.min(now)))
    }

    fn supplement<const N: usize>(
        &self,
        of: EnvelopeId,
        kind: SupplementKind,
        source: &str,
        details: [(String, serde_json::Value); N],
        at: Timestamp,
    ) -> Inbound {
        Inbound::Supplement(Box::new(Supplement {
            inbox: self.context.inbox.clone(),
            of,
            kind,
            source: source.to_owned(),
            details: details.into_iter().collect(),
            attachments: Vec::new(),
            trace_keys: Vec::new(),
            at,
        }))
    }

    /// Something our account sent: news of ours where it is, else somebody else's who writes for the account.
    async fn echo(&self, echo: &Echo) -> Result<Inbound, Refusal> {
        let about = match echo.mark.as_deref().and_then(OutboundId::parse) {
            Some(about) => Some(about),
            None => self.find(&echo.party, &echo.id).await?,
        };
        Ok(match about {
            Some(about) => self.report(about, &echo.party, OutboundState::Sent, None),
            None => self.skipped("sent by our account, but not by us", Some(&echo.id)),
        })
    }

    async fn find(&self, party: &str, id: &str) -> Result<Option<OutboundId>, Refusal> {
        let sent = self.outbox.to(party).await.map_err(unavailable)?;
        Ok(sent.into_iter().find(|entry| entry.id.as_deref() == Some(id)).map(|entry| entry.about))
    }

    async fn fared(&self, fared: &Fared) -> Result<Option<Inbound>, Refusal> {
        let about = match &fared.about {
            About::Mark(about) => Some(about.clone()),
            About::Id(id) => self.find(&fared.party, id).await?,
            About::UpTo(watermark) => {
                let sent = self.outbox.to(&fared.party).await.map_err(unavailable)?;
                // What came before it was reported by an earlier watermark.
                let mut until = sent.into_iter().filter(|entry| entry.at <= *watermark);
                until.next_back().map(|entry| entry.about)
            }
        };
        Ok(Some(match about {
            Some(about) => self.report(about, &fared.party, fared.state, fared.words.clone()),
            None => self.skipped("news of something that we did not send", None),
        }))
    }

    fn report(&self, about: OutboundId, party: &str, state: OutboundState, text: Option<String>) -> Inbound {
        let recipients = vec![RecipientState { handle: party.to_owned(), state, text }];
        let inbox = self.context.inbox.clone();
        Inbound::Report(Box::new(DeliveryReport { about, recipients, inbox, contact: None }))
    }
}

/// The first contact in a body, for looking at raw bodies without a house; `None` where there is none.
pub(crate) fn first(heard: Vec<Heard>, place: &Place, now: Timestamp) -> Option<lodge_domain::Contact> {
    let said = heard.into_iter().find_map(|one| match one {
        Heard::Said(said) => Some(said),
        Heard::Edited(edited) => Some(edited.now),
        _ => None,
    })?;
    let files = Files { attachments: Vec::new(), states: vec!["pending"; said.media.len()] };
    debug_assert!(!handle(&said.from).value.is_empty() || said.unknown);
    Some(contact(&said, place, None, files, now))
}
