//! A whole hallway over the model store, with a clock moved by hand: days pass in milliseconds.

use async_trait::async_trait;
use bytes::Bytes;
use lodge_domain::effect::Effect;
use lodge_domain::ports::{
    Clock, CommandError, NewReply, Outcome, Refusal, SinkAnswer, Store, StoreError, TicketSink, WorkQueue,
};
use lodge_domain::{
    Applied, Claim, DeliveryError, EventId, Inbound, InboxName, Lane, NodeName, OutboundId, Receipt,
    Reference, Settlement, SignedDuration, digest_parts,
};
use lodge_pipeline::{Facets, Limits, Links, Live, Parts, Pipeline, Settings, Templates};
use lodge_testkit::{ManualClock, ModelStore, RecordingReplier, SampleContact, SeededEntropy};
use lodge_triage::{InboxDefaults, Queues, RuleFile};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A core that takes everything, until it is told otherwise.
#[derive(Default)]
pub(crate) struct Core {
    pub(crate) mood: Mutex<Option<DeliveryError>>,
    pub(crate) answer: Mutex<SinkAnswer>,
    pub(crate) refuses: Mutex<Option<(String, DeliveryError)>>,
    pub(crate) received: Mutex<Vec<(String, Bytes, bool)>>,
    pub(crate) tries: AtomicUsize,
}

#[async_trait]
impl TicketSink for Core {
    async fn forward(&self, event: &EventId, body: Bytes) -> Result<SinkAnswer, DeliveryError> {
        self.tries.fetch_add(1, Ordering::SeqCst);
        let mood = self.mood.lock().unwrap().clone();
        let refused = self.refuses.lock().unwrap().clone();
        let error = mood.or_else(|| {
            refused.filter(|(what, _)| String::from_utf8_lossy(&body).contains(what)).map(|(_, error)| error)
        });
        self.received.lock().unwrap().push((event.to_string(), body, error.is_none()));
        error.map_or_else(|| Ok(self.answer.lock().unwrap().clone()), Err)
    }
}

/// A work queue that breaks where a test wants it to.
pub(crate) struct Breaking {
    inner: Arc<dyn WorkQueue>,
    pub(crate) claim: AtomicBool,
    pub(crate) settle: AtomicBool,
    pub(crate) mark: AtomicBool,
}

fn broken() -> StoreError {
    StoreError::Closed
}

#[async_trait]
impl WorkQueue for Breaking {
    async fn claim(&self, lane: &Lane, most: usize, lease: Duration) -> Result<Vec<Claim>, StoreError> {
        if self.claim.load(Ordering::SeqCst) {
            return Err(broken());
        }
        self.inner.claim(lane, most, lease).await
    }

    async fn settle(
        &self,
        settled: Vec<(Claim, Settlement, Vec<Effect>)>,
    ) -> Result<Vec<Applied>, StoreError> {
        if self.settle.load(Ordering::SeqCst) {
            return Err(broken());
        }
        self.inner.settle(settled).await
    }

    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool, StoreError> {
        self.inner.renew(claim, lease).await
    }

    async fn mark(&self, claim: &Claim) -> Result<bool, StoreError> {
        if self.mark.load(Ordering::SeqCst) {
            return Err(broken());
        }
        self.inner.mark(claim).await
    }

    async fn wait(&self, lane: &Lane, most: Duration) {
        self.inner.wait(lane, most).await;
    }

    async fn lanes(&self) -> Result<Vec<Lane>, StoreError> {
        self.inner.lanes().await
    }
}

/// Links that say what they link to.
pub(crate) struct PlainLinks;

impl Links for PlainLinks {
    fn blob(
        &self,
        blob: &lodge_domain::BlobRef,
        name: Option<&str>,
        _: &str,
        expires: lodge_domain::Timestamp,
    ) -> Option<String> {
        let start: String = blob.sha256.chars().take(8).collect();
        Some(format!("https://help.example.com/blobs/{start}/{}?until={expires}", name.unwrap_or("raw")))
    }
}

pub(crate) struct House {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Arc<ModelStore>,
    pub(crate) work: Arc<Breaking>,
    pub(crate) core: Arc<Core>,
    pub(crate) replier: Arc<RecordingReplier>,
    pub(crate) pipeline: Arc<Pipeline>,
}

pub(crate) const RULES: &str = r#"
[[rules]]
name = "invoices"
when = { subject = "(?i)invoice" }
set = { category = "billing", priority = "high", queue = "billing", tags = ["money"] }
"#;

pub(crate) fn live(settings: Settings) -> Live {
    let rules: RuleFile = toml::from_str(RULES).unwrap();
    let queues: Queues = toml::from_str("[general]\nfallback = true\n[billing]\nreopen = \"1h\"").unwrap();
    let rules = lodge_triage::compile(&rules.rules, &queues, &InboxDefaults::default()).unwrap();
    Live { rules, settings, templates: Templates::default() }
}

pub(crate) fn anyone() -> Settings {
    let mut settings = Settings::default();
    settings.acknowledgment.to = lodge_pipeline::Audience::Anyone;
    settings
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(Settings::default(), |_| {})
    }

    pub(crate) fn with(settings: Settings, change: impl FnOnce(&mut Parts)) -> Self {
        let house = Self::without_replier(settings, change);
        let replier: Arc<RecordingReplier> = Arc::clone(&house.replier);
        house.pipeline.set_replier(InboxName::parse("support").unwrap(), replier);
        house
    }

    pub(crate) fn without_replier(settings: Settings, change: impl FnOnce(&mut Parts)) -> Self {
        let clock = Arc::new(ManualClock::new());
        let entropy = Arc::new(SeededEntropy::new(7));
        let store =
            Arc::new(ModelStore::new(Arc::clone(&clock) as Arc<dyn Clock>, Arc::new(SeededEntropy::new(8))));
        Self::over(&clock, entropy, store, settings, change)
    }

    /// A second process over the same store.
    pub(crate) fn restarted(&self) -> Self {
        let entropy = Arc::new(SeededEntropy::new(9));
        let house = Self::over(&self.clock, entropy, Arc::clone(&self.store), Settings::default(), |_| {});
        let replier: Arc<RecordingReplier> = Arc::clone(&self.replier);
        house.pipeline.set_replier(InboxName::parse("support").unwrap(), replier);
        Self { replier: Arc::clone(&self.replier), ..house }
    }

    /// Another process over the same store and the same time.
    pub(crate) fn over_again(house: &Self, settings: Settings) -> Self {
        let entropy = Arc::new(SeededEntropy::new(10));
        Self::over(&house.clock, entropy, Arc::clone(&house.store), settings, |_| {})
    }

    fn over(
        clock: &Arc<ManualClock>,
        entropy: Arc<SeededEntropy>,
        store: Arc<ModelStore>,
        settings: Settings,
        change: impl FnOnce(&mut Parts),
    ) -> Self {
        let whole: Arc<dyn Store> = Arc::clone(&store) as Arc<dyn Store>;
        let mut facets = Facets::of(&whole);
        let work = Arc::new(Breaking {
            inner: Arc::clone(&facets.work),
            claim: AtomicBool::new(false),
            settle: AtomicBool::new(false),
            mark: AtomicBool::new(false),
        });
        facets.work = Arc::clone(&work) as Arc<dyn WorkQueue>;
        let core = Arc::new(Core::default());
        let mut parts = Parts {
            store: facets,
            blobs: None,
            sink: Some(Arc::clone(&core) as Arc<dyn TicketSink>),
            clock: Arc::clone(clock) as Arc<dyn Clock>,
            entropy,
            node: NodeName::parse("gw-1").unwrap(),
            links: Arc::new(PlainLinks),
            live: live(settings),
            limits: Limits::default(),
        };
        change(&mut parts);
        Self {
            clock: Arc::clone(clock),
            store,
            work,
            core,
            replier: Arc::new(RecordingReplier::new(false)),
            pipeline: Pipeline::new(parts),
        }
    }

    pub(crate) async fn try_accept(&self, sample: SampleContact) -> Result<Receipt, Refusal> {
        self.accept_aged(sample, SignedDuration::ZERO).await
    }

    pub(crate) async fn accept_aged(
        &self,
        sample: SampleContact,
        age: SignedDuration,
    ) -> Result<Receipt, Refusal> {
        let contact = Box::new(sample.at(self.clock.now() - age).build());
        match self.pipeline.intake().accept(vec![Inbound::Contact(contact)]).await?.remove(0) {
            Outcome::Accepted(receipt) => Ok(receipt),
            other => panic!("not accepted: {other:?}"),
        }
    }

    pub(crate) async fn accept(&self, sample: SampleContact) -> Receipt {
        self.try_accept(sample).await.unwrap()
    }

    /// Does everything that is due.
    pub(crate) async fn work_off(&self) {
        loop {
            let mut done = 0;
            for lane in self.pipeline.lanes() {
                done += self.pipeline.drain_due(&lane).await.unwrap();
            }
            if done == 0 {
                return;
            }
        }
    }

    /// Accepts, and does everything that is due.
    pub(crate) async fn take(&self, sample: SampleContact) -> Receipt {
        let receipt = self.accept(sample).await;
        self.work_off().await;
        receipt
    }

    /// Lets time pass, doing what is due every `step`.
    pub(crate) async fn pass(&self, time: SignedDuration, step: SignedDuration) {
        let end = self.clock.now() + time;
        while self.clock.now() < end {
            self.clock.advance(step);
            self.work_off().await;
        }
    }

    /// What the core has, in the order it took it.
    pub(crate) fn events(&self) -> Vec<Value> {
        let received = self.core.received.lock().unwrap();
        let taken = received.iter().filter(|(_, _, taken)| *taken);
        taken.map(|(_, body, _)| serde_json::from_slice(body).unwrap()).collect()
    }

    /// The event of a contact.
    pub(crate) fn event(&self, receipt: &Receipt) -> Value {
        let events = self.events();
        let found = events.into_iter().find(|event| event["id"] == receipt.envelope.as_str());
        found.unwrap_or_else(|| panic!("the core has no event for {}", receipt.envelope))
    }

    pub(crate) async fn reply(
        &self,
        reference: &Reference,
        key: &str,
        text: &str,
    ) -> Result<OutboundId, CommandError> {
        let reply = NewReply {
            text: text.to_owned(),
            html: None,
            attachments: Vec::new(),
            author: Some("Kim".to_owned()),
            idempotency_key: key.to_owned(),
            content: digest_parts(&[text.as_bytes()]),
        };
        self.pipeline.commands().reply(reference, reply).await.map(|queued| queued.id)
    }

    pub(crate) async fn dead_letters(&self) -> Vec<lodge_domain::ports::DeadLetter> {
        let whole: Arc<dyn Store> = Arc::clone(&self.store) as Arc<dyn Store>;
        lodge_pipeline::DeadLetterDesk::new(Facets::of(&whole)).list().await.unwrap()
    }
}

pub(crate) fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

pub(crate) fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}
