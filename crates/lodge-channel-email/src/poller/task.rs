//! The task of one mailbox: wins the lease, runs sessions, waits longer after each failure, says how it fares.

use super::filing::FilingError;
use super::lease;
use super::outcome::{Memory, SyncError};
use super::pace::Pace;
use super::sync;
use crate::config::ImapSettings;
use crate::error::MailError;
use crate::imap::Account;
use crate::importer::Reader;
use lodge_channel::{Context, Health, Task, TaskError};
use lodge_domain::ports::{Lease, Refusal};
use std::sync::Arc;
use std::time::Duration;

/// A mailbox, and everything that reading it needs.
pub(crate) struct Mailbox {
    pub(crate) settings: ImapSettings,
    pub(crate) account: Account,
    pub(crate) context: Context,
    pub(crate) reader: Arc<Reader>,
    pub(crate) health: Arc<Health>,
}

impl Mailbox {
    /// The same for all gateways and inboxes that read this folder of this account.
    pub(super) fn lease_name(&self) -> String {
        let target = &self.account.target;
        let (host, folder) = (target.host.to_ascii_lowercase(), &self.settings.folder);
        format!("imap:{host}:{}:{}:{folder}", target.port, self.account.username)
    }

    pub(super) fn holder(&self) -> String {
        format!("{}/{}", self.context.node, self.context.inbox.name)
    }
}

/// The task that reads `mailbox` until the house closes.
pub(crate) fn task(mailbox: Arc<Mailbox>) -> Task {
    let name = format!("mailbox of {}", mailbox.context.inbox.name);
    Task::new(name, move || run(Arc::clone(&mailbox)))
}

async fn run(mailbox: Arc<Mailbox>) -> Result<(), TaskError> {
    let mut memory = Memory::default();
    while let Some(held) = lease::win(&mailbox).await {
        let outcome = session(&mailbox, &mut memory, &held).await;
        lease::give_back(&mailbox, &held).await;
        let Err(error) = outcome else { continue };
        let wait = report(&mailbox, &mut memory.pace, &error);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = mailbox.context.shutdown.cancelled() => {}
        }
    }
    Ok(())
}

/// One session under a lease; a lost lease lets it finish the batch in hand.
async fn session(mailbox: &Mailbox, memory: &mut Memory, held: &Lease) -> Result<(), SyncError> {
    let stop = mailbox.context.shutdown.child_token();
    let syncing = sync::run(mailbox, memory, &stop);
    let holding = lease::hold(mailbox, held);
    tokio::pin!(syncing, holding);
    tokio::select! {
        outcome = &mut syncing => outcome,
        () = &mut holding => {
            stop.cancel();
            syncing.await
        }
    }
}

/// Tells the operator where it is worth it, and how long to wait.
fn report(mailbox: &Mailbox, pace: &mut Pace, error: &SyncError) -> Duration {
    let random = mailbox.context.entropy.number();
    let folder = &mailbox.settings.folder;
    match error {
        SyncError::Overtaken => Duration::from_secs(1),
        SyncError::Mail(error) => {
            let wait = pace.after(Some(error), random);
            let passing = matches!(error, MailError::Lost | MailError::Silent(_)) && pace.failures() < 2;
            if pace.gave_up() {
                let words = "tried five times in a row, now once an hour; restart once it is put right";
                mailbox.health.fails(format!("{}; {words}", error.advice()));
            } else if !passing {
                mailbox.health.fails(format!("folder {folder}: {}", error.advice()));
            }
            wait
        }
        SyncError::Filing(FilingError::Refused(Refusal::Closing)) => Duration::from_millis(100),
        SyncError::Filing(FilingError::Refused(refusal)) => {
            mailbox.health.fails(format!("mail waits in the mailbox: {refusal}"));
            pace.after(None, random).max(refusal.retry_after())
        }
        SyncError::Filing(FilingError::Unavailable(reason)) => {
            mailbox
                .health
                .fails(format!("mail waits in the mailbox: {reason}; look at the store and the blobs"));
            pace.after(None, random)
        }
    }
}
