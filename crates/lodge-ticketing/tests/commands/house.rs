//! A router over fakes, and a client that signs.

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use lodge_domain::delivery::{OutboundState, RecipientState};
use lodge_domain::effect::{Applied, Step};
use lodge_domain::ports::*;
use lodge_domain::ticket::ReplyState;
use lodge_domain::*;
use lodge_testkit::{ManualClock, MemoryBlobs};
use lodge_ticketing::{CommandsState, SigningSecrets, router};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

pub(crate) const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub(crate) const TOKEN: &str = "a-token-of-the-core-0123456789abcdef";

/// Records every command; fails while told to.
#[derive(Default)]
pub(crate) struct FakeCore {
    pub(crate) calls: Mutex<Vec<String>>,
    pub(crate) replies: Mutex<Vec<NewReply>>,
    pub(crate) failing: Mutex<Option<CommandError>>,
    pub(crate) history: Mutex<Option<History>>,
    keys: Mutex<HashMap<String, Digest>>,
}

impl FakeCore {
    fn record(&self, call: String) -> Result<(), CommandError> {
        self.calls.lock().unwrap().push(call);
        self.failing.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

pub(crate) fn conversation_id() -> ConversationId {
    ConversationId::founded_by(&EnvelopeId::of_contact(&[1; 32]))
}

pub(crate) fn reference() -> Reference {
    Reference::derive(&conversation_id(), 0)
}

pub(crate) fn reply_id() -> OutboundId {
    OutboundId::reply(&conversation_id(), "key-1")
}

fn fares() -> ReplyState {
    let text = Some("550 no such user".to_owned());
    let recipient =
        RecipientState { handle: "ann@example.com".to_owned(), state: OutboundState::Failed, text };
    ReplyState { id: reply_id(), state: OutboundState::Failed, in_doubt: true, recipients: vec![recipient] }
}

#[async_trait]
impl CoreCommands for FakeCore {
    async fn reply(&self, reference: &Reference, reply: NewReply) -> Result<ReplyQueued, CommandError> {
        self.record(format!("reply {reference}"))?;
        let id = OutboundId::reply(&conversation_id(), &reply.idempotency_key);
        let mut keys = self.keys.lock().unwrap();
        if *keys.entry(reply.idempotency_key.clone()).or_insert(reply.content) != reply.content {
            return Err(CommandError::Conflict);
        }
        self.replies.lock().unwrap().push(reply);
        Ok(ReplyQueued { id })
    }

    async fn reply_state(&self, id: &OutboundId) -> Result<ReplyState, CommandError> {
        self.record(format!("state {id}"))?;
        if *id == reply_id() { Ok(fares()) } else { Err(CommandError::Unknown("reply")) }
    }

    async fn resend(&self, id: &OutboundId) -> Result<ReplyState, CommandError> {
        self.record(format!("resend {id}"))?;
        Ok(fares())
    }

    async fn status(&self, reference: &Reference, change: StatusChange) -> Result<(), CommandError> {
        self.record(format!("status {reference} {:?} {:?} {:?}", change.status, change.ticket, change.note))
    }

    async fn merge(&self, from: &Reference, into: &Reference) -> Result<(), CommandError> {
        self.record(format!("merge {from} {into}"))
    }

    async fn show(&self, reference: &Reference, hint: Hint) -> Result<(), CommandError> {
        self.record(format!("show {reference} {hint:?}"))
    }

    async fn revoke(&self, reference: &Reference) -> Result<(), CommandError> {
        self.record(format!("revoke {reference}"))
    }

    async fn answered(&self, since: &str) -> Result<Vec<AnsweredCount>, CommandError> {
        self.record(format!("answered {since}"))?;
        let inbox = InboxName::parse("website").unwrap();
        let (day, article) = ("2026-11-26".to_owned(), "lamps".to_owned());
        Ok(vec![AnsweredCount { day, inbox, article, count: 3 }])
    }

    async fn history(&self, reference: &Reference) -> Result<History, CommandError> {
        self.record(format!("history {reference}"))?;
        self.history.lock().unwrap().clone().ok_or(CommandError::Unknown("conversation"))
    }
}

/// A feed whose cursors are numbers.
#[derive(Default)]
pub(crate) struct FakeFeed {
    items: Mutex<Vec<FeedItem>>,
    news: Notify,
    pub(crate) reads: Mutex<usize>,
}

impl FakeFeed {
    pub(crate) fn publish(&self, number: u8) -> EventId {
        let event = EnvelopeId::of_contact(&[number; 32]);
        let body = Bytes::from(format!("{{ \"id\" : \"{event}\",\"n\":1.0}}"));
        let (brand, at) = (BrandName::unbranded(), Timestamp::UNIX_EPOCH);
        let item = FeedItem { event: event.clone(), brand, conversation: None, body, at };
        self.items.lock().unwrap().push(item);
        self.news.notify_waiters();
        event
    }
}

#[async_trait]
impl Feed for FakeFeed {
    async fn read(&self, after: Option<&FeedCursor>, most: usize) -> Result<Option<FeedPage>, StoreError> {
        *self.reads.lock().unwrap() += 1;
        let Ok(start) = after.map_or(Ok(0), |cursor| cursor.0.parse::<usize>()) else { return Ok(None) };
        let items: Vec<_> = self.items.lock().unwrap().iter().skip(start).take(most).cloned().collect();
        let next = FeedCursor((start + items.len()).to_string());
        Ok(Some(FeedPage { items, next }))
    }

    async fn event(&self, _: &BrandName, event: &EventId) -> Result<Option<FeedItem>, StoreError> {
        Ok(self.items.lock().unwrap().iter().find(|item| item.event == *event).cloned())
    }

    async fn wait_feed(&self, most: Duration) {
        drop(tokio::time::timeout(most, self.news.notified()).await);
    }
}

/// Keeps the steps it is given; everything else is empty.
#[derive(Default)]
pub(crate) struct FakeLedger {
    pub(crate) steps: Mutex<Vec<Step>>,
}

#[async_trait]
impl Ledger for FakeLedger {
    async fn accept(&self, _: Vec<Candidate>) -> Result<Vec<Receipt>, StoreError> {
        Ok(Vec::new())
    }
    async fn apply(&self, step: Step) -> Result<Applied, StoreError> {
        self.steps.lock().unwrap().push(step);
        Ok(Applied::Done)
    }
    async fn find(&self, _: &BrandName, _: Lookup) -> Result<Vec<Envelope>, StoreError> {
        Ok(Vec::new())
    }
    async fn conversation(
        &self,
        _: &BrandName,
        _: &ConversationId,
    ) -> Result<Option<Conversation>, StoreError> {
        Ok(None)
    }
    async fn by_reference(&self, _: &BrandName, _: &Reference) -> Result<Option<Conversation>, StoreError> {
        Ok(None)
    }
    async fn outbound(&self, _: &BrandName, _: &OutboundId) -> Result<Option<OutboundRecord>, StoreError> {
        Ok(None)
    }
    async fn outbound_of(
        &self,
        _: &BrandName,
        _: &ConversationId,
    ) -> Result<Vec<OutboundRecord>, StoreError> {
        Ok(Vec::new())
    }
    async fn journal(&self, _: &BrandName, _: &[String]) -> Result<Vec<JournalLine>, StoreError> {
        Ok(Vec::new())
    }
    async fn brands(&self) -> Result<Vec<BrandName>, StoreError> {
        Ok(Vec::new())
    }
}

pub(crate) struct House {
    pub(crate) core: Arc<FakeCore>,
    pub(crate) feed: Arc<FakeFeed>,
    pub(crate) ledger: Arc<FakeLedger>,
    pub(crate) blobs: MemoryBlobs,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) closing: CancellationToken,
    pub(crate) router: Router,
    pub(crate) secrets: SigningSecrets,
}

pub(crate) fn house() -> House {
    let clock = Arc::new(ManualClock::new());
    let (core, feed, ledger) =
        (Arc::<FakeCore>::default(), Arc::<FakeFeed>::default(), Arc::<FakeLedger>::default());
    let blobs = MemoryBlobs::new(clock.clone());
    let secrets = SigningSecrets::new(&[SECRET.into()]).unwrap();
    let closing = CancellationToken::new();
    let router = router(CommandsState {
        commands: core.clone(),
        feed: feed.clone(),
        blobs: Arc::new(blobs.clone()),
        verifier: Some(secrets.clone()),
        tokens: vec![TOKEN.into(), " ".into()],
        clock: clock.clone(),
        settles: Some(ledger.clone()),
        closing: closing.clone(),
    });
    House { core, feed, ledger, blobs, clock, closing, router, secrets }
}

/// One answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// The last word of the problem's type; checks that it is a whole problem document.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let document = self.json();
        assert_eq!(document["status"], self.status.as_u16());
        assert!(document["title"].is_string() && document["detail"].is_string());
        document["type"].as_str().unwrap().rsplit(':').next().unwrap().to_owned()
    }
}

impl House {
    pub(crate) fn signature(&self, id: &str, body: &[u8]) -> Vec<(&'static str, String)> {
        let at = self.clock.now().as_second();
        vec![
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", at.to_string()),
            ("webhook-signature", self.secrets.sign(id, at, body)),
        ]
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, String)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = axum::body::to_bytes(body, 1 << 24).await.unwrap();
        assert_eq!(parts.headers["cache-control"], "no-store", "t65 {path}");
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(text.to_vec()).unwrap(),
        }
    }

    /// A call with the bearer token.
    pub(crate) async fn call(&self, method: Method, path: &str, body: &str) -> Answer {
        let headers = [("authorization", format!("Bearer {TOKEN}")), ("idempotency-key", "key-1".to_owned())];
        self.send(method, path, &headers, body.to_owned()).await
    }

    /// A signed call.
    pub(crate) async fn signed(&self, id: &str, method: Method, path: &str, body: &str) -> Answer {
        let mut headers = self.signature(id, body.as_bytes());
        headers.push(("idempotency-key", "key-1".to_owned()));
        self.send(method, path, &headers, body.to_owned()).await
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        self.core.calls.lock().unwrap().clone()
    }
}
