//! Remembers the ids of accepted requests for as long as their signatures are good. The standard signs id, time and body
//! but neither method nor path: an id is therefore good for one request only (T20).

use crate::signature::TOLERANCE;
use lodge_domain::{Digest, Timestamp, digest_parts};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// More requests than this within ten minutes are answered "later": forgetting early would let replays in.
const MOST: usize = 200_000;
/// A signature may be dated up to the tolerance ahead and is good until the tolerance after that.
const WINDOW: i64 = 2 * TOLERANCE;

/// What is known about an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It is new, and remembered now.
    First,
    /// It came before with the very same request.
    Repeat,
    /// It came before with another request.
    Other,
    /// Too many ids to remember.
    Full,
}

/// Two generations of ids, each a window long: an id is remembered for one window at least and two at most.
pub(super) struct ReplayMemory {
    most: usize,
    generations: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    since: i64,
    current: HashMap<Digest, Digest>,
    previous: HashMap<Digest, Digest>,
}

impl ReplayMemory {
    pub(super) fn new() -> Self {
        Self { most: MOST, generations: Mutex::default() }
    }

    /// Remembers that `id` came with `request`, unless it is known.
    pub(super) fn remember(&self, id: &str, request: Digest, now: Timestamp) -> Known {
        let id = digest_parts(&[id.as_bytes()]);
        let mut kept = self.lock();
        kept.turn(now.as_second());
        match kept.current.get(&id).or_else(|| kept.previous.get(&id)) {
            Some(known) if *known == request => Known::Repeat,
            Some(_) => Known::Other,
            None if kept.current.len() + kept.previous.len() >= self.most => Known::Full,
            None => {
                kept.current.insert(id, request);
                Known::First
            }
        }
    }

    /// Forgets an id whose request was not carried out, so that the core can send it once more.
    pub(super) fn forget(&self, id: &str) {
        let id = digest_parts(&[id.as_bytes()]);
        let mut kept = self.lock();
        kept.current.remove(&id);
        kept.previous.remove(&id);
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn turn(&mut self, now: i64) {
        let age = now - self.since;
        if age >= 2 * WINDOW {
            self.previous = HashMap::new();
            self.current = HashMap::new();
        } else if age >= WINDOW {
            self.previous = std::mem::take(&mut self.current);
        } else {
            return;
        }
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    #[test]
    fn t16_ids_are_remembered_as_long_as_their_signatures_are_good() {
        for offset in [0, 100, 599] {
            let memory = ReplayMemory::new();
            memory.remember("starts the generation", [0; 32], at(0));
            assert_eq!(memory.remember("msg_1", [1; 32], at(offset)), Known::First);
            for later in [0, 1, 300, 600] {
                assert_eq!(memory.remember("msg_1", [1; 32], at(offset + later)), Known::Repeat);
                assert_eq!(memory.remember("msg_1", [2; 32], at(offset + later)), Known::Other);
            }
            assert_eq!(
                memory.remember("msg_1", [2; 32], at(offset + 1800)),
                Known::First,
                "memory is bounded"
            );
        }
    }

    #[test]
    fn a_full_memory_says_later_and_a_failed_request_is_forgotten() {
        let memory = ReplayMemory { most: 2, generations: Mutex::default() };
        assert_eq!(memory.remember("a", [0; 32], at(0)), Known::First);
        assert_eq!(memory.remember("b", [0; 32], at(0)), Known::First);
        assert_eq!(memory.remember("c", [0; 32], at(0)), Known::Full);
        memory.forget("a");
        assert_eq!(memory.remember("c", [0; 32], at(0)), Known::First);
    }
}
