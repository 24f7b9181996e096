//! The port of this name, over the model's records.

use crate::model_store::ModelStore;
use async_trait::async_trait;
use bytes::Bytes;
use lodge_domain::InboxId;
use lodge_domain::ports::{InboxState, StateValue, StoreError};

#[async_trait]
impl InboxState for ModelStore {
    async fn load(&self, inbox: &InboxId, key: &str) -> Result<Option<StateValue>, StoreError> {
        Ok(self.read().inbox_state.get(&(inbox.clone(), key.to_owned())).cloned())
    }

    async fn save(
        &self,
        inbox: &InboxId,
        key: &str,
        expected: u64,
        value: Bytes,
    ) -> Result<Option<u64>, StoreError> {
        if value.len() > 1 << 20 {
            return Err(StoreError::Full(format!("a value of {} bytes, 1 MiB fits", value.len())));
        }
        Ok(self.write(|state| {
            let at = (inbox.clone(), key.to_owned());
            let stored = state.inbox_state.get(&at).map_or(0, |value| value.version);
            (stored == expected).then(|| {
                state.inbox_state.insert(at, StateValue { version: expected + 1, value });
                expected + 1
            })
        }))
    }

    async fn list(&self, inbox: &InboxId, prefix: &str) -> Result<Vec<(String, StateValue)>, StoreError> {
        let state = self.read();
        let of_inbox = state.inbox_state.iter().filter(|((of, _), _)| of == inbox);
        let all = of_inbox.map(|((_, key), value)| (key.clone(), value.clone()));
        Ok(all.filter(|(key, _)| key.starts_with(prefix)).collect())
    }

    async fn range(
        &self,
        inbox: &InboxId,
        from: &str,
        to: &str,
        most: usize,
    ) -> Result<Vec<(String, StateValue)>, StoreError> {
        let state = self.read();
        let of_inbox = state.inbox_state.range((inbox.clone(), from.to_owned())..);
        let within = of_inbox.take_while(|((of, key), _)| of == inbox && key.as_str() < to);
        Ok(within.take(most).map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    async fn remove(&self, inbox: &InboxId, key: &str) -> Result<(), StoreError> {
        self.write(|state| state.inbox_state.remove(&(inbox.clone(), key.to_owned())));
        Ok(())
    }
}
