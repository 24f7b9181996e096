//! How values of the domain stand in columns, and back.

use crate::error::Failure;
use lodge_domain::{
    Assurance, ConversationStatus, Flag, HandleKind, Lane, NewWork, Reference, ThreadKeyValue, Timestamp,
    WorkId, WorkKind,
};
use lodge_domain::{BrandName, ConversationId};
use rusqlite::Row;
use std::collections::BTreeSet;
use std::time::Duration;

/// Nanoseconds since 1970; times that do not fit (before 1678, after 2262) become the nearest that do.
pub(crate) fn nanos(at: Timestamp) -> i64 {
    let clamped = at.as_nanosecond().clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    i64::try_from(clamped).unwrap_or(i64::MAX)
}

/// What [`nanos`] wrote.
pub(crate) fn time(nanos: i64) -> Result<Timestamp, Failure> {
    Timestamp::from_nanosecond(i128::from(nanos)).map_err(Failure::unreadable)
}

/// `span` after `now`, in nanoseconds since 1970.
pub(crate) fn later(now: Timestamp, span: Duration) -> i64 {
    nanos(now).saturating_add(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX))
}

/// A count as SQLite keeps it.
pub(crate) fn int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What [`int`] wrote.
pub(crate) fn count(int: i64) -> u64 {
    u64::try_from(int).unwrap_or(0)
}

/// Reads text with `parse`; `None` means damage.
pub(crate) fn text<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, Failure> {
    parse(text).ok_or_else(|| Failure::unreadable(format_args!("{text:?} stands where an id belongs")))
}

/// As [`text`], where there may be none.
pub(crate) fn optional<T>(
    value: Option<String>,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Failure> {
    value.map(|value| text(&value, parse)).transpose()
}

/// Reads JSON of ours.
pub(crate) fn json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(Failure::unreadable)
}

/// Writes JSON of ours.
pub(crate) fn to_json(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(Failure::unreadable)
}

const STATUSES: [ConversationStatus; 4] = [
    ConversationStatus::Open,
    ConversationStatus::Pending,
    ConversationStatus::Solved,
    ConversationStatus::Closed,
];
const ASSURANCES: [Assurance; 3] = [Assurance::Failed, Assurance::Unverified, Assurance::Authenticated];
const HANDLE_KINDS: [HandleKind; 4] =
    [HandleKind::Email, HandleKind::Phone, HandleKind::Account, HandleKind::Anonymous];
/// The flags that accept itself raises; one bit each.
const FLAGS: [Flag; 3] = [Flag::Conflict, Flag::NewParticipant, Flag::SubjectChanged];

fn number<T: PartialEq>(all: &[T], value: &T) -> i64 {
    all.iter().position(|known| known == value).map_or(-1, |at| int(at as u64))
}

fn numbered<T: Copy>(all: &[T], number: i64) -> Result<T, Failure> {
    let found = usize::try_from(number).ok().and_then(|at| all.get(at));
    found.copied().ok_or_else(|| Failure::unreadable(format_args!("{number} stands for nothing")))
}

pub(crate) fn status(status: ConversationStatus) -> i64 {
    number(&STATUSES, &status)
}

pub(crate) fn read_status(number: i64) -> Result<ConversationStatus, Failure> {
    numbered(&STATUSES, number)
}

pub(crate) fn assurance(assurance: Assurance) -> i64 {
    number(&ASSURANCES, &assurance)
}

pub(crate) fn read_assurance(number: i64) -> Result<Assurance, Failure> {
    numbered(&ASSURANCES, number)
}

pub(crate) fn handle_kind(kind: HandleKind) -> i64 {
    number(&HANDLE_KINDS, &kind)
}

pub(crate) fn read_handle_kind(number: i64) -> Result<HandleKind, Failure> {
    numbered(&HANDLE_KINDS, number)
}

pub(crate) fn flags(flags: &BTreeSet<Flag>) -> i64 {
    FLAGS.iter().enumerate().filter(|(_, flag)| flags.contains(flag)).map(|(bit, _)| 1 << bit).sum()
}

pub(crate) fn read_flags(bits: i64) -> BTreeSet<Flag> {
    FLAGS.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0).map(|(_, flag)| *flag).collect()
}

pub(crate) fn read_reference(value: &str) -> Result<Reference, Failure> {
    text(value, Reference::parse)
}

pub(crate) fn read_key(bytes: Option<[u8; 16]>) -> Option<ThreadKeyValue> {
    bytes.map(ThreadKeyValue)
}

/// The columns of work that [`read_work`] reads, in its order; `{lane}` is where the lane's name comes from.
pub(crate) const WORK: &str = "brands.name, lanes.name, w.id, w.kind, w.conversation, w.subject, w.sequence, \
                               w.payload, w.due";

/// Reads what was enqueued from the columns [`WORK`].
pub(crate) fn read_work(row: &Row<'_>) -> Result<NewWork, Failure> {
    let name = |at: usize| row.get_ref(at).and_then(|value| Ok(value.as_str()?.to_owned()));
    Ok(NewWork {
        brand: text(&name(0)?, BrandName::parse)?,
        lane: text(&name(1)?, Lane::parse)?,
        id: text(&name(2)?, WorkId::parse)?,
        kind: text(&name(3)?, WorkKind::parse)?,
        conversation: optional(row.get(4)?, ConversationId::parse)?,
        subject: row.get(5)?,
        sequence: row.get::<_, Option<i64>>(6)?.map(count),
        payload: row.get(7)?,
        due: time(row.get(8)?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for value in STATUSES {
            assert_eq!(read_status(status(value)).unwrap(), value);
        }
        for value in ASSURANCES {
            assert_eq!(read_assurance(assurance(value)).unwrap(), value);
        }
        for value in HANDLE_KINDS {
            assert_eq!(read_handle_kind(handle_kind(value)).unwrap(), value);
        }
        for bits in 0..8 {
            assert_eq!(flags(&read_flags(bits)), bits);
        }
        assert!(read_status(9).is_err() && read_assurance(-1).is_err());
        let at = Timestamp::from_nanosecond(1_772_442_000_123_456_789).unwrap();
        assert_eq!(time(nanos(at)).unwrap(), at);
        assert_eq!(nanos(Timestamp::MAX), i64::MAX);
    }
}
