//! What a session leaves behind: what the next one should know, and why it ended.

use super::filing::FilingError;
use super::pace::Pace;
use crate::error::MailError;
use lodge_domain::ports::{BlobError, StoreError};
use std::collections::BTreeMap;

/// What outlives a session.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) pace: Pace,
    pub(super) uid_validity: u32,
    /// Tries to understand that never came to an end, or failed.
    pub(super) tries: BTreeMap<u32, u32>,
    /// Sessions that ended while this mail was being fetched.
    pub(super) deaths: BTreeMap<u32, u32>,
    /// How many mails are looked at together; fewer after sessions that ended by looking.
    pub(super) look: Option<usize>,
}

/// Why a session ended before it was told to.
#[derive(Debug)]
pub(super) enum SyncError {
    Mail(MailError),
    Filing(FilingError),
    /// Another gateway moved the cursor.
    Overtaken,
}

impl From<MailError> for SyncError {
    fn from(error: MailError) -> Self {
        Self::Mail(error)
    }
}

impl From<FilingError> for SyncError {
    fn from(error: FilingError) -> Self {
        Self::Filing(error)
    }
}

impl From<StoreError> for SyncError {
    fn from(error: StoreError) -> Self {
        Self::Filing(error.into())
    }
}

impl From<BlobError> for SyncError {
    fn from(error: BlobError) -> Self {
        Self::Filing(error.into())
    }
}
