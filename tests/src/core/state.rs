//! What the core knows, and its verdict on each attempt.

use super::{SECRET, signature};
use crate::clock;
use serde_json::Value;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

/// How to answer an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Answer {
    /// 200 with a ticket.
    #[default]
    Take,
    /// This status, and nothing is taken.
    Refuse(u16),
    /// This status with `Retry-After` in seconds, and nothing is taken.
    RetryAfter(u16, u64),
    /// Takes it after this time.
    Slow(Duration),
    /// Closes the connection without having processed anything.
    Reset,
    /// Processes it, then closes the connection without an answer.
    TakeAndReset,
}

/// One attempt to hand over an event.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Its `webhook-id`.
    pub id: String,
    /// When it came.
    pub at: Instant,
    /// Its `webhook-timestamp`.
    pub timestamp: i64,
    /// What was answered.
    pub answer: Answer,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) always: Answer,
    pub(super) next: VecDeque<Answer>,
    pub(super) whenever: Vec<(String, Answer)>,
    pub(super) allow_late: bool,
    pub(super) attempts: Vec<Attempt>,
    pub(super) events: Vec<Value>,
    pub(super) faults: Vec<String>,
    known: HashSet<String>,
    bodies: HashMap<String, Vec<u8>>,
    highest: HashMap<String, u64>,
    in_flight: HashMap<String, usize>,
}

/// A request that was read.
pub(super) struct Request {
    pub(super) headers: HashMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What came of judging a request: how to answer, and what to file where it is taken.
pub(super) struct Verdict {
    pub(super) answer: Answer,
    pub(super) event: Option<Value>,
}

impl State {
    /// Judges a request as it comes in.
    pub(super) fn judge(&mut self, request: &Request) -> Verdict {
        let id = request.header("webhook-id").to_owned();
        let timestamp: i64 = request.header("webhook-timestamp").parse().unwrap_or_default();
        let signature = request.header("webhook-signature");
        let is_fresh = (clock::now().as_second() - timestamp).abs() <= 300;
        if !is_fresh || !signature::verifies(SECRET, &id, timestamp, &request.body, signature) {
            self.faults.push(format!("{id}: the signature does not verify"));
            return Verdict { answer: Answer::Refuse(401), event: None };
        }
        let Ok(event) = serde_json::from_slice::<Value>(&request.body) else {
            self.faults.push(format!("{id}: the body is no JSON"));
            return Verdict { answer: Answer::Refuse(400), event: None };
        };
        self.compare(&id, &event, &request.body);
        let answer = self.answer(&request.body);
        self.attempts.push(Attempt { id, at: Instant::now(), timestamp, answer: answer.clone() });
        let conversation = conversation(&event);
        let together = self.in_flight.entry(conversation.clone()).or_default();
        *together += 1;
        if *together > 1 {
            self.faults.push(format!("{conversation}: two events at one time"));
        }
        Verdict { answer, event: Some(event) }
    }

    /// Files what was taken; a known id is a repeat and changes nothing.
    pub(super) fn file(&mut self, event: &Value) {
        let id = event["id"].as_str().unwrap_or_default().to_owned();
        if !self.known.insert(id.clone()) {
            return;
        }
        let sequence = event["ticket"]["sequence"].as_u64().unwrap_or_default();
        let highest = self.highest.entry(conversation(event)).or_default();
        if sequence <= *highest && !self.allow_late {
            self.faults.push(format!("{id}: sequence {sequence} after {highest}"));
        }
        *highest = sequence.max(*highest);
        self.events.push(event.clone());
    }

    /// The attempt is over, however it ended.
    pub(super) fn finish(&mut self, event: &Value) {
        if let Some(together) = self.in_flight.get_mut(&conversation(event)) {
            *together = together.saturating_sub(1);
        }
    }

    fn compare(&mut self, id: &str, event: &Value, body: &[u8]) {
        if event["id"] != id {
            self.faults.push(format!("{id}: the event's id is {}", event["id"]));
        }
        if event["schema"] != "lodge.ticket-event.v1" {
            self.faults.push(format!("{id}: the schema is {}", event["schema"]));
        }
        let first = self.bodies.entry(id.to_owned()).or_insert_with(|| body.to_owned());
        if first != body {
            self.faults.push(format!("{id}: other bytes than the first time"));
        }
    }

    fn answer(&mut self, body: &[u8]) -> Answer {
        let text = String::from_utf8_lossy(body);
        let special = self.whenever.iter().find(|(part, _)| text.contains(part.as_str()));
        if let Some((_, answer)) = special {
            return answer.clone();
        }
        self.next.pop_front().unwrap_or_else(|| self.always.clone())
    }
}

fn conversation(event: &Value) -> String {
    event["ticket"]["conversation"].as_str().unwrap_or_default().to_owned()
}
