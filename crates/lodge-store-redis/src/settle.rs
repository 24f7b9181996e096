//! The settle writer: like accept, what queued while the last batch was under way is the next batch.
//!
//! Each claim is settled by itself; a script carries many. The answer of the last batch of this process is kept, so that
//! a batch asked for again after a lost answer is answered, not settled again. Crash points C20 and C25 lie around it.

use crate::effects::Stamps;
use crate::keys::BrandKeys;
use crate::scripts::{Call, scripts};
use crate::store::Core;
use crate::{effects, encode, error::unreadable, reply};
use futures_util::future::join_all;
use lodge_domain::effect::{Applied, Effect};
use lodge_domain::ports::StoreError;
use lodge_domain::{BrandName, Claim, Settlement};
use lodge_telemetry::failpoint;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

const MOST_REQUESTS: usize = 256;
const MOST_CLAIMS: usize = 64;
const MOST_BYTES: usize = 2 << 20;

type Settled = (Claim, Settlement, Vec<Effect>);

/// A call of settle, and where its answer goes.
pub(crate) struct Settling {
    pub(crate) settled: Vec<Settled>,
    pub(crate) answer: oneshot::Sender<Result<Vec<Applied>, StoreError>>,
}

type Place = (usize, usize);
type Placed<'a> = (Place, &'a Settled);

/// Runs until the store is dropped.
pub(crate) async fn run(core: Arc<Core>, mut queue: mpsc::Receiver<Settling>) {
    let mut requests = Vec::new();
    while queue.recv_many(&mut requests, MOST_REQUESTS).await > 0 {
        write(&core, std::mem::take(&mut requests)).await;
    }
}

async fn write(core: &Core, requests: Vec<Settling>) {
    let mut by_brand: HashMap<&BrandName, Vec<Placed<'_>>> = HashMap::new();
    for (number, request) in requests.iter().enumerate() {
        for (at, settled) in request.settled.iter().enumerate() {
            by_brand.entry(&settled.0.work.new.brand).or_default().push(((number, at), settled));
        }
    }
    let work = by_brand.into_iter().map(|(brand, placed)| async move {
        let mut outcomes = Vec::with_capacity(placed.len());
        for chunk in chunks(&placed) {
            let outcome = settle(core, brand, chunk).await;
            for (at, (place, _)) in chunk.iter().enumerate() {
                let answer = outcome.as_ref().map_err(Clone::clone);
                let answer =
                    answer.and_then(|all| all.get(at).ok_or_else(|| unreadable("the answer of settle")));
                outcomes.push((*place, answer.cloned()));
            }
        }
        outcomes
    });
    let mut answers: Vec<Vec<Option<Applied>>> =
        requests.iter().map(|request| vec![None; request.settled.len()]).collect();
    let mut failures: Vec<Option<StoreError>> = vec![None; requests.len()];
    for ((number, at), outcome) in join_all(work).await.into_iter().flatten() {
        match outcome {
            Ok(applied) => answers[number][at] = Some(applied),
            Err(error) => failures[number] = Some(error),
        }
    }
    for ((request, applied), failure) in requests.into_iter().zip(answers).zip(failures) {
        let outcome = match failure {
            Some(error) => Err(error),
            None => applied.into_iter().collect::<Option<Vec<_>>>().ok_or(StoreError::Closed),
        };
        drop(request.answer.send(outcome));
    }
}

/// Runs of claims that one script may carry.
fn chunks<'a, 'b>(placed: &'b [Placed<'a>]) -> Vec<&'b [Placed<'a>]> {
    let (mut out, mut from, mut bytes) = (Vec::new(), 0, 0);
    for (at, (_, settled)) in placed.iter().enumerate() {
        let weight: usize = settled.2.iter().map(weigh).sum();
        if at > from && (at - from >= MOST_CLAIMS || bytes + weight > MOST_BYTES) {
            out.push(&placed[from..at]);
            (from, bytes) = (at, 0);
        }
        bytes += weight;
    }
    if from < placed.len() {
        out.push(&placed[from..]);
    }
    out
}

fn weigh(effect: &Effect) -> usize {
    512 + match effect {
        Effect::Publish { body, .. } => body.len(),
        Effect::Record { part, .. } => part.len(),
        Effect::Enqueue(new) => new.payload.len(),
        Effect::Outbound(record) => record.message.text.len() * 2,
        _ => 0,
    }
}

async fn settle(core: &Core, brand: &BrandName, chunk: &[Placed<'_>]) -> Result<Vec<Applied>, StoreError> {
    let mut stamps = Stamps::draw(core, chunk.iter().flat_map(|(_, settled)| &settled.2)).await?;
    let mut call = Call::new(&scripts().settle, &BrandKeys::new(brand).head());
    call.arg(&core.process).arg(core.entropy.token()).arg(encode::time(core.clock.now()));
    call.arg(chunk.len().to_string());
    for (_, (claim, settlement, effects)) in chunk {
        call.arg(encode::short(claim.work.new.id.as_str())).arg(&claim.token);
        match settlement {
            Settlement::Done => call.arg("D"),
            Settlement::RetryAt { due, counts, error } => {
                call.arg("R").arg(encode::time(*due)).arg(if *counts { "1" } else { "0" }).arg(error)
            }
            Settlement::Dead { reason, error } => call.arg("X").arg(reason).arg(error),
        };
        effects::encode(&mut call, effects, &mut stamps)?;
    }
    failpoint::pass("c25-settle-before-script");
    let answer = reply::some_bytes(core.wire.call(&call).await?)?;
    failpoint::pass("c20-settle-after-script");
    let applied: Vec<Applied> = answer.iter().map(|letter| read(*letter)).collect::<Result<_, _>>()?;
    for ((_, (claim, _, effects)), applied) in chunk.iter().zip(&applied) {
        if *applied == Applied::Done {
            core.signals.ring(&claim.work.new.lane);
            effects::ring(&core.signals, effects);
        }
    }
    Ok(applied)
}

fn read(letter: u8) -> Result<Applied, StoreError> {
    match letter {
        b'D' => Ok(Applied::Done),
        b'L' => Ok(Applied::LeaseLost),
        b'S' => Ok(Applied::Stale),
        _ => Err(unreadable("the answer of settle")),
    }
}
