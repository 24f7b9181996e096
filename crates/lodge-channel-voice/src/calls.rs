//! Calls as they are kept, so that any gateway goes on with them, and changed only by who saw the latest. A call that
//! nobody tells the end of, and one that is over, come up again when their time has come.

use crate::dialect::Facts;
use crate::dialogue::{Call, Dialogue, Learned};
use crate::dues::Dues;
use bytes::Bytes;
use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use lodge_domain::ports::{Clock, InboxState, Refusal, StoreError};
use lodge_domain::{InboxId, Reference, digest_parts};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// The layout of what is kept.
const VERSION: u32 = 2;
/// A call that nothing was heard of for this long is over, whoever forgot to say so.
const SILENT: SignedDuration = SignedDuration::from_mins(30);
/// How long a call that is over is remembered, for callbacks that are repeated.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(30);

/// A call as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Kept {
    version: u32,
    pub(crate) facts: Facts,
    pub(crate) call: Call,
    pub(crate) began: Timestamp,
    pub(crate) heard: Timestamp,
    pub(crate) filed: Option<Filed>,
    pub(crate) status: Option<String>,
    pub(crate) answers: Vec<Given>,
    /// The turns whose audio came, or comes, to us.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) streamed: Vec<u32>,
}

impl Kept {
    /// Whether it was filed as a ticket.
    pub(crate) fn is_ticket(&self) -> bool {
        self.filed.as_ref().is_some_and(|filed| filed.reference.is_some())
    }

    /// What was answered to the callback with this digest, if it came before.
    pub(crate) fn given(&self, digest: &str) -> Option<Given> {
        self.answers.iter().find(|given| given.to == digest).cloned()
    }
}

/// How a call was filed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Filed {
    /// `None` where the settings say that such a call is no ticket.
    pub(crate) reference: Option<Reference>,
    /// What the contact says.
    pub(crate) learned: Learned,
}

/// An answer that was given.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Given {
    /// The digest of what it answers.
    pub(crate) to: String,
    pub(crate) answer: String,
    /// Whether nothing is left to do about it.
    pub(crate) done: bool,
}

/// What to do about a call whose time has come.
pub(crate) enum Overdue {
    /// Nothing.
    Nothing,
    /// It is over, and nobody said so.
    Silent(Box<Kept>, u64),
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

pub(crate) fn refusal(error: &StoreError) -> Refusal {
    match error {
        StoreError::Busy => Refusal::Busy { retry_after: Duration::from_secs(1) },
        StoreError::Closed => Refusal::Closing,
        error => Refusal::Unavailable { reason: error.to_string(), retry_after: Duration::from_secs(5) },
    }
}

/// The calls of one inbox.
pub(crate) struct Calls {
    inbox: InboxId,
    state: Arc<dyn InboxState>,
    clock: Arc<dyn Clock>,
    dues: Dues,
}

impl Calls {
    pub(crate) fn new(inbox: InboxId, state: Arc<dyn InboxState>, clock: Arc<dyn Clock>) -> Self {
        let dues = Dues { inbox: inbox.clone(), state: Arc::clone(&state), kind: "due-call" };
        Self { inbox, state, clock, dues }
    }

    /// A call that is known, and its version.
    pub(crate) async fn known(&self, call: &str) -> Result<Option<(Kept, u64)>, StoreError> {
        let stored = self.state.load(&self.inbox, &key(call)).await?;
        Ok(stored.and_then(|stored| Some((serde_json::from_slice(&stored.value).ok()?, stored.version))))
    }

    /// The call as it is kept, and its version; a fresh one where nothing is.
    pub(crate) async fn load(&self, facts: &Facts, dialogue: &Dialogue) -> Result<(Kept, u64), Refusal> {
        let stored = self.state.load(&self.inbox, &key(&facts.id)).await.map_err(|error| refusal(&error))?;
        let now = self.clock.now();
        let version = stored.as_ref().map_or(0, |stored| stored.version);
        let known = stored.and_then(|stored| serde_json::from_slice::<Kept>(&stored.value).ok());
        let fresh = || Kept {
            version: VERSION,
            facts: facts.clone(),
            call: Call::begin(dialogue),
            began: now,
            heard: now,
            filed: None,
            status: None,
            answers: Vec::new(),
            streamed: Vec::new(),
        };
        Ok((known.unwrap_or_else(fresh), version))
    }

    /// Whether it was saved; another gateway may have been faster.
    pub(crate) async fn save(&self, kept: &mut Kept, version: u64) -> Result<bool, Refusal> {
        kept.heard = self.clock.now();
        let key = key(&kept.facts.id);
        let unreadable = |error: serde_json::Error| refusal(&StoreError::Unreadable(error.to_string()));
        let value = Bytes::from(serde_json::to_vec(kept).map_err(unreadable)?);
        if version == 0 {
            // Noted first: a note without a call is nothing, a call without a note would stay for ever.
            self.dues.note(after(kept.heard, SILENT), &key).await.map_err(|error| refusal(&error))?;
        }
        let saved = self.state.save(&self.inbox, &key, version, value).await;
        saved.map(|saved| saved.is_some()).map_err(|error| refusal(&error))
    }

    /// The calls whose time has come, each with the note that says so.
    pub(crate) async fn due(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.dues.due(self.clock.now()).await
    }

    /// Looks at a call whose time may have come: forgets it where it is long over, and comes back to it where it is not.
    pub(crate) async fn overdue(&self, key: &str) -> Result<Overdue, StoreError> {
        let Some(stored) = self.state.load(&self.inbox, key).await? else { return Ok(Overdue::Nothing) };
        let Ok(kept) = serde_json::from_slice::<Kept>(&stored.value) else {
            // Nobody can go on with what nobody can read.
            self.state.remove(&self.inbox, key).await?;
            return Ok(Overdue::Nothing);
        };
        let over = kept.call.ended && kept.filed.is_some();
        let at = after(kept.heard, if over { REMEMBERED } else { SILENT });
        if self.clock.now() < at {
            self.dues.note(at, key).await?;
            return Ok(Overdue::Nothing);
        }
        if over {
            self.state.remove(&self.inbox, key).await?;
            return Ok(Overdue::Nothing);
        }
        self.dues.note(after(self.clock.now(), REMEMBERED), key).await?;
        Ok(Overdue::Silent(Box::new(kept), stored.version))
    }

    /// Strikes a note out, once what it named was looked at.
    pub(crate) async fn strike(&self, note: &str) -> Result<(), StoreError> {
        self.dues.strike(note).await
    }
}

/// A little later than `wait` after `at`: notes have whole seconds.
fn after(at: Timestamp, wait: SignedDuration) -> Timestamp {
    at.checked_add(wait).unwrap_or(at)
}
