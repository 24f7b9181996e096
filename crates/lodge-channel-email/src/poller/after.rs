//! What is done with accepted mails in the mailbox: the keyword, then what `after` says. All of it may be repeated.

use super::cursor::Unfiled;
use crate::config::After;
use crate::error::MailError;
use crate::imap::{Selected, Session, UidSet};
use lodge_telemetry::failpoint::pass;

/// Flags, and moves or deletes, all of `unfiled`; what the server refuses stays in it.
///
/// # Errors
/// Those that end the session; a refused command is none of them.
pub(super) async fn file(
    session: &mut Session,
    folder: &Selected,
    after: &After,
    unfiled: &mut Unfiled,
) -> Result<Option<MailError>, MailError> {
    if folder.read_only {
        *unfiled = Unfiled::default();
        return Ok(None);
    }
    let mut refusal = None;
    if folder.keywords {
        for (set, keyword) in [(&mut unfiled.kept, "$LodgeDone"), (&mut unfiled.failed, "$LodgeFailed")] {
            settle(set, session.flag(set.clone(), keyword).await, &mut refusal)?;
        }
    } else {
        // Nothing to write, and nothing to move: our own record is all there is.
        (unfiled.kept, unfiled.failed) = (UidSet::default(), UidSet::default());
    }
    let done = unfiled.done.clone();
    settle(&mut unfiled.done, apply(session, folder, after, &done).await, &mut refusal)?;
    Ok(refusal)
}

/// Empties `set` where its command was carried out; a refusal is kept for the operator, anything else ends the session.
fn settle(
    set: &mut UidSet,
    result: Result<(), MailError>,
    refusal: &mut Option<MailError>,
) -> Result<(), MailError> {
    match result {
        Ok(()) => *set = UidSet::default(),
        Err(error @ MailError::Refused { .. }) => *refusal = Some(error),
        Err(error) => return Err(error),
    }
    Ok(())
}

async fn apply(
    session: &mut Session,
    folder: &Selected,
    after: &After,
    done: &UidSet,
) -> Result<(), MailError> {
    if done.is_empty() {
        return Ok(());
    }
    let flags = match (folder.keywords, after) {
        (true, After::Seen) => Some("$LodgeDone \\Seen"),
        (true, _) => Some("$LodgeDone"),
        (false, After::Seen) => Some("\\Seen"),
        (false, _) => None,
    };
    if let Some(flags) = flags {
        session.add_flags(done, flags).await?;
    }
    pass("c13-mail-flagged");
    match after {
        After::Keep | After::Seen => Ok(()),
        After::Move(target) => carry(session, done, target).await,
        After::Delete => delete(session, done).await,
    }
}

async fn carry(session: &mut Session, done: &UidSet, target: &str) -> Result<(), MailError> {
    if session.offers("MOVE") {
        return match session.move_to(done, target).await {
            Err(MailError::Refused { .. }) => {
                // Most likely it is not there; where it is, creating it fails and moving tells why.
                make(session, target).await?;
                session.move_to(done, target).await
            }
            other => other,
        };
    }
    if let Err(error) = session.copy_to(done, target).await {
        if !matches!(error, MailError::Refused { .. }) {
            return Err(error);
        }
        make(session, target).await?;
        session.copy_to(done, target).await?;
    }
    pass("c14-mail-copied");
    delete(session, done).await
}

async fn make(session: &mut Session, target: &str) -> Result<(), MailError> {
    match session.create(target).await {
        Err(MailError::Refused { .. }) | Ok(()) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn delete(session: &mut Session, done: &UidSet) -> Result<(), MailError> {
    session.add_flags(done, "\\Deleted").await?;
    if session.offers("UIDPLUS") {
        session.expunge(done).await?;
    } else {
        // A plain EXPUNGE would remove what people marked deleted: the mark has to do.
        tracing::debug!("the server has no UID EXPUNGE: filed mails are only marked deleted");
    }
    Ok(())
}

impl Session {
    async fn flag(&mut self, uids: UidSet, keyword: &'static str) -> Result<(), MailError> {
        if uids.is_empty() { Ok(()) } else { self.add_flags(&uids, keyword).await }
    }
}
