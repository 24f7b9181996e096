//! Windowed allowances.

use crate::error::unreadable;
use crate::keys::BrandKeys;
use crate::scripts::{Call, scripts};
use crate::store::RedisStore;
use crate::{encode, reply};
use async_trait::async_trait;
use lodge_domain::ports::{BudgetVerdict, Budgets, StoreError, Tally};
use lodge_domain::{BrandName, SignedDuration, Timestamp};

/// How many tallies one request may name.
const MOST: usize = 64;

#[async_trait]
impl Budgets for RedisStore {
    async fn take(&self, brand: &BrandName, tallies: &[Tally]) -> Result<BudgetVerdict, StoreError> {
        if tallies.is_empty() {
            return Ok(BudgetVerdict::Granted);
        }
        if tallies.len() > MOST {
            return Err(StoreError::Unavailable(format!(
                "{} tallies asked for at once, more than {MOST}",
                tallies.len()
            )));
        }
        let now = self.core.clock.now();
        let mut call = Call::new(&scripts().budget, &BrandKeys::new(brand).head())
            .with(self.core.entropy.token())
            .with(encode::time(now))
            .with(tallies.len().to_string());
        for tally in tallies {
            let window = SignedDuration::try_from(tally.window).unwrap_or(SignedDuration::MAX);
            let until = now.checked_add(window).unwrap_or(Timestamp::MAX);
            // A double counts exactly up to here.
            let [limit, amount] = [tally.limit, tally.amount].map(|units| units.min(1 << 53).to_string());
            call.arg(tally.key).arg(encode::time(until)).arg(limit).arg(amount);
        }
        let mut answer = reply::list(self.core.wire.call(&call).await?)?.into_iter();
        let damaged = || unreadable("the answer of budget");
        let number = reply::number(answer.next().ok_or_else(damaged)?)?;
        if number == 0 {
            return Ok(BudgetVerdict::Granted);
        }
        let at = usize::try_from(number - 1).map_err(|_| damaged())?;
        let until =
            encode::read_time(&reply::text(answer.next().ok_or_else(damaged)?)?).ok_or_else(damaged)?;
        let label = tallies.get(at).ok_or_else(damaged)?.label.clone();
        Ok(BudgetVerdict::Exhausted { label, until })
    }
}
