//! The accept writer: what queued while the last batch was under way is the next batch; one script over one brand.
//!
//! Each batch names the one before it. Where the server does not know that one, it has forgotten what it confirmed
//! (restart without data, failover): nothing is written, the loss is said loudly, and the batch goes on from what the
//! server knows. Crash points C5 and C6 lie around the script: a repetition answers like the first.

use crate::brands::Identity;
use crate::candidates::{encode_batch, read_receipts};
use crate::error::unreadable;
use crate::portions::{Place, Placed, chunks};
use crate::reply;
use crate::store::Core;
use futures_util::future::join_all;
use lodge_domain::ports::StoreError;
use lodge_domain::{BrandName, Candidate, Lane, Receipt};
use lodge_telemetry::catalogue::metrics;
use lodge_telemetry::failpoint;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use tokio::sync::{mpsc, oneshot};

const MOST_REQUESTS: usize = 256;
/// How often a batch adopts what the server knows before it gives up.
const ADOPTIONS: usize = 3;

/// A call of accept, and where its answer goes.
pub(crate) struct Accepting {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) answer: oneshot::Sender<Result<Vec<Receipt>, StoreError>>,
}

/// Runs until the store is dropped.
pub(crate) async fn run(core: Arc<Core>, mut queue: mpsc::Receiver<Accepting>) {
    let mut lanes: HashMap<BrandName, Identity> = HashMap::new();
    let mut requests = Vec::new();
    while queue.recv_many(&mut requests, MOST_REQUESTS).await > 0 {
        write(&core, &mut lanes, std::mem::take(&mut requests)).await;
    }
}

async fn write(core: &Core, lanes: &mut HashMap<BrandName, Identity>, requests: Vec<Accepting>) {
    let mut by_brand: HashMap<&BrandName, Vec<Vec<Placed<'_>>>> = HashMap::new();
    for (number, request) in requests.iter().enumerate() {
        let mut runs: HashMap<&BrandName, Vec<Placed<'_>>> = HashMap::new();
        for (at, candidate) in request.candidates.iter().enumerate() {
            runs.entry(&candidate.brand).or_default().push(((number, at), candidate));
        }
        for (brand, run) in runs {
            by_brand.entry(brand).or_default().push(run);
        }
    }
    let work = by_brand.into_iter().map(|(brand, runs)| {
        let lane = lanes.remove(brand);
        async move { (brand.clone(), write_brand(core, brand, lane, runs).await) }
    });
    let mut answers: Vec<Vec<Option<Receipt>>> =
        requests.iter().map(|request| vec![None; request.candidates.len()]).collect();
    let mut failures: Vec<Option<StoreError>> = vec![None; requests.len()];
    for (brand, (lane, decided)) in join_all(work).await {
        if let Some(lane) = lane {
            lanes.insert(brand, lane);
        }
        for ((number, at), outcome) in decided {
            match outcome {
                Ok(receipt) => answers[number][at] = Some(receipt),
                Err(error) => failures[number] = Some(error),
            }
        }
    }
    for ((request, receipts), failure) in requests.into_iter().zip(answers).zip(failures) {
        let outcome = match failure {
            Some(error) => Err(error),
            None => receipts.into_iter().collect::<Option<Vec<_>>>().ok_or(StoreError::Closed),
        };
        // Whoever asked may have gone; the contact is durable all the same.
        drop(request.answer.send(outcome));
    }
}

type Outcomes = Vec<(Place, Result<Receipt, StoreError>)>;

async fn write_brand(
    core: &Core,
    brand: &BrandName,
    mut lane: Option<Identity>,
    runs: Vec<Vec<Placed<'_>>>,
) -> (Option<Identity>, Outcomes) {
    let mut outcomes = Vec::new();
    let has_entries = runs.iter().flatten().any(|(_, candidate)| candidate.entry.is_some());
    for chunk in chunks(runs) {
        let whole: Vec<Placed<'_>> = chunk.iter().flatten().copied().collect();
        match commit(core, brand, &mut lane, &whole).await {
            Err(Failure::Refused(_)) if chunk.len() > 1 => {
                // One call's candidate is at fault; the others shall not suffer for it.
                for run in chunk {
                    let outcome = commit(core, brand, &mut lane, &run).await;
                    spread(&run, outcome, &mut outcomes);
                }
            }
            outcome => spread(&whole, outcome, &mut outcomes),
        }
    }
    core.signals.ring(&Lane::Triage);
    if has_entries {
        core.signals.timelines.notify_waiters();
    }
    (lane, outcomes)
}

fn spread(placed: &[Placed<'_>], outcome: Result<Vec<Receipt>, Failure>, into: &mut Outcomes) {
    match outcome {
        Ok(receipts) => {
            into.extend(placed.iter().zip(receipts).map(|((place, _), receipt)| (*place, Ok(receipt))));
        }
        Err(Failure::Refused(error) | Failure::Store(error)) => {
            into.extend(placed.iter().map(|(place, _)| (*place, Err(error.clone()))));
        }
    }
}

enum Failure {
    /// The batch was refused for what is in it.
    Refused(StoreError),
    Store(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

async fn commit(
    core: &Core,
    brand: &BrandName,
    lane: &mut Option<Identity>,
    batch: &[Placed<'_>],
) -> Result<Vec<Receipt>, Failure> {
    for _ in 0..ADOPTIONS {
        let known = match lane {
            Some(known) => known.clone(),
            None => core.bootstrap(brand).await?,
        };
        let call = encode_batch(core, brand, &known, batch);
        failpoint::pass("c5-accept-before-script");
        // Where the outcome stays unknown, the number is used again: the script knows it then.
        *lane = Some(known.clone());
        let answer = reply::bytes_list(core.wire.call(&call).await?)?;
        failpoint::pass("c6-accept-after-script");
        let mut parts = answer.into_iter();
        match parts.next().as_deref() {
            Some(b"OK") => {
                *lane = Some(Identity { epoch: known.epoch, mark: known.mark + 1 });
                return read_receipts(parts, batch).map_err(Failure::Store);
            }
            Some(b"LOST") => {
                let mut word =
                    || parts.next().and_then(|raw| String::from_utf8(raw).ok()).unwrap_or_default();
                let (epoch, mark) = (word(), word().parse().unwrap_or(0));
                *lane = Some(adopt(core, brand, &known, epoch, mark).await?);
            }
            Some(b"TAKEN") => {
                return Err(Failure::Refused(StoreError::Full(
                    "all references of a new conversation are taken".to_owned(),
                )));
            }
            _ => return Err(Failure::Store(unreadable("the answer of accept"))),
        }
    }
    Err(Failure::Store(StoreError::Unavailable("other processes commit under this node's name".to_owned())))
}

/// Says loudly what the server forgot, and goes on from what it knows.
async fn adopt(
    core: &Core,
    brand: &BrandName,
    known: &Identity,
    epoch: String,
    mark: u64,
) -> Result<Identity, StoreError> {
    if epoch == known.epoch && mark > known.mark {
        tracing::warn!(%brand, node = %core.node, "another process commits under this node's name: give each its own");
        return Ok(Identity { epoch, mark });
    }
    let now = core.clock.now();
    let what = if epoch == known.epoch { "confirmed contacts" } else { "everything, or is another store" };
    let losses = core.losses.fetch_add(1, Ordering::Relaxed) + 1;
    metrics().store_losses.set(i64::try_from(losses).unwrap_or(i64::MAX));
    tracing::error!(
        %brand, confirmed = known.mark, known_there = mark, losses,
        "Redis has forgotten {what}: what it confirmed since may be lost; look at its persistence and failover"
    );
    *core.last_loss.lock().unwrap_or_else(PoisonError::into_inner) =
        Some(format!("at {now}, brand {brand}, Redis had forgotten {what}"));
    core.bootstrap(brand).await
}
