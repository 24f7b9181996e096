//! A gateway that starts again takes back at once what it had claimed when it was killed, instead of waiting for leases.

use crate::encode;
use crate::keys::BrandKeys;
use crate::reply;
use crate::scripts::{Call, scripts};
use crate::store::{Core, RedisStore};
use lodge_domain::ports::{StoreError, WorkQueue};
use lodge_domain::{BrandName, Lane, digest_parts};

/// How many items one call looks at.
const PORTION: u64 = 500;

impl Core {
    /// Eight hexadecimal digits that stand for this node at the start of its claims' tokens.
    pub(crate) fn mark(&self) -> String {
        let digest = digest_parts(&[b"node", self.node.as_str().as_bytes()]);
        digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }

    /// A token for claims of this node: its mark, then 96 random bits.
    pub(crate) fn claim_token(&self) -> String {
        let random = self.entropy.token();
        format!("{}{}", self.mark(), random.get(8..).unwrap_or(&random))
    }
}

impl RedisStore {
    /// Gives back whatever a gateway of this node's name had claimed before; how much that was. To be called by the one
    /// gateway of that name when it starts, before it claims anything.
    ///
    /// # Errors
    /// Where Redis does not answer.
    pub async fn free_claims(&self) -> Result<u64, StoreError> {
        let mut freed = 0;
        let lanes = self.lanes().await?;
        for brand in self.core.all_brands().await? {
            for lane in &lanes {
                freed += free(&self.core, &brand, lane).await?;
            }
        }
        Ok(freed)
    }
}

async fn free(core: &Core, brand: &BrandName, lane: &Lane) -> Result<u64, StoreError> {
    let (mut skip, mut freed) = (0, 0);
    loop {
        let call = Call::new(&scripts().free, &BrandKeys::new(brand).head())
            .with(lane.to_string())
            .with(core.mark())
            .with(encode::time(core.clock.now()))
            .with(skip.to_string());
        let counts: Vec<u64> = reply::list(core.wire.call(&call).await?)?
            .into_iter()
            .map(reply::number)
            .collect::<Result<_, _>>()?;
        let (looked, given) = (counts.first().copied().unwrap_or(0), counts.get(1).copied().unwrap_or(0));
        freed += given;
        if looked < PORTION {
            return Ok(freed);
        }
        // What was given back is no longer among the later ones.
        skip += looked - given;
    }
}
