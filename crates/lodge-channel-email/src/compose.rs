//! Writes the mail that answers a contact: acknowledgments (RFC 3834) and agents' replies.
//!
//! Whatever comes from outside passes [`clean_header`] first: no header, no second recipient and no second mail can be
//! written by a subject, a name or an id (T34, T35). The same message gets the same Message-ID on every attempt.

use crate::tokens::{self, ReplyAddress};
use crate::understand::{address::is_address, clean_line};
use bytes::Bytes;
use jiff::Timestamp;
use lettre::message::header::{ContentDisposition, ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Body, Mailbox, Message, MessageBuilder, MultiPart, SinglePart};
use lettre::{Address, address::Envelope};
use lodge_domain::delivery::{OutboundKind, OutboundMessage};
use lodge_domain::{KeyRing, Reference};
use serde::{Deserialize, Serialize};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, SystemTime};

/// The way back of a mail: what a contact's `return_path.sealed` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailReturn {
    /// The sender's address: acknowledgments go here and nowhere else.
    pub to: String,
    /// Where an agent's reply goes instead, if the sender may ask for that.
    pub reply_to: Option<String>,
    /// The address of ours that was written to, in lower case.
    pub alias: Option<String>,
    /// The Message-ID answered, without brackets.
    pub message_id: Option<String>,
    /// Its References, oldest first, without brackets.
    pub references: Vec<String>,
    /// Its subject.
    pub subject: Option<String>,
    /// Its language, a BCP 47 tag.
    pub language: Option<String>,
    /// Whether its sender was authenticated.
    pub authenticated: bool,
}

/// Who sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderIdentity {
    /// The name in From, such as `Acme Support`.
    pub name: Option<String>,
    /// The address in From, and of the envelope of replies.
    pub address: String,
    /// The shape of signed reply addresses; `None` where there are none.
    pub reply_address: Option<ReplyAddress>,
    /// The right side of our Message-IDs.
    pub message_id_domain: String,
    /// The name in our loop header.
    pub instance: String,
}

/// A mail ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composed {
    /// The envelope sender; `None` is the null sender `<>`.
    pub envelope_from: Option<String>,
    /// The envelope recipients: always one.
    pub to: Vec<String>,
    /// The mail, lines ended by CR LF.
    pub bytes: Vec<u8>,
    /// Its Message-ID without brackets.
    pub message_id: String,
}

/// Why a mail could not be written. None of these goes away by trying again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// The sealed way back is not one of a mail.
    #[error("the way back cannot be read")]
    ReturnPath,
    /// The recipient is no address that mail can be sent to.
    #[error("the recipient's address cannot be used")]
    Recipient,
    /// Our own address is none.
    #[error("the sender's address cannot be used")]
    Sender,
    /// The library refused, or panicked over it.
    #[error("the mail cannot be written: {0}")]
    Library(String),
}

/// The most of References that goes out: the first and the newest of the rest (C11).
const REFERENCES: usize = 20;

/// The Message-ID that `message` goes out under, without brackets: known before it is sent.
#[must_use]
pub fn outgoing_message_id(message: &OutboundMessage, sender: &SenderIdentity, keys: &KeyRing) -> String {
    tokens::message_id(
        keys,
        &message.brand,
        message.kind,
        &message.conversation,
        &message.id,
        &sender.message_id_domain,
    )
}

/// Writes `message`. `blobs` are its attachments as (name, media type, content); `now` becomes its Date. Never panics.
///
/// # Errors
/// Where an address cannot be used or the library refuses.
pub fn compose(
    message: &OutboundMessage,
    sender: &SenderIdentity,
    keys: &KeyRing,
    blobs: &[(String, String, Bytes)],
    now: Timestamp,
) -> Result<Composed, ComposeError> {
    // The builder is known to have panicked on names with line ends; nothing a stranger wrote may stop a process.
    let attempt = catch_unwind(AssertUnwindSafe(|| write(message, sender, keys, blobs, now)));
    attempt.unwrap_or_else(|_| Err(ComposeError::Library("it panicked".to_owned())))
}

/// Text from outside, fit for a header: one line without controls and direction marks, 200 characters at most.
#[must_use]
pub fn clean_header(text: &str) -> String {
    clean_line(text, 200)
}

fn write(
    message: &OutboundMessage,
    sender: &SenderIdentity,
    keys: &KeyRing,
    blobs: &[(String, String, Bytes)],
    now: Timestamp,
) -> Result<Composed, ComposeError> {
    let back: MailReturn =
        serde_json::from_value(message.return_path.sealed.clone()).map_err(|_| ComposeError::ReturnPath)?;
    let acknowledgment = message.kind == OutboundKind::Acknowledgment;
    let target = if acknowledgment { &back.to } else { back.reply_to.as_ref().unwrap_or(&back.to) };
    let to = recipient(target)?;
    let from: Address = sender.address.parse().map_err(|_| ComposeError::Sender)?;
    let id = outgoing_message_id(message, sender, keys);
    let envelope_from = (!acknowledgment).then(|| from.clone());
    let envelope = Envelope::new(envelope_from.clone(), vec![to.clone()]).map_err(library)?;
    let mut builder = Message::builder()
        .envelope(envelope)
        .from(Mailbox::new(from_name(message, sender), from))
        // Without a display name: it would be a stranger's words.
        .to(Mailbox::new(None, to.clone()))
        .date(date(now))
        .message_id(Some(format!("<{id}>")))
        .subject(subject(message, &back));
    if let Some(address) = reply_address(message, sender, keys) {
        builder = builder.reply_to(Mailbox::new(None, address));
    }
    builder = thread(builder, &back);
    if acknowledgment {
        builder = automatic(builder, sender);
    }
    let written = body(builder, message, blobs)?;
    let envelope_from = envelope_from.map(|a| a.to_string());
    Ok(Composed { envelope_from, to: vec![to.to_string()], bytes: written.formatted(), message_id: id })
}

fn library(error: impl std::fmt::Display) -> ComposeError {
    ComposeError::Library(error.to_string())
}

/// One address that a mail can safely be sent to: no quotes, no literal, no leading hyphen (T63).
fn recipient(text: &str) -> Result<Address, ComposeError> {
    let plain = is_address(text)
        && !text.starts_with('-')
        && !text.contains(['"', '[', ']', ' ', '%', '!', '|', '`']);
    if !plain || text.chars().any(char::is_control) {
        return Err(ComposeError::Recipient);
    }
    text.parse().map_err(|_| ComposeError::Recipient)
}

fn from_name(message: &OutboundMessage, sender: &SenderIdentity) -> Option<String> {
    let company = sender.name.as_deref().map(clean_header).filter(|name| !name.is_empty());
    let author = message.author.as_deref().map(clean_header).filter(|name| !name.is_empty());
    match (author, company) {
        (Some(author), Some(company)) if message.kind == OutboundKind::Reply => {
            Some(format!("{author} via {company}"))
        }
        (Some(author), None) if message.kind == OutboundKind::Reply => Some(author),
        (_, company) => company,
    }
}

fn date(now: Timestamp) -> SystemTime {
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Our own subject, else that of the mail answered, with one `Re:` and the reference.
fn subject(message: &OutboundMessage, back: &MailReturn) -> String {
    let tag = format!("[#{}]", message.reference);
    let plain = match &message.subject {
        Some(own) => clean_header(own),
        None => {
            let theirs = back.subject.as_deref().map(clean_header).unwrap_or_default();
            let lower = theirs.to_lowercase();
            let answered =
                ["re:", "aw:", "sv:", "antw:", "odp:"].iter().any(|prefix| lower.starts_with(prefix));
            if answered { theirs } else { format!("Re: {theirs}") }
        }
    };
    if plain.contains(&tag) { plain } else { format!("{} {tag}", plain.trim()).trim().to_owned() }
}

fn reply_address(message: &OutboundMessage, sender: &SenderIdentity, keys: &KeyRing) -> Option<Address> {
    let shape = sender.reply_address.as_ref()?;
    let token = tokens::address_token(keys, &message.brand, &message.reference)?;
    shape.with(&token).parse().ok()
}

/// In-Reply-To and References: only ids that are ids, the first and the newest of many. Folded by hand, since an id must
/// neither be cut nor encoded.
fn thread(builder: MessageBuilder, back: &MailReturn) -> MessageBuilder {
    let answered = back.message_id.as_deref().filter(|id| is_message_id(id));
    let mut chain: Vec<&str> =
        back.references.iter().map(String::as_str).filter(|id| is_message_id(id)).collect();
    chain.extend(answered);
    let mut seen: Vec<&str> = Vec::new();
    chain.retain(|id| {
        !seen.contains(id) && {
            seen.push(id);
            true
        }
    });
    if chain.len() > REFERENCES {
        let newest = chain.split_off(chain.len() - (REFERENCES - 1));
        chain.truncate(1);
        chain.extend(newest);
    }
    let ids: Vec<String> = chain.iter().map(|id| format!("<{id}>")).collect();
    let builder = match answered {
        Some(id) => raw(builder, "In-Reply-To", format!("<{id}>")),
        None => builder,
    };
    if ids.is_empty() { builder } else { raw(builder, "References", ids.join("\r\n ")) }
}

/// Ids that fit one line and hold nothing that could end it.
fn is_message_id(id: &str) -> bool {
    let fits = |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '(' | ')' | ',' | ';' | '"' | '\\');
    let halves = id
        .split_once('@')
        .is_some_and(|(left, right)| !left.is_empty() && !right.is_empty() && !right.contains('@'));
    halves && id.len() <= 250 && id.chars().all(fits)
}

/// A field whose value is known to be plain.
fn raw(builder: MessageBuilder, name: &'static str, value: String) -> MessageBuilder {
    let plain = value.replace("\r\n", "");
    builder.raw_header(HeaderValue::dangerous_new_pre_encoded(
        HeaderName::new_from_ascii_str(name),
        plain,
        value,
    ))
}

/// What keeps programs from answering an acknowledgment (RFC 3834 3.1, E03).
fn automatic(builder: MessageBuilder, sender: &SenderIdentity) -> MessageBuilder {
    let instance: String = sender
        .instance
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
        .take(64)
        .collect();
    let builder = raw(builder, "Auto-Submitted", "auto-replied".to_owned());
    let builder = raw(builder, "X-Auto-Response-Suppress", "All".to_owned());
    let builder = raw(builder, "Precedence", "bulk".to_owned());
    raw(builder, "X-Lodge-Loop", format!("{instance};1"))
}

/// Every line end becomes CR LF, and NUL goes: a bare CR or LF can end a mail early for some servers (T35).
fn lines(text: &str) -> String {
    let unified = text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "");
    unified.replace('\n', "\r\n")
}

fn body(
    builder: MessageBuilder,
    message: &OutboundMessage,
    blobs: &[(String, String, Bytes)],
) -> Result<Message, ComposeError> {
    let text = SinglePart::plain(lines(&message.text));
    let html = message.html.as_deref().map(|html| SinglePart::html(lines(html)));
    if blobs.is_empty() {
        return match html {
            None => builder.singlepart(text),
            Some(html) => builder.multipart(alternative(message, text, html)),
        }
        .map_err(library);
    }
    let mut mixed = MultiPart::mixed().boundary(boundary(message, "m")).build();
    mixed = match html {
        None => mixed.singlepart(text),
        Some(html) => mixed.multipart(alternative(message, text, html)),
    };
    for (name, media_type, content) in blobs {
        mixed = mixed.singlepart(attachment(name, media_type, content));
    }
    builder.multipart(mixed).map_err(library)
}

/// Derived, not drawn: another attempt writes the same bytes.
fn boundary(message: &OutboundMessage, kind: &str) -> String {
    format!("lodge-{kind}-{}", message.id)
}

fn alternative(message: &OutboundMessage, text: SinglePart, html: SinglePart) -> MultiPart {
    MultiPart::alternative().boundary(boundary(message, "a")).singlepart(text).singlepart(html)
}

fn attachment(name: &str, media_type: &str, content: &Bytes) -> SinglePart {
    let kind = ContentType::parse(&clean_header(media_type)).ok().filter(|_| media_type.is_ascii());
    // A text would be written in a line form of its own; a file is a file.
    let kind = kind
        .or_else(|| ContentType::parse("application/octet-stream").ok())
        .unwrap_or(ContentType::TEXT_PLAIN);
    let name = clean_header(name).replace(['"', '\\', '/'], "_");
    let name = if name.is_empty() { "file".to_owned() } else { name };
    let encoded =
        Body::new_with_encoding(content.to_vec(), lettre::message::header::ContentTransferEncoding::Base64);
    match encoded {
        Ok(body) => {
            SinglePart::builder().content_type(kind).header(ContentDisposition::attachment(&name)).body(body)
        }
        Err(plain) => Attachment::new(name).body(plain, kind),
    }
}

/// The reference as people read it in a subject.
#[must_use]
pub fn subject_tag(reference: &Reference) -> String {
    format!("[#{reference}]")
}
