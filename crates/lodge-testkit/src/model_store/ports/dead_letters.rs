//! The port of this name, over the model's records.

use crate::model_store::{ModelStore, state::State};
use async_trait::async_trait;
use lodge_domain::ports::{DeadLetter, DeadLetters, StoreError};
use lodge_domain::{BrandName, WorkId, WorkKind};

fn position(state: &State, brand: &BrandName, id: &WorkId) -> Option<usize> {
    state.dead_letters.iter().position(|letter| letter.work.brand == *brand && letter.work.id == *id)
}

#[async_trait]
impl DeadLetters for ModelStore {
    async fn bury(&self, letter: DeadLetter) -> Result<(), StoreError> {
        self.write(|state| {
            state.brands.insert(letter.work.brand.clone());
            if position(state, &letter.work.brand, &letter.work.id).is_none() {
                state.dead_letters.push(letter);
            }
        });
        Ok(())
    }

    async fn page(
        &self,
        brand: &BrandName,
        after: Option<&WorkId>,
        most: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let state = self.read();
        let of_brand: Vec<&DeadLetter> =
            state.dead_letters.iter().filter(|letter| letter.work.brand == *brand).collect();
        let known = after.and_then(|after| of_brand.iter().position(|letter| letter.work.id == *after));
        let start = known.map_or(0, |at| at + 1);
        Ok(of_brand.into_iter().skip(start).take(most).cloned().collect())
    }

    async fn dead_letter(&self, brand: &BrandName, id: &WorkId) -> Result<Option<DeadLetter>, StoreError> {
        let state = self.read();
        Ok(position(&state, brand, id).map(|at| state.dead_letters[at].clone()))
    }

    async fn replay(&self, brand: &BrandName, id: &WorkId) -> Result<bool, StoreError> {
        let now = self.now();
        Ok(self.write(|state| {
            let replayable = |at: &usize| state.dead_letters[*at].work.kind != WorkKind::Quarantine;
            let Some(at) = position(state, brand, id).filter(replayable) else { return false };
            let letter = state.dead_letters.remove(at);
            let mut new = letter.work;
            new.due = now;
            state.enqueue(new, now);
            true
        }))
    }

    async fn discard(&self, brand: &BrandName, id: &WorkId) -> Result<bool, StoreError> {
        Ok(self.write(|state| {
            let at = position(state, brand, id);
            at.map(|at| state.dead_letters.remove(at)).is_some()
        }))
    }
}
