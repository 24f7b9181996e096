//! Random sequences of operations, answered by the store and by the model alike.
//!
//! Every sequence is a function of its seed; a difference prints the seed, the operation and the ones before it.

use super::StoreUnderTest;
use crate::samples::{key, sample_decision, sample_outbound, sample_work};
use crate::{ModelStore, SampleContact, SeededEntropy, sample_contact};
use lodge_domain::effect::{Effect, Guard, Step};
use lodge_domain::ports::{
    BudgetVerdict, Budgets, Clock, DeadLetters, Feed, Housekeeping, Ledger, Lookup, PurgeClass, Store, Tally,
    WorkQueue,
};
use lodge_domain::{
    Assurance, BrandName, Claim, ConversationChange, ConversationId, ConversationStatus, EventId, HandleKind,
    InboxName, JoinCondition, JournalLine, Lane, OriginClass, OutboundRecord, PartyHandle, Settlement,
    SignedDuration, WorkId, WorkKind,
};
use std::sync::Arc;
use std::time::Duration;

const SEQUENCES: u64 = 24;
const LEASE: Duration = Duration::from_secs(30);

/// Twenty-four sequences; between two of them the clock jumps so far that nothing of the last one is claimed any more.
pub async fn against_the_model(t: &dyn StoreUnderTest) {
    let clock = t.clock();
    let model = ModelStore::new(clock.clone(), Arc::new(SeededEntropy::new(99)));
    for seed in 0..SEQUENCES {
        let dice = SeededEntropy::new(seed);
        let brand = BrandName::parse(&format!("brand-{seed}")).unwrap();
        let mut pair = Pair {
            real: if seed % 2 == 0 { t.store() } else { t.second().await },
            model: model.clone(),
            clock: clock.clone(),
            brand,
            dice,
            conversations: Vec::new(),
            claims: Vec::new(),
            done_so_far: Vec::new(),
            seed,
        };
        for _ in 0..30 + pair.dice.below(50) {
            pair.operation().await;
        }
        pair.compare_all().await;
    }
}

/// A store, the model, and what a sequence knows of both.
struct Pair {
    real: Arc<dyn Store>,
    model: ModelStore,
    clock: Arc<crate::ManualClock>,
    brand: BrandName,
    dice: SeededEntropy,
    conversations: Vec<ConversationId>,
    /// Claims of the same work: the store's and the model's.
    claims: Vec<(Claim, Claim)>,
    done_so_far: Vec<String>,
    seed: u64,
}

impl Pair {
    fn one_in(&self, sides: u64) -> bool {
        self.dice.below(sides) == 0
    }

    fn same<T: PartialEq + std::fmt::Debug>(&self, real: &T, model: &T) {
        assert!(
            real == model,
            "seed {}: the store answers\n{real:?}\nthe model\n{model:?}\nafter\n{}",
            self.seed,
            self.done_so_far.join("\n")
        );
    }

    fn note(&mut self, operation: impl std::fmt::Debug) {
        let mut text = format!("{operation:?}");
        text.truncate(text.char_indices().nth(300).map_or(text.len(), |(at, _)| at));
        self.done_so_far.push(text);
    }

    async fn operation(&mut self) {
        match self.dice.below(20) {
            0..=6 => self.accept().await,
            7..=10 => self.apply().await,
            11..=13 => self.claim().await,
            14..=16 => self.settle().await,
            17 => {
                let seconds = [1, 20, 31, 3600, 86_400 * 31][self.dice.below(5) as usize];
                self.note(("advance", seconds));
                self.clock.advance_secs(seconds);
            }
            18 => self.dead_letters().await,
            _ => self.spend().await,
        }
    }

    fn contact(&self) -> SampleContact {
        let number = self.dice.below(25);
        let mut contact = sample_contact().brand(self.brand.as_str()).id(&format!("<{number}@b>"));
        let text = if self.one_in(6) { "changed" } else { "said" };
        let from = ["ann@example.com", "bob@example.com", "eve@evil.example"][self.dice.below(3) as usize];
        let sure = [Assurance::Failed, Assurance::Unverified, Assurance::Authenticated];
        contact = contact.from(from).assurance(sure[self.dice.below(3) as usize]).text(text);
        for _ in 0..self.dice.below(3) {
            let conditions = [
                JoinCondition::Always,
                JoinCondition::IfParticipant,
                JoinCondition::IfParticipantOnTopic,
                JoinCondition::Hint,
            ];
            let condition = conditions[self.dice.below(4) as usize];
            contact = contact.thread_key(condition, &format!("<{}@b>", self.dice.below(25)));
        }
        if self.one_in(4) {
            contact = contact.subject("Another matter");
        }
        if self.one_in(5) {
            contact = contact.introduces("bob@example.com");
        }
        if self.one_in(5) {
            contact = contact.automated(OriginClass::AutoReply);
        }
        if self.one_in(5) { contact.registers("shared") } else { contact }
    }

    async fn accept(&mut self) {
        let now = self.clock.now();
        let batch: Vec<_> = (0..=self.dice.below(3)).map(|_| self.contact().candidate(now)).collect();
        let said: Vec<_> = batch
            .iter()
            .map(|c| (c.envelope.clone(), c.party.value.clone(), c.thread_keys.clone()))
            .collect();
        self.note(("accept", said));
        let real = self.real.accept(batch.clone()).await.unwrap();
        let model = self.model.accept(batch).await.unwrap();
        self.same(&real, &model);
        for receipt in real {
            if !self.conversations.contains(&receipt.conversation) {
                self.conversations.push(receipt.conversation);
            }
        }
    }

    fn conversation(&self) -> ConversationId {
        let nowhere = || sample_contact().id("<nowhere@b>").candidate(self.clock.now()).founds;
        let at = self.dice.below(self.conversations.len() as u64 + 1);
        self.conversations.get(at as usize).cloned().unwrap_or_else(nowhere)
    }

    async fn outbound(&self, conversation: &ConversationId) -> OutboundRecord {
        let mut record = sample_outbound(conversation, &self.dice.below(2).to_string());
        record.message.brand = self.brand.clone();
        let known = self.model.outbound(&self.brand, &record.id).await.unwrap();
        record.version = known.map_or(1, |known| known.version + 1);
        record.version += u64::from(self.one_in(6));
        record
    }

    async fn effect(&self) -> Effect {
        let conversation = self.conversation();
        let number = self.dice.below(12);
        let event = EventId::of_report("x", &[self.brand.as_str(), &number.to_string()]);
        let at = self.clock.now();
        match self.dice.below(9) {
            0 => Effect::Record { event, conversation, part: "{}".into(), at },
            1 => Effect::Publish {
                event,
                conversation: Some(conversation),
                body: number.to_string().into(),
                at,
            },
            2 => {
                let conversation = self.conversation();
                let keys = vec![key(&format!("<{number}@b>")), key("shared")];
                Effect::Learn { conversation, keys }
            }
            3 => Effect::Outbound(Box::new(self.outbound(&conversation).await)),
            4 => {
                let (step, text) = ("noted".to_owned(), self.dice.below(3).to_string());
                Effect::Journal(JournalLine { subject: conversation.to_string(), at, step, text })
            }
            5 | 6 => Effect::Change { change: Box::new(self.change()), conversation },
            7 => {
                let envelope = self.contact().candidate(at).envelope;
                Effect::Decide { envelope, decision: Box::new(sample_decision("parcels")) }
            }
            _ => self.new_work(&conversation, number),
        }
    }

    fn new_work(&self, conversation: &ConversationId, number: u64) -> Effect {
        let subject = format!("evt_{}_{number}", self.brand);
        let reply = Lane::Reply(InboxName::parse("support").unwrap());
        let due = self.clock.now() + SignedDuration::from_secs(self.dice.below(40) as i64 - 20);
        let mut work = sample_work(&subject).brand(&self.brand).due(due);
        if self.one_in(3) {
            work = work.lane(reply, WorkKind::Reply);
        }
        if !self.one_in(4) {
            work = work.conversation(conversation);
        }
        Effect::Enqueue(work.build())
    }

    fn change(&self) -> ConversationChange {
        use ConversationStatus::{Closed, Open, Pending, Solved};
        let status = (!self.one_in(3)).then(|| [Closed, Open, Pending, Solved][self.dice.below(4) as usize]);
        let window = SignedDuration::from_secs(self.dice.below(7200) as i64);
        ConversationChange {
            status,
            reopen_until: (!self.one_in(3)).then(|| self.clock.now() + window),
            external_id: self.one_in(3).then(|| format!("T-{}", self.dice.below(3))),
            queue: self.one_in(3).then(|| "parcels".to_owned()),
            participant: self.one_in(3).then(|| PartyHandle::new(HandleKind::Email, "bob@example.com")),
            merged_into: self.one_in(3).then(|| self.conversation()),
        }
    }

    async fn effects(&self) -> Vec<Effect> {
        let mut effects = Vec::new();
        for _ in 0..self.dice.below(4) {
            effects.push(self.effect().await);
        }
        effects
    }

    async fn apply(&mut self) {
        let number = |sides| self.dice.below(sides) as u8;
        let guard = self.one_in(3).then(|| Guard {
            key: [number(3); 32],
            content: [number(2); 32],
            value: number(9).to_string(),
        });
        let step = Step { brand: self.brand.clone(), guard, effects: self.effects().await };
        self.note(&step);
        let real = self.real.apply(step.clone()).await.unwrap();
        let model = self.model.apply(step).await.unwrap();
        self.same(&real, &model);
    }

    /// Claims everything of one lane: who goes first among equals is left open, what can be claimed is not.
    async fn claim(&mut self) {
        let lanes = [Lane::Triage, Lane::Forward, Lane::Reply(InboxName::parse("support").unwrap())];
        let lane = &lanes[self.dice.below(3) as usize];
        self.note(("claim", lane));
        let mut real = self.real.claim(lane, 10_000, LEASE).await.unwrap();
        let mut model = self.model.claim(lane, 10_000, LEASE).await.unwrap();
        let facts = |claims: &mut Vec<Claim>| {
            claims.sort_by(|a, b| a.work.new.id.cmp(&b.work.new.id));
            claims.iter().map(|claim| (claim.work.clone(), claim.until)).collect::<Vec<_>>()
        };
        let (real_facts, model_facts) = (facts(&mut real), facts(&mut model));
        self.same(&real_facts, &model_facts);
        self.claims
            .extend(real.into_iter().zip(model).filter(|(claim, _)| claim.work.new.brand == self.brand));
    }

    async fn settle(&mut self) {
        if self.claims.is_empty() {
            return;
        }
        let at = self.dice.below(self.claims.len() as u64) as usize;
        let (real, model) = self.claims[at].clone();
        let due = self.clock.now() + SignedDuration::from_secs(self.dice.below(60) as i64);
        let settlement = match self.dice.below(4) {
            0 | 1 => Settlement::Done,
            2 => Settlement::RetryAt { due, counts: self.one_in(2), error: "500".to_owned() },
            _ => Settlement::Dead { reason: "rejected".to_owned(), error: "422".to_owned() },
        };
        let mut effects = self.effects().await;
        if self.one_in(4) {
            effects.push(Effect::Enqueue(real.work.new.clone()));
        }
        self.note(("settle", &real.work.new.id, &settlement, &effects));
        match self.dice.below(6) {
            0 => {
                let answers = (self.real.renew(&real, LEASE).await, self.model.renew(&model, LEASE).await);
                self.same(&answers.0, &answers.1);
            }
            1 => {
                let answers = (self.real.mark(&real).await, self.model.mark(&model).await);
                self.same(&answers.0, &answers.1);
            }
            _ => {
                let real = self.real.settle(vec![(real, settlement.clone(), effects.clone())]).await.unwrap();
                let model = self.model.settle(vec![(model, settlement, effects)]).await.unwrap();
                self.same(&real, &model);
            }
        }
    }

    async fn dead_letters(&mut self) {
        let real = self.real.page(&self.brand, None, 100).await.unwrap();
        let model = self.model.page(&self.brand, None, 100).await.unwrap();
        self.same(&real, &model);
        let Some(id) = real.first().map(|letter| letter.work.id.clone()) else { return };
        let is_replay = self.one_in(2);
        self.note(("dead letter", &id, is_replay));
        let brand = self.brand.clone();
        let both = if is_replay {
            (self.real.replay(&brand, &id).await, self.model.replay(&brand, &id).await)
        } else {
            (self.real.discard(&brand, &id).await, self.model.discard(&brand, &id).await)
        };
        self.same(&both.0, &both.1);
        let unknown = WorkId::of("evt_unknown", "forward", 0);
        assert_eq!(self.real.replay(&brand, &unknown).await, Ok(false));
    }

    async fn spend(&mut self) {
        if self.one_in(6) {
            let before = self.clock.now() - SignedDuration::from_hours(24);
            self.note(("purge", before));
            for class in [PurgeClass::Conversations, PurgeClass::Feed] {
                let real = self.real.purge(class, before).await.unwrap();
                let model = self.model.purge(class, before).await.unwrap();
                self.same(&real, &model);
            }
        }
        let tally = |key: u8| {
            let window = Duration::from_secs(u64::from(key) * 30 + 30);
            Tally { key: [key; 32], label: key.to_string(), window, limit: 2, amount: 1 }
        };
        let tallies: Vec<_> = (0..self.dice.below(3) as u8 + 1).map(tally).collect();
        let real: BudgetVerdict = self.real.take(&self.brand, &tallies).await.unwrap();
        let model = self.model.take(&self.brand, &tallies).await.unwrap();
        self.same(&real, &model);
    }

    /// Everything that can be read of the sequence's brand.
    async fn compare_all(&self) {
        let brand = &self.brand;
        for id in &self.conversations {
            let facts = self.real.conversation(brand, id).await.map(sorted);
            self.same(&facts, &self.model.conversation(brand, id).await.map(sorted));
            let lookup = || Lookup::Conversation(id.clone());
            let envelopes = (self.real.find(brand, lookup()).await, self.model.find(brand, lookup()).await);
            self.same(&envelopes.0, &envelopes.1);
            let sent = (self.real.outbound_of(brand, id).await, self.model.outbound_of(brand, id).await);
            self.same(&sent.0.map(by_id), &sent.1.map(by_id));
            let subject = [id.to_string()];
            let lines = (self.real.journal(brand, &subject).await, self.model.journal(brand, &subject).await);
            self.same(&lines.0, &lines.1);
        }
        let pages =
            (Feed::read(&*self.real, None, 10_000).await, Feed::read(&self.model, None, 10_000).await);
        let items = |page: Result<Option<lodge_domain::ports::FeedPage>, _>| page.unwrap().unwrap().items;
        self.same(&items(pages.0), &items(pages.1));
        let (mut real, mut model) = (self.real.counts().await.unwrap(), self.model.counts().await.unwrap());
        for lanes in [&mut real.lanes, &mut model.lanes] {
            lanes.sort_by(|a, b| a.lane.cmp(&b.lane));
        }
        self.same(&real, &model);
    }
}

/// Participants in an order of their own: which comes first is left open.
fn sorted(conversation: Option<lodge_domain::Conversation>) -> Option<lodge_domain::Conversation> {
    conversation.map(|mut conversation| {
        conversation.participants.sort();
        conversation
    })
}

/// Records by their id: those asked for at the same moment have no order.
fn by_id(mut records: Vec<OutboundRecord>) -> Vec<OutboundRecord> {
    records.sort_by(|a, b| a.id.cmp(&b.id));
    records
}
