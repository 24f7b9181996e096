//! The port of this name, over the model's records.

use crate::model_store::{ModelStore, queue};
use async_trait::async_trait;
use lodge_domain::effect::{Applied, Effect};
use lodge_domain::ports::{StoreError, WorkQueue};
use lodge_domain::{Claim, Lane, Settlement, SignedDuration, Timestamp};
use std::collections::BTreeSet;
use std::time::Duration;

fn signed(lease: Duration) -> SignedDuration {
    SignedDuration::try_from(lease).unwrap_or(SignedDuration::MAX)
}

#[async_trait]
impl WorkQueue for ModelStore {
    async fn claim(&self, lane: &Lane, most: usize, lease: Duration) -> Result<Vec<Claim>, StoreError> {
        let now = self.now();
        let token = || self.entropy.token();
        Ok(self.write(|state| queue::claim(state, lane, most, signed(lease), now, token)))
    }

    async fn settle(
        &self,
        settled: Vec<(Claim, Settlement, Vec<Effect>)>,
    ) -> Result<Vec<Applied>, StoreError> {
        let now = self.now();
        Ok(self.write(|state| {
            let mut answers = Vec::new();
            for (claim, settlement, effects) in &settled {
                answers.push(queue::settle(state, claim, settlement, effects, now));
            }
            answers
        }))
    }

    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool, StoreError> {
        let until = self.now().saturating_add(signed(lease)).unwrap_or(Timestamp::MAX);
        Ok(self.write(|state| {
            let held = queue::held(state, claim);
            held.map(|at| state.work[at].leased = Some((claim.token.clone(), until))).is_some()
        }))
    }

    async fn mark(&self, claim: &Claim) -> Result<bool, StoreError> {
        Ok(self.write(|state| {
            let held = queue::held(state, claim);
            held.map(|at| state.work[at].work.marked = true).is_some()
        }))
    }

    async fn wait(&self, lane: &Lane, most: Duration) {
        self.wait_until(most, |state| queue::has_claimable(state, lane, self.now())).await;
    }

    async fn lanes(&self) -> Result<Vec<Lane>, StoreError> {
        let state = self.read();
        let lanes: BTreeSet<&Lane> = state.work.iter().map(|item| &item.work.new.lane).collect();
        Ok(lanes.into_iter().cloned().collect())
    }
}
