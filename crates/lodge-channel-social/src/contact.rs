//! From something said to a contact: who, what, how far to be believed, and the keys by which it finds its conversation.
//!
//! An account named in a verified webhook is authenticated: the provider vouches for it. A private thread is the party's
//! own, so its key is ours to follow them with; on a public post each person has a conversation of their own, and what
//! others said there is a hint and no more.

use crate::heard::{Media, Said, Thread, Who};
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use lodge_domain::{
    Assurance, Attachment, BlobRef, Body, ChannelAddress, Contact, DedupeKey, Flag, HandleKind, InboxId,
    JoinCondition, Origin, OriginClass, OriginKind, Party, PartyHandle, Recipient, RecipientRole, ReturnPath,
    ThreadKey, ThreadKeyValue, TraceKey, digest_parts,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The longest name that is shown.
const LONGEST_NAME: usize = 200;

/// Where something came in.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) inbox: InboxId,
    pub(crate) address: ChannelAddress,
    pub(crate) acknowledge_public: bool,
    /// Why what it says about its people is believed.
    pub(crate) vouched_by: &'static str,
}

/// The way back, as we seal it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Way {
    /// At whom.
    pub(crate) party: String,
    /// How, in the provider's own words.
    pub(crate) to: Value,
    /// Until when.
    pub(crate) window_ends_at: Option<Timestamp>,
}

/// What became of the files of something said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    /// Those we have.
    pub(crate) attachments: Vec<Attachment>,
    /// Of each, in order: `stored`, `pending`, `gone`, `refused`, `too_large`.
    pub(crate) states: Vec<&'static str>,
}

/// The party's handle: the telephone number where there is one, else the account.
pub(crate) fn handle(who: &Who) -> PartyHandle {
    match &who.phone {
        Some(phone) => PartyHandle::new(HandleKind::Phone, phone),
        None => PartyHandle::new(HandleKind::Account, &who.account),
    }
}

/// A key of this inbox.
pub(crate) fn key(inbox: &InboxId, kind: &str, text: &str) -> Option<ThreadKeyValue> {
    if text.trim().is_empty() {
        return None;
    }
    ThreadKeyValue::new(&format!("social-{kind}"), &format!("{}\n{text}", inbox.name))
}

/// What something said becomes. Its identity does not depend on files or names, which may be there or not.
pub(crate) fn contact(
    said: &Said,
    place: &Place,
    name: Option<String>,
    files: Files,
    now: Timestamp,
) -> Contact {
    let party = handle(&said.from);
    let (thread_keys, registers, rebinds) = keys(said, &place.inbox, &party);
    let public = matches!(said.thread, Thread::Public(_));
    let text = block(&said.text);
    let mut no_acknowledgment: Vec<String> = said.quiet.map(str::to_owned).into_iter().collect();
    if public && !place.acknowledge_public {
        no_acknowledgment.push("everybody could read it: acknowledge_public is off".to_owned());
    }
    // The same person by another name: later contacts may know them by that alone.
    let other_name = said.from.phone.as_ref().filter(|phone| **phone != said.from.account);
    let introduces = match (other_name, said.from.account.is_empty()) {
        (Some(_), false) => vec![PartyHandle::new(HandleKind::Account, &said.from.account)],
        _ => Vec::new(),
    };
    let given = said.from.name.clone().or(name).or_else(|| said.from.username.clone());
    Contact {
        version: Contact::VERSION,
        inbox: place.inbox.clone(),
        address: place.address.clone(),
        dedupe: dedupe(said, &place.inbox),
        thread_keys,
        registers,
        rebinds,
        entry: None,
        trace_keys: traces(said),
        from: Party {
            name: given.and_then(|given| line(&given)),
            handle: party.clone(),
            assurance: Assurance::Authenticated,
            evidence: vec![place.vouched_by.to_owned()],
        },
        recipients: said.to.iter().map(|to| recipient(to)).collect(),
        introduces,
        subject: None,
        topic: None,
        body: Body { reply: text.clone(), text, html: None, language: None },
        details: details(said, public, &files),
        attachments: files.attachments,
        origin: origin(said),
        no_acknowledgment,
        flags: said.unknown.then_some(Flag::Unparsed).into_iter().collect(),
        delivery_reports: Vec::new(),
        headers: Default::default(),
        raw: None,
        return_path: (!said.way.is_null()).then(|| {
            let way = Way { party: party.value, to: said.way.clone(), window_ends_at: said.window_ends_at };
            ReturnPath { inbox: place.inbox.name.clone(), sealed: json!(way) }
        }),
        occurred_at: said.at.min(now),
        received_at: now,
        backfill: false,
        acknowledges_inline: said.told_at_once,
    }
}

/// A body, or a part of one, that nobody understands: kept whole, and handed on as it is.
pub(crate) fn strange(why: &str, id: &str, raw: BlobRef, place: &Place, now: Timestamp) -> Contact {
    let from = Who { account: place.address.provider.clone(), ..Who::default() };
    let id = if id.is_empty() { format!("raw-{}", raw.sha256) } else { id.to_owned() };
    let mut said = Said::new(id, from, Thread::Private(Vec::new()), now);
    said.text = format!("[{} sent something that is not understood: {why}]", place.address.provider);
    (said.unknown, said.kind) = (true, "unknown".to_owned());
    let mut contact = contact(&said, place, None, Files::default(), now);
    contact.from.assurance = Assurance::Unverified;
    contact.from.handle.kind = HandleKind::Anonymous;
    contact.no_acknowledgment.push("nobody is known who said it".to_owned());
    contact.raw = Some(raw);
    contact
}

type Keys = (Vec<ThreadKey>, Vec<ThreadKeyValue>, Vec<ThreadKeyValue>);

fn keys(said: &Said, inbox: &InboxId, party: &PartyHandle) -> Keys {
    let made = |value: Option<ThreadKeyValue>, condition, label: &str| {
        value.map(|value| ThreadKey { value, condition, label: label.to_owned() })
    };
    let own = key(inbox, "message", &said.id);
    let answered = said.answers.as_deref().and_then(|id| key(inbox, "message", id));
    let answered = made(answered, JoinCondition::IfParticipant, "what it answers");
    match &said.thread {
        Thread::Private(names) => {
            let all: Vec<ThreadKeyValue> =
                names.iter().filter_map(|name| key(inbox, "thread", name)).collect();
            let label = "the party's own thread";
            let private = all.iter().filter_map(|one| made(Some(*one), JoinCondition::Always, label));
            (private.chain(answered).collect(), own.into_iter().collect(), all)
        }
        Thread::Shared(name) => {
            let shared = key(inbox, "thread", name);
            let keys = made(shared, JoinCondition::Always, "the thread of several people");
            (
                keys.into_iter().chain(answered).collect(),
                own.into_iter().collect(),
                shared.into_iter().collect(),
            )
        }
        Thread::Public(name) => {
            let theirs = key(inbox, "public", &format!("{name}\n{}", party.value));
            let everybody = key(inbox, "public", name);
            let keys = [
                made(theirs, JoinCondition::Always, "the party's own part of a public thread"),
                answered,
                made(everybody, JoinCondition::Hint, "a public thread"),
            ];
            (
                keys.into_iter().flatten().collect(),
                own.into_iter().chain(everybody).collect(),
                theirs.into_iter().collect(),
            )
        }
    }
}

/// Sender, words and the providers' ids of files; never their addresses, which differ from one telling to the next.
fn dedupe(said: &Said, inbox: &InboxId) -> DedupeKey {
    let who = &said.from;
    let mut parts: Vec<&[u8]> =
        vec![who.account.as_bytes(), said.version.as_bytes(), said.kind.as_bytes(), said.text.as_bytes()];
    for media in &said.media {
        parts.push(media.kind.as_bytes());
        parts.push(media.identity.as_deref().unwrap_or_default().as_bytes());
    }
    DedupeKey {
        scope: format!("social/{}", inbox.name),
        source: if said.id.is_empty() { "-".to_owned() } else { said.id.clone() },
        content: HEXLOWER.encode(&digest_parts(&parts)),
    }
}

fn traces(said: &Said) -> Vec<TraceKey> {
    let named = (!said.id.is_empty()).then(|| TraceKey(said.id.clone()));
    named
        .into_iter()
        .chain((!said.from.account.is_empty()).then(|| TraceKey(said.from.account.clone())))
        .collect()
}

fn recipient(account: &str) -> Recipient {
    Recipient { name: None, handle: account.to_owned(), role: RecipientRole::To }
}

fn origin(said: &Said) -> Origin {
    let automated = |why: &str| Origin {
        kind: OriginKind::Automated,
        class: Some(OriginClass::Notification),
        evidence: vec![why.to_owned()],
    };
    if said.from.is_bot {
        automated("the provider says that a program sent it")
    } else if said.gesture {
        automated("a gesture, not a message")
    } else {
        Origin::human()
    }
}

fn details(said: &Said, public: bool, files: &Files) -> Map<String, Value> {
    let mut details = said.details.clone();
    details.insert("kind".to_owned(), json!(said.kind));
    details.insert("public".to_owned(), json!(public));
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            details.insert(key.to_owned(), value);
        }
    };
    put("message_id", (!said.id.is_empty()).then(|| json!(said.id)));
    put("account", (!said.from.account.is_empty()).then(|| json!(said.from.account)));
    put("username", said.from.username.as_ref().map(|name| json!(name)));
    put("window_ends_at", said.window_ends_at.map(|end| json!(end)));
    put("in_reply_to", said.answers.as_ref().map(|id| json!(id)));
    let media = |(media, state): (&Media, &&str)| json!({"kind": media.kind, "name": media.name, "media_type": media.media_type, "state": state});
    let media: Vec<Value> = said.media.iter().zip(&files.states).map(media).collect();
    put("media", (!media.is_empty()).then(|| json!(media)));
    details
}

/// Characters that turn the direction of what follows, or that only programs read.
fn is_hidden(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0000}'..='\u{e001f}' | '\u{feff}')
}

/// A name in one line.
fn line(text: &str) -> Option<String> {
    let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c }).filter(|c| !is_hidden(*c));
    let line: String = shown.take(LONGEST_NAME).collect();
    let line = line.trim().to_owned();
    (!line.is_empty()).then_some(line)
}

/// Text as it was written, without what a terminal or a page would take for a command.
fn block(text: &str) -> String {
    let mut text = text.replace("\r\n", "\n");
    text.retain(|c| !is_hidden(c) && (!c.is_control() || matches!(c, '\n' | '\t')));
    text
}
