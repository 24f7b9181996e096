//! Everything the model store keeps.

use bytes::Bytes;
use lodge_domain::effect::Guard;
use lodge_domain::ports::{DeadLetter, FeedItem, StateValue, StoreError};
use lodge_domain::{
    BrandName, Conversation, ConversationId, Decision, Digest, Envelope, EnvelopeId, EventId, InboxId,
    JournalLine, Lane, NewEntry, NewWork, OutboundRecord, Receipt, Reference, ThreadKeyValue, TimelineEntry,
    TimelineId, Timestamp, Work,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

#[derive(Clone, Default)]
pub(super) struct State {
    pub(super) brands: BTreeSet<BrandName>,
    pub(super) dedupe: HashMap<(BrandName, Digest), Receipt>,
    pub(super) sources: HashMap<(BrandName, Digest), (Digest, Timestamp)>,
    pub(super) conversations: BTreeMap<(BrandName, ConversationId), Conversation>,
    pub(super) keys: HashMap<(BrandName, ThreadKeyValue), ConversationId>,
    pub(super) traces: HashMap<(BrandName, ThreadKeyValue), BTreeSet<EnvelopeId>>,
    pub(super) envelopes: BTreeMap<(BrandName, EnvelopeId), Kept>,
    /// Later events that have their sequence number already.
    pub(super) recorded: HashMap<(BrandName, EventId), ConversationId>,
    /// In the order they were asked for.
    pub(super) outbound: Vec<(BrandName, OutboundRecord)>,
    pub(super) journal: Vec<(BrandName, JournalLine)>,
    pub(super) guards: HashMap<(BrandName, Digest), (Guard, Timestamp)>,
    /// In the order it was enqueued.
    pub(super) work: Vec<Item>,
    /// In the order they were given up.
    pub(super) dead_letters: Vec<DeadLetter>,
    /// In the order they were published, numbered from 1.
    pub(super) feed: Vec<(u64, FeedItem)>,
    pub(super) published: u64,
    pub(super) timelines: BTreeMap<(BrandName, TimelineId), Timeline>,
    /// Every append, in order: who follows a brand's timelines counts along.
    pub(super) appended: Vec<(BrandName, TimelineId)>,
    /// Hints, in order.
    pub(super) hints: Vec<(BrandName, TimelineId, Bytes)>,
    pub(super) inbox_state: BTreeMap<(InboxId, String), StateValue>,
    pub(super) leases: HashMap<String, Held>,
    pub(super) fence: u64,
    pub(super) budgets: HashMap<(BrandName, Digest), Window>,
    /// The brand that each lane served last.
    pub(super) served: HashMap<Lane, BrandName>,
}

/// A timeline.
#[derive(Clone, Default)]
pub(super) struct Timeline {
    pub(super) entries: Vec<TimelineEntry>,
    pub(super) note: Option<StateValue>,
    pub(super) last: Timestamp,
}

/// An envelope as it is kept.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) record: Bytes,
    pub(super) receipt: Receipt,
    pub(super) decision: Option<Decision>,
}

/// Work, and who has it.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) work: Work,
    /// Token and end of the last claim that was not settled.
    pub(super) leased: Option<(String, Timestamp)>,
}

/// A lease and its end.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) holder: String,
    pub(super) fence: u64,
    pub(super) until: Timestamp,
}

/// A window of a budget.
#[derive(Clone)]
pub(super) struct Window {
    pub(super) taken: u64,
    pub(super) until: Timestamp,
}

impl State {
    pub(super) fn conversation(&self, brand: &BrandName, id: &ConversationId) -> Option<&Conversation> {
        self.conversations.get(&(brand.clone(), id.clone()))
    }

    pub(super) fn conversation_mut(
        &mut self,
        brand: &BrandName,
        id: &ConversationId,
    ) -> Option<&mut Conversation> {
        self.conversations.get_mut(&(brand.clone(), id.clone()))
    }

    pub(super) fn by_reference(&self, brand: &BrandName, reference: &Reference) -> Option<&Conversation> {
        let of_brand = self.conversations.iter().filter(|((of, _), _)| of == brand);
        of_brand.map(|(_, conversation)| conversation).find(|c| c.reference == *reference)
    }

    /// Where contacts of `id` land: itself, or what it was merged into over any number of merges.
    pub(super) fn survivor(&self, brand: &BrandName, id: &ConversationId) -> Option<ConversationId> {
        let mut at = self.conversation(brand, id)?;
        while let Some(next) = at.merged_into.as_ref().and_then(|into| self.conversation(brand, into)) {
            at = next;
        }
        Some(at.id.clone())
    }

    /// Gives out the next sequence number of a conversation.
    pub(super) fn next_sequence(&mut self, brand: &BrandName, id: &ConversationId) -> u64 {
        self.conversation_mut(brand, id).map_or(0, |conversation| {
            conversation.sequence += 1;
            conversation.sequence
        })
    }

    /// Appends an entry, unless it is there; its number.
    pub(super) fn append(&mut self, brand: &BrandName, new: &NewEntry) -> u64 {
        let timeline = self.timelines.entry((brand.clone(), new.timeline)).or_default();
        if let Some(known) = timeline.entries.iter().find(|entry| entry.id == new.id) {
            return known.sequence;
        }
        let sequence = timeline.entries.len() as u64 + 1;
        timeline.last = timeline.last.max(new.at);
        timeline.entries.push(TimelineEntry { sequence, id: new.id, body: new.body.clone(), at: new.at });
        self.appended.push((brand.clone(), new.timeline));
        sequence
    }

    /// The number that an entry has.
    pub(super) fn entry_number(&self, brand: &BrandName, new: &NewEntry) -> Option<u64> {
        let timeline = self.timelines.get(&(brand.clone(), new.timeline))?;
        timeline.entries.iter().find(|entry| entry.id == new.id).map(|entry| entry.sequence)
    }

    /// The first writer of a key keeps it.
    pub(super) fn bind(&mut self, brand: &BrandName, key: ThreadKeyValue, to: &ConversationId) {
        self.keys.entry((brand.clone(), key)).or_insert_with(|| to.clone());
    }

    pub(super) fn trace(&mut self, brand: &BrandName, key: ThreadKeyValue, to: &EnvelopeId) {
        self.traces.entry((brand.clone(), key)).or_default().insert(to.clone());
    }

    /// Adds work, unless its id is pending or dead.
    pub(super) fn enqueue(&mut self, new: NewWork, now: Timestamp) {
        let same = |known: &NewWork| known.id == new.id && known.brand == new.brand;
        let pending = self.work.iter().any(|item| same(&item.work.new));
        let dead = self.dead_letters.iter().any(|letter| same(&letter.work));
        if !pending && !dead {
            let work = Work { new, attempts: 0, claims: 0, marked: false, enqueued_at: now };
            self.work.push(Item { work, leased: None });
        }
    }
}

impl Kept {
    pub(super) fn envelope(&self) -> Result<Envelope, StoreError> {
        let contact = serde_json::from_slice(&self.record)
            .map_err(|error| StoreError::Unreadable(format!("{}: {error}", self.receipt.envelope)))?;
        Ok(Envelope { contact, receipt: self.receipt.clone(), decision: self.decision.clone() })
    }
}
