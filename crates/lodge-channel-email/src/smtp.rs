//! Sends mail over SMTP (RFC 5321), one step at a time, so that of each failure it is known whether the mail may have gone
//! out: before the final dot it has not, after it only the server knows (crash points C22 to C24).

mod connection;
mod pool;
mod send;
mod tracked;
mod verdict;

pub(crate) use connection::Relay;
pub(crate) use pool::Pool;
pub(crate) use send::{FINAL_ANSWER, Outgoing, send};
