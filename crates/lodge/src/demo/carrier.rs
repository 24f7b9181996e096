//! A stand-in for the companies that carry calls and messages: what it tells the gateway is signed as theirs is, and goes
//! to the gateway's real doors. Its secrets are drawn at the start, and the page never sees them. Loopback only.

use aws_lc_rs::hmac;
use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use lodge_domain::ports::{Clock, Entropy};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;
use url::form_urlencoded::Serializer;

/// The account that all calls belong to.
pub const ACCOUNT: &str = "AC0f1e2d3c4b5a69788796a5b4c3d2e1f0";
/// The page in Messenger.
pub const PAGE: &str = "104050607080900";
/// The id of the number in WhatsApp.
pub const NUMBER: &str = "106540352242922";
/// The most files, people and messages that are remembered.
const MOST: usize = 200;

/// What the gateway and the carriers know, and nobody else.
pub struct CarrierKeys {
    /// Signs what is told of calls, and lets the gateway into their API.
    pub(super) calls: String,
    /// Signs what is told of messages.
    app: String,
    /// Lets the gateway into the messages' API.
    pub(super) access: String,
}

impl CarrierKeys {
    /// New ones, written into `folder` as `calls.secret`, `app.secret`, `verify.secret` and `access.secret`.
    ///
    /// # Errors
    /// Where the folder cannot be written.
    pub fn draw(entropy: &dyn Entropy, folder: &Path) -> std::io::Result<Self> {
        let keys = Self { calls: entropy.token(), app: entropy.token(), access: entropy.token() };
        let verify = entropy.token();
        let files =
            [("calls", &keys.calls), ("app", &keys.app), ("verify", &verify), ("access", &keys.access)];
        for (name, value) in files {
            std::fs::write(folder.join(format!("{name}.secret")), value)?;
        }
        Ok(keys)
    }
}

/// A message that the gateway sent.
#[derive(Clone)]
pub(super) struct SentMessage {
    pub(super) id: String,
    pub(super) network: &'static str,
    pub(super) account: String,
    /// What comes back with every status.
    pub(super) mark: Value,
}

/// What the carriers remember; the oldest goes first.
#[derive(Default)]
pub(super) struct Held {
    files: VecDeque<(String, String, Bytes)>,
    people: VecDeque<(String, String)>,
    sent: VecDeque<SentMessage>,
}

impl Held {
    fn push<T>(all: &mut VecDeque<T>, one: T) {
        if all.len() == MOST {
            all.pop_front();
        }
        all.push_back(one);
    }

    /// The media type and the bytes of a file.
    pub(super) fn file(&self, id: &str) -> Option<(String, Bytes)> {
        let found = self.files.iter().find(|(name, ..)| name == id);
        found.map(|(_, media_type, bytes)| (media_type.clone(), bytes.clone()))
    }

    /// Keeps a file.
    pub(super) fn keep(&mut self, id: &str, media_type: &str, bytes: Bytes) {
        Self::push(&mut self.files, (id.to_owned(), media_type.to_owned(), bytes));
    }

    /// Forgets a file; whether it was there.
    pub(super) fn forget(&mut self, id: &str) -> bool {
        let before = self.files.len();
        self.files.retain(|(name, ..)| name != id);
        self.files.len() < before
    }

    /// The name behind an account.
    pub(super) fn name(&self, account: &str) -> Option<String> {
        self.people.iter().find(|(known, _)| known == account).map(|(_, name)| name.clone())
    }

    /// Remembers who is behind an account.
    pub(super) fn meet(&mut self, account: &str, name: &str) {
        self.people.retain(|(known, _)| known != account);
        Self::push(&mut self.people, (account.to_owned(), name.to_owned()));
    }

    /// A message that the gateway sent.
    pub(super) fn sent(&self, id: &str) -> Option<SentMessage> {
        self.sent.iter().find(|message| message.id == id).cloned()
    }

    /// Remembers a message that the gateway sent.
    pub(super) fn send(&mut self, message: SentMessage) {
        Self::push(&mut self.sent, message);
    }
}

/// The stand-in.
pub struct Carrier {
    pub(super) keys: CarrierKeys,
    /// The gateway's public address.
    public: String,
    /// Where its own APIs are.
    pub(super) own: String,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    http: reqwest::Client,
    held: Mutex<Held>,
    events: broadcast::Sender<Value>,
}

impl Carrier {
    /// A carrier with its APIs at `own`, for the gateway at `public`.
    ///
    /// # Errors
    /// Where the system has no usable certificates.
    pub fn new(
        keys: CarrierKeys,
        public: String,
        own: String,
        (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
    ) -> reqwest::Result<Arc<Self>> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let (held, events) = (Mutex::default(), broadcast::channel(1024).0);
        Ok(Arc::new(Self { keys, public, own, clock, entropy, http, held, events }))
    }

    /// What happens from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Value> {
        self.events.subscribe()
    }

    pub(super) fn happened(&self, what: Value) {
        // Nobody may be looking.
        drop(self.events.send(what));
    }

    pub(super) fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The address of an inbox's door.
    pub(super) fn door(&self, inbox: &str) -> String {
        format!("{}/hooks/{inbox}", self.public)
    }

    /// Tells of a call at `address`, as a signed form; the document that is answered.
    ///
    /// # Errors
    /// Where the address is none of the gateway's doors, or it does not take it.
    pub(super) async fn tell_form(
        &self,
        address: &str,
        fields: &BTreeMap<&str, String>,
    ) -> Result<String, String> {
        let signed = fields.iter().fold(address.to_owned(), |text, (key, value)| text + key + value);
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.keys.calls.as_bytes());
        let signature = BASE64.encode(hmac::sign(&key, signed.as_bytes()).as_ref());
        let body = Serializer::new(String::new()).extend_pairs(fields).finish();
        let headers = [
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
            ("x-twilio-signature", signature),
        ];
        let lines: Vec<String> = fields.iter().map(|(key, value)| format!("{key}: {value}")).collect();
        self.post("voice", address, headers, (body, lines.join("\n"))).await
    }

    /// Tells of messages at an inbox's door, as signed JSON.
    ///
    /// # Errors
    /// Where the gateway does not take it.
    pub(super) async fn tell_json(&self, inbox: &str, body: &Value) -> Result<(), String> {
        let text = body.to_string();
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.keys.app.as_bytes());
        let signature = format!("sha256={}", HEXLOWER.encode(hmac::sign(&key, text.as_bytes()).as_ref()));
        let headers = [("content-type", "application/json".to_owned()), ("x-hub-signature-256", signature)];
        let shown = format!("{body:#}");
        self.post("social", &self.door(inbox), headers, (text, shown)).await.map(drop)
    }

    async fn post(
        &self,
        channel: &str,
        address: &str,
        headers: [(&'static str, String); 2],
        (body, shown): (String, String),
    ) -> Result<String, String> {
        let below = address.strip_prefix(&self.public).filter(|below| below.starts_with("/hooks/"));
        let below = below.ok_or("the address is none of the gateway's doors")?;
        let mut request = self.http.post(address).body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let unreached = |_| "the gateway does not answer".to_owned();
        let response = request.send().await.map_err(unreached)?;
        let (status, answer) = (response.status(), response.text().await.map_err(unreached)?);
        self.happened(json!({
            "kind": "exchange", "channel": channel, "by": "carrier", "what": format!("POST {below}"),
            "said": shown, "status": status.as_u16(), "answer": answer,
        }));
        if status.is_success() { Ok(answer) } else { Err(format!("the gateway answered {status}")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::{SystemClock, SystemEntropy};

    #[tokio::test]
    async fn nothing_is_told_to_anybody_but_the_gateway_s_doors() {
        let folder = tempfile::tempdir().unwrap();
        let keys = CarrierKeys::draw(&SystemEntropy, folder.path()).unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("calls.secret")).unwrap(), keys.calls);
        let public = "http://127.0.0.1:9".to_owned();
        let system = (Arc::new(SystemClock) as _, Arc::new(SystemEntropy) as _);
        let carrier = Carrier::new(keys, public.clone(), public, system).unwrap();
        for address in
            ["http://127.0.0.1:90/hooks/a", "http://127.0.0.1:9/admin", "https://evil.example/hooks/a"]
        {
            let refused = carrier.tell_form(address, &BTreeMap::new()).await.unwrap_err();
            assert!(refused.contains("none of the gateway's doors"), "{address}: {refused}");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut held = Held::default();
        for at in 0..=MOST {
            held.keep(&at.to_string(), "image/png", Bytes::new());
            held.meet(&at.to_string(), "Ann");
        }
        assert!(held.file("0").is_none() && held.file("1").is_some() && held.name("0").is_none());
        held.meet("1", "Ben");
        assert_eq!((held.name("1").as_deref(), held.people.len()), (Some("Ben"), MOST));
    }
}
