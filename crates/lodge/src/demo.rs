//! `lodge demo`: the whole gateway with stand-ins for the far sides, in a temporary folder.
//!
//! The stand-ins are a mail server that keeps what it is given, and a core that checks signatures as a real one does.
//! Everything between them is the real thing.

mod core;
mod letter;
mod mail_sink;
mod sandbox;

pub use self::core::StandInCore;
pub use letter::Draft;
pub use mail_sink::MailSink;
pub use sandbox::{Sandbox, routes};
