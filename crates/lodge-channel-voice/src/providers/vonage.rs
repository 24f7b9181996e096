//! Vonage Voice: JSON in, with a token that names the hash of its body; call control objects (NCCO) out; REST with tokens of the
//! application's own key. A call is known by its conversation, since recordings name nothing else.
//!
//! A record action calls nobody when it ends, and an NCCO cannot be told to go on elsewhere: a `notify` behind it asks for
//! what comes next. Nothing hangs up: a call ends with its NCCO.

use crate::config::{Shared, table};
use crate::dialect::{
    Capabilities, Dialect, Event, Facts, Heard, Held, Manner, Settings, TextMessage, Words,
};
use crate::dialogue::{Ears, Input, Line, Sound, Spoken, Then, Turn};
use crate::networks::{caller, clean, number, region};
use crate::outward::{Outward, never, secret, secrets, text, texted};
use crate::places::{Place, Script};
use async_trait::async_trait;
use axum::http::Method;
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use lodge_channel::fetch::{ApiBody, AppKey, Credentials, Fetched, MediaError};
use lodge_channel::webhook::{Forged, JwtKeys, JwtRules, TOLERANCE, Unverified, Verified, payload_hash_fits};
use lodge_channel::{Context, Problem, Secret, Secrets};
use lodge_domain::ports::{Clock, Entropy};
use lodge_domain::{DeliveryError, Sent};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What Vonage can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    verified_by: "JWT (HS256) with the body's hash",
    hears: true,
    records: true,
    transcribes: true,
    dials: true,
    // There is no call for that; Vonage itself deletes them after a month.
    deletes: false,
    texts: true,
};

/// Where Vonage is.
const API: &str = "https://api.nexmo.com";
/// Where its recordings are, region by region.
const HOSTS: &[&str] = &["api.nexmo.com", "*.nexmo.com", "*.vonage.com"];
/// How long a token of ours is good for, in seconds.
const LIFE: i64 = 300;
/// The longest text that is spoken at once, in characters.
const LONGEST: usize = 1500;

table! {
    /// Calls by Vonage.
    pub struct VonageSettings {
        /// The application's id.
        pub application_id: String,
        /// The application's private key, as a PEM text: it signs our calls to Vonage.
        pub private_key: Secret,
        /// The account's signature secret, which signs callbacks; two while it is changed over.
        pub signature_secret: Secrets,
    }
}

impl Settings for VonageSettings {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        let keys = self.signature_secret.0.iter().map(|secret| ("signature_secret", secret));
        keys.chain([("private_key", &self.private_key)]).collect()
    }

    fn connect(&self, context: &Context) -> Result<Arc<dyn Dialect>, Problem> {
        let wrong =
            || Problem::new("private_key", "it is no RSA key in PEM", "download it from the dashboard");
        let key = AppKey::pem(&secret("private_key", &self.private_key, context)?).ok_or_else(wrong)?;
        Ok(Arc::new(Vonage {
            application: self.application_id.clone(),
            keys: JwtKeys::Shared(secrets("signature_secret", &self.signature_secret, context)?),
            key,
            clock: Arc::clone(&context.clock),
            entropy: Arc::clone(&context.entropy),
            outward: Outward::new(API, HOSTS, self.common().api_base)?,
        }))
    }
}

struct Vonage {
    application: String,
    keys: JwtKeys,
    key: AppKey,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    outward: Outward,
}

impl Vonage {
    /// A token of the application's, good for one call; `None` where the key cannot sign.
    fn login(&self) -> Option<Credentials> {
        let mut id = [0; 16];
        self.entropy.fill(&mut id);
        let now = self.clock.now().as_second();
        let claims = json!({
            "application_id": self.application, "iat": now, "exp": now + LIFE, "jti": HEXLOWER.encode(&id),
        });
        self.key.token(&claims).map(Credentials::Bearer)
    }
}

#[async_trait]
impl Dialect for Vonage {
    fn media_types(&self) -> &[&str] {
        &["application/json"]
    }

    fn signs_get(&self) -> bool {
        true
    }

    fn verify<'r>(&self, request: &'r Unverified, now: Timestamp) -> Result<Verified<'r>, Forged> {
        let rules =
            JwtRules { issuer: Some("Vonage"), audience: None, leeway: TOLERANCE, max_age: Some(TOLERANCE) };
        let token = self.keys.verify(request, &rules, now)?;
        let hash = token.claims.get("payload_hash");
        // A new call may be told of by a GET, which has no body to be hashed; a token that names one is another request's.
        let bare = *request.method() == Method::GET && request.signed_body().is_empty() && hash.is_none();
        if !bare && !payload_hash_fits(hash, request.signed_body()) {
            return Err(Forged("the body is another"));
        }
        // The secret is the account's, and an account may have other applications.
        match token.claims.get("application_id").and_then(Value::as_str) {
            Some(named) if named != self.application => Err(Forged("the application is another")),
            _ => Ok(token.verified),
        }
    }

    fn read(&self, request: &Verified<'_>) -> Option<Heard> {
        let told = if *request.method() == Method::GET {
            fields(request.query().pairs().iter().cloned())
        } else {
            request.json()?
        };
        hear(&told, Place::of(request.below())?)
    }

    fn manner(&self) -> Manner {
        Manner::Document("application/json")
    }

    fn write(&self, turn: &Turn, script: &Script<'_>) -> String {
        let listening = matches!(turn.then, Then::Listen(_));
        let mut actions = lines(&turn.lines, listening, script);
        match &turn.then {
            Then::Listen(ears) => actions.push(input(turn, ears, script)),
            Then::Record { seconds, silence, transcribe } => {
                actions.extend(record(turn, (*seconds, *silence, *transcribe), script));
            }
            Then::Dial { number, seconds } => actions.push(json!({
                "action": "connect",
                "endpoint": [{"type": "phone", "number": number.trim_start_matches('+')}],
                "timeout": seconds,
                "eventType": "synchronous",
                "eventUrl": [script.turn()],
                "eventMethod": "POST",
            })),
            Then::HangUp | Then::File => {}
        }
        Value::Array(actions).to_string()
    }

    async fn recording(&self, held: Held<'_>) -> Result<Fetched, MediaError> {
        let login = self.login().ok_or_else(|| MediaError::Later("no token can be signed".to_owned()))?;
        self.outward.fetch(held.address, &login).await
    }

    async fn transcript(&self, held: Held<'_>) -> Result<(String, Option<f64>), MediaError> {
        let fetched = self.recording(held).await?;
        let told: Value = serde_json::from_slice(&fetched.bytes).unwrap_or_default();
        let all = |value: &Value, member: &str| value.get(member).and_then(Value::as_array).cloned();
        let channels = all(&told, "channels").unwrap_or_default();
        let said: Vec<Value> =
            channels.iter().filter_map(|channel| all(channel, "transcript")).flatten().collect();
        let sentences: Vec<&str> = said.iter().filter_map(|one| text(one, "/sentence")).collect();
        let words: Vec<Value> = said.iter().filter_map(|one| all(one, "words")).flatten().collect();
        let sure = words.iter().filter_map(|word| word.get("confidence").and_then(Value::as_f64));
        Ok((sentences.join("\n"), sure.reduce(f64::min)))
    }

    async fn delete_recording(&self, _: Held<'_>) -> Result<(), DeliveryError> {
        Err(never("delete the recording: Vonage has no call for that"))
    }

    async fn text(&self, message: &TextMessage<'_>) -> Result<Sent, DeliveryError> {
        let login = self.login().ok_or(never("sign a token"))?;
        let bare = |number: &str| number.trim_start_matches('+').to_owned();
        let body = json!({
            "channel": "sms", "message_type": "text", "from": bare(message.from), "to": bare(message.to),
            "text": message.text, "client_ref": message.id.to_string(),
        });
        let answer = self.outward.call(&login, Method::POST, "v1/messages", ApiBody::Json(&body)).await?;
        texted(&answer, message.to, "/message_uuid", "/detail")
    }
}

/// A query as the object that would be posted.
fn fields(pairs: impl Iterator<Item = (String, String)>) -> Value {
    Value::Object(pairs.map(|(key, value)| (key, Value::String(value))).collect())
}

/// What a callback says. Inputs, recordings and their words have no status, and are told apart by what they have.
fn hear(told: &Value, place: Place) -> Option<Heard> {
    let Some(id) = text(told, "/conversation_uuid") else {
        // Trouble that Vonage had with an answer of ours, without a word about which call that was in.
        return text(told, "/reason").map(|_| Heard { facts: Facts::of("", ""), events: Vec::new() });
    };
    let facts = Facts {
        control: text(told, "/uuid").map(|leg| clean(leg, 64)),
        from: caller(text(told, "/from")),
        to: text(told, "/to").and_then(number),
        ..Facts::of(&clean(id, 100), "")
    };
    let event = match (place, text(told, "/status")) {
        _ if told.get("recording_uuid").is_some() => Some(kept(told)?),
        (Place::Turn { number, .. }, status) => turn(told, number, status),
        (_, Some(status)) => ended(told, status),
        (Place::Inbox, None) if text(told, "/reason").is_none() => {
            Some(Event::Turn { number: None, input: Input::Begin, gone: false })
        }
        _ => None,
    };
    Some(Heard { facts, events: event.into_iter().collect() })
}

/// A recording, or the words of one; `None` where it is not named.
fn kept(told: &Value) -> Option<Event> {
    let id = clean(text(told, "/recording_uuid")?, 64);
    if let Some(address) = text(told, "/recording_url") {
        let time = |name| text(told, name).and_then(|time| time.parse::<Timestamp>().ok());
        let seconds =
            time("/end_time").zip(time("/start_time")).map(|(end, start)| end.duration_since(start));
        let seconds = seconds.and_then(|length| u32::try_from(length.as_secs()).ok());
        let state = "completed".to_owned();
        return Some(Event::Recording { id, address: Some(address.to_owned()), state, seconds });
    }
    let words = text(told, "/transcription_url").map_or(Words::None, |at| Words::At(at.to_owned()));
    let state = clean(text(told, "/status")?, 40);
    Some(Event::Transcript { id: format!("{id}-words"), recording: Some(id), words, confidence: None, state })
}

/// How a call ended, where it did.
fn ended(told: &Value, status: &str) -> Option<Event> {
    let over =
        ["completed", "busy", "cancelled", "unanswered", "disconnected", "rejected", "failed", "timeout"];
    let seconds = text(told, "/duration").and_then(|text| text.parse().ok());
    over.contains(&status).then(|| Event::Ended { status: status.to_owned(), seconds })
}

/// What the caller did, or what became of the operator's line; `None` while that still rings.
fn turn(told: &Value, number: u32, status: Option<&str>) -> Option<Event> {
    let input = match status {
        Some("completed") => Input::Operator(true),
        Some(status) => {
            ended(told, status)?;
            Input::Operator(false)
        }
        // What was recorded is told of elsewhere, sooner or later.
        None if told.get("payload").is_some() => Input::Recorded(None),
        None => done(told),
    };
    Some(Event::Turn { number: Some(number), input, gone: false })
}

fn done(told: &Value) -> Input {
    if let Some(keys) = text(told, "/dtmf/digits") {
        return Input::Keys(keys.chars().take(64).collect());
    }
    match text(told, "/speech/results/0/text") {
        Some(words) => {
            let confidence = text(told, "/speech/results/0/confidence").and_then(|text| text.parse().ok());
            Input::Speech(Spoken { text: words.to_owned(), confidence })
        }
        None => Input::Silence,
    }
}

/// What the caller hears. What may be cut short must be followed by the input itself, or by texts that may be, too.
fn lines(lines: &[Line], listening: bool, script: &Script<'_>) -> Vec<Value> {
    let says = |line: &Line| matches!(line.what, Sound::Say(_));
    let last_played = lines.iter().rposition(|line| !says(line));
    let write = |(at, line): (usize, &Line)| {
        let barge = listening
            && match last_played {
                Some(played) if says(line) => at > played,
                Some(_) => at + 1 == lines.len(),
                None => true,
            };
        let mut action = Map::new();
        match &line.what {
            Sound::Play(address) => {
                action.insert("action".to_owned(), json!("stream"));
                action.insert("streamUrl".to_owned(), json!([address]));
            }
            Sound::Say(words) => {
                action.insert("action".to_owned(), json!("talk"));
                action.insert("text".to_owned(), json!(words.chars().take(LONGEST).collect::<String>()));
                action.insert("language".to_owned(), json!(region(&line.language)));
                // A voice is a number among those of its language.
                if let Some(style) = script.voice(line).and_then(|voice| voice.parse::<u32>().ok()) {
                    action.insert("style".to_owned(), json!(style));
                }
            }
        }
        action.insert("bargeIn".to_owned(), json!(barge));
        Value::Object(action)
    };
    lines.iter().enumerate().map(write).collect()
}

fn language(turn: &Turn) -> String {
    region(turn.lines.last().map_or("en", |line| line.language.as_str()))
}

fn input(turn: &Turn, ears: &Ears, script: &Script<'_>) -> Value {
    let mut action = json!({"action": "input", "eventUrl": [script.turn()], "eventMethod": "POST"});
    let mut kinds = Vec::new();
    if ears.keys > 0 || !ears.speech {
        kinds.push("dtmf");
        action["dtmf"] = json!({
            "timeOut": ears.seconds.clamp(1, 10), "maxDigits": ears.keys.clamp(1, 20),
            "submitOnHash": ears.keys > 1,
        });
    }
    if ears.speech {
        kinds.push("speech");
        action["speech"] = json!({
            "language": language(turn), "context": ears.hints, "startTimeout": ears.seconds.clamp(1, 60),
            "endOnSilence": 2, "maxDuration": 60, "saveAudio": false,
        });
    }
    action["type"] = json!(kinds);
    action
}

/// Records, and asks for what comes next.
fn record(turn: &Turn, (seconds, silence, transcribe): (u32, u32, bool), script: &Script<'_>) -> [Value; 2] {
    let mut record = json!({
        "action": "record", "format": "mp3", "beepStart": true, "endOnKey": "#",
        "endOnSilence": silence.clamp(3, 10), "timeOut": seconds.max(3),
        "eventUrl": [script.recording()], "eventMethod": "POST",
    });
    if transcribe {
        record["transcription"] = json!({
            "language": language(turn), "eventUrl": [script.transcript()], "eventMethod": "POST",
        });
    }
    let notify = json!({
        "action": "notify", "payload": {"turn": script.turn},
        "eventUrl": [script.turn()], "eventMethod": "POST",
    });
    [record, notify]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_call_is_the_same_whether_it_is_told_by_get_or_post() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/voice/vonage/");
        let kept = |name: &str| std::fs::read_to_string(format!("{folder}{name}")).unwrap();
        let query = kept("answer_get.query");
        let asked = fields(url::form_urlencoded::parse(query.trim().as_bytes()).into_owned());
        let posted: Value = serde_json::from_str(&kept("answer_post.json")).unwrap();
        assert!(hear(&asked, Place::Inbox).is_some());
        assert_eq!(hear(&asked, Place::Inbox), hear(&posted, Place::Inbox));
    }
}
