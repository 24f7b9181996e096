//! Recordings: noted durably when the provider tells of one, fetched with its credentials until it has it, kept, and told
//! to the core as a supplement. Without consent nothing is fetched. Never fetched from where only a callback points: the
//! provider's policy says from which hosts.

use crate::contact;
use crate::desk::{Kept, key, object};
use crate::dialect::{Dialect, Facts};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use lodge_channel::TaskError;
use lodge_channel::attachment_policy::judge;
use lodge_channel::fetch::MediaError;
use lodge_domain::ports::{Blobs, Clock, InboxState, Intake, StoreError};
use lodge_domain::ticket::SupplementKind;
use lodge_domain::{Attachment, Inbound, InboxId, Supplement, TraceKey};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How long the provider may take to have it.
const PATIENCE: SignedDuration = SignedDuration::from_hours(24);
/// The longest wait between two tries.
const LONGEST_WAIT: i64 = 600;
/// The time between two looks, where nobody wakes us.
const EVERY: Duration = Duration::from_secs(5);
/// The layout of what is kept.
const VERSION: u32 = 1;

/// A recording that is still to be fetched.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pending {
    version: u32,
    facts: Facts,
    id: String,
    address: String,
    seconds: Option<u32>,
    since: Timestamp,
    due: Timestamp,
    tries: u32,
}

impl Pending {
    pub(crate) fn new(
        facts: Facts,
        id: String,
        address: String,
        seconds: Option<u32>,
        now: Timestamp,
    ) -> Self {
        Self { version: VERSION, facts, id, address, seconds, since: now, due: now, tries: 0 }
    }

    fn key(&self) -> String {
        key(&self.id).replacen("call/", "recording/", 1)
    }
}

/// Fetches an inbox's recordings.
pub(crate) struct Recordings {
    pub(crate) inbox: InboxId,
    pub(crate) dialect: Arc<dyn Dialect>,
    pub(crate) delete: bool,
    pub(crate) intake: Arc<dyn Intake>,
    pub(crate) state: Arc<dyn InboxState>,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) wake: Notify,
}

impl Recordings {
    /// Notes a recording; the same again changes nothing.
    pub(crate) async fn keep(&self, pending: &Pending) -> Result<(), StoreError> {
        let value = serde_json::to_vec(pending).map_err(|error| StoreError::Unreadable(error.to_string()))?;
        self.state.save(&self.inbox, &pending.key(), 0, Bytes::from(value)).await?;
        self.wake.notify_one();
        Ok(())
    }

    /// Fetches as long as the house is open.
    pub(crate) async fn run(&self, shutdown: CancellationToken) -> Result<(), TaskError> {
        loop {
            if let Err(error) = self.round().await {
                tracing::warn!(inbox = %self.inbox.name, error, "recordings are fetched later");
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(EVERY) => {}
                () = shutdown.cancelled() => return Ok(()),
            }
        }
    }

    /// Tries all that are due, once; how many are left.
    pub(crate) async fn round(&self) -> Result<usize, String> {
        let all = self.state.list(&self.inbox, "recording/").await.map_err(|error| error.to_string())?;
        let mut left = 0;
        for (key, stored) in all {
            let Ok(pending) = serde_json::from_slice::<Pending>(&stored.value) else { continue };
            if pending.due > self.clock.now() {
                left += 1;
            } else if self.settled(&pending).await? {
                self.state.remove(&self.inbox, &key).await.map_err(|error| error.to_string())?;
            } else {
                left += 1;
                let again = later(pending, self.clock.now());
                let value = serde_json::to_vec(&again).map_err(|error| error.to_string())?;
                let saved = self.state.save(&self.inbox, &key, stored.version, Bytes::from(value)).await;
                saved.map_err(|error| error.to_string())?;
            }
        }
        Ok(left)
    }

    /// Whether nothing is left to do about it.
    async fn settled(&self, pending: &Pending) -> Result<bool, String> {
        let Pending { facts, id, seconds, .. } = pending;
        if self.refused(facts).await? {
            let details =
                json!({"recording_id": id, "duration": seconds, "missing": "no consent to being recorded"});
            self.tell(pending, details, Vec::new()).await?;
            self.delete(facts, id).await;
            return Ok(true);
        }
        let missing = match self.dialect.recording(&facts.account, &pending.address).await {
            Ok(fetched) => {
                let size = fetched.bytes.len();
                let judgement = Some(judge(None, &fetched.media_type, &fetched.bytes));
                let blob = self.blobs.put(fetched.bytes).await.map_err(|error| error.to_string())?;
                let file = Attachment {
                    name: Some("recording".to_owned()),
                    media_type: fetched.media_type,
                    blob,
                    inline: false,
                    content_id: None,
                    judgement,
                };
                let details = json!({"recording_id": id, "duration": seconds, "size": size});
                self.tell(pending, details, vec![file]).await?;
                self.delete(facts, id).await;
                return Ok(true);
            }
            // A provider that told of it before it has it answers "not there" for a while.
            Err(MediaError::Gone(status)) if !self.expired(pending) => {
                tracing::debug!(inbox = %self.inbox.name, status, "a recording is not there yet");
                return Ok(false);
            }
            Err(MediaError::Later(_)) if !self.expired(pending) => return Ok(false),
            Err(error) => error.to_string(),
        };
        let details = json!({"recording_id": id, "duration": seconds, "missing": missing});
        self.tell(pending, details, Vec::new()).await?;
        Ok(true)
    }

    fn expired(&self, pending: &Pending) -> bool {
        self.clock.now().duration_since(pending.since) >= PATIENCE
    }

    /// Whether the caller was asked and did not want to be recorded.
    async fn refused(&self, facts: &Facts) -> Result<bool, String> {
        let stored =
            self.state.load(&self.inbox, &key(&facts.id)).await.map_err(|error| error.to_string())?;
        let kept = stored.and_then(|stored| serde_json::from_slice::<Kept>(&stored.value).ok());
        Ok(kept.is_some_and(|kept| kept.call.learned.recording == Some(false)))
    }

    async fn tell(
        &self,
        pending: &Pending,
        details: serde_json::Value,
        attachments: Vec<Attachment>,
    ) -> Result<(), String> {
        let supplement = Supplement {
            inbox: self.inbox.clone(),
            of: contact::envelope(&self.inbox, &pending.facts.id),
            kind: SupplementKind::Recording,
            source: format!("recording/{}", pending.id),
            details: object(details),
            attachments,
            trace_keys: vec![TraceKey(pending.id.clone())],
            at: pending.since,
        };
        let taken = self.intake.accept(vec![Inbound::Supplement(Box::new(supplement))]).await;
        taken.map(drop).map_err(|refusal| refusal.to_string())
    }

    /// Deletes it at the provider, where the settings say so. What fails there is the operator's to look at.
    async fn delete(&self, facts: &Facts, id: &str) {
        if self.delete
            && let Err(error) = self.dialect.delete_recording(&facts.account, id).await
        {
            tracing::warn!(inbox = %self.inbox.name, %error, recording = id, "a recording was not deleted at the provider");
        }
    }
}

fn later(mut pending: Pending, now: Timestamp) -> Pending {
    pending.tries += 1;
    let wait = 1_i64.checked_shl(pending.tries.min(10)).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
    pending.due = now.checked_add(SignedDuration::from_secs(wait)).unwrap_or(now);
    pending
}
