//! Telnyx by Call Control: events in as JSON, signed like TeXML's requests; each is answered by an empty 200, and what is to be
//! done goes out to its API, one command at a time.
//!
//! A command comes to its end by an event, and only then the next one may go out. What is still to come of a turn travels with
//! the command itself, as the state that Telnyx gives back with every event: nothing of it is kept here. Commands that go
//! out again have the same id, and are the same to Telnyx. What a caller says is heard by a transcription beside a gather,
//! which takes the keys and tells that nothing was said.

use super::telnyx::Api;
use super::twiml::{Rest, Verify};
use crate::dialect::{Dialect, Event, Facts, Heard, Held, Manner, TextMessage, Words};
use crate::dialogue::{Ears, Input, Line, Message, Sound, Spoken, Then, Turn};
use crate::networks::{caller, clean, number, region, vouches};
use crate::outward::{never, text};
use crate::places::Script;
use async_trait::async_trait;
use axum::http::{Method, StatusCode};
use data_encoding::{BASE64, HEXLOWER};
use jiff::Timestamp;
use lodge_channel::fetch::{ApiBody, Fetched, MediaError};
use lodge_channel::webhook::{Answer, Forged, Unverified, Verified};
use lodge_domain::{DeliveryError, Digest, Sent, digest_parts};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What speaks where the dialogue names no voice.
const VOICE: &str = "female";
/// How long somebody who speaks may take beyond the time that silence is waited for, in seconds.
const SPEAKING: u32 = 10;
/// Commands that end by an event of their own; the others are done as soon as they are taken.
const WAIT: &[&str] = &[
    "speak",
    "playback_start",
    "gather",
    "gather_using_speak",
    "gather_using_audio",
    "record_start",
    "transfer",
    "hangup",
];

/// A call that is controlled by commands.
pub(super) struct CallControl {
    pub(super) verify: Verify,
    pub(super) api: Api,
}

/// What a turn is made of, or what is left of it: orders, and the state that comes back with every event.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Plan {
    turn: u32,
    /// The leg that the caller is on, by its control id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    doing: Option<Doing>,
    /// Commands: objects with the command's name, and `doing` where that makes a difference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    steps: Vec<Map<String, Value>>,
}

/// What an event may mean more than it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Doing {
    /// The caller's words are listened to.
    Hear,
    /// A message is recorded.
    Record,
    /// This is the operator's leg.
    Operator,
}

impl Plan {
    /// What came back with an event.
    fn of(payload: &Value) -> Option<Self> {
        let bytes = BASE64.decode(text(payload, "/client_state")?.as_bytes()).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    fn written(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    fn sealed(&self) -> Value {
        Value::String(BASE64.encode(self.written().as_bytes()))
    }

    /// Other commands in the midst of this turn, of which every later event is told as well.
    fn instead(&self, commands: &[&str]) -> Event {
        let step = |name: &&str| {
            Map::from_iter([("command".to_owned(), json!(name)), ("doing".to_owned(), json!(self.doing))])
        };
        let plan = Self { doing: None, steps: commands.iter().map(step).collect(), ..self.clone() };
        Event::Orders { number: Some(self.turn), orders: plan.written() }
    }

    fn turn(&self, input: Input) -> Event {
        Event::Turn { number: Some(self.turn), input, gone: false }
    }
}

impl CallControl {
    /// Gives one command.
    async fn command(
        &self,
        call: &Facts,
        (name, mut body): (&str, Map<String, Value>),
        left: &Plan,
    ) -> Result<(), DeliveryError> {
        let control = control(call)?;
        let state = Plan { of: Some(control.to_owned()), ..left.clone() };
        if name == "transfer" {
            let operators = Plan { doing: Some(Doing::Operator), steps: Vec::new(), ..state.clone() };
            body.insert("target_leg_client_state".to_owned(), operators.sealed());
        }
        // The same command of the same turn is the same to Telnyx, which counts by call.
        let id = [name.as_bytes(), &left.turn.to_be_bytes(), &left.steps.len().to_be_bytes()];
        body.insert("command_id".to_owned(), json!(HEXLOWER.encode(&digest_parts(&id)[..16])));
        body.insert("client_state".to_owned(), state.sealed());
        let path = format!("v2/calls/{control}/actions/{name}");
        let body = Value::Object(body);
        let answer =
            self.api.outward.call(&self.api.login, Method::POST, &path, ApiBody::Json(&body)).await?;
        // What is to be stopped may have ended by itself.
        if answer.is_success() || (name.ends_with("_stop") && (400..500).contains(&answer.status)) {
            return Ok(());
        }
        Err(answer.error("give a call its orders", answer.text("/errors/0/detail").as_deref()))
    }
}

#[async_trait]
impl Dialect for CallControl {
    fn media_types(&self) -> &[&str] {
        &["application/json"]
    }

    fn verify<'r>(&self, request: &'r Unverified, now: Timestamp) -> Result<Verified<'r>, Forged> {
        (self.verify)(request, now)
    }

    fn read(&self, request: &Verified<'_>) -> Option<Heard> {
        hear(&request.json()?)
    }

    /// A repeated event has another number of attempts, and the same id.
    fn sameness(&self, request: &Verified<'_>) -> Digest {
        let told: Value = request.json().unwrap_or_default();
        match text(&told, "/data/id") {
            Some(id) => digest_parts(&[b"event", id.as_bytes()]),
            None => digest_parts(&[request.body()]),
        }
    }

    fn manner(&self) -> Manner {
        Manner::Orders
    }

    fn write(&self, turn: &Turn, script: &Script<'_>) -> String {
        let mut steps = Vec::new();
        match &turn.then {
            Then::Listen(ears) => listen(&mut steps, turn, ears, script),
            Then::Record { seconds, silence, transcribe } => {
                steps.extend(turn.lines.iter().map(|line| spoken(line, script)));
                let mut record = json!({
                    "command": "record_start", "doing": Doing::Record, "format": "mp3", "channels": "single",
                    "recording_track": "inbound", "play_beep": true, "max_length": seconds,
                    "timeout_secs": silence, "trim": "trim-silence",
                });
                if *transcribe {
                    record["transcription"] = json!(true);
                    record["transcription_language"] = json!(region(language(turn)));
                }
                steps.push(record);
            }
            Then::Dial { number, seconds } => {
                steps.extend(turn.lines.iter().map(|line| spoken(line, script)));
                steps.push(json!({
                    "command": "transfer", "to": number, "timeout_secs": seconds, "park_after_unbridge": "self",
                }));
            }
            Then::HangUp | Then::File => {
                steps.extend(turn.lines.iter().map(|line| spoken(line, script)));
                steps.push(json!({"command": "hangup"}));
            }
        }
        let steps = steps.into_iter().filter_map(|step| step.as_object().cloned()).collect();
        Plan { turn: script.turn, steps, ..Plan::default() }.written()
    }

    async fn order(&self, call: &Facts, orders: &str) -> Result<(), DeliveryError> {
        let plan: Plan = serde_json::from_str(orders).map_err(|_| never("read the orders of a call"))?;
        let mut left = plan.steps.into_iter();
        while let Some(mut step) = left.next() {
            let name = step.remove("command").and_then(|name| name.as_str().map(ToOwned::to_owned));
            let name = name.ok_or(never("read the orders of a call"))?;
            let doing = step.remove("doing").and_then(|doing| serde_json::from_value(doing).ok());
            let rest = Plan { turn: plan.turn, of: None, doing, steps: left.clone().collect() };
            self.command(call, (&name, step), &rest).await?;
            if WAIT.contains(&name.as_str()) {
                break;
            }
        }
        Ok(())
    }

    /// A recording is saved in the same words, whoever ended it. Of a call that is over Telnyx still knows that it is.
    async fn present(&self, call: &Facts) -> Result<bool, DeliveryError> {
        let Ok(control) = control(call) else { return Ok(true) };
        let path = format!("v2/calls/{control}");
        let answer = self.api.outward.call(&self.api.login, Method::GET, &path, ApiBody::Empty).await?;
        if matches!(answer.status, 429 | 500 | 502..=504) {
            return Err(answer.error("ask whether the caller is there", None));
        }
        Ok(answer.body.pointer("/data/is_alive").and_then(Value::as_bool) != Some(false))
    }

    fn nothing(&self) -> Answer {
        Answer::empty(StatusCode::OK)
    }

    async fn recording(&self, held: Held<'_>) -> Result<Fetched, MediaError> {
        self.api.recording(held).await
    }

    async fn delete_recording(&self, held: Held<'_>) -> Result<(), DeliveryError> {
        self.api.delete_recording(held).await
    }

    async fn text(&self, message: &TextMessage<'_>) -> Result<Sent, DeliveryError> {
        self.api.text(message).await
    }
}

/// The id that commands name the call by.
fn control(call: &Facts) -> Result<&str, DeliveryError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b':' | b'=');
    let control = call.control.as_deref().filter(|id| !id.is_empty() && id.bytes().all(plain));
    control.ok_or(never("name the call"))
}

/// What an event says.
fn hear(told: &Value) -> Option<Heard> {
    let (kind, event) = (text(told, "/data/event_type")?, text(told, "/data/id")?);
    let payload = told.pointer("/data/payload")?;
    // Not every kind of event is one of a call.
    let Some(id) = text(payload, "/call_session_id") else {
        return Some(Heard { facts: Facts::of("", ""), events: Vec::new() });
    };
    let plan = Plan::of(payload);
    let from = caller(text(payload, "/from"));
    let valid = payload.get("shaken_stir_validated").and_then(Value::as_bool) == Some(true);
    let attested = text(payload, "/shaken_stir_attestation").filter(|_| valid);
    let (assurance, evidence) = vouches(attested, "A", from.as_deref());
    let own = plan.as_ref().and_then(|plan| plan.of.clone());
    let facts = Facts {
        control: own.or_else(|| text(payload, "/call_control_id").map(ToOwned::to_owned)),
        from,
        to: text(payload, "/to").and_then(number),
        name: text(payload, "/caller_id_name").map(|name| clean(name, 100)),
        assurance,
        evidence,
        ..Facts::of(&clean(id, 100), "")
    };
    let operators = plan.as_ref().is_some_and(|plan| plan.doing == Some(Doing::Operator));
    let events = match kind {
        "call.initiated" if text(payload, "/direction") == Some("incoming") => {
            let orders = r#"{"turn":0,"steps":[{"command":"answer"}]}"#.to_owned();
            vec![Event::Orders { number: None, orders }]
        }
        "call.answered" if !operators => {
            vec![Event::Turn { number: None, input: Input::Begin, gone: false }]
        }
        "call.hangup" if !operators => vec![ended(told, payload)],
        "call.recording.saved" | "call.recording.error" => recorded(event, payload, plan.as_ref()),
        "call.recording.transcription.saved" => transcript(payload).into_iter().collect(),
        kind => plan.map(|plan| within(kind, payload, &plan)).unwrap_or_default(),
    };
    Some(Heard { facts, events })
}

/// What an event means within a turn of ours.
fn within(kind: &str, payload: &Value, plan: &Plan) -> Vec<Event> {
    let status = text(payload, "/status").unwrap_or_default();
    let hearing = plan.doing == Some(Doing::Hear);
    match kind {
        "call.speak.ended" | "call.playback.ended" if !plan.steps.is_empty() => {
            let over = matches!(status, "call_hangup" | "cancelled" | "cancelled_amd");
            let orders = Plan { doing: None, ..plan.clone() }.written();
            if over { Vec::new() } else { vec![Event::Orders { number: Some(plan.turn), orders }] }
        }
        "call.gather.ended" => match (status, text(payload, "/digits")) {
            ("cancelled" | "cancelled_amd", _) => Vec::new(),
            ("call_hangup", _) => {
                vec![Event::Turn { number: Some(plan.turn), input: Input::Silence, gone: true }]
            }
            (_, keys) => {
                let input = keys.map_or(Input::Silence, |keys| Input::Keys(keys.chars().take(64).collect()));
                let stop = hearing.then(|| plan.instead(&["transcription_stop"]));
                stop.into_iter().chain([plan.turn(input)]).collect()
            }
        },
        "call.transcription" if hearing => {
            let said = payload.get("transcription_data").unwrap_or(&Value::Null);
            let last = said.get("is_final").and_then(Value::as_bool) == Some(true);
            let Some(words) = text(said, "/transcript").filter(|_| last) else { return Vec::new() };
            let confidence = said.get("confidence").and_then(Value::as_f64);
            let input = Input::Speech(Spoken { text: words.to_owned(), confidence });
            vec![plan.instead(&["transcription_stop", "gather_stop"]), plan.turn(input)]
        }
        "call.dtmf.received" if plan.doing == Some(Doing::Record) && text(payload, "/digit") == Some("#") => {
            vec![plan.instead(&["record_stop"])]
        }
        // The operator's leg is over; whether anybody was on it is in how it ended.
        "call.hangup" => {
            let answered = text(payload, "/hangup_cause") == Some("normal_clearing");
            vec![plan.turn(Input::Operator(answered))]
        }
        _ => Vec::new(),
    }
}

fn time(value: &Value, pointer: &str) -> Option<Timestamp> {
    text(value, pointer)?.parse().ok()
}

fn seconds(start: Option<Timestamp>, end: Option<Timestamp>) -> Option<u32> {
    u32::try_from(end?.duration_since(start?).as_secs()).ok()
}

fn ended(told: &Value, payload: &Value) -> Event {
    let status = text(payload, "/hangup_cause").unwrap_or("unspecified");
    let end = time(payload, "/end_time").or_else(|| time(told, "/data/occurred_at"));
    Event::Ended { status: clean(status, 40), seconds: seconds(time(payload, "/start_time"), end) }
}

/// A recording, and the turn that it ends where it is a message of ours.
fn recorded(event: &str, payload: &Value, plan: Option<&Plan>) -> Vec<Event> {
    let id = clean(text(payload, "/recording_id").unwrap_or(event), 64);
    let urls = ["/recording_urls/mp3", "/recording_urls/wav"];
    let address = urls.iter().find_map(|at| text(payload, at)).map(ToOwned::to_owned);
    let ends = (time(payload, "/recording_started_at"), time(payload, "/recording_ended_at"));
    let seconds = seconds(ends.0, ends.1);
    let message = address.is_some().then(|| Message { id: id.clone(), seconds });
    let state = if address.is_some() { "completed" } else { text(payload, "/reason").unwrap_or("failed") };
    let recording = Event::Recording { id, address, state: clean(state, 40), seconds };
    let plan = plan.filter(|plan| plan.doing == Some(Doing::Record));
    let turn = plan.map(|plan| plan.turn(Input::Recorded(message)));
    [recording].into_iter().chain(turn).collect()
}

fn transcript(payload: &Value) -> Option<Event> {
    let words = text(payload, "/transcription_text").map(|words| words.chars().take(20_000).collect());
    Some(Event::Transcript {
        id: clean(text(payload, "/recording_transcription_id")?, 64),
        recording: text(payload, "/recording_id").map(|id| clean(id, 64)),
        words: words.map_or(Words::None, Words::Here),
        confidence: None,
        state: clean(text(payload, "/status").unwrap_or("completed"), 40),
    })
}

fn language(turn: &Turn) -> &str {
    turn.lines.last().map_or("en", |line| line.language.as_str())
}

/// A line that is waited for. Texts are plain: nothing in one is markup.
fn spoken(line: &Line, script: &Script<'_>) -> Value {
    match &line.what {
        Sound::Play(address) => json!({"command": "playback_start", "audio_url": address}),
        Sound::Say(words) => json!({
            "command": "speak", "payload": words, "payload_type": "text", "language": region(&line.language),
            "voice": script.voice(line).unwrap_or(VOICE),
        }),
    }
}

fn listen(steps: &mut Vec<Value>, turn: &Turn, ears: &Ears, script: &Script<'_>) {
    // Keys cut a line short that is part of the gather.
    let within = if ears.keys > 0 { turn.lines.split_last() } else { None };
    let before = within.map_or(turn.lines.as_slice(), |(_, before)| before);
    steps.extend(before.iter().map(|line| spoken(line, script)));
    if ears.speech {
        let mut config =
            json!({"transcription_engine": "Google", "language": language(turn).split('-').next()});
        if !ears.hints.is_empty() {
            config["hints"] = json!(ears.hints);
        }
        steps.push(json!({
            "command": "transcription_start", "transcription_tracks": "inbound",
            "transcription_engine": "Google", "transcription_engine_config": config,
        }));
    }
    let wait = ears.seconds + if ears.speech { SPEAKING } else { 0 };
    let mut gather = json!({
        "command": "gather", "minimum_digits": 1, "maximum_digits": ears.keys.max(1), "terminating_digit": "#",
        "inter_digit_timeout_millis": ears.seconds * 1000,
    });
    let timeout = match within.map(|(last, _)| (&last.what, last)) {
        Some((Sound::Play(address), _)) => {
            gather["command"] = json!("gather_using_audio");
            gather["audio_url"] = json!(address);
            "timeout_millis"
        }
        Some((Sound::Say(words), line)) => {
            gather["command"] = json!("gather_using_speak");
            gather["payload"] = json!(words);
            gather["payload_type"] = json!("text");
            gather["language"] = json!(region(&line.language));
            gather["voice"] = json!(script.voice(line).unwrap_or(VOICE));
            "timeout_millis"
        }
        None => "initial_timeout_millis",
    };
    gather[timeout] = json!(wait * 1000);
    if timeout == "timeout_millis" {
        gather["maximum_tries"] = json!(1);
    }
    if ears.speech {
        gather["doing"] = json!(Doing::Hear);
    }
    steps.push(gather);
}
