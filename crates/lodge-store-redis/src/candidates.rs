//! How candidates are written for `lua/accept.lua`, and how its answers are read.

use crate::brands::Identity;
use crate::encode;
use crate::error::unreadable;
use crate::keys::BrandKeys;
use crate::portions::Placed;
use crate::records::{self, SEPARATOR, write_statics};
use crate::reply;
use crate::scripts::{Call, scripts};
use crate::store::Core;
use lodge_domain::ports::StoreError;
use lodge_domain::{
    BrandName, Candidate, EnvelopeId, JoinCondition, NewEntry, OriginKind, Placement, Receipt, Reference,
    ThreadKey, ThreadKeyValue, WorkId,
};

/// A batch as `lua/accept.lua` takes it.
pub(crate) fn encode_batch(core: &Core, brand: &BrandName, known: &Identity, batch: &[Placed<'_>]) -> Call {
    let mut call = Call::new(&scripts().accept, &BrandKeys::new(brand).head());
    call.arg(&known.epoch)
        .arg(core.node.as_str())
        .arg((known.mark + 1).to_string())
        .arg(known.mark.to_string());
    call.arg(batch.len().to_string());
    for (_, candidate) in batch {
        encode_candidate(&mut call, candidate);
    }
    call
}

fn encode_candidate(call: &mut Call, c: &Candidate) {
    let keys: Vec<&ThreadKey> = c.thread_keys.iter().take(ThreadKey::MOST).collect();
    let mut packed = Vec::with_capacity(keys.len() * 27);
    let mut labels = String::new();
    for (at, key) in keys.iter().enumerate() {
        packed.extend_from_slice(encode::code(&key.value.0).as_bytes());
        packed.push(condition(key.condition));
        if at > 0 {
            labels.push(SEPARATOR);
        }
        labels.extend(key.label.chars().map(|c| if c == SEPARATOR { ' ' } else { c }));
    }
    let references: String = c.references.iter().map(Reference::as_str).collect();
    let introduced: Vec<String> = c.introduces.iter().map(encode::handle).collect();
    let back = c.return_path.as_ref().and_then(|path| serde_json::to_vec(path).ok()).unwrap_or_default();
    let origin = match c.origin {
        OriginKind::Human => "h",
        OriginKind::Automated => "a",
        OriginKind::Ours => "o",
    };
    call.arg(encode::short(c.envelope.as_str()))
        .arg(encode::short(c.founds.as_str()))
        .arg(encode::code(&c.dedupe[..16]))
        .arg(c.source.as_ref().map(|source| encode::code(&source[..16])).unwrap_or_default())
        .arg(references)
        .arg(packed)
        .arg(labels)
        .arg(pack(&c.registers))
        .arg(pack(&c.rebinds))
        .arg(pack(&c.traces))
        .arg(encode::handle(&c.party))
        .arg(encode::assurance(c.assurance))
        .arg(origin)
        .arg(introduced.join("\n"))
        .arg(c.topic.as_ref().map_or(&[][..], |topic| &topic.0[..]))
        .arg(back)
        .arg(c.inbox.as_str())
        .arg(&c.record)
        .arg(encode::time(c.accepted_at))
        .arg(encode::short(WorkId::of(c.envelope.as_str(), "triage", 0).as_str()))
        .arg(write_statics(c.envelope.as_str(), ""));
    match &c.entry {
        None => call.arg(""),
        Some(entry) => encode_entry(call, entry),
    };
}

/// An entry as scripts take it: timeline, entry, time, body.
pub(crate) fn encode_entry<'c>(call: &'c mut Call, entry: &NewEntry) -> &'c mut Call {
    call.arg(encode::code(&entry.timeline.0))
        .arg(encode::code(&entry.id.0))
        .arg(encode::time(entry.at))
        .arg(&entry.body)
}

fn condition(condition: JoinCondition) -> u8 {
    match condition {
        JoinCondition::Always => b'a',
        JoinCondition::IfParticipant => b'p',
        JoinCondition::IfParticipantOnTopic => b't',
        JoinCondition::Hint => b'h',
    }
}

/// Keys one behind the other, 26 letters each.
pub(crate) fn pack(keys: &[ThreadKeyValue]) -> String {
    keys.iter().map(|key| encode::code(&key.0)).collect()
}

/// A receipt has eleven fields.
const RECEIPT_SEPARATORS: usize = 10;

/// Each answer repeats the id it is for; one for another id is never handed on (T12).
pub(crate) fn read_receipts(
    answers: impl ExactSizeIterator<Item = Vec<u8>>,
    batch: &[Placed<'_>],
) -> Result<Vec<Receipt>, StoreError> {
    if answers.len() != batch.len() {
        return Err(unreadable("the answer of accept has another length"));
    }
    answers
        .zip(batch)
        .map(|(answer, (_, candidate))| {
            let text = reply::utf8(&answer)?;
            let damaged = || unreadable("the answer of accept");
            let id: Option<EnvelopeId> = text.get(1..27).and_then(records::envelope_id);
            if id.as_ref() != Some(&candidate.envelope) {
                return Err(unreadable("an answer of accept is for another contact"));
            }
            let mut text_of_receipt = text.get(27..).ok_or_else(damaged)?;
            let mut entry = None;
            if candidate.entry.is_some() && text_of_receipt.matches(SEPARATOR).count() > RECEIPT_SEPARATORS {
                let (receipt, number) = text_of_receipt.rsplit_once(SEPARATOR).ok_or_else(damaged)?;
                entry = Some(number.parse().map_err(|_| damaged())?);
                text_of_receipt = receipt;
            }
            let mut receipt = records::receipt(candidate.envelope.clone(), text_of_receipt)?;
            receipt.entry = entry;
            if text.starts_with('D') {
                receipt.placement = Placement::Duplicate;
            }
            Ok(receipt)
        })
        .collect()
}
