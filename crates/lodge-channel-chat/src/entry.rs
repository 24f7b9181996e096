//! What a chat keeps in its timeline: one entry for each thing said, and one for the end.

use crate::protocol::{File, From, ServerFrame};
use bytes::Bytes;
use jiff::Timestamp;
use lodge_channel::FileLinks;
use lodge_domain::{
    Attachment, BlobRef, EntryId, EnvelopeId, Judgement, OutboundId, SignedDuration, TimelineEntry,
};
use serde::{Deserialize, Serialize};

/// How long a link to a file in a message is good (T65).
pub(crate) const LINK_LIFE: SignedDuration = SignedDuration::from_mins(5);

/// A file as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFile {
    /// Its name, cleaned.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub blob: BlobRef,
    /// What its name and first bytes say it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judgement: Option<Judgement>,
}

/// An entry of a chat's timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Who said it.
    pub from: From,
    /// The client's id for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The name of who said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The words.
    pub text: String,
    /// The files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<KeptFile>,
    /// Answers to choose from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// The reply it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<OutboundId>,
    /// The contact it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<EnvelopeId>,
    /// The conversation ended here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub end: bool,
}

impl Entry {
    /// Something said by `from`.
    #[must_use]
    pub fn said(from: From, text: impl Into<String>) -> Self {
        Self {
            from,
            id: None,
            name: None,
            text: text.into(),
            files: Vec::new(),
            choices: Vec::new(),
            reply: None,
            contact: None,
            end: false,
        }
    }

    /// The end of a conversation.
    #[must_use]
    pub fn end() -> Self {
        Self { end: true, ..Self::said(From::System, "") }
    }

    /// As it is kept.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// Reads a body that was encoded.
    #[must_use]
    pub fn decode_body(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_else(|_| Self::said(From::System, ""))
    }

    /// The same, of which no ticket was made.
    #[must_use]
    pub fn without_contact(self) -> Self {
        Self { contact: None, ..self }
    }

    /// Reads what was kept; an entry that cannot be read stands as an empty one, so that no number is missing.
    #[must_use]
    pub fn decode(kept: &TimelineEntry) -> Self {
        Self::decode_body(&kept.body)
    }

    /// The frame that tells it, as text.
    #[must_use]
    pub fn frame(&self, seq: u64, at: Timestamp, now: Timestamp, links: &dyn FileLinks) -> String {
        if self.end {
            return crate::protocol::write(&ServerFrame::Ended { seq });
        }
        let expires = now.checked_add(LINK_LIFE).unwrap_or(now);
        let file = |file: &KeptFile| File {
            name: file.name.clone(),
            media_type: file.media_type.clone(),
            size: file.blob.size,
            href: links.href(&file.blob, &file.name, &file.media_type, expires),
        };
        crate::protocol::write(&ServerFrame::Message {
            seq,
            from: self.from,
            id: self.id.as_deref(),
            name: self.name.as_deref(),
            text: &self.text,
            attachments: self.files.iter().map(file).collect(),
            choices: &self.choices,
            at,
        })
    }
}

impl KeptFile {
    /// As a contact has it.
    #[must_use]
    pub fn attachment(&self) -> Attachment {
        Attachment {
            name: Some(self.name.clone()),
            media_type: self.media_type.clone(),
            blob: self.blob.clone(),
            inline: false,
            content_id: None,
            judgement: self.judgement.clone(),
        }
    }
}

/// The identity of what we append for something we send: the same on every attempt.
#[must_use]
pub(crate) fn outbound_entry(id: &OutboundId) -> EntryId {
    EntryId::of(&[b"out", id.as_str().as_bytes()])
}
