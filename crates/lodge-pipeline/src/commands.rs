//! What the core asks for: replies, their state, status, merges, history. `Ok` means durable.

use crate::answered;
use crate::outbound::{is_acknowledgment, state_of};
use crate::pipeline::Shared;
use async_trait::async_trait;
use jiff::Timestamp;
use lodge_domain::delivery::{OutboundKind, OutboundState};
use lodge_domain::effect::Step;
use lodge_domain::ports::{
    AnsweredCount, CommandError, CoreCommands, Hint, History, Lookup, NewReply, ReplyQueued, StatusChange,
    StoreError,
};
use lodge_domain::ticket::ReplyState;
use lodge_domain::{
    Applied, BrandName, Conversation, ConversationChange, ConversationStatus, Effect, Guard, JournalLine,
    Lane, NewWork, OutboundId, OutboundMessage, OutboundRecord, Reference, ReturnPath, WorkId, WorkKind,
    digest_parts,
};
use std::sync::Arc;

/// How many merges are followed in a row: more would be a cycle, which is never written.
const MOST_MERGES: usize = 64;
/// How often a change is tried again when its record changes under it.
const TRIES: usize = 8;

/// What the core's side holds.
pub(crate) struct Desk(pub(crate) Arc<Shared>);

/// Until when a contact reopens a conversation that is closed now.
pub(crate) fn reopen_until(shared: &Shared, conversation: Option<&Conversation>) -> Option<Timestamp> {
    let queue = conversation.and_then(|conversation| conversation.queue.as_deref());
    let window = shared.live().rules.queues().reopen(queue);
    shared.now().checked_add(window.duration()).ok()
}

#[async_trait]
impl CoreCommands for Desk {
    async fn reply(&self, reference: &Reference, reply: NewReply) -> Result<ReplyQueued, CommandError> {
        let conversation = self.conversation(reference).await?;
        let Some(path) = conversation.return_path.clone() else {
            return Err(CommandError::Impossible(
                "this conversation has no way back to its customer: no contact in it left an address"
                    .to_owned(),
            ));
        };
        if self.0.replier(&path.inbox).is_none() {
            let problem = format!("inbox {} cannot send: no way out is configured for it", path.inbox);
            return Err(CommandError::Impossible(problem));
        }
        let id = OutboundId::reply(&conversation.id, &reply.idempotency_key);
        let key =
            [b"reply".as_slice(), conversation.id.as_str().as_bytes(), reply.idempotency_key.as_bytes()];
        let guard = Guard { key: digest_parts(&key), content: reply.content, value: id.to_string() };
        let record = record(&self.0, &conversation, id.clone(), path, reply);
        let text = record.message.text.clone();
        let effects = vec![
            Effect::Enqueue(work(&self.0, &record)),
            line(&self.0, conversation.id.as_str(), "reply queued", id.to_string()),
            Effect::Outbound(Box::new(record)),
        ];
        let step = Step { brand: conversation.brand.clone(), guard: Some(guard), effects };
        match self.0.store.ledger.apply(step).await.map_err(unavailable)? {
            Applied::Done | Applied::Repeated(_) => Ok(ReplyQueued { id }),
            Applied::Conflict => Err(CommandError::Conflict),
            Applied::Stale => self.asked_before(&conversation.brand, id, &text).await,
            Applied::LeaseLost => Err(CommandError::Unavailable("the store lost track of it".to_owned())),
        }
    }

    async fn reply_state(&self, id: &OutboundId) -> Result<ReplyState, CommandError> {
        self.outbound(id).await.map(|record| state_of(&record))
    }

    async fn resend(&self, id: &OutboundId) -> Result<ReplyState, CommandError> {
        for _ in 0..TRIES {
            let mut record = self.outbound(id).await?;
            if is_acknowledgment(&record) {
                let problem = "an acknowledgment is never repeated".to_owned();
                return Err(CommandError::Impossible(problem));
            }
            match record.state {
                OutboundState::Failed | OutboundState::Bounced => {}
                // Asked twice, or still on its way: it goes out once.
                OutboundState::Queued | OutboundState::Deferred => return Ok(state_of(&record)),
                OutboundState::Sent | OutboundState::Delivered => {
                    return Err(CommandError::Impossible("the reply went out already".to_owned()));
                }
            }
            record.version += 1;
            record.resends += 1;
            record.state = OutboundState::Queued;
            record.in_doubt = false;
            for recipient in &mut record.recipients {
                recipient.state = OutboundState::Queued;
                recipient.text = None;
            }
            let answer = state_of(&record);
            let text = format!("{id}, the core asked for it");
            let effects = vec![
                Effect::Enqueue(work(&self.0, &record)),
                line(&self.0, record.message.conversation.as_str(), "reply sent again", text),
                Effect::Outbound(Box::new(record.clone())),
            ];
            let step = Step { brand: record.message.brand, guard: None, effects };
            if self.0.store.ledger.apply(step).await.map_err(unavailable)? != Applied::Stale {
                return Ok(answer);
            }
        }
        Err(CommandError::Unavailable("the reply changes too fast".to_owned()))
    }

    async fn status(&self, reference: &Reference, change: StatusChange) -> Result<(), CommandError> {
        let conversation = self.conversation(reference).await?;
        let closes = change.status == ConversationStatus::Closed;
        let reopen_until = closes.then(|| reopen_until(&self.0, Some(&conversation))).flatten();
        let word = match change.status {
            ConversationStatus::Open => "open",
            ConversationStatus::Pending => "pending",
            ConversationStatus::Solved => "solved",
            ConversationStatus::Closed => "closed",
        };
        let text = change.note.as_ref().map_or_else(|| word.to_owned(), |note| format!("{word}: {note}"));
        let change = ConversationChange {
            status: Some(change.status),
            reopen_until,
            external_id: change.ticket,
            ..ConversationChange::default()
        };
        let effects = vec![
            line(&self.0, conversation.id.as_str(), "status", text),
            Effect::Change { conversation: conversation.id, change: Box::new(change) },
        ];
        self.apply(conversation.brand, effects).await
    }

    async fn merge(&self, from: &Reference, into: &Reference) -> Result<(), CommandError> {
        let from = self.conversation(from).await?;
        let into = self.conversation(into).await?;
        if from.brand != into.brand {
            return Err(CommandError::Impossible("they belong to different brands".to_owned()));
        }
        let survivor = self.survivor(&into).await?;
        if survivor.id == from.id {
            return Err(CommandError::Impossible("a conversation cannot be merged into itself".to_owned()));
        }
        if let Some(other) = &from.merged_into {
            if self.survivor(&from).await?.id == survivor.id {
                return Ok(());
            }
            return Err(CommandError::Impossible(format!(
                "it was merged into another conversation, {other}"
            )));
        }
        let change =
            ConversationChange { merged_into: Some(survivor.id.clone()), ..ConversationChange::default() };
        let effects = vec![
            line(&self.0, from.id.as_str(), "merged", format!("into {}", survivor.reference)),
            line(&self.0, survivor.id.as_str(), "merged", format!("took over {}", from.reference)),
            Effect::Change { conversation: from.id, change: Box::new(change) },
        ];
        self.apply(from.brand, effects).await
    }

    async fn show(&self, reference: &Reference, hint: Hint) -> Result<(), CommandError> {
        let cannot = || CommandError::Impossible("this customer's channel shows no such thing".to_owned());
        let conversation = self.conversation(reference).await?;
        let conversation = self.survivor(&conversation).await?;
        let path = conversation.return_path.ok_or_else(cannot)?;
        let replier = self.0.replier(&path.inbox).ok_or_else(cannot)?;
        if replier.hint(&path, &hint).await { Ok(()) } else { Err(cannot()) }
    }

    async fn revoke(&self, reference: &Reference) -> Result<(), CommandError> {
        let conversation = self.conversation(reference).await?;
        let survivor = self.survivor(&conversation).await?;
        // A chat may have gone on by mail since: whatever gave access in this conversation gives none any more.
        let mut paths: Vec<ReturnPath> = survivor.return_path.clone().into_iter().collect();
        for place in [conversation.id, survivor.id] {
            let lookup = Lookup::Conversation(place);
            let envelopes = self.0.store.ledger.find(&survivor.brand, lookup).await.map_err(unavailable)?;
            for path in envelopes.into_iter().filter_map(|envelope| envelope.contact.return_path) {
                if !paths.contains(&path) {
                    paths.push(path);
                }
            }
        }
        let mut revoked = false;
        for path in paths {
            let Some(replier) = self.0.replier(&path.inbox) else { continue };
            let done = replier.revoke(&path).await;
            revoked |= done.map_err(|error| CommandError::Unavailable(error.to_string()))?;
        }
        let cannot = || CommandError::Impossible("this customer's channel gave nobody access".to_owned());
        revoked.then_some(()).ok_or_else(cannot)
    }

    async fn answered(&self, since: &str) -> Result<Vec<AnsweredCount>, CommandError> {
        answered::counts(&self.0, since).await.map_err(unavailable)
    }

    async fn history(&self, reference: &Reference) -> Result<History, CommandError> {
        let conversation = self.conversation(reference).await?;
        let ledger = &self.0.store.ledger;
        let brand = &conversation.brand;
        let lookup = Lookup::Conversation(conversation.id.clone());
        let envelopes = ledger.find(brand, lookup).await.map_err(unavailable)?;
        let outbound = ledger.outbound_of(brand, &conversation.id).await.map_err(unavailable)?;
        let mut subjects = vec![conversation.id.to_string()];
        subjects.extend(envelopes.iter().map(|envelope| envelope.receipt.envelope.to_string()));
        let journal = ledger.journal(brand, &subjects).await.map_err(unavailable)?;
        Ok(History { conversation, envelopes, outbound, journal })
    }
}

impl Desk {
    /// The conversation with this reference, in whichever brand it is.
    async fn conversation(&self, reference: &Reference) -> Result<Conversation, CommandError> {
        for brand in self.brands().await? {
            let found = self.0.store.ledger.by_reference(&brand, reference).await.map_err(unavailable)?;
            if let Some(conversation) = found {
                return Ok(conversation);
            }
        }
        Err(CommandError::Unknown("conversation"))
    }

    async fn outbound(&self, id: &OutboundId) -> Result<OutboundRecord, CommandError> {
        for brand in self.brands().await? {
            if let Some(record) = self.0.store.ledger.outbound(&brand, id).await.map_err(unavailable)? {
                return Ok(record);
            }
        }
        Err(CommandError::Unknown("reply"))
    }

    async fn brands(&self) -> Result<Vec<BrandName>, CommandError> {
        self.0.store.ledger.brands().await.map_err(unavailable)
    }

    /// The conversation that contacts of `conversation` land on after all merges.
    async fn survivor(&self, conversation: &Conversation) -> Result<Conversation, CommandError> {
        let mut at = conversation.clone();
        for _ in 0..MOST_MERGES {
            let Some(next) = &at.merged_into else { return Ok(at) };
            let found = self.0.store.ledger.conversation(&at.brand, next).await.map_err(unavailable)?;
            match found {
                Some(found) => at = found,
                None => return Ok(at),
            }
        }
        Err(CommandError::Impossible("too many merges in a row".to_owned()))
    }

    /// The record is there although the guard has forgotten it: the same words are the same command.
    async fn asked_before(
        &self,
        brand: &BrandName,
        id: OutboundId,
        text: &str,
    ) -> Result<ReplyQueued, CommandError> {
        let known = self.0.store.ledger.outbound(brand, &id).await.map_err(unavailable)?;
        match known {
            Some(record) if record.message.text == text => Ok(ReplyQueued { id }),
            Some(_) => Err(CommandError::Conflict),
            None => Err(CommandError::Unavailable("the store lost track of it".to_owned())),
        }
    }

    async fn apply(&self, brand: BrandName, effects: Vec<Effect>) -> Result<(), CommandError> {
        let step = Step { brand, guard: None, effects };
        self.0.store.ledger.apply(step).await.map(|_| ()).map_err(unavailable)
    }
}

fn record(
    shared: &Shared,
    conversation: &Conversation,
    id: OutboundId,
    return_path: ReturnPath,
    reply: NewReply,
) -> OutboundRecord {
    let message = OutboundMessage {
        id: id.clone(),
        kind: OutboundKind::Reply,
        brand: conversation.brand.clone(),
        inbox: return_path.inbox.clone(),
        conversation: conversation.id.clone(),
        reference: conversation.reference.clone(),
        return_path,
        subject: None,
        text: reply.text,
        html: reply.html,
        attachments: reply.attachments,
        author: reply.author,
    };
    OutboundRecord {
        id,
        version: 1,
        acknowledges: None,
        state: OutboundState::Queued,
        in_doubt: false,
        recipients: Vec::new(),
        message,
        created_at: shared.now(),
        resends: 0,
        continued_by: None,
    }
}

/// The work that sends a reply; each resend is work of its own.
fn work(shared: &Shared, record: &OutboundRecord) -> NewWork {
    let message = &record.message;
    NewWork {
        id: WorkId::of(record.id.as_str(), "reply", record.resends),
        lane: Lane::Reply(message.inbox.clone()),
        kind: WorkKind::Reply,
        brand: message.brand.clone(),
        conversation: Some(message.conversation.clone()),
        subject: record.id.to_string(),
        sequence: None,
        payload: String::new(),
        due: shared.now(),
    }
}

fn line(shared: &Shared, subject: &str, step: &str, text: String) -> Effect {
    Effect::Journal(JournalLine {
        subject: subject.to_owned(),
        at: shared.now(),
        step: step.to_owned(),
        text,
    })
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn unavailable(error: StoreError) -> CommandError {
    CommandError::Unavailable(error.to_string())
}
