//! How much one sender may bring at a time: contacts (T76) and bytes (T32).
//!
//! The store's budgets decide, so that all gateways count together. A sender is only brought before the store once this
//! process has seen a noteworthy part of the limit from them: what nearly everybody sends costs no extra step. What was
//! counted here meanwhile is then taken at once. Several gateways may so let in a few more than the limit, never fewer.
//! A contact that is known already is not counted again, and doubt grants: accept itself refuses where the store is gone.

use crate::pipeline::Shared;
use lodge_domain::ports::{BudgetVerdict, Lookup, Tally};
use lodge_domain::{
    Assurance, Contact, Digest, EnvelopeId, HandleKind, OriginKind, SignedDuration, Timestamp, digest_parts,
};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// Senders remembered at a time. Where they are all busy, further ones are brought before the store each time.
const MOST_SENDERS: usize = 50_000;
/// Contacts of one sender that are told apart; further repeats are found in the store.
const MOST_SEEN: usize = 2_000;

/// What this process saw of senders in the windows that are open.
#[derive(Default)]
pub(crate) struct Allowances {
    senders: Mutex<HashMap<Digest, Sender>>,
}

struct Sender {
    until: Timestamp,
    /// Units seen and not yet taken from the store.
    owed: u64,
    /// Units seen.
    seen: u64,
    contacts: HashSet<EnvelopeId>,
    /// The store said no until then.
    exhausted: Option<(String, Timestamp)>,
}

/// One thing to be counted.
struct Asked {
    key: Digest,
    contact: EnvelopeId,
    window: SignedDuration,
    amount: u64,
    /// Units within a window up to which the store is not asked.
    unasked: u64,
}

enum Look {
    /// Known, or too little to ask.
    Fine,
    Ask(u64),
    Exhausted(BudgetVerdict),
}

impl Allowances {
    fn look(&self, asked: &Asked, now: Timestamp) -> Look {
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        if senders.len() >= MOST_SENDERS && !senders.contains_key(&asked.key) {
            senders.retain(|_, sender| sender.until > now);
            if senders.len() >= MOST_SENDERS {
                return Look::Ask(asked.amount);
            }
        }
        let fresh = || Sender {
            until: now.saturating_add(asked.window).unwrap_or(Timestamp::MAX),
            owed: 0,
            seen: 0,
            contacts: HashSet::new(),
            exhausted: None,
        };
        let sender = senders.entry(asked.key).or_insert_with(fresh);
        let ends = sender.exhausted.as_ref().map_or(sender.until, |(_, until)| *until);
        if ends <= now {
            *sender = fresh();
        }
        if sender.contacts.contains(&asked.contact) {
            return Look::Fine;
        }
        if let Some((label, until)) = &sender.exhausted {
            return Look::Exhausted(BudgetVerdict::Exhausted { label: label.clone(), until: *until });
        }
        if sender.contacts.len() < MOST_SEEN {
            sender.contacts.insert(asked.contact.clone());
        }
        sender.seen = sender.seen.saturating_add(asked.amount);
        sender.owed = sender.owed.saturating_add(asked.amount);
        if sender.seen <= asked.unasked { Look::Fine } else { Look::Ask(std::mem::take(&mut sender.owed)) }
    }

    /// Takes back what turned out to be known before.
    fn forget(&self, asked: &Asked, owed: u64) {
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = senders.get_mut(&asked.key) {
            sender.seen = sender.seen.saturating_sub(asked.amount);
            sender.owed = sender.owed.saturating_add(owed.saturating_sub(asked.amount));
        }
    }

    /// Notes that the store said no, to this one and, with `until`, to all that follow until then.
    fn refused(&self, asked: &Asked, until: Option<(String, Timestamp)>) {
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = senders.get_mut(&asked.key) {
            // Handed in once more, it is to be told the same.
            sender.contacts.remove(&asked.contact);
            if until.is_some() {
                sender.exhausted = until;
            }
        }
    }
}

/// Who a contact counts for: nobody uses up the allowance of somebody they only claim to be, and who has no address shares
/// one with all others of that kind.
fn sender(contact: &Contact) -> [&[u8]; 4] {
    let handle = &contact.from.handle;
    let nameless = handle.kind == HandleKind::Anonymous && contact.return_path.is_none();
    let assurance: &[u8] = match contact.from.assurance {
        Assurance::Authenticated => b"authenticated",
        Assurance::Unverified => b"unverified",
        Assurance::Failed => b"failed",
    };
    let kind: &[u8] = match handle.kind {
        HandleKind::Email => b"email",
        HandleKind::Phone => b"phone",
        HandleKind::Account => b"account",
        HandleKind::Anonymous => b"anonymous",
    };
    let value = if nameless { "" } else { handle.value.as_str() };
    [contact.inbox.name.as_str().as_bytes(), assurance, kind, value.as_bytes()]
}

fn key_of(contact: &Contact, what: &[u8]) -> Digest {
    let mut parts: Vec<&[u8]> = vec![b"allowance", what];
    parts.extend(sender(contact));
    digest_parts(&parts)
}

fn unsigned(window: SignedDuration) -> std::time::Duration {
    window.unsigned_abs()
}

/// Counts `contact`; the end of the window where its sender sent too many, and the words for it.
pub(crate) async fn too_many(shared: &Shared, contact: &Contact) -> Option<(Digest, String, Timestamp)> {
    if contact.backfill {
        return None;
    }
    let live = shared.live();
    let settings = &live.settings.allowances;
    let inbox = live.settings.inboxes.get(&contact.inbox.name);
    let human = contact.origin.kind == OriginKind::Human;
    let limit = if human {
        inbox.and_then(|inbox| inbox.burst).unwrap_or(settings.burst)
    } else {
        inbox.and_then(|inbox| inbox.burst_automated).unwrap_or(settings.burst_automated)
    };
    if limit == 0 {
        return None;
    }
    let key = key_of(contact, if human { b"contacts" } else { b"automated contacts" });
    let asked = Asked {
        key,
        contact: EnvelopeId::of_contact(&contact.dedupe.digest(contact.brand())),
        window: settings.burst_window,
        amount: 1,
        unasked: shared.unasked(limit / 4),
    };
    let label = format!("more than {limit} contacts of one sender in {:#}", settings.burst_window);
    let tally = |amount| vec![Tally { key, label, window: unsigned(settings.burst_window), limit, amount }];
    match ask(shared, contact, &asked, tally).await {
        BudgetVerdict::Granted => None,
        BudgetVerdict::Exhausted { label, until } => Some((key, label, until)),
    }
}

/// Counts `bytes` of `contact`.
pub(crate) async fn bytes(shared: &Shared, contact: &Contact, bytes: u64) -> BudgetVerdict {
    const MIB: u64 = 1 << 20;
    if contact.backfill {
        return BudgetVerdict::Granted;
    }
    let live = shared.live();
    let settings = &live.settings.allowances;
    let key = key_of(contact, b"bytes");
    let window = unsigned(settings.bytes_window);
    let limits = [
        (key, "one sender", settings.sender_bytes),
        (digest_parts(&[b"allowance", b"bytes of all"]), "all senders", settings.brand_bytes),
    ];
    let limits: Vec<_> = limits.into_iter().filter(|(_, _, limit)| *limit > 0).collect();
    let Some(least) = limits.iter().map(|(_, _, limit)| *limit).min() else { return BudgetVerdict::Granted };
    let asked = Asked {
        key,
        contact: EnvelopeId::of_contact(&contact.dedupe.digest(contact.brand())),
        window: settings.bytes_window,
        amount: bytes,
        unasked: shared.unasked(MIB.min(least / 4)),
    };
    let tally = |amount| {
        let one = |(key, whose, limit): (Digest, &str, u64)| {
            let label = format!("more than {} MiB of {whose} in {:#}", limit / MIB, settings.bytes_window);
            Tally { key, label, window, limit, amount }
        };
        limits.into_iter().map(one).collect()
    };
    ask(shared, contact, &asked, tally).await
}

async fn ask(
    shared: &Shared,
    contact: &Contact,
    asked: &Asked,
    tallies: impl FnOnce(u64) -> Vec<Tally>,
) -> BudgetVerdict {
    let amount = match shared.allowances.look(asked, shared.now()) {
        Look::Fine => return BudgetVerdict::Granted,
        Look::Exhausted(verdict) => return verdict,
        Look::Ask(amount) => amount,
    };
    let brand = contact.brand();
    let known = shared.store.ledger.find(brand, Lookup::Envelope(asked.contact.clone())).await;
    if known.is_ok_and(|known| !known.is_empty()) {
        shared.allowances.forget(asked, amount);
        return BudgetVerdict::Granted;
    }
    match shared.store.budgets.take(brand, &tallies(amount)).await {
        Ok(BudgetVerdict::Exhausted { label, until }) => {
            // A big one that does not fit says nothing about smaller ones.
            let all = (asked.amount == 1).then(|| (label.clone(), until));
            shared.allowances.refused(asked, all);
            BudgetVerdict::Exhausted { label, until }
        }
        Ok(BudgetVerdict::Granted) => BudgetVerdict::Granted,
        Err(error) => {
            tracing::debug!(%error, "the store was not asked for an allowance");
            BudgetVerdict::Granted
        }
    }
}
