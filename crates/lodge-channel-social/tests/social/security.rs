//! Every provider refuses what every provider has to refuse, and believes what its own libraries would believe.

use crate::rig::{Rig, forge, media_type, now, push, sign};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use data_encoding::BASE64;
use lodge_channel::door::Door;
use lodge_channel::webhook::Unverified;
use lodge_domain::Timestamp;
use lodge_testkit::conformance::webhook::{self, WebhookCase};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;

fn body(provider: &str, name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/social").join(provider).join(name);
    std::fs::read(path).unwrap()
}

async fn suite(provider: &'static str, file: &str, covers_body: bool, timed: bool) {
    // A form's fields are signed, not its bytes.
    let covers_bytes = covers_body && !file.ends_with(".form");
    let rig = Rig::new(provider, Value::Null).await;
    let case = WebhookCase {
        provider: rig.settings.provider(&rig.context).unwrap(),
        media_type: media_type(file),
        body: body(provider, file).into(),
        sign: Box::new(move |body, at| sign(provider, body, at)),
        forge: Box::new(move |body, at| forge(provider, body, at)),
        hints: false,
        covers_body,
        covers_bytes,
        timed,
        now: now(),
    };
    webhook::all(&case).await;
}

#[tokio::test]
async fn t13_t18_messenger() {
    suite("messenger", "text.json", true, false).await;
}

#[tokio::test]
async fn t13_t18_instagram() {
    suite("instagram", "text.json", true, false).await;
}

#[tokio::test]
async fn t13_t18_facebook() {
    suite("facebook", "comment_add.json", true, false).await;
}

#[tokio::test]
async fn t13_t18_whatsapp() {
    suite("whatsapp", "text.json", true, false).await;
}

#[tokio::test]
async fn t13_t18_telegram() {
    suite("telegram", "message_text.json", false, false).await;
}

#[tokio::test]
async fn t13_t18_slack() {
    suite("slack", "message_im.json", true, true).await;
}

#[tokio::test]
async fn t13_t18_line() {
    suite("line", "text.json", true, false).await;
}

#[tokio::test]
async fn t13_t18_viber() {
    suite("viber", "message_text.json", true, false).await;
}

#[tokio::test]
async fn t13_t18_discord() {
    suite("discord", "command_guild.json", true, true).await;
}

#[tokio::test]
async fn t06_t13_t18_teams() {
    suite("teams", "message_personal.json", false, true).await;
}

#[tokio::test]
async fn t13_t18_x() {
    suite("x", "xaa_dm_received.json", true, false).await;
}

/// A push in the older encryption, which has all that signs it in headers.
#[tokio::test]
async fn t13_t18_mastodon() {
    let rig = Rig::new("mastodon", json!({"push": true})).await;
    rig.api.tell("/api/v1/push/subscription", 200, r#"{"endpoint":"https://gw.example.test/hooks/page"}"#);
    let registrar = rig.settings.registrar(&rig.context).unwrap().unwrap();
    registrar.register("https://gw.example.test/hooks/page").await.unwrap();
    let keys = rig.api.calls("/push/subscription")[0].json()["subscription"]["keys"].clone();
    let words =
        json!({"notification_id": 4242, "notification_type": "mention", "body": "@help my order is late"});
    let (headers, body) = push(&keys, &words.to_string(), true);
    let (others, _) = push(&keys, &words.to_string(), true);
    let case = WebhookCase {
        provider: rig.settings.provider(&rig.context).unwrap(),
        media_type: "application/octet-stream",
        body: body.into(),
        hints: true,
        sign: Box::new(move |_, _| headers.clone()),
        forge: Box::new(move |_, _| others.clone()),
        covers_body: true,
        covers_bytes: true,
        timed: false,
        now: now(),
    };
    webhook::all(&case).await;
}

#[tokio::test]
async fn t13_t18_telnyx_messaging() {
    suite("telnyx-messaging", "message_received.json", true, true).await;
}

#[tokio::test]
async fn t13_t18_vonage_messages() {
    suite("vonage-messages", "messages_inbound_sms.json", true, true).await;
}

#[tokio::test]
async fn t13_t18_plivo_messaging() {
    suite("plivo-messaging", "sms.form", true, false).await;
}

#[tokio::test]
async fn t13_t18_twilio_messaging() {
    suite("twilio-messaging", "sms_incoming.form", true, false).await;
}

#[tokio::test]
async fn t13_t18_signalwire_messaging() {
    suite("signalwire-messaging", "sms_incoming.form", true, false).await;
}

#[tokio::test]
async fn t13_t18_webhook() {
    suite("webhook", "message.json", true, true).await;
}

fn vectors(name: &str) -> Vec<Value> {
    let path = format!("{}/../../fixtures/webhook/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Sends a vector to an inbox whose secret is the vector's.
async fn told(provider: &str, variable: &str, case: &Value) -> (StatusCode, String, usize) {
    let secret = case["secret"].as_str().unwrap().to_owned();
    let secrets: HashMap<String, String> = [(variable.to_owned(), secret)].into();
    tell(&Rig::with(provider, Value::Null, Value::Null, secrets).await, case).await
}

async fn tell(rig: &Rig, case: &Value) -> (StatusCode, String, usize) {
    if let Some(seconds) = case["now"].as_i64() {
        rig.clock.set(Timestamp::from_second(seconds).unwrap());
    }
    let asked = &case["request"];
    let query = asked["url"].as_str().unwrap().split_once('?').map(|(_, query)| format!("?{query}"));
    let uri = format!("/hooks/page{}", query.unwrap_or_default());
    let mut request = Request::builder().method(asked["method"].as_str().unwrap()).uri(uri);
    for (name, value) in asked["headers"].as_object().unwrap() {
        request = request.header(name, value.as_str().unwrap());
    }
    let (status, answer) = rig.ask(request.body(Body::from(sent(case))).unwrap()).await;
    (status, String::from_utf8_lossy(&answer).into_owned(), rig.intake.calls())
}

#[tokio::test]
async fn g01_what_the_providers_own_libraries_believe_is_believed_and_nothing_else() {
    let sets = [
        ("meta", "messenger", "APP"),
        ("meta", "instagram", "APP"),
        ("meta", "facebook", "APP"),
        ("meta", "whatsapp", "APP"),
        ("telegram", "telegram", "TOKEN"),
        ("slack", "slack", "SIGNING"),
        ("line", "line", "CHANNEL"),
        ("viber", "viber", "VIBER"),
        ("standardwebhooks", "webhook", "WHSEC"),
        ("discord", "discord", "PUBLIC"),
        ("x", "x", "APP"),
        ("telnyx", "telnyx-messaging", "PUBLIC64"),
        ("vonage", "vonage-messages", "SIGNING"),
    ];
    for (set, provider, variable) in sets {
        // Beside what a messaging inbox is sent: calls' own requests.
        let elsewhere = ["get-answer-webhook", "texml-form-status"];
        let ours = |case: &&Value| !elsewhere.iter().any(|id| case["id"] == *id);
        for case in vectors(set).iter().filter(|case| case["expect"].is_null()).filter(ours) {
            let (status, _, calls) = told(provider, variable, case).await;
            let name = format!("{provider}: {}", case["id"]);
            if case["valid"] == json!(true) {
                assert_eq!(status, StatusCode::OK, "{name}");
            } else {
                assert_eq!((status, calls), (StatusCode::UNAUTHORIZED, 0), "{name}");
            }
        }
    }
}

/// Signatures over the address: each vector names one of its own, so the verifier is asked itself.
#[tokio::test]
async fn g01_t17_signatures_over_addresses_are_believed_as_by_the_providers_own_libraries() {
    let sets = [
        ("twilio", "twilio-messaging", 30),
        ("signalwire", "signalwire-messaging", 3),
        ("plivo", "plivo-messaging", 11),
    ];
    for (set, provider, least) in sets {
        // Requests of SignalWire's other interface, which is for calls alone, are signed in another way.
        let all = vectors(set).into_iter().filter(|case| case["scheme"] != "signalwire-json-hmac-sha1-hex");
        let all: Vec<Value> = all.collect();
        assert!(all.len() >= least, "{set}");
        for case in all {
            let secret = case["secret"].as_str().unwrap().to_owned();
            let variables = [("AUTH".to_owned(), secret)].into();
            let rig = Rig::with(provider, Value::Null, Value::Null, variables).await;
            let verdict = rig.settings.provider(&rig.context).unwrap();
            let verdict = verdict.verify(&unverified(&case), now()).map(drop);
            assert_eq!(
                verdict.is_ok(),
                case["valid"] == json!(true),
                "{provider}: {}: {verdict:?}",
                case["id"]
            );
        }
    }
}

/// The request of a vector at the address that it names.
fn unverified(case: &Value) -> Unverified {
    let asked = &case["request"];
    let (scheme, rest) = asked["url"].as_str().unwrap().split_once("://").unwrap();
    let (authority, target) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let mut request = Request::builder().method(asked["method"].as_str().unwrap()).uri("/");
    for (name, value) in asked["headers"].as_object().unwrap() {
        request = request.header(name, value.as_str().unwrap());
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let base = format!("{scheme}://{authority}");
    Unverified::new(parts.method, target, "", Some(&base), parts.headers).with_body(sent(case).into())
}

/// The body of a vector.
fn sent(case: &Value) -> Vec<u8> {
    match case["request"]["body_base64"].as_str() {
        Some(encoded) => BASE64.decode(encoded.as_bytes()).unwrap(),
        None => case["request"]["body"].as_str().unwrap_or_default().as_bytes().to_vec(),
    }
}

#[tokio::test]
async fn t06_tokens_of_the_vectors() {
    let cases = vectors("teams");
    assert!(cases.len() >= 10);
    for case in cases {
        let extra = json!({"app_id": case["secret"]["app_id"]});
        let rig = Rig::new("teams", extra).await;
        rig.api.tell("/v1/.well-known/keys", 200, case["secret"]["jwks"].to_string());
        let (status, _, calls) = tell(&rig, &case).await;
        if case["valid"] == json!(true) {
            assert_eq!(status, StatusCode::OK, "{}", case["id"]);
        } else {
            assert_eq!((status, calls), (StatusCode::UNAUTHORIZED, 0), "{}", case["id"]);
        }
    }
}

#[tokio::test]
async fn t19_handshakes_of_the_vectors() {
    let handshakes: Vec<Value> =
        vectors("meta").into_iter().filter(|case| !case["expect"].is_null()).collect();
    assert!(handshakes.len() >= 2);
    for provider in ["messenger", "instagram", "facebook", "whatsapp"] {
        for case in &handshakes {
            let (status, answer, _) = told(provider, "VERIFY", case).await;
            let name = format!("{provider}: {}", case["id"]);
            assert_eq!(json!(status.as_u16()), case["expect"]["status"], "{name}");
            assert_eq!(answer, case["expect"]["body"].as_str().unwrap_or_default(), "{name}");
        }
    }
    for case in vectors("x").iter().filter(|case| !case["expect"].is_null()) {
        let (status, answer, _) = told("x", "APP", case).await;
        assert_eq!(json!(status.as_u16()), case["expect"]["status"], "{}", case["id"]);
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        assert_eq!(answer, case["expect"]["json"], "{}", case["id"]);
    }
    for case in vectors("discord").iter().filter(|case| case["valid"] == json!(true)) {
        let (status, answer, _) = told("discord", "PUBLIC", case).await;
        let expected = &case["expect"];
        assert_eq!(status.as_u16(), expected["status"].as_u64().map_or(200, |status| status as u16));
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        assert!(expected["json"].is_null() || answer == expected["json"], "{}: {answer}", case["id"]);
    }
    for case in vectors("slack").iter().filter(|case| !case["expect"].is_null()) {
        let (status, answer, _) = told("slack", "SIGNING", case).await;
        assert_eq!(json!(status.as_u16()), case["expect"]["status"], "{}", case["id"]);
        assert!(!answer.is_empty(), "{}", case["id"]);
    }
}
