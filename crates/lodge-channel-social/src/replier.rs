//! The way back: within the provider's limits or refused with the reason, never cut (F05), never outside of its window
//! (F04), each part once.

use crate::config::{LongText, UnsendableFiles};
use crate::contact::{Way, key};
use crate::outbox::{Entry, Outbox};
use crate::pace::Pacer;
use crate::speech::{Capabilities, Carries, Content, FilesOut, Outgoing, Speech, no_files};
use crate::split::{MOST_PARTS, measure, split};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use lodge_channel::{FileLinks, Health};
use lodge_domain::delivery::{
    Announced, OutboundAttachment, OutboundMessage, OutboundState, RecipientState, Sent,
};
use lodge_domain::ports::{BlobError, Blobs, BudgetVerdict, Budgets, Clock, Replier};
use lodge_domain::{DeliveryError, Disposition, InboxId, PartyHandle, ReturnPath, TraceKey};
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};

/// Sends by one account.
pub(crate) struct SocialReplier {
    pub(crate) speech: Arc<dyn Speech>,
    pub(crate) capabilities: Capabilities,
    pub(crate) pacer: Pacer,
    /// What all gateways of this account count together.
    pub(crate) budgets: Arc<dyn Budgets>,
    pub(crate) long_text: LongText,
    pub(crate) unsendable_files: UnsendableFiles,
    pub(crate) links: Arc<dyn FileLinks>,
    pub(crate) outbox: Outbox,
    pub(crate) inbox: InboxId,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) health: Arc<Health>,
    /// Until when the provider asked this account to keep still.
    pub(crate) still_until: Mutex<Option<Timestamp>>,
}

/// How long a link in a reply is good.
const LINK_LIVES: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What a message becomes: its words, with links to files that do not go otherwise, and the files that go, each by how.
struct Plan<'m> {
    text: String,
    files: Vec<(&'m OutboundAttachment, Carries)>,
}

fn never(message: impl Into<String>) -> DeliveryError {
    DeliveryError::new(Disposition::Never, message)
}

fn too_fast(wait: SignedDuration) -> DeliveryError {
    let disposition = Disposition::Later { after: Some(wait) };
    DeliveryError::new(disposition, "send faster than the provider takes it")
}

impl SocialReplier {
    fn link(&self, file: &OutboundAttachment) -> Result<String, DeliveryError> {
        let expires = self.clock.now().checked_add(LINK_LIVES).unwrap_or(Timestamp::MAX);
        let href = self.links.href(&file.blob, &file.name, &file.media_type, expires);
        href.ok_or_else(|| never("make a link to a file: set `[server] public_url`"))
    }

    /// How each file goes; what does not go is refused, or becomes a link, and is never left out.
    fn plan<'m>(&self, message: &'m OutboundMessage, way: &Way) -> Result<Plan<'m>, DeliveryError> {
        let mut plan = Plan { text: message.text.clone(), files: Vec::new() };
        for file in &message.attachments {
            let carries = match self.capabilities.files_out {
                FilesOut::All => Carries::Bytes,
                FilesOut::Some(_) => self.speech.carries(&way.to, &file.media_type, file.blob.size),
                FilesOut::None => Carries::Not,
            };
            match (carries, self.unsendable_files) {
                (Carries::Not, UnsendableFiles::Refuse) => {
                    let takes = match self.capabilities.files_out {
                        FilesOut::Some(words) => format!("this provider takes {words}"),
                        _ => "this provider takes none".to_owned(),
                    };
                    return Err(
                        no_files().detail(format!("{takes}; unsendable_files = \"link\" sends a link"))
                    );
                }
                (Carries::Not, UnsendableFiles::Link) => {
                    let line = format!("{}: {}", file.name, self.link(file)?);
                    plan.text = format!("{}\n\n{line}", plan.text).trim_start().to_owned();
                }
                _ => plan.files.push((file, carries)),
            }
        }
        Ok(plan)
    }

    /// The words in parts, within the limit.
    fn words(&self, plan: &Plan<'_>, way: &Way) -> Result<Vec<String>, DeliveryError> {
        let (limit, unit) = self.speech.limit(&way.to, &plan.text).unwrap_or(self.capabilities.text);
        let length = measure(&plan.text, unit);
        if length > limit && self.long_text == LongText::Refuse {
            return Err(never(format!("send a text of {length} where {limit} is the most: shorten it")));
        }
        let parts = split(&plan.text, limit, unit);
        if parts.len() > MOST_PARTS {
            return Err(never(format!("send a text of {length}: more than {MOST_PARTS} parts of {limit}")));
        }
        if parts.is_empty() && plan.files.is_empty() {
            return Err(never("send nothing: the text is empty"));
        }
        Ok(parts)
    }

    fn within_window(&self, way: &Way, now: Timestamp) -> Result<(), DeliveryError> {
        let Some(end) = way.window_ends_at.filter(|end| now > *end) else { return Ok(()) };
        self.speech.beyond_window(end, now).map_err(|instead| {
            never("send outside of the reply window").detail(format!("it ended at {end}; {instead}"))
        })
    }

    fn still(&self, now: Timestamp) -> Result<(), DeliveryError> {
        let until = *self.still_until.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(until) = until.filter(|until| now < *until) else { return Ok(()) };
        let after = Some(until.duration_since(now));
        Err(DeliveryError::new(Disposition::Later { after }, "send while the provider asked us to wait"))
    }

    /// Waits for this account's turn to speak to them; where that is long, others go first.
    async fn in_turn(&self, way: &Way) -> Result<(), DeliveryError> {
        match self.pacer.book(&way.party, self.clock.now()) {
            Ok(wait) => {
                self.in_turn_of_all(way).await?;
                tokio::time::sleep(std::time::Duration::try_from(wait).unwrap_or_default()).await;
                Ok(())
            }
            Err(wait) => Err(too_fast(wait)),
        }
    }

    /// Takes from what all gateways may say together. A store that does not answer keeps nobody from speaking: each of them
    /// still keeps the pace by itself.
    async fn in_turn_of_all(&self, way: &Way) -> Result<(), DeliveryError> {
        let tallies = self.capabilities.pace.tallies(self.inbox.name.as_str(), &way.party);
        if tallies.is_empty() {
            return Ok(());
        }
        match self.budgets.take(&self.inbox.brand, &tallies).await {
            Ok(BudgetVerdict::Granted) => Ok(()),
            Ok(BudgetVerdict::Exhausted { until, label }) => {
                let wait = until.duration_since(self.clock.now()).max(SignedDuration::from_secs(1));
                Err(too_fast(wait).detail(label))
            }
            Err(error) => {
                tracing::warn!(inbox = %self.inbox.name, %error, "the pace of all gateways is not known");
                Ok(())
            }
        }
    }

    /// What a failure means for this account, beyond the message that failed.
    fn learn(&self, error: &DeliveryError, now: Timestamp) {
        match error.disposition {
            Disposition::Misconfigured => {
                let advice = "check the inbox's token and its rights at the provider";
                self.health.fails(format!("{error}; {advice}"));
            }
            Disposition::Later { after: Some(after) } => {
                let until = now.checked_add(after).ok();
                *self.still_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
            }
            Disposition::Later { after: None } if !error.answered => self.health.fails(error.to_string()),
            _ => {}
        }
    }

    async fn bytes(&self, blob: &lodge_domain::BlobRef) -> Result<bytes::Bytes, DeliveryError> {
        self.blobs.read(blob).await.map_err(|error| match error {
            BlobError::Unavailable(_) | BlobError::NoRoom(_) => {
                DeliveryError::later(format!("read a file: {error}")).unanswered()
            }
            BlobError::Missing | BlobError::Damaged => never(format!("read a file: {error}")),
        })
    }
}

#[async_trait]
impl Replier for SocialReplier {
    fn announce(&self, _: &OutboundMessage) -> Announced {
        Announced::default()
    }

    async fn send(&self, message: &OutboundMessage) -> Result<Sent, DeliveryError> {
        let way: Way = serde_json::from_value(message.return_path.sealed.clone())
            .map_err(|_| never("read the way back, which another version sealed"))?;
        let now = self.clock.now();
        self.within_window(&way, now)?;
        let plan = self.plan(message, &way)?;
        let words = self.words(&plan, &way)?;
        self.still(now)?;
        let unreadable = |error: lodge_domain::ports::StoreError| {
            DeliveryError::later(format!("look up what went out: {error}")).unanswered()
        };
        let before = self.outbox.to(&way.party).await.map_err(unreadable)?;
        let mut done: Vec<Entry> = before.into_iter().filter(|entry| entry.about == message.id).collect();
        for part in 0..words.len() + plan.files.len() {
            if done.iter().any(|entry| entry.part == part) {
                continue;
            }
            self.in_turn(&way).await?;
            let file = part.checked_sub(words.len()).and_then(|at| plan.files.get(at));
            let href = match file {
                Some((file, Carries::Link)) => self.link(file)?,
                _ => String::new(),
            };
            let content = match (words.get(part), file) {
                (Some(words), _) => Content::Text(words),
                (None, Some((file, Carries::Link))) => Content::Link {
                    name: &file.name,
                    media_type: &file.media_type,
                    size: file.blob.size,
                    href: &href,
                },
                (None, Some((file, _))) => Content::File {
                    name: &file.name,
                    media_type: &file.media_type,
                    bytes: self.bytes(&file.blob).await?,
                },
                (None, None) => continue,
            };
            let window = way.window_ends_at.map(|end| (end, now));
            let outgoing =
                Outgoing { id: &message.id, kind: message.kind, part, way: &way.to, window, content };
            let id = self.speech.send(&outgoing).await.inspect_err(|error| self.learn(error, now))?;
            let entry =
                Entry { party: way.party.clone(), id, about: message.id.clone(), part, at: self.clock.now() };
            if let Err(error) = self.outbox.note(entry.clone()).await {
                // It went out: only its receipts will not find it.
                tracing::warn!(inbox = %self.inbox.name, %error, "what was sent could not be noted");
            }
            done.push(entry);
        }
        self.health.works();
        let ids: Vec<String> = done.into_iter().filter_map(|entry| entry.id).collect();
        let text = (!ids.is_empty()).then(|| ids.join(", "));
        Ok(Sent {
            keys: ids.iter().filter_map(|id| key(&self.inbox, "message", id)).collect(),
            traces: ids.into_iter().map(TraceKey).collect(),
            recipients: vec![RecipientState { handle: way.party, state: OutboundState::Sent, text }],
            unless_seen: None,
        })
    }

    fn path_to(&self, party: &PartyHandle, _: Option<&str>) -> Option<ReturnPath> {
        let to = self.speech.way_to(party)?;
        let way = Way { party: party.value.clone(), to, window_ends_at: None };
        Some(ReturnPath { inbox: self.inbox.name.clone(), sealed: json!(way) })
    }
}

/// How long to wait where a provider says that we are too fast, and not how long.
pub(crate) const TOO_FAST: SignedDuration = SignedDuration::from_secs(5);
