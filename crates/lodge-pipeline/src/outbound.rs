//! How the record of something we sent changes: states only move forward (F06), and the core hears of it once.

use jiff::Timestamp;
use lodge_domain::delivery::{OutboundKind, OutboundState, RecipientState};
use lodge_domain::ticket::{AcknowledgmentState, LaterPart, ReplyState};
use lodge_domain::{Effect, EventId, JournalLine, OutboundRecord};

/// How a record fares, as the core sees it.
pub(crate) fn state_of(record: &OutboundRecord) -> ReplyState {
    ReplyState {
        id: record.id.clone(),
        state: record.state,
        in_doubt: record.in_doubt,
        recipients: record.recipients.clone(),
    }
}

/// Takes over what is said of recipients; whether anything changed. A report never turns a state back.
pub(crate) fn merge(record: &mut OutboundRecord, news: &[RecipientState]) -> bool {
    let before = (record.recipients.clone(), record.state);
    for new in news {
        let one = record.recipients.len() == 1 && news.len() == 1;
        let known =
            record.recipients.iter_mut().find(|known| one || known.handle.eq_ignore_ascii_case(&new.handle));
        match known {
            Some(known) if known.state.may_become(new.state) => {
                known.state = new.state;
                if new.text.is_some() {
                    known.text.clone_from(&new.text);
                }
            }
            Some(known) if was_read(new) && known.state == new.state && !was_read(known) => {
                known.text.clone_from(&new.text);
            }
            Some(_) => {}
            None => record.recipients.push(new.clone()),
        }
    }
    let whole = overall(&record.recipients);
    if let Some(whole) = whole
        && record.state.may_become(whole)
    {
        record.state = whole;
    }
    before != (record.recipients.clone(), record.state)
}

/// Whether somebody saw it, which says more than that it arrived and is the same state: by the far side's own word, as they
/// say it on arrival or some time after.
fn was_read(recipient: &RecipientState) -> bool {
    let words = recipient.text.as_deref();
    recipient.state == OutboundState::Delivered && matches!(words, Some("read" | "seen" | "played"))
}

/// Bad news for one recipient is bad news; else as far as the slowest one.
fn overall(recipients: &[RecipientState]) -> Option<OutboundState> {
    let any = |state| recipients.iter().any(|recipient| recipient.state == state);
    if any(OutboundState::Bounced) {
        return Some(OutboundState::Bounced);
    }
    if any(OutboundState::Failed) {
        return Some(OutboundState::Failed);
    }
    recipients.iter().map(|recipient| recipient.state).min()
}

/// Brings all recipients that wait to `state`.
pub(crate) fn bring_all(record: &mut OutboundRecord, state: OutboundState, text: Option<&str>) {
    for recipient in &mut record.recipients {
        if recipient.state.may_become(state) {
            recipient.state = state;
        }
        if let Some(text) = text
            && recipient.state == state
        {
            recipient.text = Some(text.to_owned());
        }
    }
    if record.state.may_become(state) {
        record.state = state;
    }
}

/// The event that tells the core how a reply fares now. The same state makes the same event, so that it is told once.
pub(crate) fn reply_event(record: &OutboundRecord, at: Timestamp) -> Option<(EventId, Effect)> {
    let state = state_of(record);
    let print = serde_json::to_string(&state).ok()?;
    let resends = record.resends.to_string();
    let event = EventId::of_report("reply.updated", &[record.id.as_str(), &resends, &print]);
    let part = LaterPart::ReplyUpdated { reply: state };
    Some((event.clone(), recorded(record, event, &part, at)?))
}

/// The event that tells the core what became of an acknowledgment, where that is not what was announced.
pub(crate) fn acknowledgment_event(
    record: &OutboundRecord,
    state: AcknowledgmentState,
    reason: Option<String>,
    at: Timestamp,
) -> Option<(EventId, Effect)> {
    let of = record.acknowledges.clone()?;
    let word = serde_json::to_string(&state).ok()?;
    let event = EventId::of_report("acknowledgment.updated", &[of.as_str(), &word]);
    let part = LaterPart::AcknowledgmentUpdated { of, state, reason };
    Some((event.clone(), recorded(record, event, &part, at)?))
}

fn recorded(record: &OutboundRecord, event: EventId, part: &LaterPart, at: Timestamp) -> Option<Effect> {
    let conversation = record.message.conversation.clone();
    let part = serde_json::to_vec(part).ok()?.into();
    Some(Effect::Record { event, conversation, part, at })
}

/// Where the history of a record is kept: with the contact it acknowledges, else with its conversation.
pub(crate) fn journal(record: &OutboundRecord, at: Timestamp, step: &str, text: String) -> Effect {
    let subject = record
        .acknowledges
        .as_ref()
        .map_or_else(|| record.message.conversation.to_string(), ToString::to_string);
    Effect::Journal(JournalLine { subject, at, step: step.to_owned(), text })
}

/// Whether it is an acknowledgment.
pub(crate) fn is_acknowledgment(record: &OutboundRecord) -> bool {
    record.message.kind == OutboundKind::Acknowledgment
}

#[cfg(test)]
mod tests {
    use super::*;
    use lodge_domain::{ConversationId, EnvelopeId};
    use lodge_testkit::samples::sample_outbound;

    fn news(handle: &str, state: OutboundState) -> RecipientState {
        RecipientState { handle: handle.to_owned(), state, text: None }
    }

    #[test]
    fn f06_reports_out_of_order_move_forward_only() {
        let conversation = ConversationId::founded_by(&EnvelopeId::of_contact(&[1; 32]));
        let mut record = sample_outbound(&conversation, "k");
        record.recipients = vec![news("ann@example.com", OutboundState::Sent)];
        record.state = OutboundState::Sent;
        assert!(merge(&mut record, &[news("ANN@example.com", OutboundState::Delivered)]));
        assert!(!merge(&mut record, &[news("ann@example.com", OutboundState::Sent)]));
        assert!(merge(&mut record, &[news("ann@example.com", OutboundState::Bounced)]));
        assert!(!merge(&mut record, &[news("ann@example.com", OutboundState::Delivered)]));
        assert_eq!(record.state, OutboundState::Bounced);
    }

    #[test]
    fn f06_that_it_was_read_is_news_after_that_it_arrived_and_not_the_other_way_round() {
        let conversation = ConversationId::founded_by(&EnvelopeId::of_contact(&[1; 32]));
        let mut record = sample_outbound(&conversation, "k");
        record.recipients = vec![news("71", OutboundState::Sent)];
        let said = |words: &str| {
            let text = Some(words.to_owned());
            [RecipientState { text, ..news("71", OutboundState::Delivered) }]
        };
        assert!(merge(&mut record, &said("delivered")));
        assert!(merge(&mut record, &said("read")));
        for late in ["delivered", "read", "seen", "sent"] {
            assert!(!merge(&mut record, &said(late)), "{late}");
        }
        assert_eq!(record.recipients[0].text.as_deref(), Some("read"));
        assert!(merge(&mut record, &[news("71", OutboundState::Bounced)]));
        assert!(!merge(&mut record, &said("read")));
    }

    #[test]
    fn the_whole_is_as_far_as_its_slowest_recipient_unless_one_failed() {
        let two = |a, b| overall(&[news("a", a), news("b", b)]);
        assert_eq!(two(OutboundState::Delivered, OutboundState::Sent), Some(OutboundState::Sent));
        assert_eq!(two(OutboundState::Delivered, OutboundState::Failed), Some(OutboundState::Failed));
        assert_eq!(two(OutboundState::Bounced, OutboundState::Failed), Some(OutboundState::Bounced));
        assert_eq!(overall(&[]), None);
    }
}
