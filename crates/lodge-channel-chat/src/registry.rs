//! Who listens right now: the sockets of this process by timeline, woken when something is said there, whoever said it on
//! whatever gateway. Holds no message: the timeline is the buffer. Who left is remembered as long as what they said counts.

use crate::config::MESSAGE_WINDOW;
use bytes::Bytes;
use jiff::Timestamp;
use lodge_domain::TimelineId;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// The hint that tells all gateways to look whether a session's sockets may stay.
pub(crate) const REVOKED: &[u8] = br#"{"t":"revoked"}"#;

/// What wakes one socket.
#[derive(Default)]
pub(crate) struct Bell {
    pub(crate) rung: Notify,
    /// Whether the socket may stay is to be looked at.
    doubt: AtomicBool,
    /// The last hint, until it is taken.
    hint: Mutex<Option<Bytes>>,
}

impl Bell {
    /// Whether it is to be looked at, from now on no more, if the socket may stay.
    pub(crate) fn takes_doubt(&self) -> bool {
        self.doubt.swap(false, Ordering::AcqRel)
    }

    /// Takes the last hint.
    pub(crate) fn hint(&self) -> Option<Bytes> {
        self.hint.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Counts within a window that starts with the first.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window {
    begun: Option<Timestamp>,
    count: u64,
}

impl Window {
    /// How old it is; `None` where it is over, or begins later than now because a clock was set back.
    fn age(&self, now: Timestamp, length: Duration) -> Option<Duration> {
        let age = Duration::try_from(now.duration_since(self.begun?)).ok()?;
        (age < length).then_some(age)
    }

    /// Whether anything was ever counted.
    fn has_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// Whether what was counted counts no more.
    pub(crate) fn is_over(&self, now: Timestamp, length: Duration) -> bool {
        self.age(now, length).is_none()
    }

    /// Counts `more`; how long to wait where that would be above `most` within `length`.
    pub(crate) fn take(
        &mut self,
        now: Timestamp,
        more: u64,
        most: u64,
        length: Duration,
    ) -> Result<(), Duration> {
        let age = self.age(now, length);
        if age.is_none() {
            *self = Self { begun: Some(now), count: 0 };
        }
        let count = self.count.saturating_add(more);
        if count > most {
            return Err(length - age.unwrap_or_default());
        }
        self.count = count;
        Ok(())
    }
}

#[derive(Default)]
struct Room {
    bells: Vec<Arc<Bell>>,
    said: Window,
}

#[derive(Default)]
struct Rooms {
    all: HashMap<TimelineId, Room>,
    /// Sessions whose last socket left, in that order.
    left: VecDeque<TimelineId>,
}

impl Rooms {
    /// Forgets sessions that left and whose messages count no more: two at a time, so that there are never many.
    fn forget(&mut self, now: Timestamp) {
        for _ in 0..2 {
            let Some(timeline) = self.left.front() else { return };
            if let Some(room) = self.all.get(timeline).filter(|room| room.bells.is_empty()) {
                if !room.said.is_over(now, MESSAGE_WINDOW) {
                    return;
                }
                self.all.remove(timeline);
            }
            self.left.pop_front();
        }
    }
}

/// The sockets of an inbox in this process.
#[derive(Default)]
pub(crate) struct Registry {
    rooms: Mutex<Rooms>,
}

/// A place in the registry, given back when it is dropped.
pub(crate) struct Place {
    registry: Arc<Registry>,
    timeline: TimelineId,
    pub(crate) bell: Arc<Bell>,
}

impl Registry {
    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place; `None` where the session has `most` sockets already.
    pub(crate) fn enter(
        self: &Arc<Self>,
        timeline: TimelineId,
        now: Timestamp,
        most: usize,
    ) -> Option<Place> {
        let mut rooms = self.rooms();
        rooms.forget(now);
        let room = rooms.all.entry(timeline).or_default();
        if room.bells.len() >= most {
            return None;
        }
        let bell = Arc::new(Bell::default());
        room.bells.push(Arc::clone(&bell));
        Some(Place { registry: Arc::clone(self), timeline, bell })
    }

    /// Counts a message of a session, over all its sockets here.
    pub(crate) fn may_say(&self, timeline: &TimelineId, now: Timestamp, most: u32) -> Result<(), Duration> {
        let mut rooms = self.rooms();
        rooms.all.entry(*timeline).or_default().said.take(now, 1, u64::from(most), MESSAGE_WINDOW)
    }

    /// Wakes the sockets of a timeline.
    pub(crate) fn ring(&self, timeline: &TimelineId) {
        for bell in self.rooms().all.get(timeline).into_iter().flat_map(|room| &room.bells) {
            bell.rung.notify_one();
        }
    }

    /// Hands a hint to the sockets of a timeline.
    pub(crate) fn hint(&self, timeline: &TimelineId, hint: &Bytes) {
        for bell in self.rooms().all.get(timeline).into_iter().flat_map(|room| &room.bells) {
            if hint == REVOKED {
                bell.doubt.store(true, Ordering::Release);
            } else {
                *bell.hint.lock().unwrap_or_else(PoisonError::into_inner) = Some(hint.clone());
            }
            bell.rung.notify_one();
        }
    }

    /// Wakes all sockets, after something may have been missed.
    pub(crate) fn ring_all(&self) {
        for bell in self.rooms().all.values().flat_map(|room| &room.bells) {
            bell.doubt.store(true, Ordering::Release);
            bell.rung.notify_one();
        }
    }

    #[cfg(test)]
    pub(crate) fn sockets(&self) -> usize {
        self.rooms().all.values().map(|room| room.bells.len()).sum()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut rooms = self.registry.rooms();
        let Some(room) = rooms.all.get_mut(&self.timeline) else { return };
        room.bells.retain(|bell| !Arc::ptr_eq(bell, &self.bell));
        if !room.bells.is_empty() {
            return;
        }
        if room.said.has_begun() {
            // Whoever breaks off and comes back has not said less.
            rooms.left.push_back(self.timeline);
        } else {
            rooms.all.remove(&self.timeline);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h05_messages_and_sockets_of_a_session_are_counted() {
        let registry = Arc::new(Registry::default());
        let timeline = TimelineId::of(&["t"]);
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let enter = |seconds| registry.enter(timeline, at(seconds), 2);
        let places: Vec<_> = (0..3).map_while(|_| enter(0)).collect();
        assert_eq!(places.len(), 2);
        let say = |seconds| registry.may_say(&timeline, at(seconds), 2);
        assert!(say(0).is_ok() && say(1).is_ok());
        assert_eq!(say(4), Err(Duration::from_secs(6)));
        drop(places);
        let again = enter(5);
        assert_eq!(say(5), Err(Duration::from_secs(5)), "coming back makes nobody new");
        assert!(say(10).is_ok() && say(3).is_ok(), "a clock that was set back holds nobody up");
        drop(again);
        assert_eq!(registry.sockets(), 0);
    }

    #[test]
    fn t55_nothing_is_left_of_who_left() {
        let registry = Arc::new(Registry::default());
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        drop(registry.enter(TimelineId::of(&["silent"]), at(0), 2));
        assert!(registry.rooms().all.is_empty());
        for second in 0..1000 {
            let timeline = TimelineId::of(&["t", &second.to_string()]);
            let place = registry.enter(timeline, at(second), 2);
            assert!(registry.may_say(&timeline, at(second), 2).is_ok());
            drop(place);
        }
        let rooms = registry.rooms();
        assert!(rooms.all.len() <= 12 && rooms.left.len() <= 12, "{} {}", rooms.all.len(), rooms.left.len());
    }
}
