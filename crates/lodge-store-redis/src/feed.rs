//! Finished events in the order they were published.
//!
//! Each brand counts its own positions, since one script cannot count for all of them in a cluster. A page merges brands
//! by the stamps that were drawn for their events; its cursor names the position and the identity of every brand's
//! records: where those are others now, the cursor is good no more.

use crate::error::unreadable;
use crate::keys::BrandKeys;
use crate::scripts::{Call, scripts};
use crate::signals::LOOK_AGAIN;
use crate::store::{Core, RedisStore};
use crate::{encode, records, reply};
use async_trait::async_trait;
use futures_util::future::join_all;
use lodge_domain::ports::{Feed, FeedCursor, FeedItem, FeedPage, StoreError};
use lodge_domain::{BrandName, EventId};
use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The layout of a cursor.
const LAYOUT: &str = "1";
/// How many one script reads of a brand.
const PORTION: usize = 200;

/// Where a reader is in a brand's feed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    epoch: String,
    position: u64,
}

type Places = BTreeMap<BrandName, Place>;

#[async_trait]
impl Feed for RedisStore {
    async fn read(&self, after: Option<&FeedCursor>, most: usize) -> Result<Option<FeedPage>, StoreError> {
        let mut places = match after {
            Some(cursor) => match read_cursor(&cursor.0) {
                Some(places) => places,
                None => return Ok(None),
            },
            None => Places::new(),
        };
        let core = &self.core;
        let brands = core.all_brands().await?;
        let mut items = Vec::new();
        let mut ends = BTreeMap::new();
        loop {
            let portion = (most - items.len()).min(PORTION);
            let pages = join_all(brands.iter().map(|brand| {
                let from = places.get(brand).map_or(0, |place| place.position);
                read_brand(core, brand, from, portion.max(1))
            }));
            let mut merged = Vec::new();
            for (brand, page) in brands.iter().zip(pages.await) {
                let page = page?;
                let place = places
                    .entry(brand.clone())
                    .or_insert_with(|| Place { epoch: page.epoch.clone(), position: 0 });
                if place.epoch != page.epoch {
                    return Ok(None);
                }
                ends.insert(brand.as_str().to_owned(), page.end);
                merged.extend(page.items);
            }
            merged.sort_by(|a, b| {
                (a.stamp, &a.item.brand, a.position).cmp(&(b.stamp, &b.item.brand, b.position))
            });
            // Within a brand the order is that of publishing, whatever the clock said.
            let chosen = in_order(merged, portion);
            let found = chosen.len();
            for entry in chosen {
                if let Some(place) = places.get_mut(&entry.item.brand) {
                    place.position = entry.position;
                }
                items.push(entry.item);
            }
            if found < portion {
                *core.feed_end.lock().unwrap_or_else(PoisonError::into_inner) = Some(ends);
                break;
            }
            if items.len() >= most {
                break;
            }
        }
        Ok(Some(FeedPage { items, next: FeedCursor(write_cursor(&places)) }))
    }

    async fn event(&self, brand: &BrandName, event: &EventId) -> Result<Option<FeedItem>, StoreError> {
        let mut command = redis::cmd("HGET");
        command.arg(BrandKeys::new(brand).fixed("fb")).arg(encode::short(event.as_str()));
        let found = reply::bytes(self.core.wire.command(&command).await?)?;
        Ok(found.map(|raw| records::feed_item(brand, event.clone(), raw)).transpose()?.map(|(_, item)| item))
    }

    async fn wait_feed(&self, most: Duration) {
        let end = Instant::now() + most;
        // What this process last saw as the end, so that nothing published since then is slept through.
        let mut seen = self.core.feed_end.lock().unwrap_or_else(PoisonError::into_inner).clone();
        loop {
            let mut rung = std::pin::pin!(self.core.signals.feed.notified());
            rung.as_mut().enable();
            match timeout(end.saturating_duration_since(Instant::now()), ends(&self.core)).await {
                Err(_) => return,
                Ok(Ok(now)) if seen.as_ref().is_some_and(|seen| *seen != now) => return,
                Ok(Ok(now)) => seen = Some(now),
                Ok(Err(_)) => {}
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || timeout(left.min(LOOK_AGAIN), rung).await.is_ok() {
                return;
            }
        }
    }
}

/// An event, its position in its brand, and its stamp.
struct Entry {
    position: u64,
    stamp: u64,
    item: FeedItem,
}

/// The first `most` of entries sorted by stamp, such that within each brand none is overtaken.
fn in_order(sorted: Vec<Entry>, most: usize) -> Vec<Entry> {
    let order: Vec<BrandName> = sorted.iter().take(most).map(|entry| entry.item.brand.clone()).collect();
    let mut by_brand: BTreeMap<BrandName, Vec<Entry>> = BTreeMap::new();
    for entry in sorted {
        by_brand.entry(entry.item.brand.clone()).or_default().push(entry);
    }
    for entries in by_brand.values_mut() {
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.position));
    }
    order.iter().filter_map(|brand| by_brand.get_mut(brand)?.pop()).collect()
}

struct BrandPage {
    epoch: String,
    end: u64,
    items: Vec<Entry>,
}

async fn read_brand(core: &Core, brand: &BrandName, from: u64, most: usize) -> Result<BrandPage, StoreError> {
    let call = Call::new(&scripts().feed_page, &BrandKeys::new(brand).head())
        .with(from.to_string())
        .with(most.to_string());
    let mut parts = reply::bytes_list(core.wire.call(&call).await?)?.into_iter();
    let damaged = || unreadable("a page of the feed");
    let epoch = String::from_utf8(parts.next().ok_or_else(damaged)?).map_err(|_| damaged())?;
    let number = |raw: &[u8]| -> Result<u64, StoreError> { reply::utf8(raw)?.parse().map_err(|_| damaged()) };
    let end = number(&parts.next().ok_or_else(damaged)?)?;
    let mut items = Vec::new();
    while let (Some(event), Some(position), Some(body)) = (parts.next(), parts.next(), parts.next()) {
        let event = records::envelope_id(reply::utf8(&event)?).ok_or_else(damaged)?;
        let (stamp, item) = records::feed_item(brand, event, body)?;
        items.push(Entry { position: number(&position)?, stamp, item });
    }
    Ok(BrandPage { epoch, end, items })
}

/// The last position given out in each brand.
async fn ends(core: &Core) -> Result<BTreeMap<String, u64>, StoreError> {
    let brands = core.recent_brands().await?;
    let looks = brands.iter().map(|brand| {
        let mut command = redis::cmd("HGET");
        command.arg(BrandKeys::new(brand).head()).arg("fpos");
        async move { reply::bytes(core.wire.command(&command).await?) }
    });
    let mut out = BTreeMap::new();
    for (brand, found) in brands.iter().zip(join_all(looks).await) {
        let end = found?.and_then(|raw| std::str::from_utf8(&raw).ok()?.parse().ok()).unwrap_or(0);
        out.insert(brand.as_str().to_owned(), end);
    }
    Ok(out)
}

fn write_cursor(places: &Places) -> String {
    let words: Vec<String> =
        places.iter().map(|(brand, place)| format!("{brand}:{}:{}", place.epoch, place.position)).collect();
    format!("{LAYOUT};{}", words.join(";"))
}

fn read_cursor(text: &str) -> Option<Places> {
    let rest = text.strip_prefix(LAYOUT)?.strip_prefix(';')?;
    let read = |word: &str| {
        let mut parts = word.split(':');
        let brand = BrandName::parse(parts.next()?)?;
        let epoch = parts.next()?.to_owned();
        let position = parts.next()?.parse().ok().filter(|n| *n < 1 << 53)?;
        parts.next().is_none().then_some((brand, Place { epoch, position }))
    };
    rest.split(';').filter(|word| !word.is_empty()).map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_back_and_others_are_refused() {
        let place = |n| Place { epoch: "ab12".to_owned(), position: n };
        let brand = |name| BrandName::parse(name).unwrap();
        let places = Places::from([(brand("a"), place(3)), (brand("b.c"), place(0))]);
        assert_eq!(read_cursor(&write_cursor(&places)), Some(places));
        assert_eq!(read_cursor(&write_cursor(&Places::new())), Some(Places::new()));
        for text in ["", "2;", "1", "1;a", "1;a:b", "1;a:b:x", "1;a:b:-1", "1;a:b:1:2", "1;{x}:b:1"] {
            assert_eq!(read_cursor(text), None, "{text}");
        }
    }
}
