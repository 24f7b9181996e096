//! A gateway in a runtime of its own, which can be dropped at any moment as a power cut would: hallway, chat door and
//! listener over a handle of the store that is its own as well.

use crate::ground::Ground;
use axum::Extension;
use lodge_channel::door::Door as _;
use lodge_channel::net::TcpConnector;
use lodge_channel::{Client, Context, FileLinks, Secret, SecretError, SecretSource};
use lodge_channel_chat::ChatSettings;
use lodge_domain::ports::{Clock, NewReply, Store};
use lodge_domain::{
    BlobRef, BrandName, InboxId, InboxName, KeyRing, NodeName, OutboundId, Reference, Timestamp, digest_parts,
};
use lodge_pipeline::{Facets, Limits, Live, NoLinks, Parts, Pipeline, Settings, Templates};
use lodge_testkit::{MemoryBlobs, SeededEntropy};
use lodge_triage::{InboxDefaults, Queues};
use secrecy::SecretString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Signs the tokens of signed-in visitors, where an inbox has a secret.
pub(crate) const SECRET: &str = "the secret of a website";
pub(crate) const ORIGIN: &str = "https://www.acme.example";

/// The inbox of all these gateways.
pub(crate) fn inbox() -> InboxId {
    InboxId { brand: BrandName::unbranded(), name: InboxName::parse("website").unwrap() }
}

/// What differs from test to test.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) chat: ChatSettings,
    pub(crate) settings: Settings,
}

impl Default for Plan {
    fn default() -> Self {
        let most = 1_000_000;
        let chat = serde_json::json!({
            "origins": [ORIGIN], "sessions_per_address": most, "sockets_per_address": most,
            "messages": most, "sockets": 64,
        });
        Self { chat: serde_json::from_value(chat).unwrap(), settings: Settings::default() }
    }
}

struct Nothing;

impl FileLinks for Nothing {
    fn href(&self, _: &BlobRef, _: &str, _: &str, _: Timestamp) -> Option<String> {
        None
    }
}

impl SecretSource for Nothing {
    fn read(&self, _: &Secret) -> Result<SecretString, SecretError> {
        Ok(SECRET.to_owned().into())
    }
}

/// A runtime that ends without waiting for anything in it.
struct Life(Option<Runtime>);

impl Drop for Life {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A running gateway.
pub(crate) struct Gateway {
    life: Life,
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) pipeline: Arc<Pipeline>,
    soft: CancellationToken,
}

impl Gateway {
    pub(crate) async fn start(ground: &Arc<Ground>, plan: &Plan, node: &str, seed: u64) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (ground, plan, node) = (Arc::clone(ground), plan.clone(), NodeName::parse(node).unwrap());
        let soft = CancellationToken::new();
        let shutdown = soft.clone();
        let life = Life(Some(runtime));
        let opened = life.0.as_ref().unwrap().spawn(async move {
            let store = ground.open(&node, seed).await;
            let (pipeline, address) = furnish(&ground, plan, &store, node, seed, shutdown).await;
            (store, pipeline, address)
        });
        let (store, pipeline, address) = opened.await.unwrap();
        Self { life, address, store, pipeline, soft }
    }

    /// Says goodbye, as a gateway does that is stopped softly.
    pub(crate) fn close(&self) {
        self.soft.cancel();
    }

    /// Everything in it ends where it is.
    pub(crate) fn kill(&mut self) {
        self.life = Life(None);
    }

    /// An agent's reply; nothing, an error or `None` where the gateway died over it.
    pub(crate) fn reply(
        &self,
        reference: &Reference,
        key: &str,
        text: &str,
    ) -> Option<JoinHandle<Option<OutboundId>>> {
        let reply = NewReply {
            text: text.to_owned(),
            html: None,
            attachments: Vec::new(),
            author: None,
            idempotency_key: key.to_owned(),
            content: digest_parts(&[text.as_bytes()]),
        };
        let (commands, reference) = (self.pipeline.commands(), reference.clone());
        let replied = async move { commands.reply(&reference, reply).await.ok().map(|queued| queued.id) };
        self.life.0.as_ref().map(|runtime| runtime.spawn(replied))
    }
}

async fn furnish(
    ground: &Ground,
    plan: Plan,
    store: &Arc<dyn Store>,
    node: NodeName,
    seed: u64,
    shutdown: CancellationToken,
) -> (Arc<Pipeline>, SocketAddr) {
    let clock = Arc::clone(&ground.clock) as Arc<dyn Clock>;
    let queues: Queues = serde_json::from_str(r#"{"general": {"fallback": true}}"#).unwrap();
    let rules = lodge_triage::compile(&[], &queues, &InboxDefaults::default()).unwrap();
    let pipeline = Pipeline::new(Parts {
        store: Facets::of(store),
        blobs: None,
        sink: None,
        clock: Arc::clone(&clock),
        entropy: Arc::new(SeededEntropy::new(seed)),
        node: node.clone(),
        links: Arc::new(NoLinks),
        live: Live { rules, settings: plan.settings, templates: Templates::default() },
        limits: Limits::default(),
    });
    let context = Context {
        inbox: inbox(),
        node,
        public_url: None,
        folder: concat!(env!("CARGO_MANIFEST_DIR"), "/../../config").into(),
        neighbours: Arc::default(),
        intake: pipeline.intake(),
        timelines: Arc::clone(store) as _,
        files: Arc::new(Nothing),
        hours: Arc::default(),
        state: Arc::clone(store) as _,
        leases: Arc::clone(store) as _,
        budgets: Arc::clone(store) as _,
        dead_letters: Arc::clone(store) as _,
        blobs: Arc::new(MemoryBlobs::new(Arc::clone(&clock))),
        clock,
        entropy: Arc::new(SeededEntropy::new(seed)),
        connector: Arc::new(TcpConnector),
        keys: Arc::new(KeyRing::new(&[(1, vec![1; 32])]).unwrap()),
        secrets: Arc::new(Nothing),
        shutdown: shutdown.clone(),
    };
    let parts = plan.chat.build(context).unwrap();
    pipeline.set_replier(inbox().name, parts.replier.unwrap());
    for task in parts.tasks {
        tokio::spawn(async move { task.start().await });
    }
    let moving = Arc::clone(&pipeline);
    tokio::spawn(async move { moving.run(shutdown, CancellationToken::new()).await });
    let client = Extension(Client(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = parts.routes.unwrap().layer(client);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (pipeline, address)
}
