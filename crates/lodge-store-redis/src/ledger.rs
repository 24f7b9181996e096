//! The record of contacts and conversations: accept and apply go to scripts, the rest reads.

use crate::accept::Accepting;
use crate::effects::Stamps;
use crate::keys::BrandKeys;
use crate::records::{self, SEPARATOR};
use crate::scripts::{Call, scripts};
use crate::store::{Core, RedisStore, ask};
use crate::{effects, encode, error::unreadable, reply};
use async_trait::async_trait;
use lodge_domain::effect::{Applied, Step};
use lodge_domain::ports::{Ledger, Lookup, StoreError};
use lodge_domain::{
    BrandName, Candidate, Conversation, ConversationId, Envelope, JournalLine, OutboundId, OutboundRecord,
    Receipt, Reference,
};

/// How many records one command reads.
const PORTION: usize = 100;

#[async_trait]
impl Ledger for RedisStore {
    async fn accept(&self, batch: Vec<Candidate>) -> Result<Vec<Receipt>, StoreError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        ask(&self.accepting, |answer| Accepting { candidates: batch, answer }).await
    }

    async fn apply(&self, step: Step) -> Result<Applied, StoreError> {
        self.core.know(&step.brand).await?;
        let mut call = Call::new(&scripts().apply, &BrandKeys::new(&step.brand).head())
            .with(self.core.entropy.token())
            .with(encode::time(self.core.clock.now()));
        match &step.guard {
            Some(guard) => call.arg(guard.key).arg(guard.content).arg(&guard.value),
            None => call.arg("").arg("").arg(""),
        };
        let mut stamps = Stamps::draw(&self.core, step.effects.iter()).await?;
        effects::encode(&mut call, &step.effects, &mut stamps)?;
        let answer = reply::text(self.core.wire.call(&call).await?)?;
        let (letter, value) = answer.split_at_checked(1).ok_or_else(|| unreadable("the answer of apply"))?;
        match letter {
            "D" => {
                effects::ring(&self.core.signals, &step.effects);
                Ok(Applied::Done)
            }
            "R" => Ok(Applied::Repeated(value.to_owned())),
            "C" => Ok(Applied::Conflict),
            "S" => Ok(Applied::Stale),
            _ => Err(unreadable("the answer of apply")),
        }
    }

    async fn find(&self, brand: &BrandName, lookup: Lookup) -> Result<Vec<Envelope>, StoreError> {
        let (core, keys) = (&self.core, BrandKeys::new(brand));
        let ids = match lookup {
            Lookup::Envelope(id) => vec![encode::short(id.as_str()).to_owned()],
            Lookup::Conversation(id) => inventory(core, &keys, encode::short(id.as_str()), b'e').await?,
            Lookup::Reference(reference) => match conversation_of(core, &keys, &reference).await? {
                Some(id) => inventory(core, &keys, &id, b'e').await?,
                None => Vec::new(),
            },
            Lookup::Trace(value) => {
                let found =
                    many(core, &[keys.by_value('y', &value.0)]).await?.pop().flatten().unwrap_or_default();
                found.chunks(26).map(|id| reply::utf8(id).map(str::to_owned)).collect::<Result<_, _>>()?
            }
        };
        let mut envelopes = Vec::with_capacity(ids.len());
        for portion in ids.chunks(PORTION) {
            let mut wanted: Vec<String> = portion.iter().map(|id| keys.by_id('e', id)).collect();
            wanted.extend(portion.iter().map(|id| keys.by_id('x', id)));
            let found = many(core, &wanted).await?;
            let (records, decisions) = found.split_at(portion.len().min(found.len()));
            for ((id, record), decision) in portion.iter().zip(records).zip(decisions) {
                if let (Some(raw), Some(id)) = (record, records::envelope_id(id)) {
                    envelopes.push(records::envelope(id, raw, decision.as_deref())?);
                }
            }
        }
        envelopes.sort_by(|a, b| {
            let place = |e: &Envelope| (e.receipt.conversation.clone(), e.receipt.sequence);
            place(a).cmp(&place(b))
        });
        Ok(envelopes)
    }

    async fn conversation(
        &self,
        brand: &BrandName,
        id: &ConversationId,
    ) -> Result<Option<Conversation>, StoreError> {
        let (keys, short) = (BrandKeys::new(brand), encode::short(id.as_str()));
        let mut command = redis::cmd("HGETALL");
        command.arg(keys.by_id('c', short));
        let fields = reply::pairs(self.core.wire.command(&command).await?)?;
        if fields.is_empty() {
            return Ok(None);
        }
        let back = many(&self.core, &[keys.by_id('b', short)]).await?.pop().flatten();
        records::conversation(brand, id, fields, back.as_deref()).map(Some)
    }

    async fn by_reference(
        &self,
        brand: &BrandName,
        reference: &Reference,
    ) -> Result<Option<Conversation>, StoreError> {
        let found = conversation_of(&self.core, &BrandKeys::new(brand), reference).await?;
        match found.as_deref().and_then(records::conversation_id) {
            Some(id) => self.conversation(brand, &id).await,
            None => Ok(None),
        }
    }

    async fn outbound(
        &self,
        brand: &BrandName,
        id: &OutboundId,
    ) -> Result<Option<OutboundRecord>, StoreError> {
        let key = BrandKeys::new(brand).by_id('p', encode::short(id.as_str()));
        let found = many(&self.core, &[key]).await?.pop().flatten();
        found.map(|raw| records::outbound(&raw)).transpose()
    }

    async fn outbound_of(
        &self,
        brand: &BrandName,
        conversation: &ConversationId,
    ) -> Result<Vec<OutboundRecord>, StoreError> {
        let keys = BrandKeys::new(brand);
        let ids = inventory(&self.core, &keys, encode::short(conversation.as_str()), b'o').await?;
        let mut out = Vec::with_capacity(ids.len());
        for portion in ids.chunks(PORTION) {
            let wanted: Vec<String> = portion.iter().map(|id| keys.by_id('p', id)).collect();
            for raw in many(&self.core, &wanted).await?.into_iter().flatten() {
                out.push(records::outbound(&raw)?);
            }
        }
        Ok(out)
    }

    async fn journal(&self, brand: &BrandName, subjects: &[String]) -> Result<Vec<JournalLine>, StoreError> {
        let keys = BrandKeys::new(brand);
        let mut lines = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for subject in subjects.iter().filter(|subject| seen.insert(subject.as_str())) {
            let mut command = redis::cmd("HGETALL");
            command.arg(keys.journal(subject));
            for (field, value) in reply::pairs(self.core.wire.command(&command).await?)? {
                lines.push(read_line(subject, &field, &value).ok_or_else(|| unreadable("a journal line"))?);
            }
        }
        lines.sort_by_key(|(order, line)| (line.at, *order));
        Ok(lines.into_iter().map(|(_, line)| line).collect())
    }

    async fn brands(&self) -> Result<Vec<BrandName>, StoreError> {
        self.core.all_brands().await
    }
}

/// A line, and its number among all of the brand.
fn read_line(subject: &str, field: &[u8], value: &[u8]) -> Option<(u64, JournalLine)> {
    let (step, text) = std::str::from_utf8(field).ok()?.split_once(SEPARATOR)?;
    let (at, order) = std::str::from_utf8(value).ok()?.split_at_checked(20)?;
    let at = encode::read_time(at)?;
    let line = JournalLine { subject: subject.to_owned(), at, step: step.to_owned(), text: text.to_owned() };
    Some((order.parse().ok()?, line))
}

/// What a conversation's inventory lists of one kind.
async fn inventory(core: &Core, keys: &BrandKeys, id: &str, kind: u8) -> Result<Vec<String>, StoreError> {
    let found = many(core, &[keys.by_id('n', id)]).await?.pop().flatten();
    Ok(found.map(|raw| records::inventory(&raw, kind)).unwrap_or_default())
}

async fn conversation_of(
    core: &Core,
    keys: &BrandKeys,
    reference: &Reference,
) -> Result<Option<String>, StoreError> {
    let found = many(core, &[keys.by_reference(reference.as_str())]).await?.pop().flatten();
    found.map(|raw| reply::utf8(&raw).map(str::to_owned)).transpose()
}

/// Values of several keys of one brand.
async fn many(core: &Core, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    let mut command = redis::cmd("MGET");
    for key in keys {
        command.arg(key);
    }
    reply::maybe_list(core.wire.command(&command).await?)
}
