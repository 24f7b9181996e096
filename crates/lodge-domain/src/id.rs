//! Ids are derived, not drawn: the same contact gets the same ids on every machine and after a lost store.
//!
//! [`EnvelopeId`] hashes the dedupe key, [`ConversationId`] its founding envelope, [`WorkId`] envelope, kind and
//! ordinal, [`EventId`] of later events what they report. None is keyed, so that they outlive store and secrets.

use crate::hash::{Digest, digest_parts, short};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The prefix every id of this kind carries.
            pub const PREFIX: &'static str = $prefix;

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Reads an id: the prefix followed by 26 base32 letters. `None` for anything else.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let rest = text.strip_prefix($prefix)?;
                let is_base32 = |b: u8| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b);
                (rest.len() == 26 && rest.bytes().all(is_base32)).then(|| Self(text.to_owned()))
            }

            fn derive(digest: &Digest) -> Self {
                Self(format!("{}{}", $prefix, short(digest)))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// An accepted contact, and the event that announces it to the core.
    EnvelopeId,
    "evt_"
);
text_id!(
    /// The thread of contacts and replies that the core sees as one ticket.
    ConversationId,
    "cnv_"
);
text_id!(
    /// A durable item of work.
    WorkId,
    "wrk_"
);
text_id!(
    /// Something we send to a party: an acknowledgment or an agent's reply.
    OutboundId,
    "rpl_"
);

/// The id of any ticket event; that of a contact's event equals its [`EnvelopeId`].
pub type EventId = EnvelopeId;

impl EnvelopeId {
    /// The id of the contact with this dedupe digest (see [`crate::DedupeKey::digest`]).
    #[must_use]
    pub fn of_contact(dedupe: &Digest) -> Self {
        Self::derive(&digest_parts(&[b"evt", dedupe]))
    }

    /// The id of a later event: `kind` (such as `reply.updated`) and the parts of what it reports.
    #[must_use]
    pub fn of_report(kind: &str, parts: &[&str]) -> Self {
        let mut all: Vec<&[u8]> = vec![b"report", kind.as_bytes()];
        all.extend(parts.iter().map(|part| part.as_bytes()));
        Self::derive(&digest_parts(&all))
    }
}

impl ConversationId {
    /// The id of the conversation that `founder` opens.
    #[must_use]
    pub fn founded_by(founder: &EnvelopeId) -> Self {
        Self::derive(&digest_parts(&[b"cnv", founder.as_str().as_bytes()]))
    }
}

impl WorkId {
    /// The id of the `ordinal`-th item of `kind` for `subject` (an envelope, event or outbound id).
    #[must_use]
    pub fn of(subject: &str, kind: &str, ordinal: u32) -> Self {
        Self::derive(&digest_parts(&[b"wrk", subject.as_bytes(), kind.as_bytes(), &ordinal.to_be_bytes()]))
    }
}

impl OutboundId {
    /// The id of the acknowledgment of `envelope`.
    #[must_use]
    pub fn acknowledgment_of(envelope: &EnvelopeId) -> Self {
        Self::derive(&digest_parts(&[b"ack", envelope.as_str().as_bytes()]))
    }

    /// The id of the reply that the core asked for under `idempotency_key` in `conversation`.
    #[must_use]
    pub fn reply(conversation: &ConversationId, idempotency_key: &str) -> Self {
        Self::derive(&digest_parts(&[b"rpl", conversation.as_str().as_bytes(), idempotency_key.as_bytes()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_functions_of_the_contact() {
        let digest = digest_parts(&[b"brand", b"<a@b>", b"content"]);
        let first = EnvelopeId::of_contact(&digest);
        assert_eq!(first, EnvelopeId::of_contact(&digest));
        assert_eq!(EnvelopeId::parse(first.as_str()), Some(first.clone()));
        assert_eq!(first.as_str().len(), 30);
        assert_ne!(ConversationId::founded_by(&first).as_str(), first.as_str());
        // Frozen: another value here would make a second ticket of every contact after an upgrade.
        assert_eq!(first.as_str(), "evt_z35tvvnyiut3nfweadzxrbky44");
    }

    #[test]
    fn foreign_ids_are_refused() {
        for text in
            ["", "evt_", "evt_ABC", "cnv_aaaaaaaaaaaaaaaaaaaaaaaaaa", "evt_aaaaaaaaaaaaaaaaaaaaaaaaa1"]
        {
            assert_eq!(EnvelopeId::parse(text), None, "{text}");
        }
    }
}
