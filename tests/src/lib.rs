//! The rig of the end-to-end tests: the built gateway as a process, and everything it speaks with. Knows the gateway by
//! its contract alone (command line, configuration, HTTP, ticket events); none of its crates is linked in.
//!
//! Start reading in `house.rs`; a scenario builds a [`House`], lets a [`Gateway`] run in it, and looks at what arrives.

pub mod browser;
pub mod chat;
pub mod clock;
pub mod core;
pub mod desk;
pub mod dovecot;
pub mod gateway;
pub mod house;
pub mod mail;
pub mod needs;
pub mod ports;
pub mod postfix;
pub mod process;
pub mod provider;
pub mod redis;
/// How providers sign: the testkit's source, read as it stands, since its crate would link the gateway's.
#[path = "../../crates/lodge-testkit/src/signing.rs"]
pub mod signing;
pub mod smtp_sink;
pub mod visitor;
pub mod website;
pub mod wire;

pub use self::core::{Answer, Core};
pub use chat::Chat;
pub use desk::Desk;
pub use dovecot::Dovecot;
pub use gateway::{Gateway, Output};
pub use house::{House, Plan, Store};
pub use mail::Mail;
pub use postfix::Postfix;
pub use redis::RedisServer;
pub use smtp_sink::{Phase, Say, SmtpSink};
pub use visitor::Visitor;
pub use website::Website;
pub use wire::Wire;
