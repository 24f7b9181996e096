//! An IMAP client (RFC 3501, RFC 9051) that does what a mailbox reader needs and nothing else.
//!
//! Built on the commands of `async-imap` at its lowest level: every command ends at its tagged answer, every wait has an
//! end, and the server may send no more than was asked for. Never asks for ENVELOPE or BODYSTRUCTURE, which many servers
//! get wrong; never fetches by sequence number; never expunges what it did not delete.

mod commands;
mod folder_name;
mod gate;
mod greeting;
mod session;
mod uid_set;

pub(crate) use commands::Meta;
pub(crate) use session::{Account, Selected, Session, Waited};
pub(crate) use uid_set::UidSet;
