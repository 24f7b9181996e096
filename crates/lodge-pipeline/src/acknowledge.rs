//! Whether a contact is acknowledged, and why not (RFC 3834; E01–E10).
//!
//! Doubt ends in silence: a second acknowledgment feeds loops and strangers, a missing one costs nothing, since the
//! contact is safe. Budgets are asked last, so that only what would go out uses them up.

use crate::parts::Links;
use crate::pipeline::Shared;
use crate::report::dead_address_key;
use crate::settings::{AcknowledgmentSettings, Audience, Live};
use crate::templates::{Templates, Values};
use jiff::{SignedDuration, Timestamp};
use lodge_domain::decision::AcknowledgmentVerdict;
use lodge_domain::delivery::{OutboundKind, OutboundState, RecipientState};
use lodge_domain::ports::{BudgetVerdict, Lookup, Tally};
use lodge_domain::{
    AcknowledgmentDecision, Assurance, Channel, Contact, Envelope, Flag, HandleKind, OriginKind, OutboundId,
    OutboundMessage, OutboundRecord, Placement, Reference, ReturnPath, digest_parts,
};
use std::time::Duration;

/// A contact with more recipients than this is a mass mail whatever else it says.
const MOST_RECIPIENTS: usize = 50;
/// How long the customer's own page is reachable.
const PAGE_DAYS: i64 = 90;

/// What the verdict depends on beside the envelope.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'c> {
    /// The settings in force.
    pub settings: &'c AcknowledgmentSettings,
    /// Whether the inbox of the way back can send.
    pub can_send: bool,
    /// Now.
    pub now: Timestamp,
}

/// Whether `envelope` is acknowledged, budgets and dead addresses aside.
#[must_use]
pub fn verdict(envelope: &Envelope, circumstances: Circumstances<'_>) -> AcknowledgmentDecision {
    let Envelope { contact, receipt, .. } = envelope;
    if contact.acknowledges_inline {
        return AcknowledgmentDecision { decision: AcknowledgmentVerdict::Inline, reason: None };
    }
    if receipt.placement != Placement::New {
        return suppressed("continues a conversation");
    }
    let reason = forbidden(contact)
        .or_else(|| distrusted(contact, circumstances.settings.to))
        .or_else(|| impossible(envelope, circumstances));
    reason.map_or(AcknowledgmentDecision { decision: AcknowledgmentVerdict::Send, reason: None }, |reason| {
        suppressed(&reason)
    })
}

/// A decision not to acknowledge.
pub(crate) fn suppressed(reason: &str) -> AcknowledgmentDecision {
    AcknowledgmentDecision { decision: AcknowledgmentVerdict::Suppress, reason: Some(reason.to_owned()) }
}

/// What the contact itself rules out.
fn forbidden(contact: &Contact) -> Option<String> {
    if let Some(reason) = contact.no_acknowledgment.first() {
        return Some(reason.clone());
    }
    let because = match contact.origin.kind {
        OriginKind::Human => None,
        OriginKind::Automated => Some("sent by a program"),
        OriginKind::Ours => Some("sent by ourselves"),
    };
    let flagged = || {
        let flags =
            [(Flag::Unparsed, "could not be understood"), (Flag::Verification, "looks like a verification")];
        flags.into_iter().find(|(flag, _)| contact.flags.contains(flag)).map(|(_, reason)| reason)
    };
    let backfill = || contact.backfill.then_some("brought in from an archive");
    let many = || (contact.recipients.len() > MOST_RECIPIENTS).then_some("addressed to very many");
    because.or_else(flagged).or_else(backfill).or_else(many).map(ToOwned::to_owned)
}

/// What the sender's assurance rules out.
fn distrusted(contact: &Contact, audience: Audience) -> Option<String> {
    let reason = match contact.from.assurance {
        Assurance::Authenticated => return None,
        Assurance::Failed => "sender authentication failed",
        // The answer goes back over the very connection that it came by, and to nobody else.
        Assurance::Unverified if stays_in_session(contact) => return None,
        Assurance::Unverified if was_typed(contact) => "the address was typed in and is not proven",
        Assurance::Unverified if audience == Audience::Authenticated => "sender not authenticated",
        Assurance::Unverified => return None,
    };
    Some(reason.to_owned())
}

fn stays_in_session(contact: &Contact) -> bool {
    contact.address.channel == Channel::Chat
        && contact.return_path.as_ref().is_some_and(|path| path.inbox == contact.inbox.name)
}

/// Whether the address is one that somebody entered somewhere, rather than one the contact came from.
fn was_typed(contact: &Contact) -> bool {
    matches!(contact.address.channel, Channel::Form | Channel::Chat)
        && matches!(contact.from.handle.kind, HandleKind::Email | HandleKind::Phone)
}

/// What the circumstances rule out.
fn impossible(envelope: &Envelope, circumstances: Circumstances<'_>) -> Option<String> {
    let Circumstances { settings, can_send, now } = circumstances;
    let contact = &envelope.contact;
    let age = now.duration_since(contact.occurred_at.min(contact.received_at));
    let points_elsewhere = envelope.receipt.suggested_parent.is_some() || envelope.receipt.follows.is_some();
    if !settings.enabled {
        Some("acknowledgments are switched off".to_owned())
    } else if contact.return_path.is_none() {
        Some("there is no way back".to_owned())
    } else if age > settings.max_age {
        Some(format!("older than {} h", settings.max_age.as_hours()))
    } else if !points_elsewhere && contact.subject.as_deref().is_some_and(carries_reference) {
        // Another desk's acknowledgment, its headers lost on the way: answering would start a loop (E05).
        Some("the subject carries another desk's reference".to_owned())
    } else if !can_send {
        Some("the inbox cannot send".to_owned())
    } else {
        None
    }
}

/// A subject without answer marks in front and references anywhere, since ours are added: what an answer repeats.
fn bare_subject(subject: &str) -> String {
    let mut rest = subject.trim();
    while let Some((mark, after)) = rest.split_once([':', '：']) {
        let is_mark = ["re", "aw", "antw", "sv", "vs", "odp", "rif", "res", "rv", "ref"]
            .contains(&mark.to_lowercase().trim());
        if !is_mark {
            break;
        }
        rest = after.trim_start();
    }
    let mut bare = String::new();
    let mut pieces = rest.split("[#");
    bare.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        match piece.split_once(']') {
            Some((inside, after)) if Reference::parse(inside).is_some() => bare.push_str(after),
            _ => {
                bare.push_str("[#");
                bare.push_str(piece);
            }
        }
    }
    bare.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a subject holds `[#` ten digits with a right check digit `]`.
fn carries_reference(subject: &str) -> bool {
    subject
        .split("[#")
        .skip(1)
        .filter_map(|rest| rest.split(']').next())
        .any(|number| number.len() == 10 && Reference::parse(number).is_some())
}

/// Asks what only the store knows: whether the address is dead, and whether the budgets allow one more. A store that does
/// not answer means no (fail closed).
pub(crate) async fn allowed(shared: &Shared, live: &Live, contact: &Contact) -> Option<String> {
    let brand = contact.brand();
    if let Some(key) = dead_address_key(&contact.from.handle.value) {
        match shared.store.ledger.find(brand, Lookup::Trace(key)).await {
            Ok(known) if known.is_empty() => {}
            Ok(_) => return Some("mail to this address came back".to_owned()),
            Err(_) => return Some("the store did not answer".to_owned()),
        }
    }
    let tallies = tallies(&live.settings.acknowledgment, contact);
    match shared.store.budgets.take(brand, &tallies).await {
        Ok(BudgetVerdict::Granted) => None,
        Ok(BudgetVerdict::Exhausted { label, .. }) => Some(label),
        Err(_) => Some("the store did not answer".to_owned()),
    }
}

fn tallies(settings: &AcknowledgmentSettings, contact: &Contact) -> Vec<Tally> {
    const HOUR: Duration = Duration::from_secs(3600);
    let address = contact.from.handle.value.to_lowercase();
    let key = |what: &str, whom: &str| digest_parts(&[b"acknowledgment", what.as_bytes(), whom.as_bytes()]);
    let mut tallies = vec![
        Tally {
            key: key("hour", &address),
            label: format!("more than {} an hour to one address", settings.address_per_hour),
            window: HOUR,
            limit: settings.address_per_hour,
            amount: 1,
        },
        Tally {
            key: key("day", &address),
            label: format!("more than {} a day to one address", settings.address_per_day),
            window: HOUR * 24,
            limit: settings.address_per_day,
            amount: 1,
        },
    ];
    if contact.from.assurance != Assurance::Authenticated && !stays_in_session(contact) {
        tallies.push(Tally {
            key: key("unverified", ""),
            label: format!("more than {} an hour to unverified addresses", settings.unverified_per_hour),
            window: HOUR,
            limit: settings.unverified_per_hour,
            amount: 1,
        });
    }
    tallies
}

/// The acknowledgment of `envelope`, ready to be queued. The same envelope makes the same one.
pub(crate) fn compose(
    live: &Live,
    links: &dyn Links,
    envelope: &Envelope,
    path: &ReturnPath,
    at: Timestamp,
) -> OutboundRecord {
    let Envelope { contact, receipt, .. } = envelope;
    let known = contact.from.assurance == Assurance::Authenticated;
    let expires = receipt.accepted_at.checked_add(SignedDuration::from_hours(24 * PAGE_DAYS));
    let values = Values {
        reference: receipt.reference.grouped(),
        number: receipt.reference.to_string(),
        // Only who is proven to have written it is shown what was written.
        subject: contact
            .subject
            .as_deref()
            .filter(|_| known)
            .map(bare_subject)
            .filter(|bare| !bare.is_empty()),
        name: contact.from.name.clone().filter(|_| known),
        page: expires.ok().and_then(|expires| {
            links.page(contact.brand(), &receipt.conversation, &contact.from.handle, expires)
        }),
        inbox: contact.inbox.name.to_string(),
        brand: contact.inbox.brand.public().map(ToOwned::to_owned),
        signature: live.settings.acknowledgment.signature.clone(),
    };
    let inbox = live.settings.inboxes.get(&contact.inbox.name);
    let languages = [
        contact.body.language.as_deref(),
        inbox.and_then(|inbox| inbox.language.as_deref()),
        Some(live.settings.acknowledgment.language.as_str()),
    ];
    let languages: Vec<&str> = languages.into_iter().flatten().collect();
    let short = (contact.address.channel != Channel::Email)
        .then(|| Templates::short(languages.iter().copied(), &values.reference));
    let text = live.templates.render(languages, &values);
    let id = OutboundId::acknowledgment_of(&receipt.envelope);
    let message = OutboundMessage {
        id: id.clone(),
        kind: OutboundKind::Acknowledgment,
        brand: contact.brand().clone(),
        inbox: path.inbox.clone(),
        conversation: receipt.conversation.clone(),
        reference: receipt.reference.clone(),
        return_path: path.clone(),
        subject: Some(text.subject),
        html: short.is_none().then_some(text.html),
        text: short.unwrap_or(text.text),
        attachments: Vec::new(),
        author: None,
    };
    let handle = contact.from.handle.value.clone();
    OutboundRecord {
        id,
        version: 1,
        acknowledges: Some(receipt.envelope.clone()),
        state: OutboundState::Queued,
        in_doubt: false,
        recipients: vec![RecipientState { handle, state: OutboundState::Queued, text: None }],
        message,
        created_at: at,
        resends: 0,
        continued_by: None,
    }
}

#[cfg(test)]
mod tests {
    use super::bare_subject;

    #[test]
    fn what_an_answer_repeats_is_not_repeated_again() {
        for (subject, bare) in [
            ("Re: AW: Cannot log in [#4832103662]", "Cannot log in"),
            ("Cannot log in", "Cannot log in"),
            ("Question: how?", "Question: how?"),
            ("Re: [#4832103662]", ""),
            ("[#1234] order", "[#1234] order"),
        ] {
            assert_eq!(bare_subject(subject), bare, "{subject}");
        }
    }
}
