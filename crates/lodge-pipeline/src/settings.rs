//! What the operator may set, as plain values: the configuration file is read elsewhere. Defaults are the published ones.

use crate::Templates;
use jiff::SignedDuration;
use lodge_domain::{BrandName, InboxName, Suspicion};
use lodge_triage::Rules;
use std::collections::{BTreeMap, BTreeSet};

/// Whom acknowledgments may answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// Only senders whose authentication passed.
    #[default]
    Authenticated,
    /// Unverified senders too; never failed ones.
    Anyone,
}

/// Acknowledgments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcknowledgmentSettings {
    /// Whether contacts are acknowledged at all.
    pub enabled: bool,
    /// Whom they may answer.
    pub to: Audience,
    /// How many one address gets in an hour.
    pub address_per_hour: u64,
    /// How many one address gets in a day.
    pub address_per_day: u64,
    /// How many unverified addresses get in an hour, all together.
    pub unverified_per_hour: u64,
    /// Older contacts are not acknowledged.
    pub max_age: SignedDuration,
    /// The language where neither the contact nor its inbox has one.
    pub language: String,
    /// What the built-in texts are signed with.
    pub signature: Option<String>,
}

impl Default for AcknowledgmentSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            to: Audience::Authenticated,
            address_per_hour: 3,
            address_per_day: 10,
            unverified_per_hour: 1000,
            max_age: SignedDuration::from_hours(24),
            language: "en".to_owned(),
            signature: None,
        }
    }
}

/// How long records are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionSettings {
    /// Dedupe memory.
    pub dedupe: SignedDuration,
    /// Conversations after their last contact.
    pub conversations: SignedDuration,
    /// What was said in sessions, after the last of it; less than a day is a day.
    pub timelines: SignedDuration,
    /// Events in the feed; less than 14 days are 14 days.
    pub feed: SignedDuration,
    /// Keys of commands, windows of budgets, ended leases.
    pub transient: SignedDuration,
    /// Raw originals and attachments, and the links to them.
    pub originals: SignedDuration,
}

impl Default for RetentionSettings {
    fn default() -> Self {
        let days = |days: i64| SignedDuration::from_hours(24 * days);
        Self {
            // One memory for all doors, as long as the longest needs: a mailbox can be read again.
            dedupe: days(400),
            conversations: days(400),
            timelines: days(181),
            feed: days(14),
            transient: days(35),
            originals: days(30),
        }
    }
}

/// How much one sender may bring at a time; 0 means that there is no such limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllowanceSettings {
    /// Contacts of one sender within `burst_window`; more are kept and collapsed.
    pub burst: u64,
    /// The same for senders that are programs.
    pub burst_automated: u64,
    /// The window of both.
    pub burst_window: SignedDuration,
    /// Bytes of originals and attachments that are kept of one sender within `bytes_window`.
    pub sender_bytes: u64,
    /// Bytes of originals and attachments that are kept of all senders of one brand within `bytes_window`.
    pub brand_bytes: u64,
    /// The window of both.
    pub bytes_window: SignedDuration,
}

impl Default for AllowanceSettings {
    fn default() -> Self {
        Self {
            burst: 200,
            burst_automated: 200,
            burst_window: SignedDuration::from_mins(10),
            sender_bytes: 1 << 30,
            brand_bytes: 50 << 30,
            bytes_window: SignedDuration::from_hours(24),
        }
    }
}

/// What is known of an inbox beside its door.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InboxFacts {
    /// The brand it belongs to; `None` for the unnamed one.
    pub brand: Option<BrandName>,
    /// The language of its acknowledgments where the contact's is unknown.
    pub language: Option<String>,
    /// Its own [`AllowanceSettings::burst`].
    pub burst: Option<u64>,
    /// Its own [`AllowanceSettings::burst_automated`].
    pub burst_automated: Option<u64>,
}

/// Everything that a reload may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Acknowledgments.
    pub acknowledgment: AcknowledgmentSettings,
    /// Mask card numbers before anything is forwarded or logged.
    pub mask_cards: bool,
    /// How long records are kept.
    pub retention: RetentionSettings,
    /// The inboxes.
    pub inboxes: BTreeMap<InboxName, InboxFacts>,
    /// What puts an attachment under quarantine.
    pub quarantines: BTreeSet<Suspicion>,
    /// How much one sender may bring at a time.
    pub allowances: AllowanceSettings,
    /// How long replies are tried.
    pub reply_retry: SignedDuration,
    /// How long events are tried while the core answers.
    pub forward_retry: SignedDuration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            acknowledgment: AcknowledgmentSettings::default(),
            mask_cards: true,
            retention: RetentionSettings::default(),
            inboxes: BTreeMap::new(),
            quarantines: Suspicion::ALL.into(),
            allowances: AllowanceSettings::default(),
            reply_retry: SignedDuration::from_hours(48),
            forward_retry: SignedDuration::from_hours(24),
        }
    }
}

/// Bounds that hold for the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Batches that may be accepted at a time; more are refused as busy.
    pub accepts: usize,
    /// Envelopes triaged at a time.
    pub triage: usize,
    /// Events on their way to the core at a time.
    pub forward: usize,
    /// Replies, and acknowledgments, on their way out of one inbox at a time.
    pub outbound: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { accepts: 2048, triage: 64, forward: 32, outbound: 4 }
    }
}

/// What is in force right now: replaced as a whole by a reload.
#[derive(Debug)]
pub struct Live {
    /// Compiled rules and queues.
    pub rules: Rules,
    /// Settings.
    pub settings: Settings,
    /// Texts of acknowledgments.
    pub templates: Templates,
}
