//! Towards the provider: recordings are fetched until they are there, and text messages go to who agreed.

use super::rig::{ACCOUNT, CALL, House, everything, hotline, twilio_at};
use crate::dialogue;
use crate::replier::CallReplier;
use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::IntoResponse;
use lodge_domain::delivery::{OutboundKind, OutboundMessage};
use lodge_domain::ports::{Blobs, Replier};
use lodge_domain::{
    BrandName, ConversationId, Disposition, EnvelopeId, InboxName, OutboundId, Reference, ReturnPath,
    SignedDuration,
};
use serde_json::json;
use std::sync::{Arc, Mutex};

/// What the provider was asked: method, path, authorization, body.
type Asked = Arc<Mutex<Vec<(Method, String, String, String)>>>;

/// A provider that has the recording after `misses` tries, and takes text messages.
async fn provider(misses: usize) -> (String, Asked) {
    let asked: Asked = Arc::default();
    let log = Arc::clone(&asked);
    let app = Router::new().fallback(move |request: Request| {
        let log = Arc::clone(&log);
        async move {
            let (parts, body) = request.into_parts();
            let body: Bytes = axum::body::to_bytes(body, 1 << 16).await.unwrap();
            let authorization = parts.headers["authorization"].to_str().unwrap().to_owned();
            let path = parts.uri.path().to_owned();
            let mut log = log.lock().unwrap();
            let tries = log.iter().filter(|(method, ..)| *method == Method::GET).count();
            log.push((parts.method.clone(), path, authorization, String::from_utf8(body.to_vec()).unwrap()));
            match parts.method {
                Method::GET if tries < misses => StatusCode::NOT_FOUND.into_response(),
                Method::GET => ([("content-type", "audio/x-wav")], "RIFF1234WAVEsound").into_response(),
                Method::DELETE => StatusCode::NO_CONTENT.into_response(),
                _ => (StatusCode::CREATED, axum::Json(json!({"sid": "SM1"}))).into_response(),
            }
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (address, asked)
}

async fn tell(house: &House, url: &str) {
    let pairs = [
        ("RecordingSid", "RE1"),
        ("RecordingStatus", "completed"),
        ("RecordingUrl", url),
        ("RecordingDuration", "17"),
    ];
    assert!(house.post("recording", &pairs).await.0.is_success());
}

#[tokio::test]
async fn i04_a_recording_is_fetched_when_the_provider_has_it_kept_linked_and_deleted_there() {
    let (api, asked) = provider(2).await;
    let house = House::with(hotline(), everything(), &api);
    let url = format!("{api}/2010-04-01/Accounts/{ACCOUNT}/Recordings/RE1");
    tell(&house, &url).await;
    tell(&house, &url).await;
    for left in [1, 1, 0] {
        assert_eq!(house.recordings.round().await.unwrap(), left);
        assert_eq!(house.recordings.round().await.unwrap(), left, "not before its time");
        house.clock.advance(SignedDuration::from_secs(10));
    }
    let told = house.supplements();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].of, crate::contact::envelope(&super::rig::inbox(), CALL));
    let file = &told[0].attachments[0];
    assert_eq!(
        (file.media_type.as_str(), &house.blobs.read(&file.blob).await.unwrap()[..]),
        ("audio/wav", &b"RIFF1234WAVEsound"[..])
    );
    let asked = asked.lock().unwrap();
    assert!(asked.iter().all(|(_, _, authorization, _)| authorization.starts_with("Basic ")));
    let (method, path, ..) = asked.last().unwrap();
    assert_eq!(
        (method, path.as_str()),
        (&Method::DELETE, &*format!("/2010-04-01/Accounts/{ACCOUNT}/Recordings/RE1.json"))
    );
}

#[tokio::test]
async fn t50_a_recording_elsewhere_is_not_fetched_and_the_core_is_told() {
    let (api, asked) = provider(0).await;
    let (other, other_asked) = provider(0).await;
    let house = House::with(hotline(), everything(), &api);
    tell(&house, &format!("{other}/secret")).await;
    assert_eq!(house.recordings.round().await.unwrap(), 0);
    assert!(asked.lock().unwrap().is_empty() && other_asked.lock().unwrap().is_empty());
    let told = house.supplements();
    assert!(told[0].attachments.is_empty() && told[0].details["missing"].is_string(), "{told:?}");
}

#[tokio::test]
async fn i04_without_consent_nothing_is_fetched_and_it_is_deleted_there() {
    let text = r#"
        start = "consent"
        languages = ["en"]
        [step.consent.consent]
        about = "recording"
        say = { en = "May we record you? Then press 1." }
        next = "end"
        [step.end.goodbye]
    "#;
    let (api, asked) = provider(0).await;
    let house = House::with(dialogue::read(text).unwrap(), everything(), &api);
    let (_, asks) = house.post("", &[]).await;
    house.follow(&asks, &[("Digits", "2")]).await;
    tell(&house, &format!("{api}/2010-04-01/Accounts/{ACCOUNT}/Recordings/RE1")).await;
    assert_eq!(house.recordings.round().await.unwrap(), 0);
    let told = house.supplements().pop().unwrap();
    assert_eq!(told.details["missing"], "no consent to being recorded");
    let methods: Vec<Method> = asked.lock().unwrap().iter().map(|(method, ..)| method.clone()).collect();
    assert_eq!(methods, [Method::DELETE]);
}

#[tokio::test]
async fn i04_a_recording_that_never_comes_is_given_up_after_a_day_and_the_core_is_told() {
    let (api, _) = provider(usize::MAX).await;
    let house = House::with(hotline(), everything(), &api);
    tell(&house, &format!("{api}/2010-04-01/Accounts/{ACCOUNT}/Recordings/RE1")).await;
    assert_eq!(house.recordings.round().await.unwrap(), 1);
    house.clock.advance(SignedDuration::from_hours(25));
    assert_eq!(house.recordings.round().await.unwrap(), 0);
    assert!(house.supplements()[0].details["missing"].as_str().unwrap().contains("404"));
}

#[tokio::test]
async fn i05_text_messages_go_to_who_agreed_and_everybody_else_is_to_be_called_back() {
    let (api, asked) = provider(0).await;
    let replier = CallReplier { dialect: twilio_at(&api), from: None };
    let message = |consent: bool| {
        let sealed =
            json!({"to": "+14155550134", "from": "+18885550190", "account": ACCOUNT, "consent": consent});
        let conversation = ConversationId::founded_by(&EnvelopeId::of_report("x", &["y"]));
        OutboundMessage {
            id: OutboundId::reply(&conversation, "k"),
            kind: OutboundKind::Reply,
            brand: BrandName::unbranded(),
            inbox: InboxName::parse("page").unwrap(),
            reference: Reference::derive(&conversation, 0),
            conversation,
            return_path: ReturnPath { inbox: InboxName::parse("page").unwrap(), sealed },
            subject: None,
            text: "Your number: 1 & 2".to_owned(),
            html: None,
            attachments: Vec::new(),
            author: None,
        }
    };
    let refused = replier.send(&message(false)).await.unwrap_err();
    assert_eq!(refused.disposition, Disposition::Never);
    assert!(refused.message.contains("call them back") && asked.lock().unwrap().is_empty());
    let sent = replier.send(&message(true)).await.unwrap();
    assert_eq!(sent.recipients[0].text.as_deref(), Some("SM1"));
    let asked = asked.lock().unwrap();
    let (_, path, _, body) = &asked[0];
    assert_eq!(path, &format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json"));
    assert_eq!(body, "To=%2B14155550134&From=%2B18885550190&Body=Your+number%3A+1+%26+2");
}
