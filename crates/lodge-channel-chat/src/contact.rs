//! A message of a visitor as a contact. Pure: the same message of the same session is the same contact.

use crate::entry::{Entry, KeptFile};
use crate::protocol::{From, Page};
use jiff::Timestamp;
use lodge_domain::{
    Assurance, Body, Channel, ChannelAddress, Contact, DedupeKey, EntryId, EnvelopeId, HandleKind, InboxId,
    JoinCondition, NewEntry, Origin, Party, PartyHandle, ReturnPath, ThreadKey, ThreadKeyValue, TimelineId,
    TraceKey, digest_parts,
};
use lodge_guide::Learned;
use serde_json::{Map, Value, json};

/// Who speaks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Visitor {
    /// The session's id.
    pub(crate) session: String,
    /// The website's id of a signed-in visitor.
    pub(crate) subject: Option<String>,
    /// Their name: proven with `subject`, else claimed.
    pub(crate) name: Option<String>,
    /// Their mail address: proven with `subject`, else claimed.
    pub(crate) email: Option<String>,
    /// Their language.
    pub(crate) language: Option<String>,
    /// Where they are.
    pub(crate) page: Page,
}

impl Visitor {
    /// Their handle: the website's id where it vouches for them, else a token of ours that is no secret.
    pub(crate) fn handle(&self) -> PartyHandle {
        match &self.subject {
            Some(subject) => PartyHandle::new(HandleKind::Account, subject),
            None => PartyHandle::new(HandleKind::Anonymous, visitor_token(&self.session)),
        }
    }

    fn party(&self) -> Party {
        let proven = self.subject.is_some();
        Party {
            name: self.name.clone(),
            handle: self.handle(),
            assurance: if proven { Assurance::Authenticated } else { Assurance::Unverified },
            evidence: if proven { vec!["jwt=pass".to_owned()] } else { Vec::new() },
        }
    }
}

/// Names an anonymous visitor without naming the session that they prove themselves by.
fn visitor_token(session: &str) -> String {
    let digest = digest_parts(&[b"visitor", session.as_bytes()]);
    format!("visitor-{}", &data_encoding::HEXLOWER.encode(&digest[..8]))
}

/// Something a visitor said.
pub(crate) struct Said<'s> {
    pub(crate) id: &'s str,
    pub(crate) text: String,
    pub(crate) files: Vec<KeptFile>,
    pub(crate) at: Timestamp,
}

/// The message as a contact, with the entry that accept appends in the same step.
pub(crate) fn contact(inbox: &InboxId, timeline: TimelineId, visitor: &Visitor, said: Said<'_>) -> Contact {
    let digests: Vec<&str> = said.files.iter().map(|file| file.blob.sha256.as_str()).collect();
    let content = digest_parts(&[said.text.as_bytes(), digests.join(" ").as_bytes()]);
    let dedupe = DedupeKey {
        scope: format!("chat/{}", inbox.name),
        source: format!("{}/{}", visitor.session, said.id),
        content: data_encoding::HEXLOWER.encode(&content),
    };
    let envelope = EnvelopeId::of_contact(&dedupe.digest(&inbox.brand));
    let entry = Entry {
        id: Some(said.id.to_owned()),
        name: visitor.name.clone(),
        files: said.files.clone(),
        contact: Some(envelope),
        ..Entry::said(From::Visitor, said.text.clone())
    };
    let id = EntryId::of(&[b"in", visitor.session.as_bytes(), said.id.as_bytes(), &content]);
    let session_key = ThreadKeyValue::new("chat-session", &format!("{}/{}", inbox.name, visitor.session));
    let key = |value| ThreadKey {
        value,
        condition: JoinCondition::Always,
        label: "the session it was said in".to_owned(),
    };
    Contact {
        version: Contact::VERSION,
        inbox: inbox.clone(),
        address: ChannelAddress { channel: Channel::Chat, provider: "chat".to_owned() },
        dedupe,
        thread_keys: session_key.map(key).into_iter().collect(),
        registers: Vec::new(),
        rebinds: session_key.into_iter().collect(),
        entry: Some(NewEntry { timeline, id, body: entry.encode(), at: said.at }),
        trace_keys: vec![TraceKey(said.id.to_owned())],
        from: visitor.party(),
        recipients: Vec::new(),
        introduces: Vec::new(),
        subject: None,
        topic: None,
        body: Body {
            text: said.text.clone(),
            reply: said.text,
            html: None,
            language: visitor.language.clone(),
        },
        attachments: said.files.iter().map(KeptFile::attachment).collect(),
        origin: Origin::human(),
        no_acknowledgment: Vec::new(),
        flags: std::collections::BTreeSet::new(),
        delivery_reports: Vec::new(),
        details: details(visitor),
        headers: std::collections::BTreeMap::new(),
        raw: None,
        return_path: Some(return_path(inbox, visitor)),
        occurred_at: said.at,
        received_at: said.at,
        backfill: false,
        acknowledges_inline: false,
    }
}

/// What a guide learned as one contact; the same session makes the same one, whenever it is handed over.
pub(crate) fn handed_over(
    inbox: &InboxId,
    visitor: &Visitor,
    learned: &Learned,
    (texts, files): (Vec<String>, Vec<KeptFile>),
    at: Timestamp,
) -> Contact {
    let who = Visitor {
        name: visitor.name.clone().or_else(|| learned.name.clone()),
        email: visitor.email.clone().or_else(|| learned.email.clone()),
        language: visitor.language.clone().or_else(|| Some(learned.language.clone())),
        ..visitor.clone()
    };
    let said = Said { id: "guide", text: texts.join("\n\n"), files, at };
    let mut contact = contact(inbox, TimelineId::of(&[]), &who, said);
    // One hand-over a session, whatever was learned by the time it was tried first.
    contact.dedupe.content = data_encoding::HEXLOWER.encode(&digest_parts(&[b"guide"]));
    contact.entry = None;
    contact.subject.clone_from(&learned.topic);
    contact.trace_keys.clear();
    if let Ok(value) = serde_json::to_value(learned) {
        contact.details.insert("guide".to_owned(), value);
    }
    contact
}

/// The way back into the session; only the session's id, which is no secret that opens it.
fn return_path(inbox: &InboxId, visitor: &Visitor) -> ReturnPath {
    let sealed = json!({ "session": visitor.session, "language": visitor.language });
    ReturnPath { inbox: inbox.name.clone(), sealed }
}

/// What only a chat has: the page, and what the visitor claims of themselves.
fn details(visitor: &Visitor) -> Map<String, Value> {
    let mut details = Map::new();
    if visitor.page != Page::default() {
        details.insert("page".to_owned(), json!({"url": visitor.page.url, "title": visitor.page.title}));
    }
    let email = if visitor.subject.is_some() { "email" } else { "claimed_email" };
    if let Some(address) = &visitor.email {
        details.insert(email.to_owned(), json!(address));
    }
    details
}

#[cfg(test)]
mod tests {
    use super::*;
    use lodge_domain::{BrandName, InboxName};

    fn made(session: &str, id: &str, text: &str) -> Contact {
        let name = InboxName::parse("website").unwrap();
        let inbox = InboxId { brand: BrandName::unbranded(), name };
        let visitor = Visitor { session: session.to_owned(), ..Visitor::default() };
        let said = Said { id, text: text.to_owned(), files: Vec::new(), at: Timestamp::UNIX_EPOCH };
        contact(&inbox, TimelineId::of(&["t"]), &visitor, said)
    }

    #[test]
    fn h02_t11_a_resend_is_the_same_contact_and_nobody_can_take_anothers_id() {
        let same = |a: &Contact, b: &Contact| {
            let brand = a.brand();
            (
                a.dedupe.digest(brand) == b.dedupe.digest(brand),
                a.entry.as_ref().unwrap().id == b.entry.as_ref().unwrap().id,
            )
        };
        let first = made("s1", "1", "hello");
        assert_eq!(same(&first, &made("s1", "1", "hello")), (true, true));
        assert_eq!(same(&first, &made("s1", "1", "other")), (false, false), "both are kept");
        assert_eq!(same(&first, &made("s2", "1", "hello")), (false, false));
        let handle = &first.from.handle.value;
        assert!(!handle.contains("s1") && handle.starts_with("visitor-"), "{handle}");
    }

    #[test]
    fn t06_a_typed_address_proves_nothing() {
        let visitor = Visitor {
            session: "s".to_owned(),
            email: Some("ann@example.com".to_owned()),
            name: Some("Ann".to_owned()),
            ..Visitor::default()
        };
        assert_eq!(visitor.party().handle.kind, HandleKind::Anonymous);
        assert_eq!(visitor.party().assurance, Assurance::Unverified);
        assert!(details(&visitor).contains_key("claimed_email"));
        let known = Visitor { subject: Some("u7".to_owned()), ..visitor };
        assert_eq!(known.party().assurance, Assurance::Authenticated);
        assert_eq!(known.handle(), PartyHandle::new(HandleKind::Account, "u7"));
        assert!(details(&known).contains_key("email"));
    }
}
