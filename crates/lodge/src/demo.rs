//! `lodge demo`: the whole gateway with stand-ins for the far sides, in a temporary folder.
//!
//! The stand-ins are a mail server that keeps what it is given, carriers of calls and messages that sign as real ones do,
//! and a core that checks signatures as a real one does. Everything between them is the real thing.

mod carrier;
mod carrier_api;
mod core;
mod letter;
mod mail_sink;
mod messenger;
mod phone;
mod sandbox;
mod script;
mod tone;

pub use self::core::StandInCore;
pub use carrier::{ACCOUNT, Carrier, CarrierKeys, NUMBER, PAGE};
pub use carrier_api::carrier_routes;
pub use letter::Draft;
pub use mail_sink::MailSink;
pub use phone::Calls;
pub use sandbox::{Sandbox, routes};
