//! How far a folder was read, as it is kept between sessions: never ahead of what the hallway accepted.

use crate::config::StartPoint;
use crate::imap::{Selected, UidSet};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use lodge_channel::Context;
use lodge_domain::ports::StoreError;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How long accepted mails are recognised when they are read again; older ones are only counted after a reset.
const DEDUPE_MEMORY: SignedDuration = SignedDuration::from_hours(400 * 24);
/// What lay in the mailbox for longer than this when we came is an archive.
const ARCHIVE: SignedDuration = SignedDuration::from_hours(24);
/// How many UIDs below the watermark are remembered one by one, for those that become visible late.
const RECENT: usize = 5_000;
/// How many mails may wait for their flags before the oldest are left as they are.
const UNFILED: usize = 10_000;

/// Mails that are accepted, and whose flags or place in the mailbox may still be the old ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unfiled {
    /// To be flagged, and then whatever `after` says.
    pub(super) done: UidSet,
    /// To be flagged; they stay where they are, since only a part of them is kept.
    pub(super) kept: UidSet,
    /// To be flagged as failed; they stay where they are.
    pub(super) failed: UidSet,
}

impl Unfiled {
    pub(super) fn is_empty(&self) -> bool {
        self.done.is_empty() && self.kept.is_empty() && self.failed.is_empty()
    }

    fn trim(&mut self) {
        for set in [&mut self.done, &mut self.kept, &mut self.failed] {
            while set.0.len() > UNFILED {
                set.0.pop_first();
            }
        }
    }

    fn contains(&self, uid: u32) -> bool {
        [&self.done, &self.kept, &self.failed].iter().any(|set| set.0.contains(&uid))
    }
}

/// How far one folder was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// Layout of this record.
    version: u32,
    /// The folder's incarnation; UIDs of another mean nothing.
    pub(super) uid_validity: u32,
    /// All mails up to here are accepted, as far as they could be seen.
    pub(super) done: u32,
    /// Accepted ones above.
    above: UidSet,
    /// Mails up to here lay there before we came, and are not ours to file.
    pub(super) floor: u32,
    /// The latest accepted or counted ones, for telling late ones from known ones.
    recent: UidSet,
    /// Accepted ones whose flags may be missing.
    pub(super) unfiled: Unfiled,
    /// How often the server did not return what was asked for.
    pub(super) misses: BTreeMap<u32, u32>,
    /// When this inbox was read first.
    pub(super) began_at: Timestamp,
    /// Whether older mail is to be read.
    pub(super) everything: bool,
    /// The folder was replaced since: mail that arrived before `began_at` is only counted.
    pub(super) replaced: bool,
}

impl Cursor {
    const VERSION: u32 = 1;

    /// The cursor of a folder that is read for the first time. `seen_before` is the lowest UID that carries our keyword
    /// from the last days: somebody lost this record, not we came new.
    pub(super) fn begin(
        folder: &Selected,
        highest: u32,
        start: StartPoint,
        seen_before: Option<u32>,
        now: Timestamp,
    ) -> Self {
        let everything = start == StartPoint::All;
        let next = folder.uid_next.unwrap_or_else(|| highest.saturating_add(1));
        let floor = match seen_before {
            _ if everything => 0,
            Some(uid) => uid.saturating_sub(1),
            None => next.saturating_sub(1),
        };
        Self {
            version: Self::VERSION,
            uid_validity: folder.uid_validity,
            done: floor,
            above: UidSet::default(),
            floor,
            recent: UidSet::default(),
            unfiled: Unfiled::default(),
            misses: BTreeMap::new(),
            began_at: now,
            everything,
            replaced: false,
        }
    }

    /// The folder has another incarnation: every mail there is looked at again, and told apart by its content.
    pub(super) fn reset(&mut self, uid_validity: u32) {
        self.uid_validity = uid_validity;
        self.forget_places();
        self.replaced = true;
    }

    /// Whether the server gives out UIDs that we saw already: it was put back to an earlier state without saying so.
    pub(super) fn is_ahead_of(&self, folder: &Selected) -> bool {
        folder.uid_next.is_some_and(|next| next > 0 && next <= self.done)
    }

    /// From now on older mail is wanted too.
    pub(super) fn widen(&mut self) {
        self.everything = true;
        self.forget_places();
    }

    fn forget_places(&mut self) {
        (self.done, self.floor) = (0, 0);
        (self.above, self.recent) = (UidSet::default(), UidSet::default());
        self.unfiled = Unfiled::default();
        self.misses.clear();
    }

    /// Those of `found` that are still to be read, lowest first.
    pub(super) fn open(&self, found: &BTreeSet<u32>) -> BTreeSet<u32> {
        found.iter().copied().filter(|uid| *uid > self.done && !self.above.0.contains(uid)).collect()
    }

    /// Those of `found` below the watermark that nobody ever saw: they became visible late.
    pub(super) fn late(&self, found: &BTreeSet<u32>) -> BTreeSet<u32> {
        let known = |uid: &u32| {
            *uid <= self.floor
                || *uid > self.done
                || self.recent.0.contains(uid)
                || self.unfiled.contains(*uid)
        };
        found.iter().copied().filter(|uid| !known(uid)).collect()
    }

    /// Takes `uids` out of `open`: accepted, or nothing to accept. The watermark moves up to the next open one.
    pub(super) fn complete(&mut self, uids: &[u32], open: &mut BTreeSet<u32>) {
        for uid in uids {
            open.remove(uid);
            self.misses.remove(uid);
            self.recent.0.insert(*uid);
            if *uid > self.done {
                self.above.0.insert(*uid);
            }
        }
        let reached = match open.first() {
            Some(first) => first.saturating_sub(1),
            None => self.above.0.last().copied().unwrap_or(0),
        };
        self.done = self.done.max(reached);
        self.above.0 = self.above.0.split_off(&self.done.saturating_add(1));
        while self.recent.0.len() > RECENT {
            self.recent.0.pop_first();
        }
        self.unfiled.trim();
    }

    /// Whether a mail of this date is only to be counted: after a reset, what is older than our start or our memory.
    pub(super) fn only_counts(&self, received: Option<Timestamp>, now: Timestamp) -> bool {
        let Some(received) = received.filter(|_| self.replaced) else { return false };
        // Servers keep whole seconds.
        let before_start = !self.everything && received.as_second() < self.began_at.as_second();
        before_start || now.duration_since(received) > DEDUPE_MEMORY
    }

    /// Whether a mail of this date is from an archive: it lay there for more than a day when we came. What came shortly
    /// before us is as fresh as what comes after.
    pub(super) fn is_backfill(&self, received: Timestamp) -> bool {
        self.began_at.duration_since(received) > ARCHIVE
    }
}

/// Where a folder's cursor is kept.
pub(super) struct Place {
    context: Context,
    key: String,
    version: u64,
}

impl Place {
    pub(super) fn new(context: Context, folder: &str) -> Self {
        Self { context, key: format!("imap/{folder}"), version: 0 }
    }

    pub(super) async fn load(&mut self) -> Result<Option<Cursor>, StoreError> {
        let stored = self.context.state.load(&self.context.inbox, &self.key).await?;
        let Some(stored) = stored else {
            self.version = 0;
            return Ok(None);
        };
        self.version = stored.version;
        let cursor: Cursor =
            serde_json::from_slice(&stored.value).map_err(|e| StoreError::Unreadable(e.to_string()))?;
        if cursor.version > Cursor::VERSION {
            return Err(StoreError::Unreadable(
                "the mailbox's cursor was written by a newer version".to_owned(),
            ));
        }
        Ok(Some(cursor))
    }

    /// Writes the cursor; `false` where another gateway wrote meanwhile, whose word then counts.
    pub(super) async fn save(&mut self, cursor: &Cursor) -> Result<bool, StoreError> {
        let value = serde_json::to_vec(cursor).map_err(|e| StoreError::Unreadable(e.to_string()))?;
        let state = &self.context.state;
        let saved = state.save(&self.context.inbox, &self.key, self.version, Bytes::from(value)).await?;
        if let Some(version) = saved {
            self.version = version;
        }
        Ok(saved.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn folder(uid_next: u32) -> Selected {
        Selected { uid_validity: 7, uid_next: Some(uid_next), exists: 0, keywords: true, read_only: false }
    }

    fn cursor(uid_next: u32, start: StartPoint) -> Cursor {
        Cursor::begin(&folder(uid_next), 0, start, None, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a17_now_begins_behind_what_lies_there_and_all_at_the_bottom() {
        let found: BTreeSet<u32> = [3, 9, 10, 11].into();
        assert_eq!(cursor(10, StartPoint::Now).open(&found), [10, 11].into());
        assert_eq!(cursor(10, StartPoint::All).open(&found), found);
        let again = Cursor::begin(&folder(10), 0, StartPoint::Now, Some(4), Timestamp::UNIX_EPOCH);
        assert_eq!(again.open(&found), [9, 10, 11].into(), "a lost record begins at our own oldest keyword");
    }

    #[test]
    fn a05_after_a_reset_only_what_is_newer_than_the_start_is_read() {
        let mut cursor = cursor(10, StartPoint::Now);
        let now: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        cursor.began_at = "2026-10-01T00:00:00.5Z".parse().unwrap();
        assert!(!cursor.only_counts("2020-01-01T00:00:00Z".parse().ok(), now), "no reset, no counting");
        cursor.reset(8);
        assert_eq!(cursor.open(&[1, 2].into()), [1, 2].into());
        assert!(cursor.only_counts("2026-09-30T23:59:59Z".parse().ok(), now));
        assert!(
            !cursor.only_counts("2026-10-01T00:00:00Z".parse().ok(), now),
            "the second it began in counts"
        );
        cursor.everything = true;
        assert!(!cursor.only_counts("2026-09-30T00:00:00Z".parse().ok(), now));
        assert!(cursor.only_counts("2025-01-01T00:00:00Z".parse().ok(), now), "older than the dedupe memory");
        assert!(!cursor.only_counts(None, now), "a mail without a date is read");
    }

    #[test]
    fn a_folder_that_was_put_back_is_noticed() {
        let mut cursor = cursor(10, StartPoint::Now);
        assert!(!cursor.is_ahead_of(&folder(10)) && !cursor.is_ahead_of(&folder(11)));
        cursor.complete(&[10, 11], &mut [10, 11].into());
        assert!(!cursor.is_ahead_of(&folder(12)) && cursor.is_ahead_of(&folder(11)));
    }

    #[test]
    fn late_ones_are_told_from_known_ones() {
        let mut cursor = cursor(1, StartPoint::Now);
        let mut open: BTreeSet<u32> = [5, 6, 9].into();
        cursor.complete(&[5, 6, 9], &mut open);
        assert_eq!(cursor.done, 9);
        assert_eq!(cursor.late(&[5, 6, 7, 9, 12].into()), [7].into());
    }

    proptest! {
        #[test]
        fn a04_the_watermark_never_passes_an_open_mail(
            uids in proptest::collection::btree_set(1..500_u32, 1..60),
            order in proptest::collection::vec(any::<prop::sample::Index>(), 0..40),
        ) {
            let mut cursor = cursor(1, StartPoint::Now);
            let mut open = uids.clone();
            let mut finished = BTreeSet::new();
            for index in order {
                let all: Vec<u32> = open.iter().copied().collect();
                if all.is_empty() {
                    break;
                }
                let uid = *index.get(&all);
                cursor.complete(&[uid], &mut open);
                finished.insert(uid);
                // A restart reads the record back and searches again: exactly the unfinished ones come up.
                let text = serde_json::to_string(&cursor).unwrap();
                let restarted: Cursor = serde_json::from_str(&text).unwrap();
                let expected: BTreeSet<u32> = uids.difference(&finished).copied().collect();
                prop_assert_eq!(restarted.open(&uids), expected);
                prop_assert!(restarted.late(&uids).is_empty());
            }
        }
    }
}
