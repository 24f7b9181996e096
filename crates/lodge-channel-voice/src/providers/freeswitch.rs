//! FreeSWITCH by `mod_httapi`: forms in, with a name and a password instead of a signature, its own XML out. It asks anew after
//! each answer, at the address that the answer named, brings a recording along as a file, and says `exiting` at the end; it
//! never asks twice, and goes on in its dialplan where an answer is no 200. It has no API that is called here.

use crate::config::table;
use crate::dialect::{Capabilities, Dialect, Event, Facts, Heard, Held, Manner, Settings, TextMessage};
use crate::dialogue::{Ears, Input, Line, Sound, Then, Turn};
use crate::documents::parameters;
use crate::markup::Markup;
use crate::networks::{caller, clean, number};
use crate::outward::{never, secrets};
use crate::places::{Place, Script};
use crate::uploads::upload;
use async_trait::async_trait;
use jiff::Timestamp;
use lodge_channel::fetch::{Fetched, MediaError};
use lodge_channel::webhook::{BasicCredentials, Forged, Form, Unverified, Verified};
use lodge_channel::{Context, Problem, Secret, Secrets};
use lodge_domain::{DeliveryError, Sent};
use std::sync::Arc;

/// What FreeSWITCH can do.
pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    verified_by: "name and password",
    hears: false,
    records: true,
    transcribes: false,
    dials: true,
    deletes: false,
    texts: false,
};

/// The largest body: ten minutes of a wide-band codec's WAV, as of every recording.
const LARGEST: usize = 25 * 1024 * 1024;
/// The largest body of who has no credentials.
const STRANGERS: usize = 64 * 1024;
/// Where the number stands in a dial string.
const NUMBER: &str = "{number}";
/// What is pressed on.
const KEYS: &str = "digits";
/// What became of the operator's line.
const DIALLED: &str = "originate_disposition";
/// The tone before a message.
const BEEP: &str = "tone_stream://%(300,0,800)";
/// The time between two keys, in milliseconds.
const BETWEEN: &str = "3000";

table! {
    /// Calls by FreeSWITCH, through `mod_httapi`.
    ///
    /// In `httapi.conf.xml` the profile has `gateway-url` (the inbox's address), `gateway-credentials` (`username:password`),
    /// `method` `POST`, `timeout`, `enable-cacert-check` and `enable-ssl-verifyhost` (both are off by default); the permission
    /// `extended-data` tells how long a call took. The dialplan answers, runs `httapi`, and goes on where Lodge does not
    /// answer. Callers' numbers are taken as E.164, with or without `+`.
    pub struct FreeswitchSettings {
        /// The name in `gateway-credentials`.
        pub username: String,
        /// The password in `gateway-credentials`; two while it is changed over.
        pub password: Secrets,
        /// The engine that speaks, where the dialogue's voice names none (`ENGINE/VOICE`).
        #[serde(default = "flite")]
        pub engine: String,
        /// The voice, where the dialogue names none.
        #[serde(default = "slt")]
        pub voice: String,
        /// How operators are reached, such as `sofia/gateway/acme/{number}`; without it nobody is put through. The profile has
        /// the permissions `dial-full-originate` and `get-vars`, and the dialplan sets `continue_on_fail=true`.
        pub dial_string: Option<String>,
    }
}

fn flite() -> String {
    "flite".to_owned()
}

fn slt() -> String {
    "slt".to_owned()
}

impl Settings for FreeswitchSettings {
    fn capabilities(&self) -> Capabilities {
        Capabilities { dials: self.dial_string.is_some(), ..CAPABILITIES }
    }

    fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        self.password.0.iter().map(|secret| ("password", secret)).collect()
    }

    fn problems(&self) -> Vec<Problem> {
        let reason = "it has no `{number}`, or no `/`, by which FreeSWITCH knows a dial string";
        let wrong = || Problem::new("dial_string", reason, "write it such as sofia/gateway/acme/{number}");
        let fits = |text: &String| text.contains(NUMBER) && text.contains('/');
        self.dial_string.iter().filter(|text| !fits(text)).map(|_| wrong()).collect()
    }

    fn connect(&self, context: &Context) -> Result<Arc<dyn Dialect>, Problem> {
        let passwords = secrets("password", &self.password, context)?;
        let pairs = passwords.iter().map(|password| (self.username.as_str(), password));
        Ok(Arc::new(Freeswitch { credentials: BasicCredentials::new(pairs), settings: self.clone() }))
    }
}

struct Freeswitch {
    credentials: BasicCredentials,
    settings: FreeswitchSettings,
}

#[async_trait]
impl Dialect for Freeswitch {
    fn media_types(&self) -> &[&str] {
        &["application/x-www-form-urlencoded", "multipart/form-data"]
    }

    fn body_limit(&self) -> usize {
        LARGEST
    }

    fn body_limit_of(&self, request: &Unverified) -> usize {
        if self.credentials.verify(request).is_ok() { LARGEST } else { STRANGERS }
    }

    fn verify<'r>(&self, request: &'r Unverified, _: Timestamp) -> Result<Verified<'r>, Forged> {
        self.credentials.verify(request)
    }

    fn read(&self, request: &Verified<'_>) -> Option<Heard> {
        let form = parameters(request);
        let facts = facts(&form)?;
        let gone = form.get("exiting") == Some("true");
        let event = match Place::of(request.below())? {
            Place::Inbox if !gone => Some(Event::Turn { number: None, input: Input::Begin, gone }),
            Place::Turn { number, .. } => {
                let message = upload(request, &facts.id).map(|upload| upload.message());
                // Who hangs up has done nothing more, but may have left a message.
                let told = !gone || message.is_some();
                let input = message.map_or_else(|| input(&form), |message| Input::Recorded(Some(message)));
                told.then_some(Event::Turn { number: Some(number), input, gone })
            }
            _ => None,
        };
        Some(Heard { facts, events: event.into_iter().chain(gone.then(|| ended(&form))).collect() })
    }

    fn manner(&self) -> Manner {
        Manner::Document("text/xml; charset=utf-8")
    }

    fn write(&self, turn: &Turn, script: &Script<'_>) -> String {
        let mut markup = Markup::of("document", &[("type", "xml/freeswitch-httapi")]);
        markup.open("work", &[]);
        match &turn.then {
            Then::Listen(ears) => self.listen(&mut markup, turn, ears, script),
            Then::Record { seconds, silence, .. } => {
                self.lines(&mut markup, &turn.lines, script);
                record(&mut markup, *seconds, *silence, script);
            }
            Then::Dial { number, seconds } => {
                self.lines(&mut markup, &turn.lines, script);
                self.dial(&mut markup, number, *seconds, script);
            }
            Then::HangUp | Then::File => {
                self.lines(&mut markup, &turn.lines, script);
                markup.empty("hangup", &[]);
            }
        }
        markup.finish()
    }

    async fn recording(&self, _: Held<'_>) -> Result<Fetched, MediaError> {
        Err(MediaError::Refused)
    }

    async fn delete_recording(&self, _: Held<'_>) -> Result<(), DeliveryError> {
        Err(never("delete the recording: FreeSWITCH keeps none"))
    }

    async fn text(&self, _: &TextMessage<'_>) -> Result<Sent, DeliveryError> {
        Err(never("send a text message by FreeSWITCH"))
    }
}

impl Freeswitch {
    fn lines(&self, markup: &mut Markup, lines: &[Line], script: &Script<'_>) {
        for line in lines {
            let (name, attributes) = self.line(line, script);
            markup.empty(name, &attributes);
        }
    }

    /// The element that says or plays a line. Its text stands in an attribute: what is between tags may have its variables
    /// replaced.
    fn line<'a>(
        &'a self,
        line: &'a Line,
        script: &'a Script<'_>,
    ) -> (&'static str, Vec<(&'static str, &'a str)>) {
        match &line.what {
            Sound::Play(address) => ("playback", vec![("file", address)]),
            Sound::Say(text) => {
                let named = script.voice(line).unwrap_or(&self.settings.voice);
                let (engine, voice) = named.split_once('/').unwrap_or((&self.settings.engine, named));
                ("speak", vec![("engine", engine), ("text", text), ("voice", voice)])
            }
        }
    }

    /// Keys cut the last line short; those pressed before are waiting when it begins.
    fn listen(&self, markup: &mut Markup, turn: &Turn, ears: &Ears, script: &Script<'_>) {
        let (action, patience) = (script.turn(), (u64::from(ears.seconds) * 1000).to_string());
        let (name, mut attributes) = match turn.lines.split_last() {
            Some((last, before)) => {
                self.lines(markup, before, script);
                self.line(last, script)
            }
            None => ("pause", vec![("milliseconds", patience.as_str())]),
        };
        attributes.extend([("action", action.as_str()), ("digit-timeout", BETWEEN)]);
        attributes.extend([("input-timeout", patience.as_str()), ("name", KEYS)]);
        if ears.keys > 1 {
            attributes.push(("terminators", "#"));
        }
        markup.open(name, &attributes);
        if ears.keys > 1 {
            // A single pattern would be content with the first key; of two, the one that fits wins after `#` or a pause.
            markup.element("bind", &[], &format!("~^[0-9]{{1,{}}}#?$", ears.keys));
            markup.element("bind", &[], "~^[0-9*]+#$");
        } else {
            markup.element("bind", &[], "~^[0-9*#]$");
        }
        markup.close();
    }

    fn dial(&self, markup: &mut Markup, number: &str, seconds: u32, script: &Script<'_>) {
        let bare = self.settings.dial_string.as_deref().unwrap_or(NUMBER).replace(NUMBER, number);
        markup.element("dial", &[("action", &script.turn())], &format!("[leg_timeout={seconds}]{bare}"));
        markup.empty("getVariable", &[("name", DIALLED)]);
    }
}

/// Any key ends a message, and so does silence.
fn record(markup: &mut Markup, seconds: u32, silence: u32, script: &Script<'_>) {
    let (action, limit, silence) = (script.turn(), seconds.to_string(), silence.to_string());
    markup.open(
        "record",
        &[
            ("action", &action),
            ("beep-file", BEEP),
            ("file", "message.wav"),
            ("limit", &limit),
            ("name", "recording"),
            ("silence-hits", &silence),
        ],
    );
    markup.element("bind", &[], "~^[0-9*#]$");
    markup.close();
}

fn facts(form: &Form) -> Option<Facts> {
    let hidden = form.get("Caller-Privacy-Hide-Number") == Some("true");
    // Where there is no number, FreeSWITCH says that it is ten times nought.
    let said = form.filled("Caller-Caller-ID-Number").filter(|text| text.chars().any(|c| c != '0'));
    Some(Facts {
        from: caller(said.filter(|_| !hidden)),
        to: form.filled("Caller-Destination-Number").and_then(number),
        name: form.filled("Caller-Caller-ID-Name").filter(|_| !hidden).map(|name| clean(name, 100)),
        ..Facts::of(form.filled("session_id")?, "")
    })
}

fn input(form: &Form) -> Input {
    if let Some(ended) = form.filled(DIALLED) {
        Input::Operator(ended == "SUCCESS")
    } else if let Some(keys) = form.filled(KEYS) {
        Input::Keys(keys.chars().take(64).collect())
    } else {
        Input::Silence
    }
}

/// How the call ended, as far as the profile may tell.
fn ended(form: &Form) -> Event {
    let status =
        form.filled("variable_hangup_cause").map_or_else(|| "completed".to_owned(), |it| clean(it, 40));
    Event::Ended { status, seconds: form.filled("variable_billsec").and_then(|text| text.parse().ok()) }
}
