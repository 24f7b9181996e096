//! A telephone call that is led by commands (Telnyx, Call Control): events come in, each is answered by an empty 200, and what is
//! to be done goes out to the provider's API, once; the core gets one ticket, its recording and its end. The recording's link
//! has expired by then, and the API gives a fresh one. Who hangs up while being recorded left a message and confirmed nothing
//! (I01, I03, I04, I05).

use crate::support::ticket;
use crate::voice_support::{Api, Asked, Phone, SOUND, digits};
use anyhow::{Context, Result, ensure};
use lodge_e2e::{House, Plan, Store};
use serde_json::{Value, json};

on_both_stores!(
    i01_a_call_that_is_led_by_commands_is_one_ticket,
    i03_who_hangs_up_while_being_recorded_confirmed_nothing,
);

const DIALOGUE: &str = r#"
start = "consent"
languages = ["en"]
[step.consent.consent]
about = "text-message"
say = { en = "For a text message with your reference press 9." }
yes = "9"
next = "message"
[step.message.record]
say = { en = "What can we do for you?" }
next = "confirm"
[step.confirm.confirm]
say = { en = "Your reference is {reference}." }
next = "end"
[step.end.goodbye]
say = { en = "Goodbye." }
"#;

/// Telnyx's API: takes commands and text messages, knows whether the caller is there, and has recordings under fresh links.
fn answers(alive: bool) -> impl Fn(&str, &Asked) -> (u16, Vec<u8>) + Send + 'static {
    move |url, asked| {
        let json = |value: Value| (200, value.to_string().into_bytes());
        match (asked.method.as_str(), asked.known, asked.path.as_str()) {
            ("POST", true, _) => json(json!({"data": {"result": "ok", "id": "m-1"}})),
            ("GET", true, path) if path.starts_with("/v2/calls/") => {
                json(json!({"data": {"record_type": "call", "is_alive": alive}}))
            }
            ("GET", true, "/v2/recordings/r1") => {
                json(json!({"data": {"id": "r1", "download_urls": {"mp3": format!("{url}/fresh.mp3")}}}))
            }
            ("GET", false, "/fresh.mp3") => (200, SOUND.to_vec()),
            _ => (403, Vec::new()),
        }
    }
}

/// Telnyx, telling.
struct Caller<'c> {
    phone: Phone,
    api: &'c Api,
    inbox: String,
    client: reqwest::Client,
}

impl Caller<'_> {
    /// The commands so far: their names, and what they say.
    fn commands(&self) -> Vec<(String, Value)> {
        let control =
            self.phone.value["call"]["data"]["payload"]["call_control_id"].as_str().unwrap_or_default();
        let own = format!("/v2/calls/{control}/actions/");
        let named = |asked: Asked| {
            let name = asked.path.strip_prefix(&own)?.to_owned();
            Some((name, serde_json::from_str(&asked.body).ok()?))
        };
        self.api.asked().into_iter().filter(|asked| asked.method == "POST").filter_map(named).collect()
    }

    fn names(&self) -> Vec<String> {
        self.commands().into_iter().map(|(name, _)| name).collect()
    }

    /// An event with the state of the last command, told twice, and each time forged before.
    async fn tell(&self, kind: &str, payload: &Value) -> Result<()> {
        let mut event = self.phone.value["call"].clone();
        let state = self.commands().last().map(|(_, body)| body["client_state"].clone());
        event["data"]["event_type"] = json!(kind);
        event["data"]["id"] = json!(format!("{kind}-{}", self.commands().len()));
        event["data"]["payload"]["client_state"] = state.unwrap_or_default();
        for (key, value) in payload.as_object().into_iter().flatten() {
            event["data"]["payload"][key] = value.clone();
        }
        let mut names = None;
        for attempt in 1..3 {
            event["meta"]["attempt"] = json!(attempt);
            let answer = self.phone.post(&self.client, &self.inbox, &event.to_string()).await?;
            ensure!(answer == (200, String::new()), "{kind}: {answer:?}");
            ensure!(names.is_none_or(|names| names == self.names()), "{kind}: orders go out once");
            names = Some(self.names());
        }
        Ok(())
    }

    /// The call up to where the caller is being recorded.
    async fn up_to_the_message(&self) -> Result<()> {
        let vouched =
            json!({"direction": "incoming", "shaken_stir_attestation": "A", "shaken_stir_validated": true});
        self.tell("call.initiated", &vouched).await?;
        self.tell("call.answered", &json!({})).await?;
        self.tell("call.gather.ended", &json!({"digits": "9", "status": "valid"})).await?;
        self.tell("call.speak.ended", &json!({"status": "completed"})).await?;
        assert_eq!(self.names(), ["answer", "gather_using_speak", "speak", "record_start"]);
        Ok(())
    }

    /// The recording is saved; its link will have expired when it is fetched.
    async fn saved(&self) -> Result<()> {
        let links = json!({"mp3": format!("{}/expired.mp3", self.api.url)});
        self.tell("call.recording.saved", &json!({"recording_id": "r1", "recording_urls": links})).await
    }
}

async fn furnished(store: Store, api: &Api) -> Result<Option<House>> {
    let phone = Phone::of("telnyx-call-control", 48)?;
    let Some(house) = House::build(Plan::on(store).extra(&phone.inbox(&api.url, "asks"))).await? else {
        return Ok(None);
    };
    std::fs::create_dir_all(house.folder().join("dialogues"))?;
    std::fs::write(house.folder().join("dialogues/asks.toml"), DIALOGUE)?;
    phone.furnish(&house)?;
    Ok(Some(house))
}

fn caller<'c>(house: &House, api: &'c Api) -> Result<Caller<'c>> {
    let phone = Phone::of("telnyx-call-control", 48)?;
    let inbox = format!("{}/hooks/{}", house.public(), phone.name);
    Ok(Caller { phone, api, inbox, client: reqwest::Client::new() })
}

/// The call's one contact, with its recording and its end.
async fn filed(house: &House, call: &str) -> Result<Value> {
    house.until("the call's ticket", 20, || !house.core.contacts().is_empty()).await?;
    let added = || house.core.events_of("contact.supplemented");
    house.until("recording and status", 60, || added().len() == 2).await?;
    house.exactly(1, 20).await?;
    let contact = house.core.contacts().remove(0);
    assert_eq!(contact["details"]["call_id"], call);
    let recording = added().into_iter().find(|event| event["kind"] == "recording").context("a recording")?;
    let href = recording["details"]["attachments"][0]["href"].as_str().context("its link")?;
    assert_eq!(&reqwest::get(href).await?.bytes().await?[..], SOUND);
    Ok(contact)
}

async fn i01_a_call_that_is_led_by_commands_is_one_ticket(store: Store) -> Result<()> {
    let api = Api::start(answers(true)).await?;
    let Some(house) = furnished(store, &api).await? else { return Ok(()) };
    let gateway = house.run().await?;
    let telnyx = caller(&house, &api)?;
    telnyx.up_to_the_message().await?;
    telnyx.saved().await?;
    let spoken = telnyx.commands().last().map(|(_, body)| body["payload"].to_string()).unwrap_or_default();
    // The reference twice, and goodbye.
    for _ in 0..3 {
        telnyx.tell("call.speak.ended", &json!({"status": "completed"})).await?;
    }
    assert_eq!(telnyx.names()[4..], ["speak", "speak", "speak", "hangup"]);
    telnyx.tell("call.hangup", &json!({"hangup_cause": "normal_clearing"})).await?;
    let call = filed(&house, telnyx.phone.text("call_id")).await?;
    let reference = ticket(&call, "reference").to_owned();
    assert_eq!(call["details"]["outcome"], "confirmed");
    assert!(digits(&spoken).contains(&reference), "{spoken}");
    let texts = || api.posted(telnyx.phone.text("texted_at"));
    house.until("the text message", 60, || !texts().is_empty()).await?;
    let [text] = <[Asked; 1]>::try_from(texts()).map_err(|all| anyhow::anyhow!("{all:?}"))?;
    assert!(digits(&text.words()).contains(&reference) && text.body.contains("+14155550148"), "{text:?}");
    drop(gateway);
    Ok(())
}

async fn i03_who_hangs_up_while_being_recorded_confirmed_nothing(store: Store) -> Result<()> {
    let api = Api::start(answers(false)).await?;
    let Some(house) = furnished(store, &api).await? else { return Ok(()) };
    let gateway = house.run().await?;
    let telnyx = caller(&house, &api)?;
    telnyx.up_to_the_message().await?;
    telnyx.saved().await?;
    telnyx.tell("call.hangup", &json!({"hangup_cause": "normal_clearing"})).await?;
    assert_eq!(telnyx.names().len(), 4, "who is gone is told nothing");
    let call = filed(&house, telnyx.phone.text("call_id")).await?;
    assert_eq!(call["details"]["outcome"], "voicemail");
    assert_ne!(call["acknowledgment"]["decision"], "inline", "nobody was told a reference");
    drop(gateway);
    Ok(())
}
