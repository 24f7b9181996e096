//! Towards the provider: recordings are fetched until they are there, and text messages go to who agreed.

use super::phone::{Phone, phones};
use super::rig::{House, Plan, inbox};
use super::sign::own_key;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use axum::Router;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::IntoResponse;
use data_encoding::BASE64URL_NOPAD;
use lodge_domain::delivery::{OutboundKind, OutboundMessage};
use lodge_domain::ports::{Blobs, InboxState, Replier};
use lodge_domain::{
    BrandName, ConversationId, Disposition, EnvelopeId, InboxName, OutboundId, Reference, ReturnPath,
    SignedDuration,
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// What the provider was asked: method, path, authorization, body.
type Asked = Arc<Mutex<Vec<(Method, String, String, String)>>>;

/// A provider that has the recording after `misses` tries, and takes text messages.
async fn provider(phone: &Phone, misses: usize) -> (String, Asked) {
    let asked: Asked = Arc::default();
    let log = Arc::clone(&asked);
    let words = phone.value["fetched_transcript"].clone();
    let taken = phone.value["texted"].clone();
    let app = Router::new().fallback(move |request: Request| {
        let (log, words, taken) = (Arc::clone(&log), words.clone(), taken.clone());
        async move {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1 << 16).await.unwrap();
            let authorization = parts.headers.get("authorization");
            let authorization = authorization.map_or("", |value| value.to_str().unwrap()).to_owned();
            let path = parts.uri.path().to_owned();
            let mut log = log.lock().unwrap();
            let tries = log.iter().filter(|(method, ..)| *method == Method::GET).count();
            log.push((
                parts.method.clone(),
                path.clone(),
                authorization,
                String::from_utf8(body.to_vec()).unwrap(),
            ));
            match parts.method {
                Method::GET if tries < misses => StatusCode::NOT_FOUND.into_response(),
                Method::GET if path.ends_with("transcription") => axum::Json(words).into_response(),
                Method::GET => ([("content-type", "audio/x-wav")], "RIFF1234WAVEsound").into_response(),
                Method::DELETE => StatusCode::NO_CONTENT.into_response(),
                _ => (StatusCode::CREATED, axum::Json(taken)).into_response(),
            }
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (address, asked)
}

fn house(phone: &Phone, api: &str) -> House {
    Plan::of(phone).extra(json!({"delete_recordings": phone.is("deletes")})).api(api).build()
}

fn url(phone: &Phone, api: &str) -> String {
    format!("{api}{}", phone.text("recording_path"))
}

async fn tell(house: &House, url: &str) {
    house.told("recording", &[("recording", "RE1"), ("url", url)]).await;
}

/// How many recordings are still to be fetched.
async fn left(house: &House) -> usize {
    house.kept("recording/").await.len()
}

fn recorders() -> Vec<Phone> {
    phones().into_iter().filter(|phone| phone.has("recording")).collect()
}

#[tokio::test]
async fn i04_a_recording_is_fetched_when_the_provider_has_it_kept_linked_and_deleted_there() {
    for phone in recorders() {
        let name = &phone.provider;
        let (api, asked) = provider(&phone, 2).await;
        let house = house(&phone, &api);
        tell(&house, &url(&phone, &api)).await;
        for expected in [1, 1, 0] {
            house.works.recordings.round().await.unwrap();
            assert_eq!(left(&house).await, expected, "{name}");
            assert_eq!(house.works.recordings.round().await.unwrap(), 0, "{name}: not before its time");
            house.shared.clock.advance(SignedDuration::from_secs(10));
        }
        assert!(house.kept("due-recording/").await.is_empty(), "{name}");
        let told = house.supplements();
        assert_eq!(told.len(), 1, "{name}");
        assert_eq!(told[0].of, crate::contact::envelope(&inbox(), phone.call_id()), "{name}");
        let file = &told[0].attachments[0];
        let bytes = house.shared.blobs.read(&file.blob).await.unwrap();
        assert_eq!(
            (file.media_type.as_str(), &bytes[..]),
            ("audio/wav", &b"RIFF1234WAVEsound"[..]),
            "{name}"
        );
        assert_eq!(told[0].details["recording_id"], "RE1", "{name}");
        let asked = asked.lock().unwrap();
        let login = phone.text("fetches_with");
        let gets = asked.iter().filter(|(method, ..)| *method == Method::GET);
        assert!(
            gets.clone().count() == 3 && gets.clone().all(|one| one.2.starts_with(login)),
            "{name}: {asked:?}"
        );
        assert!(
            !login.is_empty() || gets.clone().all(|one| one.2.is_empty()),
            "{name}: no login for strangers"
        );
        let last = asked.last().unwrap();
        if phone.is("deletes") {
            assert_eq!((&last.0, &*last.1), (&Method::DELETE, phone.text("deleted_at")), "{name}");
            assert!(!last.2.is_empty(), "{name}");
        } else {
            assert_eq!(last.0, Method::GET, "{name}");
        }
    }
}

#[tokio::test]
async fn i04_words_that_are_elsewhere_are_fetched_too() {
    for phone in phones().iter().filter(|phone| !phone.value["fetched_transcript"].is_null()) {
        let (api, asked) = provider(phone, 1).await;
        let house = house(phone, &api);
        let values = [("recording", "RE1"), ("url", &*format!("{api}{}", phone.text("transcript_path")))];
        house.told("transcript", &values).await;
        house.works.recordings.round().await.unwrap();
        house.shared.clock.advance(SignedDuration::from_secs(10));
        house.works.recordings.round().await.unwrap();
        let told = house.supplements();
        assert_eq!(told.len(), 1, "{}: {told:?}", phone.provider);
        let said = (told[0].details["text"].as_str(), told[0].details["recording_id"].as_str());
        assert_eq!(said, (Some("my router is broken"), Some("RE1")), "{}", phone.provider);
        assert!(asked.lock().unwrap().iter().all(|one| one.2.starts_with(phone.text("fetches_with"))));
    }
}

#[tokio::test]
async fn t50_a_recording_elsewhere_is_not_fetched_and_the_core_is_told() {
    for phone in recorders() {
        let (api, asked) = provider(&phone, 0).await;
        let (other, other_asked) = provider(&phone, 0).await;
        let house = house(&phone, &api);
        tell(&house, &format!("{other}/secret")).await;
        house.works.recordings.round().await.unwrap();
        assert_eq!(left(&house).await, 0, "{}", phone.provider);
        assert!(asked.lock().unwrap().is_empty() && other_asked.lock().unwrap().is_empty());
        let told = house.supplements();
        assert!(told[0].attachments.is_empty() && told[0].details["missing"].is_string(), "{told:?}");
    }
}

/// An API whose storage says that links have expired, and which knows a fresh one as told; what it was asked for.
async fn expiring(status: u16, known: bool) -> (String, Asked) {
    let asked: Asked = Arc::default();
    let log = Arc::clone(&asked);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let base = address.clone();
    let app = Router::new().fallback(move |request: Request| {
        let (log, base) = (Arc::clone(&log), base.clone());
        async move {
            let authorization = request.headers().get("authorization");
            let authorization = authorization.map_or("", |value| value.to_str().unwrap()).to_owned();
            let path = request.uri().path().to_owned();
            let query = request.uri().query().unwrap_or_default().to_owned();
            log.lock().unwrap().push((request.method().clone(), path.clone(), authorization, String::new()));
            if path == "/v2/recordings/RE1" {
                let urls = json!({"mp3": format!("{base}/telephony-recorder/RE1.mp3?fresh")});
                let urls = if known { urls } else { Value::Null };
                let found = json!({"data": {"id": "RE1", "status": "completed", "download_urls": urls}});
                return axum::Json(found).into_response();
            }
            if query == "fresh" {
                return ([("content-type", "audio/mpeg")], "RIFF1234WAVEsound").into_response();
            }
            StatusCode::from_u16(status).unwrap().into_response()
        }
    });
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (address, asked)
}

#[tokio::test]
async fn i04_a_link_that_has_expired_is_asked_for_anew_by_the_recordings_id() {
    for name in ["telnyx", "telnyx-call-control"] {
        let phone = Phone::of(name);
        for status in [403, 410] {
            let (api, asked) = expiring(status, true).await;
            let house = Plan::of(&phone).api(&api).build();
            tell(&house, &url(&phone, &api)).await;
            house.works.recordings.round().await.unwrap();
            assert_eq!(left(&house).await, 0, "{name} {status}");
            let told = house.supplements();
            let bytes = house.shared.blobs.read(&told[0].attachments[0].blob).await.unwrap();
            assert_eq!((told.len(), &bytes[..]), (1, &b"RIFF1234WAVEsound"[..]), "{name} {status}");
            // The inbox's own login goes to the API, and to no link.
            let asked = asked.lock().unwrap();
            let gets: Vec<_> = asked.iter().map(|one| (one.1.as_str(), one.2.as_str())).collect();
            let link = (phone.text("recording_path"), "");
            let fresh = ("/telephony-recorder/RE1.mp3", "");
            assert_eq!(gets, [link, ("/v2/recordings/RE1", "Bearer api"), fresh], "{name} {status}");
        }
        // What is not there yet is no expired link, and without a fresh one it stays as it was.
        for (status, known, questions) in [(404, true, 0), (403, false, 1)] {
            let (api, asked) = expiring(status, known).await;
            let house = Plan::of(&phone).api(&api).build();
            tell(&house, &url(&phone, &api)).await;
            house.works.recordings.round().await.unwrap();
            assert_eq!(left(&house).await, 1, "{name} {status}: tried again later");
            let count = asked.lock().unwrap().iter().filter(|one| one.1.starts_with("/v2/")).count();
            assert_eq!(count, questions, "{name} {status}");
        }
    }
}

const ASKED: &str = r#"
start = "consent"
languages = ["en"]
[step.consent.consent]
about = "recording"
say = { en = "May we record you? Then press 1." }
next = "end"
[step.end.goodbye]
"#;

#[tokio::test]
async fn i04_without_consent_nothing_is_fetched_and_it_is_deleted_there() {
    for phone in recorders() {
        let (api, asked) = provider(&phone, 0).await;
        let extra = json!({"delete_recordings": phone.is("deletes")});
        let house = Plan::of(&phone).dialogue(ASKED).extra(extra).api(&api).build();
        let asks = house.rings().await;
        house.presses("2", &asks).await;
        tell(&house, &url(&phone, &api)).await;
        // The call may be forgotten by then; that the caller did not want it is not.
        let calls = house.kept("call/").await;
        house.shared.state.remove(&inbox(), &calls[0].0).await.unwrap();
        house.works.recordings.round().await.unwrap();
        assert_eq!(left(&house).await, 0, "{}", phone.provider);
        let told = house.supplements().pop().unwrap();
        assert_eq!(told.details["missing"], "no consent to being recorded", "{}", phone.provider);
        let asked = asked.lock().unwrap().clone();
        // Orders go out by POST.
        let methods = asked.into_iter().map(|one| one.0).filter(|method| *method != Method::POST);
        let methods: Vec<Method> = methods.collect();
        let expected = if phone.is("deletes") { vec![Method::DELETE] } else { Vec::new() };
        assert_eq!(methods, expected, "{}", phone.provider);
    }
}

#[tokio::test]
async fn i04_a_recording_that_never_comes_is_given_up_after_a_day_and_the_core_is_told() {
    for phone in recorders() {
        let (api, _) = provider(&phone, usize::MAX).await;
        let house = house(&phone, &api);
        tell(&house, &url(&phone, &api)).await;
        house.works.recordings.round().await.unwrap();
        assert_eq!(left(&house).await, 1, "{}", phone.provider);
        house.shared.clock.advance(SignedDuration::from_hours(25));
        house.works.recordings.round().await.unwrap();
        assert_eq!(left(&house).await, 0, "{}", phone.provider);
        let missing = house.supplements()[0].details["missing"].as_str().unwrap().to_owned();
        assert!(missing.contains("404"), "{}: {missing}", phone.provider);
    }
}

/// A reply to a call that was filed.
fn reply(way: &Value) -> OutboundMessage {
    let conversation = ConversationId::founded_by(&EnvelopeId::of_report("x", &["y"]));
    OutboundMessage {
        id: OutboundId::reply(&conversation, "k"),
        kind: OutboundKind::Reply,
        brand: BrandName::unbranded(),
        inbox: InboxName::parse("page").unwrap(),
        reference: Reference::derive(&conversation, 0),
        conversation,
        return_path: ReturnPath { inbox: InboxName::parse("page").unwrap(), sealed: way.clone() },
        subject: None,
        text: "Your number: 1 & 2".to_owned(),
        html: None,
        attachments: Vec::new(),
        author: None,
    }
}

#[tokio::test]
async fn i05_text_messages_go_to_who_agreed_and_everybody_else_is_to_be_called_back() {
    for phone in phones().iter().filter(|phone| !phone.value["texted"].is_null()) {
        let name = &phone.provider;
        let (api, asked) = provider(phone, 0).await;
        let house = house(phone, &api);
        house.told("missed", &[]).await;
        let mut way = house.contacts().remove(0).return_path.unwrap().sealed;
        let replier = &house.works.replier;
        let refused = replier.send(&reply(&way)).await.unwrap_err();
        assert_eq!(refused.disposition, Disposition::Never, "{name}");
        assert!(refused.message.contains("call them back") && asked.lock().unwrap().is_empty(), "{name}");
        way["consent"] = json!(true);
        let sent = replier.send(&reply(&way)).await.unwrap();
        assert_eq!(sent.recipients[0].text.as_deref(), Some("SM1"), "{name}");
        let asked = asked.lock().unwrap();
        let (method, path, login, body) = &asked[0];
        assert_eq!((method, path.as_str()), (&Method::POST, phone.text("texted_at")), "{name}");
        assert!(!login.is_empty(), "{name}");
        let id = reply(&way).id.to_string();
        assert_eq!(*body, phone.text("texted_body").replace("{reply}", &id), "{name}");
    }
}

#[tokio::test]
async fn what_the_provider_refuses_for_good_is_not_tried_again_and_the_rest_is() {
    for phone in phones().iter().filter(|phone| !phone.value["texted"].is_null()) {
        for (status, disposition) in [(400, Disposition::Never), (401, Disposition::Misconfigured)] {
            let app = Router::new().fallback(move || async move { StatusCode::from_u16(status).unwrap() });
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let api = format!("http://{}", listener.local_addr().unwrap());
            tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
            let house = house(phone, &api);
            house.told("missed", &[]).await;
            let mut way = house.contacts().remove(0).return_path.unwrap().sealed;
            way["consent"] = json!(true);
            let failed = house.works.replier.send(&reply(&way)).await.unwrap_err();
            assert_eq!(failed.disposition, disposition, "{} {status}", phone.provider);
        }
    }
}

/// The claims of a bearer token that our own key signs.
fn claims(authorization: &str) -> Value {
    let token = authorization.strip_prefix("Bearer ").unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, own_key().0.public_key().as_ref());
    public.verify(signed.as_bytes(), &signature).unwrap();
    let claims = signed.split_once('.').unwrap().1;
    serde_json::from_slice(&BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap()).unwrap()
}

#[tokio::test]
async fn i04_vonage_is_asked_with_a_fresh_token_of_the_applications_own_key() {
    let phone = Phone::of("vonage");
    let (api, asked) = provider(&phone, 1).await;
    let house = house(&phone, &api);
    tell(&house, &url(&phone, &api)).await;
    house.works.recordings.round().await.unwrap();
    house.shared.clock.advance(SignedDuration::from_secs(600));
    house.works.recordings.round().await.unwrap();
    let asked = asked.lock().unwrap();
    let [first, second] = asked.iter().map(|one| claims(&one.2)).collect::<Vec<_>>().try_into().unwrap();
    for claims in [&first, &second] {
        assert_eq!(claims["application_id"], phone.value["settings"]["application_id"]);
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
    }
    assert_eq!(second["iat"].as_i64().unwrap() - first["iat"].as_i64().unwrap(), 600);
    assert_ne!(first["jti"], second["jti"]);
}
