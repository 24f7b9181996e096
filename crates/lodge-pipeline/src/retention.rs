//! Removes what is older than it may be, and keeps the gauges of the store's content.
//!
//! Dead letters never age, and nothing that they or their events refer to goes while they are there.

use crate::dead_letter;
use crate::pipeline::Shared;
use jiff::{SignedDuration, Timestamp};
use lodge_domain::ports::{PurgeClass, StoreError};
use lodge_telemetry::catalogue::{LaneLabels, metrics};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The time between two rounds.
const EVERY: Duration = Duration::from_secs(3600);
/// The time before the first one: a gateway that restarts has better things to do.
const FIRST: Duration = Duration::from_secs(120);
/// The time between two looks at the gauges.
const GAUGES_EVERY: Duration = Duration::from_secs(10);
/// Events are kept at least this long for a core that fetches them.
const LEAST_FEED: SignedDuration = SignedDuration::from_hours(14 * 24);
/// What was said is kept at least this long, or a visitor who is away for lunch would miss an answer.
const LEAST_TIMELINES: SignedDuration = SignedDuration::from_hours(24);
/// The name under which one process of several does it.
const LEASE: &str = "retention";

/// Purges every hour, in one process at a time.
pub(crate) async fn keep_tidy(shared: Arc<Shared>, soft: CancellationToken, hard: CancellationToken) {
    let mut pause = FIRST;
    loop {
        tokio::select! {
            () = tokio::time::sleep(shared.jittered(pause)) => {}
            () = soft.cancelled() => return,
            () = hard.cancelled() => return,
        }
        tokio::select! {
            () = round(&shared) => {}
            () = soft.cancelled() => return,
            () = hard.cancelled() => return,
        }
        pause = EVERY;
    }
}

async fn round(shared: &Shared) {
    let held = shared.store.leases.acquire(LEASE, shared.node.as_str(), EVERY / 2).await;
    let Ok(Some(lease)) = held else { return };
    match purge(shared).await {
        Ok(gone) => tracing::info!(gone, "old records removed"),
        Err(error) => tracing::warn!(%error, "old records were not removed, trying again later"),
    }
    if let Err(error) = shared.store.leases.release(&lease).await {
        tracing::debug!(%error, "the lease ends by itself");
    }
}

/// One round; how many records and blobs went.
pub(crate) async fn purge(shared: &Shared) -> Result<u64, StoreError> {
    let kept = shared.live().settings.retention;
    let classes = [
        (PurgeClass::Transient, kept.transient),
        (PurgeClass::Feed, kept.feed.max(LEAST_FEED)),
        (PurgeClass::Dedupe, kept.dedupe),
        (PurgeClass::Conversations, kept.conversations),
        (PurgeClass::Timelines, kept.timelines.max(LEAST_TIMELINES)),
    ];
    let now = shared.now();
    let mut all = 0;
    for (class, age) in classes {
        let before = now.checked_sub(age).unwrap_or(Timestamp::MIN);
        loop {
            let gone = shared.store.housekeeping.purge(class, before).await?;
            all += gone;
            if gone == 0 {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    Ok(all + sweep(shared, now.checked_sub(kept.originals).unwrap_or(Timestamp::MIN)).await?)
}

/// Removes old originals and attachments, except those that a dead letter needs.
async fn sweep(shared: &Shared, before: Timestamp) -> Result<u64, StoreError> {
    let Some(blobs) = &shared.blobs else { return Ok(0) };
    let needed = needed(shared).await?;
    let gone = blobs.sweep(before, &|hash: &str| needed.contains(hash)).await;
    Ok(gone.unwrap_or_else(|error| {
        tracing::warn!(%error, "old originals were not removed, trying again later");
        0
    }))
}

/// The hashes that stand in dead letters and in the events they are about.
async fn needed(shared: &Shared) -> Result<HashSet<String>, StoreError> {
    let mut needed = HashSet::new();
    for letter in dead_letter::all(&shared.store).await? {
        hashes(&letter.work.payload, &mut needed);
        hashes(&letter.work.subject, &mut needed);
        let Some(event) = lodge_domain::EventId::parse(&letter.work.subject) else { continue };
        if let Some(item) = shared.store.feed.event(&letter.work.brand, &event).await? {
            hashes(&String::from_utf8_lossy(&item.body), &mut needed);
        }
    }
    Ok(needed)
}

/// All words of 64 hexadecimal digits in `text`.
fn hashes(text: &str, out: &mut HashSet<String>) {
    let words = text.split(|c: char| !c.is_ascii_hexdigit());
    out.extend(words.filter(|word| word.len() == 64).map(str::to_ascii_lowercase));
}

/// Keeps the gauges of lanes and dead letters.
pub(crate) async fn keep_gauges(shared: Arc<Shared>, soft: CancellationToken, hard: CancellationToken) {
    let mut seen: HashSet<String> = HashSet::new();
    loop {
        if let Ok(counts) = shared.store.housekeeping.counts().await {
            let now = shared.now();
            metrics().dead_letters.set(i64::try_from(counts.dead_letters).unwrap_or(i64::MAX));
            for lane in seen.iter().filter(|lane| !counts.lanes.iter().any(|depth| depth.lane == **lane)) {
                set(lane, 0, 0);
            }
            for depth in counts.lanes {
                let age = depth.oldest.map_or(0, |at| now.duration_since(at).as_secs().max(0));
                set(&depth.lane, i64::try_from(depth.depth).unwrap_or(i64::MAX), age);
                seen.insert(depth.lane);
            }
        }
        tokio::select! {
            () = tokio::time::sleep(GAUGES_EVERY) => {}
            () = soft.cancelled() => return,
            () = hard.cancelled() => return,
        }
    }
}

fn set(lane: &str, depth: i64, age: i64) {
    let labels = LaneLabels { lane: lane.to_owned() };
    metrics().lane_depth.get_or_create(&labels).set(depth);
    metrics().lane_oldest_seconds.get_or_create(&labels).set(age);
}
