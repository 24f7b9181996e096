//! The keys by which a mail finds its conversation, strongest first, and those it leaves for later mails.
//!
//! Order: a reply address we signed; a Message-ID we signed, in In-Reply-To, then References from the newest; stored ids;
//! the reference in the subject; hints of mail programs, which only suggest (C01). An id alone never joins: the ledger
//! asks for a participant.

use super::fields::Fields;
use super::surroundings::Surroundings;
use super::{address, ids, limits, topic, words};
use crate::tokens::{conversation_key, read_address_token, read_message_id, reference_key};
use lodge_domain::{JoinCondition, ThreadKey, ThreadKeyValue};

/// What a mail is threaded by.
#[derive(Debug, Default)]
pub(crate) struct Threads {
    pub(crate) keys: Vec<ThreadKey>,
    pub(crate) registers: Vec<ThreadKeyValue>,
    /// In-Reply-To, newest first.
    pub(crate) in_reply_to: Vec<String>,
    /// References, oldest first.
    pub(crate) references: Vec<String>,
}

/// What is known of the mail besides its header.
pub(crate) struct Facts<'a> {
    pub(crate) message_id: &'a str,
    pub(crate) from: &'a str,
    pub(crate) subject: &'a str,
    /// Some text in it was quoted.
    pub(crate) quotes: bool,
    /// It looks like a verification mail: it joins nothing unless its sender takes part (T01).
    pub(crate) verification: bool,
}

/// Reads all keys.
pub(crate) fn read(fields: &Fields<'_>, facts: &Facts<'_>, surroundings: &Surroundings) -> Threads {
    let in_reply_to: Vec<String> = fields
        .every("in-reply-to")
        .take(limits::REFERENCE_FIELDS)
        .flat_map(ids::list)
        .take(limits::REFERENCES)
        .collect();
    let references = references(fields);
    let mut threads = Threads { in_reply_to, references, ..Threads::default() };
    let signed = if facts.verification { JoinCondition::IfParticipant } else { JoinCondition::Always };
    threads.signed_addresses(fields, surroundings, signed);
    threads.signed_ids(surroundings, signed);
    threads.stored_ids();
    if let Some(value) = topic::reference(facts.subject).and_then(|r| reference_key(&r)) {
        threads.push(Some(value), JoinCondition::IfParticipant, "reference in the subject");
    }
    threads.hints(fields, facts);
    threads.register(fields, facts);
    threads
}

fn references(fields: &Fields<'_>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for id in fields.every("references").take(limits::REFERENCE_FIELDS).flat_map(ids::list) {
        if all.len() < limits::REFERENCES && !all.contains(&id) {
            all.push(id);
        }
    }
    all
}

impl Threads {
    fn push(&mut self, value: Option<ThreadKeyValue>, condition: JoinCondition, label: &str) {
        let Some(value) = value else { return };
        let known = self.keys.iter().any(|key| key.value == value);
        if !known && self.keys.len() < ThreadKey::MOST {
            self.keys.push(ThreadKey { value, condition, label: label.to_owned() });
        }
    }

    fn signed_addresses(&mut self, fields: &Fields<'_>, around: &Surroundings, condition: JoinCondition) {
        let Some(shape) = &around.reply_address else { return };
        let named = ["delivered-to", "x-original-to", "envelope-to", "to", "cc"].into_iter();
        let lists = named.flat_map(|name| fields.every(name).take(50).map(move |raw| (name, raw)));
        let mailboxes =
            lists.flat_map(|(name, raw)| address::parse_list(raw, None).into_iter().map(move |m| (name, m)));
        let tokens = mailboxes.filter_map(|(name, m)| Some((name, shape.token_in(&m.address)?)));
        // Each costs a signature check: a list of ten thousand must not (T74).
        for (name, token) in tokens.take(limits::TOKENS) {
            let reference = read_address_token(&around.keys, &around.inbox.brand, &token);
            let value = reference.and_then(|r| reference_key(&r));
            self.push(value, condition, &format!("{name}, reply address signed by us"));
        }
    }

    /// All ids, the newest first, each with the field it stands in.
    fn newest_first(&self) -> Vec<(String, &'static str)> {
        let direct = self.in_reply_to.iter().map(|id| (id.clone(), "in-reply-to"));
        let older = self.references.iter().rev().map(|id| (id.clone(), "references"));
        direct.chain(older).collect()
    }

    fn signed_ids(&mut self, around: &Surroundings, condition: JoinCondition) {
        for (id, place) in self.newest_first() {
            let own = read_message_id(&around.keys, &around.inbox.brand, &id);
            let value = own.and_then(|own| conversation_key(&own.conversation));
            self.push(value, condition, &format!("{place}, message-id signed by us"));
        }
    }

    fn stored_ids(&mut self) {
        let mut all = self.newest_first();
        // The oldest id names the thread's start: worth more than one in the middle of a long list.
        let room = ThreadKey::MOST.saturating_sub(self.keys.len() + 4);
        if all.len() > room {
            let oldest = all.pop();
            all.truncate(room.saturating_sub(1));
            all.extend(oldest);
        }
        for (id, place) in all {
            self.push(
                ids::message_id_key(&id),
                JoinCondition::IfParticipantOnTopic,
                &format!("{place}, stored message-id"),
            );
        }
    }

    fn hints(&mut self, fields: &Fields<'_>, facts: &Facts<'_>) {
        self.push(thread_index(fields), JoinCondition::Hint, "thread-index");
        if topic::is_reply(facts.subject) || facts.quotes {
            self.push(topic_and_sender(facts), JoinCondition::Hint, "subject and participant");
        }
    }

    /// Leaves keys for later mails: its own id, those it names (its parent may come later, or never), and the hints.
    fn register(&mut self, fields: &Fields<'_>, facts: &Facts<'_>) {
        let mut all: Vec<ThreadKeyValue> = ids::message_id_key(facts.message_id).into_iter().collect();
        for (id, _) in self.newest_first().into_iter().take(ThreadKey::MOST) {
            all.extend(ids::message_id_key(&id));
        }
        all.extend(thread_index(fields));
        all.extend(topic_and_sender(facts));
        let mut seen = std::collections::BTreeSet::new();
        all.retain(|value| seen.insert(*value));
        self.registers = all;
    }
}

/// The first 22 bytes of Thread-Index are the same in all mails of one Outlook conversation (MS-OXOMSG 2.2.1.3).
fn thread_index(fields: &Fields<'_>) -> Option<ThreadKeyValue> {
    let raw = fields.first("thread-index")?;
    let bytes = words::base64_lenient(&words::unfold(raw));
    let head = bytes.get(..22)?;
    ThreadKeyValue::new("thread-index", &data_encoding::HEXLOWER.encode(head))
}

fn topic_and_sender(facts: &Facts<'_>) -> Option<ThreadKeyValue> {
    let topic = topic::normalise(facts.subject);
    if facts.from.is_empty() || !topic::is_telling(&topic) {
        return None;
    }
    ThreadKeyValue::new("topic-sender", &format!("{topic}\n{}", facts.from))
}
