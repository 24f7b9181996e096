//! Removes what aged, in portions that no other caller notices.
//!
//! Everything goes by the times its records carry, never by a TTL: a server whose clock jumps erases nothing.

use crate::error::unreadable;
use crate::keys::{BrandKeys, LEASES};
use crate::scripts::{Call, scripts};
use crate::store::Core;
use crate::{encode, reply};
use lodge_domain::ports::{PurgeClass, StoreError};
use lodge_domain::{BrandName, Timestamp};

/// Buckets of dedupe memory, and how many one script sweeps.
const BUCKETS: usize = 32 * 32 * 32;
const SWEEP: usize = 64;
/// The digits of base32hex (RFC 4648 section 7), in lower case: buckets are named by three of them.
const LETTERS: [char; 32] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k',
    'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v',
];
/// How many conversations are looked at between two looks at the index.
const PORTION: usize = 200;

/// Removes records of `class` that are older than `before` from all brands.
pub(crate) async fn purge(core: &Core, class: PurgeClass, before: Timestamp) -> Result<u64, StoreError> {
    let mut gone = 0;
    for brand in core.all_brands().await? {
        gone += match class {
            PurgeClass::Dedupe => dedupe(core, &brand, before).await?,
            PurgeClass::Conversations => conversations(core, &brand, before).await?,
            PurgeClass::Feed => feed(core, &brand, before).await?,
            PurgeClass::Timelines => timelines(core, &brand, before).await?,
            PurgeClass::Transient => {
                let keys = BrandKeys::new(&brand);
                let guards = expire(core, &keys.head(), &keys.fixed("g"), "g", before).await?;
                guards + expire(core, &keys.head(), &keys.fixed("bu"), "bu", before).await?
            }
        };
    }
    if class == PurgeClass::Transient {
        gone += expire(core, LEASES, LEASES, "", before).await?;
    }
    Ok(gone)
}

async fn dedupe(core: &Core, brand: &BrandName, before: Timestamp) -> Result<u64, StoreError> {
    let head = BrandKeys::new(brand).head();
    let mut gone = 0;
    let names: Vec<String> = (0..BUCKETS)
        .map(|at| [at / 1024, at / 32 % 32, at % 32].map(|digit| LETTERS[digit]).iter().collect())
        .collect();
    for portion in names.chunks(SWEEP) {
        let mut call = Call::new(&scripts().sweep, &head).with(encode::time(before));
        for name in portion {
            call.arg(name);
        }
        gone += reply::number(core.wire.call(&call).await?)?;
    }
    Ok(gone)
}

async fn conversations(core: &Core, brand: &BrandName, before: Timestamp) -> Result<u64, StoreError> {
    let keys = BrandKeys::new(brand);
    let (mut gone, mut kept) = (0, 0_usize);
    loop {
        let mut command = redis::cmd("ZRANGEBYSCORE");
        command
            .arg(keys.fixed("ci"))
            .arg("-inf")
            .arg(encode::micros(before))
            .arg("LIMIT")
            .arg(kept)
            .arg(PORTION);
        let found = reply::bytes_list(core.wire.command(&command).await?)?;
        for id in &found {
            let call = Call::new(&scripts().forget, &keys.head()).with(id).with(encode::time(before));
            match reply::number(core.wire.call(&call).await?)? {
                0 => kept += 1,
                more => gone += more,
            }
        }
        if found.len() < PORTION {
            return Ok(gone);
        }
    }
}

async fn timelines(core: &Core, brand: &BrandName, before: Timestamp) -> Result<u64, StoreError> {
    let keys = BrandKeys::new(brand);
    let (mut gone, mut kept) = (0, 0_usize);
    loop {
        let mut command = redis::cmd("ZRANGEBYSCORE");
        command
            .arg(keys.fixed("ta"))
            .arg("-inf")
            .arg(encode::micros(before))
            .arg("LIMIT")
            .arg(kept)
            .arg(PORTION);
        let found = reply::bytes_list(core.wire.command(&command).await?)?;
        for id in &found {
            let call =
                Call::new(&scripts().forget_timeline, &keys.head()).with(id).with(encode::time(before));
            match reply::number(core.wire.call(&call).await?)? {
                0 => kept += 1,
                more => gone += more,
            }
        }
        if found.len() < PORTION {
            return Ok(gone);
        }
    }
}

async fn feed(core: &Core, brand: &BrandName, before: Timestamp) -> Result<u64, StoreError> {
    let (mut gone, mut from) = (0, "0".to_owned());
    while !from.is_empty() {
        let call = Call::new(&scripts().purge_feed, &BrandKeys::new(brand).head())
            .with(&from)
            .with(encode::time(before));
        let mut answer = reply::list(core.wire.call(&call).await?)?.into_iter();
        let (Some(more), Some(next)) = (answer.next(), answer.next()) else {
            return Err(unreadable("the answer of purging the feed"));
        };
        gone += reply::number(more)?;
        from = reply::text(next)?;
    }
    Ok(gone)
}

/// Fields of a hash whose value starts with a time before `before`.
async fn expire(
    core: &Core,
    head: &str,
    key: &str,
    which: &str,
    before: Timestamp,
) -> Result<u64, StoreError> {
    let limit = encode::time(before);
    let (mut gone, mut cursor) = (0, "0".to_owned());
    loop {
        let mut command = redis::cmd("HSCAN");
        command.arg(key).arg(&cursor).arg("COUNT").arg(500);
        let mut answer = reply::list(core.wire.command(&command).await?)?.into_iter();
        let (Some(next), Some(found)) = (answer.next(), answer.next()) else {
            return Err(unreadable("the answer of scanning a hash"));
        };
        let old: Vec<Vec<u8>> = reply::pairs(found)?
            .into_iter()
            .filter(|(_, value)| value.len() >= 20 && value[..20] < *limit.as_bytes())
            .map(|(field, _)| field)
            .collect();
        for portion in old.chunks(500) {
            let mut call = Call::new(&scripts().expire, head).with(which).with(&limit);
            for field in portion {
                call.arg(field);
            }
            gone += reply::number(core.wire.call(&call).await?)?;
        }
        cursor = reply::text(next)?;
        if cursor == "0" {
            return Ok(gone);
        }
    }
}
