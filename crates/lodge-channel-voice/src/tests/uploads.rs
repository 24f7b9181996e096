//! A provider that brings its recordings along, told by an invented one: kept at once under their own limit, told of once, and
//! not at all without consent.

use super::invented::Invented;
use crate::dialect::{Dialect, Event, Facts, Heard, Held, Manner, TextMessage};
use crate::dialogue::{Input, Turn};
use crate::outward::never;
use crate::places::Script;
use crate::uploads::upload;
use async_trait::async_trait;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use lodge_channel::fetch::{Fetched, MediaError};
use lodge_channel::webhook::{Forged, SharedToken, Unverified, Verified};
use lodge_domain::ports::{BlobError, Blobs};
use lodge_domain::{BlobRef, DeliveryError, Inbound, Sent, Supplement, Timestamp};
use lodge_testkit::{ManualClock, MemoryBlobs};
use secrecy::SecretString;
use std::sync::Arc;

const LARGEST: usize = 6 * 1024 * 1024;

/// Says what the form's field `said` is: "ring" or keys, or "dies", of which nothing but its file is heard; and brings files.
struct Bringing;

#[async_trait]
impl Dialect for Bringing {
    fn media_types(&self) -> &[&str] {
        &["multipart/form-data"]
    }

    fn body_limit(&self) -> usize {
        LARGEST
    }

    fn body_limit_of(&self, request: &Unverified) -> usize {
        if self.verify(request, Timestamp::UNIX_EPOCH).is_ok() { LARGEST } else { 1024 }
    }

    fn verify<'r>(&self, request: &'r Unverified, _: Timestamp) -> Result<Verified<'r>, Forged> {
        SharedToken::new(&[SecretString::from("t")]).verify(request, "x-token", "")
    }

    fn read(&self, request: &Verified<'_>) -> Option<Heard> {
        let facts = Facts::of("call-1", "");
        let (number, input) = match (request.form().get("said")?, upload(request, &facts.id)) {
            ("ring", _) => (None, Input::Begin),
            (_, Some(upload)) => (Some(2), Input::Recorded(Some(upload.message()))),
            (keys, None) => (Some(1), Input::Keys(keys.to_owned())),
        };
        let event = Event::Turn { number, input, gone: false };
        let heard = request.form().get("said") != Some("dies");
        Some(Heard { facts, events: heard.then_some(event).into_iter().collect() })
    }

    fn manner(&self) -> Manner {
        Manner::Document("text/plain")
    }

    fn write(&self, turn: &Turn, script: &Script<'_>) -> String {
        format!("{} {:?}", script.turn, turn.then)
    }

    async fn recording(&self, _: Held<'_>) -> Result<Fetched, MediaError> {
        Err(MediaError::Refused)
    }

    async fn delete_recording(&self, _: Held<'_>) -> Result<(), DeliveryError> {
        Err(never("delete anything"))
    }

    async fn text(&self, _: &TextMessage<'_>) -> Result<Sent, DeliveryError> {
        Err(never("send anything"))
    }
}

fn form(said: &str, file: Option<&[u8]>) -> Vec<u8> {
    let mut form =
        format!("--b\r\nContent-Disposition: form-data; name=\"said\"\r\n\r\n{said}\r\n").into_bytes();
    if let Some(file) = file {
        let head = b"--b\r\nContent-Disposition: form-data; name=\"x\"; filename=\"../x.exe\"\r\n\r\n";
        form.extend([&head[..], file, b"\r\n"].concat());
    }
    form.extend_from_slice(b"--b--\r\n");
    form
}

/// Three seconds of silence.
fn wav() -> Vec<u8> {
    let head =
        b"RIFF\xa4\xbb\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x80\xbb\0\0";
    [&head[..], &[0; 48_000]].concat()
}

impl Invented {
    async fn tell(&self, below: &str, token: &str, body: Vec<u8>) -> (StatusCode, String) {
        let slash = if below.is_empty() { "" } else { "/" };
        let request = Request::post(format!("/hooks/page{slash}{below}"))
            .header("content-type", "multipart/form-data; boundary=b")
            .header("x-token", token);
        let answer = self.webhooks.answer(below, request.body(Body::from(body)).unwrap()).await;
        let status = answer.status();
        let body = axum::body::to_bytes(answer.into_body(), 4096).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn supplements(&self) -> Vec<Supplement> {
        self.desk.recordings.round().await.unwrap();
        let all = self.intake.taken().into_iter();
        all.filter_map(|one| if let Inbound::Supplement(one) = one { Some(*one) } else { None }).collect()
    }
}

/// A call that waits for a message.
async fn asked() -> Invented {
    let house = Invented::of(Arc::new(Bringing));
    house.tell("", "t", form("ring", None)).await;
    let (status, answer) = house.tell("turn/1", "t", form("1", None)).await;
    assert!(status.is_success() && answer.contains("Record"), "{answer}");
    house
}

#[tokio::test]
async fn i04_a_recording_that_comes_along_is_kept_at_once_and_told_of_once() {
    let house = asked().await;
    let first = house.tell("turn/2", "t", form("#", Some(&wav()))).await;
    assert_eq!(house.tell("turn/2", "t", form("#", Some(&wav()))).await, first, "the same again");
    let told = house.supplements().await;
    let [told] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(told.of, crate::contact::envelope(&super::rig::inbox(), "call-1"));
    assert_eq!((&told.details["recording_id"], &told.details["duration"]), (&"call-1-2".into(), &3.into()));
    let file = &told.attachments[0];
    assert_eq!((file.media_type.as_str(), file.name.as_deref()), ("audio/wav", Some("recording")));
    assert_eq!(house.blobs.read(&file.blob).await.unwrap(), wav());
    assert_eq!(house.intake.contacts()[0].details["recording"]["duration"], 3);
}

#[tokio::test]
async fn i04_without_consent_nothing_of_it_is_kept() {
    let house = asked().await;
    let (mut kept, version) = house.desk.calls.known("call-1").await.unwrap().unwrap();
    kept.call.learned.recording = Some(false);
    house.desk.calls.save(&mut kept, version).await.unwrap();
    assert!(house.tell("turn/2", "t", form("#", Some(&wav()))).await.0.is_success());
    let told = house.supplements().await;
    assert!(told[0].attachments.is_empty() && told[0].details["missing"].is_string(), "{told:?}");
    assert_eq!(house.blobs.read(&named(wav()).await).await.unwrap_err(), BlobError::Missing);
}

#[tokio::test]
async fn c12_a_recording_that_is_kept_is_a_message_whatever_becomes_of_its_turn() {
    let house = asked().await;
    assert!(house.tell("turn/2", "t", form("dies", Some(&wav()))).await.0.is_success());
    house.desk.last(&Facts::of("call-1", ""), "completed", None).await.unwrap();
    let contact = house.intake.contacts().remove(0);
    assert_eq!((&contact.details["outcome"], house.supplements().await.len()), (&"voicemail".into(), 1));
}

#[tokio::test]
async fn i04_a_file_in_which_nothing_is_recorded_is_no_message() {
    let house = asked().await;
    let head = crate::wav::head(8000, 0);
    assert!(house.tell("turn/2", "t", form("#", Some(&head))).await.0.is_success());
    assert!(house.supplements().await.is_empty());
    let (kept, _) = house.desk.calls.known("call-1").await.unwrap().unwrap();
    assert!(kept.call.learned.messages.is_empty(), "{:?}", kept.call.learned);
}

/// What a blob of these bytes is named.
async fn named(bytes: Vec<u8>) -> BlobRef {
    let elsewhere = MemoryBlobs::new(Arc::new(ManualClock::new()));
    elsewhere.put(bytes.into()).await.unwrap()
}

#[tokio::test]
async fn t13_t71_who_has_no_credentials_brings_little_and_nobody_more_than_the_most() {
    let house = asked().await;
    let stranger = house.tell("turn/2", "x", form("#", Some(&wav()))).await.0;
    assert_eq!(stranger, StatusCode::PAYLOAD_TOO_LARGE, "not even read");
    assert_eq!(house.tell("turn/2", "x", form("#", Some(b"RIFF"))).await.0, StatusCode::UNAUTHORIZED);
    let large = vec![0; LARGEST - 1024];
    assert_eq!(house.tell("turn/2", "t", form("#", Some(&large))).await.0, StatusCode::OK);
    let (status, _) = house.tell("turn/2", "t", form("#", Some(&vec![0; LARGEST]))).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(house.supplements().await.len(), 1);
}
