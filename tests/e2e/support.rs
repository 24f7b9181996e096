//! Small questions that several scenarios ask.

use anyhow::{Context, Result};
use lodge_e2e::{House, smtp_sink::Taken};
use serde_json::Value;
use std::collections::BTreeMap;

/// The mails that were sent to `address`.
pub(crate) fn sent_to(house: &House, address: &str) -> Vec<Taken> {
    let taken = house.sink.taken();
    taken.into_iter().filter(|mail| mail.to.iter().any(|to| to.eq_ignore_ascii_case(address))).collect()
}

/// The one contact with this subject.
pub(crate) fn contact(house: &House, subject: &str) -> Result<Value> {
    house.core.contact(subject).with_context(|| format!("no contact `{subject}`"))
}

/// A text field of an event's `ticket`.
pub(crate) fn ticket<'e>(event: &'e Value, field: &str) -> &'e str {
    event["ticket"][field].as_str().unwrap_or_default()
}

/// Sequence numbers of all events, in the order of arrival, by conversation.
pub(crate) fn sequences(house: &House) -> BTreeMap<String, Vec<u64>> {
    let mut all: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for event in house.core.events() {
        let sequence = event["ticket"]["sequence"].as_u64().unwrap_or_default();
        all.entry(ticket(&event, "conversation").to_owned()).or_default().push(sequence);
    }
    all
}

/// Asserts that every conversation's events count from 1 without a gap.
pub(crate) fn assert_no_gaps(house: &House) {
    for (conversation, numbers) in sequences(house) {
        let expected: Vec<u64> = (1..).take(numbers.len()).collect();
        assert_eq!(numbers, expected, "{conversation}");
    }
}

/// Asserts that no conversation was acknowledged twice: every acknowledgment names its conversation's reference.
pub(crate) fn assert_at_most_one_each(house: &House) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for mail in house.sink.taken() {
        let subject = mail.header("Subject").unwrap_or_default();
        let reference = subject.split_once("[#").and_then(|(_, rest)| rest.split_once(']'));
        let name = reference.map_or(subject.as_str(), |(digits, _)| digits);
        *counts.entry(format!("{} {name}", mail.to.join(","))).or_default() += 1;
    }
    let twice: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 1).collect();
    assert!(twice.is_empty(), "acknowledged more than once: {twice:?}");
}
