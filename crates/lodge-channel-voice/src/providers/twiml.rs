//! TwiML and the forms that come with it, as Twilio and those compatible with it speak them. They differ in how they sign,
//! in where their API is, and in a few attributes: that is the [`Flavour`], and a file of its own for each.

use crate::dialect::{Dialect, Event, Facts, Heard, Held, Manner, TextMessage, Words};
use crate::dialogue::{Ears, Input, Message, Spoken, Then, Turn};
use crate::documents::{dial, lines, parameters};
use crate::markup::Markup;
use crate::misdirected::misdirected;
use crate::networks::{caller, clean, number, plain_id, region, vouches};
use crate::outward::{Outward, deleted, never, texted};
use crate::places::{Place, Script};
use async_trait::async_trait;
use axum::http::Method;
use jiff::Timestamp;
use lodge_channel::fetch::{ApiBody, Credentials, Fetched, MediaError};
use lodge_channel::webhook::{Forged, Form, Unverified, Verified};
use lodge_domain::{DeliveryError, Digest, Sent, digest_parts};
use secrecy::SecretString;

/// Decides whether the provider made a request.
pub(crate) type Verify =
    Box<dyn for<'r> Fn(&'r Unverified, Timestamp) -> Result<Verified<'r>, Forged> + Send + Sync>;

/// What tells compatible providers apart, apart from their signatures.
pub(crate) struct Flavour {
    /// The media types of callbacks.
    pub(crate) media_types: &'static [&'static str],
    /// Whether a GET is signed.
    pub(crate) signs_get: bool,
    /// The header that is the same in all deliveries of one callback.
    pub(crate) delivery: Option<&'static str>,
    /// Whether a question that nobody answers is told of; else the call goes on behind it.
    pub(crate) tells_silence: bool,
    /// The attributes by which a recording's words are asked for: whether, and where they are told.
    pub(crate) transcription: [&'static str; 2],
    /// How long silence after words is waited for, as the provider writes it.
    pub(crate) speech_timeout: &'static str,
}

/// A provider's API, as far as calls need it.
#[async_trait]
pub(crate) trait Rest: Send + Sync {
    /// See [`Dialect::recording`].
    async fn recording(&self, held: Held<'_>) -> Result<Fetched, MediaError>;

    /// See [`Dialect::delete_recording`].
    async fn delete_recording(&self, held: Held<'_>) -> Result<(), DeliveryError>;

    /// See [`Dialect::text`].
    async fn text(&self, message: &TextMessage<'_>) -> Result<Sent, DeliveryError>;
}

/// A provider that speaks TwiML.
pub(crate) struct Compatible {
    pub(crate) flavour: Flavour,
    pub(crate) verify: Verify,
    /// The account that callbacks must be of, where it is named.
    pub(crate) account: Option<String>,
    pub(crate) rest: Box<dyn Rest>,
}

/// The API of Twilio and of who copied it: everything lies below its account.
pub(crate) struct Accounts {
    /// The path below the API's base that accounts lie in.
    pub(crate) below: &'static str,
    /// The account, where it is named; else that of each callback.
    pub(crate) account: Option<String>,
    pub(crate) secret: SecretString,
    pub(crate) outward: Outward,
}

impl Accounts {
    fn login(&self, account: &str) -> Credentials {
        Credentials::Basic(self.account.as_deref().unwrap_or(account).to_owned(), self.secret.clone())
    }

    /// The path of something of an account; `None` where an id is none.
    fn path(&self, account: &str, below: &str) -> Option<String> {
        let account = self.account.as_deref().unwrap_or(account);
        plain_id(account).then(|| format!("{}/{account}/{below}", self.below))
    }
}

#[async_trait]
impl Rest for Accounts {
    async fn recording(&self, held: Held<'_>) -> Result<Fetched, MediaError> {
        self.outward.fetch(held.address, &self.login(held.account)).await
    }

    async fn delete_recording(&self, held: Held<'_>) -> Result<(), DeliveryError> {
        let below = plain_id(held.id).then(|| format!("Recordings/{}.json", held.id));
        let path =
            below.and_then(|below| self.path(held.account, &below)).ok_or(never("name the recording"))?;
        let login = self.login(held.account);
        deleted(&self.outward.call(&login, Method::DELETE, &path, ApiBody::Empty).await?)
    }

    async fn text(&self, message: &TextMessage<'_>) -> Result<Sent, DeliveryError> {
        let path = self.path(message.account, "Messages.json").ok_or(never("name the account"))?;
        let form = [
            ("To", message.to.to_owned()),
            ("From", message.from.to_owned()),
            ("Body", message.text.to_owned()),
        ];
        let login = self.login(message.account);
        let answer = self.outward.call(&login, Method::POST, &path, ApiBody::Form(&form)).await?;
        texted(&answer, message.to, "/sid", "/message")
    }
}

#[async_trait]
impl Dialect for Compatible {
    fn media_types(&self) -> &[&str] {
        self.flavour.media_types
    }

    fn signs_get(&self) -> bool {
        self.flavour.signs_get
    }

    fn verify<'r>(&self, request: &'r Unverified, now: Timestamp) -> Result<Verified<'r>, Forged> {
        let verified = (self.verify)(request, now)?;
        if is_json(request) {
            return Ok(verified);
        }
        let form = parameters(&verified);
        // Key and value are signed without a border between them: what must be there must be there by its own name.
        let later = matches!(Place::of(verified.below()), Some(Place::Transcript));
        let named = form.filled("CallSid").is_some() || (later && verified.query().filled("call").is_some());
        if !named && !misdirected(&verified) {
            return Err(Forged("the call is not named"));
        }
        match (&self.account, form.get("AccountSid")) {
            (Some(own), Some(named)) if own != named => Err(Forged("the account is another")),
            _ => Ok(verified),
        }
    }

    fn read(&self, request: &Verified<'_>) -> Option<Heard> {
        if is_json(request.request()) {
            // Events of a compatible provider's other API: nothing of a call that is spoken here.
            return Some(Heard { facts: Facts::of("", ""), events: Vec::new() });
        }
        let form = parameters(request);
        let facts = facts(&form, request)?;
        let place = Place::of(request.below())?;
        let status = form.get("CallStatus").unwrap_or_default();
        let last = matches!(status, "completed" | "busy" | "failed" | "no-answer" | "canceled");
        let seconds = || form.filled("CallDuration").and_then(|text| text.parse().ok());
        let event = match place {
            // A number whose one address takes everything tells the end there, too.
            Place::Status | Place::Inbox if last => {
                Some(Event::Ended { status: status.to_owned(), seconds: seconds() })
            }
            Place::Status => None,
            Place::Inbox => Some(Event::Turn { number: None, input: Input::Begin, gone: false }),
            Place::Recording => recording(&form)?,
            Place::Transcript => Some(transcript(&form)?),
            Place::Turn { number, nothing } => turn(&form, number, nothing, last),
        };
        Some(Heard { facts, events: event.into_iter().collect() })
    }

    fn sameness(&self, request: &Verified<'_>) -> Digest {
        let token = self.flavour.delivery.and_then(|name| request.request().header(name)).unwrap_or_default();
        digest_parts(&[request.request().target().as_bytes(), request.body(), token.as_bytes()])
    }

    fn manner(&self) -> Manner {
        Manner::Document("text/xml; charset=utf-8")
    }

    fn write(&self, turn: &Turn, script: &Script<'_>) -> String {
        let mut markup = Markup::new("Response");
        match &turn.then {
            Then::Listen(ears) => listen(&mut markup, turn, ears, &self.flavour, script),
            Then::Record { seconds, silence, transcribe } => {
                lines(&mut markup, "Say", turn, script);
                record(&mut markup, (*seconds, *silence, *transcribe), &self.flavour, script);
            }
            Then::Dial { number, seconds } => {
                lines(&mut markup, "Say", turn, script);
                dial(&mut markup, number, *seconds, script);
            }
            Then::HangUp | Then::File => {
                lines(&mut markup, "Say", turn, script);
                markup.empty("Hangup", &[]);
            }
        }
        markup.finish()
    }

    async fn recording(&self, held: Held<'_>) -> Result<Fetched, MediaError> {
        self.rest.recording(held).await
    }

    async fn delete_recording(&self, held: Held<'_>) -> Result<(), DeliveryError> {
        self.rest.delete_recording(held).await
    }

    async fn text(&self, message: &TextMessage<'_>) -> Result<Sent, DeliveryError> {
        self.rest.text(message).await
    }
}

fn is_json(request: &Unverified) -> bool {
    request.media_type().as_deref() == Some("application/json")
}

fn facts(form: &Form, request: &Verified<'_>) -> Option<Facts> {
    // Transcripts of compatible providers name their call in our own address alone.
    let own = request.query();
    let id = form.filled("CallSid").or_else(|| own.filled("call"))?.to_owned();
    let from = caller(form.filled("From"));
    let (assurance, evidence) =
        vouches(form.filled("StirVerstat"), "TN-Validation-Passed-A", from.as_deref());
    Some(Facts {
        id,
        account: form.get("AccountSid").unwrap_or_default().to_owned(),
        control: None,
        from,
        to: form.filled("To").and_then(number),
        name: form.filled("CallerName").map(|name| clean(name, 100)),
        assurance,
        evidence,
    })
}

/// What the caller did; `None` for words that are still being spoken.
fn turn(form: &Form, number: u32, nothing: bool, gone: bool) -> Option<Event> {
    if form.get("UnstableSpeechResult").is_some() {
        return None;
    }
    let seconds = form.filled("RecordingDuration").and_then(|text| text.parse().ok());
    let input = if let Some(id) = form.filled("RecordingSid") {
        Input::Recorded(Some(Message { id: clean(id, 64), seconds }))
    } else if let Some(ended) = form.filled("DialCallStatus") {
        Input::Operator(matches!(ended, "completed" | "answered"))
    } else if nothing {
        Input::Silence
    } else if let Some(keys) = form.filled("Digits").filter(|keys| *keys != "hangup") {
        Input::Keys(keys.chars().take(64).collect())
    } else if let Some(text) = form.filled("SpeechResult") {
        let confidence = form.filled("Confidence").and_then(|text| text.parse().ok());
        Input::Speech(Spoken { text: text.to_owned(), confidence })
    } else {
        Input::Silence
    };
    Some(Event::Turn { number: Some(number), input, gone })
}

/// What became of a recording, or nothing yet; `None` where it is not named.
fn recording(form: &Form) -> Option<Option<Event>> {
    let state = form.filled("RecordingStatus").unwrap_or("completed").to_owned();
    let id = clean(form.filled("RecordingSid")?, 64);
    let seconds = form.filled("RecordingDuration").and_then(|text| text.parse().ok());
    Some(match state.as_str() {
        "in-progress" => None,
        "completed" => {
            let address = Some(form.filled("RecordingUrl")?.to_owned());
            Some(Event::Recording { id, address, state, seconds })
        }
        _ => Some(Event::Recording { id, address: None, state: clean(&state, 40), seconds: None }),
    })
}

fn transcript(form: &Form) -> Option<Event> {
    let text = form.filled("TranscriptionText").map(|text| text.chars().take(20_000).collect());
    Some(Event::Transcript {
        id: clean(form.filled("TranscriptionSid")?, 64),
        recording: form.filled("RecordingSid").map(|id| clean(id, 64)),
        words: text.map_or(Words::None, Words::Here),
        confidence: form.filled("Confidence").and_then(|text| text.parse().ok()),
        state: clean(form.filled("TranscriptionStatus").unwrap_or("completed"), 40),
    })
}

fn listen(markup: &mut Markup, turn: &Turn, ears: &Ears, flavour: &Flavour, script: &Script<'_>) {
    let action = script.turn();
    let (hints, most, timeout) = (ears.hints.join(", "), ears.keys.to_string(), ears.seconds.to_string());
    let language = region(turn.lines.last().map_or("en", |line| line.language.as_str()));
    let mut attributes = vec![("action", action.as_str())];
    if flavour.tells_silence {
        attributes.push(("actionOnEmptyResult", "true"));
    }
    if ears.keys > 1 {
        attributes.push(("finishOnKey", "#"));
    }
    if !hints.is_empty() {
        attributes.push(("hints", &hints));
    }
    attributes.push(("input", ears.input()));
    if ears.speech {
        attributes.push(("language", &language));
    }
    attributes.push(("method", "POST"));
    if ears.keys > 0 {
        attributes.push(("numDigits", &most));
    }
    if ears.speech {
        attributes.push(("speechTimeout", flavour.speech_timeout));
    }
    attributes.push(("timeout", &timeout));
    markup.open("Gather", &attributes);
    lines(markup, "Say", turn, script);
    markup.close();
    if !flavour.tells_silence {
        markup.element("Redirect", &[("method", "POST")], &script.nothing());
    }
}

fn record(
    markup: &mut Markup,
    (seconds, silence, transcribe): (u32, u32, bool),
    flavour: &Flavour,
    script: &Script<'_>,
) {
    let (action, told, words) = (script.turn(), script.recording(), script.transcript());
    let (seconds, silence) = (seconds.to_string(), silence.to_string());
    let mut attributes = vec![
        ("action", action.as_str()),
        ("finishOnKey", "#"),
        ("maxLength", &seconds),
        ("method", "POST"),
        ("playBeep", "true"),
        ("recordingStatusCallback", &told),
        ("recordingStatusCallbackEvent", "completed absent"),
        ("timeout", &silence),
    ];
    if transcribe {
        let [whether, at] = flavour.transcription;
        attributes.extend([(whether, "true"), (at, words.as_str())]);
    }
    attributes.push(("trim", "trim-silence"));
    markup.empty("Record", &attributes);
    // Without any sound there is no action request: the call goes on here.
    markup.element("Redirect", &[("method", "POST")], &script.nothing());
}
