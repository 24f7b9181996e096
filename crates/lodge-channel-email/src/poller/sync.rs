//! A session with a mailbox: makes good what a crash left undone, catches up, then waits for news and catches up again.

use super::after;
use super::cursor::{Cursor, Place};
use super::fetch::{FetchError, Mail, fetch};
use super::filing::{Filed, Filing, FilingError, Purse};
use super::gather;
use super::outcome::{Memory, SyncError};
use super::plan::{Batch, plan};
use super::quarantine::stand_in;
use super::task::Mailbox;
use crate::error::MailError;
use crate::imap::{Meta, Selected, Session, UidSet, Waited};
use lodge_channel::Attempts;
use lodge_telemetry::failpoint::pass;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often mails are looked for that became visible late, and refused flags are tried again.
const RESYNC: Duration = Duration::from_secs(15 * 60);
/// How long one IDLE lasts: far below what servers and middle boxes allow, so that a silent death is noticed in time (A03).
const IDLE: Duration = Duration::from_secs(50);
/// How many mails are looked at before the first of them is fetched; fewer after sessions that ended by looking.
const CHUNK: usize = 1_000;
/// How often a catch-up looks again for what was not done in the round before.
const ROUNDS: usize = 4;

/// Runs one session until `stop`.
pub(super) async fn run(
    mailbox: &Mailbox,
    memory: &mut Memory,
    stop: &CancellationToken,
) -> Result<(), SyncError> {
    let mut session = mailbox.account.log_in(mailbox.context.connector.as_ref()).await?;
    let folder = session.select(&mailbox.settings.folder).await?;
    let mut place = Place::new(mailbox.context.clone(), &mailbox.settings.folder);
    let cursor = take_up(mailbox, &mut session, &folder, &mut place).await?;
    if memory.uid_validity != folder.uid_validity {
        memory.uid_validity = folder.uid_validity;
        memory.deaths.clear();
    }
    let filing = Filing::new(
        mailbox.context.clone(),
        mailbox.reader.clone(),
        &mailbox.settings.folder,
        folder.uid_validity,
    );
    memory.tries = filing.pending().await?;
    let mut sync = Sync {
        mailbox,
        memory,
        stop,
        session,
        folder,
        place,
        cursor,
        filing,
        refusal: None,
        idles: true,
        unsaved: false,
    };
    sync.stay().await?;
    sync.session.log_out().await;
    Ok(())
}

/// The cursor of this folder as it is now.
async fn take_up(
    mailbox: &Mailbox,
    session: &mut Session,
    folder: &Selected,
    place: &mut Place,
) -> Result<Cursor, SyncError> {
    let (settings, now) = (&mailbox.settings, mailbox.context.clock.now());
    let inbox = &mailbox.context.inbox.name;
    let cursor = match place.load().await? {
        None => {
            let trace = gather::our_trace(session, folder, now).await?;
            let highest = match folder.uid_next {
                None => session.search("ALL").await?.last().copied().unwrap_or(0),
                Some(_) => 0,
            };
            if trace.is_some() {
                tracing::warn!(%inbox, folder = settings.folder, "the cursor was lost: mails without our keyword are read again");
            }
            Cursor::begin(folder, highest, settings.start, trace, now)
        }
        Some(mut cursor) => {
            let was = cursor.uid_validity;
            if was != folder.uid_validity || cursor.is_ahead_of(folder) {
                let is = folder.uid_validity;
                tracing::warn!(%inbox, folder = settings.folder, was, is, mails = folder.exists,
                    "the folder was replaced (UIDVALIDITY): all mails are told apart by their content");
                cursor.reset(is);
            }
            if settings.start == crate::config::StartPoint::All && !cursor.everything {
                cursor.widen();
            }
            cursor
        }
    };
    if place.save(&cursor).await? { Ok(cursor) } else { Err(SyncError::Overtaken) }
}

struct Sync<'a> {
    mailbox: &'a Mailbox,
    memory: &'a mut Memory,
    stop: &'a CancellationToken,
    session: Session,
    folder: Selected,
    place: Place,
    cursor: Cursor,
    filing: Filing,
    /// What the server refused to do with accepted mails.
    refusal: Option<MailError>,
    /// Whether the server takes IDLE.
    idles: bool,
    /// Whether mails were flagged or moved that the stored cursor still names as unfiled.
    unsaved: bool,
}

impl Sync<'_> {
    async fn stay(&mut self) -> Result<(), SyncError> {
        let mut next_resync = Instant::now();
        loop {
            let resync = Instant::now() >= next_resync;
            if resync {
                next_resync = Instant::now() + RESYNC;
                self.tidy().await?;
            }
            self.catch_up(resync).await?;
            if self.unsaved {
                self.save().await?;
            }
            if self.stop.is_cancelled() {
                return Ok(());
            }
            self.memory.pace.synced();
            self.memory.look = None;
            match &self.refusal {
                None => self.mailbox.health.works(),
                Some(refusal) => self
                    .mailbox
                    .health
                    .fails(format!("mail is filed, but cannot be flagged or moved: {}", refusal.advice())),
            }
            self.wait().await?;
            if self.stop.is_cancelled() {
                return Ok(());
            }
        }
    }

    /// Flags and moves what an earlier session accepted and did not come to (crash points C12 to C14).
    async fn tidy(&mut self) -> Result<(), SyncError> {
        self.refusal = None;
        if self.cursor.unfiled.is_empty() {
            return Ok(());
        }
        self.apply_after().await?;
        self.save().await
    }

    async fn apply_after(&mut self) -> Result<(), SyncError> {
        // What the server refused once is tried again at the next resync, not with every batch.
        if self.refusal.is_some() || self.cursor.unfiled.is_empty() {
            return Ok(());
        }
        self.unsaved = true;
        let after = &self.mailbox.settings.after;
        let refusal = after::file(&mut self.session, &self.folder, after, &mut self.cursor.unfiled).await?;
        self.refusal = refusal;
        Ok(())
    }

    async fn save(&mut self) -> Result<(), SyncError> {
        self.unsaved = false;
        if self.place.save(&self.cursor).await? { Ok(()) } else { Err(SyncError::Overtaken) }
    }

    /// Waits for news; with IDLE, what the server told since the last search ends the wait at once.
    async fn wait(&mut self) -> Result<(), SyncError> {
        let poll = self.mailbox.settings.poll.get();
        if self.idles && self.mailbox.settings.idle && self.session.offers("IDLE") {
            match self.session.idle(poll.min(IDLE), self.stop).await {
                Ok(Waited::News | Waited::Quiet) => return Ok(()),
                Err(MailError::Refused { .. }) => self.idles = false,
                Err(error) => return Err(error.into()),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(poll) => {}
            () = self.stop.cancelled() => return Ok(()),
        }
        Ok(self.session.noop().await?)
    }

    /// Reads everything that is there, oldest first, until nothing is left or nothing more can be done now.
    async fn catch_up(&mut self, resync: bool) -> Result<(), SyncError> {
        for round in 0..ROUNDS {
            self.session.take_news();
            let found = gather::above(&mut self.session, &self.cursor).await?;
            let mut open = self.cursor.open(&found);
            // A mail that was asked for and did not come is not done, even if it is not found any more.
            open.extend(self.cursor.misses.keys().copied().filter(|uid| *uid > self.cursor.done));
            let mut queue = open.clone();
            if resync && round == 0 {
                let now = self.mailbox.context.clock.now();
                queue.extend(gather::late(&mut self.session, &self.folder, &self.cursor, now).await?);
            }
            if queue.is_empty() {
                break;
            }
            // Oldest first, but nobody waits for one that ends sessions.
            let mut queue: Vec<u32> = queue.into_iter().collect();
            queue.sort_by_key(|uid| self.memory.deaths.get(uid).copied().unwrap_or(0));
            for chunk in queue.chunks(self.memory.look.unwrap_or(CHUNK)) {
                if self.stop.is_cancelled() {
                    return Ok(());
                }
                self.read(chunk, &found, &mut open).await?;
            }
        }
        Ok(())
    }

    async fn read(
        &mut self,
        chunk: &[u32],
        found: &BTreeSet<u32>,
        open: &mut BTreeSet<u32>,
    ) -> Result<(), SyncError> {
        let asked: UidSet = chunk.iter().copied().collect();
        let mut metas = self.look_at(&asked).await?;
        self.count_only(&mut metas, open).await?;
        let absent: Vec<u32> = asked.0.iter().copied().filter(|uid| !metas.contains_key(uid)).collect();
        self.missed(&absent, found, open).await?;
        for uid in absent.into_iter().filter(|uid| open.contains(uid)) {
            // Found, but not even its size is told: only something that stands for it can be filed, in the end.
            if self.cursor.misses.get(&uid).is_some_and(|misses| *misses >= Attempts::MOST) {
                metas.insert(uid, Meta { uid, size: 0, received: None });
            }
        }
        let mut ready = self.give_up(&mut metas);
        let mut batches = plan(&metas, &self.troubles());
        loop {
            // Once told to stop, only what is in hand is brought to its end.
            let next = if self.stop.is_cancelled() { None } else { batches.pop_front() };
            if next.is_none() && ready.is_empty() {
                return Ok(());
            }
            let (fetched, filed) = self.overlap(next.as_ref(), std::mem::take(&mut ready)).await;
            self.record(filed?, open).await?;
            match (next, fetched) {
                (Some(batch), Ok(mails)) => {
                    let came: BTreeSet<u32> = mails.iter().map(|mail| mail.uid).collect();
                    let absent: Vec<u32> = batch.uids().0.difference(&came).copied().collect();
                    self.missed(&absent, found, open).await?;
                    self.apply_after().await?;
                    ready = mails;
                }
                (Some(batch), Err(error)) => return Err(self.died(&batch, error)),
                (None, _) => self.apply_after().await?,
            }
        }
    }

    /// Sizes and dates. A server that cannot tell those of one mail ends the session; smaller and smaller chunks find which.
    async fn look_at(&mut self, asked: &UidSet) -> Result<BTreeMap<u32, Meta>, SyncError> {
        let alone = asked.0.first().copied().filter(|_| asked.0.len() == 1);
        if let Some(uid) =
            alone.filter(|uid| self.memory.deaths.get(uid).is_some_and(|n| *n >= Attempts::MOST))
        {
            return Ok([(uid, Meta { uid, size: 0, received: None })].into());
        }
        match self.session.metas(asked).await {
            Ok(metas) => Ok(metas),
            Err(error) => {
                self.memory.look = Some((asked.0.len() / 8).max(1));
                if let Some(uid) = alone {
                    *self.memory.deaths.entry(uid).or_insert(0) += 1;
                }
                Err(error.into())
            }
        }
    }

    /// Fetches the next batch while the one in hand is filed: at most two are in memory.
    async fn overlap(
        &mut self,
        next: Option<&Batch>,
        ready: Vec<Mail>,
    ) -> (Result<Vec<Mail>, FetchError>, Result<Filed, FilingError>) {
        let (session, blobs) = (&mut self.session, self.mailbox.context.blobs.as_ref());
        let purse = Purse { filing: &self.filing, cursor: &self.cursor };
        let fetching = async move {
            match next {
                Some(batch) => fetch(session, batch, blobs, &purse).await,
                None => Ok(Vec::new()),
            }
        };
        let (filing, tries, cursor) = (&self.filing, &self.memory.tries, &self.cursor);
        let filing = async move {
            if ready.is_empty() {
                return Ok(Filed::default());
            }
            filing.file(ready, tries, |received| cursor.is_backfill(received)).await
        };
        tokio::join!(fetching, filing)
    }

    /// Writes down what is accepted, in one write; flags come after.
    async fn record(&mut self, filed: Filed, open: &mut BTreeSet<u32>) -> Result<(), SyncError> {
        if filed == Filed::default() {
            return Ok(());
        }
        for uid in &filed.poisoned {
            *self.memory.tries.entry(*uid).or_insert(0) += 1;
        }
        let finished: Vec<u32> =
            [&filed.done, &filed.kept, &filed.failed].into_iter().flatten().copied().collect();
        for uid in &finished {
            self.memory.tries.remove(uid);
            self.memory.deaths.remove(uid);
        }
        self.cursor.unfiled.done.0.extend(filed.done);
        self.cursor.unfiled.kept.0.extend(filed.kept);
        self.cursor.unfiled.failed.0.extend(filed.failed);
        self.cursor.complete(&finished, open);
        self.save().await?;
        pass("c12b-mail-cursor-saved");
        Ok(())
    }

    /// After a reset, mails older than our start or our memory are no new contacts.
    async fn count_only(
        &mut self,
        metas: &mut BTreeMap<u32, Meta>,
        open: &mut BTreeSet<u32>,
    ) -> Result<(), SyncError> {
        let now = self.mailbox.context.clock.now();
        let old = |meta: &&Meta| self.cursor.only_counts(meta.received, now);
        let counted: Vec<u32> = metas.values().filter(old).map(|meta| meta.uid).collect();
        if counted.is_empty() {
            return Ok(());
        }
        let (inbox, mails) = (&self.mailbox.context.inbox.name, counted.len());
        tracing::info!(%inbox, mails, "mails from before our time are only counted");
        metas.retain(|uid, _| !counted.contains(uid));
        self.cursor.complete(&counted, open);
        self.save().await
    }

    /// Counts mails that were asked for and did not come; after three times, those that are gone leave a trace.
    async fn missed(
        &mut self,
        uids: &[u32],
        found: &BTreeSet<u32>,
        open: &mut BTreeSet<u32>,
    ) -> Result<(), SyncError> {
        let uids: Vec<u32> = uids.iter().copied().filter(|uid| open.contains(uid)).collect();
        if uids.is_empty() {
            return Ok(());
        }
        let mut gone = Vec::new();
        for uid in &uids {
            let misses = self.cursor.misses.entry(*uid).or_insert(0);
            *misses += 1;
            if *misses >= Attempts::MOST && !found.contains(uid) {
                gone.push(*uid);
            }
        }
        if !gone.is_empty() {
            self.filing.vanished(&gone).await?;
            self.cursor.complete(&gone, open);
        }
        self.save().await
    }

    /// Mails that are there and that the server did not hand out three times: something that says so stands for each.
    fn give_up(&mut self, metas: &mut BTreeMap<u32, Meta>) -> Vec<Mail> {
        let often = |counts: &BTreeMap<u32, u32>, uid: &u32| {
            counts.get(uid).is_some_and(|count| *count >= Attempts::MOST)
        };
        let (deaths, misses) = (&self.memory.deaths, &self.cursor.misses);
        let lost: Vec<Meta> =
            metas.values().filter(|m| often(deaths, &m.uid) || often(misses, &m.uid)).copied().collect();
        let domain = &self.mailbox.account.target.host;
        lost.iter()
            .map(|meta| {
                metas.remove(&meta.uid);
                stand_in(meta, &self.filing.place(meta.uid), domain)
            })
            .collect()
    }

    /// All that had trouble before, for fetching it alone and last.
    fn troubles(&self) -> BTreeMap<u32, u32> {
        let mut all = self.memory.tries.clone();
        for (uid, count) in self.memory.deaths.iter().chain(&self.cursor.misses) {
            *all.entry(*uid).or_insert(0) += count;
        }
        all
    }

    /// A session that ends while mails are fetched: they are suspects, though not yet guilty.
    fn died(&mut self, batch: &Batch, error: FetchError) -> SyncError {
        let error = match error {
            FetchError::Blobs(error) => return error.into(),
            FetchError::Mail(error) => error,
        };
        for uid in batch.uids().0 {
            *self.memory.deaths.entry(uid).or_insert(0) += 1;
        }
        error.into()
    }
}
