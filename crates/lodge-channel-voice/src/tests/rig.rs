//! A gateway with one voice inbox of any provider, called by a provider that signs.

use super::phone::{Phone, Saying};
use super::reading::Reading;
use super::sign::{Callback, Headers, configured, own_key, sign};
use crate::VoiceSettings;
use crate::dialogue::{self, Dialogue};
use crate::door::Works;
use crate::streams::Streams;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use data_encoding::{BASE64, HEXLOWER};
use lodge_channel::net::TcpConnector;
use lodge_channel::webhook::{Desk as WebhookDesk, Provider, Unverified};
use lodge_channel::{Context, FileLinks, Secret, SecretError, SecretSource};
use lodge_domain::ports::{Clock, InboxState, Intake};
use lodge_domain::{
    BlobRef, BrandName, Contact, Inbound, InboxId, InboxName, KeyRing, NodeName, Supplement, Timestamp,
};
use lodge_testkit::{ManualClock, MemoryBlobs, ModelStore, RecordingIntake, SeededEntropy};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub(super) const PUBLIC: &str = "https://gw.example.test";
/// Nobody listens there.
pub(super) const NOWHERE: &str = "http://127.0.0.1:9";

/// The secret that signs, where a test names no other: a variable's name in lower case is its value.
struct Secrets {
    signing: String,
    scheme: String,
    value: String,
}

impl SecretSource for Secrets {
    fn read(&self, secret: &Secret) -> Result<SecretString, SecretError> {
        let Secret::Env(name) = secret else { unreachable!("tests name variables") };
        if name == "PRIVATE_KEY" {
            return Ok(own_key().1.clone().into());
        }
        let plain = if *name == self.signing { &self.value } else { &name.to_lowercase() };
        let signs = *name == self.signing || *name == format!("{}_OLD", self.signing);
        let value = if signs { configured(&self.scheme, plain) } else { plain.clone() };
        Ok(value.into())
    }
}

/// Nobody asks for a link here.
struct NoFiles;

impl FileLinks for NoFiles {
    fn href(&self, _: &BlobRef, _: &str, _: &str, _: Timestamp) -> Option<String> {
        None
    }
}

pub(super) fn inbox() -> InboxId {
    InboxId { brand: BrandName::unbranded(), name: InboxName::parse("page").unwrap() }
}

pub(super) fn hotline() -> Dialogue {
    dialogue::read(dialogue::HOTLINE).unwrap()
}

/// The address of an API that takes every order.
fn takes_all() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let app = axum::Router::new().fallback(|| async { axum::Json(json!({"data": {"result": "ok"}})) });
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

/// What a house is built of.
pub(super) struct Plan {
    pub(super) phone: Phone,
    pub(super) dialogue: Dialogue,
    /// Keys of the table beside those of the phone.
    pub(super) extra: Value,
    /// The secret that signs.
    pub(super) secret: String,
    pub(super) api: String,
}

impl Plan {
    pub(super) fn of(phone: &Phone) -> Self {
        Self {
            phone: phone.clone(),
            dialogue: hotline(),
            extra: json!({}),
            secret: phone.text("signing").to_lowercase(),
            api: NOWHERE.to_owned(),
        }
    }

    pub(super) fn dialogue(mut self, text: &str) -> Self {
        self.dialogue = dialogue::read(text).unwrap();
        self
    }

    pub(super) fn extra(mut self, extra: Value) -> Self {
        self.extra = extra;
        self
    }

    pub(super) fn api(mut self, api: &str) -> Self {
        api.clone_into(&mut self.api);
        self
    }

    pub(super) fn secret(mut self, secret: &str) -> Self {
        secret.clone_into(&mut self.secret);
        self
    }

    /// The settings, read as the configuration's are.
    pub(super) fn settings(&self) -> VoiceSettings {
        let mut table = self.phone.value["settings"].clone();
        let all = table.as_object_mut().unwrap();
        all.insert("api_base".to_owned(), json!(self.api));
        all.extend(self.extra.as_object().unwrap().clone());
        serde_json::from_value(json!({self.phone.table(): table})).unwrap()
    }

    pub(super) fn build(self) -> House {
        let clock = Arc::new(ManualClock::new());
        let shared: Arc<dyn Clock> = clock.clone();
        let intake = Arc::new(RecordingIntake::new());
        self.over(&Shared {
            state: Arc::new(ModelStore::new(Arc::clone(&shared), Arc::new(SeededEntropy::new(1)))),
            blobs: Arc::new(MemoryBlobs::new(shared)),
            intake,
            clock,
        })
    }

    pub(super) fn over(mut self, shared: &Shared) -> House {
        if self.phone.is_ordered() && self.api == NOWHERE {
            self.api = takes_all();
        }
        let Shared { state, blobs, intake, clock } = shared;
        let settings = self.settings();
        let signing = self.phone.text("signing").to_owned();
        let scheme = self.phone.text("signs").to_owned();
        let context = Context {
            inbox: inbox(),
            node: NodeName::parse("a").unwrap(),
            public_url: Some(PUBLIC.to_owned()),
            folder: ".".into(),
            neighbours: Arc::new(Vec::new()),
            intake: Arc::clone(intake) as Arc<dyn Intake>,
            state: Arc::clone(state) as Arc<dyn InboxState>,
            leases: state.clone(),
            budgets: state.clone(),
            timelines: state.clone(),
            files: Arc::new(NoFiles),
            hours: Arc::default(),
            dead_letters: state.clone(),
            blobs: Arc::clone(blobs) as _,
            clock: Arc::clone(clock) as Arc<dyn Clock>,
            entropy: Arc::new(SeededEntropy::new(2)),
            connector: Arc::new(TcpConnector),
            keys: Arc::new(KeyRing::new(&[(1, vec![1; 32])]).unwrap()),
            secrets: Arc::new(Secrets { signing, scheme, value: self.secret.clone() }),
            shutdown: Default::default(),
        };
        let dialogue = self.dialogue.clone();
        let works = settings.works(&context, || Ok(dialogue)).unwrap();
        let streams = works.streams(&context);
        let shutdown = context.shutdown.clone();
        let webhooks = WebhookDesk::new(
            inbox().name,
            Some(PUBLIC.to_owned()),
            Arc::clone(&works.desk) as Arc<dyn Provider>,
            context.intake,
            context.clock,
        );
        let shared = Shared {
            state: Arc::clone(state),
            blobs: Arc::clone(blobs),
            intake: Arc::clone(intake),
            clock: Arc::clone(clock),
        };
        House { plan: self, shared, works, webhooks, streams, shutdown }
    }
}

/// What gateways on one store share.
pub(super) struct Shared {
    pub(super) state: Arc<ModelStore>,
    pub(super) blobs: Arc<MemoryBlobs>,
    pub(super) intake: Arc<RecordingIntake>,
    pub(super) clock: Arc<ManualClock>,
}

pub(super) struct House {
    pub(super) plan: Plan,
    pub(super) shared: Shared,
    pub(super) works: Works,
    webhooks: WebhookDesk,
    /// Where audio comes in.
    pub(super) streams: Option<Streams>,
    pub(super) shutdown: CancellationToken,
}

impl House {
    pub(super) fn of(phone: &Phone) -> Self {
        Plan::of(phone).build()
    }

    /// Another gateway on the same store.
    pub(super) fn neighbour(&self) -> Self {
        let Plan { phone, dialogue, extra, secret, api } = &self.plan;
        let plan = Plan {
            phone: phone.clone(),
            dialogue: dialogue.clone(),
            extra: extra.clone(),
            secret: secret.clone(),
            api: api.clone(),
        };
        plan.over(&self.shared)
    }

    /// Everything that the inbox serves.
    pub(super) fn routes(&self) -> axum::Router {
        let own = lodge_channel::webhook::routes(self.webhooks.clone());
        self.streams.clone().map_or(own.clone(), |streams| own.merge(streams.routes()))
    }

    pub(super) fn phone(&self) -> &Phone {
        &self.plan.phone
    }

    /// What signs a callback.
    pub(super) fn headers(&self, target: &str, body: &[u8]) -> Headers {
        let url = format!("{PUBLIC}{target}");
        let at = self.shared.clock.now();
        sign(self.phone().text("signs"), &Callback { url: &url, body, secret: &self.plan.secret, at })
    }

    /// Sends a callback, signed, to an address below the inbox's own.
    pub(super) async fn post(&self, below: &str, body: &[u8]) -> (StatusCode, String) {
        let slash = if below.is_empty() { "" } else { "/" };
        let headers = self.headers(&format!("/hooks/page{slash}{below}"), body);
        self.send(below, body, &headers).await
    }

    pub(super) async fn send(&self, below: &str, body: &[u8], headers: &Headers) -> (StatusCode, String) {
        let slash = if below.is_empty() { "" } else { "/" };
        let mut request = Request::builder()
            .method("POST")
            .uri(format!("/hooks/page{slash}{below}"))
            .header("content-type", self.phone().media_type(body));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        self.ask(below.split('?').next().unwrap(), request.body(Body::from(body.to_vec())).unwrap()).await
    }

    pub(super) async fn ask(&self, below: &str, request: Request) -> (StatusCode, String) {
        let answer = self.webhooks.answer(below, request).await;
        let status = answer.status();
        let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Something happens, and the provider tells of it; status and body of the answer.
    pub(super) async fn tell(
        &self,
        event: &str,
        values: &[(&str, &str)],
        after: Option<&Reading>,
    ) -> (StatusCode, String) {
        self.tell_saying(&self.phone().says(event, values), after).await
    }

    pub(super) async fn tell_saying(&self, saying: &Saying, after: Option<&Reading>) -> (StatusCode, String) {
        if self.phone().is_ordered() {
            return self.tell_for_orders(saying, after).await;
        }
        let below = match (saying.place.as_str(), after) {
            ("turn" | "none", Some(after)) => after.address(&saying.place),
            ("turn" | "none", None) => panic!("nobody gave an address yet"),
            (place, _) => place.to_owned(),
        };
        self.post(&below, &saying.body).await
    }

    /// The same of a provider that tells everything at one address, and gives back which turn it answers. In place of a body
    /// these are the orders that it was answered with.
    async fn tell_for_orders(&self, saying: &Saying, after: Option<&Reading>) -> (StatusCode, String) {
        let turn = match (saying.place.as_str(), after) {
            ("turn" | "none", Some(after)) => {
                let plan: Value = serde_json::from_str(&after.whole).unwrap();
                plan["turn"].to_string()
            }
            (place, _) => place.split('/').nth(1).unwrap_or("0").to_owned(),
        };
        let body = String::from_utf8(saying.body.clone()).unwrap().replace("{turn}", &turn);
        let mut told: Value = serde_json::from_str(&body).unwrap();
        let state = told.pointer_mut("/data/payload/client_state");
        for state in state.into_iter().filter(|state| state.is_object()) {
            state["turn"] = serde_json::from_str(&turn).unwrap();
            *state = json!(BASE64.encode(state.to_string().as_bytes()));
        }
        let body = told.to_string().into_bytes();
        let (status, nothing) = self.post("", &body).await;
        assert!(nothing.is_empty() || !status.is_success(), "{nothing}");
        (status, self.ordered(&body).await)
    }

    /// The orders that were given to a callback.
    async fn ordered(&self, body: &[u8]) -> String {
        let mut request = Request::post("/hooks/page");
        for (name, value) in self.headers("/hooks/page", body) {
            request = request.header(name, value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let request = Unverified::new(parts.method, "/hooks/page", "", Some(PUBLIC), parts.headers)
            .with_body(body.to_vec().into());
        let desk = &self.works.desk;
        let verified = desk.verify(&request, self.shared.clock.now()).unwrap();
        let digest = HEXLOWER.encode(&desk.dialect.sameness(&verified)[..16]);
        let known = desk.calls.known(self.phone().call_id()).await.unwrap();
        let answers = known.map(|(kept, _)| kept.answers).unwrap_or_default();
        let given = answers.into_iter().find(|given| given.to == digest);
        given.map(|given| given.answer).unwrap_or_default()
    }

    /// The same where the call goes on.
    pub(super) async fn goes_on(
        &self,
        event: &str,
        values: &[(&str, &str)],
        after: Option<&Reading>,
    ) -> Reading {
        let (status, body) = self.tell(event, values, after).await;
        assert_eq!(status, StatusCode::OK, "{}: {event}: {body}", self.phone().provider);
        Reading::of(self.phone(), &body)
    }

    pub(super) async fn rings(&self) -> Reading {
        self.goes_on("rings", &[], None).await
    }

    pub(super) async fn presses(&self, keys: &str, after: &Reading) -> Reading {
        self.goes_on("presses", &[("keys", keys)], Some(after)).await
    }

    pub(super) async fn recorded(&self, after: &Reading) -> Reading {
        self.goes_on("recorded", &[("recording", "RE1")], Some(after)).await
    }

    /// The provider tells of something that asks for no answer; twice, since that makes no difference.
    pub(super) async fn told(&self, event: &str, values: &[(&str, &str)]) {
        for _ in 0..2 {
            let (status, body) = self.tell(event, values, None).await;
            assert!(status.is_success(), "{}: {event}: {status} {body}", self.phone().provider);
        }
    }

    pub(super) fn contacts(&self) -> Vec<Contact> {
        self.shared.intake.contacts()
    }

    pub(super) fn supplements(&self) -> Vec<Supplement> {
        let taken = self.shared.intake.taken().into_iter();
        taken.filter_map(|item| if let Inbound::Supplement(one) = item { Some(*one) } else { None }).collect()
    }

    /// Everything that is kept of this inbox.
    pub(super) async fn kept(&self, prefix: &str) -> Vec<(String, Vec<u8>)> {
        let all = self.shared.state.list(&inbox(), prefix).await.unwrap();
        all.into_iter().map(|(key, value)| (key, value.value.to_vec())).collect()
    }
}
