//! The port of this name, over the model's records.

use crate::model_store::{ModelStore, state::Held};
use async_trait::async_trait;
use lodge_domain::ports::{Lease, Leases, StoreError};
use lodge_domain::{SignedDuration, Timestamp};
use std::time::Duration;

#[async_trait]
impl Leases for ModelStore {
    async fn acquire(&self, name: &str, holder: &str, ttl: Duration) -> Result<Option<Lease>, StoreError> {
        let now = self.now();
        let ttl = SignedDuration::try_from(ttl).unwrap_or(SignedDuration::MAX);
        let until = now.saturating_add(ttl).unwrap_or(Timestamp::MAX);
        Ok(self.write(|state| {
            let fence = match state.leases.get(name) {
                Some(held) if held.holder == holder => held.fence,
                Some(held) if held.until > now => return None,
                _ => {
                    state.fence += 1;
                    state.fence
                }
            };
            let held = Held { holder: holder.to_owned(), fence, until };
            state.leases.insert(name.to_owned(), held);
            Some(Lease { name: name.to_owned(), holder: holder.to_owned(), fence })
        }))
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        self.write(|state| {
            state.leases.retain(|name, held| {
                (name, &held.holder, held.fence) != (&lease.name, &lease.holder, lease.fence)
            });
        });
        Ok(())
    }
}
