//! The port of this name, over the model's records.

use crate::model_store::{ModelStore, state::Window};
use async_trait::async_trait;
use lodge_domain::ports::{BudgetVerdict, Budgets, StoreError, Tally};
use lodge_domain::{BrandName, SignedDuration, Timestamp};

#[async_trait]
impl Budgets for ModelStore {
    async fn take(&self, brand: &BrandName, tallies: &[Tally]) -> Result<BudgetVerdict, StoreError> {
        let now = self.now();
        Ok(self.write(|state| {
            let fresh = |tally: &Tally| {
                let window = SignedDuration::try_from(tally.window).unwrap_or(SignedDuration::MAX);
                Window { taken: 0, until: now.saturating_add(window).unwrap_or(Timestamp::MAX) }
            };
            let mut taken = state.budgets.clone();
            for tally in tallies {
                let window = taken.entry((brand.clone(), tally.key)).or_insert_with(|| fresh(tally));
                if window.until <= now {
                    *window = fresh(tally);
                }
                let more = window.taken.saturating_add(tally.amount);
                if more > tally.limit {
                    return BudgetVerdict::Exhausted { label: tally.label.clone(), until: window.until };
                }
                window.taken = more;
            }
            state.budgets = taken;
            BudgetVerdict::Granted
        }))
    }
}
