//! A provider's webhook from its bytes to durable in the embedded store, against the least handler that could be written:
//! axum, HMAC-SHA256 over the body, JSON, 200, and nothing kept. 64 requests at a time, no sockets on either side; then the same
//! over HTTP and Redis, beside services of Node and Python.

mod http;

pub(crate) use http::{FLOOR, floor};

use crate::measure::{Rounds, Watch};
use crate::sample::{RealClock, RealEntropy};
use anyhow::{Context as _, Result};
use async_trait::async_trait;
use aws_lc_rs::hmac;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use axum::routing::post;
use data_encoding::HEXLOWER;
use lodge_channel::door::Door;
use lodge_channel::net::TcpConnector;
use lodge_channel::{Context, FileLinks, Secret, SecretError, SecretSource};
use lodge_channel_social::SocialSettings;
use lodge_domain::ports::{BlobError, BlobWriter, Blobs, Clock, Intake, Ledger, Outcome, Refusal};
use lodge_domain::{
    BlobRef, BrandName, Candidate, Inbound, InboxId, InboxName, KeyRing, NodeName, Timestamp,
};
use lodge_store_embedded::{EmbeddedStore, Options};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::task::JoinSet;
use tower::ServiceExt;

const REQUESTS: usize = 12_000;
const CALLERS: usize = 64;
const SECRET: &str = "app-secret";

/// Measures; goal: 0.5 of the bare handler.
pub(crate) async fn run() -> Result<()> {
    let requests: Arc<Vec<(Bytes, String)>> = Arc::new((0..REQUESTS).map(signed).collect());
    let mut rounds = Rounds::default();
    for _ in 0..Rounds::COUNT {
        let folder = tempfile::tempdir()?;
        let options = Options {
            clock: Arc::new(RealClock),
            entropy: Arc::new(RealEntropy),
            synchronous_off_for_scratch: false,
            queue: 4096,
            run_lock: true,
        };
        let store = EmbeddedStore::open(&folder.path().join("store"), options)?;
        let router = door(store)?;
        let watch = Watch::start()?;
        post_all(&router, &requests).await?;
        rounds.ours.push(watch.stop(REQUESTS)?);
        let router = bare();
        let watch = Watch::start()?;
        post_all(&router, &requests).await?;
        rounds.floor.push(watch.stop(REQUESTS)?);
    }
    rounds.report("webhooks", 0.5);
    http::run().await
}

fn mac(body: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), body)
}

/// A body of a page's size with a signature.
fn signed(number: usize) -> (Bytes, String) {
    let person = format!("{}", 7_100_000_000 + number % 500);
    let message = json!({"mid": format!("m_{number}"), "text": "My parcel is crushed. ".repeat(50)});
    let item = json!({"sender": {"id": person}, "recipient": {"id": "10"}, "timestamp": 1_795_291_190_000_u64,
        "message": message});
    let body = json!({"object": "page", "entry": [{"id": "10", "time": 1, "messaging": [item]}]}).to_string();
    let signature = format!("sha256={}", HEXLOWER.encode(mac(body.as_bytes()).as_ref()));
    (body.into(), signature)
}

async fn post_all(router: &Router, requests: &Arc<Vec<(Bytes, String)>>) -> Result<()> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (router, requests, next) = (router.clone(), Arc::clone(requests), Arc::clone(&next));
        callers.spawn(async move {
            while let Some((body, signature)) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                let request = Request::post("/hooks/page")
                    .header("content-type", "application/json")
                    .header("x-hub-signature-256", signature)
                    .body(Body::from(body.clone()))?;
                let response = router.clone().oneshot(request).await?;
                anyhow::ensure!(response.status() == StatusCode::OK, "{}", response.status());
            }
            anyhow::Ok(())
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller??;
    }
    Ok(())
}

fn bare() -> Router {
    let handler = |headers: HeaderMap, body: Bytes| async move {
        let given = headers.get("x-hub-signature-256").and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.strip_prefix("sha256="));
        let given = given.and_then(|hex| HEXLOWER.decode(hex.as_bytes()).ok()).unwrap_or_default();
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        if hmac::verify(&key, &body, &given).is_err() {
            return StatusCode::UNAUTHORIZED;
        }
        match serde_json::from_slice::<Value>(&body) {
            Ok(value) if value["object"] == "page" => StatusCode::OK,
            _ => StatusCode::BAD_REQUEST,
        }
    };
    Router::new().route("/hooks/page", post(handler))
}

/// The real door over the real store, with the part of the hallway that makes a contact durable.
fn door(store: Arc<EmbeddedStore>) -> Result<Router> {
    let settings: SocialSettings = serde_json::from_value(json!({"messenger": {
        "app_secret": "env:APP", "verify_token": "env:APP", "access_token": "env:APP",
        "api_base": "http://127.0.0.1:1"}}))?;
    let name = InboxName::parse("page").context("a name")?;
    let context = Context {
        inbox: InboxId { brand: BrandName::unbranded(), name },
        node: NodeName::parse("a").context("a name")?,
        public_url: None,
        folder: ".".into(),
        neighbours: Arc::default(),
        intake: Arc::new(Hallway(store.clone())),
        state: store.clone(),
        leases: store.clone(),
        budgets: store.clone(),
        timelines: store.clone(),
        files: Arc::new(NoFiles),
        hours: Arc::default(),
        dead_letters: store,
        blobs: Arc::new(NoBlobs),
        clock: Arc::new(RealClock),
        entropy: Arc::new(RealEntropy),
        connector: Arc::new(TcpConnector),
        keys: Arc::new(KeyRing::new(&[(1, vec![1; 32])]).context("a key")?),
        secrets: Arc::new(OneSecret),
        shutdown: Default::default(),
    };
    settings.build(context)?.routes.context("the door has routes")
}

/// Nobody asks for a link here.
struct NoFiles;

impl FileLinks for NoFiles {
    fn href(&self, _: &BlobRef, _: &str, _: &str, _: Timestamp) -> Option<String> {
        None
    }
}

struct OneSecret;

impl SecretSource for OneSecret {
    fn read(&self, _: &Secret) -> Result<SecretString, SecretError> {
        Ok(SecretString::from(SECRET))
    }
}

struct Hallway(Arc<EmbeddedStore>);

#[async_trait]
impl Intake for Hallway {
    async fn accept(&self, batch: Vec<Inbound>) -> Result<Vec<Outcome>, Refusal> {
        let contacts = batch.into_iter().filter_map(|item| match item {
            Inbound::Contact(contact) => Candidate::new(&contact, now()).ok(),
            _ => None,
        });
        let receipts = self.0.accept(contacts.collect()).await.map_err(|_| Refusal::Closing)?;
        Ok(receipts.into_iter().map(Outcome::Accepted).collect())
    }
}

fn now() -> Timestamp {
    RealClock.now()
}

struct NoBlobs;

#[async_trait]
impl Blobs for NoBlobs {
    async fn put(&self, _: Bytes) -> Result<BlobRef, BlobError> {
        Err(BlobError::Missing)
    }

    async fn begin(&self) -> Result<Box<dyn BlobWriter>, BlobError> {
        Err(BlobError::Missing)
    }

    async fn read(&self, _: &BlobRef) -> Result<Bytes, BlobError> {
        Err(BlobError::Missing)
    }

    async fn sweep(
        &self,
        _: Timestamp,
        _: &(dyn for<'a> Fn(&'a str) -> bool + Sync),
    ) -> Result<u64, BlobError> {
        Ok(0)
    }
}
