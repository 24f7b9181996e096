//! The feed of events by long poll, for a core that cannot be called. Never changes an event: its bytes go out as they
//! were finished.

use super::problem::Problem;
use super::state::Shared;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use lodge_domain::effect::Step;
use lodge_domain::ports::{FeedCursor, FeedItem, FeedPage, Ledger, StoreError};
use lodge_domain::{BrandName, Effect, EventId, JournalLine, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Events in one answer.
const MOST: usize = 100;
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A wake-up of the store may be missed or late: the feed is looked at this often at least.
const LOOK: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);
/// Cursors given out that are remembered for settling.
const MOST_POLLS: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PollQuery {
    after: Option<String>,
    wait: Option<String>,
}

#[derive(Serialize)]
pub(super) struct EventsDocument {
    events: Vec<Box<RawValue>>,
    cursor: String,
}

pub(super) async fn poll(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<PollQuery>, QueryRejection>,
) -> Result<Json<EventsDocument>, Problem> {
    let Query(query) = query.map_err(|_| Problem::invalid("the parameters are after and wait"))?;
    let wait = query.wait.as_deref().map_or(Some(Duration::ZERO), duration);
    let wait =
        wait.ok_or_else(|| Problem::invalid("wait is a number of seconds such as 30s, at most 60s"))?;
    let after = query.after.filter(|text| !text.is_empty()).map(FeedCursor);
    let page = page(&shared, after.as_ref(), wait).await?;
    if let Some(ledger) = &shared.given.settles {
        if let Some(after) = &after {
            settle(&shared, ledger.as_ref(), after).await?;
        }
        shared.polls.give_out(&page);
    }
    let mut events = Vec::with_capacity(page.items.len());
    for item in page.items {
        let text = String::from_utf8(item.body.to_vec()).ok();
        let event = text.and_then(|text| RawValue::from_string(text).ok());
        let unreadable = || StoreError::Unreadable(format!("event {}", item.event));
        events.push(event.ok_or_else(unreadable)?);
    }
    Ok(Json(EventsDocument { events, cursor: page.next.0 }))
}

/// The next page, or an empty one once `wait` is over or the gateway stops.
async fn page(shared: &Shared, after: Option<&FeedCursor>, wait: Duration) -> Result<FeedPage, Problem> {
    let deadline = Instant::now() + wait;
    loop {
        let page = shared.given.feed.read(after, MOST).await?;
        let page = page.ok_or_else(|| Problem::invalid("the cursor is not one of this store"))?;
        let left = deadline.saturating_duration_since(Instant::now());
        if !page.items.is_empty() || left.is_zero() || shared.given.closing.is_cancelled() {
            return Ok(page);
        }
        // The pause keeps a store that wakes us for nothing from being asked without end.
        let news = async {
            tokio::join!(shared.given.feed.wait_feed(left.min(LOOK)), tokio::time::sleep(PAUSE));
        };
        tokio::select! {
            () = shared.given.closing.cancelled() => {}
            () = news => {}
        }
    }
}

/// `30s` or `30`, cut to a minute.
fn duration(text: &str) -> Option<Duration> {
    let seconds: u64 = text.strip_suffix('s').unwrap_or(text).parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}

/// Which events the cursors we gave out stand behind.
#[derive(Default)]
pub(super) struct Polls(Mutex<VecDeque<GivenOut>>);

/// A cursor, and the events of the page it ends.
struct GivenOut {
    cursor: String,
    events: Vec<(BrandName, EventId)>,
}

impl Polls {
    fn give_out(&self, page: &FeedPage) {
        if page.items.is_empty() {
            return;
        }
        let events = page.items.iter().map(|FeedItem { brand, event, .. }| (brand.clone(), event.clone()));
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|given| given.cursor != page.next.0);
        kept.push_back(GivenOut { cursor: page.next.0.clone(), events: events.collect() });
        if kept.len() > MOST_POLLS {
            kept.pop_front();
        }
    }

    fn behind(&self, cursor: &FeedCursor) -> Vec<(BrandName, EventId)> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let given = kept.iter().find(|given| given.cursor == cursor.0);
        given.map(|given| given.events.clone()).unwrap_or_default()
    }

    fn done(&self, cursor: &FeedCursor) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|given| given.cursor != cursor.0);
    }
}

/// Journals what the core shows to have by asking for what comes after it. A line that is there already is kept once.
async fn settle(shared: &Shared, ledger: &dyn Ledger, cursor: &FeedCursor) -> Result<(), Problem> {
    let at = shared.given.clock.now();
    let mut by_brand: BTreeMap<BrandName, Vec<Effect>> = BTreeMap::new();
    for (brand, event) in shared.polls.behind(cursor) {
        by_brand.entry(brand).or_default().push(taken(&event, at));
    }
    for (brand, effects) in by_brand {
        ledger.apply(Step { brand, guard: None, effects }).await?;
    }
    shared.polls.done(cursor);
    Ok(())
}

fn taken(event: &EventId, at: Timestamp) -> Effect {
    Effect::Journal(JournalLine {
        subject: event.to_string(),
        at,
        step: "forwarded".to_owned(),
        text: "taken by the core's poll".to_owned(),
    })
}
