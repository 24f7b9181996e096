//! Bandwidth: JSON in, with a name and a password instead of a signature, BXML out, REST for recordings, their words and text
//! messages. The address of each callback carries the same name and password; they are not kept with the answer.

use crate::config::{Shared, table};
use crate::dialect::{
    Capabilities, Dialect, Event, Facts, Heard, Held, Manner, Settings, TextMessage, Words,
};
use crate::dialogue::{Ears, Input, Message, Sound, Then, Turn};
use crate::markup::{Markup, escaped};
use crate::networks::{caller, clean, number, plain_id, region, vouches};
use crate::outward::{Outward, deleted, never, secrets, text, texted};
use crate::places::{Place, Script};
use async_trait::async_trait;
use axum::http::Method;
use jiff::{SignedDuration, Timestamp};
use lodge_channel::fetch::{ApiBody, Credentials, Fetched, MediaError};
use lodge_channel::webhook::{BasicCredentials, Forged, Unverified, Verified};
use lodge_channel::{Context, Problem, Secret, Secrets};
use lodge_domain::{DeliveryError, Sent};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::sync::Arc;

/// What Bandwidth can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    verified_by: "name and password",
    hears: false,
    records: true,
    transcribes: true,
    dials: true,
    deletes: true,
    texts: true,
};

/// Where calls are.
const VOICE: &str = "https://voice.bandwidth.com";
/// Where text messages are.
const MESSAGING: &str = "https://messaging.bandwidth.com";
/// Where recordings are.
const HOSTS: &[&str] = &["voice.bandwidth.com"];
/// What a document has in place of the password until it goes out: nothing else in one looks like this.
const SEALED: &str = " password=\"\"";

table! {
    /// Calls by Bandwidth.
    pub struct BandwidthSettings {
        /// The account's id.
        pub account_id: String,
        /// The name of the user, which callbacks repeat.
        pub username: String,
        /// The user's password, which callbacks repeat; two while it is changed over, the newer one first.
        pub password: Secrets,
        /// The messaging application that text messages go out through; without it none do.
        pub application_id: Option<String>,
    }
}

impl Settings for BandwidthSettings {
    fn capabilities(&self) -> Capabilities {
        Capabilities { texts: self.application_id.is_some(), ..CAPABILITIES }
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        self.password.0.iter().map(|secret| ("password", secret)).collect()
    }

    fn problems(&self) -> Vec<Problem> {
        let wrong = || Problem::new("account_id", "it is no id", "copy it from the dashboard");
        (!plain_id(&self.account_id)).then(wrong).into_iter().collect()
    }

    fn connect(&self, context: &Context) -> Result<Arc<dyn Dialect>, Problem> {
        let passwords = secrets("password", &self.password, context)?;
        let none = || Problem::new("password", "there is none", "name one");
        let first = passwords.first().cloned().ok_or_else(none)?;
        let pairs = passwords.iter().map(|password| (self.username.as_str(), password));
        let base = self.common().api_base;
        Ok(Arc::new(Bandwidth {
            credentials: BasicCredentials::new(pairs),
            account: self.account_id.clone(),
            application: self.application_id.clone(),
            login: Credentials::Basic(self.username.clone(), first.clone()),
            name: self.username.clone(),
            password: first,
            voice: Outward::new(VOICE, HOSTS, base)?,
            messaging: Outward::new(MESSAGING, &[], base)?,
        }))
    }
}

struct Bandwidth {
    credentials: BasicCredentials,
    account: String,
    application: Option<String>,
    login: Credentials,
    name: String,
    password: SecretString,
    voice: Outward,
    messaging: Outward,
}

#[async_trait]
impl Dialect for Bandwidth {
    fn media_types(&self) -> &[&str] {
        &["application/json"]
    }

    fn verify<'r>(&self, request: &'r Unverified, _: Timestamp) -> Result<Verified<'r>, Forged> {
        self.credentials.verify(request)
    }

    fn read(&self, request: &Verified<'_>) -> Option<Heard> {
        let told: Value = request.json()?;
        let facts = facts(&told)?;
        if facts.account != self.account {
            return None;
        }
        let place = Place::of(request.below())?;
        let event = match text(&told, "/eventType")? {
            "initiate" => Some(Event::Turn { number: None, input: Input::Begin, gone: false }),
            "disconnect" => Some(Event::Ended {
                status: text(&told, "/cause").map_or_else(|| "unknown".to_owned(), |cause| clean(cause, 40)),
                seconds: lasted(&told),
            }),
            "recordingAvailable" => Some(recording(&told)?),
            "transcriptionAvailable" => Some(transcript(&told)?),
            "gather" | "recordComplete" | "transferComplete" | "redirect" => {
                let Place::Turn { number, nothing } = place else { return None };
                let input = if nothing { Input::Silence } else { input(&told) };
                Some(Event::Turn { number: Some(number), input, gone: false })
            }
            _ => None,
        };
        Some(Heard { facts, events: event.into_iter().collect() })
    }

    fn manner(&self) -> Manner {
        Manner::Document("application/xml; charset=utf-8")
    }

    fn write(&self, turn: &Turn, script: &Script<'_>) -> String {
        let mut markup = Markup::new("Response");
        let login = [("username", self.name.as_str()), ("password", "")];
        match &turn.then {
            Then::Listen(ears) => listen(&mut markup, turn, ears, script, login),
            Then::Record { seconds, silence, transcribe } => {
                lines(&mut markup, turn, script);
                record(&mut markup, (*seconds, *silence, *transcribe), script, login);
            }
            Then::Dial { number, seconds } => {
                lines(&mut markup, turn, script);
                let (action, seconds) = (script.turn(), seconds.to_string());
                let ring = [("callTimeout", seconds.as_str()), ("transferCompleteUrl", &action)];
                markup.open("Transfer", &[ring, login].concat());
                markup.element("PhoneNumber", &[], number);
                markup.close();
            }
            Then::HangUp | Then::File => {
                lines(&mut markup, turn, script);
                markup.empty("Hangup", &[]);
            }
        }
        markup.finish()
    }

    fn seal(&self, document: String) -> String {
        let password = escaped(self.password.expose_secret());
        document.replace(SEALED, &format!(" password=\"{password}\""))
    }

    async fn recording(&self, held: Held<'_>) -> Result<Fetched, MediaError> {
        self.voice.fetch(held.address, &self.login).await
    }

    async fn transcript(&self, held: Held<'_>) -> Result<(String, Option<f64>), MediaError> {
        let fetched = self.voice.fetch(held.address, &self.login).await?;
        let told: Value = serde_json::from_slice(&fetched.bytes).unwrap_or_default();
        let said = told.pointer("/transcripts").and_then(Value::as_array).cloned().unwrap_or_default();
        let words: Vec<&str> = said.iter().filter_map(|one| text(one, "/text")).collect();
        let sure = said.iter().filter_map(|one| one.pointer("/confidence").and_then(Value::as_f64));
        Ok((words.join("\n"), sure.reduce(f64::min)))
    }

    async fn delete_recording(&self, held: Held<'_>) -> Result<(), DeliveryError> {
        if !plain_id(held.id) || !plain_id(held.call) {
            return Err(never("name the recording"));
        }
        let path = format!("api/v2/accounts/{}/calls/{}/recordings/{}", self.account, held.call, held.id);
        deleted(&self.voice.call(&self.login, Method::DELETE, &path, ApiBody::Empty).await?)
    }

    async fn text(&self, message: &TextMessage<'_>) -> Result<Sent, DeliveryError> {
        let Some(application) = &self.application else {
            return Err(never("send a text message: no `application_id` is configured"));
        };
        let body = json!({
            "from": message.from, "to": [message.to], "text": message.text,
            "applicationId": application, "tag": message.id.to_string(),
        });
        let path = format!("api/v2/users/{}/messages", self.account);
        let answer = self.messaging.call(&self.login, Method::POST, &path, ApiBody::Json(&body)).await?;
        texted(&answer, message.to, "/id", "/description")
    }
}

fn facts(told: &Value) -> Option<Facts> {
    let from = caller(text(told, "/from"));
    let checked = text(told, "/stirShaken/verstat").unwrap_or_default();
    let attested = text(told, "/stirShaken/attestationIndicator").unwrap_or_default();
    let verdict = format!("{checked} {attested}");
    let (assurance, evidence) = vouches(Some(&verdict), "Tn-Verification-Passed A", from.as_deref());
    Some(Facts {
        from,
        to: text(told, "/to").and_then(number),
        assurance,
        evidence,
        ..Facts::of(text(told, "/callId")?, text(told, "/accountId")?)
    })
}

fn input(told: &Value) -> Input {
    match text(told, "/eventType").unwrap_or_default() {
        "gather" => match text(told, "/digits") {
            Some(keys) => Input::Keys(keys.chars().take(64).collect()),
            None => Input::Silence,
        },
        "recordComplete" => {
            let id = text(told, "/recordingId").map(|id| clean(id, 64));
            Input::Recorded(id.map(|id| Message { id, seconds: length(told) }))
        }
        "transferComplete" => Input::Operator(text(told, "/cause") == Some("hangup")),
        _ => Input::Silence,
    }
}

/// The length of a recording, `PT17.0S`.
fn length(told: &Value) -> Option<u32> {
    let length: SignedDuration = text(told, "/duration")?.parse().ok()?;
    u32::try_from(length.as_secs()).ok()
}

/// From being answered to the end.
fn lasted(told: &Value) -> Option<u32> {
    let at = |pointer: &str| text(told, pointer)?.parse::<Timestamp>().ok();
    let lasted = at("/endTime")?.duration_since(at("/answerTime")?);
    u32::try_from(lasted.as_secs()).ok()
}

fn recording(told: &Value) -> Option<Event> {
    let id = clean(text(told, "/recordingId")?, 64);
    let state = clean(text(told, "/status").unwrap_or("complete"), 40);
    let address = text(told, "/mediaUrl").filter(|_| state != "error").map(ToOwned::to_owned);
    Some(Event::Recording { id, address, state, seconds: length(told) })
}

fn transcript(told: &Value) -> Option<Event> {
    let state = clean(text(told, "/transcription/status").unwrap_or("available"), 40);
    let address = text(told, "/transcription/url").filter(|_| state == "available");
    Some(Event::Transcript {
        id: clean(text(told, "/transcription/id")?, 64),
        recording: text(told, "/recordingId").map(|id| clean(id, 64)),
        words: address.map_or(Words::None, |address| Words::At(address.to_owned())),
        confidence: None,
        state,
    })
}

fn lines(markup: &mut Markup, turn: &Turn, script: &Script<'_>) {
    for line in &turn.lines {
        match &line.what {
            Sound::Play(address) => markup.element("PlayAudio", &[], address),
            Sound::Say(text) => {
                let locale = region(&line.language).replace('-', "_");
                let mut attributes = vec![("locale", locale.as_str())];
                attributes.extend(script.voice(line).map(|voice| ("voice", voice)));
                markup.element("SpeakSentence", &attributes, text);
            }
        }
    }
}

/// Who answers to a callback: name, and password once it goes out.
type Login<'a> = [(&'static str, &'a str); 2];

fn listen(markup: &mut Markup, turn: &Turn, ears: &Ears, script: &Script<'_>, login: Login<'_>) {
    let (action, most, seconds) = (script.turn(), ears.keys.max(1).to_string(), ears.seconds.to_string());
    let mut attributes =
        vec![("firstDigitTimeout", seconds.as_str()), ("gatherUrl", &action), ("maxDigits", &most)];
    if ears.keys > 1 {
        attributes.push(("terminatingDigits", "#"));
    }
    attributes.extend(login);
    markup.open("Gather", &attributes);
    lines(markup, turn, script);
    markup.close();
}

fn record(
    markup: &mut Markup,
    (seconds, silence, transcribe): (u32, u32, bool),
    script: &Script<'_>,
    login: Login<'_>,
) {
    let (action, told, words) = (script.turn(), script.recording(), script.transcript());
    let (seconds, silence) = (seconds.to_string(), silence.to_string());
    let mut attributes = vec![
        ("maxDuration", seconds.as_str()),
        ("recordCompleteUrl", &action),
        ("recordingAvailableUrl", &told),
        ("silenceTimeout", &silence),
        ("terminatingDigits", "#"),
    ];
    if transcribe {
        attributes.extend([("transcribe", "true"), ("transcriptionAvailableUrl", words.as_str())]);
    }
    attributes.extend(login);
    markup.empty("Record", &attributes);
}
