//! The stage of the social scenarios: a house with an inbox for every row, one API on loopback that plays each row's provider
//! below a path of its own, and webhooks that are signed as the provider signs them.

use crate::social_rows::{Body, Row, Scene, Sent};
use crate::support::ticket;
use anyhow::{Context, Result, bail, ensure};
use lodge_e2e::provider::{Call, Provider, text};
use lodge_e2e::signing::{Signer, settings};
use lodge_e2e::{House, Plan, Store, clock};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// What the secrets of these inboxes end with: none of it may be in the log.
const MARK: &str = "-canary-4f81c2";

/// Everything that the providers know.
struct Script {
    rows: Vec<Row>,
    signer: Signer,
    base: OnceLock<String>,
    /// What lies at those that are asked, by inbox.
    news: Mutex<BTreeMap<&'static str, Vec<Value>>>,
    /// Those that take what they are to send, and do not answer.
    held: Mutex<BTreeSet<&'static str>>,
    /// Calls that no provider would understand.
    faults: Mutex<Vec<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Script {
    fn row(&self, call: &Call) -> Option<&Row> {
        self.rows.iter().find(|row| asks(row, call))
    }

    fn answer(&self, call: &Call, number: usize) -> Option<(u16, Value)> {
        let fault = |words: &str| {
            lock(&self.faults).push(format!("{words}: {} {} {}", call.method, call.path, call.text));
        };
        let Some(row) = self.row(call) else {
            fault("a call to nobody");
            return Some((404, json!({})));
        };
        if sends(row, call) {
            if !row.sends.key.admits(call, &self.signer) {
                fault("a call without the right key");
                return Some((401, json!({})));
            }
            if lock(&self.held).contains(row.inbox) {
                return None;
            }
        }
        let base = format!("{}/{}", self.base.get().map_or("", String::as_str), row.inbox);
        let news = lock(&self.news).get(row.inbox).cloned().unwrap_or_default();
        let scene = Scene { number, base, news, signer: self.signer.clone() };
        let Some(answer) = (row.api)(call, &scene) else {
            fault("a call that this API does not have");
            return Some((404, json!({})));
        };
        Some((200, answer))
    }
}

/// Whether a call is made to the row's API.
fn asks(row: &Row, call: &Call) -> bool {
    call.path.split('/').nth(1) == Some(row.inbox)
}

/// Whether a call asks to send something.
fn sends(row: &Row, call: &Call) -> bool {
    call.method == "POST" && call.path.contains(row.sends.path) && call.field(row.sends.words).is_some()
}

/// The stage.
pub(crate) struct Stage {
    pub(crate) house: House,
    pub(crate) rows: Vec<Row>,
    script: Arc<Script>,
    api: Provider,
    http: reqwest::Client,
}

impl Stage {
    /// Builds it; `None` where a server that the house needs may be missing, and is.
    pub(crate) async fn build(store: Store, rows: Vec<Row>) -> Result<Option<Self>> {
        let script = Arc::new(Script {
            rows: rows.clone(),
            signer: Signer::new(MARK),
            base: OnceLock::new(),
            news: Mutex::default(),
            held: Mutex::default(),
            faults: Mutex::default(),
        });
        let played = Arc::clone(&script);
        let api = Provider::playing(move |call, number| played.answer(call, number)).await?;
        let base = script.base.get_or_init(|| api.url());
        let (mut tables, mut names) = (String::new(), BTreeSet::new());
        for row in &rows {
            tables.push_str(&table(row, base, &mut names));
        }
        let Some(house) = House::build(Plan::on(store).extra(&tables)).await? else { return Ok(None) };
        for name in names {
            fs::write(house.folder().join(&name), script.signer.secret(&name)).context("write a secret")?;
        }
        let http = reqwest::Client::builder().no_proxy().build().context("build a client")?;
        Ok(Some(Self { house, rows, script, api, http }))
    }

    /// Posts a body to a row's inbox as its provider would; status and body of the answer.
    pub(crate) async fn post(&self, row: &Row, body: &Body) -> Result<(u16, String)> {
        let address = format!("{}/hooks/{}", self.house.public(), row.inbox);
        self.post_to(row, &address, body, Some(&self.script.signer)).await
    }

    /// The same, signed by somebody else, or not at all; the status.
    pub(crate) async fn forge(&self, row: &Row, body: &Body, signer: Option<&Signer>) -> Result<u16> {
        let address = format!("{}/hooks/{}", self.house.public(), row.inbox);
        Ok(self.post_to(row, &address, body, signer).await?.0)
    }

    pub(crate) async fn post_to(
        &self,
        row: &Row,
        address: &str,
        body: &Body,
        signer: Option<&Signer>,
    ) -> Result<(u16, String)> {
        let bytes = body.bytes();
        let mut request = self.http.post(address).header("content-type", body.media_type);
        let sign = |signer: &Signer| signer.sign(row.provider, address, bytes.as_bytes(), clock::now());
        for (name, value) in signer.map(sign).unwrap_or_default() {
            request = request.header(name, value);
        }
        let answer = request.body(bytes).send().await.context("call the gateway")?;
        Ok((answer.status().as_u16(), answer.text().await.context("read the answer")?))
    }

    /// Hands a message over in the row's way: a webhook that has to be taken, or something that lies there to be asked for.
    /// What the webhook was answered.
    pub(crate) async fn deliver(&self, row: &Row, body: &Body) -> Result<String> {
        if !row.calls {
            let mut news = lock(&self.script.news);
            let lying = news.entry(row.inbox).or_default();
            if !lying.contains(&body.value) {
                lying.push(body.value.clone());
            }
            return Ok(String::new());
        }
        let (status, answer) = self.post(row, body).await?;
        ensure!((200..300).contains(&status), "the webhook was answered {status} {answer}");
        Ok(answer)
    }

    /// Tells news of something sent, to the address that the call named, if it named one.
    pub(crate) async fn tell(&self, row: &Row, call: &Call, body: &Body) -> Result<()> {
        let own = format!("{}/hooks/{}", self.house.public(), row.inbox);
        let address = match row.sends.callback {
            Some(place) => call.field(place).context("the call names no address for news")?,
            None => own.clone(),
        };
        ensure!(address.starts_with(&own), "news are to go to {address}");
        let (status, answer) = self.post_to(row, &address, body, Some(&self.script.signer)).await?;
        ensure!((200..300).contains(&status), "news were answered {status} {answer}");
        Ok(())
    }

    /// Lets this row's API take what it is to send without an answer, or answer again.
    pub(crate) fn hold(&self, row: &Row, holds: bool) {
        let mut held = lock(&self.script.held);
        if holds {
            held.insert(row.inbox)
        } else {
            held.remove(row.inbox)
        };
    }

    /// What this row's API was asked to send.
    pub(crate) fn sent(&self, row: &Row) -> Vec<Call> {
        let calls = self.api.calls().into_iter();
        calls.filter(|call| asks(row, call) && sends(row, call)).collect()
    }

    /// Whether this row's API was asked for news, and had some.
    pub(crate) fn was_asked(&self, row: &Row) -> bool {
        let shown = |call: &Call| asks(row, call) && call.answer.to_string().contains(row.handle);
        self.api.calls().iter().any(|call| call.method == "GET" && shown(call))
    }

    /// What arrived at the core by this row's inbox.
    pub(crate) fn contacts(&self, row: &Row) -> Vec<Value> {
        let contacts = self.house.core.contacts().into_iter();
        contacts.filter(|event| event["inbox"] == row.inbox).collect()
    }

    /// The row's one ticket, once it is there.
    pub(crate) async fn ticket(&self, row: &Row, seconds: u64) -> Result<Value> {
        self.house.until("the ticket", seconds, || !self.contacts(row).is_empty()).await?;
        let mut contacts = self.contacts(row);
        ensure!(contacts.len() == 1, "{} tickets or messages instead of one", contacts.len());
        contacts.pop().context("there is none")
    }

    /// Whether the words of what was sent hold the ticket's reference.
    pub(crate) fn names(row: &Row, call: &Call, contact: &Value) -> bool {
        let words = call.field(row.sends.words).unwrap_or_default();
        digits(&words).contains(ticket(contact, "reference"))
    }

    /// Whether a call goes to the person who wrote.
    pub(crate) fn goes_to_them(row: &Row, call: &Call) -> bool {
        let (place, who) = row.sends.to;
        if place.is_empty() { call.path.contains(who) } else { call.field(place).as_deref() == Some(who) }
    }

    /// What the API answered to a reply, beside our id of it.
    pub(crate) fn reply(row: &Row, call: &Call, id: &str) -> Sent {
        let theirs = call.answer.pointer(row.sends.id).cloned().unwrap_or_default();
        Sent { id: theirs, reply: id.to_owned() }
    }

    /// The states of a reply that the core heard of, with the provider's word where it arrived.
    pub(crate) fn states(&self, reply: &str) -> Vec<String> {
        let events = self.house.core.events_of("reply.updated").into_iter();
        let of_it = events.filter(|event| event["reply"]["id"] == reply);
        let shown = |event: Value| {
            let state = text(&event, "/reply/state").unwrap_or_default();
            let words = text(&event, "/reply/recipients/0/text").filter(|_| state == "delivered");
            words.map_or_else(|| state.clone(), |words| format!("{state}: {words}"))
        };
        of_it.map(shown).collect()
    }

    /// Whether the core and the APIs are content, and no secret is in the log.
    pub(crate) fn audit(&self) -> Result<()> {
        let faults = lock(&self.script.faults).clone();
        if !faults.is_empty() {
            bail!("the providers complain: {}", faults.join("; "));
        }
        ensure!(!self.house.log_text().contains(MARK), "a secret is in the log");
        self.house.core.audit()
    }

    /// A moment in which nothing more may happen.
    pub(crate) async fn settle(&self, milliseconds: u64) {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
}

/// Digits alone: a reference is told in groups.
pub(crate) fn digits(words: &str) -> String {
    words.chars().filter(char::is_ascii_digit).collect()
}

/// A row's table in the configuration; the names of its secrets, which are files, into `names`.
fn table(row: &Row, base: &str, names: &mut BTreeSet<String>) -> String {
    let mut table = format!("\n[inbox.{}.social.{}]\n{}", row.inbox, row.provider, row.settings);
    let Value::Object(keys) = settings(row.provider, &format!("{base}/{}", row.inbox)) else { return table };
    for (key, value) in keys {
        let value = match value.as_str().and_then(|text| text.strip_prefix("env:")) {
            Some(name) => {
                names.insert(name.to_owned());
                json!(format!("file:{name}"))
            }
            None => value,
        };
        table.push_str(&format!("{key} = {value}\n"));
    }
    table
}
