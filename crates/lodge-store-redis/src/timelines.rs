//! The port of this name. A brand counts its changes; one sorted set says which timeline changed when, so that following
//! costs two reads however many there are. A cursor names the identity of the brand's records, the changes and the hints
//! that were seen.

use crate::candidates::encode_entry;
use crate::error::unreadable;
use crate::keys::BrandKeys;
use crate::scripts::{Call, scripts};
use crate::signals::LOOK_AGAIN;
use crate::store::{Core, RedisStore};
use crate::{encode, reply};
use async_trait::async_trait;
use bytes::Bytes;
use lodge_domain::ports::{StateValue, StoreError, TimelineChanges, TimelineCursor, TimelinePage, Timelines};
use lodge_domain::{BrandName, EntryId, NewEntry, TimelineEntry, TimelineId, Timestamp};
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The largest note.
const MOST_NOTE: usize = 1 << 16;
/// Entries in one call.
const PORTION: usize = 256;
/// Time (20 digits) and id (26 letters) in front of an entry's body.
const HEADER: usize = 46;

/// How far a follower is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    epoch: String,
    changes: u64,
    hints: u64,
}

impl Seen {
    fn read(cursor: &TimelineCursor) -> Option<Self> {
        let mut parts = cursor.0.split(':');
        let epoch = parts.next()?.to_owned();
        let (changes, hints) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        parts.next().is_none().then_some(Self { epoch, changes, hints })
    }

    fn cursor(&self) -> TimelineCursor {
        TimelineCursor(format!("{}:{}:{}", self.epoch, self.changes, self.hints))
    }
}

/// Makes sure that the brand's records have an identity and the brand is listed; once a process.
async fn known(core: &Core, brand: &BrandName) -> Result<(), StoreError> {
    if core.brands.mine.lock().unwrap_or_else(PoisonError::into_inner).contains(brand) {
        return Ok(());
    }
    core.bootstrap(brand).await.map(|_| ())
}

fn id_of(letters: &[u8]) -> Option<[u8; 16]> {
    data_encoding::BASE32_DNSSEC.decode(letters).ok()?.try_into().ok()
}

fn read_entry(sequence: u64, raw: &[u8]) -> Result<TimelineEntry, StoreError> {
    let damaged = || unreadable("an entry of a timeline");
    let header = reply::utf8(raw.get(..HEADER).ok_or_else(damaged)?)?;
    let (at, id) = header.split_at_checked(20).ok_or_else(damaged)?;
    Ok(TimelineEntry {
        sequence,
        id: EntryId(id_of(id.as_bytes()).ok_or_else(damaged)?),
        at: encode::read_time(at).ok_or_else(damaged)?,
        body: Bytes::copy_from_slice(raw.get(HEADER..).unwrap_or_default()),
    })
}

/// Where the brand's followers would be if they had seen everything.
async fn end(core: &Core, brand: &BrandName) -> Result<Seen, StoreError> {
    let mut command = redis::cmd("HMGET");
    command.arg(BrandKeys::new(brand).head()).arg("epoch").arg("tn").arg("hn");
    let mut values = reply::list(core.wire.command(&command).await?)?.into_iter();
    let mut next = || -> Result<String, StoreError> {
        let raw = reply::bytes(values.next().unwrap_or(redis::Value::Nil))?;
        Ok(raw.map(|raw| reply::utf8(&raw).map(ToOwned::to_owned)).transpose()?.unwrap_or_default())
    };
    let (epoch, changes, hints) = (next()?, next()?, next()?);
    Ok(Seen { epoch, changes: changes.parse().unwrap_or(0), hints: hints.parse().unwrap_or(0) })
}

async fn changed(core: &Core, brand: &BrandName, after: u64) -> Result<Vec<TimelineId>, StoreError> {
    let mut command = redis::cmd("ZRANGEBYSCORE");
    command.arg(BrandKeys::new(brand).fixed("tz")).arg(format!("({after}")).arg("+inf");
    let found = reply::bytes_list(core.wire.command(&command).await?)?;
    found
        .iter()
        .map(|raw| id_of(raw).map(TimelineId).ok_or_else(|| unreadable("a timeline's name")))
        .collect()
}

async fn hints(core: &Core, brand: &BrandName, after: u64) -> Result<Vec<(TimelineId, Bytes)>, StoreError> {
    let mut command = redis::cmd("LRANGE");
    command.arg(BrandKeys::new(brand).fixed("th")).arg(0).arg(-1);
    let mut new = Vec::new();
    for raw in reply::bytes_list(core.wire.command(&command).await?)? {
        let Some(comma) = raw.iter().position(|b| *b == b',') else { continue };
        let number = reply::utf8(&raw[..comma])?.parse::<u64>().unwrap_or(0);
        let timeline = raw.get(comma + 1..comma + 27).and_then(id_of);
        if let (true, Some(timeline)) = (number > after, timeline) {
            new.push((TimelineId(timeline), Bytes::copy_from_slice(&raw[comma + 27..])));
        }
    }
    Ok(new)
}

#[async_trait]
impl Timelines for RedisStore {
    async fn append(&self, brand: &BrandName, entries: Vec<NewEntry>) -> Result<Vec<u64>, StoreError> {
        if entries.is_empty() || entries.len() > PORTION {
            let none = entries.is_empty();
            return if none { Ok(Vec::new()) } else { Err(StoreError::Busy) };
        }
        let core = &self.core;
        known(core, brand).await?;
        let mut call = Call::new(&scripts().append, &BrandKeys::new(brand).head());
        call.arg(entries.len().to_string());
        for entry in &entries {
            encode_entry(&mut call, entry);
        }
        let numbers = reply::bytes_list(core.wire.call(&call).await?)?;
        core.signals.timelines.notify_waiters();
        let read =
            |raw: &Vec<u8>| reply::utf8(raw)?.parse().map_err(|_| unreadable("the number of an entry"));
        numbers.iter().map(read).collect()
    }

    async fn entries(
        &self,
        brand: &BrandName,
        timeline: &TimelineId,
        after: u64,
        most: usize,
    ) -> Result<TimelinePage, StoreError> {
        let key = BrandKeys::new(brand).by_value('t', &timeline.0);
        let most = most.min(PORTION);
        let mut command = redis::cmd("HMGET");
        command.arg(&key).arg("n");
        for at in 1..=most as u64 {
            command.arg(format!("e{}", after.saturating_add(at)));
        }
        let mut values = reply::list(self.core.wire.command(&command).await?)?.into_iter();
        let last = reply::bytes(values.next().unwrap_or(redis::Value::Nil))?;
        let last = last.and_then(|raw| std::str::from_utf8(&raw).ok()?.parse().ok()).unwrap_or(0);
        let mut entries = Vec::new();
        for (at, value) in values.enumerate() {
            let Some(raw) = reply::bytes(value)? else { break };
            entries.push(read_entry(after + at as u64 + 1, &raw)?);
        }
        Ok(TimelinePage { entries, last })
    }

    async fn note(&self, brand: &BrandName, timeline: &TimelineId) -> Result<Option<StateValue>, StoreError> {
        let mut command = redis::cmd("HGET");
        command.arg(BrandKeys::new(brand).by_value('t', &timeline.0)).arg("note");
        let found = reply::bytes(self.core.wire.command(&command).await?)?;
        found.map(crate::inbox_state::read).transpose()
    }

    async fn write_note(
        &self,
        brand: &BrandName,
        timeline: &TimelineId,
        expected: u64,
        note: Bytes,
        at: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        if note.len() > MOST_NOTE {
            return Err(StoreError::Full(format!("a note of {} bytes, 64 KiB fit", note.len())));
        }
        known(&self.core, brand).await?;
        let call = Call::new(&scripts().note, &BrandKeys::new(brand).head())
            .with(encode::code(&timeline.0))
            .with(expected.to_string())
            .with(self.core.entropy.token())
            .with(encode::time(at))
            .with(note);
        let version = reply::number(self.core.wire.call(&call).await?)?;
        Ok((version > 0).then_some(version))
    }

    async fn hint(&self, brand: &BrandName, timeline: &TimelineId, hint: Bytes) -> Result<(), StoreError> {
        let call = Call::new(&scripts().hint, &BrandKeys::new(brand).head())
            .with(encode::code(&timeline.0))
            .with(hint);
        self.core.wire.call(&call).await?;
        self.core.signals.timelines.notify_waiters();
        Ok(())
    }

    async fn changes(
        &self,
        brand: &BrandName,
        after: Option<&TimelineCursor>,
        most: Duration,
    ) -> Result<TimelineChanges, StoreError> {
        let core = &self.core;
        let until = Instant::now() + most;
        let seen = after.and_then(Seen::read);
        loop {
            let mut rung = std::pin::pin!(core.signals.timelines.notified());
            rung.as_mut().enable();
            let now = end(core, brand).await?;
            let Some(seen) =
                seen.as_ref().filter(|seen| seen.epoch == now.epoch && seen.changes <= now.changes)
            else {
                let next = now.cursor();
                return Ok(TimelineChanges { changed: Vec::new(), hints: Vec::new(), missed: true, next });
            };
            if *seen != now || Instant::now() >= until {
                let changed = if now.changes > seen.changes {
                    changed(core, brand, seen.changes).await?
                } else {
                    Vec::new()
                };
                let hints =
                    if now.hints > seen.hints { hints(core, brand, seen.hints).await? } else { Vec::new() };
                return Ok(TimelineChanges { changed, hints, missed: false, next: now.cursor() });
            }
            let left = until.saturating_duration_since(Instant::now());
            // Over or rung, the next look tells.
            drop(timeout(left.min(LOOK_AGAIN), rung).await);
        }
    }
}
