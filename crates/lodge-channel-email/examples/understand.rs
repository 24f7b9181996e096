//! Reads paths of mails, one a line, and prints the ticket event each would become as JSON, one a line, as if nothing
//! else were known: for looking at how a mail is understood, without a gateway.

use bytes::Bytes;
use lodge_channel_email::tokens::ReplyAddress;
use lodge_channel_email::understand::{Arrival, Copies, Surroundings, understand};
use lodge_domain::decision::AcknowledgmentVerdict;
use lodge_domain::{
    AcknowledgmentDecision, BrandName, ConversationId, Decision, Envelope, EnvelopeId, Flag, Inbound,
    InboxId, InboxName, KeyRing, Placement, Priority, Receipt, Reference, TicketEvent, Timestamp,
    ticket::EventExtras,
};
use std::collections::BTreeSet;
use std::io::{BufRead, Write, stdin, stdout};
use std::sync::Arc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let around = surroundings()?;
    let mut out = stdout().lock();
    for path in stdin().lock().lines() {
        let path = path?;
        let now: Timestamp = "2026-11-21T09:00:00Z".parse()?;
        let arrival = Arrival { received_at: now, now, backfill: true, truncated: None };
        let raw = Bytes::from(std::fs::read(path.trim())?);
        let event = match understand(&raw, &arrival, &around).inbound {
            Inbound::Contact(contact) => Some(*contact),
            Inbound::Report(report) => report.contact,
            _ => None,
        };
        match event {
            Some(contact) => writeln!(out, "{}", serde_json::to_string(&event_of(contact, now))?)?,
            None => writeln!(out, "{{\"skipped\":true}}")?,
        }
    }
    Ok(())
}

fn surroundings() -> Result<Surroundings, Box<dyn std::error::Error>> {
    Ok(Surroundings {
        inbox: InboxId { brand: BrandName::unbranded(), name: InboxName::parse("support").ok_or("name")? },
        provider: "imap".to_owned(),
        own: Vec::new(),
        reply_address: Some(ReplyAddress::plus("support@lodge.example")?),
        authserv_ids: Vec::new(),
        trusted_headers: false,
        copies: Copies::One,
        keys: Arc::new(KeyRing::new(&[(1, vec![7; 32])]).ok_or("keys")?),
        message_id_domain: "lodge.example".to_owned(),
        instance: "example".to_owned(),
    })
}

fn event_of(contact: lodge_domain::Contact, now: Timestamp) -> TicketEvent {
    let id = EnvelopeId::of_contact(&contact.dedupe.digest(contact.brand()));
    let conversation = ConversationId::founded_by(&id);
    let receipt = Receipt {
        reference: Reference::derive(&conversation, 0),
        envelope: id,
        conversation,
        sequence: 1,
        placement: Placement::New,
        suggested_parent: None,
        follows: None,
        reopens: false,
        flags: BTreeSet::<Flag>::new(),
        matched: None,
        accepted_at: now,
        entry: None,
    };
    let reason = contact.no_acknowledgment.first().cloned();
    let verdict =
        if reason.is_some() { AcknowledgmentVerdict::Suppress } else { AcknowledgmentVerdict::Send };
    let decision = Decision {
        kind: None,
        category: None,
        priority: Priority::Normal,
        tags: Vec::new(),
        queue: "general".to_owned(),
        respond_by: None,
        resolve_by: None,
        reasons: Vec::new(),
    };
    let envelope = Envelope { contact, receipt, decision: None };
    let acknowledgment = AcknowledgmentDecision { decision: verdict, reason };
    TicketEvent::contact_accepted(&envelope, &decision, acknowledgment, EventExtras::default())
}
