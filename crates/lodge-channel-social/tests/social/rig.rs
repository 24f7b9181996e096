//! A social inbox on a desk of its own: its real routes and replier, a hallway that remembers, and a provider's API on
//! loopback that answers as told.

mod api;
mod push;
mod say;
mod sign;

pub(crate) use api::{Api, Call};
pub(crate) use push::push;
pub(crate) use say::{item, messenger, reports, value, whatsapp};
pub(crate) use sign::{PUBLIC_URL, forge, jwk, media_type, settings, sign, signed_by_us, token};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use lodge_channel::door::Door;
use lodge_channel::net::TcpConnector;
use lodge_channel::{Context, FileLinks, Health, Secret, SecretError, SecretSource, Task};
use lodge_channel_social::{Next, SocialSettings, WatchError, Watcher};
use lodge_domain::delivery::{OutboundKind, OutboundMessage};
use lodge_domain::ports::{Clock, Replier};
use lodge_domain::{
    BlobRef, BrandName, ConversationId, EnvelopeId, InboxId, InboxName, KeyRing, NodeName, OutboundId,
    Reference, ReturnPath, Timestamp,
};
use lodge_testkit::{ManualClock, MemoryBlobs, ModelStore, RecordingIntake, SeededEntropy};
use secrecy::SecretString;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use tower::ServiceExt;

/// Secrets by the names that references use.
pub(crate) struct Secrets(pub(crate) HashMap<String, String>);

impl SecretSource for Secrets {
    fn read(&self, secret: &Secret) -> Result<SecretString, SecretError> {
        let Secret::Env(name) = secret else { unreachable!("tests name variables") };
        Ok(self.0.get(name).cloned().unwrap_or_else(|| sign::secret(name)).into())
    }
}

/// Links to kept files, unsigned.
struct Links;

impl FileLinks for Links {
    fn href(&self, _: &BlobRef, name: &str, _: &str, _: Timestamp) -> Option<String> {
        Some(format!("{PUBLIC_URL}/files/{name}"))
    }
}

pub(crate) struct Rig {
    pub(crate) provider: String,
    pub(crate) router: Router,
    pub(crate) intake: Arc<RecordingIntake>,
    pub(crate) replier: Arc<dyn Replier>,
    pub(crate) health: Vec<Arc<Health>>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) api: Api,
    pub(crate) context: Context,
    pub(crate) settings: SocialSettings,
}

/// When all this happens.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_795_291_200).unwrap()
}

impl Rig {
    /// An inbox of `provider`, with `extra` keys in its provider's table.
    pub(crate) async fn new(provider: &str, extra: Value) -> Self {
        Self::with(provider, extra, Value::Null, HashMap::new()).await
    }

    pub(crate) async fn with(
        provider: &str,
        extra: Value,
        common: Value,
        secrets: HashMap<String, String>,
    ) -> Self {
        let api = Api::start().await;
        let settings: SocialSettings =
            serde_json::from_value(settings(provider, &api.base, extra, common)).unwrap();
        let clock = Arc::new(ManualClock::new());
        clock.set(now());
        let shared: Arc<dyn Clock> = clock.clone();
        let entropy = Arc::new(SeededEntropy::new(7));
        let store = Arc::new(ModelStore::new(Arc::clone(&shared), entropy.clone()));
        let (intake, blobs) =
            (Arc::new(RecordingIntake::new()), Arc::new(MemoryBlobs::new(Arc::clone(&shared))));
        let inbox = InboxId { brand: BrandName::unbranded(), name: InboxName::parse("page").unwrap() };
        let context = Context {
            inbox,
            node: NodeName::parse("a").unwrap(),
            public_url: Some(PUBLIC_URL.to_owned()),
            folder: ".".into(),
            neighbours: Arc::new(Vec::new()),
            intake: intake.clone(),
            state: store.clone(),
            leases: store.clone(),
            budgets: store.clone(),
            timelines: store.clone(),
            files: Arc::new(Links),
            hours: Arc::default(),
            dead_letters: store,
            blobs,
            clock: shared,
            entropy,
            connector: Arc::new(TcpConnector),
            keys: Arc::new(KeyRing::new(&[(1, vec![1; 32])]).unwrap()),
            secrets: Arc::new(Secrets(secrets)),
            shutdown: Default::default(),
        };
        let parts = settings.build(context.clone()).unwrap();
        Self {
            provider: provider.to_owned(),
            router: parts.routes.unwrap_or_default(),
            replier: parts.replier.unwrap(),
            health: parts.health,
            tasks: parts.tasks,
            intake,
            clock,
            api,
            context,
            settings,
        }
    }

    /// Posts a body, signed as the provider does.
    pub(crate) async fn post(&self, body: impl Into<Bytes>, media_type: &str) -> (StatusCode, Bytes) {
        let body = body.into();
        let mut request = Request::post("/hooks/page").header("content-type", media_type);
        for (name, value) in sign(&self.provider, &body, self.clock.now()) {
            request = request.header(name, value);
        }
        self.ask(request.body(Body::from(body)).unwrap()).await
    }

    /// Posts JSON that has to be taken.
    pub(crate) async fn take(&self, body: &Value) {
        let (status, _) = self.post(body.to_string(), "application/json").await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }

    pub(crate) async fn ask(&self, request: Request<Body>) -> (StatusCode, Bytes) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        (status, to_bytes(response.into_body(), 1024 * 1024).await.unwrap())
    }

    /// What looks for the provider's news, as after a start.
    pub(crate) fn watcher(&self) -> Option<Arc<Watcher>> {
        self.settings.watcher(&self.context).unwrap()
    }

    /// Looks for news once, as after a start.
    pub(crate) async fn look(&self) -> Result<Next, WatchError> {
        self.watcher().unwrap().round().await
    }

    /// The way back of the last contact.
    pub(crate) fn way(&self) -> ReturnPath {
        self.intake.contacts().pop().unwrap().return_path.unwrap()
    }

    /// A reply to the last contact.
    pub(crate) fn reply(&self, key: &str, text: &str) -> OutboundMessage {
        self.reply_by(self.way(), key, text)
    }

    /// A reply that goes this way.
    pub(crate) fn reply_by(&self, return_path: ReturnPath, key: &str, text: &str) -> OutboundMessage {
        let envelope = EnvelopeId::of_contact(&[1; 32]);
        let conversation = ConversationId::founded_by(&envelope);
        OutboundMessage {
            id: OutboundId::reply(&conversation, key),
            kind: OutboundKind::Reply,
            brand: BrandName::unbranded(),
            inbox: self.context.inbox.name.clone(),
            reference: Reference::derive(&conversation, 0),
            conversation,
            return_path,
            subject: None,
            text: text.to_owned(),
            html: None,
            attachments: Vec::new(),
            author: None,
        }
    }
}
