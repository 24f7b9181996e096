//! The store, in facets: each holder sees only its own. One implementation offers all of them.

mod budgets;
mod dead_letters;
mod feed;
mod housekeeping;
mod inbox_state;
mod leases;
mod ledger;
mod timelines;
mod work;

pub use budgets::{BudgetVerdict, Budgets, Tally};
pub use dead_letters::{DeadLetter, DeadLetters};
pub use feed::{Feed, FeedCursor, FeedItem, FeedPage};
pub use housekeeping::{Counts, Housekeeping, LaneDepth, PurgeClass};
pub use inbox_state::{InboxState, StateValue};
pub use leases::{Lease, Leases};
pub use ledger::{Ledger, Lookup};
pub use timelines::{TimelineChanges, TimelineCursor, TimelinePage, Timelines};
pub use work::WorkQueue;

/// Everything a store offers; only the composition root holds this.
pub trait Store:
    Ledger
    + Timelines
    + WorkQueue
    + Feed
    + DeadLetters
    + InboxState
    + Leases
    + Budgets
    + Housekeeping
    + Send
    + Sync
{
}

impl<T> Store for T where
    T: Ledger
        + Timelines
        + WorkQueue
        + Feed
        + DeadLetters
        + InboxState
        + Leases
        + Budgets
        + Housekeeping
        + Send
        + Sync
{
}

/// Why a store did not do what was asked. Nothing is promised then; repeating is always safe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Too many callers wait already.
    #[error("too many requests wait for the store")]
    Busy,
    /// It does not answer, or answers that it cannot now.
    #[error("the store does not answer: {0}")]
    Unavailable(String),
    /// There is no room left.
    #[error("the store is full: {0}")]
    Full(String),
    /// A record cannot be read: written by a newer version, or damaged.
    #[error("a stored record cannot be read: {0}")]
    Unreadable(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}
