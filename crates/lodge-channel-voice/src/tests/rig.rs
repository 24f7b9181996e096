//! A gateway with one Twilio inbox, called by a Twilio that signs.

use crate::desk::{Desk, Policy};
use crate::dialect::Dialect;
use crate::dialogue::{self, Dialogue};
use crate::providers::twilio::cxml;
use crate::recordings::Recordings;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use data_encoding::BASE64;
use lodge_channel::fetch::{ApiClient, ApiSettings, MediaClient, MediaPolicy};
use lodge_channel::webhook::{Algorithm, Desk as WebhookDesk, Form, HmacKeys, Provider};
use lodge_domain::ports::{Clock, InboxState, Intake};
use lodge_domain::{BrandName, Contact, Inbound, InboxId, InboxName, Supplement};
use lodge_testkit::{ManualClock, MemoryBlobs, ModelStore, RecordingIntake, SeededEntropy};
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;
use url::form_urlencoded::Serializer;

pub(super) const PUBLIC: &str = "https://gw.example.test";
pub(super) const CALL: &str = "CA5e0b1c2d3f4a596877869504132231f0";
pub(super) const ACCOUNT: &str = "AC0f1e2d3c4b5a69788796a5b4c3d2e1f0";
const TOKEN: &str = "12345";

pub(super) struct House {
    pub(super) intake: Arc<RecordingIntake>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) state: Arc<ModelStore>,
    pub(super) desk: Arc<Desk>,
    pub(super) recordings: Arc<Recordings>,
    pub(super) blobs: Arc<MemoryBlobs>,
    webhooks: WebhookDesk,
}

pub(super) fn twilio_at(base: &str) -> Arc<dyn Dialect> {
    twilio_with(base, TOKEN)
}

fn twilio_with(base: &str, token: &str) -> Arc<dyn Dialect> {
    let base = url::Url::parse(base).unwrap();
    let api = ApiClient::new(&ApiSettings { base: base.clone(), deadline: Duration::from_secs(5) }).unwrap();
    let media = MediaClient::new(MediaPolicy::new(&["api.twilio.com"], Some(base))).unwrap();
    let token = SecretString::from(token.to_owned());
    let old = SecretString::from("the one before".to_owned());
    let places = ("2010-04-01/Accounts", api, media);
    Arc::new(cxml("twilio", "x-twilio-signature", (&[token.clone(), old], token), None, places))
}

pub(super) fn inbox() -> InboxId {
    InboxId { brand: BrandName::unbranded(), name: InboxName::parse("page").unwrap() }
}

pub(super) fn everything() -> Policy {
    Policy { missed: true, abandoned: true, anonymous: true }
}

pub(super) fn hotline() -> Dialogue {
    dialogue::read(dialogue::HOTLINE).unwrap()
}

impl House {
    pub(super) fn new() -> Self {
        Self::with(hotline(), everything(), "http://127.0.0.1:9")
    }

    pub(super) fn with(dialogue: Dialogue, policy: Policy, api: &str) -> Self {
        let clock = Arc::new(ManualClock::new());
        let entropy = Arc::new(SeededEntropy::new(1));
        let state = Arc::new(ModelStore::new(Arc::clone(&clock) as Arc<dyn Clock>, entropy));
        let blobs = Arc::new(MemoryBlobs::new(Arc::clone(&clock) as Arc<dyn Clock>));
        let intake = Arc::new(RecordingIntake::new());
        Self::over(dialogue, policy, twilio_at(api), (clock, state, intake, blobs))
    }

    /// Another gateway on the same store.
    pub(super) fn neighbour(&self) -> Self {
        let shared = (
            Arc::clone(&self.clock),
            Arc::clone(&self.state),
            Arc::clone(&self.intake),
            Arc::clone(&self.blobs),
        );
        Self::over(self.desk.dialogue.clone(), self.desk.policy, Arc::clone(&self.desk.dialect), shared)
    }

    fn over(
        dialogue: Dialogue,
        policy: Policy,
        dialect: Arc<dyn Dialect>,
        shared: (Arc<ManualClock>, Arc<ModelStore>, Arc<RecordingIntake>, Arc<MemoryBlobs>),
    ) -> Self {
        let (clock, state, intake, blobs) = shared;
        let recordings = Arc::new(Recordings {
            inbox: inbox(),
            dialect: Arc::clone(&dialect),
            delete: true,
            intake: Arc::clone(&intake) as Arc<dyn Intake>,
            state: Arc::clone(&state) as Arc<dyn InboxState>,
            blobs: Arc::clone(&blobs) as _,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            wake: tokio::sync::Notify::new(),
        });
        let desk = Arc::new(Desk {
            inbox: inbox(),
            base: format!("{PUBLIC}/hooks/page"),
            dialogue,
            dialect,
            policy,
            intake: Arc::clone(&intake) as Arc<dyn Intake>,
            state: Arc::clone(&state) as Arc<dyn InboxState>,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            recordings: Arc::clone(&recordings),
        });
        let webhooks = WebhookDesk::new(
            inbox().name,
            Some(PUBLIC.to_owned()),
            Arc::clone(&desk) as Arc<dyn Provider>,
            Arc::clone(&intake) as Arc<dyn Intake>,
            Arc::clone(&clock) as Arc<dyn Clock>,
        );
        Self { intake, clock, state, desk, recordings, blobs, webhooks }
    }

    /// Posts a signed form; status and body of the answer.
    pub(super) async fn post(&self, below: &str, pairs: &[(&str, &str)]) -> (StatusCode, String) {
        let mut form = Serializer::new(String::new());
        form.append_pair("CallSid", CALL).append_pair("AccountSid", ACCOUNT);
        for (key, value) in [("From", "+14155550134"), ("To", "+18885550190"), ("CallStatus", "in-progress")]
        {
            if pairs.iter().all(|(name, _)| *name != key) {
                form.append_pair(key, value);
            }
        }
        form.extend_pairs(pairs);
        self.post_raw(below, &form.finish()).await
    }

    pub(super) async fn post_raw(&self, below: &str, body: &str) -> (StatusCode, String) {
        let slash = if below.is_empty() { "" } else { "/" };
        let target = format!("/hooks/page{slash}{below}");
        self.send(below, body, Some(&signature(&target, body.as_bytes(), TOKEN))).await
    }

    pub(super) async fn send(
        &self,
        below: &str,
        body: &str,
        signature: Option<&str>,
    ) -> (StatusCode, String) {
        let slash = if below.is_empty() { "" } else { "/" };
        let mut request = Request::builder()
            .method("POST")
            .uri(format!("/hooks/page{slash}{below}"))
            .header("content-type", "application/x-www-form-urlencoded; charset=UTF-8");
        if let Some(signature) = signature {
            request = request.header("x-twilio-signature", signature);
        }
        let below = below.split('?').next().unwrap();
        let answer = self.webhooks.answer(below, request.body(Body::from(body.to_owned())).unwrap()).await;
        let status = answer.status();
        let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Follows an address that an answer gave.
    pub(super) async fn follow(&self, answer: &str, pairs: &[(&str, &str)]) -> String {
        let (status, body) = self.post(&action(answer), pairs).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }

    pub(super) fn contacts(&self) -> Vec<Contact> {
        self.intake.contacts()
    }

    pub(super) fn supplements(&self) -> Vec<Supplement> {
        let taken = self.intake.taken().into_iter();
        taken.filter_map(|item| if let Inbound::Supplement(one) = item { Some(*one) } else { None }).collect()
    }
}

/// The path, below the inbox's own, of the first action that an answer names.
pub(super) fn action(answer: &str) -> String {
    let after = answer.split("action=\"").nth(1).unwrap_or_else(|| panic!("no action in {answer}"));
    let address = after.split('"').next().unwrap();
    address.strip_prefix(&format!("{PUBLIC}/hooks/page/")).unwrap().to_owned()
}

pub(super) fn signature(target: &str, body: &[u8], token: &str) -> String {
    let mut text = format!("{PUBLIC}{target}");
    for (key, values) in Form::parse(body).sorted() {
        for value in values {
            text.push_str(key);
            text.push_str(value);
        }
    }
    let keys = HmacKeys::new(Algorithm::Sha1, &[SecretString::from(token.to_owned())]);
    BASE64.encode(&keys.sign(&[text.as_bytes()]).unwrap())
}

/// The names of an answer's elements, in order.
pub(super) fn verbs(answer: &str) -> Vec<&str> {
    let names = answer.split('<').skip(3).filter_map(|tag| tag.split([' ', '>', '/']).next());
    names.filter(|name| !name.is_empty()).collect()
}
