//! How effects are written for scripts, in one encoding for `apply` and `settle` (`lua/effects.lua` reads it).

use crate::candidates::pack;
use crate::encode::{self, short};
use crate::keys::{STAMPS, journal_part};
use crate::records::{SEPARATOR, write_statics};
use crate::reply;
use crate::scripts::Call;
use crate::signals::Signals;
use crate::store::Core;
use lodge_domain::effect::Effect;
use lodge_domain::ports::StoreError;
use lodge_domain::{ConversationChange, ConversationId, Lane, WorkId};

/// How many effects one step may have.
const MOST: usize = 1000;

/// Adds a list of effects to a call.
pub(crate) fn encode(call: &mut Call, effects: &[Effect], stamps: &mut Stamps) -> Result<(), StoreError> {
    if effects.len() > MOST {
        return Err(StoreError::Unavailable(format!(
            "a step has {} effects, more than {MOST}",
            effects.len()
        )));
    }
    call.arg(effects.len().to_string());
    effects.iter().try_for_each(|effect| encode_one(call, effect, stamps))
}

/// Numbers that order what is published in different brands: drawn from one counter of the installation, before the
/// script that publishes, since no script can count for all brands in a cluster.
pub(crate) struct Stamps {
    next: u64,
}

impl Stamps {
    /// Draws as many as these effects publish; asks nobody where they publish nothing.
    pub(crate) async fn draw<'a>(
        core: &Core,
        effects: impl Iterator<Item = &'a Effect>,
    ) -> Result<Self, StoreError> {
        let count = effects.filter(|effect| matches!(effect, Effect::Publish { .. })).count() as u64;
        if count == 0 {
            return Ok(Self { next: 0 });
        }
        let last = core.wire.command(redis::cmd("INCRBY").arg(STAMPS).arg(count)).await?;
        Ok(Self { next: reply::number(last)?.saturating_sub(count) })
    }

    fn take(&mut self) -> String {
        self.next += 1;
        format!("{:020}", self.next)
    }
}

fn encode_one(call: &mut Call, effect: &Effect, stamps: &mut Stamps) -> Result<(), StoreError> {
    match effect {
        Effect::Enqueue(new) => {
            call.arg("E")
                .arg(short(new.id.as_str()))
                .arg(new.lane.to_string())
                .arg(new.kind.as_str())
                .arg(optional(new.conversation.as_ref()))
                .arg(new.sequence.map(|n| n.to_string()).unwrap_or_default())
                .arg(encode::time(new.due))
                .arg(write_statics(&new.subject, &new.payload));
        }
        Effect::Record { event, conversation, part, at } => {
            let mut statics = write_statics(event.as_str(), "").into_bytes();
            statics.extend_from_slice(part);
            call.arg("R")
                .arg(short(event.as_str()))
                .arg(short(conversation.as_str()))
                .arg(encode::time(*at))
                .arg(short(WorkId::of(event.as_str(), "announce", 0).as_str()))
                .arg(statics);
        }
        Effect::Publish { event, conversation, body, at } => {
            call.arg("P")
                .arg(short(event.as_str()))
                .arg(optional(conversation.as_ref()))
                .arg(encode::time(*at))
                .arg(stamps.take())
                .arg(body);
        }
        Effect::Decide { envelope, decision } => {
            call.arg("D").arg(short(envelope.as_str())).arg(json(decision)?);
        }
        Effect::Learn { conversation, keys } => {
            call.arg("L").arg(short(conversation.as_str())).arg(pack(keys));
        }
        Effect::Trace { envelope, keys } => {
            call.arg("T").arg(short(envelope.as_str())).arg(pack(keys));
        }
        Effect::Change { conversation, change } => encode_change(call, conversation, change),
        Effect::Outbound(record) => {
            call.arg("O")
                .arg(short(record.id.as_str()))
                .arg(record.version.to_string())
                .arg(short(record.message.conversation.as_str()))
                .arg(json(record)?);
        }
        Effect::Journal(line) => {
            call.arg("J")
                .arg(journal_part(&line.subject))
                .arg(format!("{}{SEPARATOR}{}", line.step, line.text))
                .arg(encode::time(line.at));
        }
    }
    Ok(())
}

fn encode_change(call: &mut Call, conversation: &ConversationId, change: &ConversationChange) {
    let some = |text: Option<&str>| text.map(|text| format!("+{text}")).unwrap_or_default();
    call.arg("C")
        .arg(short(conversation.as_str()))
        .arg(change.status.map(encode::status).unwrap_or_default())
        .arg(change.reopen_until.map(encode::time).unwrap_or_default())
        .arg(some(change.external_id.as_deref()))
        .arg(some(change.queue.as_deref()))
        .arg(some(change.participant.as_ref().map(encode::handle).as_deref()))
        .arg(optional(change.merged_into.as_ref()));
}

fn optional(conversation: Option<&ConversationId>) -> &str {
    conversation.map(|id| short(id.as_str())).unwrap_or_default()
}

fn json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| StoreError::Unreadable(error.to_string()))
}

/// Wakes who waits for what these effects brought.
pub(crate) fn ring(signals: &Signals, effects: &[Effect]) {
    for effect in effects {
        match effect {
            Effect::Enqueue(new) => signals.ring(&new.lane),
            Effect::Record { .. } => signals.ring(&Lane::Triage),
            Effect::Publish { .. } => signals.feed.notify_waiters(),
            _ => {}
        }
    }
}
