//! E-mail: IMAP in, SMTP out.

pub mod compose;
pub mod tokens;
pub mod understand;
