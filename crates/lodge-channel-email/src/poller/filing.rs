//! Files a batch of fetched mails: counted, understood, their blobs kept, accepted by the hallway in one call. Knows no
//! server; the next batch is fetched meanwhile.

use super::cursor::Cursor;
use super::fetch::{Grants, Mail};
use super::quarantine::bury;
use super::stub;
use crate::imap::Meta;
use crate::importer::Reader;
use crate::understand::{Arrival, Understood};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use lodge_channel::{Attempts, Context};
use lodge_domain::ports::{BlobError, BudgetVerdict, Refusal, StoreError};
use lodge_domain::{BlobRef, Inbound, TraceKey};
use lodge_telemetry::failpoint::pass;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How many mails of a batch are understood at once.
const THINKING: usize = 4;
/// How long a batch waits for a busy hallway before the session ends and the mails wait in the mailbox instead.
const PATIENCE: Duration = Duration::from_secs(120);

/// What became of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Filed {
    /// Accepted.
    pub(super) done: Vec<u32>,
    /// Accepted, and too big to be kept whole.
    pub(super) kept: Vec<u32>,
    /// Accepted as what could not be understood.
    pub(super) failed: Vec<u32>,
    /// Could not be understood this time; to be tried again.
    pub(super) poisoned: Vec<u32>,
}

/// Why a batch was not filed; nothing of it is done then.
#[derive(Debug)]
pub(super) enum FilingError {
    /// The hallway does not take it in.
    Refused(Refusal),
    /// The store or the blobs do not answer.
    Unavailable(String),
}

impl From<StoreError> for FilingError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<BlobError> for FilingError {
    fn from(error: BlobError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Files the mails of one incarnation of a folder.
pub(super) struct Filing {
    context: Context,
    reader: Arc<Reader>,
    attempts: Attempts,
    folder: String,
    uid_validity: u32,
}

/// How one mail came out.
enum Verdict {
    Understood(Box<Understood>),
    Failed(Box<Understood>, String),
    Poisoned,
}

impl Filing {
    pub(super) fn new(context: Context, reader: Arc<Reader>, folder: &str, uid_validity: u32) -> Self {
        let attempts = Attempts::new(Arc::clone(&context.state), context.inbox.clone(), "mail-attempts");
        Self { context, reader, attempts, folder: folder.to_owned(), uid_validity }
    }

    /// Where a mail lies, for the operator.
    pub(super) fn place(&self, uid: u32) -> String {
        format!("{}/{}/{uid}", self.folder, self.uid_validity)
    }

    /// Tries that never came to an end, by UID.
    pub(super) async fn pending(&self) -> Result<BTreeMap<u32, u32>, StoreError> {
        let prefix = self.place(0);
        let prefix = prefix.strip_suffix('0').unwrap_or(&prefix);
        let pending = self.attempts.pending().await?;
        let ours = |(key, tries): (String, u32)| Some((key.strip_prefix(prefix)?.parse().ok()?, tries));
        Ok(pending.into_iter().filter_map(ours).collect())
    }

    /// Files `mails`. `tries` says which of them were tried before, and how often; `backfill` which lay there before us.
    pub(super) async fn file(
        &self,
        mails: Vec<Mail>,
        tries: &BTreeMap<u32, u32>,
        backfill: impl Fn(Timestamp) -> bool,
    ) -> Result<Filed, FilingError> {
        pass("c1-mail-fetched");
        let keys: Vec<String> = mails.iter().map(|mail| self.place(mail.uid)).collect();
        self.attempts.begin(&keys).await?;
        pass("c4-mail-parsing");
        let mut verdicts: Vec<(Mail, Verdict)> = stream::iter(mails)
            .map(|mail| {
                let before = tries.get(&mail.uid).copied().unwrap_or(0);
                let arrival = self.arrival(&mail, &backfill);
                async move {
                    let verdict = self.understand(&mail, before, &arrival).await;
                    (mail, verdict)
                }
            })
            .buffered(THINKING)
            .collect()
            .await;
        for (mail, verdict) in &mut verdicts {
            self.within_allowance(mail, verdict).await;
        }
        let (filed, inbound) = self.keep(verdicts).await?;
        pass("c3-mail-parsed");
        let accepted = if inbound.is_empty() { Ok(()) } else { self.accept(inbound).await };
        if accepted.is_ok() {
            pass("c12-mail-accepted");
        }
        // A hallway that is busy is no fault of these mails: their tries do not count.
        let poisoned: Vec<String> = filed.poisoned.iter().map(|uid| self.place(*uid)).collect();
        let ended: Vec<String> = keys.into_iter().filter(|key| !poisoned.contains(key)).collect();
        self.attempts.end(&ended).await?;
        accepted.map(|()| filed)
    }

    /// Leaves a trace of a mail that was there and is gone.
    pub(super) async fn vanished(&self, uids: &[u32]) -> Result<(), FilingError> {
        let skipped = |uid: &u32| Inbound::Skipped {
            inbox: self.context.inbox.clone(),
            reason: "vanished from the mailbox before it could be fetched".to_owned(),
            trace_keys: vec![TraceKey(self.place(*uid))],
        };
        self.accept(uids.iter().map(skipped).collect()).await
    }

    fn arrival(&self, mail: &Mail, backfill: impl Fn(Timestamp) -> bool) -> Arrival {
        let now = self.reader.now();
        let received_at = mail.received.unwrap_or(now);
        Arrival { received_at, now, backfill: backfill(received_at), truncated: mail.truncated }
    }

    async fn understand(&self, mail: &Mail, before: u32, arrival: &Arrival) -> Verdict {
        let give_up = |why: &str| {
            Verdict::Failed(Box::new(self.reader.unparsed(&mail.raw, arrival, why)), why.to_owned())
        };
        if let Some(why) = mail.broken {
            return give_up(why);
        }
        if before >= Attempts::MOST {
            return give_up("it ended the process each time it was read");
        }
        match self.reader.understand(&mail.raw, arrival).await {
            Ok(understood) => Verdict::Understood(Box::new(understood)),
            Err(poison) if before + 1 >= Attempts::MOST => give_up(&poison.to_string()),
            Err(_) => Verdict::Poisoned,
        }
    }

    /// Makes a stub of a mail for which an allowance of bytes has no room, and lets the mail stay where it is (T32).
    async fn within_allowance(&self, mail: &mut Mail, verdict: &mut Verdict) {
        let (Verdict::Understood(understood) | Verdict::Failed(understood, _)) = verdict else { return };
        // A giant was asked for before it was fetched, and one that stays costs nothing.
        if mail.truncated.is_some() || mail.stays {
            return;
        }
        let Some(contact) = stub::contact(&understood.inbound) else { return };
        let bytes = stub::cost(mail, understood);
        if let BudgetVerdict::Exhausted { label, .. } = self.context.intake.grant(contact, bytes).await {
            stub::reduce(mail, understood, &label, &self.place(mail.uid));
        }
    }

    /// Keeps raw originals and parts; from here on the contacts may refer to them.
    async fn keep(&self, verdicts: Vec<(Mail, Verdict)>) -> Result<(Filed, Vec<Inbound>), FilingError> {
        let mut filed = Filed::default();
        let mut inbound = Vec::new();
        let mut contents: Vec<Bytes> = Vec::new();
        let mut given_up: Vec<(Mail, BlobRef, String)> = Vec::new();
        for (mail, verdict) in verdicts {
            let (understood, why) = match verdict {
                Verdict::Poisoned => {
                    filed.poisoned.push(mail.uid);
                    continue;
                }
                Verdict::Understood(understood) => (understood, None),
                Verdict::Failed(understood, why) => (understood, Some(why)),
            };
            contents.extend(understood.blobs);
            if mail.kept.is_none() {
                contents.push(mail.raw.clone());
            }
            inbound.push(with_raw(understood.inbound, mail.kept.as_ref()));
            match why {
                Some(why) => {
                    filed.failed.push(mail.uid);
                    let raw = mail.kept.clone().unwrap_or(understood.raw);
                    given_up.push((mail, raw, why));
                }
                None if mail.stays => filed.kept.push(mail.uid),
                None => filed.done.push(mail.uid),
            }
        }
        self.reader.keep(contents).await?;
        pass("c29-mail-blobs-put");
        for (mail, raw, why) in &given_up {
            bury(&self.context, raw, mail, &self.place(mail.uid), why).await?;
        }
        Ok((filed, inbound))
    }

    /// Hands over; waits for a busy hallway for a while, with the batch in hand.
    async fn accept(&self, batch: Vec<Inbound>) -> Result<(), FilingError> {
        let count = batch.len();
        let mut waited = Duration::ZERO;
        loop {
            let refusal = match self.context.intake.accept(batch.clone()).await {
                Ok(outcomes) if outcomes.len() == count => return Ok(()),
                Ok(_) => {
                    return Err(FilingError::Unavailable("the hallway left out some of a batch".to_owned()));
                }
                Err(refusal) => refusal,
            };
            let wait = refusal.retry_after().clamp(Duration::from_millis(100), Duration::from_secs(30));
            if refusal == Refusal::Closing || waited + wait > PATIENCE {
                return Err(FilingError::Refused(refusal));
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => waited += wait,
                () = self.context.shutdown.cancelled() => return Err(FilingError::Refused(Refusal::Closing)),
            }
        }
    }
}

/// The allowances of the senders of giants; what lay there before us is an archive that its owner wants.
pub(super) struct Purse<'a> {
    pub(super) filing: &'a Filing,
    pub(super) cursor: &'a Cursor,
}

#[async_trait]
impl Grants for Purse<'_> {
    async fn grants(&self, meta: &Meta, head: &Bytes, size: u64) -> bool {
        let Filing { reader, context, .. } = self.filing;
        let now = reader.now();
        let received_at = meta.received.unwrap_or(now);
        let backfill = self.cursor.is_backfill(received_at);
        let arrival = Arrival { received_at, now, backfill, truncated: Some(size) };
        let understood = reader.unparsed(head, &arrival, "only its sender is looked at");
        let Some(contact) = stub::contact(&understood.inbound) else { return true };
        context.intake.grant(contact, size).await == BudgetVerdict::Granted
    }
}

/// Points the contact to the whole original where only its beginning was read.
fn with_raw(inbound: Inbound, kept: Option<&BlobRef>) -> Inbound {
    let Some(kept) = kept else { return inbound };
    match inbound {
        Inbound::Contact(mut contact) => {
            contact.raw = Some(kept.clone());
            Inbound::Contact(contact)
        }
        Inbound::Report(mut report) => {
            if let Some(contact) = &mut report.contact {
                contact.raw = Some(kept.clone());
            }
            Inbound::Report(report)
        }
        other => other,
    }
}
