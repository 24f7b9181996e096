//! One holder a name, for a while. Times are this process's wall clock: leases are long against its skew.

use crate::keys::LEASES;
use crate::scripts::{Call, scripts};
use crate::store::RedisStore;
use crate::{encode, reply};
use async_trait::async_trait;
use lodge_domain::SignedDuration;
use lodge_domain::Timestamp;
use lodge_domain::ports::{Lease, Leases, StoreError};
use std::time::Duration;

#[async_trait]
impl Leases for RedisStore {
    async fn acquire(&self, name: &str, holder: &str, ttl: Duration) -> Result<Option<Lease>, StoreError> {
        let now = self.core.clock.now();
        let ttl = SignedDuration::try_from(ttl).unwrap_or(SignedDuration::MAX);
        let call = Call::new(&scripts().lease, LEASES)
            .with("T")
            .with(name)
            .with(holder)
            .with(encode::time(now))
            .with(encode::time(now.checked_add(ttl).unwrap_or(Timestamp::MAX)));
        let fence = reply::text(self.core.wire.call(&call).await?)?;
        let lease = |fence| Lease { name: name.to_owned(), holder: holder.to_owned(), fence };
        Ok(fence.parse().ok().map(lease))
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        let call = Call::new(&scripts().lease, LEASES)
            .with("G")
            .with(&lease.name)
            .with(&lease.holder)
            .with(lease.fence.to_string());
        self.core.wire.call(&call).await.map(|_| ())
    }
}
