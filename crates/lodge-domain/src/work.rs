//! Durable work: what is still to be done, lane by lane.

use crate::{BrandName, ConversationId, InboxName, NodeName, WorkId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A queue of work with limits of its own. Lanes are bulkheads: one that is stuck blocks no other.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Lane {
    /// Envelopes to be triaged and later events to be announced, in the order of their sequence.
    Triage,
    /// Events on their way to the core.
    Forward,
    /// Agents' replies on their way out through an inbox.
    Reply(InboxName),
    /// Acknowledgments on their way out through an inbox; only the node that accepted the contact sends them.
    Acknowledge(InboxName, NodeName),
}

impl std::fmt::Display for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Triage => f.write_str("triage"),
            Self::Forward => f.write_str("forward"),
            Self::Reply(inbox) => write!(f, "reply/{inbox}"),
            Self::Acknowledge(inbox, node) => write!(f, "acknowledge/{inbox}@{node}"),
        }
    }
}

impl Lane {
    /// Reads what `Display` wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once('/') {
            None if text == "triage" => Some(Self::Triage),
            None if text == "forward" => Some(Self::Forward),
            Some(("reply", inbox)) => Some(Self::Reply(InboxName::parse(inbox)?)),
            Some(("acknowledge", rest)) => {
                let (inbox, node) = rest.split_once('@')?;
                Some(Self::Acknowledge(InboxName::parse(inbox)?, NodeName::parse(node)?))
            }
            _ => None,
        }
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkKind {
    /// Triage the envelope `subject`.
    Triage,
    /// Announce the later event `subject`, whose own part is the payload.
    Announce,
    /// Forward the event `subject`.
    Forward,
    /// Send the acknowledgment `subject`.
    Acknowledge,
    /// Send the reply `subject`.
    Reply,
    /// Carry the reply `subject` on to another inbox, unless it was read by then; the payload says where.
    Continue,
    /// A raw original that could not be understood; never claimed, lives among the dead letters.
    Quarantine,
}

impl WorkKind {
    /// Its name in records and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Triage => "triage",
            Self::Announce => "announce",
            Self::Forward => "forward",
            Self::Acknowledge => "acknowledge",
            Self::Reply => "reply",
            Self::Continue => "continue",
            Self::Quarantine => "quarantine",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let all = [
            Self::Triage,
            Self::Announce,
            Self::Forward,
            Self::Acknowledge,
            Self::Reply,
            Self::Continue,
            Self::Quarantine,
        ];
        all.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Work to be enqueued. Enqueuing an id that is pending or dead already changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewWork {
    /// Its id, derived from what it is about.
    pub id: WorkId,
    /// Its queue.
    pub lane: Lane,
    /// What is to be done.
    pub kind: WorkKind,
    /// Whose it is; claims rotate over brands.
    pub brand: BrandName,
    /// Within one conversation a lane hands work out in the order it was enqueued, one at a time.
    pub conversation: Option<ConversationId>,
    /// The id of the envelope, event or outbound record it is about.
    pub subject: String,
    /// The place in the conversation that its event has, where it has one.
    pub sequence: Option<u64>,
    /// Whatever else the work needs; small.
    pub payload: String,
    /// Not before this.
    pub due: Timestamp,
}

/// Work as it lies in its lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// What was enqueued.
    pub new: NewWork,
    /// How many tries failed and counted.
    pub attempts: u32,
    /// How often it was claimed, this time included: a claim that was never settled is the trace of a crash.
    pub claims: u32,
    /// A try may already have reached the far side (see `WorkQueue::mark`).
    pub marked: bool,
    /// When it was enqueued.
    pub enqueued_at: Timestamp,
}

/// The right to do one item of work until `until`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What is to be done.
    pub work: Work,
    /// Proves the right; another claim of the same work has another token.
    pub token: String,
    /// When the right ends.
    pub until: Timestamp,
}

/// How a claim ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Settlement {
    /// Done; the work is gone.
    Done,
    /// Try again at `due`; the mark is cleared.
    RetryAt {
        /// Not before this.
        due: Timestamp,
        /// Whether this try counts as an attempt.
        counts: bool,
        /// The last error, kept with the work for the operator.
        error: String,
    },
    /// Given up; kept among the dead letters, and the next of its conversation goes on.
    Dead {
        /// Why, in a fixed phrase.
        reason: String,
        /// The last error.
        error: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_read_back() {
        let inbox = InboxName::parse("support").unwrap();
        let node = NodeName::parse("gw-1").unwrap();
        for lane in [Lane::Triage, Lane::Forward, Lane::Reply(inbox.clone()), Lane::Acknowledge(inbox, node)]
        {
            assert_eq!(Lane::parse(&lane.to_string()), Some(lane));
        }
        assert_eq!(Lane::parse("reply/"), None);
    }
}
