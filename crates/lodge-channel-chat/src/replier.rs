//! The way back into a session: what an agent or the gateway says is appended to its timeline, once, and the sockets that
//! follow it are told. A visitor who is not there finds it when they come back.

use crate::desk::Desk;
use crate::entry::{Entry, KeptFile, outbound_entry};
use crate::note::SessionNote;
use crate::protocol::From;
use crate::registry::REVOKED;
use crate::token::timeline;
use async_trait::async_trait;
use bytes::Bytes;
use lodge_domain::delivery::{
    Announced, Continuation, OutboundKind, OutboundMessage, OutboundState, RecipientState,
};
use lodge_domain::ports::{Hint, Replier, StoreError};
use lodge_domain::{
    DeliveryError, Disposition, HandleKind, NewEntry, PartyHandle, ReturnPath, Sent, SignedDuration,
    TimelineId,
};
use serde_json::json;
use std::sync::Arc;

/// Answers into the sessions of one inbox.
pub(crate) struct ChatReplier(pub(crate) Arc<Desk>);

impl ChatReplier {
    fn timeline(&self, path: &ReturnPath) -> Option<TimelineId> {
        path.sealed["session"].as_str().map(|session| timeline(&self.0.inbox, session))
    }

    /// Where a reply goes as well, unless the visitor comes to read it; at once where they ended the conversation.
    fn way_on(&self, note: SessionNote) -> Option<Continuation> {
        let (inbox, email) = (self.0.continue_by()?, note.email?);
        let wait = i64::try_from(self.0.settings.continue_after).unwrap_or(i64::MAX);
        let wait = if note.ended { 0 } else { wait };
        let at = self.0.now().checked_add(SignedDuration::from_secs(wait));
        Some(Continuation {
            at: at.unwrap_or(jiff::Timestamp::MAX),
            inbox: inbox.clone(),
            party: PartyHandle::new(HandleKind::Email, email),
            name: note.name,
        })
    }
}

fn entry(message: &OutboundMessage) -> Entry {
    let is_reply = message.kind == OutboundKind::Reply;
    let file = |file: &lodge_domain::delivery::OutboundAttachment| KeptFile {
        name: file.name.clone(),
        media_type: file.media_type.clone(),
        blob: file.blob.clone(),
        judgement: None,
    };
    Entry {
        name: message.author.clone(),
        files: message.attachments.iter().map(file).collect(),
        reply: is_reply.then(|| message.id.clone()),
        ..Entry::said(if is_reply { From::Agent } else { From::System }, message.text.clone())
    }
}

fn unavailable(error: &StoreError) -> DeliveryError {
    DeliveryError::later(format!("append the message to its session: {error}")).unanswered()
}

#[async_trait]
impl Replier for ChatReplier {
    fn announce(&self, _: &OutboundMessage) -> Announced {
        Announced::default()
    }

    async fn send(&self, message: &OutboundMessage) -> Result<Sent, DeliveryError> {
        let Some(timeline) = self.timeline(&message.return_path) else {
            return Err(DeliveryError::new(Disposition::Never, "find the session: the way back names none"));
        };
        let is_reply = message.kind == OutboundKind::Reply;
        let note = self.0.note(&timeline).await.map_err(|error| unavailable(&error))?;
        let ended = note.ended;
        let unless_seen = Some(note).filter(|_| is_reply).and_then(|note| self.way_on(note));
        let handle = message.return_path.sealed["session"].as_str().unwrap_or_default().to_owned();
        let sent = |state, text: Option<&str>| Sent {
            keys: Vec::new(),
            traces: Vec::new(),
            recipients: vec![RecipientState {
                handle: handle.clone(),
                state,
                text: text.map(ToOwned::to_owned),
            }],
            unless_seen: unless_seen.clone(),
        };
        if is_reply && ended && unless_seen.is_none() {
            // An agent must not believe that somebody reads it.
            let words = "the visitor ended the conversation and left no address";
            return Ok(sent(OutboundState::Failed, Some(words)));
        }
        let new = NewEntry {
            timeline,
            id: outbound_entry(&message.id),
            body: entry(message).encode(),
            at: self.0.now(),
        };
        self.0.timelines.append(&message.brand, vec![new]).await.map_err(|error| unavailable(&error))?;
        Ok(sent(OutboundState::Sent, None))
    }

    /// An entry is there once, however often it is appended.
    fn is_idempotent(&self) -> bool {
        true
    }

    async fn revoke(&self, path: &ReturnPath) -> Result<bool, DeliveryError> {
        let Some(timeline) = self.timeline(path) else { return Ok(false) };
        let now = self.0.now();
        let revoked = self.0.change_note(&timeline, |note| note.revoked = Some(now)).await;
        revoked.map_err(|error| DeliveryError::later(format!("note that secrets are revoked: {error}")))?;
        // Whoever has a socket open is shown out; should this be lost, a secret still opens nothing new.
        let told = Bytes::from_static(REVOKED);
        if let Err(error) = self.0.timelines.hint(&self.0.inbox.brand, &timeline, told).await {
            tracing::warn!(inbox = %self.0.inbox.name, %error, "open sockets were not told that they are revoked");
        }
        Ok(true)
    }

    async fn hint(&self, path: &ReturnPath, hint: &Hint) -> bool {
        let Some(timeline) = self.timeline(path) else { return false };
        let told = match hint {
            Hint::Typing { author } => json!({"t": "typing", "from": "agent", "name": author}),
            Hint::Read => json!({"t": "read"}),
        };
        let hint = self.0.timelines.hint(&self.0.inbox.brand, &timeline, Bytes::from(told.to_string()));
        hint.await.is_ok()
    }
}
