//! The one loop: every lane is claimed, done and settled here, whatever it is about.
//!
//! A lane takes as many claims as it may do at a time, does them side by side, settles whatever is finished in one go and
//! waits for more. Long work renews its lease; a store that fails is asked again, later and later; nothing here ever gives
//! a lane up.

use crate::pipeline::Shared;
use crate::{continuity, events, forward, reply, triage};
use jiff::Timestamp;
use lodge_domain::ports::StoreError;
use lodge_domain::{Applied, Claim, Effect, JournalLine, Lane, Settlement, WorkKind};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a lane waits for work before it looks again by itself.
const IDLE: Duration = Duration::from_secs(1);
/// How long a lane that stands still waits before it looks whether a probe is due.
const HALTED: Duration = Duration::from_millis(250);
/// The shortest pause between two looks that find nothing.
const LEAST: Duration = Duration::from_millis(10);
/// The longest pause after the store failed.
const TROUBLE: Duration = Duration::from_secs(5);
/// Tries after which an item whose record cannot be read is given up.
const UNREADABLE_TRIES: u32 = 2;

/// How a claim ends, and what that changes.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub(crate) settlement: Settlement,
    pub(crate) effects: Vec<Effect>,
}

impl Ending {
    pub(crate) fn done(effects: Vec<Effect>) -> Self {
        Self { settlement: Settlement::Done, effects }
    }

    pub(crate) fn dead(reason: &str, error: &str) -> Self {
        let settlement = Settlement::Dead { reason: reason.to_owned(), error: error.to_owned() };
        Self { settlement, effects: Vec::new() }
    }

    pub(crate) fn retry(due: Timestamp, counts: bool, error: &str) -> Self {
        let settlement = Settlement::RetryAt { due, counts, error: error.to_owned() };
        Self { settlement, effects: Vec::new() }
    }

    /// With a line in the trace where the work failed. Failures that say the same are one line.
    fn noted(mut self, shared: &Shared, claim: &Claim) -> Self {
        let work = &claim.work.new;
        let (step, text) = match &self.settlement {
            Settlement::RetryAt { counts: true, error, .. } => ("deferred", error.clone()),
            Settlement::Dead { reason, error } => ("given up", format!("{reason}: {error}")),
            _ => return self,
        };
        self.effects.push(Effect::Journal(JournalLine {
            subject: work.subject.clone(),
            at: shared.now(),
            step: format!("{} {step}", work.kind.as_str()),
            text,
        }));
        self
    }
}

type Finished = (Claim, Option<Ending>);

/// How long a claim of this lane is good for: more than twice what its far side may take to answer. Longer work renews.
pub(crate) fn lease(lane: &Lane) -> Duration {
    match lane {
        Lane::Triage | Lane::Forward => Duration::from_secs(60),
        Lane::Reply(_) | Lane::Acknowledge(..) => Duration::from_secs(120),
    }
}

fn at_a_time(shared: &Shared, lane: &Lane) -> usize {
    let most = match lane {
        Lane::Triage => shared.limits.triage,
        Lane::Forward => shared.limits.forward,
        Lane::Reply(_) | Lane::Acknowledge(..) => shared.limits.outbound,
    };
    most.max(1)
}

/// Runs a lane until shutdown; a panic in it (a bug of ours) starts it again.
pub(crate) async fn supervise(
    shared: Arc<Shared>,
    lane: Lane,
    soft: CancellationToken,
    hard: CancellationToken,
) {
    loop {
        let run = tokio::spawn(run(Arc::clone(&shared), lane.clone(), soft.clone(), hard.clone()));
        match run.await {
            Ok(()) => return,
            Err(error) => tracing::error!(%lane, %error, "a lane broke down and starts again"),
        }
        tokio::select! {
            () = tokio::time::sleep(shared.jittered(Duration::from_secs(2))) => {}
            () = hard.cancelled() => return,
        }
    }
}

async fn run(shared: Arc<Shared>, lane: Lane, soft: CancellationToken, hard: CancellationToken) {
    tokio::select! {
        () = turn(&shared, &lane, &soft) => {}
        () = hard.cancelled() => {}
    }
}

/// Claims, does, settles, waits, until `soft` is cancelled and everything in flight has ended.
async fn turn(shared: &Arc<Shared>, lane: &Lane, soft: &CancellationToken) {
    let mut tasks: JoinSet<Finished> = JoinSet::new();
    let mut trouble = LEAST;
    let mut false_alarms: u32 = 0;
    loop {
        let finished = finished(&mut tasks);
        if !finished.is_empty() {
            settle(shared, finished).await;
            continue;
        }
        if soft.is_cancelled() {
            let Some(one) = tasks.join_next().await else { return };
            settle(shared, ended(one).into_iter().collect()).await;
            continue;
        }
        let room = at_a_time(shared, lane).saturating_sub(tasks.len());
        let permits = if room == 0 { 0 } else { shared.circuit(lane).permits(shared.now(), room) };
        let claimed = match permits {
            0 => Ok(0),
            most => claim(shared, lane, most, &mut tasks).await,
        };
        let pause = match &claimed {
            Ok(0) if room > 0 && permits == 0 => HALTED,
            Ok(0) => IDLE,
            Ok(_) => {
                (trouble, false_alarms) = (LEAST, 0);
                if tasks.len() < at_a_time(shared, lane) { LEAST } else { IDLE }
            }
            Err(error) => {
                events::StoreTrouble { what: "claiming", lane, error: error.to_string() }.emit();
                trouble = (trouble * 2).min(TROUBLE);
                shared.jittered(trouble)
            }
        };
        // Only a lane that found nothing although it may take more listens for news; the others come by anyway.
        let listens = matches!(claimed, Ok(0)) && permits > 0;
        tokio::select! {
            Some(one) = tasks.join_next(), if !tasks.is_empty() => {
                settle(shared, ended(one).into_iter().chain(finished_now(&mut tasks)).collect()).await;
            }
            early = listen(shared, lane, pause, false_alarms), if listens => {
                false_alarms = if early { false_alarms.saturating_add(1) } else { 0 };
            }
            () = tokio::time::sleep(pause), if !listens => {}
            () = soft.cancelled() => {}
        }
    }
}

/// Waits for news of the lane; whether there seemed to be some. News that turns out to be none again and again (work that
/// is held back may look like news) is believed less and less quickly.
async fn listen(shared: &Shared, lane: &Lane, most: Duration, false_alarms: u32) -> bool {
    let started = Instant::now();
    shared.store.work.wait(lane, most).await;
    let early = started.elapsed() < most.mul_f32(0.9);
    if early && false_alarms > 0 {
        tokio::time::sleep(LEAST.saturating_mul(1 << false_alarms.min(5)).min(most)).await;
    }
    early
}

async fn claim(
    shared: &Arc<Shared>,
    lane: &Lane,
    most: usize,
    tasks: &mut JoinSet<Finished>,
) -> Result<usize, StoreError> {
    let claims = shared.store.work.claim(lane, most, lease(lane)).await.inspect_err(|_| {
        shared.circuit(lane).unused();
    })?;
    if claims.is_empty() {
        shared.circuit(lane).unused();
    }
    let count = claims.len();
    for claim in claims {
        let shared = Arc::clone(shared);
        tasks.spawn(async move {
            let ending = with_renewal(&shared, &claim).await;
            (claim, ending)
        });
    }
    Ok(count)
}

/// Does the work, renewing its lease beside it while that takes.
async fn with_renewal(shared: &Shared, claim: &Claim) -> Option<Ending> {
    tokio::select! {
        ending = one(shared, claim) => ending,
        () = renewals(shared, claim) => None,
    }
}

/// Renews the lease again and again; ends only by being dropped.
async fn renewals(shared: &Shared, claim: &Claim) {
    let lane = &claim.work.new.lane;
    let lease = lease(lane);
    loop {
        tokio::time::sleep(lease / 3).await;
        // A lost lease is found out by settling; stopping half-way would be no safer.
        if let Err(error) = shared.store.work.renew(claim, lease).await {
            events::StoreTrouble { what: "renewing", lane, error: error.to_string() }.emit();
        }
    }
}

/// Does one item. `None` where it was settled already, or its lease is lost.
async fn one(shared: &Shared, claim: &Claim) -> Option<Ending> {
    let ending = match claim.work.new.kind {
        WorkKind::Triage => triage::envelope(shared, claim).await.map(Some),
        WorkKind::Announce => triage::later(shared, claim).await.map(Some),
        WorkKind::Forward => forward::forward(shared, claim).await.map(Some),
        WorkKind::Acknowledge | WorkKind::Reply => reply::send(shared, claim).await,
        WorkKind::Continue => continuity::carry_on(shared, claim).await.map(Some),
        WorkKind::Quarantine => Ok(Some(Ending::dead("quarantine is no work", "it was in a lane"))),
    };
    match ending {
        Ok(ending) => {
            // What never reached the far side says nothing about it: the next item may probe.
            shared.circuit(&claim.work.new.lane).unused();
            ending.map(|ending| ending.noted(shared, claim))
        }
        Err(error) => {
            let lane = &claim.work.new.lane;
            shared.circuit(lane).unused();
            events::StoreTrouble { what: "work", lane, error: error.to_string() }.emit();
            let unreadable = matches!(error, StoreError::Unreadable(_));
            if unreadable && claim.work.attempts >= UNREADABLE_TRIES {
                return Some(Ending::dead("a record cannot be read", &error.to_string()));
            }
            let wait = shared.jittered(Duration::from_secs(4));
            let due = shared.now().checked_add(wait).unwrap_or(Timestamp::MAX);
            Some(Ending::retry(due, unreadable, &error.to_string()))
        }
    }
}

fn finished(tasks: &mut JoinSet<Finished>) -> Vec<(Claim, Ending)> {
    finished_now(tasks).collect()
}

fn finished_now(tasks: &mut JoinSet<Finished>) -> impl Iterator<Item = (Claim, Ending)> {
    std::iter::from_fn(|| tasks.try_join_next()).filter_map(ended)
}

/// A task that panicked leaves its claim to the end of its lease, which counts: three of those give the work up.
fn ended(finished: Result<Finished, JoinError>) -> Option<(Claim, Ending)> {
    match finished {
        Ok((claim, ending)) => ending.map(|ending| (claim, ending)),
        Err(error) => {
            if error.is_panic() {
                tracing::error!(%error, "work broke down and comes back when its lease ends");
            }
            None
        }
    }
}

async fn settle(shared: &Shared, finished: Vec<(Claim, Ending)>) {
    if finished.is_empty() {
        return;
    }
    let batch =
        finished.iter().map(|(claim, e)| (claim.clone(), e.settlement.clone(), e.effects.clone())).collect();
    let Some(applied) = settle_patiently(shared, batch).await else { return };
    for ((claim, ending), applied) in finished.iter().zip(&applied) {
        report(claim, &ending.settlement, applied);
    }
    let stale = finished.into_iter().zip(applied).filter(|(_, applied)| *applied == Applied::Stale);
    // Something we send was recorded meanwhile: done again, the work sees it.
    let again = stale.map(|((claim, _), _)| {
        let due = shared.now();
        (
            claim,
            Settlement::RetryAt { due, counts: true, error: "a record changed meanwhile".to_owned() },
            Vec::new(),
        )
    });
    let again: Vec<_> = again.collect();
    if !again.is_empty() {
        settle_patiently(shared, again).await;
    }
}

/// Settles, asking a store that fails again until the leases have ended. `None` where they did.
pub(crate) async fn settle_patiently(
    shared: &Shared,
    batch: Vec<(Claim, Settlement, Vec<Effect>)>,
) -> Option<Vec<Applied>> {
    let latest = batch.iter().map(|(claim, _, _)| claim.until).max()?;
    let lane = batch.first().map(|(claim, _, _)| claim.work.new.lane.clone())?;
    let mut pause = LEAST;
    loop {
        let error = match shared.store.work.settle(batch.clone()).await {
            Ok(applied) => return Some(applied),
            Err(error) => error,
        };
        events::StoreTrouble { what: "settling", lane: &lane, error: error.to_string() }.emit();
        if batch.len() > 1 && !matches!(error, StoreError::Busy | StoreError::Unavailable(_)) {
            // One that cannot be settled must not hold the others.
            return Some(settle_each(shared, batch).await);
        }
        if shared.now() >= latest || matches!(error, StoreError::Closed | StoreError::Unreadable(_)) {
            return None;
        }
        pause = (pause * 2).min(TROUBLE);
        tokio::time::sleep(shared.jittered(pause)).await;
    }
}

async fn settle_each(shared: &Shared, batch: Vec<(Claim, Settlement, Vec<Effect>)>) -> Vec<Applied> {
    let mut applied = Vec::with_capacity(batch.len());
    for one in batch {
        let answer = Box::pin(settle_patiently(shared, vec![one])).await;
        applied.push(answer.and_then(|answer| answer.into_iter().next()).unwrap_or(Applied::LeaseLost));
    }
    applied
}

/// Logs and counts how a claim ended.
pub(crate) fn report(claim: &Claim, settlement: &Settlement, applied: &Applied) {
    let (outcome, error) = match (applied, settlement) {
        (Applied::LeaseLost, _) => ("lease lost", None),
        (Applied::Stale, _) => ("retry", Some("a record changed meanwhile")),
        (_, Settlement::Done) => ("done", None),
        (_, Settlement::RetryAt { error, .. }) => ("retry", Some(error.as_str())),
        (_, Settlement::Dead { error, .. }) => ("dead", Some(error.as_str())),
    };
    let work = &claim.work.new;
    events::WorkSettled { lane: &work.lane, outcome, subject: &work.subject, error }.emit();
}

/// Does what is due in `lane` right now, one portion after the other; how much that was.
pub(crate) async fn drain_due(shared: &Arc<Shared>, lane: &Lane) -> Result<usize, StoreError> {
    let mut all = 0;
    loop {
        let permits = shared.circuit(lane).permits(shared.now(), at_a_time(shared, lane));
        let mut tasks = JoinSet::new();
        if permits == 0 || claim(shared, lane, permits, &mut tasks).await? == 0 {
            return Ok(all);
        }
        while let Some(one) = tasks.join_next().await {
            all += 1;
            settle(shared, ended(one).into_iter().chain(finished_now(&mut tasks)).collect()).await;
        }
    }
}
