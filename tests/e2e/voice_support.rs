//! What scenarios of telephony providers share: their phones (`fixtures/voice/PROVIDER/phone.json`), and an API that answers as
//! told and remembers what it was asked.

use crate::voice_signing::{Callback, Headers, configured, own_key, sign};
use anyhow::{Context, Result, ensure};
use data_encoding::BASE64;
use futures_util::{SinkExt as _, StreamExt as _};
use lodge_e2e::{House, clock};
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::Request;
use url::form_urlencoded::Serializer;

/// What a recording is made of here.
pub(crate) const SOUND: &[u8] = b"RIFF1234WAVEsound";

/// A request as an API got it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    /// Whether it came with a login.
    pub(crate) known: bool,
    pub(crate) body: String,
}

impl Asked {
    /// The words of a text message, as any provider takes them.
    pub(crate) fn words(&self) -> String {
        let told: Value = serde_json::from_str(&self.body).unwrap_or_default();
        let form = || url::form_urlencoded::parse(self.body.as_bytes()).find(|(name, _)| name == "Body");
        let text = told["text"].as_str().map(ToOwned::to_owned);
        text.or_else(|| form().map(|(_, text)| text.into_owned())).unwrap_or_default()
    }
}

/// A provider's API, until the scenario ends.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Api {
    /// Starts one; `answer` gets where it is and a request, and says status and body.
    pub(crate) async fn start(
        answer: impl Fn(&str, &Asked) -> (u16, Vec<u8>) + Send + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listen")?;
        let url = format!("http://{}", listener.local_addr()?);
        let api = Self { url, asked: Arc::default() };
        let own = api.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (mut heard, mut piece) = (Vec::new(), vec![0; 16 * 1024]);
                // Head and body may come in two pieces.
                let (head, body) = loop {
                    let read = stream.read(&mut piece).await.unwrap_or(0);
                    heard.extend_from_slice(&piece[..read]);
                    let text = String::from_utf8_lossy(&heard).into_owned();
                    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
                    let said = head.to_lowercase();
                    let length = said.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
                    let length = length.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
                    if (text.contains("\r\n\r\n") && body.len() >= length) || read == 0 {
                        break (head.to_owned(), body.to_owned());
                    }
                };
                let mut words = head.split(' ').map(ToOwned::to_owned);
                let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                let known = head.to_lowercase().contains("\nauthorization: ");
                let asked = Asked { method, path, known, body };
                let (status, body) = answer(&own.url, &asked);
                own.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {status} So\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
                drop(stream.write_all(&[head.as_bytes(), &body].concat()).await);
            }
        });
        Ok(api)
    }

    /// What it was asked, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was posted to `path`.
    pub(crate) fn posted(&self, path: &str) -> Vec<Asked> {
        let fits = |asked: &Asked| asked.method == "POST" && asked.path == path;
        self.asked().into_iter().filter(fits).collect()
    }
}

/// A provider as it calls us, with a caller of its own.
pub(crate) struct Phone {
    pub(crate) name: &'static str,
    pub(crate) value: Value,
}

impl Phone {
    /// The provider's phone; the caller's number ends with `last`.
    pub(crate) fn of(name: &'static str, last: u32) -> Result<Self> {
        let path = format!("{}/../fixtures/voice/{name}/phone.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let text = text.replace("14155550134", &format!("141555501{last}"));
        Ok(Self { name, value: serde_json::from_str(&text).context("read the phone")? })
    }

    pub(crate) fn text(&self, key: &str) -> &str {
        self.value[key].as_str().unwrap_or_default()
    }

    pub(crate) fn has(&self, event: &str) -> bool {
        self.value["events"].get(event).is_some()
    }

    /// Whether the provider sends text messages for us.
    pub(crate) fn texts(&self) -> bool {
        !self.value["texted"].is_null()
    }

    /// The tables of an inbox of the provider's name.
    pub(crate) fn inbox(&self, api: &str, dialogue: &str) -> String {
        let table = self.value["table"].as_str().unwrap_or(self.name);
        let mut lines =
            format!("[inbox.{}.voice.{table}]\napi_base = \"{api}\"\ndialogue = \"{dialogue}\"\n", self.name);
        for (key, value) in self.value["settings"].as_object().into_iter().flatten() {
            let value = value.as_str().unwrap_or_default().replace("env:", &format!("file:{}-", self.name));
            lines += &format!("{key} = \"{value}\"\n");
        }
        lines + "\n"
    }

    /// Writes the secrets that the inbox names.
    pub(crate) fn furnish(&self, house: &House) -> Result<()> {
        let values = self.value["settings"].as_object().into_iter().flatten().map(|(_, value)| value);
        for name in values.filter_map(|value| value.as_str()?.strip_prefix("env:")) {
            let value = match name {
                "PRIVATE_KEY" => own_key().1.clone(),
                name if name == self.text("signing") => configured(self.text("signs"), &name.to_lowercase()),
                name => name.to_lowercase(),
            };
            std::fs::write(house.folder().join(format!("{}-{name}", self.name)), value)?;
        }
        Ok(())
    }

    /// Where an event goes, and what is said of it.
    pub(crate) fn says(&self, event: &str, values: &[(&str, &str)]) -> Result<(String, String)> {
        let said = &self.value["events"][event];
        let place = said[0].as_str().with_context(|| format!("{} has no {event}", self.name))?;
        let mut fields = self.value["call"].clone();
        merge(&mut fields, &said[1]);
        let put = |text: String, (name, value): &(&str, &str)| text.replace(&format!("{{{name}}}"), value);
        let text = values.iter().fold(fields.to_string(), put);
        if self.text("media_type") == "application/json" {
            return Ok((place.to_owned(), text));
        }
        let fields: Map<String, Value> = serde_json::from_str(&text).context("read the fields")?;
        if fields.values().any(Value::is_object) {
            return Ok((place.to_owned(), in_parts(&fields)?));
        }
        let mut form = Serializer::new(String::new());
        for (key, value) in &fields {
            form.append_pair(key, value.as_str().context("a field of a form is a text")?);
        }
        Ok((place.to_owned(), form.finish()))
    }

    /// The headers by which `secret` signs.
    pub(crate) fn signed(&self, url: &str, body: &str, secret: &str) -> Headers {
        let (body, at) = (body.as_bytes(), clock::now());
        sign(self.text("signs"), &Callback { url, body, secret, at })
    }

    /// Posts a callback, first as somebody who knows no secret, which must be refused; status and body of the answer.
    pub(crate) async fn post(
        &self,
        client: &reqwest::Client,
        url: &str,
        body: &str,
    ) -> Result<(u16, String)> {
        let own = self.text("signing").to_lowercase();
        let mut last = (0, String::new());
        for secret in ["another", &own] {
            let media_type = if body.starts_with(BOUNDARY) { IN_PARTS } else { self.text("media_type") };
            let mut request = client.post(url).header("content-type", media_type);
            for (name, value) in self.signed(url, body, secret) {
                request = request.header(name, value);
            }
            let answer = request.body(body.to_owned()).send().await.context("call the gateway")?;
            last = (answer.status().as_u16(), answer.text().await.context("read the answer")?);
            ensure!(secret == own || last == (401, String::new()), "{}: forged: {last:?}", self.name);
        }
        Ok(last)
    }
}

/// How a form in parts begins, and its media type.
const BOUNDARY: &str = "--parts";
const IN_PARTS: &str = "multipart/form-data; boundary=parts";

/// A form whose files are all [`SOUND`]s.
fn in_parts(fields: &Map<String, Value>) -> Result<String> {
    let mut form = String::new();
    for (key, value) in fields {
        let (file, content) = match value["file"].as_str() {
            Some(file) => (format!("; filename=\"{file}\""), str::from_utf8(SOUND)?),
            None => (String::new(), value.as_str().context("a field of a form is a text")?),
        };
        form += &format!(
            "{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{key}\"{file}\r\n\r\n{content}\r\n"
        );
    }
    Ok(form + BOUNDARY + "--\r\n")
}

/// Speaks to where a `listen` of jambonz says, as its switch does, until that is kept.
pub(crate) async fn speak(listen: &Value, call: &str, audio: &[u8]) -> Result<()> {
    let password = listen["wsAuth"]["password"].as_str().context("a password")?;
    let (mut switch, _) = connect_async(opening(listen, password)?).await.context("speak to the gateway")?;
    switch.send(Message::text(json!({"callSid": call, "sampleRate": 8000}).to_string())).await?;
    for piece in audio.chunks(320) {
        switch.send(Message::Binary(piece.to_vec().into())).await?;
    }
    switch.close(None).await?;
    while let Some(Ok(_)) = switch.next().await {}
    Ok(())
}

/// The request by which a switch comes with this password.
pub(crate) fn opening(listen: &Value, password: &str) -> Result<Request<()>> {
    let mut request = listen["url"].as_str().context("an address")?.into_client_request()?;
    let name = listen["wsAuth"]["username"].as_str().context("a name")?;
    let login = format!("Basic {}", BASE64.encode(format!("{name}:{password}").as_bytes()));
    request.headers_mut().insert("authorization", login.parse()?);
    request.headers_mut().insert("sec-websocket-protocol", "audio.drachtio.org".parse()?);
    Ok(request)
}

/// The verb of this name in an answer of jambonz'.
pub(crate) fn verb(answer: &Value, name: &str) -> Result<Value> {
    let verbs = answer.as_array().context("verbs")?;
    verbs.iter().find(|verb| verb["verb"] == name).cloned().with_context(|| format!("no {name}: {answer}"))
}

/// Puts the fields of one into the other; a null takes a field away.
fn merge(into: &mut Value, from: &Value) {
    let (Some(into), Some(from)) = (into.as_object_mut(), from.as_object()) else { return };
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (_, Value::Null) => drop(into.remove(key)),
            (Some(inner @ Value::Object(_)), Value::Object(_)) => merge(inner, value),
            _ => drop(into.insert(key.clone(), value.clone())),
        }
    }
}

/// The first address of ours in an answer whose path below the inbox's own fits.
pub(crate) fn address(answer: &str, own: &str, fits: impl Fn(&str) -> bool) -> Option<String> {
    let ends = |rest: &str| rest.split(['"', '<', '\'']).next().unwrap_or_default().replace("&amp;", "&");
    let mut all = answer.split(own).skip(1).map(ends);
    all.find(|below| fits(below)).map(|below| format!("{own}{below}"))
}

/// The digits in a text, without what stands between them.
pub(crate) fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}
