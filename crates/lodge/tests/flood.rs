//! Ten thousand contacts of one sender over the store that a desk has by default, through the hallway, with a clock moved
//! by hand (T76).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use lodge_domain::ports::{Clock, Feed, Lookup, Store};
use lodge_domain::{BrandName, Inbound, Lane, NodeName, Reference};
use lodge_pipeline::{Facets, Limits, Live, NoLinks, Parts, Pipeline, Settings, Templates};
use lodge_store_embedded::{EmbeddedStore, Options};
use lodge_testkit::{ManualClock, SeededEntropy, sample_contact};
use lodge_triage::{InboxDefaults, Queues};
use serde_json::Value;
use std::sync::Arc;

const MANY: usize = 10_000;

fn hallway(store: &Arc<dyn Store>, clock: &Arc<ManualClock>) -> Arc<Pipeline> {
    let queues: Queues = toml::from_str("[general]\nfallback = true").unwrap();
    let rules = lodge_triage::compile(&[], &queues, &InboxDefaults::default()).unwrap();
    Pipeline::new(Parts {
        store: Facets::of(store),
        blobs: None,
        sink: None,
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        entropy: Arc::new(SeededEntropy::new(1)),
        node: NodeName::parse("gw-1").unwrap(),
        links: Arc::new(NoLinks),
        live: Live { rules, settings: Settings::default(), templates: Templates::default() },
        limits: Limits::default(),
    })
}

async fn feed(store: &Arc<dyn Store>) -> Vec<Value> {
    let mut events: Vec<Value> = Vec::new();
    let mut cursor = None;
    loop {
        let page = Feed::read(&**store, cursor.as_ref(), 500).await.unwrap().unwrap();
        if page.items.is_empty() {
            return events;
        }
        let read = |body: &Bytes| serde_json::from_slice::<Value>(body).unwrap();
        events.extend(page.items.iter().map(|item| read(&item.body)));
        cursor = Some(page.next);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t76_ten_thousand_mails_of_one_sender_are_all_accounted_for() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new());
    let options = Options {
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        entropy: Arc::new(SeededEntropy::new(2)),
        synchronous_off_for_scratch: true,
        queue: 2048,
        run_lock: false,
    };
    let store: Arc<dyn Store> = EmbeddedStore::open(folder.path(), options).unwrap();
    let pipeline = hallway(&store, &clock);
    let mails: Vec<Inbound> = (0..MANY)
        .map(|number| {
            let sample = sample_contact().id(&format!("<{number}@example.com>"));
            Inbound::Contact(Box::new(sample.text(&format!("number {number}")).at(clock.now()).build()))
        })
        .collect();
    for batch in mails.chunks(200) {
        pipeline.intake().accept(batch.to_vec()).await.unwrap();
    }
    pipeline.drain_due(&Lane::Triage).await.unwrap();
    clock.advance_secs(600);
    while pipeline.drain_due(&Lane::Triage).await.unwrap() > 0 {}
    let events = feed(&store).await;
    let (told, single): (Vec<_>, Vec<_>) =
        events.iter().partition(|event| event["details"]["burst"]["count"].is_u64());
    assert_eq!((single.len(), told.len()), (200, 1));
    assert_eq!(told[0]["details"]["burst"]["count"], MANY - 200);
    assert!(events.iter().all(|event| event["ticket"]["sequence"] == 1), "no number is missing");
    let reference = Reference::parse(told[0]["details"]["burst"]["reference"].as_str().unwrap()).unwrap();
    let held = store.find(&BrandName::unbranded(), Lookup::Reference(reference)).await.unwrap();
    let texts: std::collections::BTreeSet<&str> =
        held.iter().map(|one| one.contact.body.text.as_str()).collect();
    assert_eq!((held.len(), texts.len()), (MANY - 200, MANY - 200), "each is kept once");
    assert!(store.counts().await.unwrap().lanes.iter().all(|lane| lane.depth == 0), "nothing is left over");
}
