//! Small versioned values of an inbox: fields of one hash, each `version,operation`, a line feed, the value. Their names lie
//! in a sorted set beside it, so that a few of many are found without reading all.

use crate::error::unreadable;
use crate::keys::BrandKeys;
use crate::reply;
use crate::scripts::{Call, scripts};
use crate::store::RedisStore;
use async_trait::async_trait;
use bytes::Bytes;
use lodge_domain::InboxId;
use lodge_domain::ports::{InboxState, StateValue, StoreError};

/// The largest value.
const MOST: usize = 1 << 20;

#[async_trait]
impl InboxState for RedisStore {
    async fn load(&self, inbox: &InboxId, key: &str) -> Result<Option<StateValue>, StoreError> {
        let mut command = redis::cmd("HGET");
        command.arg(BrandKeys::new(&inbox.brand).state(&inbox.name)).arg(key);
        let found = reply::bytes(self.core.wire.command(&command).await?)?;
        found.map(read).transpose()
    }

    async fn save(
        &self,
        inbox: &InboxId,
        key: &str,
        expected: u64,
        value: Bytes,
    ) -> Result<Option<u64>, StoreError> {
        if value.len() > MOST {
            return Err(StoreError::Full(format!(
                "a value of an inbox has {} bytes, more than {MOST}",
                value.len()
            )));
        }
        let call = Call::new(&scripts().save, &BrandKeys::new(&inbox.brand).head())
            .with(inbox.name.as_str())
            .with(key)
            .with(expected.to_string())
            .with(self.core.entropy.token())
            .with(value);
        let version = reply::number(self.core.wire.call(&call).await?)?;
        Ok((version > 0).then_some(version))
    }

    async fn list(&self, inbox: &InboxId, prefix: &str) -> Result<Vec<(String, StateValue)>, StoreError> {
        // No byte of UTF-8 is as large.
        let end = [prefix.as_bytes(), b"\xff"].concat();
        self.between(inbox, prefix.as_bytes(), &end, usize::MAX >> 16).await
    }

    async fn range(
        &self,
        inbox: &InboxId,
        from: &str,
        to: &str,
        most: usize,
    ) -> Result<Vec<(String, StateValue)>, StoreError> {
        self.between(inbox, from.as_bytes(), to.as_bytes(), most).await
    }

    async fn remove(&self, inbox: &InboxId, key: &str) -> Result<(), StoreError> {
        let call = Call::new(&scripts().unsave, &BrandKeys::new(&inbox.brand).head())
            .with(inbox.name.as_str())
            .with(key);
        self.core.wire.call(&call).await.map(|_| ())
    }
}

impl RedisStore {
    /// The values whose names are `from` or come after it, and come before `to`.
    async fn between(
        &self,
        inbox: &InboxId,
        from: &[u8],
        to: &[u8],
        most: usize,
    ) -> Result<Vec<(String, StateValue)>, StoreError> {
        if most == 0 {
            return Ok(Vec::new());
        }
        let head = BrandKeys::new(&inbox.brand).head();
        let call = Call::new(&scripts().range, &head)
            .with(inbox.name.as_str())
            .with(from)
            .with(to)
            .with(most.to_string());
        let mut answer = self.core.wire.call(&call).await?;
        if matches!(answer, redis::Value::Int(_)) {
            let reorder = Call::new(&scripts().reorder, &head).with(inbox.name.as_str());
            self.core.wire.call(&reorder).await?;
            answer = self.core.wire.call(&call).await?;
        }
        let named = |(key, raw): (Vec<u8>, Vec<u8>)| Ok((reply::utf8(&key)?.to_owned(), read(raw)?));
        reply::pairs(answer)?.into_iter().map(named).collect()
    }
}

/// Reads a version and its value.
pub(crate) fn read(raw: Vec<u8>) -> Result<StateValue, StoreError> {
    let damaged = || unreadable("a value of an inbox");
    let end = raw.iter().position(|b| *b == b'\n').ok_or_else(damaged)?;
    let line = reply::utf8(&raw[..end])?;
    let version = line.split(',').next().and_then(|text| text.parse().ok()).ok_or_else(damaged)?;
    Ok(StateValue { version, value: Bytes::from(raw).slice(end + 1..) })
}
