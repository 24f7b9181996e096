//! What was said both ways in sessions that are resumed, and who is told of news.

use super::{StateValue, StoreError};
use crate::{BrandName, NewEntry, TimelineEntry, TimelineId};
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use std::time::Duration;

/// How far somebody followed the changes of a brand's timelines; opaque, and only good for the store that gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineCursor(pub String);

/// Entries of a timeline, and how long it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelinePage {
    /// The entries, in order.
    pub entries: Vec<TimelineEntry>,
    /// The sequence of the timeline's last entry; 0 where it has none.
    pub last: u64,
}

/// What changed since a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineChanges {
    /// Timelines that have new entries, each once.
    pub changed: Vec<TimelineId>,
    /// Hints given since then, in order.
    pub hints: Vec<(TimelineId, Bytes)>,
    /// What came in between cannot be told (a first look, or a cursor of another life of the store): whoever follows a
    /// timeline looks at it.
    pub missed: bool,
    /// Where the next look starts.
    pub next: TimelineCursor,
}

/// Timelines: append-only, numbered from 1 without gaps, each entry once.
///
/// An entry whose id its timeline has already is that one: it keeps its number and nothing is written, whatever the
/// body. `Ledger::accept` appends a candidate's entry in the same step that files the candidate; both ways of appending
/// count as one. Timelines of different brands never meet. They are purged whole, by when their last entry was said
/// ([`super::PurgeClass::Timelines`]); one that was purged starts at 1 again.
#[async_trait]
pub trait Timelines: Send + Sync {
    /// Appends all of `entries` (at most 256), durably, in order, in one atomic step; the number of each.
    async fn append(&self, brand: &BrandName, entries: Vec<NewEntry>) -> Result<Vec<u64>, StoreError>;

    /// Up to `most` entries whose number is above `after`.
    async fn entries(
        &self,
        brand: &BrandName,
        timeline: &TimelineId,
        after: u64,
        most: usize,
    ) -> Result<TimelinePage, StoreError>;

    /// The note of a timeline: a small value that its door keeps beside the entries, changed only by who saw the latest.
    async fn note(&self, brand: &BrandName, timeline: &TimelineId) -> Result<Option<StateValue>, StoreError>;

    /// Writes the note (at most 64 KiB) if its stored version is `expected` (0: none), durably; the new version, or `None`
    /// where somebody else wrote meanwhile. A note keeps its timeline from being purged as an entry said `at` would.
    async fn write_note(
        &self,
        brand: &BrandName,
        timeline: &TimelineId,
        expected: u64,
        note: Bytes,
        at: Timestamp,
    ) -> Result<Option<u64>, StoreError>;

    /// Tells whoever follows the timeline right now, on any gateway of this store, something that is worth nothing a few
    /// seconds later (at most 4 KiB). Kept a few seconds at most; may be lost.
    async fn hint(&self, brand: &BrandName, timeline: &TimelineId, hint: Bytes) -> Result<(), StoreError>;

    /// What changed since `after` in the brand's timelines, whoever changed it. Returns at once where something did, else
    /// when something does, at the latest after `most` (with nothing). Wakes at once for changes made through this
    /// handle, within a quarter of a second for those of other processes. Cheap to call again and again, however many
    /// timelines there are. With `after: None` it answers at once: `missed`, and where to go on.
    async fn changes(
        &self,
        brand: &BrandName,
        after: Option<&TimelineCursor>,
        most: Duration,
    ) -> Result<TimelineChanges, StoreError>;
}
