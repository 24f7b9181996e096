//! What a session is known by beside what was said in it: kept as the note of its timeline, gone with it.

use crate::desk::Desk;
use bytes::Bytes;
use jiff::Timestamp;
use lodge_domain::ports::StoreError;
use lodge_domain::{Reference, TimelineId};
use serde::{Deserialize, Serialize};

/// What is known of a session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SessionNote {
    /// When its newest secret was made, and when that was handed out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) renewed: Option<(Timestamp, Timestamp)>,
    /// Secrets made until then open nothing any more (T07).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revoked: Option<Timestamp>,
    /// The website's id of a signed-in visitor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<String>,
    /// Their name: proven with `subject`, else claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Their mail address: proven with `subject`, else claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    /// Their language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) language: Option<String>,
    /// The number they were told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<Reference>,
    /// Where the guide is, as it keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) guide: Option<serde_json::Value>,
    /// The number of the last message that the guide answered.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) guided: u64,
    /// The ticket has what was said up to this number: the guide handed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) handed: Option<u64>,
    /// What they have read.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) read: u64,
    /// The conversation is over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) ended: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How often a note is written anew because somebody else wrote meanwhile.
const TRIES: usize = 16;

impl Desk {
    /// The note of a session; an empty one where nothing is known.
    pub(crate) async fn note(&self, timeline: &TimelineId) -> Result<SessionNote, StoreError> {
        Ok(self.stored_note(timeline).await?.1)
    }

    async fn stored_note(&self, timeline: &TimelineId) -> Result<(u64, SessionNote), StoreError> {
        let Some(stored) = self.timelines.note(&self.inbox.brand, timeline).await? else {
            return Ok((0, SessionNote::default()));
        };
        let note = serde_json::from_slice(&stored.value);
        Ok((stored.version, note.map_err(|error| StoreError::Unreadable(error.to_string()))?))
    }

    /// Changes the note of a session, on top of whatever it has become meanwhile; the note as it is now.
    pub(crate) async fn change_note(
        &self,
        timeline: &TimelineId,
        change: impl Fn(&mut SessionNote) + Send + Sync,
    ) -> Result<SessionNote, StoreError> {
        for _ in 0..TRIES {
            let (version, before) = self.stored_note(timeline).await?;
            let mut note = before.clone();
            change(&mut note);
            if version > 0 && note == before {
                return Ok(note);
            }
            let value = serde_json::to_vec(&note).map_err(|e| StoreError::Unreadable(e.to_string()))?;
            let now = self.clock.now();
            let brand = &self.inbox.brand;
            if self.timelines.write_note(brand, timeline, version, Bytes::from(value), now).await?.is_some() {
                return Ok(note);
            }
        }
        Err(StoreError::Busy)
    }

    /// The session that a signed-in visitor has: its id and when it was born.
    pub(crate) async fn session_of(&self, subject: &str) -> Result<Option<(String, Timestamp)>, StoreError> {
        let stored = self.timelines.note(&self.inbox.brand, &self.link(subject)).await?;
        Ok(stored.and_then(|stored| serde_json::from_slice(&stored.value).ok()))
    }

    /// Remembers the session of a signed-in visitor; the one that counts, where another socket was first. With `keeps` what
    /// is remembered is written anew, so that it is not purged before the session.
    pub(crate) async fn link_session(
        &self,
        subject: &str,
        session: (String, Timestamp),
        instead_of: Option<&(String, Timestamp)>,
        keeps: bool,
    ) -> Result<(String, Timestamp), StoreError> {
        let (brand, link) = (&self.inbox.brand, self.link(subject));
        for _ in 0..TRIES {
            let stored = self.timelines.note(brand, &link).await?;
            let version = stored.as_ref().map_or(0, |stored| stored.version);
            let known: Option<(String, Timestamp)> =
                stored.and_then(|stored| serde_json::from_slice(&stored.value).ok());
            let counts = known.filter(|known| Some(known) != instead_of);
            if let Some(known) = counts.as_ref().filter(|known| !keeps || **known != session) {
                return Ok(known.clone());
            }
            let value = serde_json::to_vec(&session).map_err(|e| StoreError::Unreadable(e.to_string()))?;
            let now = self.clock.now();
            if self.timelines.write_note(brand, &link, version, Bytes::from(value), now).await?.is_some() {
                return Ok(session);
            }
        }
        Err(StoreError::Busy)
    }

    fn link(&self, subject: &str) -> TimelineId {
        TimelineId::of(&["chat-visitor", self.inbox.name.as_str(), subject])
    }
}
