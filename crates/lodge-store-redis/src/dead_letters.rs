//! What was given up.

use crate::keys::BrandKeys;
use crate::records::{self, write_statics};
use crate::scripts::{Call, scripts};
use crate::store::RedisStore;
use crate::{encode, reply};
use async_trait::async_trait;
use lodge_domain::ports::{DeadLetter, DeadLetters, StoreError};
use lodge_domain::{BrandName, Lane, WorkId};

/// How many one script reads.
const PORTION: usize = 500;

#[async_trait]
impl DeadLetters for RedisStore {
    async fn bury(&self, letter: DeadLetter) -> Result<(), StoreError> {
        let work = &letter.work;
        self.core.know(&work.brand).await?;
        let call = Call::new(&scripts().bury, &BrandKeys::new(&work.brand).head())
            .with(encode::short(work.id.as_str()))
            .with(letter.attempts.to_string())
            .with(encode::time(letter.at))
            .with(work.lane.to_string())
            .with(work.conversation.as_ref().map_or("", |id| encode::short(id.as_str())))
            .with(work.sequence.map(|n| n.to_string()).unwrap_or_default())
            .with(work.kind.as_str())
            .with(encode::time(work.due))
            .with(write_statics(&work.subject, &work.payload))
            .with(&letter.reason)
            .with(&letter.error);
        self.core.wire.call(&call).await.map(|_| ())
    }

    async fn page(
        &self,
        brand: &BrandName,
        after: Option<&WorkId>,
        most: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let mut letters: Vec<DeadLetter> = Vec::new();
        while letters.len() < most {
            let last = letters.last().map(|letter| &letter.work.id).or(after);
            let portion = (most - letters.len()).min(PORTION);
            let call = Call::new(&scripts().dead_page, &BrandKeys::new(brand).head())
                .with(last.map_or("", |id| encode::short(id.as_str())))
                .with(portion.to_string());
            let found = reply::pairs(self.core.wire.call(&call).await?)?;
            for (id, raw) in &found {
                letters.push(records::dead_letter(brand, reply::utf8(id)?, raw)?);
            }
            if found.len() < portion {
                break;
            }
        }
        Ok(letters)
    }

    async fn dead_letter(&self, brand: &BrandName, id: &WorkId) -> Result<Option<DeadLetter>, StoreError> {
        let short = encode::short(id.as_str());
        let mut command = redis::cmd("HGET");
        command.arg(BrandKeys::new(brand).fixed("dl")).arg(short);
        let found = reply::bytes(self.core.wire.command(&command).await?)?;
        found.map(|raw| records::dead_letter(brand, short, &raw)).transpose()
    }

    async fn replay(&self, brand: &BrandName, id: &WorkId) -> Result<bool, StoreError> {
        let call = Call::new(&scripts().replay, &BrandKeys::new(brand).head())
            .with(self.core.entropy.token())
            .with(encode::time(self.core.clock.now()))
            .with(encode::short(id.as_str()));
        let lane = reply::text(self.core.wire.call(&call).await?)?;
        if let Some(lane) = Lane::parse(&lane) {
            self.core.signals.ring(&lane);
        }
        Ok(!lane.is_empty())
    }

    async fn discard(&self, brand: &BrandName, id: &WorkId) -> Result<bool, StoreError> {
        let call = Call::new(&scripts().discard, &BrandKeys::new(brand).head())
            .with(self.core.entropy.token())
            .with(encode::short(id.as_str()));
        Ok(reply::number(self.core.wire.call(&call).await?)? == 1)
    }
}
