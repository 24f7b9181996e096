//! Recordings and their words: noted durably when the provider tells of one, fetched with its credentials until it has it,
//! kept, and told to the core as a supplement; those that a provider brings along are kept at once. Without consent nothing
//! is fetched or kept. Never fetched from where only a callback
//! points: the provider's policy says from which hosts.

use crate::calls::Calls;
use crate::contact;
use crate::dialect::{Dialect, Facts, Held};
use crate::dues::Dues;
use crate::filing::object;
use crate::uploads::Upload;
use bytes::Bytes;
use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use lodge_channel::TaskError;
use lodge_channel::attachment_policy::judge;
use lodge_channel::fetch::MediaError;
use lodge_domain::ports::{BlobError, Blobs, Clock, InboxState, Intake, StoreError};
use lodge_domain::ticket::SupplementKind;
use lodge_domain::{Attachment, BlobRef, Inbound, InboxId, Judgement, Supplement, TraceKey, digest_parts};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
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
const VERSION: u32 = 2;

/// What is still to be fetched.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum What {
    /// A recording.
    Recording {
        /// Its length in seconds.
        seconds: Option<u32>,
    },
    /// The words of one.
    Words {
        /// The recording's id.
        recording: Option<String>,
    },
}

/// A recording, or the words of one, still to be fetched.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pending {
    version: u32,
    facts: Facts,
    what: What,
    id: String,
    address: String,
    since: Timestamp,
    due: Timestamp,
    tries: u32,
    /// Whether the caller did not want to be recorded, as far as the call itself said when this was noted.
    refused: bool,
    /// The recording itself, where it came to us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<Attachment>,
}

impl Pending {
    pub(crate) fn new(facts: Facts, what: What, id: String, address: String, now: Timestamp) -> Self {
        let (version, tries, refused) = (VERSION, 0, false);
        Self { version, facts, what, id, address, since: now, due: now, tries, refused, file: None }
    }

    /// The same, looked at no sooner than `at`.
    pub(crate) fn due(mut self, at: Timestamp) -> Self {
        self.due = at;
        self
    }

    /// The same with its length in seconds.
    pub(crate) fn lasting(mut self, seconds: Option<u32>) -> Self {
        self.what = What::Recording { seconds };
        self
    }

    /// The same with the recording itself; `None` leaves it to be fetched.
    pub(crate) fn with(mut self, file: Option<Attachment>) -> Self {
        self.file = file;
        self
    }

    fn key(&self) -> String {
        let id = HEXLOWER.encode(&digest_parts(&[self.facts.id.as_bytes(), self.id.as_bytes()])[..16]);
        match self.what {
            What::Recording { .. } => format!("recording/{id}"),
            What::Words { .. } => format!("words/{id}"),
        }
    }

    fn held(&self) -> Held<'_> {
        let Self { facts, id, address, .. } = self;
        Held { account: &facts.account, call: &facts.id, id, address }
    }
}

/// Fetches an inbox's recordings.
pub(crate) struct Recordings {
    pub(crate) inbox: InboxId,
    pub(crate) dialect: Arc<dyn Dialect>,
    pub(crate) delete: bool,
    pub(crate) intake: Arc<dyn Intake>,
    pub(crate) state: Arc<dyn InboxState>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) wake: Notify,
}

impl Recordings {
    fn dues(&self) -> Dues {
        Dues { inbox: self.inbox.clone(), state: Arc::clone(&self.state), kind: "due-recording" }
    }

    /// Notes a recording; the same again changes nothing.
    pub(crate) async fn keep(&self, mut pending: Pending) -> Result<(), StoreError> {
        // Calls are forgotten before recordings are given up.
        pending.refused = self.refused(&pending.facts).await?;
        let value =
            serde_json::to_vec(&pending).map_err(|error| StoreError::Unreadable(error.to_string()))?;
        let key = pending.key();
        self.dues().note(pending.due, &key).await?;
        self.state.save(&self.inbox, &key, 0, Bytes::from(value)).await?;
        self.wake.notify_one();
        Ok(())
    }

    /// What was noted as coming is there, or will never be.
    pub(crate) async fn arrive(&self, mut pending: Pending) -> Result<(), StoreError> {
        pending.refused = self.refused(&pending.facts).await?;
        pending.due = self.clock.now();
        let value =
            serde_json::to_vec(&pending).map_err(|error| StoreError::Unreadable(error.to_string()))?;
        let key = pending.key();
        self.dues().note(pending.due, &key).await?;
        let stored = self.state.load(&self.inbox, &key).await?;
        let version = stored.map_or(0, |stored| stored.version);
        self.state.save(&self.inbox, &key, version, Bytes::from(value)).await?;
        self.wake.notify_one();
        Ok(())
    }

    /// Stores a recording that came to us; `None` where the caller did not want to be recorded, and nothing is stored.
    pub(crate) async fn store(
        &self,
        facts: &Facts,
        upload: Upload,
    ) -> Result<Result<Option<Attachment>, BlobError>, StoreError> {
        if self.refused(facts).await? {
            return Ok(Ok(None));
        }
        let judgement = Some(judge(None, &upload.media_type, &upload.bytes));
        let blob = self.blobs.put(upload.bytes).await;
        Ok(blob.map(|blob| Some(attached(upload.media_type, blob, judgement))))
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

    /// Tries all that are due, once; how many are settled.
    pub(crate) async fn round(&self) -> Result<usize, String> {
        let failed = |error: StoreError| error.to_string();
        let dues = self.dues();
        let mut settled = 0;
        for (note, key) in dues.due(self.clock.now()).await.map_err(failed)? {
            let stored = self.state.load(&self.inbox, &key).await.map_err(failed)?;
            let version = stored.as_ref().map_or(0, |stored| stored.version);
            let read = stored.and_then(|stored| serde_json::from_slice::<Pending>(&stored.value).ok());
            match read {
                // Told of twice: it has a later note of its own.
                Some(pending) if pending.due > self.clock.now() => {}
                Some(pending) if !self.settled(&pending).await? => {
                    let again = later(pending, self.clock.now());
                    let value = serde_json::to_vec(&again).map_err(|error| error.to_string())?;
                    dues.note(again.due, &key).await.map_err(failed)?;
                    let saved = self.state.save(&self.inbox, &key, version, Bytes::from(value)).await;
                    saved.map_err(failed)?;
                }
                _ => {
                    self.state.remove(&self.inbox, &key).await.map_err(failed)?;
                    settled += 1;
                }
            }
            dues.strike(&note).await.map_err(failed)?;
        }
        Ok(settled)
    }

    /// Whether nothing is left to do about it.
    async fn settled(&self, pending: &Pending) -> Result<bool, String> {
        let refused = self.refused(&pending.facts).await.map_err(|error| error.to_string())?;
        if pending.refused || refused {
            self.tell(pending, json!({"missing": "no consent to being recorded"}), Vec::new()).await?;
            self.delete(pending).await;
            return Ok(true);
        }
        if pending.file.is_none() && pending.address.is_empty() {
            let missing = "it did not come to us, or could not be kept";
            self.tell(pending, json!({"missing": missing}), Vec::new()).await?;
            return Ok(true);
        }
        let fetched = match (&pending.file, &pending.what) {
            (Some(file), _) => Ok((json!({"size": file.blob.size}), vec![file.clone()])),
            (None, What::Recording { .. }) => self.recording(pending).await?,
            (None, What::Words { .. }) => self.words(pending).await?,
        };
        let (details, files) = match fetched {
            Ok(all) => all,
            // A provider that told of it before it has it answers "not there" for a while.
            Err(MediaError::Gone(status)) if !self.expired(pending) => {
                tracing::debug!(inbox = %self.inbox.name, status, "a recording is not there yet");
                return Ok(false);
            }
            Err(MediaError::Later(_)) if !self.expired(pending) => return Ok(false),
            Err(error) => {
                self.tell(pending, json!({"missing": error.to_string()}), Vec::new()).await?;
                return Ok(true);
            }
        };
        let kept = !files.is_empty();
        self.tell(pending, details, files).await?;
        if kept {
            self.delete(pending).await;
        }
        Ok(true)
    }

    async fn recording(
        &self,
        pending: &Pending,
    ) -> Result<Result<(Value, Vec<Attachment>), MediaError>, String> {
        let fetched = match self.dialect.recording(pending.held()).await {
            Ok(fetched) => fetched,
            Err(error) => return Ok(Err(error)),
        };
        let size = fetched.bytes.len();
        let judgement = Some(judge(None, &fetched.media_type, &fetched.bytes));
        let blob = self.blobs.put(fetched.bytes).await.map_err(|error| error.to_string())?;
        let file = attached(fetched.media_type, blob, judgement);
        Ok(Ok((json!({"size": size}), vec![file])))
    }

    async fn words(&self, pending: &Pending) -> Result<Result<(Value, Vec<Attachment>), MediaError>, String> {
        let fetched = self.dialect.transcript(pending.held()).await;
        let told = |(text, confidence): (String, Option<f64>)| {
            let text: String = text.chars().take(20_000).collect();
            (json!({"text": text, "confidence": confidence, "state": "completed"}), Vec::new())
        };
        Ok(fetched.map(told))
    }

    fn expired(&self, pending: &Pending) -> bool {
        self.clock.now().duration_since(pending.since) >= PATIENCE
    }

    /// Whether the caller was asked and did not want to be recorded.
    async fn refused(&self, facts: &Facts) -> Result<bool, StoreError> {
        let known = self.calls.known(&facts.id).await?;
        Ok(known.is_some_and(|(kept, _)| kept.call.learned.recording == Some(false)))
    }

    async fn tell(
        &self,
        pending: &Pending,
        details: Value,
        attachments: Vec<Attachment>,
    ) -> Result<(), String> {
        let mut details = object(details);
        let id = &pending.id;
        let (kind, source) = match &pending.what {
            What::Recording { seconds } => {
                details.insert("recording_id".to_owned(), json!(id));
                details.insert("duration".to_owned(), json!(seconds));
                (SupplementKind::Recording, format!("recording/{id}"))
            }
            What::Words { recording } => {
                details.insert("transcript_id".to_owned(), json!(id));
                details.insert("recording_id".to_owned(), json!(recording));
                (SupplementKind::Transcript, format!("transcript/{id}"))
            }
        };
        let supplement = Supplement {
            inbox: self.inbox.clone(),
            of: contact::envelope(&self.inbox, &pending.facts.id),
            kind,
            source,
            details,
            attachments,
            trace_keys: vec![TraceKey(id.clone())],
            at: pending.since,
        };
        let taken = self.intake.accept(vec![Inbound::Supplement(Box::new(supplement))]).await;
        taken.map(drop).map_err(|refusal| refusal.to_string())
    }

    /// Deletes a recording at the provider, where the settings say so. What fails there is the operator's to look at.
    async fn delete(&self, pending: &Pending) {
        if self.delete
            && matches!(pending.what, What::Recording { .. })
            && let Err(error) = self.dialect.delete_recording(pending.held()).await
        {
            let id = &pending.id;
            tracing::warn!(inbox = %self.inbox.name, %error, recording = id, "a recording was not deleted at the provider");
        }
    }
}

/// A recording as it is told of.
pub(crate) fn attached(media_type: String, blob: BlobRef, judgement: Option<Judgement>) -> Attachment {
    let name = Some("recording".to_owned());
    Attachment { name, media_type, blob, inline: false, content_id: None, judgement }
}

fn later(mut pending: Pending, now: Timestamp) -> Pending {
    pending.tries += 1;
    let wait = 1_i64.checked_shl(pending.tries.min(10)).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
    pending.due = now.checked_add(SignedDuration::from_secs(wait)).unwrap_or(now);
    pending
}
