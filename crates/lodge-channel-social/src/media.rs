//! Files that come with contacts: fetched at once with the provider's credentials, while a contact waits no longer than a
//! provider does. What is not there by then is noted, durably, before the contact is accepted, and comes later as a
//! supplement; what has expired stays a placeholder (G04).

use crate::contact::Files;
use crate::heard::{Media, Said};
use crate::speech::Speech;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use lodge_channel::attachment_policy::judge;
use lodge_channel::fetch::{MediaClient, MediaError};
use lodge_channel::{Context, Task, TaskError};
use lodge_domain::ports::{BlobError, Refusal};
use lodge_domain::ticket::SupplementKind;
use lodge_domain::{Attachment, EnvelopeId, Inbound, Supplement};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// How long a webhook waits for its files.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How often what is owed is looked at.
const EVERY: Duration = Duration::from_secs(5);
/// After so many tries a file is given up.
const MOST_TRIES: u32 = 12;

/// A file that a contact is still owed.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Owed {
    of: EnvelopeId,
    at: usize,
    media: Media,
    tries: u32,
    due: Timestamp,
    noted: Timestamp,
}

/// Fetches the files of one inbox.
pub(crate) struct Fetcher {
    pub(crate) client: MediaClient,
    pub(crate) speech: Arc<dyn Speech>,
    pub(crate) context: Context,
}

impl Fetcher {
    /// The files of something said, as far as they are there in time.
    pub(crate) async fn files(&self, said: &Said) -> Result<Files, BlobError> {
        let all = said.media.iter().map(|media| tokio::time::timeout(PATIENCE, self.fetch(media)));
        let mut files = Files::default();
        for (media, fetched) in said.media.iter().zip(futures_util::future::join_all(all).await) {
            let state = match fetched {
                Ok(Ok((media_type, bytes))) => {
                    files.attachments.push(self.keep(media, media_type, bytes).await?);
                    "stored"
                }
                Err(_) => "pending",
                Ok(Err(error)) => state_of(&error),
            };
            files.states.push(state);
        }
        Ok(files)
    }

    /// Notes the files that `of` is still owed. Before it is accepted: a crash in between costs a look-up, never a file.
    pub(crate) async fn note(&self, of: &EnvelopeId, said: &Said, files: &Files) -> Result<(), Refusal> {
        let now = self.context.clock.now();
        let pending =
            said.media.iter().zip(&files.states).enumerate().filter(|(_, (_, state))| **state == "pending");
        for (at, (media, _)) in pending {
            let owed = Owed { of: of.clone(), at, media: media.clone(), tries: 1, due: now, noted: now };
            self.save(&owed, 0).await?;
        }
        Ok(())
    }

    async fn save(&self, owed: &Owed, version: u64) -> Result<(), Refusal> {
        let key = format!("media/{}/{}", owed.of, owed.at);
        let unavailable =
            |reason: String| Refusal::Unavailable { reason, retry_after: Duration::from_secs(5) };
        let value = serde_json::to_vec(owed).map_err(|error| unavailable(error.to_string()))?;
        let saved = self.context.state.save(&self.context.inbox, &key, version, value.into()).await;
        // A note that is there already is as good.
        saved.map(drop).map_err(|error| unavailable(error.to_string()))
    }

    async fn fetch(&self, media: &Media) -> Result<(String, Bytes), MediaError> {
        let (address, credentials) = self.speech.locate(media).await?;
        let fetched = self.client.fetch(&address, &credentials).await?;
        // A sign-in page in place of a picture is how some hosts say that we may not have it.
        if fetched.media_type == "text/html" && media.kind != "file" {
            return Err(MediaError::Gone(200));
        }
        let general = fetched.media_type == "application/octet-stream";
        let declared = media.media_type.clone().filter(|_| general);
        Ok((declared.unwrap_or(fetched.media_type), fetched.bytes))
    }

    async fn keep(&self, media: &Media, media_type: String, bytes: Bytes) -> Result<Attachment, BlobError> {
        let judgement = Some(judge(media.name.as_deref(), &media_type, &bytes));
        let blob = self.context.blobs.put(bytes).await?;
        let name =
            media.name.as_ref().map(|name| name.chars().filter(|c| !c.is_control()).take(200).collect());
        Ok(Attachment { name, media_type, blob, inline: false, content_id: None, judgement })
    }

    /// Fetches what is owed and due.
    async fn round(&self) -> Result<(), TaskError> {
        let failed = |error: &dyn std::fmt::Display| TaskError(format!("fetch late files: {error}"));
        let all = self.context.state.list(&self.context.inbox, "media/").await.map_err(|e| failed(&e))?;
        for (key, stored) in all {
            let Ok(mut owed) = serde_json::from_slice::<Owed>(&stored.value) else { continue };
            let now = self.context.clock.now();
            if owed.due > now || self.context.shutdown.is_cancelled() {
                continue;
            }
            let outcome = self.fetch(&owed.media).await;
            let (state, attachments) = match outcome {
                Ok((media_type, bytes)) => {
                    let kept = self.keep(&owed.media, media_type, bytes).await.map_err(|e| failed(&e))?;
                    ("stored", vec![kept])
                }
                Err(error) if error.passes() && owed.tries < MOST_TRIES => {
                    owed.tries += 1;
                    let wait = SignedDuration::from_secs(5 << owed.tries.min(12));
                    owed.due = now.checked_add(wait).unwrap_or(Timestamp::MAX);
                    self.save(&owed, stored.version).await.map_err(|e| failed(&e))?;
                    continue;
                }
                Err(error) if error.passes() => ("gone", Vec::new()),
                Err(error) => (state_of(&error), Vec::new()),
            };
            let supplement = self.supplement(&owed, state, attachments, now);
            let inbound = vec![Inbound::Supplement(Box::new(supplement))];
            self.context.intake.accept(inbound).await.map_err(|e| failed(&e))?;
            self.context.state.remove(&self.context.inbox, &key).await.map_err(|e| failed(&e))?;
        }
        Ok(())
    }

    fn supplement(
        &self,
        owed: &Owed,
        state: &str,
        attachments: Vec<Attachment>,
        now: Timestamp,
    ) -> Supplement {
        let Media { kind, name, media_type, .. } = &owed.media;
        let media =
            json!({"kind": kind, "name": name, "media_type": media_type, "state": state, "at": owed.at});
        let details = [("media".to_owned(), media)].into_iter().collect();
        Supplement {
            inbox: self.context.inbox.clone(),
            of: owed.of.clone(),
            kind: SupplementKind::Media,
            source: format!("media {}", owed.at),
            details,
            attachments,
            trace_keys: Vec::new(),
            at: now,
        }
    }
}

fn state_of(error: &MediaError) -> &'static str {
    match error {
        MediaError::Later(_) => "pending",
        MediaError::Gone(_) => "gone",
        MediaError::Refused => "refused",
        MediaError::TooLarge(_) => "too_large",
    }
}

/// The task that brings late files.
pub(crate) fn task(fetcher: Arc<Fetcher>) -> Task {
    Task::new(format!("late files of {}", fetcher.context.inbox.name), move || {
        let fetcher = Arc::clone(&fetcher);
        async move {
            while !fetcher.context.shutdown.is_cancelled() {
                fetcher.round().await?;
                tokio::select! {
                    () = tokio::time::sleep(EVERY) => {}
                    () = fetcher.context.shutdown.cancelled() => {}
                }
            }
            Ok(())
        }
    })
}
