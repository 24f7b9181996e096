//! Twilio: signed forms in, TwiML out, REST for recordings and text messages. The cXML of compatible providers is spoken
//! here too: they differ in a header, a key and an address.

use crate::config::{Common, Secrets};
use crate::dialect::{Addresses, Callback, Dialect, Facts, TextMessage, Voices};
use crate::dialogue::{Ears, Input, Message, Sound, Spoken, Then, Turn, is_e164};
use crate::markup::Markup;
use async_trait::async_trait;
use axum::http::{Method, StatusCode};
use jiff::Timestamp;
use lodge_channel::Secret;
use lodge_channel::fetch::{ApiBody, ApiCall, ApiClient, Credentials, Fetched, MediaClient, MediaError};
use lodge_channel::webhook::{
    Algorithm, Answer, Candidates, Forged, Form, HmacKeys, Unverified, Verified, twilio,
};
use lodge_domain::delivery::{OutboundState, RecipientState};
use lodge_domain::{Assurance, DeliveryError, Sent, TraceKey};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// Where Twilio is.
pub(crate) const API: &str = "https://api.twilio.com";
/// Where its recordings are.
pub(crate) const MEDIA_HOSTS: &[&str] = &["api.twilio.com", "*.twilio.com"];

/// Calls by Twilio (Programmable Voice).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TwilioSettings {
    /// The account's SID; where it is named, callbacks of other accounts are refused.
    pub account_sid: Option<String>,
    /// The account's auth token, which signs callbacks; two while it is changed over, the one for calls to Twilio first.
    pub auth_token: Secrets,
    /// Where Twilio is; its real address where nothing is named.
    #[schemars(with = "Option<String>")]
    pub api_base: Option<Url>,
    /// The dialogue: `dialogues/NAME.toml` beside the configuration, else a built-in one of this name.
    #[serde(default = "crate::config::hotline")]
    pub dialogue: String,
    /// The brand whose keys, budgets and conversations it uses.
    pub brand: Option<lodge_domain::BrandName>,
    /// The number that text messages go out from, where it is not the one that was called.
    pub text_from: Option<String>,
    /// Whether recordings are deleted at the provider once they are kept here.
    #[serde(default)]
    pub delete_recordings: bool,
    /// Whether calls that nobody took become tickets.
    #[serde(default = "crate::config::yes")]
    pub missed: bool,
    /// Whether calls become tickets whose caller hung up without leaving a message.
    #[serde(default = "crate::config::yes")]
    pub abandoned: bool,
    /// Whether missed and abandoned calls with a withheld number become tickets.
    #[serde(default = "crate::config::yes")]
    pub anonymous: bool,
}

impl TwilioSettings {
    pub(crate) fn common(&self) -> Common<'_> {
        Common {
            provider: "twilio",
            dialogue: &self.dialogue,
            brand: self.brand.as_ref(),
            text_from: self.text_from.as_deref(),
            delete_recordings: self.delete_recordings,
            missed: self.missed,
            abandoned: self.abandoned,
            anonymous: self.anonymous,
            api_base: self.api_base.as_ref(),
            secrets: self.secrets(),
        }
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        self.auth_token.0.iter().map(|secret| ("auth_token", secret)).collect()
    }
}

/// What tells compatible providers apart.
pub(crate) struct Cxml {
    pub(crate) name: &'static str,
    pub(crate) signature_header: &'static str,
    /// Sign callbacks.
    pub(crate) keys: HmacKeys,
    /// Callbacks of this account alone.
    pub(crate) account: Option<String>,
    /// The path below the API's base that accounts lie in.
    pub(crate) accounts: &'static str,
    /// Logs in at the API.
    pub(crate) secret: SecretString,
    pub(crate) api: ApiClient,
    pub(crate) media: MediaClient,
}

impl Cxml {
    fn credentials(&self, account: &str) -> Credentials {
        Credentials::Basic(self.account.as_deref().unwrap_or(account).to_owned(), self.secret.clone())
    }

    /// The path of something of an account; `None` where an id is none.
    fn path(&self, account: &str, below: &str) -> Option<String> {
        let account = self.account.as_deref().unwrap_or(account);
        plain_id(account).then(|| format!("{}/{account}/{below}", self.accounts))
    }
}

/// Whether `id` can stand in a path as it is.
fn plain_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

#[async_trait]
impl Dialect for Cxml {
    fn name(&self) -> &'static str {
        self.name
    }

    fn idempotency_header(&self) -> &'static str {
        "i-twilio-idempotency-token"
    }

    fn verify<'r>(&self, request: &'r Unverified, _: Timestamp) -> Result<Verified<'r>, Forged> {
        let candidates = Candidates::base64(20, request.header(self.signature_header));
        let verified = twilio(&self.keys, request, &candidates)?;
        let form = parameters(&verified);
        // Key and value are signed without a border between them: what must be there must be there by its own name.
        let named = form.filled("CallSid").is_some()
            || (verified.below() == "transcript" && verified.query().filled("call").is_some());
        if !named {
            return Err(Forged("the call is not named"));
        }
        match (&self.account, form.get("AccountSid")) {
            (Some(own), Some(named)) if own != named => Err(Forged("the account is another")),
            _ => Ok(verified),
        }
    }

    fn read(&self, request: &Verified<'_>) -> Option<(Facts, Callback)> {
        let form = parameters(request);
        let facts = facts(&form, request)?;
        let below = request.below();
        let status = form.get("CallStatus").unwrap_or_default().to_owned();
        let last = matches!(status.as_str(), "completed" | "busy" | "failed" | "no-answer" | "canceled");
        let seconds = |key: &str| form.filled(key).and_then(|text| text.parse::<u32>().ok());
        let callback = match below {
            "status" => Callback::Status { status, last, seconds: seconds("CallDuration") },
            // A number whose one address takes everything.
            "" if last => Callback::Status { status, last, seconds: seconds("CallDuration") },
            "recording" => recording(&form)?,
            "transcript" => transcript(&form)?,
            "" => Callback::Turn { number: None, input: Input::Begin, gone: false },
            _ => turn(&form, below, last)?,
        };
        Some((facts, callback))
    }

    fn answer(&self, turn: &Turn, voices: &Voices<'_>, addresses: &Addresses<'_>) -> String {
        let mut markup = Markup::new("Response");
        match &turn.then {
            Then::Listen(ears) => listen(&mut markup, turn, ears, voices, addresses),
            Then::Record { seconds, silence, transcribe } => {
                lines(&mut markup, turn, voices);
                record(&mut markup, (*seconds, *silence, *transcribe), addresses);
            }
            Then::Dial { number, seconds } => {
                lines(&mut markup, turn, voices);
                let (action, seconds) = (addresses.turn(), seconds.to_string());
                let ring = [("action", action.as_str()), ("method", "POST"), ("timeout", &seconds)];
                markup.open("Dial", &ring);
                markup.element("Number", &[], number);
                markup.close();
            }
            Then::HangUp | Then::File => {
                lines(&mut markup, turn, voices);
                markup.empty("Hangup", &[]);
            }
        }
        markup.finish()
    }

    fn media_type(&self) -> &'static str {
        "text/xml; charset=utf-8"
    }

    fn nothing(&self) -> Answer {
        Answer::empty(StatusCode::NO_CONTENT)
    }

    async fn recording(&self, account: &str, address: &str) -> Result<Fetched, MediaError> {
        self.media.fetch(address, &self.credentials(account)).await
    }

    async fn delete_recording(&self, account: &str, id: &str) -> Result<(), DeliveryError> {
        let never = || DeliveryError::new(lodge_domain::Disposition::Never, "name the recording");
        let below = plain_id(id).then(|| format!("Recordings/{id}.json")).ok_or_else(never)?;
        let path = self.path(account, &below).ok_or_else(never)?;
        let credentials = self.credentials(account);
        let call = ApiCall {
            method: Method::DELETE,
            path: &path,
            credentials: &credentials,
            headers: Vec::new(),
            body: ApiBody::Empty,
        };
        let answer = self.api.call(call).await?;
        // Gone already is as good as deleted.
        if answer.is_success() || answer.status == 404 {
            return Ok(());
        }
        Err(answer.error("delete the recording", None))
    }

    async fn text(&self, message: &TextMessage<'_>) -> Result<Sent, DeliveryError> {
        let never = || DeliveryError::new(lodge_domain::Disposition::Never, "name the account");
        let path = self.path(message.account, "Messages.json").ok_or_else(never)?;
        let credentials = self.credentials(message.account);
        let form = [
            ("To", message.to.to_owned()),
            ("From", message.from.to_owned()),
            ("Body", message.text.to_owned()),
        ];
        let call = ApiCall {
            method: Method::POST,
            path: &path,
            credentials: &credentials,
            headers: Vec::new(),
            body: ApiBody::Form(&form),
        };
        let answer = self.api.call(call).await?;
        if !answer.is_success() {
            return Err(answer.error("send the text message", answer.text("/message").as_deref()));
        }
        tracing::debug!(reply = %message.id, "text message handed over");
        let id = answer.text("/sid");
        let state =
            RecipientState { handle: message.to.to_owned(), state: OutboundState::Sent, text: id.clone() };
        Ok(Sent {
            keys: Vec::new(),
            traces: id.into_iter().map(TraceKey).collect(),
            recipients: vec![state],
            unless_seen: None,
        })
    }
}

/// The parameters: in the query of a GET, else in the form.
fn parameters(request: &Verified<'_>) -> Form {
    if *request.method() == Method::GET { request.query() } else { request.form() }
}

/// Numbers that stand for a withheld one.
const WITHHELD: &[&str] =
    &["+266696687", "+7378742833", "+2562533", "+8656696", "anonymous", "restricted", "unavailable"];

fn facts(form: &Form, request: &Verified<'_>) -> Option<Facts> {
    // Transcripts of compatible providers name their call in our own address alone.
    let own = request.query();
    let id = form.filled("CallSid").or_else(|| own.filled("call"))?.to_owned();
    let shown = |key: &str| form.filled(key).map(|text| clean(text, 100));
    let withheld = |from: &String| WITHHELD.contains(&from.to_lowercase().as_str());
    let from = shown("From").filter(|from| !withheld(from));
    let verdict = form.filled("StirVerstat").map(|text| clean(text, 60));
    // Only the highest attestation says that the caller may use this number (T42).
    let vouched =
        verdict.as_deref() == Some("TN-Validation-Passed-A") && from.as_deref().is_some_and(is_e164);
    Some(Facts {
        id,
        account: form.get("AccountSid").unwrap_or_default().to_owned(),
        from,
        to: shown("To"),
        name: shown("CallerName"),
        assurance: if vouched { Assurance::Authenticated } else { Assurance::Unverified },
        evidence: verdict.map(|verdict| format!("stir={verdict}")),
    })
}

/// A short text of the network's, without control and direction characters.
fn clean(text: &str, most: usize) -> String {
    let direction =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .filter(|c| !c.is_control() && !direction(*c))
        .take(most)
        .collect::<String>()
        .trim()
        .to_owned()
}

fn turn(form: &Form, below: &str, gone: bool) -> Option<Callback> {
    let place = below.strip_prefix("turn/")?;
    let (number, nothing) = match place.strip_suffix("/none") {
        Some(number) => (number, true),
        None => (place, false),
    };
    if form.get("UnstableSpeechResult").is_some() {
        return Some(Callback::Nothing);
    }
    let seconds = form.filled("RecordingDuration").and_then(|text| text.parse().ok());
    let input = if let Some(id) = form.filled("RecordingSid") {
        Input::Recorded(Some(Message { id: clean(id, 64), seconds }))
    } else if let Some(ended) = form.filled("DialCallStatus") {
        Input::Operator(matches!(ended, "completed" | "answered"))
    } else if nothing {
        Input::Recorded(None)
    } else if let Some(keys) = form.filled("Digits").filter(|keys| *keys != "hangup") {
        Input::Keys(keys.chars().take(64).collect())
    } else if let Some(text) = form.filled("SpeechResult") {
        let confidence = form.filled("Confidence").and_then(|text| text.parse().ok());
        Input::Speech(Spoken { text: text.to_owned(), confidence })
    } else {
        Input::Silence
    };
    Some(Callback::Turn { number: Some(number.parse().ok()?), input, gone })
}

fn recording(form: &Form) -> Option<Callback> {
    let state = form.filled("RecordingStatus").unwrap_or("completed").to_owned();
    let address = form.filled("RecordingUrl").map(ToOwned::to_owned);
    let id = clean(form.filled("RecordingSid")?, 64);
    match state.as_str() {
        "in-progress" => Some(Callback::Nothing),
        "completed" => Some(Callback::Recording {
            id,
            address: Some(address?),
            state,
            seconds: form.filled("RecordingDuration").and_then(|text| text.parse().ok()),
        }),
        _ => Some(Callback::Recording { id, address: None, state: clean(&state, 40), seconds: None }),
    }
}

fn transcript(form: &Form) -> Option<Callback> {
    Some(Callback::Transcript {
        id: clean(form.filled("TranscriptionSid")?, 64),
        recording: form.filled("RecordingSid").map(|id| clean(id, 64)),
        text: form.filled("TranscriptionText").map(|text| text.chars().take(20_000).collect()),
        confidence: form.filled("Confidence").and_then(|text| text.parse().ok()),
        state: clean(form.filled("TranscriptionStatus").unwrap_or("completed"), 40),
    })
}

fn lines(markup: &mut Markup, turn: &Turn, voices: &Voices<'_>) {
    for line in &turn.lines {
        match &line.what {
            Sound::Play(address) => markup.element("Play", &[], address),
            Sound::Say(text) => {
                let language = region(&line.language);
                let mut attributes = vec![("language", language.as_str())];
                attributes.extend(voices.0.get(&line.language).map(|voice| ("voice", voice.as_str())));
                markup.element("Say", &attributes, text);
            }
        }
    }
}

fn listen(markup: &mut Markup, turn: &Turn, ears: &Ears, voices: &Voices<'_>, addresses: &Addresses<'_>) {
    let action = addresses.turn();
    let (hints, most, timeout) = (ears.hints.join(", "), ears.keys.to_string(), ears.seconds.to_string());
    let language = region(turn.lines.last().map_or("en", |line| line.language.as_str()));
    let input = match (ears.keys > 0, ears.speech) {
        (true, true) => "dtmf speech",
        (false, true) => "speech",
        _ => "dtmf",
    };
    let mut attributes = vec![("action", action.as_str()), ("actionOnEmptyResult", "true")];
    if ears.keys > 1 {
        attributes.push(("finishOnKey", "#"));
    }
    if !hints.is_empty() {
        attributes.push(("hints", &hints));
    }
    attributes.push(("input", input));
    if ears.speech {
        attributes.push(("language", &language));
    }
    attributes.push(("method", "POST"));
    if ears.keys > 0 {
        attributes.push(("numDigits", &most));
    }
    if ears.speech {
        attributes.push(("speechTimeout", "auto"));
    }
    attributes.push(("timeout", &timeout));
    markup.open("Gather", &attributes);
    lines(markup, turn, voices);
    markup.close();
}

fn record(markup: &mut Markup, (seconds, silence, transcribe): (u32, u32, bool), addresses: &Addresses<'_>) {
    let (action, told, words) = (addresses.turn(), addresses.recording(), addresses.transcript());
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
        attributes.extend([("transcribe", "true"), ("transcribeCallback", words.as_str())]);
    }
    attributes.push(("trim", "trim-silence"));
    markup.empty("Record", &attributes);
    // Without any sound there is no action request: the call goes on here.
    markup.element("Redirect", &[("method", "POST")], &addresses.nothing_recorded());
}

/// A language tag with a region, which speech recognition asks for.
fn region(language: &str) -> String {
    const USUAL: &[(&str, &str)] = &[
        ("en", "en-US"),
        ("da", "da-DK"),
        ("sv", "sv-SE"),
        ("ja", "ja-JP"),
        ("ko", "ko-KR"),
        ("zh", "cmn-Hans-CN"),
        ("cs", "cs-CZ"),
    ];
    if language.contains('-') {
        return language.to_owned();
    }
    let usual = USUAL.iter().find(|(bare, _)| *bare == language);
    usual.map_or_else(|| format!("{language}-{}", language.to_uppercase()), |(_, whole)| (*whole).to_owned())
}

/// The Twilio of these settings.
pub(crate) fn cxml(
    name: &'static str,
    signature_header: &'static str,
    secrets: (&[SecretString], SecretString),
    account: Option<String>,
    places: (&'static str, ApiClient, MediaClient),
) -> Cxml {
    let (accounts, api, media) = places;
    Cxml {
        name,
        signature_header,
        keys: HmacKeys::new(Algorithm::Sha1, secrets.0),
        account,
        accounts,
        secret: secrets.1,
        api,
        media,
    }
}
