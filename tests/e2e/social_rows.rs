//! What the social scenarios play: a row for each provider, that says how a message of it looks, how its API is asked to send,
//! and what it tells afterwards. Data and small functions; what is done with them is in `social_stage.rs`.

mod chats;
mod meta;
mod networks;
mod numbers;

use lodge_e2e::clock;
use lodge_e2e::provider::Call;
use lodge_e2e::signing::{Signer, media_type};
use serde_json::{Value, json};
use std::path::Path;

/// Every provider, and every way in which it is written to us.
pub(crate) fn rows() -> Vec<Row> {
    [meta::ROWS, chats::ROWS, numbers::ROWS, networks::ROWS].concat()
}

/// One way in.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    /// What its inbox is called, and the first part of every path at its API.
    pub(crate) inbox: &'static str,
    /// Its name in the configuration.
    pub(crate) provider: &'static str,
    /// Further lines of its table.
    pub(crate) settings: &'static str,
    /// Whether it calls us, or is asked.
    pub(crate) calls: bool,
    /// A message of a person.
    pub(crate) message: fn() -> Body,
    /// Who wrote it, and what, as the core is to see it.
    pub(crate) handle: &'static str,
    pub(crate) words: &'static str,
    /// How they are told that we have it.
    pub(crate) told: Told,
    /// How its API is asked to send.
    pub(crate) sends: Sends,
    /// What its API answers; `None` where it has no such call.
    pub(crate) api: fn(&Call, &Scene) -> Option<Value>,
    /// What it tells of a reply afterwards, in the order in which we hear it.
    pub(crate) news: &'static [News],
    /// The states that the core hears of, one after the other.
    pub(crate) states: &'static [&'static str],
    /// Our own reply, as it comes back in where the provider does that.
    pub(crate) echo: Option<fn(&Sent) -> Body>,
}

impl Row {
    /// What most of them have in common.
    const USUAL: Self = Self {
        inbox: "",
        provider: "",
        settings: "",
        calls: true,
        message: || panic!("a row without a message"),
        handle: "",
        words: "",
        told: Told::Message,
        sends: Sends::NONE,
        api: |_, _| None,
        news: &[],
        states: &["sent"],
        echo: None,
    };
}

/// How a person is told the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// By a message.
    Message,
    /// By the answer to the webhook.
    Answer,
    /// Not at all: everybody could read it.
    Not,
}

/// How an API is asked to send.
#[derive(Clone, Copy)]
pub(crate) struct Sends {
    /// A part of the path.
    pub(crate) path: &'static str,
    /// Where the words stand: a JSON pointer, or a form's field.
    pub(crate) words: &'static str,
    /// Where the receiver stands (nowhere: in the path), and who that is.
    pub(crate) to: (&'static str, &'static str),
    /// What authorizes it.
    pub(crate) key: Key,
    /// Where the answer holds the message's id.
    pub(crate) id: &'static str,
    /// Where the call names the address for news, if it does.
    pub(crate) callback: Option<&'static str>,
}

impl Sends {
    const NONE: Self = Self { path: "", words: "", to: ("", ""), key: Key::None, id: "", callback: None };
}

/// What authorizes a call; secrets by their names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Key {
    Bearer(&'static str),
    Basic(&'static str, &'static str),
    /// A header that holds the secret between these words.
    Header(&'static str, &'static str, &'static str),
    /// A part of the path: these words and the secret.
    Path(&'static str, &'static str),
    /// The token that the API itself granted.
    Granted,
    /// A token signed by our private key.
    Signed,
    /// A signature of Standard Webhooks.
    Standard,
    None,
}

impl Key {
    /// Whether a call bears it.
    pub(crate) fn admits(self, call: &Call, signer: &Signer) -> bool {
        let authorization = call.header("authorization");
        let bears = |expected: String| authorization == expected;
        match self {
            Self::Bearer(name) => bears(format!("Bearer {}", signer.secret(name))),
            Self::Basic(user, name) => {
                let pair = format!("{user}:{}", signer.secret(name));
                bears(format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes())))
            }
            Self::Header(header, before, name) => {
                call.header(header) == format!("{before}{}", signer.secret(name))
            }
            Self::Path(before, name) => call.path.contains(&format!("{before}{}", signer.secret(name))),
            Self::Granted => bears("Bearer granted-by-the-api".to_owned()),
            Self::Signed => {
                let claims = signer.signed_by_us(authorization.trim_start_matches("Bearer "));
                claims.is_some_and(|claims| claims["application_id"] == "app-1")
            }
            Self::Standard => {
                let (id, time) = (call.header("webhook-id"), call.header("webhook-timestamp"));
                call.header("webhook-signature") == signer.standard(id, time, call.text.as_bytes())
            }
            Self::None => authorization.is_empty(),
        }
    }
}

/// What an API knows when it answers.
pub(crate) struct Scene {
    /// The number of the call.
    pub(crate) number: usize,
    /// Its own address.
    pub(crate) base: String,
    /// What lies there to be asked for.
    pub(crate) news: Vec<Value>,
    pub(crate) signer: Signer,
}

/// One thing that a provider tells of a reply.
#[derive(Clone, Copy)]
pub(crate) struct News {
    pub(crate) what: &'static str,
    pub(crate) body: fn(&Sent) -> Body,
}

/// A reply that an API was asked to send.
pub(crate) struct Sent {
    /// The provider's id of it.
    pub(crate) id: Value,
    /// Ours.
    pub(crate) reply: String,
}

/// The body of a webhook, or one thing that lies at a provider to be asked for.
#[derive(Clone)]
pub(crate) struct Body {
    pub(crate) value: Value,
    pub(crate) media_type: &'static str,
}

/// When the bodies among the fixtures were written.
const WRITTEN: i64 = 1_795_291_190;

impl Body {
    /// A fixture, as if it were written just now.
    pub(crate) fn of(file: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/social").join(file);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
        let media_type = media_type(file);
        let mut value = if media_type == "application/json" {
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
        } else {
            let pairs = url::form_urlencoded::parse(text.trim_end().as_bytes()).into_owned();
            Value::Object(pairs.map(|(key, value)| (key, Value::from(value))).collect())
        };
        moved(&mut value, clock::now().as_second() - 2 - WRITTEN);
        Self { value, media_type }
    }

    /// With another value at a JSON pointer, or in a form's field.
    pub(crate) fn with(mut self, at: &str, value: impl Into<Value>) -> Self {
        let (parent, key) = at.rsplit_once('/').unwrap_or(("", at));
        match self.value.pointer_mut(parent) {
            Some(Value::Object(fields)) => drop(fields.insert(key.to_owned(), value.into())),
            Some(Value::Array(items)) => {
                let index: usize = key.parse().unwrap_or_else(|_| panic!("{at}: no index"));
                items[index] = value.into();
            }
            _ => panic!("{at}: there is no such place"),
        }
        self
    }

    /// A part of it alone.
    pub(crate) fn part(self, pointer: &str) -> Self {
        let value = self.value.pointer(pointer).unwrap_or_else(|| panic!("{pointer}: nothing")).clone();
        Self { value, ..self }
    }

    /// As it is sent.
    pub(crate) fn bytes(&self) -> String {
        let Value::Object(fields) = &self.value else { return self.value.to_string() };
        if self.media_type == "application/json" {
            return self.value.to_string();
        }
        let fields = fields.iter().map(|(key, value)| (key, value.as_str().unwrap_or_default()));
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
    }
}

/// Moves every time of the fixtures by so many seconds, however it is written.
fn moved(value: &mut Value, seconds: i64) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| moved(item, seconds)),
        Value::Object(fields) => fields.values_mut().for_each(|field| moved(field, seconds)),
        Value::Number(number) => {
            if let Some(time) = number.as_i64().and_then(|time| moved_number(time, seconds)) {
                *value = json!(time);
            }
        }
        Value::String(text) => {
            // `1795291190`, in milliseconds, or with a fraction behind it.
            let (whole, rest) = text.split_once('.').map_or((text.as_str(), None), |(a, b)| (a, Some(b)));
            let number = whole.parse().ok().and_then(|time| moved_number(time, seconds));
            let moment = || text.parse::<jiff::Timestamp>().ok();
            let moment = || moment()?.checked_add(jiff::SignedDuration::from_secs(seconds)).ok();
            if let Some(time) = number {
                *text = rest.map_or_else(|| time.to_string(), |rest| format!("{time}.{rest}"));
            } else if let Some(time) = moment() {
                *text = time.to_string();
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// A time near that of the fixtures in seconds or milliseconds; other numbers are none.
fn moved_number(time: i64, seconds: i64) -> Option<i64> {
    let near = |time: i64| (time - WRITTEN).abs() < 86_400;
    match time {
        _ if near(time) => Some(time + seconds),
        _ if near(time / 1000) => Some(time + seconds * 1000),
        _ => None,
    }
}
