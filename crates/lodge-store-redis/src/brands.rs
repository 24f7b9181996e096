//! Which brands there are: a set all processes share, and the identity each brand's records carry.

use crate::error::unreadable;
use crate::keys::{BRANDS, BrandKeys};
use crate::reply;
use crate::scripts::{Call, scripts};
use crate::store::Core;
use lodge_domain::BrandName;
use lodge_domain::ports::StoreError;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

const FRESH: Duration = Duration::from_millis(500);

/// What this process knows of brands.
#[derive(Debug, Default)]
pub(crate) struct Brands {
    /// Those this process wrote into.
    pub(crate) mine: Mutex<BTreeSet<BrandName>>,
    all: Mutex<Option<(Instant, Vec<BrandName>)>>,
}

/// The identity of a brand's records, and how far a commit lane is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) epoch: String,
    pub(crate) mark: u64,
}

impl Core {
    /// All brands, sorted, as they were at most half a second ago: for who only looks whether to wake.
    pub(crate) async fn recent_brands(&self) -> Result<Vec<BrandName>, StoreError> {
        if let Some((when, brands)) = &*self.brands.all.lock().unwrap_or_else(PoisonError::into_inner)
            && when.elapsed() < FRESH
        {
            return Ok(brands.clone());
        }
        self.all_brands().await
    }

    /// All brands, sorted.
    pub(crate) async fn all_brands(&self) -> Result<Vec<BrandName>, StoreError> {
        let names = reply::bytes_list(self.wire.command(redis::cmd("SMEMBERS").arg(BRANDS)).await?)?;
        let read = |name: &Vec<u8>| BrandName::parse(std::str::from_utf8(name).ok()?);
        let mut found: BTreeSet<BrandName> = names.iter().filter_map(read).collect();
        // A server that forgot everything forgot this too, while this process goes on writing.
        let missing: Vec<BrandName> = self
            .brands
            .mine
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .difference(&found)
            .cloned()
            .collect();
        for brand in missing {
            self.enlist(&brand).await?;
            found.insert(brand);
        }
        let brands: Vec<BrandName> = found.into_iter().collect();
        *self.brands.all.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), brands.clone()));
        Ok(brands)
    }

    /// Makes sure that `brand` is known and has an identity, before the first write of this process into it.
    pub(crate) async fn know(&self, brand: &BrandName) -> Result<(), StoreError> {
        if self.brands.mine.lock().unwrap_or_else(PoisonError::into_inner).contains(brand) {
            return Ok(());
        }
        self.bootstrap(brand).await.map(|_| ())
    }

    /// The identity of a brand's records; made where there is none.
    pub(crate) async fn bootstrap(&self, brand: &BrandName) -> Result<Identity, StoreError> {
        let call = Call::new(&scripts().bootstrap, &BrandKeys::new(brand).head())
            .with(self.entropy.token())
            .with(self.node.as_str());
        let mut answer = reply::list(self.wire.call(&call).await?)?.into_iter();
        let (Some(epoch), Some(mark)) = (answer.next(), answer.next()) else {
            return Err(unreadable("the identity of a brand's records"));
        };
        let identity = Identity { epoch: reply::text(epoch)?, mark: reply::number(mark)? };
        self.enlist(brand).await?;
        self.brands.mine.lock().unwrap_or_else(PoisonError::into_inner).insert(brand.clone());
        *self.brands.all.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(identity)
    }

    async fn enlist(&self, brand: &BrandName) -> Result<(), StoreError> {
        self.wire.command(redis::cmd("SADD").arg(BRANDS).arg(brand.as_str())).await.map(|_| ())
    }
}
