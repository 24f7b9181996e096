//! The commands a mailbox reader needs, all by UID (RFC 3501 6.4.8), with UIDPLUS (RFC 4315) and MOVE (RFC 6851).

use super::Session;
use super::folder_name::{encode, quote};
use super::uid_set::UidSet;
use crate::error::MailError;
use async_imap::imap_proto::{AttributeValue, MailboxDatum, Response};
use bytes::Bytes;
use jiff::{Timestamp, fmt::strtime};
use std::collections::{BTreeMap, BTreeSet};

/// What a server says of a mail without its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) uid: u32,
    /// A hint: servers miscount.
    pub(crate) size: u64,
    /// INTERNALDATE.
    pub(crate) received: Option<Timestamp>,
}

/// Bytes of an answer to UID SEARCH: about 1.5 million UIDs.
const SEARCH: u64 = 16 * 1024 * 1024;
/// Bytes of one mail's answer besides its literal.
const FRAME: u64 = 4 * 1024;

impl Session {
    /// Gives the server a chance to tell what is new.
    pub(crate) async fn noop(&mut self) -> Result<(), MailError> {
        self.command("NOOP", "NOOP", 0, |_| ()).await
    }

    /// The UIDs that fit `criteria`, which hold nothing from outside.
    pub(crate) async fn search(&mut self, criteria: &str) -> Result<BTreeSet<u32>, MailError> {
        let mut found = BTreeSet::new();
        let line = format!("UID SEARCH {criteria}");
        self.command("UID SEARCH", &line, SEARCH, |response| {
            if let Response::MailboxData(MailboxDatum::Search(uids)) = response {
                found.extend(uids.iter().copied().filter(|uid| *uid > 0));
            }
        })
        .await?;
        Ok(found)
    }

    /// Size and date of these mails; those that the server does not name are missing.
    pub(crate) async fn metas(&mut self, uids: &UidSet) -> Result<BTreeMap<u32, Meta>, MailError> {
        let mut metas = BTreeMap::new();
        let line = format!("UID FETCH {uids} (UID RFC822.SIZE INTERNALDATE)");
        let allowance = FRAME * uids.0.len() as u64;
        let asking = self.command("UID FETCH", &line, allowance, |response| {
            let Response::Fetch(_, values) = response else { return };
            let (mut uid, mut size, mut received) = (None, None, None);
            for value in values {
                match value {
                    AttributeValue::Uid(value) => uid = Some(*value),
                    AttributeValue::Rfc822Size(value) => size = Some(u64::from(*value)),
                    AttributeValue::InternalDate(text) => received = internal_date(text),
                    _ => {}
                }
            }
            // Unsolicited FETCH answers (flags that others change) carry no size; other mails were not asked for.
            if let (Some(uid), Some(size)) = (uid, size)
                && uids.0.contains(&uid)
            {
                metas.insert(uid, Meta { uid, size, received });
            }
        });
        partly(asking.await)?;
        Ok(metas)
    }

    /// The raw originals of these mails, of about `expected` bytes together, without marking them read.
    pub(crate) async fn bodies(
        &mut self,
        uids: &UidSet,
        expected: u64,
    ) -> Result<BTreeMap<u32, Bytes>, MailError> {
        let mut bodies = BTreeMap::new();
        let line = format!("UID FETCH {uids} (UID BODY.PEEK[])");
        // Sizes are hints: twice as much is still bearable, a gigabyte is not.
        let allowance = expected * 2 + FRAME * uids.0.len() as u64 + 1024 * 1024;
        let asking = self.command("UID FETCH", &line, allowance, |response| {
            if let Some((uid, body)) = body_of(response)
                && uids.0.contains(&uid)
            {
                bodies.entry(uid).or_insert(body);
            }
        });
        partly(asking.await)?;
        Ok(bodies)
    }

    /// `length` bytes of one mail from `offset` on, fewer at its end; `None` where the server does not give them.
    pub(crate) async fn slice(
        &mut self,
        uid: u32,
        offset: u64,
        length: u64,
    ) -> Result<Option<Bytes>, MailError> {
        let mut slice = None;
        let line = format!("UID FETCH {uid} (UID BODY.PEEK[]<{offset}.{length}>)");
        let asking = self.command("UID FETCH", &line, length + FRAME, |response| {
            if let Some((came, body)) = body_of(response)
                && came == uid
            {
                slice.get_or_insert(body);
            }
        });
        partly(asking.await)?;
        Ok(slice)
    }

    /// Adds flags or keywords.
    pub(crate) async fn add_flags(&mut self, uids: &UidSet, flags: &'static str) -> Result<(), MailError> {
        let line = format!("UID STORE {uids} +FLAGS.SILENT ({flags})");
        self.command("UID STORE", &line, FRAME * uids.0.len() as u64, |_| ()).await
    }

    /// Moves in one step (RFC 6851). UIDs that are gone do no harm.
    pub(crate) async fn move_to(&mut self, uids: &UidSet, folder: &str) -> Result<(), MailError> {
        let line = format!("UID MOVE {uids} {}", quote(&encode(folder))?);
        self.command("UID MOVE", &line, FRAME * uids.0.len() as u64, |_| ()).await
    }

    /// Copies.
    pub(crate) async fn copy_to(&mut self, uids: &UidSet, folder: &str) -> Result<(), MailError> {
        let line = format!("UID COPY {uids} {}", quote(&encode(folder))?);
        self.command("UID COPY", &line, FRAME * uids.0.len() as u64, |_| ()).await
    }

    /// Makes a folder.
    pub(crate) async fn create(&mut self, folder: &str) -> Result<(), MailError> {
        let line = format!("CREATE {}", quote(&encode(folder))?);
        self.command("CREATE", &line, 0, |_| ()).await
    }

    /// Removes these mails and no others (RFC 4315): never a plain EXPUNGE, which takes what people marked deleted.
    pub(crate) async fn expunge(&mut self, uids: &UidSet) -> Result<(), MailError> {
        let line = format!("UID EXPUNGE {uids}");
        self.command("UID EXPUNGE", &line, FRAME * uids.0.len() as u64, |_| ()).await
    }
}

/// A FETCH that ends in NO may have returned some all the same (RFC 2180 4.1.2); what is missing is known to be missing.
fn partly(answer: Result<(), MailError>) -> Result<(), MailError> {
    match answer {
        Err(MailError::Refused { .. }) => Ok(()),
        other => other,
    }
}

fn body_of(response: &Response<'_>) -> Option<(u32, Bytes)> {
    let Response::Fetch(_, values) = response else { return None };
    let (mut uid, mut body) = (None, None);
    for value in values {
        match value {
            AttributeValue::Uid(value) => uid = Some(*value),
            // NIL and an empty string both mean that there is nothing there.
            AttributeValue::BodySection { section: None, data, .. } => {
                body = Some(data.as_deref().map(Bytes::copy_from_slice).unwrap_or_default());
            }
            _ => {}
        }
    }
    uid.zip(body)
}

/// `17-Jul-1996 02:44:25 -0700`, its day padded with a space or not.
fn internal_date(text: &str) -> Option<Timestamp> {
    strtime::parse("%d-%b-%Y %H:%M:%S %z", text.trim()).ok()?.to_timestamp().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_dates_are_read() {
        let expected: Timestamp = "1996-07-17T09:44:25Z".parse().unwrap();
        assert_eq!(internal_date("17-Jul-1996 02:44:25 -0700"), Some(expected));
        assert_eq!(internal_date(" 7-Jul-1996 02:44:25 +0000"), "1996-07-07T02:44:25Z".parse().ok());
        assert_eq!(internal_date("yesterday"), None);
    }
}
