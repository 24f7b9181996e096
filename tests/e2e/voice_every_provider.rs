//! One gateway with an inbox of every telephony provider, each driven as its provider drives it: forged callbacks are refused,
//! repeated ones get the same bytes, and what comes out of order changes nothing. Each call is one contact with its path, its
//! recording, its words and its end; the caller agreed to text messages, so that the acknowledgment and the agent's reply go
//! out by the provider's API (G01, I01–I05, T13).

use crate::support::ticket;
use crate::voice_support::{Api, Asked, Phone, SOUND, address, digits, speak, verb};
use anyhow::{Context, Result, ensure};
use lodge_e2e::{House, Plan, Store};
use serde_json::{Value, json};

on_both_stores!(i01_every_provider_makes_one_contact_of_a_call);

/// Those that are answered by documents; the one that is led by commands is in `voice_commands`.
const PROVIDERS: [&str; 8] =
    ["twilio", "signalwire", "telnyx", "vonage", "plivo", "jambonz", "bandwidth", "freeswitch"];

const DIALOGUE: &str = r#"
start = "topic"
languages = ["en"]
[step.topic.menu]
say = { en = "For technical questions press 1." }
[step.topic.menu.choice.1]
name = "technical"
next = "consent"
[step.consent.consent]
about = "text-message"
say = { en = "For a text message with your reference press 9." }
yes = "9"
next = "message"
[step.message.record]
say = { en = "What can we do for you?" }
transcribe = true
next = "confirm"
[step.confirm.confirm]
say = { en = "Your reference is {reference}." }
next = "end"
[step.end.goodbye]
say = { en = "Goodbye." }
"#;

/// The same of a provider that neither sends text messages nor writes recordings down.
fn plain() -> String {
    let without =
        DIALOGUE.replace("next = \"consent\"", "next = \"message\"").replace("transcribe = true\n", "");
    let (before, rest) = without.split_once("[step.consent").unwrap_or((&without, ""));
    let after = rest.split_once("[step.message").map(|(_, after)| after).unwrap_or_default();
    format!("{before}[step.message{after}")
}

/// A provider's API: has the recording and its words for who logs in, and takes text messages.
fn answers(phone: &Phone) -> impl Fn(&str, &Asked) -> (u16, Vec<u8>) + Send + 'static {
    let (words, taken) = (phone.value["fetched_transcript"].clone(), phone.value["texted"].clone());
    let (texted_at, words_at) =
        (phone.text("texted_at").to_owned(), phone.text("transcript_path").to_owned());
    let login = !phone.text("fetches_with").is_empty();
    move |_, asked| match asked.method.as_str() {
        "POST" if asked.known && asked.path == texted_at => (201, taken.to_string().into_bytes()),
        "GET" if asked.known == login && asked.path == words_at => (200, words.to_string().into_bytes()),
        "GET" if asked.known == login => (200, SOUND.to_vec()),
        _ => (404, Vec::new()),
    }
}

/// A call of one provider.
struct Caller<'c> {
    phone: &'c Phone,
    own: String,
    client: reqwest::Client,
}

impl Caller<'_> {
    /// Tells of something twice; both answers are the same bytes. Where it goes, `after` says, or the provider's settings.
    async fn tell(&self, event: &str, values: &[(&str, &str)], after: &str) -> Result<String> {
        let (place, body) = self.phone.says(event, values)?;
        let name = place.split('?').next().unwrap_or_default();
        let fits = |below: &str| below.starts_with(&format!("/{name}")) && !below.ends_with("/none");
        let slash = if place.is_empty() { "" } else { "/" };
        let url = match address(after, &self.own, fits) {
            Some(url) if !name.is_empty() => url,
            _ => format!("{}{slash}{place}", self.own),
        };
        let (status, first) = self.phone.post(&self.client, &url, &body).await?;
        ensure!((200..300).contains(&status), "{} {event} at {url}: {status} {first}", self.phone.name);
        let again = self.phone.post(&self.client, &url, &body).await?;
        ensure!(again == (status, first.clone()), "{} {event}: {first} and then {again:?}", self.phone.name);
        Ok(first)
    }
}

/// A call from its first ring to its end, with what comes too early, too late and again; what was said at last.
async fn calls(phone: &Phone, public: &str, api: &str) -> Result<String> {
    let own = format!("{public}/hooks/{}", phone.name);
    let caller = Caller { phone, own, client: reqwest::Client::new() };
    let sound = format!("{api}{}", phone.text("recording_path"));
    let words = format!("{api}{}", phone.text("transcript_path"));
    let recording = [("recording", "RE1"), ("url", sound.as_str())];
    let menu = caller.tell("rings", &[], "").await?;
    let chosen = caller.tell("presses", &[("keys", "1")], &menu).await?;
    let record =
        if phone.texts() { caller.tell("presses", &[("keys", "9")], &chosen).await? } else { chosen.clone() };
    if phone.name == "jambonz" {
        // It makes no file: what is said comes to us as it is spoken.
        let listen = verb(&serde_json::from_str(&record)?, "listen")?;
        speak(&listen, phone.text("call_id"), SOUND).await?;
    }
    if phone.has("recording") {
        // Before the call goes on that it was made in.
        caller.tell("recording", &recording, &record).await?;
    }
    let confirm = caller.tell("recorded", &recording, &record).await?;
    caller.tell("completed", &[], "").await?;
    // After the end: what was answered before, news of the beginning, and what takes its time.
    ensure!(caller.tell("presses", &[("keys", "1")], &menu).await? == chosen, "{}", phone.name);
    if phone.has("news") {
        caller.tell("news", &[], "").await?;
    }
    if phone.has("recording") {
        caller.tell("recording", &recording, &record).await?;
    }
    if phone.has("transcript") {
        let said = [("recording", "RE1"), ("url", words.as_str()), ("words", "my router is broken")];
        caller.tell("transcript", &said, &record).await?;
    }
    Ok(confirm)
}

/// What was added to a contact, by its kind.
fn added(house: &House, call: &Value, kind: &str) -> Vec<Value> {
    let all = house.core.events_of("contact.supplemented").into_iter();
    all.filter(|event| event["of"] == call["id"] && event["kind"] == kind).collect()
}

/// The contact of the provider's call, with everything that belongs to it.
async fn filed(house: &House, phone: &Phone, confirm: &str) -> Result<Value> {
    let mine = || {
        let contacts = house.core.contacts().into_iter();
        let id = phone.text("call_id");
        let is_mine = |event: &Value| event["provider"] == phone.name && event["details"]["call_id"] == id;
        contacts.filter(is_mine).collect::<Vec<_>>()
    };
    house.until(&format!("{}'s ticket", phone.name), 20, || !mine().is_empty()).await?;
    let [call] = <[Value; 1]>::try_from(mine()).map_err(|all| anyhow::anyhow!("{}: {all:?}", phone.name))?;
    assert_eq!((&call["channel"], &call["provider"]), (&json!("voice"), &json!(phone.name)));
    let details = &call["details"];
    assert_eq!((&details["outcome"], &details["path"]), (&json!("confirmed"), &json!(["technical"])));
    let consent = if phone.texts() { json!(true) } else { Value::Null };
    assert_eq!(details["consent"]["text_message"], consent, "{}", phone.name);
    let reference = ticket(&call, "reference");
    assert!(digits(confirm).contains(reference), "{}: {confirm}", phone.name);
    let has = |event: &str| usize::from(phone.has(event));
    let whole = [("status", 1), ("recording", 1), ("transcript", has("transcript"))];
    let found = || whole.map(|(kind, _)| (kind, added(house, &call, kind).len()));
    house.until(&format!("{}'s supplements", phone.name), 60, || found() == whole).await?;
    let recording = added(house, &call, "recording").remove(0);
    let href = recording["details"]["attachments"][0]["href"].as_str().context("the recording's link")?;
    let sound = reqwest::get(href).await?.bytes().await?;
    // What was spoken has a head before it, which the provider's files have already.
    assert!(sound.windows(SOUND.len()).any(|piece| piece == SOUND), "{}: {sound:?}", phone.name);
    if let Some(told) = added(house, &call, "transcript").first() {
        assert_eq!(told["details"]["text"], "my router is broken", "{}", phone.name);
    }
    Ok(call)
}

/// The text messages that go to the caller: the acknowledgment, and then the agent's reply.
async fn texts(house: &House, phone: &Phone, api: &Api, call: &Value) -> Result<()> {
    let reference = ticket(call, "reference").to_owned();
    let sent = || api.posted(phone.text("texted_at"));
    house.until(&format!("{}'s acknowledgment", phone.name), 60, || !sent().is_empty()).await?;
    assert!(digits(&sent()[0].words()).contains(&reference), "{}: {:?}", phone.name, sent());
    let heard = house.desk()?.reply(&reference, "A new router is on its way: 1 & 2", phone.name).await?;
    assert_eq!(heard.status, 202, "{}: {}", phone.name, heard.body);
    house.until(&format!("{}'s reply", phone.name), 60, || sent().len() > 1).await?;
    let [_, reply] = <[Asked; 2]>::try_from(sent()).map_err(|all| anyhow::anyhow!("{all:?}"))?;
    assert!(reply.words().contains("A new router is on its way: 1 & 2"), "{}: {reply:?}", phone.name);
    let number = digits(call["from"]["handle"].as_str().unwrap_or_default());
    assert!(number.starts_with("1415555") && reply.body.contains(&number), "{}: {reply:?}", phone.name);
    Ok(())
}

async fn i01_every_provider_makes_one_contact_of_a_call(store: Store) -> Result<()> {
    let mut all = Vec::new();
    for (name, last) in PROVIDERS.into_iter().zip(41..) {
        let phone = Phone::of(name, last)?;
        let api = Api::start(answers(&phone)).await?;
        all.push((phone, api));
    }
    let dialogue = |phone: &Phone| if phone.texts() { "asks" } else { "plain" };
    let inboxes: String = all.iter().map(|(phone, api)| phone.inbox(&api.url, dialogue(phone))).collect();
    // Not all of them vouch for a caller's number: texting such callers is the operator's decision.
    let plan = Plan { acknowledge_anyone: true, ..Plan::on(store).extra(&inboxes) };
    let Some(house) = House::build(plan).await? else { return Ok(()) };
    std::fs::create_dir_all(house.folder().join("dialogues"))?;
    std::fs::write(house.folder().join("dialogues/asks.toml"), DIALOGUE)?;
    std::fs::write(house.folder().join("dialogues/plain.toml"), plain())?;
    for (phone, _) in &all {
        phone.furnish(&house)?;
    }
    let gateway = house.run().await?;
    let mut confirmed = Vec::new();
    for (phone, api) in &all {
        confirmed.push(calls(phone, &house.public(), &api.url).await.context(phone.name)?);
    }
    for ((phone, api), confirm) in all.iter().zip(&confirmed) {
        let call = filed(&house, phone, confirm).await?;
        if phone.texts() {
            texts(&house, phone, api, &call).await?;
        }
    }
    house.exactly(PROVIDERS.len(), 20).await?;
    drop(gateway);
    Ok(())
}
