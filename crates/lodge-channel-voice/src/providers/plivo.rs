//! Plivo: forms signed over address, fields and a nonce (V3), Plivo XML out, REST for recordings and text messages. Numbers
//! come without `+`.

use crate::config::{Shared, table};
use crate::dialect::{
    Capabilities, Dialect, Event, Facts, Heard, Held, Manner, Settings, TextMessage, Words,
};
use crate::dialogue::{Ears, Input, Message, Spoken, Then, Turn};
use crate::documents::{dial, lines, parameters};
use crate::markup::Markup;
use crate::misdirected::misdirected;
use crate::networks::{caller, clean, number, plain_id, region};
use crate::outward::{Outward, deleted, never, secrets, texted};
use crate::places::{Place, Script};
use async_trait::async_trait;
use axum::http::Method;
use jiff::Timestamp;
use lodge_channel::fetch::{ApiBody, Credentials, Fetched, MediaError};
use lodge_channel::webhook::{Algorithm, Forged, Form, HmacKeys, Unverified, Verified, plivo_v2, plivo_v3};
use lodge_channel::{Context, Problem, Secret, Secrets};
use lodge_domain::{Assurance, DeliveryError, Sent};
use serde_json::json;
use std::sync::Arc;

/// What Plivo can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    verified_by: "HMAC-SHA256 of address, form and nonce",
    hears: true,
    records: true,
    transcribes: true,
    dials: true,
    deletes: true,
    texts: true,
};

/// Where Plivo is.
const API: &str = "https://api.plivo.com";
/// Where its recordings are.
const HOSTS: &[&str] = &["*.plivo.com"];

table! {
    /// Calls by Plivo.
    pub struct PlivoSettings {
        /// The account's auth id.
        pub auth_id: String,
        /// The account's auth token, which signs callbacks; two while it is changed over, the one for calls to Plivo first.
        pub auth_token: Secrets,
    }
}

impl Settings for PlivoSettings {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        self.auth_token.0.iter().map(|secret| ("auth_token", secret)).collect()
    }

    fn problems(&self) -> Vec<Problem> {
        let wrong = || Problem::new("auth_id", "it is no id", "copy it from the console");
        (!plain_id(&self.auth_id)).then(wrong).into_iter().collect()
    }

    fn connect(&self, context: &Context) -> Result<Arc<dyn Dialect>, Problem> {
        let tokens = secrets("auth_token", &self.auth_token, context)?;
        let none = || Problem::new("auth_token", "there is none", "name one");
        let first = tokens.first().cloned().ok_or_else(none)?;
        Ok(Arc::new(Plivo {
            keys: HmacKeys::new(Algorithm::Sha256, &tokens),
            account: format!("v1/Account/{}", self.auth_id),
            login: Credentials::Basic(self.auth_id.clone(), first),
            outward: Outward::new(API, HOSTS, self.common().api_base)?,
        }))
    }
}

struct Plivo {
    keys: HmacKeys,
    /// The account's path below the API's base.
    account: String,
    login: Credentials,
    outward: Outward,
}

#[async_trait]
impl Dialect for Plivo {
    fn media_types(&self) -> &[&str] {
        &["application/x-www-form-urlencoded"]
    }

    fn signs_get(&self) -> bool {
        true
    }

    fn verify<'r>(&self, request: &'r Unverified, _: Timestamp) -> Result<Verified<'r>, Forged> {
        if !request.has_header("x-plivo-signature-v3-nonce") {
            // Text messages come with the older signature, over the address alone: enough to say that they are no calls.
            let verified = plivo_v2(&self.keys, request)?;
            let message = misdirected(&verified);
            return if message {
                Ok(verified)
            } else {
                Err(Forged("the signature covers nothing of a call"))
            };
        }
        let verified = plivo_v3(&self.keys, request)?;
        // Key and value are signed without a border between them: what must be there must be there by its own name.
        if call(&parameters(&verified), &verified).is_none() && !misdirected(&verified) {
            return Err(Forged("the call is not named"));
        }
        Ok(verified)
    }

    fn read(&self, request: &Verified<'_>) -> Option<Heard> {
        let form = parameters(request);
        let facts = facts(&form, request)?;
        let status = form.get("CallStatus").unwrap_or_default();
        let last = form.get("Event") == Some("Hangup")
            || matches!(status, "completed" | "busy" | "failed" | "timeout" | "no-answer" | "cancel");
        let event = match Place::of(request.below())? {
            Place::Status | Place::Inbox if last => {
                let seconds = form.filled("Duration").and_then(|text| text.parse().ok());
                Some(Event::Ended { status: clean(status, 40), seconds })
            }
            Place::Status => None,
            Place::Inbox => Some(Event::Turn { number: None, input: Input::Begin, gone: false }),
            Place::Recording => Some(recording(&form)?),
            Place::Transcript => Some(transcript(&form)?),
            Place::Turn { number, nothing } => {
                Some(Event::Turn { number: Some(number), input: input(&form, nothing), gone: last })
            }
        };
        Some(Heard { facts, events: event.into_iter().collect() })
    }

    fn manner(&self) -> Manner {
        Manner::Document("application/xml; charset=utf-8")
    }

    fn write(&self, turn: &Turn, script: &Script<'_>) -> String {
        let mut markup = Markup::new("Response");
        match &turn.then {
            Then::Listen(ears) => listen(&mut markup, turn, ears, script),
            Then::Record { seconds, silence, transcribe } => {
                lines(&mut markup, "Speak", turn, script);
                record(&mut markup, (*seconds, *silence, *transcribe), script);
            }
            Then::Dial { number, seconds } => {
                lines(&mut markup, "Speak", turn, script);
                dial(&mut markup, number, *seconds, script);
            }
            Then::HangUp | Then::File => {
                lines(&mut markup, "Speak", turn, script);
                markup.empty("Hangup", &[]);
            }
        }
        markup.finish()
    }

    async fn recording(&self, held: Held<'_>) -> Result<Fetched, MediaError> {
        self.outward.fetch(held.address, &self.login).await
    }

    async fn delete_recording(&self, held: Held<'_>) -> Result<(), DeliveryError> {
        let path = plain_id(held.id).then(|| format!("{}/Recording/{}/", self.account, held.id));
        let path = path.ok_or(never("name the recording"))?;
        deleted(&self.outward.call(&self.login, Method::DELETE, &path, ApiBody::Empty).await?)
    }

    async fn text(&self, message: &TextMessage<'_>) -> Result<Sent, DeliveryError> {
        let bare = |number: &str| number.trim_start_matches('+').to_owned();
        let body = json!({"src": bare(message.from), "dst": bare(message.to), "text": message.text});
        let path = format!("{}/Message/", self.account);
        let answer = self.outward.call(&self.login, Method::POST, &path, ApiBody::Json(&body)).await?;
        texted(&answer, message.to, "/message_uuid/0", "/error")
    }
}

/// The call's id; the words of a recording write it in another way.
fn call(form: &Form, request: &Verified<'_>) -> Option<String> {
    let later = Place::of(request.below()) == Some(Place::Transcript);
    let named = form.filled("CallUUID").or_else(|| form.filled("call_uuid").filter(|_| later));
    named
        .map(ToOwned::to_owned)
        .or_else(|| request.query().filled("call").filter(|_| later).map(ToOwned::to_owned))
}

fn facts(form: &Form, request: &Verified<'_>) -> Option<Facts> {
    Some(Facts {
        from: caller(form.filled("From")),
        to: form.filled("To").and_then(number),
        name: form.filled("CallerName").map(|name| clean(name, 100)),
        assurance: Assurance::Unverified,
        ..Facts::of(&call(form, request)?, "")
    })
}

fn input(form: &Form, nothing: bool) -> Input {
    let seconds = form.filled("RecordingDuration").and_then(|text| text.parse().ok());
    if let Some(id) = form.filled("RecordingID") {
        Input::Recorded(Some(Message { id: clean(id, 64), seconds }))
    } else if let Some(ended) = form.filled("DialStatus") {
        Input::Operator(ended == "completed")
    } else if nothing {
        Input::Silence
    } else if let Some(keys) = form.filled("Digits") {
        Input::Keys(keys.chars().take(64).collect())
    } else if let Some(text) = form.filled("Speech") {
        let confidence = form.filled("SpeechConfidenceScore").and_then(|text| text.parse().ok());
        Input::Speech(Spoken { text: text.to_owned(), confidence })
    } else {
        Input::Silence
    }
}

fn recording(form: &Form) -> Option<Event> {
    Some(Event::Recording {
        id: clean(form.filled("RecordingID")?, 64),
        address: Some(form.filled("RecordUrl")?.to_owned()),
        state: "completed".to_owned(),
        seconds: form.filled("RecordingDuration").and_then(|text| text.parse().ok()),
    })
}

fn transcript(form: &Form) -> Option<Event> {
    let recording = clean(form.filled("recording_id")?, 64);
    let text = form.filled("transcription").map(|text| text.chars().take(20_000).collect());
    let state = form.filled("error").map_or_else(|| "completed".to_owned(), |error| clean(error, 40));
    Some(Event::Transcript {
        id: recording.clone(),
        recording: Some(recording),
        words: text.map_or(Words::None, Words::Here),
        confidence: None,
        state,
    })
}

fn listen(markup: &mut Markup, turn: &Turn, ears: &Ears, script: &Script<'_>) {
    let (action, hints, most) = (script.turn(), ears.hints.join(","), ears.keys.to_string());
    let language = region(turn.lines.last().map_or("en", |line| line.language.as_str()));
    // The time for all of it: 5 to 60 seconds; a long number takes its time.
    let patience = u64::from(ears.seconds) + 2 * (ears.keys as u64).saturating_sub(1);
    let patience = patience.clamp(5, 60).to_string();
    let between = ears.seconds.clamp(2, 10).to_string();
    let mut attributes = vec![("action", action.as_str()), ("executionTimeout", &patience)];
    attributes.extend([("inputType", ears.input()), ("method", "POST"), ("redirect", "true")]);
    if ears.keys > 0 {
        attributes.extend([("digitEndTimeout", between.as_str()), ("numDigits", &most)]);
    }
    if ears.keys > 1 {
        attributes.push(("finishOnKey", "#"));
    }
    if ears.speech {
        attributes.extend([("language", language.as_str()), ("speechEndTimeout", "auto")]);
    }
    if !hints.is_empty() {
        attributes.push(("hints", &hints));
    }
    markup.open("GetInput", &attributes);
    lines(markup, "Speak", turn, script);
    markup.close();
    // Who says nothing gets no action request: the call goes on here.
    markup.element("Redirect", &[("method", "POST")], &script.nothing());
}

fn record(markup: &mut Markup, (seconds, silence, transcribe): (u32, u32, bool), script: &Script<'_>) {
    let (action, told, words) = (script.turn(), script.recording(), script.transcript());
    let (seconds, silence) = (seconds.to_string(), silence.to_string());
    let mut attributes = vec![
        ("action", action.as_str()),
        ("callbackMethod", "POST"),
        ("callbackUrl", &told),
        ("finishOnKey", "#"),
        ("maxLength", &seconds),
        ("method", "POST"),
        ("playBeep", "true"),
        ("redirect", "true"),
        ("timeout", &silence),
    ];
    if transcribe {
        attributes.extend([
            ("transcriptionMethod", "POST"),
            ("transcriptionType", "auto"),
            ("transcriptionUrl", &words),
        ]);
    }
    markup.empty("Record", &attributes);
    markup.element("Redirect", &[("method", "POST")], &script.nothing());
}
