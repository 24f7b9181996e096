//! Small versioned values of an inbox: fields of one hash, each `version,operation`, a line feed, the value.

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
        let mut command = redis::cmd("HGETALL");
        command.arg(BrandKeys::new(&inbox.brand).state(&inbox.name));
        let mut found = Vec::new();
        for (key, raw) in reply::pairs(self.core.wire.command(&command).await?)? {
            let key = reply::utf8(&key)?;
            if key.starts_with(prefix) {
                found.push((key.to_owned(), read(raw)?));
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }

    async fn remove(&self, inbox: &InboxId, key: &str) -> Result<(), StoreError> {
        let mut command = redis::cmd("HDEL");
        command.arg(BrandKeys::new(&inbox.brand).state(&inbox.name)).arg(key);
        self.core.wire.command(&command).await.map(|_| ())
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
