//! From an envelope to the event that the core gets, without side effects: what triage does, and what `lodge normalize`
//! shows.

use crate::acknowledge::{Circumstances, verdict};
use crate::mask::mask_contact;
use crate::parts::Links;
use crate::settings::Live;
use jiff::{SignedDuration, Timestamp};
use lodge_domain::ticket::EventExtras;
use lodge_domain::{
    AcknowledgmentDecision, AttachmentPolicy, Candidate, Contact, Conversation, Decision, Envelope,
    Placement, Receipt, TicketEvent,
};
use std::collections::BTreeSet;

/// An envelope with everything masked that must be, and triage's decision about it.
pub(crate) struct Triaged {
    pub(crate) envelope: Envelope,
    pub(crate) masked: bool,
    pub(crate) decision: Decision,
}

/// Masks and decides. Masking comes first, so that no reason quotes a card number.
pub(crate) fn triaged(live: &Live, mut envelope: Envelope, conversation: Option<&Conversation>) -> Triaged {
    let masked = live.settings.mask_cards && mask_contact(&mut envelope.contact);
    let decision = lodge_triage::evaluate(&live.rules, &envelope, conversation);
    Triaged { envelope, masked, decision }
}

/// The event, with links that live as long as originals are kept. The same arguments make the same bytes.
pub(crate) fn event(
    live: &Live,
    links: &dyn Links,
    triaged: &Triaged,
    acknowledgment: AcknowledgmentDecision,
    conversation: Option<&Conversation>,
) -> TicketEvent {
    let Triaged { envelope, masked, decision } = triaged;
    let contact = &envelope.contact;
    let expires = expiry(envelope.receipt.accepted_at, live.settings.retention.originals);
    let raw_type = "application/octet-stream";
    let quarantines = &live.settings.quarantines;
    let attachment = |file: &lodge_domain::Attachment| {
        // Under quarantine a file is bytes and nothing that a browser has a program for (T48).
        let held = file.policy(quarantines) == Some(AttachmentPolicy::Quarantine);
        let media_type = if held { raw_type } else { &file.media_type };
        links.blob(&file.blob, file.name.as_deref(), media_type, expires)
    };
    let extras = EventExtras {
        external_id: conversation.and_then(|conversation| conversation.external_id.clone()),
        attachment_links: contact.attachments.iter().map(attachment).collect(),
        // Where something was masked, the raw original would tell it all the same.
        raw_link: contact
            .raw
            .as_ref()
            .filter(|_| !masked)
            .and_then(|raw| links.blob(raw, None, raw_type, expires)),
        quarantines: quarantines.clone(),
    };
    TicketEvent::contact_accepted(envelope, decision, acknowledgment, extras)
}

fn expiry(accepted: Timestamp, kept: SignedDuration) -> Timestamp {
    accepted.checked_add(kept).unwrap_or(Timestamp::MAX)
}

/// The event that `envelope` would make, with nothing stored, sent or counted: budgets count as full, and every inbox as
/// able to send. The age of the contact counts from when it was accepted.
#[must_use]
pub fn preview(
    live: &Live,
    links: &dyn Links,
    envelope: Envelope,
    conversation: Option<&Conversation>,
) -> TicketEvent {
    let triaged = triaged(live, envelope, conversation);
    let now = triaged.envelope.receipt.accepted_at;
    let circumstances = Circumstances { settings: &live.settings.acknowledgment, can_send: true, now };
    let acknowledgment = verdict(&triaged.envelope, circumstances);
    event(live, links, &triaged, acknowledgment, conversation)
}

/// The envelope that `contact` becomes in an empty store: it founds a conversation.
///
/// # Errors
/// As [`Candidate::new`].
pub fn founding_envelope(contact: Contact, accepted_at: Timestamp) -> Result<Envelope, serde_json::Error> {
    let candidate = Candidate::new(&contact, accepted_at)?;
    let reference = candidate
        .references
        .first()
        .cloned()
        .unwrap_or_else(|| lodge_domain::Reference::derive(&candidate.founds, 0));
    let receipt = Receipt {
        envelope: candidate.envelope,
        conversation: candidate.founds,
        reference,
        sequence: 1,
        placement: Placement::New,
        suggested_parent: None,
        follows: None,
        reopens: false,
        flags: BTreeSet::new(),
        matched: None,
        accepted_at,
        entry: None,
    };
    Ok(Envelope { contact, receipt, decision: None })
}
