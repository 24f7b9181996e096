//! Leaves out log lines that say the same again and again, so that an hour of trouble does not fill a disk (T75).
//!
//! A *place* is a line of our source that logs, a *kind* is what it says without numbers and ids. In a window of a minute
//! each kind is written so many times, and each place five times as many; beyond that only a kind's first line of the
//! window, and no more than ten times as many of those. What was left out is counted and told by [`Sampler::flush`].
//! Only lines from `info` up are left out; who turns on `debug` wants all of it. Counters are not touched: metrics are
//! exact whatever the log says.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber, callsite::Identifier};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// The window.
pub const WINDOW: Duration = Duration::from_secs(60);
/// Kinds remembered in a window; more are counted for their place alone.
const MOST_KINDS: usize = 10_000;
/// Lines of one place for each line of one kind.
const KINDS_A_PLACE: u64 = 5;
/// First lines of one place for each line of one kind.
const FIRSTS_A_PLACE: u64 = 10;
/// Where [`Sampler::tell`] logs: never left out.
const TARGET: &str = "lodge::left_out";

/// A clock that never goes back, and starts anywhere.
pub type Monotonic = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Decides line by line; clones share their memory.
#[derive(Clone)]
pub struct Sampler {
    repeats: u64,
    now: Monotonic,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Default)]
struct Memory {
    ends: Duration,
    kinds: HashMap<u64, u64>,
    places: HashMap<Identifier, Place>,
}

struct Place {
    level: Level,
    at: String,
    written: u64,
    left_out: u64,
}

/// Lines that were left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The file and line that logged them.
    pub place: String,
    /// Their level.
    pub level: Level,
    /// How many.
    pub lines: u64,
}

impl Sampler {
    /// Writes each kind `repeats` times in a window; 0 leaves nothing out.
    #[must_use]
    pub fn new(repeats: u64, now: Monotonic) -> Self {
        Self { repeats, now, memory: Arc::default() }
    }

    /// What was left out since the last call, and nothing of it again.
    #[must_use]
    pub fn flush(&self) -> Vec<LeftOut> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let places = memory.places.values_mut().filter(|place| place.left_out > 0);
        let mut all: Vec<LeftOut> = places
            .map(|place| LeftOut {
                place: place.at.clone(),
                level: place.level,
                lines: std::mem::take(&mut place.left_out),
            })
            .collect();
        all.sort_by(|a, b| a.place.cmp(&b.place));
        all
    }

    /// Logs what was left out since the last call: one line a place.
    pub fn tell(&self) {
        for LeftOut { place, level, lines } in self.flush() {
            tracing::warn!(target: TARGET, place, %level, lines, "log lines that said the same were left out");
        }
    }

    fn takes(&self, event: &Event<'_>) -> bool {
        let metadata = event.metadata();
        if self.repeats == 0 || *metadata.level() > Level::INFO || metadata.target() == TARGET {
            return true;
        }
        let kind = kind_of(event);
        let now = (self.now)();
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= memory.ends {
            memory.ends = now.saturating_add(WINDOW);
            memory.kinds.clear();
            for place in memory.places.values_mut() {
                place.written = 0;
            }
        }
        let room = memory.kinds.len() < MOST_KINDS;
        let before = memory.kinds.get(&kind).copied();
        let is_first = before.is_none() && room;
        let fits_kind = before.map_or(room, |written| written < self.repeats);
        let place = memory.places.entry(metadata.callsite()).or_insert_with(|| Place {
            level: *metadata.level(),
            at: format!("{}:{}", metadata.file().unwrap_or("?"), metadata.line().unwrap_or(0)),
            written: 0,
            left_out: 0,
        });
        let most = self.repeats.saturating_mul(if is_first { FIRSTS_A_PLACE } else { KINDS_A_PLACE });
        let written = (fits_kind || !room) && place.written < most;
        if written {
            place.written += 1;
        } else {
            place.left_out += 1;
        }
        if is_first || (written && before.is_some()) {
            *memory.kinds.entry(kind).or_insert(0) += 1;
        }
        written
    }
}

impl<S: Subscriber> Layer<S> for Sampler {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        self.takes(event)
    }
}

/// What an event says, without what differs from one to the next: numbers, ids, digests.
fn kind_of(event: &Event<'_>) -> u64 {
    struct Words(DefaultHasher);

    impl Words {
        fn add(&mut self, field: &Field, text: &str) {
            field.name().hash(&mut self.0);
            for word in text.split(|c: char| !c.is_alphanumeric() && c != '_') {
                let is_id = word.len() >= 16 || word.bytes().any(|byte| byte.is_ascii_digit());
                if is_id { "#".hash(&mut self.0) } else { word.hash(&mut self.0) }
            }
        }
    }

    impl Visit for Words {
        fn record_str(&mut self, field: &Field, value: &str) {
            self.add(field, value);
        }

        fn record_u64(&mut self, field: &Field, _: u64) {
            self.add(field, "#");
        }

        fn record_i64(&mut self, field: &Field, _: i64) {
            self.add(field, "#");
        }

        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            let mut text = String::new();
            // Writing into a string does not fail.
            if write!(text, "{value:?}").is_ok() {
                self.add(field, &text);
            }
        }
    }

    let mut words = Words(DefaultHasher::new());
    event.metadata().callsite().hash(&mut words.0);
    event.record(&mut words);
    words.0.finish()
}
