//! The port of this name, over the model's records.

use crate::model_store::{ModelStore, accept, effects, state::State};
use async_trait::async_trait;
use lodge_domain::effect::{Applied, Step};
use lodge_domain::ports::{Ledger, Lookup, StoreError};
use lodge_domain::{
    BrandName, Candidate, Conversation, ConversationId, Envelope, JournalLine, OutboundId, OutboundRecord,
    Receipt, Reference,
};

/// Whether a reference could run out, so that the whole batch would have to be undone.
fn may_fail(state: &State, batch: &[Candidate]) -> bool {
    let wanted_by_others = |at: usize, reference: &Reference| {
        batch.iter().enumerate().any(|(other, c)| other != at && c.references.contains(reference))
    };
    batch.iter().enumerate().any(|(at, candidate)| {
        candidate.references.iter().all(|reference| {
            state.by_reference(&candidate.brand, reference).is_some() || wanted_by_others(at, reference)
        })
    })
}

#[async_trait]
impl Ledger for ModelStore {
    async fn accept(&self, batch: Vec<Candidate>) -> Result<Vec<Receipt>, StoreError> {
        let now = self.now();
        self.write(|state| {
            let before = may_fail(state, &batch).then(|| state.clone());
            let receipts: Result<Vec<_>, _> =
                batch.iter().map(|candidate| accept::accept(state, candidate, now)).collect();
            if receipts.is_err()
                && let Some(before) = before
            {
                *state = before;
            }
            receipts
        })
    }

    async fn apply(&self, step: Step) -> Result<Applied, StoreError> {
        let now = self.now();
        Ok(self.write(|state| effects::apply(state, &step, now)))
    }

    async fn find(&self, brand: &BrandName, lookup: Lookup) -> Result<Vec<Envelope>, StoreError> {
        let state = self.read();
        let traced = match &lookup {
            Lookup::Trace(key) => state.traces.get(&(brand.clone(), *key)).cloned().unwrap_or_default(),
            _ => std::collections::BTreeSet::new(),
        };
        let of_brand = state.envelopes.iter().filter(|((of, _), _)| of == brand).map(|(_, kept)| kept);
        let mut found: Vec<_> = of_brand
            .filter(|kept| match &lookup {
                Lookup::Envelope(id) => kept.receipt.envelope == *id,
                Lookup::Conversation(id) => kept.receipt.conversation == *id,
                Lookup::Reference(reference) => kept.receipt.reference == *reference,
                Lookup::Trace(_) => traced.contains(&kept.receipt.envelope),
            })
            .collect();
        found.sort_by_key(|kept| (&kept.receipt.conversation, kept.receipt.sequence));
        found.into_iter().map(super::super::state::Kept::envelope).collect()
    }

    async fn conversation(
        &self,
        brand: &BrandName,
        id: &ConversationId,
    ) -> Result<Option<Conversation>, StoreError> {
        Ok(self.read().conversation(brand, id).cloned())
    }

    async fn by_reference(
        &self,
        brand: &BrandName,
        reference: &Reference,
    ) -> Result<Option<Conversation>, StoreError> {
        Ok(self.read().by_reference(brand, reference).cloned())
    }

    async fn outbound(
        &self,
        brand: &BrandName,
        id: &OutboundId,
    ) -> Result<Option<OutboundRecord>, StoreError> {
        let state = self.read();
        let found = state.outbound.iter().find(|(of, record)| of == brand && record.id == *id);
        Ok(found.map(|(_, record)| record.clone()))
    }

    async fn outbound_of(
        &self,
        brand: &BrandName,
        conversation: &ConversationId,
    ) -> Result<Vec<OutboundRecord>, StoreError> {
        let state = self.read();
        let of_brand = state.outbound.iter().filter(|(of, _)| of == brand);
        let records = of_brand.map(|(_, record)| record);
        Ok(records.filter(|record| record.message.conversation == *conversation).cloned().collect())
    }

    async fn journal(&self, brand: &BrandName, subjects: &[String]) -> Result<Vec<JournalLine>, StoreError> {
        let state = self.read();
        let of_brand = state.journal.iter().filter(|(of, _)| of == brand).map(|(_, line)| line);
        let mut lines: Vec<_> = of_brand.filter(|line| subjects.contains(&line.subject)).cloned().collect();
        lines.sort_by_key(|line| line.at);
        Ok(lines)
    }

    async fn brands(&self) -> Result<Vec<BrandName>, StoreError> {
        Ok(self.read().brands.iter().cloned().collect())
    }
}
