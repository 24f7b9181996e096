//! The accept writer: what queued while the last batch was under way is the next batch; one script over one brand.
//!
//! Each batch names the one before it. Where the server does not know that one, it has forgotten what it confirmed
//! (restart without data, failover): nothing is written, the loss is said loudly, and the batch goes on from what the
//! server knows. Crash points C5 and C6 lie around the script: a repetition answers like the first.

use crate::brands::Identity;
use crate::encode;
use crate::error::unreadable;
use crate::keys::BrandKeys;
use crate::records::{self, SEPARATOR, write_statics};
use crate::reply;
use crate::scripts::{Call, scripts};
use crate::store::Core;
use futures_util::future::join_all;
use lodge_domain::ports::StoreError;
use lodge_domain::{
    BrandName, Candidate, EnvelopeId, JoinCondition, Lane, OriginKind, Placement, Receipt, ThreadKey,
    ThreadKeyValue, WorkId,
};
use lodge_telemetry::catalogue::metrics;
use lodge_telemetry::failpoint;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use tokio::sync::{mpsc, oneshot};

const MOST_REQUESTS: usize = 256;
const MOST_CANDIDATES: usize = 256;
const MOST_BYTES: usize = 4 << 20;
/// Keys cost the server time each; a batch with more is split, so that no script is long.
const MOST_KEYS: usize = 8192;
/// How often a batch adopts what the server knows before it gives up.
const ADOPTIONS: usize = 3;

/// A call of accept, and where its answer goes.
pub(crate) struct Accepting {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) answer: oneshot::Sender<Result<Vec<Receipt>, StoreError>>,
}

/// One candidate of a call: number of the call, place in it.
type Place = (usize, usize);
type Placed<'a> = (Place, &'a Candidate);

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
    (lane, outcomes)
}

fn spread(placed: &[Placed<'_>], outcome: Result<Vec<Receipt>, Failure>, into: &mut Outcomes) {
    match outcome {
        Ok(receipts) => {
            into.extend(placed.iter().zip(receipts).map(|((place, _), receipt)| (*place, Ok(receipt))))
        }
        Err(Failure::Refused(error) | Failure::Store(error)) => {
            into.extend(placed.iter().map(|(place, _)| (*place, Err(error.clone()))));
        }
    }
}

/// Portions of whole calls where they fit; a call that is larger than a portion is cut.
fn chunks<'a>(runs: Vec<Vec<Placed<'a>>>) -> Vec<Vec<Vec<Placed<'a>>>> {
    let mut out: Vec<Vec<Vec<Placed<'a>>>> = Vec::new();
    let mut filled = (0, 0, 0);
    for run in runs {
        for part in cut(run) {
            let weight = weigh(&part);
            let sum = (filled.0 + weight.0, filled.1 + weight.1, filled.2 + weight.2);
            match out.last_mut() {
                Some(last) if fits(sum) => {
                    last.push(part);
                    filled = sum;
                }
                _ => {
                    out.push(vec![part]);
                    filled = weight;
                }
            }
        }
    }
    out
}

fn cut(run: Vec<Placed<'_>>) -> Vec<Vec<Placed<'_>>> {
    if fits(weigh(&run)) {
        return vec![run];
    }
    let mut out: Vec<Vec<Placed<'_>>> = Vec::new();
    let mut filled = (0, 0, 0);
    for placed in run {
        let weight = weigh(std::slice::from_ref(&placed));
        let sum = (filled.0 + weight.0, filled.1 + weight.1, filled.2 + weight.2);
        match out.last_mut() {
            Some(last) if fits(sum) => {
                last.push(placed);
                filled = sum;
            }
            _ => {
                out.push(vec![placed]);
                filled = weight;
            }
        }
    }
    out
}

/// Candidates, bytes, keys.
fn weigh(run: &[Placed<'_>]) -> (usize, usize, usize) {
    run.iter().fold((0, 0, 0), |(count, bytes, keys), (_, c)| {
        let more = c.thread_keys.len() + c.registers.len() + c.traces.len() + c.introduces.len();
        (count + 1, bytes + c.record.len() + 1024, keys + more)
    })
}

fn fits((count, bytes, keys): (usize, usize, usize)) -> bool {
    count <= MOST_CANDIDATES && bytes <= MOST_BYTES && keys <= MOST_KEYS
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

fn encode_batch(core: &Core, brand: &BrandName, known: &Identity, batch: &[Placed<'_>]) -> Call {
    let mut call = Call::new(&scripts().accept, &BrandKeys::new(brand).head());
    call.arg(&known.epoch)
        .arg(core.node.as_str())
        .arg((known.mark + 1).to_string())
        .arg(known.mark.to_string());
    call.arg(batch.len().to_string());
    for (_, candidate) in batch {
        encode_candidate(&mut call, candidate);
    }
    call
}

fn encode_candidate(call: &mut Call, c: &Candidate) {
    let keys: Vec<&ThreadKey> = c.thread_keys.iter().take(ThreadKey::MOST).collect();
    let mut packed = Vec::with_capacity(keys.len() * 17);
    let mut labels = String::new();
    for (at, key) in keys.iter().enumerate() {
        packed.extend_from_slice(&key.value.0);
        packed.push(condition(key.condition));
        if at > 0 {
            labels.push(SEPARATOR);
        }
        labels.extend(key.label.chars().map(|c| if c == SEPARATOR { ' ' } else { c }));
    }
    let references: String = c.references.iter().map(lodge_domain::Reference::as_str).collect();
    let introduced: Vec<String> = c.introduces.iter().map(encode::handle).collect();
    let back = c.return_path.as_ref().and_then(|path| serde_json::to_vec(path).ok()).unwrap_or_default();
    let origin = match c.origin {
        OriginKind::Human => "h",
        OriginKind::Automated => "a",
        OriginKind::Ours => "o",
    };
    call.arg(encode::short(c.envelope.as_str()))
        .arg(encode::short(c.founds.as_str()))
        .arg(&c.dedupe[..16])
        .arg(c.source.as_ref().map_or(&[][..], |source| &source[..16]))
        .arg(references)
        .arg(packed)
        .arg(labels)
        .arg(pack(&c.registers))
        .arg(pack(&c.traces))
        .arg(encode::handle(&c.party))
        .arg(encode::assurance(c.assurance))
        .arg(origin)
        .arg(introduced.join("\n"))
        .arg(c.topic.as_ref().map_or(&[][..], |topic| &topic.0[..]))
        .arg(back)
        .arg(c.inbox.as_str())
        .arg(&c.record)
        .arg(encode::time(c.accepted_at))
        .arg(encode::short(WorkId::of(c.envelope.as_str(), "triage", 0).as_str()))
        .arg(write_statics(c.envelope.as_str(), ""));
}

fn condition(condition: JoinCondition) -> u8 {
    match condition {
        JoinCondition::Always => b'a',
        JoinCondition::IfParticipant => b'p',
        JoinCondition::IfParticipantOnTopic => b't',
        JoinCondition::Hint => b'h',
    }
}

/// Keys one behind the other, 16 bytes each.
pub(crate) fn pack(keys: &[ThreadKeyValue]) -> Vec<u8> {
    keys.iter().flat_map(|key| key.0).collect()
}

/// Each answer repeats the id it is for; one for another id is never handed on (T12).
fn read_receipts(
    answers: impl ExactSizeIterator<Item = Vec<u8>>,
    batch: &[Placed<'_>],
) -> Result<Vec<Receipt>, StoreError> {
    if answers.len() != batch.len() {
        return Err(unreadable("the answer of accept has another length"));
    }
    answers
        .zip(batch)
        .map(|(answer, (_, candidate))| {
            let text = reply::utf8(&answer)?;
            let damaged = || unreadable("the answer of accept");
            let id: Option<EnvelopeId> = text.get(1..27).and_then(records::envelope_id);
            if id.as_ref() != Some(&candidate.envelope) {
                return Err(unreadable("an answer of accept is for another contact"));
            }
            let mut receipt =
                records::receipt(candidate.envelope.clone(), text.get(27..).ok_or_else(damaged)?)?;
            if text.starts_with('D') {
                receipt.placement = Placement::Duplicate;
            }
            Ok(receipt)
        })
        .collect()
}
