//! What articles answered: no contact and no ticket, but a number by inbox, day and article, which the core can ask for.
//!
//! One small value an inbox and day, with the marks of the last reports, so that a door that reports again after a crash is
//! not counted twice. Knows articles by their ids and nothing of who asked what.

use crate::events;
use crate::pipeline::Shared;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use lodge_domain::ports::{AnsweredCount, StoreError};
use lodge_domain::{Answered, BrandName, InboxId, digest_parts};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const KEY: &str = "answered/";
/// Days are kept this long.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 400);
/// Marks of reports in one value; a report is repeated within seconds or never.
const MOST_MARKS: usize = 512;
/// How often a value is written anew because another gateway wrote meanwhile.
const TRIES: usize = 16;

/// What is kept of a day.
#[derive(Default, Serialize, Deserialize)]
struct Day {
    articles: BTreeMap<String, u64>,
    marks: Vec<String>,
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

fn mark(answer: &Answered) -> String {
    let digest = digest_parts(&[answer.source.as_bytes(), answer.article.as_bytes()]);
    data_encoding::BASE64URL_NOPAD.encode(&digest[..8])
}

/// Counts an answer, once.
pub(crate) async fn take(shared: &Shared, answer: &Answered) -> Result<(), StoreError> {
    let (state, inbox) = (&shared.store.state, &answer.inbox);
    let (key, mark) = (format!("{KEY}{}", day(answer.at)), mark(answer));
    for _ in 0..TRIES {
        let stored = state.load(inbox, &key).await?;
        let version = stored.as_ref().map_or(0, |stored| stored.version);
        let read = |bytes: &Bytes| serde_json::from_slice(bytes);
        let kept: Option<Day> = stored.map(|stored| read(&stored.value)).transpose().map_err(unreadable)?;
        let mut kept = kept.unwrap_or_default();
        if kept.marks.contains(&mark) {
            return Ok(());
        }
        *kept.articles.entry(answer.article.clone()).or_default() += 1;
        if kept.marks.len() >= MOST_MARKS {
            kept.marks.remove(0);
        }
        kept.marks.push(mark.clone());
        let value = serde_json::to_vec(&kept).map_err(unreadable)?;
        if state.save(inbox, &key, version, Bytes::from(value)).await?.is_some() {
            let (inbox_name, article) = (inbox.name.as_str(), answer.article.as_str());
            events::QuestionAnswered { inbox: inbox_name, article }.emit();
            if version == 0 {
                forget(shared, inbox).await?;
            }
            return Ok(());
        }
    }
    Err(StoreError::Busy)
}

/// The first answer of a day takes the oldest days with it.
async fn forget(shared: &Shared, inbox: &InboxId) -> Result<(), StoreError> {
    let oldest = format!("{KEY}{}", day(shared.now().checked_sub(KEPT).unwrap_or(Timestamp::UNIX_EPOCH)));
    for (key, _) in shared.store.state.list(inbox, KEY).await? {
        if key < oldest {
            shared.store.state.remove(inbox, &key).await?;
        }
    }
    Ok(())
}

/// What was counted since the day `since`.
pub(crate) async fn counts(shared: &Shared, since: &str) -> Result<Vec<AnsweredCount>, StoreError> {
    let settings = &shared.live().settings;
    let mut counts = Vec::new();
    for (name, facts) in &settings.inboxes {
        let brand = facts.brand.clone().unwrap_or_else(BrandName::unbranded);
        let inbox = InboxId { brand, name: name.clone() };
        for (key, stored) in shared.store.state.list(&inbox, KEY).await? {
            let day = key.trim_start_matches(KEY);
            if day < since {
                continue;
            }
            let kept: Day = serde_json::from_slice(&stored.value).map_err(unreadable)?;
            counts.extend(kept.articles.into_iter().map(|(article, count)| AnsweredCount {
                day: day.to_owned(),
                inbox: name.clone(),
                article,
                count,
            }));
        }
    }
    counts.sort();
    Ok(counts)
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn unreadable(error: serde_json::Error) -> StoreError {
    StoreError::Unreadable(error.to_string())
}
