//! What triage decides and what goes out, for tests that need any.

use super::sample_time;
use lodge_domain::delivery::{OutboundKind, OutboundState};
use lodge_domain::{
    BrandName, ConversationId, Decision, InboxName, OutboundId, OutboundMessage, OutboundRecord, Priority,
    Reason, Reference, ReturnPath,
};

/// Routed to `queue` by the inbox's default.
#[must_use]
pub fn sample_decision(queue: &str) -> Decision {
    let because = format!("queue {queue}");
    Decision {
        kind: None,
        category: None,
        priority: Priority::Normal,
        tags: Vec::new(),
        queue: queue.to_owned(),
        respond_by: None,
        resolve_by: None,
        reasons: vec![Reason { rule: "inbox default".to_owned(), because }],
    }
}

/// An agent's words in `conversation`, asked for under `idempotency_key`, through the inbox `support`.
///
/// # Panics
/// Never: its names are names.
#[must_use]
pub fn sample_message(conversation: &ConversationId, idempotency_key: &str) -> OutboundMessage {
    let inbox = InboxName::parse("support").unwrap_or_else(|| panic!("a name"));
    OutboundMessage {
        id: OutboundId::reply(conversation, idempotency_key),
        kind: OutboundKind::Reply,
        brand: BrandName::unbranded(),
        inbox: inbox.clone(),
        conversation: conversation.clone(),
        reference: Reference::derive(conversation, 0),
        return_path: ReturnPath { inbox, sealed: serde_json::json!({"to": "ann@example.com"}) },
        subject: None,
        text: "It is on its way.".to_owned(),
        html: None,
        attachments: Vec::new(),
        author: Some("Tom".to_owned()),
    }
}

/// The first version of the record of [`sample_message`], queued.
#[must_use]
pub fn sample_outbound(conversation: &ConversationId, idempotency_key: &str) -> OutboundRecord {
    let message = sample_message(conversation, idempotency_key);
    OutboundRecord {
        id: message.id.clone(),
        version: 1,
        acknowledges: None,
        state: OutboundState::Queued,
        in_doubt: false,
        recipients: Vec::new(),
        message,
        created_at: sample_time(),
        resends: 0,
        continued_by: None,
    }
}
