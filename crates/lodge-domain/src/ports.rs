//! The ports between rooms: traits whose contracts stand above them.

pub mod blobs;
pub mod clock;
pub mod core_commands;
pub mod entropy;
pub mod intake;
pub mod replier;
pub mod sink;
pub mod store;

pub use blobs::{BlobError, BlobWriter, Blobs};
pub use clock::Clock;
pub use core_commands::{
    AnsweredCount, CommandError, CoreCommands, History, NewReply, ReplyQueued, StatusChange,
};
pub use entropy::Entropy;
pub use intake::{Intake, Outcome, Refusal};
pub use replier::{Hint, Replier};
pub use sink::{SinkAnswer, TicketSink};
pub use store::{
    BudgetVerdict, Budgets, Counts, DeadLetter, DeadLetters, Feed, FeedCursor, FeedItem, FeedPage,
    Housekeeping, InboxState, LaneDepth, Lease, Leases, Ledger, Lookup, PurgeClass, StateValue, Store,
    StoreError, Tally, TimelineChanges, TimelineCursor, TimelinePage, Timelines, WorkQueue,
};
