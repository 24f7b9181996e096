//! A letter from Ann to an inbox called `support`, to be changed by the word.

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use lodge_domain::{
    Assurance, Attachment, BlobRef, Body, BrandName, Candidate, Channel, ChannelAddress, Contact, DedupeKey,
    Flag, HandleKind, InboxId, InboxName, JoinCondition, Origin, OriginClass, OriginKind, Party, PartyHandle,
    Recipient, RecipientRole, ReturnPath, ThreadKey, ThreadKeyValue, TraceKey, digest_parts,
};

/// When samples happen unless a test says otherwise: 2026-03-02T09:00:00Z.
#[must_use]
pub fn sample_time() -> Timestamp {
    Timestamp::from_second(1_772_442_000).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The thread key that stands for `text`.
///
/// # Panics
/// For a blank text, which is no key.
#[must_use]
pub fn key(text: &str) -> ThreadKeyValue {
    ThreadKeyValue::new("message-id", text).unwrap_or_else(|| panic!("{text:?} is no key"))
}

/// A contact being described; [`SampleContact::build`] and [`SampleContact::candidate`] end the description.
#[derive(Clone, Debug)]
pub struct SampleContact {
    contact: Contact,
}

/// A first letter from `ann@example.com`, authenticated, without keys, with a way back.
#[must_use]
pub fn sample_contact() -> SampleContact {
    let name = |text: &str| InboxName::parse(text).unwrap_or_else(|| panic!("{text:?} is no name"));
    let ann = PartyHandle::new(HandleKind::Email, "ann@example.com");
    let contact = Contact {
        version: Contact::VERSION,
        inbox: InboxId { brand: BrandName::unbranded(), name: name("support") },
        address: ChannelAddress { channel: Channel::Email, provider: "imap".to_owned() },
        dedupe: DedupeKey { scope: "email".to_owned(), source: "-".to_owned(), content: String::new() },
        thread_keys: Vec::new(),
        registers: Vec::new(),
        rebinds: Vec::new(),
        entry: None,
        trace_keys: Vec::new(),
        from: Party {
            name: Some("Ann".to_owned()),
            handle: ann,
            assurance: Assurance::Authenticated,
            evidence: vec!["dmarc=pass".to_owned()],
        },
        recipients: vec![Recipient {
            name: None,
            handle: "support@shop.example".to_owned(),
            role: RecipientRole::To,
        }],
        introduces: Vec::new(),
        subject: None,
        topic: None,
        body: Body::default(),
        attachments: Vec::new(),
        origin: Origin::human(),
        no_acknowledgment: Vec::new(),
        flags: std::collections::BTreeSet::new(),
        delivery_reports: Vec::new(),
        details: serde_json::Map::new(),
        headers: std::collections::BTreeMap::new(),
        raw: None,
        return_path: Some(ReturnPath {
            inbox: name("support"),
            sealed: serde_json::json!({"to": "ann@example.com"}),
        }),
        occurred_at: sample_time(),
        received_at: sample_time(),
        backfill: false,
        acknowledges_inline: false,
    };
    SampleContact { contact }.id("<1@example.com>").text("My parcel has not arrived.").subject("Parcel")
}

impl SampleContact {
    /// Another sender, who is also the way back; an address without `@` is an account.
    #[must_use]
    pub fn from(mut self, address: &str) -> Self {
        let kind = if address.contains('@') { HandleKind::Email } else { HandleKind::Account };
        self.contact.from.handle = PartyHandle::new(kind, address);
        self.contact.from.name = None;
        if let Some(path) = &mut self.contact.return_path {
            path.sealed = serde_json::json!({"to": address});
        }
        self
    }

    /// The name the sender gives.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.contact.from.name = Some(name.to_owned());
        self
    }

    /// How sure we are of the sender.
    #[must_use]
    pub fn assurance(mut self, assurance: Assurance) -> Self {
        self.contact.from.assurance = assurance;
        self
    }

    /// A sender nobody vouches for.
    #[must_use]
    pub fn unverified(self) -> Self {
        self.assurance(Assurance::Unverified)
    }

    /// A sender who failed a check.
    #[must_use]
    pub fn failed(self) -> Self {
        self.assurance(Assurance::Failed)
    }

    /// The source's own id, by which answers and operators find it: sets dedupe, registers and trace keys.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        self.contact.dedupe.source = id.to_owned();
        self.contact.registers = vec![key(id)];
        self.contact.trace_keys = vec![TraceKey(id.to_owned())];
        self
    }

    /// A source that gives no id.
    #[must_use]
    pub fn without_id(mut self) -> Self {
        self.contact.dedupe.source = "-".to_owned();
        self.contact.registers.clear();
        self.contact.trace_keys.clear();
        self
    }

    /// The namespace of the source's ids.
    #[must_use]
    pub fn scope(mut self, scope: &str) -> Self {
        self.contact.dedupe.scope = scope.to_owned();
        self
    }

    /// What is said; another text under the same id is a contact of its own.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.contact.body =
            Body { text: text.to_owned(), reply: text.to_owned(), html: None, language: None };
        self
    }

    /// The subject, and with it the topic.
    #[must_use]
    pub fn subject(mut self, subject: &str) -> Self {
        self.contact.subject = Some(subject.to_owned());
        self.contact.topic = ThreadKeyValue::new("topic", &subject.to_lowercase());
        self
    }

    /// A channel without subjects.
    #[must_use]
    pub fn without_subject(mut self) -> Self {
        self.contact.subject = None;
        self.contact.topic = None;
        self
    }

    /// One more thread key, after those it has.
    #[must_use]
    pub fn thread_key(mut self, condition: JoinCondition, text: &str) -> Self {
        let label = format!("{condition:?} {text}");
        self.contact.thread_keys.push(ThreadKey { value: key(text), condition, label });
        self
    }

    /// Carries a key that we signed.
    #[must_use]
    pub fn signed_key(self, text: &str) -> Self {
        self.thread_key(JoinCondition::Always, text)
    }

    /// Answers the contact with this id.
    #[must_use]
    pub fn in_reply_to(self, id: &str) -> Self {
        self.thread_key(JoinCondition::IfParticipant, id)
    }

    /// One more key that finds its conversation from now on.
    #[must_use]
    pub fn registers(mut self, text: &str) -> Self {
        self.contact.registers.push(key(text));
        self
    }

    /// One more text by which an operator finds it.
    #[must_use]
    pub fn trace(mut self, text: &str) -> Self {
        self.contact.trace_keys.push(TraceKey(text.to_owned()));
        self
    }

    /// One more person the sender brings along.
    #[must_use]
    pub fn introduces(mut self, address: &str) -> Self {
        self.contact.introduces.push(PartyHandle::new(HandleKind::Email, address));
        self
    }

    /// The brand of its inbox.
    ///
    /// # Panics
    /// For what is no name.
    #[must_use]
    pub fn brand(mut self, brand: &str) -> Self {
        self.contact.inbox.brand = BrandName::parse(brand).unwrap_or_else(|| panic!("{brand:?} is no name"));
        self
    }

    /// The inbox it came in by.
    ///
    /// # Panics
    /// For what is no name.
    #[must_use]
    pub fn inbox(mut self, inbox: &str) -> Self {
        let name = InboxName::parse(inbox).unwrap_or_else(|| panic!("{inbox:?} is no name"));
        if let Some(path) = &mut self.contact.return_path {
            path.inbox = name.clone();
        }
        self.contact.inbox.name = name;
        self
    }

    /// Its door.
    #[must_use]
    pub fn door(mut self, channel: Channel, provider: &str) -> Self {
        self.contact.address = ChannelAddress { channel, provider: provider.to_owned() };
        self
    }

    /// Sent by a program of this class.
    #[must_use]
    pub fn automated(mut self, class: OriginClass) -> Self {
        let evidence = vec!["auto-submitted: auto-generated".to_owned()];
        self.contact.origin = Origin { kind: OriginKind::Automated, class: Some(class), evidence };
        self
    }

    /// Something of ours that came back.
    #[must_use]
    pub fn ours(mut self) -> Self {
        self.contact.origin = Origin { kind: OriginKind::Ours, class: None, evidence: Vec::new() };
        self
    }

    /// No way back.
    #[must_use]
    pub fn without_return_path(mut self) -> Self {
        self.contact.return_path = None;
        self
    }

    /// One more flag of its door.
    #[must_use]
    pub fn flag(mut self, flag: Flag) -> Self {
        self.contact.flags.insert(flag);
        self
    }

    /// One more file, whose bytes are wherever `blob` says.
    #[must_use]
    pub fn attachment(mut self, name: &str, media_type: &str, blob: BlobRef) -> Self {
        self.contact.attachments.push(Attachment {
            name: Some(name.to_owned()),
            media_type: media_type.to_owned(),
            blob,
            inline: false,
            content_id: None,
            judgement: None,
        });
        self
    }

    /// The raw original.
    #[must_use]
    pub fn raw(mut self, blob: BlobRef) -> Self {
        self.contact.raw = Some(blob);
        self
    }

    /// One more header that rules may ask for.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.contact.headers.entry(name.to_lowercase()).or_default().push(value.to_owned());
        self
    }

    /// When it happened and was received.
    #[must_use]
    pub fn at(mut self, at: Timestamp) -> Self {
        self.contact.occurred_at = at;
        self.contact.received_at = at;
        self
    }

    /// Whatever the other words do not say.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Contact)) -> Self {
        change(&mut self.contact);
        self
    }

    /// The contact; its content hash covers sender, subject and text.
    #[must_use]
    pub fn build(mut self) -> Contact {
        let Contact { from, subject, body, .. } = &self.contact;
        let said = [&from.handle.value, subject.as_deref().unwrap_or(""), &body.text];
        self.contact.dedupe.content = HEXLOWER.encode(&digest_parts(&said.map(str::as_bytes)));
        self.contact
    }

    /// The contact, prepared for accept at `accepted_at`.
    ///
    /// # Panics
    /// Never: a sample can be written as JSON.
    #[must_use]
    pub fn candidate(self, accepted_at: Timestamp) -> Candidate {
        Candidate::new(&self.build(), accepted_at).unwrap_or_else(|error| panic!("a sample is JSON: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_the_same_contact_only_when_they_say_the_same() {
        let digest = |sample: SampleContact| sample.candidate(sample_time()).dedupe;
        let first = digest(sample_contact());
        assert_eq!(first, digest(sample_contact()));
        assert_ne!(first, digest(sample_contact().id("<2@example.com>")));
        assert_ne!(first, digest(sample_contact().text("something else")));
        let other = sample_contact().text("something else").candidate(sample_time());
        assert_eq!(other.source, sample_contact().candidate(sample_time()).source, "a conflict");
        assert_eq!(sample_time().to_string(), "2026-03-02T09:00:00Z");
    }
}
