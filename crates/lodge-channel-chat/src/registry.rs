//! Who listens right now: the sockets of this process by timeline, woken when something is said there, whoever said it on
//! whatever gateway. Holds no message: the timeline is the buffer.

use bytes::Bytes;
use jiff::Timestamp;
use lodge_domain::TimelineId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// What wakes one socket.
#[derive(Default)]
pub(crate) struct Bell {
    pub(crate) rung: Notify,
    /// The last hint, until it is taken.
    hint: Mutex<Option<Bytes>>,
}

impl Bell {
    /// Takes the last hint.
    pub(crate) fn hint(&self) -> Option<Bytes> {
        self.hint.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Counts within a window that starts with the first.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window {
    begun: Option<Timestamp>,
    count: u32,
}

impl Window {
    /// Counts one more; how long to wait where `most` within `length` are there already.
    pub(crate) fn take(&mut self, now: Timestamp, most: u32, length: Duration) -> Result<(), Duration> {
        let age = self.begun.map(|begun| Duration::try_from(now.duration_since(begun)).unwrap_or_default());
        match age {
            Some(age) if age < length && self.count >= most => Err(length - age),
            Some(age) if age < length => {
                self.count += 1;
                Ok(())
            }
            _ => {
                *self = Self { begun: Some(now), count: 1 };
                Ok(())
            }
        }
    }
}

#[derive(Default)]
struct Room {
    bells: Vec<Arc<Bell>>,
    said: Window,
}

/// The sockets of an inbox in this process.
#[derive(Default)]
pub(crate) struct Registry {
    rooms: Mutex<HashMap<TimelineId, Room>>,
}

/// A place in the registry, given back when it is dropped.
pub(crate) struct Place {
    registry: Arc<Registry>,
    timeline: TimelineId,
    pub(crate) bell: Arc<Bell>,
}

impl Registry {
    fn rooms(&self) -> MutexGuard<'_, HashMap<TimelineId, Room>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place; `None` where the session has `most` sockets already.
    pub(crate) fn enter(self: &Arc<Self>, timeline: TimelineId, most: usize) -> Option<Place> {
        let mut rooms = self.rooms();
        let room = rooms.entry(timeline).or_default();
        if room.bells.len() >= most {
            return None;
        }
        let bell = Arc::new(Bell::default());
        room.bells.push(Arc::clone(&bell));
        Some(Place { registry: Arc::clone(self), timeline, bell })
    }

    /// Counts a message of a session, over all its sockets here.
    pub(crate) fn may_say(
        &self,
        timeline: &TimelineId,
        now: Timestamp,
        most: u32,
        length: Duration,
    ) -> Result<(), Duration> {
        self.rooms().entry(*timeline).or_default().said.take(now, most, length)
    }

    /// Wakes the sockets of a timeline.
    pub(crate) fn ring(&self, timeline: &TimelineId) {
        for bell in self.rooms().get(timeline).into_iter().flat_map(|room| &room.bells) {
            bell.rung.notify_one();
        }
    }

    /// Hands a hint to the sockets of a timeline.
    pub(crate) fn hint(&self, timeline: &TimelineId, hint: &Bytes) {
        for bell in self.rooms().get(timeline).into_iter().flat_map(|room| &room.bells) {
            *bell.hint.lock().unwrap_or_else(PoisonError::into_inner) = Some(hint.clone());
            bell.rung.notify_one();
        }
    }

    /// Wakes all sockets.
    pub(crate) fn ring_all(&self) {
        for bell in self.rooms().values().flat_map(|room| &room.bells) {
            bell.rung.notify_one();
        }
    }

    #[cfg(test)]
    pub(crate) fn sockets(&self) -> usize {
        self.rooms().values().map(|room| room.bells.len()).sum()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut rooms = self.registry.rooms();
        if let Some(room) = rooms.get_mut(&self.timeline) {
            room.bells.retain(|bell| !Arc::ptr_eq(bell, &self.bell));
            if room.bells.is_empty() {
                rooms.remove(&self.timeline);
            }
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
        let places: Vec<_> = (0..3).map_while(|_| registry.enter(timeline, 2)).collect();
        assert_eq!(places.len(), 2);
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let say = |seconds| registry.may_say(&timeline, at(seconds), 2, Duration::from_secs(10));
        assert!(say(0).is_ok() && say(1).is_ok());
        assert_eq!(say(4), Err(Duration::from_secs(6)));
        assert!(say(10).is_ok());
        drop(places);
        assert_eq!(registry.sockets(), 0);
        assert!(registry.rooms().is_empty(), "nothing is left of who left");
    }
}
