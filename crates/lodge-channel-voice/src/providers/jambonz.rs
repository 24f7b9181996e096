//! jambonz: JSON in, signed over time and body, verbs out as JSON. It makes no files of recordings: where a dialogue records,
//! what the caller says comes to us as it is spoken.

use crate::config::{Shared, table};
use crate::dialect::{
    Capabilities, Dialect, Event, Facts, Heard, Held, Manner, Settings, TextMessage, Words,
};
use crate::dialogue::{Ears, Input, Line, Message, Sound, Spoken, Then, Turn};
use crate::networks::{caller, clean, number, plain_id, region};
use crate::outward::{Outward, never, secret, secrets, text, texted};
use crate::places::{Place, Script};
use crate::stream::RATE;
use crate::streams::recording;
use crate::tickets::{NAME, Tickets};
use async_trait::async_trait;
use axum::http::Method;
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use lodge_channel::fetch::{ApiBody, Credentials, Fetched, MediaError};
use lodge_channel::webhook::{Algorithm, Candidates, Forged, HmacKeys, Unverified, Verified, fresh};
use lodge_channel::{Context, Problem, Secret, Secrets};
use lodge_domain::{DeliveryError, Sent, digest_parts};
use serde_json::{Value, json};
use std::sync::Arc;

/// What jambonz can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    verified_by: "HMAC-SHA256 of time and body",
    hears: true,
    records: true,
    transcribes: true,
    dials: true,
    deletes: false,
    texts: true,
};

/// Where jambonz is for who has no house of their own.
const API: &str = "https://api.jambonz.cloud";
/// What its audio is spoken in.
const PROTOCOL: &str = "audio.drachtio.org";

table! {
    /// Calls by jambonz.
    pub struct JambonzSettings {
        /// The account's id.
        pub account_sid: String,
        /// The account's API key, for text messages.
        pub api_key: Secret,
        /// The account's webhook secret, which signs callbacks; two while it is changed over.
        pub webhook_secret: Secrets,
    }
}

impl Settings for JambonzSettings {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        let keys = self.webhook_secret.0.iter().map(|secret| ("webhook_secret", secret));
        keys.chain([("api_key", &self.api_key)]).collect()
    }

    fn problems(&self) -> Vec<Problem> {
        let wrong = || Problem::new("account_sid", "it is no id", "copy it from the portal");
        (!plain_id(&self.account_sid)).then(wrong).into_iter().collect()
    }

    fn connect(&self, context: &Context) -> Result<Arc<dyn Dialect>, Problem> {
        let keys = secrets("webhook_secret", &self.webhook_secret, context)?;
        Ok(Arc::new(Jambonz {
            account: self.account_sid.clone(),
            keys: HmacKeys::new(Algorithm::Sha256, &keys),
            login: Credentials::Bearer(secret("api_key", &self.api_key, context)?),
            outward: Outward::new(API, &[], self.common().api_base)?,
            tickets: Tickets::new(context),
        }))
    }
}

struct Jambonz {
    account: String,
    keys: HmacKeys,
    login: Credentials,
    outward: Outward,
    tickets: Tickets,
}

#[async_trait]
impl Dialect for Jambonz {
    fn media_types(&self) -> &[&str] {
        &["application/json"]
    }

    fn streams(&self) -> Option<(&'static str, Tickets)> {
        Some((PROTOCOL, self.tickets.clone()))
    }

    fn verify<'r>(&self, request: &'r Unverified, now: Timestamp) -> Result<Verified<'r>, Forged> {
        let header = request.header("jambonz-signature").ok_or(Forged("there is no signature"))?;
        let pairs = || header.split(',').filter_map(|pair| pair.trim().split_once('='));
        let mut times = pairs().filter(|(name, _)| *name == "t").map(|(_, time)| time);
        let (time, second) = (times.next(), times.next());
        if second.is_some() {
            return Err(Forged("the timestamp stands twice"));
        }
        fresh(time, now)?;
        let candidates =
            Candidates::hex(32, pairs().filter(|(name, _)| *name == "v1").map(|(_, signature)| signature));
        let parts = [time.unwrap_or_default().as_bytes(), b".", request.signed_body()];
        self.keys.verify(request, &parts, &candidates)
    }

    fn read(&self, request: &Verified<'_>) -> Option<Heard> {
        let told: Value = request.json()?;
        let facts = Facts {
            from: caller(text(&told, "/from")),
            to: text(&told, "/to").and_then(number),
            name: text(&told, "/caller_name").map(|name| clean(name, 100)),
            ..Facts::of(text(&told, "/call_sid")?, text(&told, "/account_sid")?)
        };
        if facts.account != self.account {
            return None;
        }
        let status = text(&told, "/call_status").unwrap_or_default();
        let event = match Place::of(request.below())? {
            Place::Turn { number, nothing } => {
                let input = if nothing { Input::Silence } else { done(&told, &facts.id, number) };
                // Who hung up while speaking, or while an operator was called, is told of at the turn's address, too.
                Some(Event::Turn { number: Some(number), input, gone: is_last(status) })
            }
            Place::Transcript => words(&told, request.body()),
            // The line to an operator has a life of its own.
            _ if told.get("parent_call_sid").is_some_and(Value::is_string) => None,
            _ if is_last(status) => {
                let seconds = told.get("duration").and_then(Value::as_u64);
                let seconds = seconds.and_then(|seconds| u32::try_from(seconds).ok());
                Some(Event::Ended { status: status.to_owned(), seconds })
            }
            Place::Inbox => Some(Event::Turn { number: None, input: Input::Begin, gone: false }),
            _ => None,
        };
        Some(Heard { facts, events: event.into_iter().collect() })
    }

    fn manner(&self) -> Manner {
        Manner::Document("application/json")
    }

    fn write(&self, turn: &Turn, script: &Script<'_>) -> String {
        let mut verbs = Vec::new();
        match &turn.then {
            Then::Listen(ears) => {
                let (before, last) = match turn.lines.split_last() {
                    Some((last, before)) => (before, Some(last)),
                    None => (turn.lines.as_slice(), None),
                };
                verbs.extend(before.iter().map(|line| verb(line, script)));
                verbs.push(gather(ears, last, script));
            }
            Then::Record { seconds, transcribe, .. } => {
                verbs.extend(turn.lines.iter().map(|line| verb(line, script)));
                let password = self.tickets.password(script.call, script.turn);
                verbs.push(listen(turn, (*seconds, *transcribe), &password, script));
            }
            Then::Dial { number, seconds } => {
                verbs.extend(turn.lines.iter().map(|line| verb(line, script)));
                verbs.push(json!({
                    "verb": "dial", "actionHook": script.turn(), "timeout": seconds,
                    "target": [{"type": "phone", "number": number}],
                }));
            }
            Then::HangUp | Then::File => {
                verbs.extend(turn.lines.iter().map(|line| verb(line, script)));
                verbs.push(json!({"verb": "hangup"}));
            }
        }
        Value::Array(verbs).to_string()
    }

    async fn recording(&self, _: Held<'_>) -> Result<Fetched, MediaError> {
        Err(MediaError::Refused)
    }

    async fn delete_recording(&self, _: Held<'_>) -> Result<(), DeliveryError> {
        Err(never("delete the recording: jambonz has none"))
    }

    async fn text(&self, message: &TextMessage<'_>) -> Result<Sent, DeliveryError> {
        let body = json!({"from": message.from, "to": message.to, "text": message.text});
        let path = format!("v1/Accounts/{}/Messages", self.account);
        let answer = self.outward.call(&self.login, Method::POST, &path, ApiBody::Json(&body)).await?;
        if answer.is_success() && answer.text("/sid").is_none() {
            // Without a server that is free, the API says so with a 200.
            let words = answer.text("/msg").unwrap_or_else(|| "no id of the message".to_owned());
            return Err(DeliveryError::later("send the text message").detail(words));
        }
        texted(&answer, message.to, "/sid", "/msg")
    }
}

/// Whether a call is over that stands so.
fn is_last(status: &str) -> bool {
    matches!(status, "completed" | "failed" | "busy" | "no-answer")
}

/// What the caller did, or what became of the operator's line: `completed` where somebody answered, else how far it got, and
/// nothing where it got nowhere.
fn done(told: &Value, call: &str, turn: u32) -> Input {
    if let Some(status) = text(told, "/dial_call_status") {
        return Input::Operator(status == "completed");
    }
    // A stream of audio ended; where none began, nothing says how long it took.
    if let Some(seconds) = told.get("dial_call_duration").and_then(Value::as_u64) {
        let id = recording(call, turn);
        let message = |seconds| Message { id, seconds: u32::try_from(seconds).ok() };
        return Input::Recorded((seconds > 0).then_some(seconds).map(message));
    }
    if let Some(keys) = text(told, "/digits") {
        return Input::Keys(keys.chars().take(64).collect());
    }
    match text(told, "/speech/alternatives/0/transcript") {
        Some(words) => {
            let confidence = told.pointer("/speech/alternatives/0/confidence").and_then(Value::as_f64);
            Input::Speech(Spoken { text: words.to_owned(), confidence })
        }
        None => Input::Silence,
    }
}

/// Words of a message that is being spoken; a message may have several of them.
fn words(told: &Value, body: &[u8]) -> Option<Event> {
    let said = text(told, "/speech/alternatives/0/transcript")?;
    Some(Event::Transcript {
        id: HEXLOWER.encode(&digest_parts(&[body])[..16]),
        recording: None,
        words: Words::Here(said.chars().take(20_000).collect()),
        confidence: told.pointer("/speech/alternatives/0/confidence").and_then(Value::as_f64),
        state: "completed".to_owned(),
    })
}

/// What is said or played, without its verb.
fn sound(line: &Line, script: &Script<'_>) -> (&'static str, Value) {
    match &line.what {
        Sound::Play(address) => ("play", json!({"url": address})),
        Sound::Say(words) => {
            // A voice is named with its vendor, as in `google/de-DE-Wavenet-B`, where that is not the application's own.
            let (vendor, voice) = match script.voice(line).map(|voice| voice.split_once('/').ok_or(voice)) {
                Some(Ok((vendor, voice))) => (vendor, Some(voice)),
                Some(Err(voice)) => ("default", Some(voice)),
                None => ("default", None),
            };
            let mut synthesizer = json!({"vendor": vendor, "language": region(&line.language)});
            if let Some(voice) = voice {
                synthesizer["voice"] = json!(voice);
            }
            ("say", json!({"text": words, "synthesizer": synthesizer}))
        }
    }
}

fn verb(line: &Line, script: &Script<'_>) -> Value {
    let (name, mut verb) = sound(line, script);
    verb["verb"] = json!(name);
    verb
}

fn recognizer(language: &str) -> Value {
    json!({"vendor": "default", "language": region(language)})
}

fn gather(ears: &Ears, last: Option<&Line>, script: &Script<'_>) -> Value {
    let mut gather = json!({
        "verb": "gather", "actionHook": script.turn(), "timeout": ears.seconds, "bargein": ears.speech,
        "dtmfBargein": true,
    });
    let mut inputs = Vec::new();
    if ears.keys > 0 || !ears.speech {
        inputs.push("digits");
        if ears.keys > 1 {
            gather["maxDigits"] = json!(ears.keys);
            gather["minDigits"] = json!(1);
            gather["finishOnKey"] = json!("#");
            gather["interDigitTimeout"] = json!(ears.seconds);
        } else {
            gather["numDigits"] = json!(1);
        }
    }
    if ears.speech {
        inputs.push("speech");
        let mut recognizer = recognizer(last.map_or("en", |line| line.language.as_str()));
        if !ears.hints.is_empty() {
            recognizer["hints"] = json!(ears.hints);
        }
        gather["recognizer"] = recognizer;
    }
    gather["input"] = json!(inputs);
    if let Some((name, sound)) = last.map(|line| sound(line, script)) {
        gather[name] = sound;
    }
    gather
}

/// Sends what the caller says to us until a key is pressed, or we have heard enough; its words, where they are wanted, are
/// written down meanwhile.
fn listen(turn: &Turn, (seconds, transcribe): (u32, bool), password: &str, script: &Script<'_>) -> Value {
    let mut listen = json!({
        "verb": "listen", "actionHook": script.turn(), "url": script.audio(),
        "wsAuth": {"username": NAME, "password": password},
        "finishOnKey": "#", "maxLength": seconds, "playBeep": true, "mixType": "mono", "sampleRate": RATE,
        "disableBidirectionalAudio": true,
    });
    if transcribe {
        let language = turn.lines.last().map_or("en", |line| line.language.as_str());
        listen["transcribe"] =
            json!({"transcriptionHook": script.transcript(), "recognizer": recognizer(language)});
    }
    listen
}
