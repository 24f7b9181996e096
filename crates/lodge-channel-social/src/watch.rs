//! Looks for news where the provider has to be asked: one gateway at a time, as far as leases can see to that, and from where
//! the last look ended.
//!
//! The order that loses nothing: looked, understood, accepted by the hallway, mark written. A crash between any two is made
//! good by the next look, which sees the same again, and the hallway knows it by its id. What was said is looked at again for
//! a week, since nobody tells that it was changed or taken back.

use crate::desk::SocialDesk;
use crate::heard::{Heard, Said};
use async_trait::async_trait;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use lodge_channel::{Backoff, Health, Task, TaskError};
use lodge_domain::ports::{Lease, Refusal};
use lodge_domain::{DeliveryError, Disposition, Inbound};
use lodge_telemetry::failpoint::pass;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Where the mark of an inbox is kept.
const KEY: &str = "watch";
/// What lay there for longer than this when we came is an archive: it is not acknowledged.
const ARCHIVE: SignedDuration = SignedDuration::from_hours(24);
/// How far back the first look goes.
pub(crate) const FIRST_LOOK: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How many things said are looked at again, for how long, and how many at once.
const RECENT: usize = 500;
const RECENT_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);
const AT_ONCE: usize = 3;
const AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(3);
/// How many items are handed over together.
const BATCH: usize = 50;
/// How much longer than the wait for the next look a lease lasts.
const LEASE: Duration = Duration::from_secs(60);
const FAILED: Option<Backoff> = Backoff::new(Duration::from_secs(5), Duration::from_secs(300));
const REFUSED: Option<Backoff> = Backoff::new(Duration::from_secs(30), Duration::from_secs(600));
/// Refusals of who we are in a row after which we hardly try any more (T77).
const PATIENT_AFTER: u32 = 5;
const HARDLY: Duration = Duration::from_secs(3600);
/// How long after one look the next one follows at the earliest, however often the provider says that there is something:
/// servers take about one call a second, and replies are calls too.
const SPACING: Duration = Duration::from_secs(2);
/// How often it is asked whether the account is free to be looked at.
const LENT: Duration = Duration::from_secs(10);

/// What one look found.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// What the provider said, oldest first, in the shape that its settings understand.
    pub(crate) bodies: Vec<Value>,
    /// Where the next look goes on.
    pub(crate) mark: Value,
    /// Whether there is more already.
    pub(crate) more: bool,
    /// How long the provider wants to be left alone.
    pub(crate) rest: Option<SignedDuration>,
}

/// Looks at a provider that has to be asked.
#[async_trait]
pub(crate) trait Watch: Send + Sync {
    /// Whose news they are: the same for all gateways and inboxes that look there.
    fn account(&self) -> String;

    /// How often it is looked.
    fn every(&self) -> Duration;

    /// Told when the provider says that there is something, where it does.
    fn news(&self) -> Option<&Notify> {
        None
    }

    /// What came after `mark`, which is null at the first look; that goes back to `since`.
    ///
    /// # Errors
    /// Where the provider does not say; nothing is skipped then.
    async fn look(&self, mark: &Value, since: Timestamp, now: Timestamp) -> Result<Look, DeliveryError>;

    /// Whether something said can be changed or taken back without our being told.
    fn may_change(&self, said: &Said) -> bool;

    /// What became of it since; `None` where it stands as it did at `version`.
    ///
    /// # Errors
    /// Where the provider does not say.
    async fn again(&self, id: &str, version: &str, now: Timestamp) -> Result<Option<Heard>, DeliveryError>;
}

/// Something said that may yet change.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Recent {
    id: String,
    version: String,
    noted: Timestamp,
    looked: Timestamp,
}

/// How far an inbox was read, as it is kept between looks: never ahead of what the hallway accepted.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Cursor {
    /// When this inbox was looked at first.
    began_at: Timestamp,
    mark: Value,
    recent: Vec<Recent>,
}

impl Cursor {
    fn note(&mut self, said: &Said, now: Timestamp) {
        let version = said.details.get("edited_at").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.recent.retain(|one| one.id != said.id);
        self.recent.push(Recent { id: said.id.clone(), version, noted: now, looked: now });
        let surplus = self.recent.len().saturating_sub(RECENT);
        self.recent.drain(..surplus);
    }

    /// What is due to be looked at again, longest unseen first.
    fn due(&mut self, now: Timestamp) -> Vec<Recent> {
        self.recent.retain(|one| now.duration_since(one.noted) < RECENT_FOR);
        let mut due: Vec<Recent> =
            self.recent.iter().filter(|one| now.duration_since(one.looked) >= AGAIN_AFTER).cloned().collect();
        due.sort_by_key(|one| one.looked);
        due.truncate(AT_ONCE);
        due
    }

    fn is_backfill(&self, at: Timestamp) -> bool {
        self.began_at.duration_since(at) > ARCHIVE
    }
}

/// Why a look came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The provider did not answer as hoped.
    #[error("{0}")]
    Provider(DeliveryError),
    /// The hallway or the store did not take it.
    #[error("news wait at the provider: {0}")]
    Refused(Refusal),
    /// Another gateway wrote the mark meanwhile; its word counts.
    #[error("another gateway looked meanwhile")]
    Overtaken,
}

/// What follows a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// There is more already.
    AtOnce,
    /// Nothing more for now; the provider may want to be left alone for longer than usual.
    Wait(Option<SignedDuration>),
}

/// How long until the next look; for the first part of it nothing makes us look sooner.
#[derive(Clone, Copy, Debug, Default)]
struct Pause {
    wait: Duration,
    rest: Duration,
}

/// Looks for news of one inbox.
pub struct Watcher {
    pub(crate) desk: Arc<SocialDesk>,
    pub(crate) watch: Arc<dyn Watch>,
    pub(crate) health: Arc<Health>,
    pub(crate) failures: Mutex<(u32, u32)>,
}

fn unavailable(error: impl std::fmt::Display) -> WatchError {
    let (reason, retry_after) = (error.to_string(), Duration::from_secs(5));
    WatchError::Refused(Refusal::Unavailable { reason, retry_after })
}

impl Watcher {
    /// Looks once, and files what is there.
    ///
    /// # Errors
    /// Where something did not answer: the next look finds the same again.
    pub async fn round(&self) -> Result<Next, WatchError> {
        let now = self.desk.context.clock.now();
        let (version, mut cursor) = self.load(now).await?;
        let since = cursor.began_at.checked_sub(FIRST_LOOK).unwrap_or(Timestamp::MIN);
        let look = self.watch.look(&cursor.mark, since, now).await.map_err(WatchError::Provider)?;
        for body in &look.bodies {
            self.file(&Bytes::from(body.to_string()), &mut cursor, now).await?;
        }
        pass("c12-news-accepted");
        cursor.mark = look.mark;
        let version = self.save(version, &cursor).await?;
        // News first: what may have changed is looked at once nothing new waits.
        if !look.more && look.rest.is_none() {
            self.look_again(version, cursor, now).await?;
        }
        Ok(if look.more { Next::AtOnce } else { Next::Wait(look.rest) })
    }

    /// Files what one body says, as if a look had found it; the next look goes on where it would have.
    ///
    /// # Errors
    /// As [`Watcher::round`].
    pub async fn file_alone(&self, body: &Bytes) -> Result<(), WatchError> {
        let now = self.desk.context.clock.now();
        let (_, mut cursor) = self.load(now).await?;
        self.file(body, &mut cursor, now).await
    }

    async fn load(&self, now: Timestamp) -> Result<(u64, Cursor), WatchError> {
        let context = &self.desk.context;
        let stored = context.state.load(&context.inbox, KEY).await.map_err(unavailable)?;
        let Some(stored) = stored else {
            return Ok((0, Cursor { began_at: now, mark: Value::Null, recent: Vec::new() }));
        };
        Ok((stored.version, serde_json::from_slice(&stored.value).map_err(unavailable)?))
    }

    async fn save(&self, version: u64, cursor: &Cursor) -> Result<u64, WatchError> {
        let context = &self.desk.context;
        let value = serde_json::to_vec(cursor).map_err(unavailable)?;
        let saved = context.state.save(&context.inbox, KEY, version, value.into()).await;
        saved.map_err(unavailable)?.ok_or(WatchError::Overtaken)
    }

    /// Files what one body says. Its items are known by their ids, so that it may be filed again from its start.
    async fn file(&self, body: &Bytes, cursor: &mut Cursor, now: Timestamp) -> Result<(), WatchError> {
        let mut batch: Vec<Inbound> = Vec::new();
        for heard in self.desk.settings.understand(body, now) {
            let at = match &heard {
                Heard::Said(said) => Some(said.at),
                Heard::Edited(edited) => Some(edited.now.at),
                _ => None,
            };
            if let Heard::Said(said) | Heard::Edited(crate::heard::Edited { now: said, .. }) = &heard
                && self.watch.may_change(said)
            {
                cursor.note(said, now);
            }
            let taken = self.take(heard, body, &batch, now).await?;
            batch.extend(taken.map(|item| aged(item, at.is_some_and(|at| cursor.is_backfill(at)))));
            if batch.len() >= BATCH {
                self.accept(std::mem::take(&mut batch)).await?;
            }
        }
        self.accept(batch).await
    }

    async fn take(
        &self,
        heard: Heard,
        body: &Bytes,
        before: &[Inbound],
        now: Timestamp,
    ) -> Result<Option<Inbound>, WatchError> {
        // News come in order: what was never filed before it was taken back will not come later either.
        if let Heard::Deleted(deleted) = &heard
            && self.desk.known(&deleted.id, before).await.map_err(WatchError::Refused)?.is_none()
        {
            return Ok(None);
        }
        self.desk.take(heard, body, before, now).await.map_err(WatchError::Refused)
    }

    async fn accept(&self, batch: Vec<Inbound>) -> Result<(), WatchError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.desk.context.intake.accept(batch).await.map(drop).map_err(WatchError::Refused)
    }

    async fn look_again(&self, version: u64, mut cursor: Cursor, now: Timestamp) -> Result<(), WatchError> {
        let due = cursor.due(now);
        if due.is_empty() {
            return Ok(());
        }
        for one in due {
            let found = self.watch.again(&one.id, &one.version, now).await.map_err(WatchError::Provider)?;
            if let Some(recent) = cursor.recent.iter_mut().find(|recent| recent.id == one.id) {
                recent.looked = now;
            }
            match &found {
                None => {}
                Some(Heard::Edited(edited)) => {
                    let noted = one.noted;
                    cursor.note(&edited.now, now);
                    if let Some(recent) = cursor.recent.last_mut() {
                        recent.noted = noted;
                    }
                }
                Some(_) => cursor.recent.retain(|recent| recent.id != one.id),
            }
            if let Some(heard) = found {
                let taken = self.take(heard, &Bytes::new(), &[], now).await?;
                self.accept(taken.into_iter().collect()).await?;
            }
        }
        self.save(version, &cursor).await.map(drop)
    }

    /// Looks once and says how it went: when to look again. Where it failed, or the provider wants to be left alone, no hint
    /// shortens that.
    async fn turn(&self) -> Pause {
        let outcome = self.round().await;
        let random = self.desk.context.entropy.number();
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let error = match outcome {
            Ok(next) => {
                *failures = (0, 0);
                self.health.works();
                return match next {
                    Next::AtOnce => Pause::default(),
                    Next::Wait(rest) => {
                        let rest = rest.and_then(|rest| Duration::try_from(rest).ok()).unwrap_or_default();
                        Pause { wait: rest.max(self.watch.every()), rest }
                    }
                };
            }
            Err(WatchError::Overtaken | WatchError::Refused(Refusal::Closing)) => {
                return Pause { wait: Duration::from_millis(100), ..Pause::default() };
            }
            Err(error) => error,
        };
        let wait = self.failed(&error, &mut failures, random);
        Pause { wait, rest: wait }
    }

    /// How long to wait after this failure, of which there were so many before.
    fn failed(&self, error: &WatchError, failures: &mut (u32, u32), random: u64) -> Duration {
        failures.0 = failures.0.saturating_add(1);
        let wait = FAILED.map_or(HARDLY, |backoff| backoff.delay(failures.0, random));
        match error {
            WatchError::Provider(DeliveryError { disposition: Disposition::Misconfigured, .. }) => {
                failures.1 = failures.1.saturating_add(1);
                let patience = if failures.1 >= PATIENT_AFTER { "; now tried once an hour" } else { "" };
                let advice = "check the inbox's token or password and its rights at the provider";
                self.health.fails(format!("nothing comes in: {error}; {advice}{patience}"));
                if failures.1 >= PATIENT_AFTER {
                    return HARDLY;
                }
                REFUSED.map_or(HARDLY, |backoff| backoff.delay(failures.1, random))
            }
            WatchError::Provider(failed) => {
                let asked = match failed.disposition {
                    Disposition::Later { after } => after.and_then(|after| Duration::try_from(after).ok()),
                    _ => None,
                };
                // One lost connection, or being asked to wait, is nothing to call anybody for.
                if failures.0 > 1 && asked.is_none() {
                    self.health.fails(format!("nothing comes in: {error}"));
                }
                wait.max(asked.unwrap_or_default())
            }
            WatchError::Refused(refusal) => {
                self.health.fails(error.to_string());
                wait.max(refusal.retry_after())
            }
            WatchError::Overtaken => wait,
        }
    }

    fn lease_name(&self) -> String {
        format!("watch:{}:{}", self.desk.place.address.provider, self.watch.account())
    }

    async fn hold(&self) -> Option<Lease> {
        let context = &self.desk.context;
        let holder = format!("{}/{}", context.node, context.inbox.name);
        let lasts = self.watch.every() + LEASE;
        match context.leases.acquire(&self.lease_name(), &holder, lasts).await {
            Ok(held) => held,
            Err(error) => {
                self.health.fails(format!("the store does not lend the account: {error}"));
                None
            }
        }
    }

    /// Waits for the provider to say that there is something; not so soon after a look, nor while it wants to be left alone.
    async fn told(&self, rests_until: Timestamp) {
        let Some(news) = self.watch.news() else { return std::future::pending().await };
        let rest = rests_until.duration_since(self.desk.context.clock.now());
        tokio::time::sleep(Duration::try_from(rest).unwrap_or_default().max(SPACING)).await;
        news.notified().await;
    }

    async fn run(&self) -> Result<(), TaskError> {
        let context = &self.desk.context;
        let (mut held, mut told, mut rests_until) = (None, false, Timestamp::MIN);
        while !context.shutdown.is_cancelled() {
            held = self.hold().await;
            // Whoever is told looks, whoever holds the account: the mark is written by one of them alone.
            let looks = held.is_some() || told;
            let mut wait = LENT;
            if looks {
                let pause = self.turn().await;
                wait = pause.wait;
                rests_until = context.clock.now().checked_add(pause.rest).unwrap_or(Timestamp::MAX);
            }
            // Whoever cannot look for long lets somebody else try.
            if looks
                && wait > self.watch.every()
                && let Some(lease) = held.take()
            {
                self.give_back(&lease).await;
            }
            told = tokio::select! {
                () = tokio::time::sleep(wait) => told && wait.is_zero(),
                () = self.told(rests_until) => true,
                () = context.shutdown.cancelled() => false,
            };
        }
        if let Some(lease) = held {
            self.give_back(&lease).await;
        }
        Ok(())
    }

    async fn give_back(&self, lease: &Lease) {
        if let Err(error) = self.desk.context.leases.release(lease).await {
            tracing::debug!(inbox = %self.desk.context.inbox.name, %error, "lease not given back; it ends by itself");
        }
    }
}

/// What lay there before we came is from an archive.
fn aged(mut item: Inbound, backfill: bool) -> Inbound {
    if let Inbound::Contact(contact) = &mut item {
        contact.backfill = backfill;
    }
    item
}

/// The task that looks for news until the house closes.
pub(crate) fn task(watcher: Arc<Watcher>) -> Task {
    Task::new(format!("news of {}", watcher.desk.context.inbox.name), move || {
        let watcher = Arc::clone(&watcher);
        async move { watcher.run().await }
    })
}
