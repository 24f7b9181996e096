//! Providers as they call us, read from `fixtures/voice/PROVIDER/phone.json`:
//!
//! - `settings`: the table, with secrets by environment variables; the one that `signing` names signs callbacks
//! - `signs`, `timed`, `covers_body`, `covers_bytes`, `media_type`: the scheme of [`super::sign`], and what it covers
//! - `vectors`, `schemes`: signed requests in `fixtures/webhook/`, and which of their schemes a voice inbox speaks
//! - `elsewhere`: the schemes it does not, each with the reason; `messages`, `messages_signed`: the folder of `fixtures/social/`
//!   with the provider's text messages, and the scheme that signs them where it is another
//! - `documents`, `vocabulary`, `says`, `listens`, `records`, `dials`: how answers are read, and all they may hold; `verb`
//!   names the member that names an object of JSON, `waits` what keeps a call where nothing hangs up,
//!   `records_by` the member that makes a verb a recording where the same verb listens; `ELEMENT[ATTRIBUTE]` is an element with
//!   this attribute, `said_in` the attribute that holds what is said, and `root` the outermost element
//! - `call`: what every callback says; `events`: where each goes, and what it says besides

use data_encoding::BASE64;
use lodge_channel::webhook::Form;
use serde_json::{Map, Value};
use std::path::PathBuf;
use url::form_urlencoded::Serializer;

/// A provider.
#[derive(Clone, Debug)]
pub(super) struct Phone {
    pub(super) provider: String,
    pub(super) value: Value,
}

/// A callback before it is signed.
#[derive(Clone, Debug)]
pub(super) struct Saying {
    /// Where it goes: a place, or `turn` or `none` for an address that the last answer gave.
    pub(super) place: String,
    pub(super) body: Vec<u8>,
}

pub(super) fn folder(provider: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/voice").join(provider)
}

/// All providers, each with a phone; one that is spoken with in more than one way has more.
pub(super) fn phones() -> Vec<Phone> {
    let folders =
        std::fs::read_dir(folder("")).unwrap().map(|one| one.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = folders.collect();
    names.sort();
    let phones: Vec<Phone> = names.iter().map(|name| Phone::of(name)).collect();
    for provider in crate::PROVIDERS {
        assert!(phones.iter().any(|phone| phone.provider == *provider), "{provider} has no phone");
    }
    assert!(phones.iter().all(|phone| crate::PROVIDERS.contains(&phone.table())), "{names:?}");
    phones
}

impl Phone {
    pub(super) fn of(provider: &str) -> Self {
        let path = folder(provider).join("phone.json");
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { provider: provider.to_owned(), value: serde_json::from_str(&text).unwrap() }
    }

    pub(super) fn text(&self, key: &str) -> &str {
        self.value[key].as_str().unwrap_or_else(|| panic!("{} has no {key}", self.provider))
    }

    pub(super) fn is(&self, key: &str) -> bool {
        self.value[key].as_bool().unwrap_or_else(|| panic!("{} has no {key}", self.provider))
    }

    /// The name of its table.
    pub(super) fn table(&self) -> &str {
        self.value["table"].as_str().unwrap_or(&self.provider)
    }

    /// Whether answers are orders to the provider's API.
    pub(super) fn is_ordered(&self) -> bool {
        self.text("documents") == "orders"
    }

    /// The field that says who calls, with this in it.
    pub(super) fn calling_from(&self, number: &str) -> Value {
        let path = self.text("from").rsplit('.');
        path.fold(Value::from(number), |value, name| serde_json::json!({name: value}))
    }

    /// The id of the call, as callbacks name it.
    pub(super) fn call_id(&self) -> &str {
        self.text("call_id")
    }

    /// Whether the provider has such an event.
    pub(super) fn has(&self, event: &str) -> bool {
        self.value["events"].get(event).is_some()
    }

    /// What the provider says when this happens; `{name}` in it stands for a value, and a field that is null is left out.
    pub(super) fn says(&self, event: &str, values: &[(&str, &str)]) -> Saying {
        let said = &self.value["events"][event];
        let place = said[0].as_str().unwrap_or_else(|| panic!("{} has no {event}", self.provider));
        let mut fields = self.value["call"].as_object().unwrap().clone();
        merge(&mut fields, said[1].as_object().unwrap());
        let filled = filled(&Value::Object(fields), values);
        Saying { place: place.to_owned(), body: self.body(&filled) }
    }

    /// The same with further fields, for what only one provider has.
    pub(super) fn says_also(&self, event: &str, values: &[(&str, &str)], also: &Value) -> Saying {
        let mut phone = self.clone();
        merge(phone.value["events"][event][1].as_object_mut().unwrap(), also.as_object().unwrap());
        phone.says(event, values)
    }

    fn body(&self, fields: &Value) -> Vec<u8> {
        if self.text("media_type") == "application/json" {
            return fields.to_string().into_bytes();
        }
        let fields = fields.as_object().unwrap();
        if fields.values().any(Value::is_object) {
            return in_parts(fields);
        }
        let mut form = Serializer::new(String::new());
        for (key, value) in fields {
            form.append_pair(key, value.as_str().unwrap());
        }
        form.finish().into_bytes()
    }

    /// The media type of a body: that of all, or of one in parts, whose boundary it begins with.
    pub(super) fn media_type(&self, body: &[u8]) -> String {
        let first = body.split(|byte| *byte == b'\r').next().unwrap();
        match first.strip_prefix(b"--") {
            Some(boundary) => format!("multipart/form-data; boundary={}", str::from_utf8(boundary).unwrap()),
            None => self.text("media_type").to_owned(),
        }
    }

    /// Whether it brings recordings along.
    pub(super) fn uploads(&self) -> bool {
        self.value["events"]["recorded"][1]
            .as_object()
            .unwrap()
            .values()
            .any(|value| value["file"].is_string())
    }

    /// A kept body of the provider's.
    pub(super) fn kept(&self, name: &str) -> Vec<u8> {
        let bytes = std::fs::read(folder(&self.provider).join(name)).unwrap();
        if self.text("media_type") == "application/json" || bytes.starts_with(b"--") {
            return bytes;
        }
        let text = String::from_utf8(bytes).unwrap();
        assert!(!Form::parse(text.trim().as_bytes()).pairs().is_empty(), "{name}");
        text.trim().as_bytes().to_vec()
    }
}

/// A form with files in it, each written `{"file": NAME, "base64": CONTENT}`.
fn in_parts(fields: &Map<String, Value>) -> Vec<u8> {
    const BOUNDARY: &str = "------------------------d74496d66958873e";
    let mut body = Vec::new();
    for (key, value) in fields {
        let (file, content) = match value.as_str() {
            Some(text) => (String::new(), text.as_bytes().to_vec()),
            None => {
                let file = value["file"].as_str().unwrap();
                let kind = "\r\nContent-Type: application/octet-stream";
                let content = BASE64.decode(value["base64"].as_str().unwrap().as_bytes()).unwrap();
                (format!("; filename=\"{file}\"{kind}"), content)
            }
        };
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{key}\"{file}\r\n\r\n");
        body.extend([head.as_bytes(), &content, b"\r\n"].concat());
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

fn merge(into: &mut Map<String, Value>, from: &Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Object(inner)), Value::Object(more)) => merge(inner, more),
            _ => drop(into.insert(key.clone(), value.clone())),
        }
    }
}

fn filled(value: &Value, values: &[(&str, &str)]) -> Value {
    match value {
        Value::String(text) => {
            let put =
                |text: String, (name, value): &(&str, &str)| text.replace(&format!("{{{name}}}"), value);
            Value::String(values.iter().fold(text.clone(), put))
        }
        Value::Array(all) => all.iter().map(|one| filled(one, values)).collect(),
        Value::Object(all) => {
            let there = all.iter().filter(|(_, value)| !value.is_null());
            Value::Object(there.map(|(key, value)| (key.clone(), filled(value, values))).collect())
        }
        other => other.clone(),
    }
}
