//! The nouns of Lodge and the ports between its rooms.
//!
//! Here live the words everybody shares: contact, envelope, conversation, decision, work, delivery, and the
//! traits by which one room speaks with the next. Here never live I/O, a runtime, HTTP, or the words of one
//! channel or provider: threading arrives as opaque [`ThreadKey`]s, the way back as an opaque [`ReturnPath`].
//!
//! Start reading at [`contact`], then [`candidate`] (what accept decides on), then [`ports`].
#![warn(missing_docs)]

pub mod address;
pub mod candidate;
pub mod contact;
pub mod conversation;
pub mod decision;
pub mod delivery;
pub mod effect;
pub mod envelope;
mod hash;
pub mod hours;
pub mod id;
pub mod inbound;
pub mod judgement;
pub mod keyring;
pub mod ports;
pub mod reference;
pub mod thread_key;
pub mod ticket;
pub mod timeline;
pub mod work;

pub use address::{Assurance, BrandName, Channel, ChannelAddress, HandleKind, InboxId, InboxName, NodeName};
pub use address::{Party, PartyHandle, Recipient, RecipientRole, ReturnPath};
pub use candidate::{Candidate, DedupeKey, Receipt};
pub use contact::{Attachment, BlobRef, Body, Contact, Flag, Origin, OriginClass, OriginKind};
pub use conversation::{Conversation, ConversationChange, ConversationStatus};
pub use decision::{AcknowledgmentDecision, Decision, Priority, Reason, TicketType};
pub use delivery::{DeliveryError, Disposition, OutboundMessage, OutboundRecord, Sent};
pub use effect::{Applied, Effect, Guard, JournalLine};
pub use envelope::{Envelope, Placement};
pub use hash::{Digest, digest_parts};
pub use hours::Hours;
pub use id::{ConversationId, EnvelopeId, EventId, OutboundId, WorkId};
pub use inbound::{Answered, DeliveryReport, Inbound, Supplement};
pub use judgement::{AttachmentPolicy, Judgement, Suspicion};
pub use keyring::KeyRing;
pub use reference::Reference;
pub use thread_key::{JoinCondition, ThreadKey, ThreadKeyValue, TraceKey};
pub use ticket::TicketEvent;
pub use timeline::{EntryId, NewEntry, TimelineEntry, TimelineId};
pub use work::{Claim, Lane, NewWork, Settlement, Work, WorkKind};

pub use jiff::{SignedDuration, Timestamp};
