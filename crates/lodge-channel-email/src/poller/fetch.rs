//! Fetches mails: small ones together, big ones in slices, giants into blobs without ever being whole in memory (A11), if
//! their senders' allowances have room for them (T32).

use super::plan::{Batch, HEAD, MAIL_LIMIT, RAW_LIMIT, SLICE};
use crate::error::MailError;
use crate::imap::{Meta, Session};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use lodge_domain::BlobRef;
use lodge_domain::ports::{BlobError, BlobWriter, Blobs};

/// A mail as it came.
#[derive(Debug)]
pub(super) struct Mail {
    pub(super) uid: u32,
    pub(super) received: Option<Timestamp>,
    /// All of it, or its beginning.
    pub(super) raw: Bytes,
    /// Its full size, where `raw` is only its beginning.
    pub(super) truncated: Option<u64>,
    /// The whole original, where that is kept already.
    pub(super) kept: Option<BlobRef>,
    /// Too big to keep: it stays in the mailbox.
    pub(super) stays: bool,
    /// Why it is not even tried to be understood.
    pub(super) broken: Option<&'static str>,
}

/// Why fetching ended.
#[derive(Debug)]
pub(super) enum FetchError {
    Mail(MailError),
    Blobs(BlobError),
}

impl From<MailError> for FetchError {
    fn from(error: MailError) -> Self {
        Self::Mail(error)
    }
}

impl From<BlobError> for FetchError {
    fn from(error: BlobError) -> Self {
        Self::Blobs(error)
    }
}

/// Says whether a giant may be kept.
#[async_trait]
pub(super) trait Grants: Send + Sync {
    /// Whether `size` bytes of the mail that begins with `head` may be kept.
    async fn grants(&self, meta: &Meta, head: &Bytes, size: u64) -> bool;
}

/// The mails of a batch that the server returned; a UID that is missing from the answer is not done.
pub(super) async fn fetch(
    session: &mut Session,
    batch: &Batch,
    blobs: &dyn Blobs,
    grants: &dyn Grants,
) -> Result<Vec<Mail>, FetchError> {
    match batch {
        Batch::Together(metas) => {
            let expected = metas.iter().map(|meta| meta.size).sum();
            let bodies = session.bodies(&batch.uids(), expected).await?;
            let mail = |meta: &Meta| bodies.get(&meta.uid).and_then(|raw| whole(meta, raw.clone()));
            Ok(metas.iter().filter_map(mail).collect())
        }
        Batch::Alone(meta) => Ok(alone(session, meta, blobs, grants).await?.into_iter().collect()),
    }
}

fn whole(meta: &Meta, raw: Bytes) -> Option<Mail> {
    // An empty answer for a mail that has a size is no mail.
    let believable = !raw.is_empty() || meta.size == 0;
    believable.then(|| Mail {
        uid: meta.uid,
        received: meta.received,
        raw,
        truncated: None,
        kept: None,
        stays: false,
        broken: None,
    })
}

async fn alone(
    session: &mut Session,
    meta: &Meta,
    blobs: &dyn Blobs,
    grants: &dyn Grants,
) -> Result<Option<Mail>, FetchError> {
    if meta.size > RAW_LIMIT {
        let head = session.slice(meta.uid, 0, HEAD).await?;
        return Ok(head.filter(|head| !head.is_empty()).map(|head| beginning(meta, head, meta.size, None)));
    }
    // Sizes are hints: what turns out to be bigger than it said is written out from there on.
    let mut writer: Option<Box<dyn BlobWriter>> = None;
    let mut memory = BytesMut::new();
    let mut length = 0_u64;
    loop {
        let slice = session.slice(meta.uid, length, SLICE).await?;
        let Some(slice) = slice else {
            return Ok(None);
        };
        length += slice.len() as u64;
        let last = (slice.len() as u64) < SLICE;
        match &mut writer {
            Some(writer) => writer.write(slice).await?,
            None => memory.extend_from_slice(&slice),
        }
        if writer.is_none() && !memory.is_empty() && length.max(meta.size) > MAIL_LIMIT {
            let whole = memory.split().freeze();
            let head = whole.slice(..whole.len().min(HEAD as usize));
            if !grants.grants(meta, &head, length.max(meta.size)).await {
                return Ok(Some(beginning(meta, head, length.max(meta.size), None)));
            }
            let mut started = blobs.begin().await?;
            started.write(whole).await?;
            memory.extend_from_slice(&head);
            writer = Some(started);
        }
        if last {
            break;
        }
        if length > RAW_LIMIT {
            return Ok(Some(beginning(meta, memory.freeze(), length.max(meta.size), None)));
        }
    }
    let raw = memory.freeze();
    match writer {
        None => Ok(whole(meta, raw)),
        Some(_) if raw.is_empty() => Ok(None),
        Some(writer) => Ok(Some(beginning(meta, raw, length, Some(writer.finish().await?)))),
    }
}

fn beginning(meta: &Meta, raw: Bytes, size: u64, kept: Option<BlobRef>) -> Mail {
    let stays = kept.is_none();
    let (uid, received) = (meta.uid, meta.received);
    Mail { uid, received, raw, truncated: Some(size), kept, stays, broken: None }
}
