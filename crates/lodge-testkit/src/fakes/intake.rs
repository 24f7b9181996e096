//! A hallway that remembers what doors hand in, knows what it had before, and refuses when told to.

use async_trait::async_trait;
use lodge_domain::ports::{Intake, Outcome, Refusal};
use lodge_domain::{
    Candidate, Contact, ConversationId, EnvelopeId, Inbound, InboxId, Placement, Receipt, Reference,
    Timestamp, TraceKey,
};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What doors handed in.
#[derive(Default)]
pub struct RecordingIntake {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    taken: Vec<Inbound>,
    known: HashMap<EnvelopeId, Receipt>,
    traces: HashMap<TraceKey, EnvelopeId>,
    calls: usize,
    refusal: Option<Refusal>,
}

impl RecordingIntake {
    /// An empty hallway.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on every batch is refused, or, with `None`, taken again.
    pub fn refuse(&self, refusal: Option<Refusal>) {
        self.lock().refusal = refusal;
    }

    /// How often a door called, whatever came of it.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.lock().calls
    }

    /// Everything that was new, in order.
    #[must_use]
    pub fn taken(&self) -> Vec<Inbound> {
        self.lock().taken.clone()
    }

    /// The contacts that were new, in order.
    #[must_use]
    pub fn contacts(&self) -> Vec<Contact> {
        let contact = |item: Inbound| match item {
            Inbound::Contact(contact) => Some(*contact),
            _ => None,
        };
        self.taken().into_iter().filter_map(contact).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, item: Inbound) -> Option<Outcome> {
        let outcome = match &item {
            Inbound::Contact(contact) => {
                let candidate = Candidate::new(contact, Timestamp::UNIX_EPOCH).ok()?;
                if let Some(receipt) = self.known.get(&candidate.envelope) {
                    let again = Receipt { placement: Placement::Duplicate, ..receipt.clone() };
                    return Some(Outcome::Accepted(again));
                }
                let receipt = receipt(candidate.envelope);
                self.known.insert(receipt.envelope.clone(), receipt.clone());
                for key in &contact.trace_keys {
                    self.traces.insert(key.clone(), receipt.envelope.clone());
                }
                Outcome::Accepted(receipt)
            }
            Inbound::Report(report) => {
                Outcome::Reported(EnvelopeId::of_report("reply.updated", &[report.about.as_str()]))
            }
            Inbound::Supplement(supplement) => Outcome::Supplemented(supplement.event()),
            _ => Outcome::Skipped,
        };
        self.taken.push(item);
        Some(outcome)
    }
}

fn receipt(envelope: EnvelopeId) -> Receipt {
    let conversation = ConversationId::founded_by(&envelope);
    Receipt {
        reference: Reference::derive(&conversation, 0),
        conversation,
        envelope,
        sequence: 1,
        placement: Placement::New,
        suggested_parent: None,
        follows: None,
        reopens: false,
        flags: Default::default(),
        matched: None,
        accepted_at: Timestamp::UNIX_EPOCH,
        entry: None,
    }
}

#[async_trait]
impl Intake for RecordingIntake {
    async fn accept(&self, batch: Vec<Inbound>) -> Result<Vec<Outcome>, Refusal> {
        let mut state = self.lock();
        state.calls += 1;
        if let Some(refusal) = &state.refusal {
            return Err(refusal.clone());
        }
        Ok(batch.into_iter().filter_map(|item| state.take(item)).collect())
    }

    async fn known(&self, _: &InboxId, key: &TraceKey) -> Result<Option<EnvelopeId>, Refusal> {
        Ok(self.lock().traces.get(key).cloned())
    }
}
