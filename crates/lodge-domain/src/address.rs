//! Where contacts come in, who is on the far end, and the way back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes a name as the configuration gives it: letters, digits, `-`, `_` and `.`, 1 to 64 of them.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
                ((1..=64).contains(&text.len()) && text.bytes().all(fits)).then(|| Self(text.to_owned()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_type!(
    /// The name of an inbox, one configured way in.
    InboxName
);
name_type!(
    /// The name of a brand: its own keys, budgets and conversations.
    BrandName
);
name_type!(
    /// The name of one gateway process among several on one store.
    NodeName
);

impl BrandName {
    /// The brand of inboxes that name none.
    #[must_use]
    pub fn unbranded() -> Self {
        Self("default".to_owned())
    }

    /// How the outside sees it: `None` for the unnamed brand.
    #[must_use]
    pub fn public(&self) -> Option<&str> {
        (self.0 != "default").then_some(self.0.as_str())
    }
}

/// A kind of door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// Letters by e-mail.
    Email,
    /// A conversation on a website.
    Chat,
    /// A telephone call.
    Voice,
    /// A social network or messenger.
    Social,
    /// A form or another program.
    Form,
}

impl Channel {
    /// The channel's name in configuration, events and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Chat => "chat",
            Self::Voice => "voice",
            Self::Social => "social",
            Self::Form => "form",
        }
    }

    /// The channel of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Email, Self::Chat, Self::Voice, Self::Social, Self::Form]
            .into_iter()
            .find(|c| c.as_str() == name)
    }
}

impl std::fmt::Display for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `channel/provider`: the one address of a provider in code, configuration, fixtures, metrics and docs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChannelAddress {
    /// The kind of door.
    pub channel: Channel,
    /// The company or protocol behind it.
    pub provider: String,
}

impl std::fmt::Display for ChannelAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.channel, self.provider)
    }
}

/// An inbox and the brand it belongs to; the brand comes from our configuration, never from a payload.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InboxId {
    /// Whose keys, budgets and conversations it uses.
    pub brand: BrandName,
    /// The inbox's own name, unique in the installation.
    pub name: InboxName,
}

/// What a [`PartyHandle`] is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HandleKind {
    /// A mail address.
    Email,
    /// An E.164 telephone number.
    Phone,
    /// An account at a provider.
    Account,
    /// Nobody we could name; the handle is a token of ours.
    Anonymous,
}

/// The opaque address of a party, in the canonical form its channel gives it (the door folds case).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PartyHandle {
    /// What the value is.
    pub kind: HandleKind,
    /// The canonical value.
    pub value: String,
}

impl PartyHandle {
    /// A handle of `kind`.
    #[must_use]
    pub fn new(kind: HandleKind, value: impl Into<String>) -> Self {
        Self { kind, value: value.into() }
    }
}

/// How sure we are that the party is who it says. Ordered: `Failed < Unverified < Authenticated`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Assurance {
    /// A check was made and failed.
    Failed,
    /// No check could be made.
    Unverified,
    /// A check that we trust passed.
    Authenticated,
}

/// The person or system on the far end of a contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// The name they gave, cleaned of control and direction characters.
    pub name: Option<String>,
    /// Their address.
    pub handle: PartyHandle,
    /// How sure we are that it is theirs.
    pub assurance: Assurance,
    /// What `assurance` rests on, such as `dmarc=pass`.
    pub evidence: Vec<String>,
}

/// The part a recipient plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecipientRole {
    /// Addressed directly.
    To,
    /// Addressed in copy.
    Cc,
    /// Known only from delivery, not from what the sender wrote.
    Delivered,
}

/// Somebody a contact was addressed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Recipient {
    /// The name the sender gave them.
    pub name: Option<String>,
    /// Their address.
    pub handle: String,
    /// The part they play.
    pub role: RecipientRole,
}

/// The way back to a party, sealed by its channel: nobody else reads `sealed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnPath {
    /// The inbox whose replier understands it.
    pub inbox: InboxName,
    /// What that replier needs, in its own words.
    pub sealed: serde_json::Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assurance_is_ordered_and_names_are_checked() {
        assert!(
            Assurance::Failed < Assurance::Unverified && Assurance::Unverified < Assurance::Authenticated
        );
        assert!(InboxName::parse("support-2").is_some());
        for bad in ["", "a b", "a/b", "{x}", &"x".repeat(65)] {
            assert!(InboxName::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(BrandName::unbranded().public(), None);
    }
}
