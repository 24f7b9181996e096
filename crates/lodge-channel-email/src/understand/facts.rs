//! The facts of a header: who, to whom, when, under which id; and in which of these a mail can be read in two ways.

use super::address::{self, Mailbox};
use super::fields::Fields;
use super::surroundings::{Arrival, Surroundings};
use super::{clean, ids, limits, topic, words};
use jiff::Timestamp;
use lodge_domain::{Recipient, RecipientRole};
use mail_parser::DateTime;

/// Who, to whom, when, under which id.
#[derive(Debug)]
pub(crate) struct HeaderFacts {
    /// The sender; its address may be no valid one, or empty.
    pub(crate) from: Mailbox,
    pub(crate) reply_to: Option<Mailbox>,
    pub(crate) recipients: Vec<Recipient>,
    /// The addresses in Cc, in lower case.
    pub(crate) copied: Vec<String>,
    /// The address of ours that it was sent to, in lower case.
    pub(crate) alias: Option<String>,
    pub(crate) subject: Option<String>,
    /// Without brackets; `None` where the mail has none.
    pub(crate) message_id: Option<String>,
    /// The Date field as it stands.
    pub(crate) date_text: String,
    pub(crate) date: Option<Timestamp>,
    /// What may be read in more than one way, beyond the structure of the parts.
    pub(crate) ambiguous: Vec<String>,
}

/// Reads them.
pub(crate) fn read(fields: &Fields<'_>, around: &Surroundings) -> HeaderFacts {
    let tld = fields.tld.as_deref();
    let list = |name: &str| -> Vec<Mailbox> {
        fields
            .every(name)
            .take(50)
            .flat_map(|raw| address::parse_list(raw, tld))
            .take(limits::RECIPIENTS)
            .collect()
    };
    let senders = list("from");
    let mut ambiguous: Vec<String> =
        fields.repeated().into_iter().map(|name| format!("two {name} fields")).collect();
    if senders.iter().filter(|m| m.is_valid()).count() > 1 {
        ambiguous.push("several senders".to_owned());
    }
    if fields.dirty {
        ambiguous.push("control characters in the header".to_owned());
    }
    let (to, cc) = (list("to"), list("cc"));
    let delivered: Vec<Mailbox> =
        ["delivered-to", "x-original-to", "envelope-to"].into_iter().flat_map(list).collect();
    let alias = alias(&to, &cc, &delivered, around);
    let date_text = fields
        .first("date")
        .map(|raw| String::from_utf8_lossy(&words::unfold(raw)).trim().to_owned())
        .unwrap_or_default();
    HeaderFacts {
        from: sender(&senders, &list),
        reply_to: list("reply-to").into_iter().find(Mailbox::is_valid),
        copied: cc.iter().filter(|m| m.is_valid()).map(Mailbox::handle).collect(),
        recipients: recipients(to, cc, delivered),
        alias,
        subject: fields.text("subject").map(|s| clean::line(&s, limits::SUBJECT)).filter(|s| !s.is_empty()),
        message_id: fields.first("message-id").and_then(ids::normalise),
        date: date(&date_text),
        date_text,
        ambiguous,
    }
}

/// From, else Sender, Reply-To, Return-Path: the first valid address, with the name that From gave.
fn sender(from: &[Mailbox], list: &dyn Fn(&str) -> Vec<Mailbox>) -> Mailbox {
    let valid = |all: &[Mailbox]| all.iter().find(|m| m.is_valid()).cloned();
    if let Some(found) = from.iter().position(Mailbox::is_valid) {
        return with_family_name(from, found);
    }
    let name = from.first().and_then(|m| m.name.clone());
    for other in ["sender", "reply-to", "return-path"] {
        if let Some(found) = valid(&list(other)) {
            return Mailbox { name: name.or(found.name), address: found.address };
        }
    }
    from.iter().find(|m| !m.address.is_empty()).cloned().unwrap_or(Mailbox { name, address: String::new() })
}

/// `Lee, Ann <ann@example.com>` without quotes: what stands before the comma is a part of the name.
fn with_family_name(from: &[Mailbox], found: usize) -> Mailbox {
    let Some(mailbox) = from.get(found).cloned() else {
        return Mailbox { name: None, address: String::new() };
    };
    let before = found.checked_sub(1).and_then(|at| from.get(at)).filter(|m| !m.address.contains('@'));
    match (before, &mailbox.name) {
        (Some(before), Some(name)) if found == 1 => {
            let family = before.name.as_deref().unwrap_or(&before.address);
            Mailbox { name: clean::name(&format!("{family}, {name}")), address: mailbox.address }
        }
        _ => mailbox,
    }
}

fn recipients(to: Vec<Mailbox>, cc: Vec<Mailbox>, delivered: Vec<Mailbox>) -> Vec<Recipient> {
    let mut out: Vec<Recipient> = Vec::new();
    let roles = [(to, RecipientRole::To), (cc, RecipientRole::Cc), (delivered, RecipientRole::Delivered)];
    for (mailboxes, role) in roles {
        for mailbox in mailboxes {
            let handle = mailbox.handle();
            let told = role == RecipientRole::Delivered && out.iter().any(|r| r.handle == handle);
            if !handle.is_empty() && !told && out.len() < limits::RECIPIENTS {
                out.push(Recipient { name: mailbox.name, handle, role });
            }
        }
    }
    out
}

/// The first address of this inbox among those the mail was sent to; a token in it is taken off.
fn alias(to: &[Mailbox], cc: &[Mailbox], delivered: &[Mailbox], around: &Surroundings) -> Option<String> {
    let mine: Vec<String> = around
        .own
        .iter()
        .filter(|own| own.inbox == around.inbox.name)
        .map(|own| own.address.to_lowercase())
        .collect();
    to.iter().chain(cc).chain(delivered).map(Mailbox::handle).find(|handle| mine.contains(handle))
}

/// Reads a Date field (RFC 5322 3.3, obsolete zones included).
fn date(text: &str) -> Option<Timestamp> {
    let parsed = DateTime::parse_rfc822(text).or_else(|| DateTime::parse_rfc3339(text))?;
    if !parsed.is_valid() || parsed.year < 1980 {
        return None;
    }
    Timestamp::from_second(parsed.to_timestamp()).ok()
}

impl HeaderFacts {
    /// When it happened, never later than it was received; and whether the sender says otherwise by ten minutes or more.
    pub(crate) fn occurred(&self, arrival: &Arrival) -> (Timestamp, bool) {
        let Some(date) = self.date else { return (arrival.received_at, false) };
        let future = date.as_second() > arrival.received_at.as_second() + 600;
        (date.min(arrival.received_at), future)
    }

    pub(crate) fn is_forward(&self) -> bool {
        self.subject.as_deref().is_some_and(topic::is_forward)
    }
}
