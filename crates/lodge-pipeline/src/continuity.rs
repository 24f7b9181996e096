//! Carries replies on that nobody came to read: after a while all of a conversation that wait go out in one, by another
//! inbox, to the address the party gave (H04). An answer to it continues the same conversation, since it is signed.
//!
//! Decided when it is due and not when it was sent, in one atomic step with the records it concerns: a reply that was read
//! meanwhile stays where it is, and none is carried on twice.

use crate::outbound::journal;
use crate::pipeline::Shared;
use crate::worker::Ending;
use lodge_domain::delivery::{
    Continuation, OutboundAttachment, OutboundKind, OutboundMessage, OutboundState, RecipientState,
};
use lodge_domain::ports::StoreError;
use lodge_domain::{
    Claim, ConversationChange, Effect, Lane, NewWork, OutboundId, OutboundRecord, ReturnPath, WorkId,
    WorkKind,
};

/// The work that carries `record` on, unless it is read by then.
pub(crate) fn planned(record: &OutboundRecord, way: &Continuation) -> Option<Effect> {
    let payload = serde_json::to_string(way).ok()?;
    let message = &record.message;
    Some(Effect::Enqueue(NewWork {
        id: WorkId::of(record.id.as_str(), WorkKind::Continue.as_str(), record.resends),
        lane: Lane::Reply(way.inbox.clone()),
        kind: WorkKind::Continue,
        brand: message.brand.clone(),
        // It waits for its time, and shall hold back no other reply of its conversation.
        conversation: None,
        subject: record.id.to_string(),
        sequence: None,
        payload,
        due: way.at,
    }))
}

/// Carries the reply that `claim` names on, with all others of its conversation that nobody read.
pub(crate) async fn carry_on(shared: &Shared, claim: &Claim) -> Result<Ending, StoreError> {
    let work = &claim.work.new;
    let (Some(id), Ok(way)) =
        (OutboundId::parse(&work.subject), serde_json::from_str::<Continuation>(&work.payload))
    else {
        return Ok(Ending::dead("the work names no reply to carry on", &work.subject));
    };
    let ledger = &shared.store.ledger;
    let Some(record) = ledger.outbound(&work.brand, &id).await? else {
        return Ok(Ending::done(Vec::new()));
    };
    if !waits(&record) {
        return Ok(Ending::done(Vec::new()));
    }
    let now = shared.now();
    let replier = shared.replier(&way.inbox);
    let Some(path) = replier.and_then(|replier| replier.path_to(&way.party, way.name.as_deref())) else {
        let text = format!("{}: inbox {} has no way to the address given", record.id, way.inbox);
        return Ok(Ending::done(vec![journal(&record, now, "not carried on", text)]));
    };
    let all = ledger.outbound_of(&work.brand, &record.message.conversation).await?;
    let waiting: Vec<OutboundRecord> =
        all.into_iter().filter(|other| waits(other) && other.message.inbox == record.message.inbox).collect();
    Ok(Ending::done(effects(shared, &waiting, &way, &path)))
}

/// A reply that was handed over, not read, and not carried on yet.
fn waits(record: &OutboundRecord) -> bool {
    record.message.kind == OutboundKind::Reply
        && record.state == OutboundState::Sent
        && record.continued_by.is_none()
}

fn effects(
    shared: &Shared,
    waiting: &[OutboundRecord],
    way: &Continuation,
    path: &ReturnPath,
) -> Vec<Effect> {
    let Some(first) = waiting.first() else { return Vec::new() };
    let now = shared.now();
    let message = together(waiting, first, path);
    let record = OutboundRecord {
        id: message.id.clone(),
        version: 1,
        acknowledges: None,
        state: OutboundState::Queued,
        in_doubt: false,
        recipients: vec![RecipientState {
            handle: way.party.value.clone(),
            state: OutboundState::Queued,
            text: None,
        }],
        message,
        created_at: now,
        resends: 0,
        continued_by: None,
    };
    let work = NewWork {
        id: WorkId::of(record.id.as_str(), WorkKind::Reply.as_str(), 0),
        lane: Lane::Reply(way.inbox.clone()),
        kind: WorkKind::Reply,
        brand: record.message.brand.clone(),
        conversation: Some(record.message.conversation.clone()),
        subject: record.id.to_string(),
        sequence: None,
        payload: String::new(),
        due: now,
    };
    let text =
        format!("{} replies that nobody read go out by inbox {} as {}", waiting.len(), way.inbox, record.id);
    // Whoever answers it has it, and so proves the address: they are no stranger then.
    let change = ConversationChange { participant: Some(way.party.clone()), ..ConversationChange::default() };
    let mut effects = vec![
        journal(first, now, "carried on", text),
        Effect::Change { conversation: first.message.conversation.clone(), change: Box::new(change) },
    ];
    for one in waiting {
        let carried =
            OutboundRecord { version: one.version + 1, continued_by: Some(record.id.clone()), ..one.clone() };
        effects.push(Effect::Outbound(Box::new(carried)));
    }
    effects.push(Effect::Outbound(Box::new(record)));
    effects.push(Effect::Enqueue(work));
    effects
}

/// All of them as one message; the same replies make the same one.
fn together(waiting: &[OutboundRecord], first: &OutboundRecord, path: &ReturnPath) -> OutboundMessage {
    let texts: Vec<&str> = waiting.iter().map(|one| one.message.text.as_str()).collect();
    let files = waiting.iter().flat_map(|one| one.message.attachments.iter().cloned());
    let author = waiting.iter().rev().find_map(|one| one.message.author.clone());
    let key = format!("continue/{}", first.id);
    OutboundMessage {
        id: OutboundId::reply(&first.message.conversation, &key),
        kind: OutboundKind::Reply,
        brand: first.message.brand.clone(),
        inbox: path.inbox.clone(),
        conversation: first.message.conversation.clone(),
        reference: first.message.reference.clone(),
        return_path: path.clone(),
        subject: Some(format!("[#{}]", first.message.reference)),
        text: texts.join("\n\n"),
        html: None,
        attachments: files.collect::<Vec<OutboundAttachment>>(),
        author,
    }
}
