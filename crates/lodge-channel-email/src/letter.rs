//! Reads a mail for showing it to a person: a few headers and its text. Decides nothing.

use mail_parser::MessageParser;
use serde::Serialize;

/// What a person wants to see of a mail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Letter {
    /// The sender, as written.
    pub from: String,
    /// The recipients, as written.
    pub to: Vec<String>,
    /// The subject, decoded.
    pub subject: String,
    /// The id, without angle brackets.
    pub message_id: Option<String>,
    /// The ids it answers, without angle brackets.
    pub in_reply_to: Vec<String>,
    /// All header lines in order, decoded where they are text.
    pub headers: Vec<(String, String)>,
    /// Its first text.
    pub text: String,
}

/// Reads mail made by ourselves or by somebody trusted; for anything else use [`crate::understand`].
#[must_use]
pub fn read_letter(raw: &[u8]) -> Option<Letter> {
    let message = MessageParser::default().parse(raw)?;
    let address = |address: &mail_parser::Addr<'_>| {
        let mailbox = address.address.as_deref().unwrap_or_default();
        address.name.as_deref().map_or_else(|| mailbox.to_owned(), |name| format!("{name} <{mailbox}>"))
    };
    let from = message.from().and_then(|from| from.first()).map(address).unwrap_or_default();
    let to = message.to().map(|to| to.iter().map(address).collect()).unwrap_or_default();
    let in_reply_to = message.in_reply_to().as_text_list().unwrap_or_default();
    let headers = message.headers_raw().map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    Some(Letter {
        from,
        to,
        subject: message.subject().unwrap_or_default().to_owned(),
        message_id: message.message_id().map(ToOwned::to_owned),
        in_reply_to: in_reply_to.iter().map(ToString::to_string).collect(),
        headers: headers.collect(),
        text: message.body_text(0).unwrap_or_default().into_owned(),
    })
}
