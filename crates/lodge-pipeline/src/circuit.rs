//! Stops a lane whose far side is down or refuses everything, and tries it with one item at a time until it is back.
//!
//! Open: connections fail in a row, or half of at least twenty tries in thirty seconds failed. Parked: the far side says
//! that nothing will get through (credentials, address). Either way no attempt is burnt and no age counted; a probe every
//! few seconds finds out when the cause is gone.

use jiff::{SignedDuration, Timestamp};
use lodge_domain::{DeliveryError, Disposition};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Connections that fail in a row until the lane stops.
const UNANSWERED_IN_A_ROW: u32 = 3;
/// The window that failures are counted in.
const WINDOW: SignedDuration = SignedDuration::from_secs(30);
/// The fewest tries in the window that say anything.
const FEWEST: usize = 20;
/// The most tries remembered.
const MOST_REMEMBERED: usize = 1024;
/// The time between the first probes.
pub const PROBE_EVERY: SignedDuration = SignedDuration::from_secs(3);
/// The longest time between probes of a far side that is not the core.
pub const SELDOM: SignedDuration = SignedDuration::from_secs(60);
/// How long a success proves that others get through.
const RECENTLY: SignedDuration = SignedDuration::from_mins(5);
/// The most outages remembered for [`Circuit::answering_time`].
const MOST_OUTAGES: usize = 256;

/// Why a lane stands still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halt {
    /// Since when.
    pub since: Timestamp,
    /// Whether only an operator can help.
    pub parked: bool,
    /// What the far side said.
    pub why: String,
}

/// The circuit of one lane.
#[derive(Debug)]
pub struct Circuit {
    started: Timestamp,
    probe_at_least_every: SignedDuration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    tries: VecDeque<(Timestamp, bool)>,
    unanswered: u32,
    last_success: Option<Timestamp>,
    halt: Option<Halt>,
    next_probe: Option<Timestamp>,
    failed_probes: u32,
    probing: bool,
    outages: VecDeque<(Timestamp, Timestamp)>,
}

impl Circuit {
    /// A circuit that lets everything through. While it stands still, probes come [`PROBE_EVERY`] at first, then less and
    /// less often, but at least every `probe_at_least_every`.
    #[must_use]
    pub fn new(now: Timestamp, probe_at_least_every: SignedDuration) -> Self {
        Self { started: now, probe_at_least_every, state: Mutex::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many items may be tried now, of `wish`. One that is granted while the lane stands still is a probe.
    pub fn permits(&self, now: Timestamp, wish: usize) -> usize {
        let mut state = self.state();
        if state.halt.is_none() || wish == 0 {
            return wish;
        }
        if state.probing || state.next_probe.is_some_and(|at| at > now) {
            return 0;
        }
        state.probing = true;
        1
    }

    /// A probe that was granted found nothing to try.
    pub fn unused(&self) {
        self.state().probing = false;
    }

    /// Something got through; what it ended, if the lane stood still.
    pub fn succeeded(&self, now: Timestamp) -> Option<Halt> {
        let mut state = self.state();
        state.remember(now, true);
        state.last_success = Some(now);
        state.resume(now)
    }

    /// The far side refused one item for good, so it is there; what that ended, if the lane stood still.
    pub fn answered(&self, now: Timestamp) -> Option<Halt> {
        let mut state = self.state();
        state.remember(now, true);
        state.resume(now)
    }

    /// Something failed; the halt that this began.
    pub fn failed(&self, now: Timestamp, error: &DeliveryError) -> Option<Halt> {
        let mut state = self.state();
        let others = state.last_success.is_some_and(|at| now.duration_since(at) <= RECENTLY);
        let parks = match error.disposition {
            Disposition::Misconfigured => true,
            Disposition::Gone => !others,
            _ => false,
        };
        state.unanswered = if error.answered { 0 } else { state.unanswered + 1 };
        state.remember(now, false);
        state.probing = false;
        if let Some(halt) = &mut state.halt {
            halt.parked = parks;
            halt.why = error.to_string();
            let wait = PROBE_EVERY * 2_i32.pow(state.failed_probes.min(5));
            state.failed_probes += 1;
            state.next_probe = now.checked_add(wait.min(self.probe_at_least_every)).ok();
            return None;
        }
        if !parks && state.unanswered < UNANSWERED_IN_A_ROW && !state.mostly_failing(now) {
            return None;
        }
        let halt = Halt { since: now, parked: parks, why: error.to_string() };
        state.halt = Some(halt.clone());
        state.next_probe = now.checked_add(PROBE_EVERY).ok();
        Some(halt)
    }

    /// Whether others got through lately: then an address that is gone is gone for this item alone.
    pub fn others_succeed(&self, now: Timestamp) -> bool {
        self.state().last_success.is_some_and(|at| now.duration_since(at) <= RECENTLY)
    }

    /// Why the lane stands still, if it does.
    pub fn halt(&self) -> Option<Halt> {
        self.state().halt.clone()
    }

    /// When the next probe is due, if the lane stands still.
    pub fn next_probe(&self) -> Option<Timestamp> {
        self.state().next_probe
    }

    /// How much of the time since `since` the far side was answering, as far as this process saw.
    pub fn answering_time(&self, since: Timestamp, now: Timestamp) -> SignedDuration {
        let state = self.state();
        let since = since.max(self.started);
        let open = state.halt.as_ref().map(|halt| (halt.since, now));
        let lost =
            state.outages.iter().copied().chain(open).map(|(from, to)| to.duration_since(from.max(since)));
        let lost = lost.filter(SignedDuration::is_positive).fold(SignedDuration::ZERO, |sum, one| sum + one);
        now.duration_since(since) - lost
    }
}

impl State {
    fn resume(&mut self, now: Timestamp) -> Option<Halt> {
        self.unanswered = 0;
        self.probing = false;
        self.next_probe = None;
        self.failed_probes = 0;
        let ended = self.halt.take()?;
        self.outages.push_back((ended.since, now));
        if self.outages.len() > MOST_OUTAGES {
            self.outages.pop_front();
        }
        self.tries.clear();
        Some(ended)
    }

    fn remember(&mut self, now: Timestamp, success: bool) {
        self.tries.push_back((now, success));
        while self.tries.len() > MOST_REMEMBERED
            || self.tries.front().is_some_and(|(at, _)| now.duration_since(*at) > WINDOW)
        {
            self.tries.pop_front();
        }
    }

    fn mostly_failing(&self, now: Timestamp) -> bool {
        let recent = self.tries.iter().filter(|(at, _)| now.duration_since(*at) <= WINDOW);
        let (all, bad) = recent.fold((0, 0), |(all, bad), (_, good)| (all + 1, bad + usize::from(!good)));
        all >= FEWEST && bad * 2 >= all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn an_outage_opens_and_a_probe_closes() {
        let circuit = Circuit::new(at(0), PROBE_EVERY);
        let down = DeliveryError::later("connect").unanswered();
        assert_eq!(circuit.failed(at(1), &down), None);
        assert_eq!(circuit.failed(at(1), &down), None);
        assert!(!circuit.failed(at(2), &down).unwrap().parked);
        assert_eq!(circuit.permits(at(3), 8), 0, "no probe yet");
        assert_eq!(circuit.permits(at(5), 8), 1, "the probe");
        assert_eq!(circuit.permits(at(5), 8), 0, "one at a time");
        circuit.failed(at(6), &down);
        assert_eq!(circuit.permits(at(8), 8), 0);
        assert_eq!(circuit.permits(at(9), 8), 1);
        assert_eq!(circuit.succeeded(at(10)).unwrap().since, at(2));
        assert_eq!(circuit.permits(at(10), 8), 8);
        assert_eq!(circuit.answering_time(at(0), at(20)).as_secs(), 12);
        assert_eq!(circuit.answering_time(at(15), at(20)).as_secs(), 5);
    }

    #[test]
    fn half_of_twenty_failures_open_and_refusals_do_not() {
        let circuit = Circuit::new(at(0), PROBE_EVERY);
        for n in 0..10 {
            assert_eq!(circuit.succeeded(at(n)), None);
        }
        for n in 0..9 {
            assert_eq!(circuit.failed(at(10), &DeliveryError::later("503")), None, "{n}");
        }
        assert!(circuit.failed(at(11), &DeliveryError::later("503")).is_some());
        assert!(circuit.answered(at(12)).is_some(), "a refusal shows that the far side is there");
        assert_eq!(circuit.permits(at(12), 8), 8);
    }

    #[test]
    fn probes_of_other_far_sides_come_less_and_less_often() {
        let circuit = Circuit::new(at(0), SELDOM);
        let wrong = DeliveryError::new(Disposition::Misconfigured, "535");
        circuit.failed(at(0), &wrong);
        let waits = (0..7).map(|_| {
            let now = circuit.next_probe().unwrap();
            circuit.failed(now, &wrong);
            circuit.next_probe().unwrap().duration_since(now).as_secs()
        });
        assert_eq!(waits.collect::<Vec<_>>(), [3, 6, 12, 24, 48, 60, 60]);
    }

    #[test]
    fn gone_parks_unless_others_get_through() {
        let gone = DeliveryError::new(Disposition::Gone, "404");
        let circuit = Circuit::new(at(0), PROBE_EVERY);
        assert!(circuit.failed(at(0), &gone).unwrap().parked);
        circuit.succeeded(at(1));
        assert_eq!(circuit.failed(at(2), &gone), None);
        assert!(circuit.failed(at(1000), &gone).is_some());
    }
}
