//! The port of this name, over the model's records.

use crate::model_store::ModelStore;
use crate::model_store::state::State;
use async_trait::async_trait;
use bytes::Bytes;
use lodge_domain::ports::{StateValue, StoreError, TimelineChanges, TimelineCursor, TimelinePage, Timelines};
use lodge_domain::{BrandName, NewEntry, TimelineId, Timestamp};
use std::time::Duration;

/// Cursors are `t`, how many appends and how many hints were seen.
fn read_cursor(cursor: &TimelineCursor) -> Option<(usize, usize)> {
    let (appended, hints) = cursor.0.strip_prefix('t')?.split_once('.')?;
    Some((appended.parse().ok()?, hints.parse().ok()?))
}

fn since(state: &State, brand: &BrandName, seen: (usize, usize)) -> TimelineChanges {
    let mut changed: Vec<TimelineId> = Vec::new();
    for (of, timeline) in state.appended.iter().skip(seen.0) {
        if of == brand && !changed.contains(timeline) {
            changed.push(*timeline);
        }
    }
    let hints = state.hints.iter().skip(seen.1).filter(|(of, _, _)| of == brand);
    TimelineChanges {
        changed,
        hints: hints.map(|(_, timeline, hint)| (*timeline, hint.clone())).collect(),
        missed: false,
        next: TimelineCursor(format!("t{}.{}", state.appended.len(), state.hints.len())),
    }
}

#[async_trait]
impl Timelines for ModelStore {
    async fn append(&self, brand: &BrandName, entries: Vec<NewEntry>) -> Result<Vec<u64>, StoreError> {
        Ok(self.write(|state| {
            state.brands.insert(brand.clone());
            entries.iter().map(|new| state.append(brand, new)).collect()
        }))
    }

    async fn entries(
        &self,
        brand: &BrandName,
        timeline: &TimelineId,
        after: u64,
        most: usize,
    ) -> Result<TimelinePage, StoreError> {
        let state = self.read();
        let all =
            state.timelines.get(&(brand.clone(), *timeline)).map(|timeline| timeline.entries.as_slice());
        let all = all.unwrap_or_default();
        let entries = all.iter().filter(|entry| entry.sequence > after).take(most).cloned().collect();
        Ok(TimelinePage { entries, last: all.len() as u64 })
    }

    async fn note(&self, brand: &BrandName, timeline: &TimelineId) -> Result<Option<StateValue>, StoreError> {
        Ok(self.read().timelines.get(&(brand.clone(), *timeline)).and_then(|timeline| timeline.note.clone()))
    }

    async fn write_note(
        &self,
        brand: &BrandName,
        timeline: &TimelineId,
        expected: u64,
        note: Bytes,
        at: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        if note.len() > 1 << 16 {
            return Err(StoreError::Full(format!("a note of {} bytes, 64 KiB fit", note.len())));
        }
        Ok(self.write(|state| {
            let key = (brand.clone(), *timeline);
            let stored = state.timelines.get(&key).and_then(|known| known.note.as_ref());
            if stored.map_or(0, |note| note.version) != expected {
                return None;
            }
            state.brands.insert(brand.clone());
            let timeline = state.timelines.entry(key).or_default();
            timeline.note = Some(StateValue { version: expected + 1, value: note.clone() });
            timeline.last = timeline.last.max(at);
            Some(expected + 1)
        }))
    }

    async fn hint(&self, brand: &BrandName, timeline: &TimelineId, hint: Bytes) -> Result<(), StoreError> {
        self.write(|state| state.hints.push((brand.clone(), *timeline, hint.clone())));
        Ok(())
    }

    async fn changes(
        &self,
        brand: &BrandName,
        after: Option<&TimelineCursor>,
        most: Duration,
    ) -> Result<TimelineChanges, StoreError> {
        let Some(seen) = after.and_then(read_cursor) else {
            let state = self.read();
            let nothing = since(&state, brand, (state.appended.len(), state.hints.len()));
            return Ok(TimelineChanges { missed: true, ..nothing });
        };
        let news = |state: &State| {
            let changes = since(state, brand, seen);
            !changes.changed.is_empty() || !changes.hints.is_empty()
        };
        self.wait_until(most, news).await;
        Ok(since(&self.read(), brand, seen))
    }
}
