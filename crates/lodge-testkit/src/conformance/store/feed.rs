//! Finished events, as whoever reads along sees them.

use super::StoreUnderTest;
use super::steps::{Scene, scene};
use crate::sample_contact;
use bytes::Bytes;
use lodge_domain::effect::{Effect, Step};
use lodge_domain::ports::{Clock, FeedCursor};
use lodge_domain::{BrandName, ConversationId, EventId};
use std::time::{Duration, Instant};

pub(super) fn event(name: &str) -> EventId {
    EventId::of_report("x", &[name])
}

pub(super) fn publish(s: &Scene, name: &str, conversation: Option<ConversationId>) -> Effect {
    let body = Bytes::from(format!("{{\"name\":\"{name}\"}}"));
    Effect::Publish { event: event(name), conversation, body, at: s.clock.now() }
}

async fn read(s: &Scene, after: Option<&FeedCursor>, most: usize) -> (Vec<EventId>, FeedCursor) {
    let page = s.store.read(after, most).await.unwrap().unwrap();
    (page.items.into_iter().map(|item| item.event).collect(), page.next)
}

/// Events of all brands come in the order they were published.
pub async fn events_in_order(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let conversation = s.accept(sample_contact()).await.conversation;
    s.apply(vec![publish(&s, "a", Some(conversation.clone())), publish(&s, "b", None)]).await;
    let other = BrandName::parse("other").unwrap();
    let effects = vec![publish(&s, "c", None)];
    s.store.apply(Step { brand: other.clone(), guard: None, effects }).await.unwrap();
    s.apply(vec![publish(&s, "d", None)]).await;
    let page = s.store.read(None, 10).await.unwrap().unwrap();
    let events: Vec<_> = page.items.iter().map(|item| item.event.clone()).collect();
    assert_eq!(events, ["a", "b", "c", "d"].map(event));
    assert_eq!(page.items[0].conversation, Some(conversation));
    assert_eq!((&page.items[2].brand, page.items[2].conversation.clone()), (&other, None));
    assert_eq!(page.items[3].at, s.clock.now());
}

/// Page by page nothing is missed, nothing comes twice, and a cursor outlasts its handle.
pub async fn pages_and_cursors(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let (events, start) = read(&s, None, 3).await;
    assert!(events.is_empty());
    s.apply((0..7).map(|number| publish(&s, &number.to_string(), None)).collect()).await;
    let mut cursor = start;
    let mut sizes = Vec::new();
    let mut seen = Vec::new();
    loop {
        let (events, next) = read(&s, Some(&cursor), 3).await;
        sizes.push(events.len());
        cursor = next;
        if events.is_empty() {
            break;
        }
        seen.extend(events);
    }
    assert_eq!(sizes, [3, 3, 1, 0]);
    assert_eq!(seen, (0..7).map(|number| event(&number.to_string())).collect::<Vec<_>>());
    s.apply(vec![publish(&s, "late", None)]).await;
    let second = t.second().await;
    let page = second.read(Some(&cursor), 3).await.unwrap().unwrap();
    assert_eq!((page.items.len(), &page.items[0].event), (1, &event("late")));
    assert_eq!(read(&s, Some(&page.next), 3).await.0, []);
}

/// What is no cursor of this store is told so.
pub async fn unreadable_cursors(t: &dyn StoreUnderTest) {
    let s = scene(t);
    s.apply(vec![publish(&s, "a", None)]).await;
    for text in ["", "what", "-1", "../..", "m", "0-0-0", "99999999999999999999999999", "é"] {
        assert_eq!(s.store.read(Some(&FeedCursor(text.to_owned())), 10).await.unwrap(), None, "{text:?}");
    }
}

/// A new event wakes who waits for it.
pub async fn wait_feed_wakes(t: &dyn StoreUnderTest) {
    let s = scene(t);
    let wait = async {
        let began = Instant::now();
        while s.store.read(None, 1).await.unwrap().unwrap().items.is_empty() {
            s.store.wait_feed(Duration::from_secs(20)).await;
        }
        began.elapsed()
    };
    let publish = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        s.apply(vec![publish(&s, "a", None)]).await;
    };
    let (elapsed, ()) = tokio::join!(wait, publish);
    assert!(elapsed < Duration::from_millis(1900), "{elapsed:?}");
    let began = Instant::now();
    s.store.wait_feed(Duration::from_millis(100)).await;
    assert!(began.elapsed() < Duration::from_millis(1500));
}

/// An event is found by its id, in its brand.
pub async fn one_event_by_id(t: &dyn StoreUnderTest) {
    let s = scene(t);
    s.apply(vec![publish(&s, "a", None)]).await;
    let item = s.store.event(&s.brand, &event("a")).await.unwrap().unwrap();
    assert_eq!((item.event, item.body), (event("a"), Bytes::from_static(b"{\"name\":\"a\"}")));
    assert_eq!(s.store.event(&s.brand, &event("b")).await.unwrap(), None);
    assert_eq!(s.store.event(&BrandName::parse("other").unwrap(), &event("a")).await.unwrap(), None);
}
