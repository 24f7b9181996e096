//! What rules may ask about an envelope, gathered once per evaluation, in lower case where case does not matter.

use crate::compile::Rules;
use crate::patterns::Found;
use lodge_domain::{Contact, Envelope};
use std::cell::OnceCell;

/// The text that `text` conditions look at is cut here, in bytes: evaluation stays linear and short.
const TEXT_LIMIT: usize = 256 * 1024;

/// The facts of one envelope.
pub(crate) struct Facts<'e> {
    pub(crate) contact: &'e Contact,
    pub(crate) channel: &'static str,
    pub(crate) inbox: String,
    pub(crate) provider: String,
    pub(crate) from: String,
    pub(crate) language: String,
    pub(crate) tier: String,
    pub(crate) path: Vec<String>,
    pub(crate) origin: Vec<String>,
    pub(crate) flags: Vec<String>,
    pub(crate) assurance: String,
    pub(crate) to: Vec<String>,
    subject: OnceCell<Found>,
    text: OnceCell<Found>,
    attachment: OnceCell<Found>,
    headers: Vec<OnceCell<Found>>,
}

/// A kind of text that patterns look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextField {
    Subject,
    Text,
    Attachment,
    /// By its place in [`Rules::headers`].
    Header(usize),
}

impl<'e> Facts<'e> {
    pub(crate) fn of(envelope: &'e Envelope, rules: &Rules) -> Self {
        let contact = &envelope.contact;
        let tier = contact.details.get("tier").and_then(serde_json::Value::as_str).unwrap_or_default();
        let path = contact.details.get("path").and_then(serde_json::Value::as_array).into_iter().flatten();
        let mut origin = vec![word(&contact.origin.kind)];
        origin.extend(contact.origin.class.as_ref().map(word));
        Self {
            contact,
            channel: contact.address.channel.as_str(),
            inbox: contact.inbox.name.as_str().to_lowercase(),
            provider: contact.address.provider.to_lowercase(),
            from: contact.from.handle.value.to_lowercase(),
            language: contact.body.language.as_deref().unwrap_or_default().to_lowercase(),
            tier: tier.to_lowercase(),
            path: path.filter_map(serde_json::Value::as_str).map(str::to_lowercase).collect(),
            origin,
            flags: contact.flags.union(&envelope.receipt.flags).map(word).collect(),
            assurance: word(&contact.from.assurance),
            to: contact.recipients.iter().map(|recipient| recipient.handle.to_lowercase()).collect(),
            subject: OnceCell::new(),
            text: OnceCell::new(),
            attachment: OnceCell::new(),
            headers: rules.headers.iter().map(|_| OnceCell::new()).collect(),
        }
    }

    /// The texts of `field`.
    pub(crate) fn texts(&self, field: TextField, rules: &Rules) -> Vec<&'e str> {
        match field {
            TextField::Subject => self.contact.subject.as_deref().into_iter().collect(),
            TextField::Text => vec![start(&self.contact.body.text)],
            TextField::Attachment => {
                self.contact.attachments.iter().filter_map(|file| file.name.as_deref()).collect()
            }
            TextField::Header(at) => {
                let name = rules.headers.get(at).map(|(name, _)| name.as_str()).unwrap_or_default();
                self.contact.headers.get(name).into_iter().flatten().map(String::as_str).collect()
            }
        }
    }

    /// Which patterns of `field` are found; searched on the first question only.
    pub(crate) fn found(&self, field: TextField, rules: &Rules) -> &Found {
        let cell = match field {
            TextField::Subject => &self.subject,
            TextField::Text => &self.text,
            TextField::Attachment => &self.attachment,
            TextField::Header(at) => &self.headers[at],
        };
        cell.get_or_init(|| rules.patterns(field).search(self.texts(field, rules)))
    }
}

/// The word that a value has in events and rules.
pub(crate) fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

fn start(text: &str) -> &str {
    let mut end = TEXT_LIMIT.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}
