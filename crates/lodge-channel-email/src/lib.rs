//! E-mail: IMAP in, SMTP out.
//!
//! [`EmailSettings`] is the door: it checks itself, tries its connections, and builds a mailbox reader, a replier and an
//! importer. The pure half ([`understand`], [`compose`], [`tokens`]) knows no network; the other half knows no MIME.
#![warn(missing_docs)]

pub mod compose;
pub mod config;
mod door;
mod error;
mod imap;
mod importer;
pub mod letter;
mod poller;
mod replier;
mod smtp;
pub mod tokens;
pub mod understand;
mod wire;

pub use config::EmailSettings;
pub use error::MailError;

/// A commented example of a mail inbox's table.
pub const EXAMPLE: &str = include_str!("../example.toml");

/// The least settings by which raw mails can be understood without any server.
pub const SCRATCH: &str = "provider = \"pipe\"\nfrom = \"support@lodge.example\"\n";
