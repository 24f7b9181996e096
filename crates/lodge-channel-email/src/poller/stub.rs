//! What is filed of a mail for which there is no room: who wrote what about when, the beginning, and where the mail lies.
//! Its identity is that of the whole mail, so that it is the same contact whenever it is read again (T32).

use super::fetch::Mail;
use crate::understand::Understood;
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use lodge_domain::{BlobRef, Body, Contact, Flag, Inbound};
use serde_json::json;

/// What is kept of a stub's original; a mail that is no longer is kept whole, whatever was used up.
const KEPT: usize = 64 * 1024;
/// Characters of its text.
const TEXT: usize = 10_000;

/// The contact that would be filed.
pub(crate) fn contact(inbound: &Inbound) -> Option<&Contact> {
    match inbound {
        Inbound::Contact(contact) => Some(contact),
        Inbound::Report(report) => report.contact.as_ref(),
        _ => None,
    }
}

/// The bytes that keeping a mail would take.
pub(super) fn cost(mail: &Mail, understood: &Understood) -> u64 {
    bytes_of(&mail.raw, understood)
}

/// The bytes of an original and what is kept of it beside.
pub(crate) fn bytes_of(raw: &Bytes, understood: &Understood) -> u64 {
    let parts: usize = understood.blobs.iter().map(Bytes::len).sum();
    u64::try_from(raw.len().saturating_add(parts)).unwrap_or(u64::MAX)
}

/// Makes a stub of a mail, and lets the mail stay where it is.
pub(super) fn reduce(mail: &mut Mail, understood: &mut Understood, limit: &str, place: &str) {
    let size = mail.raw.len();
    if size <= KEPT {
        return;
    }
    let contact: Option<&mut Contact> = match &mut understood.inbound {
        Inbound::Contact(contact) => Some(contact),
        Inbound::Report(report) => report.contact.as_mut(),
        _ => None,
    };
    let Some(contact) = contact else { return };
    mail.raw = mail.raw.slice(..KEPT);
    mail.stays = true;
    understood.blobs.clear();
    understood.raw = BlobRef {
        sha256: HEXLOWER.encode(digest(&SHA256, &mail.raw).as_ref()),
        size: u64::try_from(mail.raw.len()).unwrap_or(u64::MAX),
    };
    let note = format!(
        "(This mail of {size} bytes was not fetched whole: {limit}. It lies unchanged in the mailbox, at {place}, with \
         {files} attachments.)",
        files = contact.attachments.len()
    );
    let cut = |text: &str| -> String { text.chars().take(TEXT).collect() };
    let text = format!("{note}\n\n{}", cut(&contact.body.text));
    let reply = format!("{note}\n\n{}", cut(&contact.body.reply));
    contact.body = Body { text, reply, html: None, language: contact.body.language.clone() };
    contact.attachments.clear();
    contact.flags.insert(Flag::Truncated);
    contact.details.remove("original_names");
    contact.details.insert("full_size".to_owned(), json!(size));
    contact.details.insert("left_at".to_owned(), json!(place));
    contact.details.insert("over_limit".to_owned(), json!(limit));
    contact.raw = Some(understood.raw.clone());
}
