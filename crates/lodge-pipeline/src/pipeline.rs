//! The pipeline as others hold it, and what its parts share.

use crate::allowance::Allowances;
use crate::circuit::{Circuit, PROBE_EVERY, SELDOM};
use crate::health::LaneReport;
use crate::parts::{Facets, Links, Parts};
use crate::settings::{Limits, Live};
use crate::supplement::{self, Awaited};
use crate::{commands, events, intake, retention, worker};
use arc_swap::ArcSwap;
use jiff::Timestamp;
use lodge_domain::ports::{Blobs, Clock, CoreCommands, Entropy, Intake, Replier, StoreError, TicketSink};
use lodge_domain::{DeliveryError, Disposition, InboxName, Lane, NodeName};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Accept, triage, deliver.
pub struct Pipeline {
    shared: Arc<Shared>,
}

/// What all parts of the pipeline use.
pub(crate) struct Shared {
    pub(crate) store: Facets,
    pub(crate) blobs: Option<Arc<dyn Blobs>>,
    pub(crate) sink: Option<Arc<dyn TicketSink>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) node: NodeName,
    pub(crate) links: Arc<dyn Links>,
    pub(crate) limits: Limits,
    pub(crate) accepts: Semaphore,
    pub(crate) closing: AtomicBool,
    /// How often the core refused an event as it stands; lost at a restart, which only makes three more tries.
    pub(crate) refusals: Mutex<HashMap<String, u32>>,
    pub(crate) awaited: Awaited,
    pub(crate) allowances: Allowances,
    /// Whether every contact is brought before the store's budgets: a process that takes in one has seen nothing.
    asks_always: AtomicBool,
    live: ArcSwap<Live>,
    repliers: RwLock<BTreeMap<InboxName, Arc<dyn Replier>>>,
    circuits: Mutex<BTreeMap<Lane, Arc<Circuit>>>,
}

impl Pipeline {
    /// Puts the parts together. Nothing moves before [`Self::run`].
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { store, blobs, sink, clock, entropy, node, links, live, limits } = parts;
        let shared = Shared {
            store,
            blobs,
            sink,
            clock,
            entropy,
            node,
            links,
            accepts: Semaphore::new(limits.accepts.clamp(1, Semaphore::MAX_PERMITS)),
            closing: AtomicBool::new(false),
            refusals: Mutex::default(),
            awaited: Awaited::default(),
            allowances: Allowances::default(),
            asks_always: AtomicBool::new(false),
            live: ArcSwap::from_pointee(live),
            repliers: RwLock::default(),
            circuits: Mutex::default(),
            limits,
        };
        Arc::new(Self { shared: Arc::new(shared) })
    }

    /// What doors hand contacts to.
    #[must_use]
    pub fn intake(&self) -> Arc<dyn Intake> {
        Arc::new(intake::Door(Arc::clone(&self.shared)))
    }

    /// For a process that lives for one contact: its memory of senders is worth nothing, so the store is asked each time.
    pub fn ask_always(&self) {
        self.shared.asks_always.store(true, Ordering::Release);
    }

    /// What the core's commands are handed to.
    #[must_use]
    pub fn commands(&self) -> Arc<dyn CoreCommands> {
        Arc::new(commands::Desk(Arc::clone(&self.shared)))
    }

    /// Gives an inbox its way out. Doors are built with the intake first, so this comes after [`Self::new`]; lanes of
    /// inboxes added after [`Self::run`] began do not move.
    pub fn set_replier(&self, inbox: InboxName, replier: Arc<dyn Replier>) {
        self.shared.repliers.write().unwrap_or_else(PoisonError::into_inner).insert(inbox, replier);
    }

    /// Replaces rules, settings and texts as a whole; work already begun ends under the old ones.
    pub fn reload(&self, live: Live) {
        self.shared.live.store(Arc::new(live));
    }

    /// What is in force right now.
    #[must_use]
    pub fn live(&self) -> Arc<Live> {
        self.shared.live()
    }

    /// How each lane fares, for readiness and metrics.
    #[must_use]
    pub fn health(&self) -> Vec<LaneReport> {
        let halted = |lane: Lane| {
            let halt = self.shared.circuit(&lane).halt();
            LaneReport::new(lane, halt)
        };
        self.shared.lanes().into_iter().map(halted).collect()
    }

    /// The lanes that this process serves.
    #[must_use]
    pub fn lanes(&self) -> Vec<Lane> {
        self.shared.lanes()
    }

    /// Moves all lanes and keeps the store tidy until `soft` (finishes what is in flight, takes nothing new) or `hard`
    /// (drops everything: leases end and the work comes back) is cancelled, and all of it ended.
    pub async fn run(&self, soft: CancellationToken, hard: CancellationToken) {
        let mut tasks = JoinSet::new();
        for lane in self.shared.lanes() {
            tasks.spawn(worker::supervise(Arc::clone(&self.shared), lane, soft.clone(), hard.clone()));
        }
        tasks.spawn(retention::keep_tidy(Arc::clone(&self.shared), soft.clone(), hard.clone()));
        tasks.spawn(supplement::keep_swept(Arc::clone(&self.shared), soft.clone(), hard.clone()));
        tasks.spawn(retention::keep_gauges(Arc::clone(&self.shared), soft.clone(), hard.clone()));
        tokio::select! {
            () = soft.cancelled() => {}
            () = hard.cancelled() => {}
        }
        self.shared.closing.store(true, Ordering::Release);
        while tasks.join_next().await.is_some() {}
    }

    /// Does what is due in `lane` right now, and answers how much that was: for commands that run without the loop.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn drain_due(&self, lane: &Lane) -> Result<usize, StoreError> {
        worker::drain_due(&self.shared, lane).await
    }

    /// Adds what waits for contacts that are there by now, and gives up what waited too long; how many are left.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn sweep_supplements(&self) -> Result<usize, StoreError> {
        supplement::sweep(&self.shared).await
    }

    /// Removes what is older than the settings say, once; how many records went.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn purge(&self) -> Result<u64, StoreError> {
        retention::purge(&self.shared).await
    }
}

impl Shared {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How much of one sender is let in before the store is asked.
    pub(crate) fn unasked(&self, most: u64) -> u64 {
        if self.asks_always.load(Ordering::Acquire) { 0 } else { most }
    }

    pub(crate) fn live(&self) -> Arc<Live> {
        self.live.load_full()
    }

    pub(crate) fn replier(&self, inbox: &InboxName) -> Option<Arc<dyn Replier>> {
        self.repliers.read().unwrap_or_else(PoisonError::into_inner).get(inbox).cloned()
    }

    pub(crate) fn lanes(&self) -> Vec<Lane> {
        let mut lanes = vec![Lane::Triage];
        lanes.extend(self.sink.is_some().then_some(Lane::Forward));
        for inbox in self.repliers.read().unwrap_or_else(PoisonError::into_inner).keys() {
            lanes.push(Lane::Reply(inbox.clone()));
            lanes.push(Lane::Acknowledge(inbox.clone(), self.node.clone()));
        }
        lanes
    }

    pub(crate) fn circuit(&self, lane: &Lane) -> Arc<Circuit> {
        let mut circuits = self.circuits.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(circuit) = circuits.get(lane) {
            return Arc::clone(circuit);
        }
        let least = if *lane == Lane::Forward { PROBE_EVERY } else { SELDOM };
        let circuit = Arc::new(Circuit::new(self.clock.now(), least));
        circuits.insert(lane.clone(), Arc::clone(&circuit));
        circuit
    }

    /// Tells the lane's circuit that something got through.
    pub(crate) fn succeeded(&self, lane: &Lane) {
        if self.circuit(lane).succeeded(self.now()).is_some() {
            events::LaneResumed { lane }.emit();
        }
    }

    /// Tells the lane's circuit of a failure.
    pub(crate) fn failed(&self, lane: &Lane, error: &DeliveryError) {
        // A far side that refuses one item is there all the same; outside the core, an address that is gone is one item.
        let gone = error.disposition == Disposition::Gone && *lane != Lane::Forward;
        if gone || matches!(error.disposition, Disposition::Rejected | Disposition::Never) {
            if self.circuit(lane).answered(self.now()).is_some() {
                events::LaneResumed { lane }.emit();
            }
        } else if let Some(halt) = self.circuit(lane).failed(self.now(), error) {
            events::LaneHalted { lane, halt: &halt }.emit();
        }
    }

    /// A random wait of up to `most`, never nothing.
    pub(crate) fn jittered(&self, most: Duration) -> Duration {
        let millis = u64::try_from(most.as_millis()).unwrap_or(u64::MAX).max(2);
        Duration::from_millis(millis / 2 + self.entropy.number() % (millis / 2))
    }
}
