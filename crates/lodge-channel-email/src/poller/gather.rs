//! Finds what is to be read: above the watermark each time, below it now and then.

use super::cursor::Cursor;
use crate::error::MailError;
use crate::imap::{Selected, Session};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use std::collections::BTreeSet;

/// How far back mails are looked for that became visible late.
const BACK: SignedDuration = SignedDuration::from_hours(14 * 24);
/// How many UIDs are looked at again where the server keeps no keywords.
const BACK_UIDS: u32 = 200;

/// UIDs above the watermark. Its cost does not depend on how much lies below.
pub(super) async fn above(session: &mut Session, cursor: &Cursor) -> Result<BTreeSet<u32>, MailError> {
    let from = cursor.done.saturating_add(1);
    let mut found = session.search(&format!("UID {from}:*")).await?;
    // `n:*` names the last mail even if its UID is lower.
    found.retain(|uid| *uid >= from);
    Ok(found)
}

/// UIDs below the watermark that nobody ever saw: some servers show mails late.
pub(super) async fn late(
    session: &mut Session,
    folder: &Selected,
    cursor: &Cursor,
    now: Timestamp,
) -> Result<BTreeSet<u32>, MailError> {
    if cursor.done == 0 {
        return Ok(BTreeSet::new());
    }
    let found = if folder.keywords {
        let since = since(now);
        let criteria = format!("UNKEYWORD $LodgeDone UNKEYWORD $LodgeFailed SINCE {since}");
        by_keyword(session, &criteria).await?
    } else {
        let from = cursor.done.saturating_sub(BACK_UIDS).max(1);
        session.search(&format!("UID {from}:{}", cursor.done)).await?
    };
    Ok(cursor.late(&found))
}

/// The lowest UID that carries our keyword from the last days.
pub(super) async fn our_trace(
    session: &mut Session,
    folder: &Selected,
    now: Timestamp,
) -> Result<Option<u32>, MailError> {
    if !folder.keywords {
        return Ok(None);
    }
    let ours = by_keyword(session, &format!("KEYWORD $LodgeDone SINCE {}", since(now))).await?;
    Ok(ours.first().copied())
}

/// A server that cannot search for keywords finds none: our own record does without.
async fn by_keyword(session: &mut Session, criteria: &str) -> Result<BTreeSet<u32>, MailError> {
    match session.search(criteria).await {
        Err(MailError::Refused { .. }) => Ok(BTreeSet::new()),
        other => other,
    }
}

/// `7-Nov-2026`: the day fourteen days ago.
fn since(now: Timestamp) -> String {
    let day = now.checked_sub(BACK).unwrap_or(now).to_zoned(TimeZone::UTC);
    day.strftime("%-d-%b-%Y").to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn days_are_written_as_imap_does() {
        assert_eq!(super::since("2026-11-21T23:00:00Z".parse().unwrap()), "7-Nov-2026");
    }
}
