//! Two gateways on one store that are killed and closed at random, time that runs fast, and a look behind their backs.

use crate::gateway::{Gateway, Plan, inbox};
use crate::ground::Ground;
use crate::visitor::Visitor;
use lodge_channel_chat::entry::Entry;
use lodge_domain::Reference;
use lodge_domain::ports::Feed;
use lodge_testkit::SeededEntropy;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::RwLock;

/// Two gateways on one store, and time.
pub(crate) struct World {
    pub(crate) ground: Arc<Ground>,
    plan: Plan,
    deaths: AtomicU64,
    pub(crate) gateways: [RwLock<Gateway>; 2],
    ports: [AtomicU16; 2],
}

fn place(which: u64) -> usize {
    usize::try_from(which).unwrap()
}

impl World {
    pub(crate) async fn new(ground: Ground, plan: Plan, seed: u64) -> Self {
        let ground = Arc::new(ground);
        let first = Gateway::start(&ground, &plan, "one", 2 * seed + 100).await;
        let second = Gateway::start(&ground, &plan, "two", 2 * seed + 101).await;
        let ports = [first.address.port().into(), second.address.port().into()];
        let gateways = [RwLock::new(first), RwLock::new(second)];
        Self { ground, plan, gateways, ports, deaths: AtomicU64::new(0) }
    }

    /// How many gateways died so far.
    pub(crate) fn deaths(&self) -> u64 {
        self.deaths.load(Ordering::SeqCst)
    }

    /// Where a gateway is, or was.
    pub(crate) fn address(&self, which: u64) -> SocketAddr {
        ([127, 0, 0, 1], self.ports[place(which)].load(Ordering::SeqCst)).into()
    }

    /// An agent's reply, tried until one of the gateways has it.
    pub(crate) async fn reply(&self, first: u64, reference: &Reference, text: &str) {
        for which in (first..).map(|which| which % 2) {
            let replied = self.gateways[place(which)].read().await.reply(reference, text, text);
            if let Some(replied) = replied
                && replied.await.is_ok_and(|reply| reply.is_some())
            {
                return;
            }
        }
    }

    /// Kills gateways, closes them, lets ten minutes pass, until it is dropped.
    pub(crate) async fn trouble(&self, seed: u64) {
        let dice = SeededEntropy::new(seed);
        for life in 1.. {
            tokio::time::sleep(Duration::from_millis(150 + dice.below(500))).await;
            if dice.below(3) == 0 {
                self.ground.clock.advance_secs(600);
            }
            let which = dice.below(2);
            let mut gateway = self.gateways[place(which)].write().await;
            if dice.below(2) == 0 {
                gateway.close();
                tokio::time::sleep(Duration::from_millis(dice.below(40))).await;
            }
            gateway.kill();
            self.deaths.fetch_add(1, Ordering::SeqCst);
            let name = if which == 0 { "one" } else { "two" };
            *gateway = Gateway::start(&self.ground, &self.plan, name, seed + 1_000_000 * life).await;
            self.ports[place(which)].store(gateway.address.port(), Ordering::SeqCst);
        }
    }

    /// Lets time pass fifty times as fast as it does.
    pub(crate) async fn tick(&self) {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            self.ground.clock.advance_secs(1);
        }
    }

    /// What stands in a visitor's timeline.
    pub(crate) async fn timeline(&self, visitor: &Visitor) -> Vec<(String, String)> {
        let Some(timeline) = visitor.timeline() else { return Vec::new() };
        let store = Arc::clone(&self.gateways[0].read().await.store);
        let mut all = Vec::new();
        loop {
            let page = store.entries(&inbox().brand, &timeline, all.len() as u64, 100).await.unwrap();
            for entry in page.entries {
                assert_eq!(entry.sequence, all.len() as u64 + 1, "{}: a gap in the store", visitor.seed);
                let entry = Entry::decode(&entry);
                let from = serde_json::to_value(entry.from).unwrap().as_str().unwrap().to_owned();
                all.push((from, entry.text));
            }
            if all.len() as u64 == page.last {
                return all;
            }
        }
    }

    /// The contacts that the core would have, by conversation and its sequence.
    pub(crate) async fn contacts(&self) -> BTreeMap<String, BTreeMap<u64, String>> {
        let store = Arc::clone(&self.gateways[0].read().await.store);
        let mut all: BTreeMap<String, BTreeMap<u64, String>> = BTreeMap::new();
        let mut cursor = None;
        loop {
            let page = Feed::read(&*store, cursor.as_ref(), 200).await.unwrap().unwrap();
            if page.items.is_empty() {
                return all;
            }
            let events = page.items.iter().map(|item| serde_json::from_slice::<Value>(&item.body).unwrap());
            for event in events.filter(|event| event["type"] == "contact.accepted") {
                let ticket = &event["ticket"];
                let conversation =
                    all.entry(ticket["conversation"].as_str().unwrap().to_owned()).or_default();
                let text = event["body"]["text"].as_str().unwrap().to_owned();
                let before = conversation.insert(ticket["sequence"].as_u64().unwrap(), text);
                assert_eq!(before, None, "a sequence was given twice");
            }
            cursor = Some(page.next);
        }
    }
}
