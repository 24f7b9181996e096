//! Providers' own bytes: each callback in `fixtures/voice/PROVIDER/`, what is heard in it (`*.expected.json`), and that all
//! of them are about one call and make one contact.

use super::phone::{Phone, folder, phones};
use super::rig::House;
use crate::dialect::{Event, Heard, Words};
use crate::dialogue::Input;
use axum::body::Body;
use axum::extract::Request;
use lodge_channel::webhook::{Provider, Unverified};
use serde_json::{Value, json};

/// `LODGE_BLESS=1` writes what is expected anew.
pub(super) fn blessing() -> bool {
    std::env::var_os("LODGE_BLESS").is_some()
}

fn files(phone: &Phone) -> Vec<String> {
    let all = std::fs::read_dir(folder(&phone.provider)).unwrap();
    let mut names: Vec<String> = all.map(|one| one.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| {
        name != "phone.json"
            && !name.ends_with(".expected.json")
            && [".form", ".json", ".multipart"].iter().any(|end| name.ends_with(end))
    });
    names.sort();
    names
}

/// Where a callback goes: the first of the phone's places whose word stands in the file's name.
fn place(phone: &Phone, name: &str) -> String {
    let places = phone.value["files"].as_array().unwrap();
    let fits = places.iter().find(|pair| name.contains(pair[0].as_str().unwrap()));
    fits.map_or(String::new(), |pair| pair[1].as_str().unwrap().to_owned())
}

fn input(input: &Input) -> Value {
    match input {
        Input::Begin => json!("begin"),
        Input::Keys(keys) => json!({"keys": keys}),
        Input::Speech(spoken) => json!({"words": spoken.text, "confidence": spoken.confidence}),
        Input::Silence => json!("silence"),
        Input::Recorded(None) => json!("nothing recorded"),
        Input::Recorded(Some(message)) => json!({"recorded": message.id, "seconds": message.seconds}),
        Input::Operator(answered) => json!({"operator": answered}),
    }
}

fn event(event: &Event) -> Value {
    match event {
        Event::Turn { number, input: what, gone } => {
            json!({"turn": number, "did": input(what), "gone": gone})
        }
        Event::Orders { number, orders } => {
            json!({"turn": number, "orders": serde_json::from_str::<Value>(orders).unwrap()})
        }
        Event::Ended { status, seconds } => json!({"ended": status, "seconds": seconds}),
        Event::Recording { id, address, state, seconds } => {
            json!({"recording": id, "at": address, "state": state, "seconds": seconds})
        }
        Event::Transcript { id, recording, words, confidence, state } => {
            let words = match words {
                Words::Here(words) => json!(words),
                Words::At(address) => json!({"at": address}),
                Words::None => Value::Null,
            };
            json!({"transcript": id, "recording": recording, "words": words, "confidence": confidence, "state": state})
        }
    }
}

fn described(heard: Option<&Heard>) -> Value {
    let Some(Heard { facts, events }) = heard else { return json!("not understood") };
    json!({"call": facts, "events": events.iter().map(event).collect::<Vec<_>>()})
}

#[tokio::test]
async fn every_callback_is_understood_as_expected() {
    for phone in phones() {
        let house = House::of(&phone);
        let names = files(&phone);
        assert!(names.len() >= 3, "{}: {names:?}", phone.provider);
        for name in names {
            let (body, below) = (phone.kept(&name), place(&phone, &name));
            let slash = if below.is_empty() { "" } else { "/" };
            let target = format!("/hooks/page{slash}{below}");
            let mut request = Request::post(&target).header("content-type", phone.media_type(&body));
            for (header, value) in house.headers(&target, &body) {
                request = request.header(header, value);
            }
            let (parts, _) = request.body(Body::empty()).unwrap().into_parts();
            let path = below.split('?').next().unwrap();
            let base = Some(super::rig::PUBLIC);
            let request =
                Unverified::new(parts.method, &target, path, base, parts.headers).with_body(body.into());
            let desk = &house.works.desk;
            let heard = match desk.verify(&request, lodge_domain::ports::Clock::now(&*house.shared.clock)) {
                Ok(verified) => described(desk.dialect.read(&verified).as_ref()),
                Err(forged) => json!({"refused": forged.0}),
            };
            let stem = name.rsplit_once('.').unwrap().0;
            let expected = folder(&phone.provider).join(format!("{stem}.expected.json"));
            if blessing() {
                std::fs::write(&expected, format!("{heard:#}\n")).unwrap();
            }
            let text =
                std::fs::read_to_string(&expected).unwrap_or_else(|e| panic!("{}: {e}", expected.display()));
            assert_eq!(heard, serde_json::from_str::<Value>(&text).unwrap(), "{}/{name}", phone.provider);
        }
    }
}

#[tokio::test]
async fn i01_all_callbacks_of_a_provider_are_taken_and_make_one_contact() {
    for phone in phones() {
        let house = House::of(&phone);
        for name in files(&phone) {
            let text = std::fs::read_to_string(
                folder(&phone.provider).join(format!("{}.expected.json", name.rsplit_once('.').unwrap().0)),
            );
            let expected: Value = serde_json::from_str(&text.unwrap()).unwrap();
            let (status, answer) = house.post(&place(&phone, &name), &phone.kept(&name)).await;
            if expected.get("refused").is_some() {
                assert_eq!(status.as_u16(), 401, "{}/{name}", phone.provider);
            } else {
                assert!(status.is_success(), "{}/{name}: {status} {answer}", phone.provider);
            }
        }
        assert_eq!(house.contacts().len(), 1, "{}: all of them are about one call", phone.provider);
    }
}

/// Commands that somebody else gave the call end by events without our state: they are taken, and the call is still one.
#[tokio::test]
async fn i01_events_of_commands_that_are_not_ours_lead_nowhere() {
    let phone = Phone::of("telnyx-call-control");
    let house = House::of(&phone);
    for name in files(&phone) {
        let mut event: Value = serde_json::from_slice(&phone.kept(&name)).unwrap();
        event["data"]["payload"]["client_state"] = Value::Null;
        let (status, answer) = house.post("", event.to_string().as_bytes()).await;
        assert!(status.is_success() && answer.is_empty(), "{name}: {status} {answer}");
    }
    let contacts = house.contacts();
    assert_eq!(contacts.len(), 1);
    assert_eq!(contacts[0].details["path"], json!([]), "nobody knows which question was answered");
}
