//! Which mails are fetched together: many small ones in one command, a big one alone in slices, a suspect alone and last.

use crate::imap::{Meta, UidSet};
use std::collections::{BTreeMap, VecDeque};

/// Up to this size a mail is parsed whole; above, its head and beginning are.
pub(crate) const MAIL_LIMIT: u64 = 35 * 1024 * 1024;
/// Up to this size the raw original is kept; above, the mail stays where it is.
pub(crate) const RAW_LIMIT: u64 = 150 * 1024 * 1024;
/// What is read of a mail above [`MAIL_LIMIT`].
pub(crate) const HEAD: u64 = 256 * 1024;
/// Above this size a mail is fetched alone, in slices of this size.
pub(crate) const SLICE: u64 = 1024 * 1024;

const MOST_MAILS: usize = 200;
const MOST_BYTES: u64 = 8 * 1024 * 1024;

/// What is fetched at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Batch {
    /// Small mails, in one command.
    Together(Vec<Meta>),
    /// One mail, in slices where it is big.
    Alone(Meta),
}

impl Batch {
    /// The UIDs in it.
    pub(super) fn uids(&self) -> UidSet {
        match self {
            Self::Together(metas) => metas.iter().map(|meta| meta.uid).collect(),
            Self::Alone(meta) => [meta.uid].into_iter().collect(),
        }
    }
}

/// Batches of `metas`, oldest first; those that `troubles` counts come alone and last, the least troubled first, so that
/// one mail which ends every session holds up no other.
pub(super) fn plan(metas: &BTreeMap<u32, Meta>, troubles: &BTreeMap<u32, u32>) -> VecDeque<Batch> {
    let mut batches = VecDeque::new();
    let mut together: Vec<Meta> = Vec::new();
    let mut bytes = 0;
    let mut suspects: Vec<(u32, Meta)> = Vec::new();
    for meta in metas.values() {
        if let Some(count) = troubles.get(&meta.uid) {
            suspects.push((*count, *meta));
            continue;
        }
        let full = together.len() >= MOST_MAILS || bytes + meta.size > MOST_BYTES || meta.size > SLICE;
        if full && !together.is_empty() {
            batches.push_back(Batch::Together(std::mem::take(&mut together)));
            bytes = 0;
        }
        if meta.size > SLICE {
            batches.push_back(Batch::Alone(*meta));
        } else {
            together.push(*meta);
            bytes += meta.size;
        }
    }
    if !together.is_empty() {
        batches.push_back(Batch::Together(together));
    }
    suspects.sort_by_key(|(count, meta)| (*count, meta.uid));
    batches.extend(suspects.into_iter().map(|(_, meta)| Batch::Alone(meta)));
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metas(sizes: &[u64]) -> BTreeMap<u32, Meta> {
        (1..).zip(sizes).map(|(uid, size)| (uid, Meta { uid, size: *size, received: None })).collect()
    }

    #[test]
    fn small_mails_come_together_within_the_budget_and_big_ones_alone() {
        let sizes = [10, 20, SLICE + 1, 30, SLICE, SLICE, SLICE, SLICE, SLICE, SLICE, SLICE, SLICE, 5];
        let batches = plan(&metas(&sizes), &BTreeMap::new());
        let uids: Vec<String> = batches.iter().map(|batch| batch.uids().to_string()).collect();
        assert_eq!(uids, ["1:2", "3", "4:11", "12:13"]);
        let many = plan(&metas(&[1; 450]), &BTreeMap::new());
        assert_eq!(many.iter().map(|batch| batch.uids().0.len()).collect::<Vec<_>>(), [200, 200, 50]);
    }

    #[test]
    fn a12_suspects_come_alone_and_last_the_least_troubled_first() {
        let batches = plan(&metas(&[1, 1, 1, 1]), &[(1, 2), (3, 1)].into());
        let uids: Vec<String> = batches.iter().map(|batch| batch.uids().to_string()).collect();
        assert_eq!(uids, ["2,4", "3", "1"]);
    }
}
