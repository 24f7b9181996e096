//! Mails that cannot be understood or fetched: noted among the dead letters, and filed as contacts flagged `unparsed`, so
//! that a person looks at them and the next mail goes on (A12).

use super::fetch::Mail;
use crate::imap::Meta;
use bytes::Bytes;
use lodge_channel::{Attempts, Context};
use lodge_domain::ports::{DeadLetter, StoreError};
use lodge_domain::{BlobRef, Lane, NewWork, WorkId, WorkKind};
use lodge_telemetry::catalogue::{InboxLabels, metrics};
use serde_json::json;

/// Notes a raw original among the dead letters; nothing where it is there already.
pub(super) async fn bury(
    context: &Context,
    raw: &BlobRef,
    mail: &Mail,
    place: &str,
    why: &str,
) -> Result<(), StoreError> {
    let now = context.clock.now();
    let payload =
        json!({ "inbox": context.inbox.name, "raw": raw, "received_at": mail.received, "place": place });
    let work = NewWork {
        id: WorkId::of(&raw.sha256, "quarantine", 0),
        lane: Lane::Triage,
        kind: WorkKind::Quarantine,
        brand: context.inbox.brand.clone(),
        conversation: None,
        subject: raw.sha256.clone(),
        sequence: None,
        payload: payload.to_string(),
        due: now,
    };
    let letter = DeadLetter {
        work,
        attempts: Attempts::MOST,
        reason: "a mail could not be understood".to_owned(),
        error: why.to_owned(),
        at: now,
    };
    context.dead_letters.bury(letter).await?;
    let labels = InboxLabels {
        channel: "email".to_owned(),
        provider: "imap".to_owned(),
        inbox: context.inbox.name.to_string(),
    };
    metrics().contacts_quarantined.get_or_create(&labels).inc();
    tracing::warn!(inbox = %context.inbox.name, place, why, "mail in quarantine");
    Ok(())
}

/// Stands for a mail that the server does not hand out: says where it lies, in place of its words.
pub(super) fn stand_in(meta: &Meta, place: &str, domain: &str) -> Mail {
    let id: String = place.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '.' }).collect();
    let raw = format!(
        "Message-ID: <unfetched.{id}@{domain}>\r\nSubject: A mail that the mail server does not hand out\r\n\r\n\
         The mail server refuses or fails to hand out this mail ({place}, {size} bytes).\r\n\
         It lies unchanged in the mailbox: please look at it there.\r\n",
        size = meta.size
    );
    Mail {
        uid: meta.uid,
        received: meta.received,
        raw: Bytes::from(raw),
        truncated: None,
        kept: None,
        stays: true,
        broken: Some("the server does not hand it out"),
    }
}
