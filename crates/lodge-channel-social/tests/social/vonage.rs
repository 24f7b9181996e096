//! An application at Vonage: each message is answered by the channel that it came by.

use crate::rig::{Rig, reports, signed_by_us};
use aws_lc_rs::hmac;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use lodge_domain::delivery::OutboundState;
use lodge_domain::{Disposition, HandleKind, PartyHandle, SignedDuration};
use serde_json::{Value, json};

const FORM: &str = "application/x-www-form-urlencoded";

fn vonage(channel: &str, id: &str, kind: &str, part: impl Into<Value>) -> Value {
    let part = part.into();
    json!({"channel": channel, "message_uuid": id, "to": "18885550190", "from": "4915112345678",
        "timestamp": "2026-11-21T19:59:50Z", "message_type": kind, kind: part,
        "whatsapp": {"sender": {"user_id": "DE.1", "wa_id": "4915112345678"}}})
}

#[tokio::test]
async fn f03_f06_vonage_answers_by_the_same_channel_with_a_token_of_its_own() {
    let rig = Rig::new("vonage-messages", Value::Null).await;
    rig.take(&vonage("whatsapp", "u1", "text", json!("Hallo"))).await;
    let contact = rig.intake.contacts().pop().unwrap();
    assert_eq!(contact.from.handle, PartyHandle::new(HandleKind::Phone, "+4915112345678"));
    let reply = rig.reply("k", "Wir sind dran");
    rig.replier.send(&reply).await.unwrap();
    let call = rig.api.calls("/v1/messages").pop().unwrap();
    let token = call.authorization.clone().unwrap();
    let claims = signed_by_us(token.strip_prefix("Bearer ").unwrap()).expect("signed with the private key");
    assert_eq!(claims["application_id"], json!("app-1"));
    assert!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap() <= 900 && claims["jti"].is_string()
    );
    let body = call.json();
    assert_eq!(
        (&body["channel"], &body["to"], &body["from"]),
        (&json!("whatsapp"), &json!("4915112345678"), &json!("18885550190"))
    );
    let status = |status: &str| {
        json!({"message_uuid": "u9", "to": "4915112345678", "from": "18885550190", "status": status, "channel": "whatsapp",
            "client_ref": reply.id.as_str(), "error": {"title": 1340, "detail": "Outside allowed window"}})
    };
    rig.take(&status("read")).await;
    rig.take(&status("submitted")).await;
    rig.take(&status("rejected")).await;
    let id = reply.id.to_string();
    let states = [OutboundState::Delivered, OutboundState::Sent, OutboundState::Bounced];
    assert_eq!(reports(&rig), states.map(|state| (id.clone(), state)));
}

#[tokio::test]
async fn f04_f07_g05_vonage_keeps_the_window_the_thread_and_its_temper() {
    let rig = Rig::new("vonage-messages", Value::Null).await;
    rig.take(&vonage("whatsapp", "u1", "text", json!("Hallo"))).await;
    let mut nameless = vonage("whatsapp", "u2", "text", json!("ich nochmal"));
    nameless.as_object_mut().unwrap().remove("from");
    nameless["whatsapp"] = json!({"sender": {"user_id": "DE.1"}});
    rig.take(&nameless).await;
    let [phone, id] = rig.intake.contacts().try_into().unwrap();
    assert!(id.thread_keys.iter().all(|key| phone.rebinds.contains(&key.value)), "one thread (G05)");
    rig.api.tell(
        "/v1/messages",
        422,
        r#"{"type":"https://developer.vonage.com/api-errors/messages#1340","title":"x"}"#,
    );
    let error = rig.replier.send(&rig.reply("a", "a")).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Never);
    rig.api.tell(
        "/v1/messages",
        401,
        r#"{"title":"Unauthorized","detail":"You did not provide correct credentials"}"#,
    );
    let error = rig.replier.send(&rig.reply("b", "b")).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Misconfigured);
    let before = rig.api.calls("/v1/messages").len();
    rig.clock.advance(SignedDuration::from_hours(25));
    let error = rig.replier.send(&rig.reply("late", "late")).await.unwrap_err();
    let words = error.to_string();
    assert!(
        words.contains("window")
            && words.contains("2026-11-22T19:59:50Z")
            && words.contains("allowed templates"),
        "{words}"
    );
    assert_eq!(rig.api.calls("/v1/messages").len(), before, "known before anything is sent");
    // A text message has no window.
    rig.take(&vonage("sms", "u3", "text", json!("help"))).await;
    rig.clock.advance(SignedDuration::from_hours(48));
    rig.replier.send(&rig.reply("sms", "hello")).await.unwrap();
    assert_eq!(rig.api.calls("/v1/messages").pop().unwrap().json()["channel"], json!("sms"));
}

#[tokio::test]
async fn g03_vonage_files_every_kind_and_fetches_with_its_token() {
    let rig = Rig::new("vonage-messages", Value::Null).await;
    rig.api.tell("/v3/media/x", 200, b"\xff\xd8\xffx".as_slice());
    rig.take(&vonage(
        "whatsapp",
        "u1",
        "image",
        json!({"url": format!("{}/v3/media/x", rig.api.base), "caption": "broken"}),
    ))
    .await;
    rig.take(&vonage("whatsapp", "u2", "reply", json!({"id": "row-1", "title": "Billing"}))).await;
    rig.take(&vonage("whatsapp", "u3", "reaction", json!({"emoji": "👍"}))).await;
    rig.take(&vonage("whatsapp", "u4", "hologram", json!({}))).await;
    rig.take(&vonage("whatsapp", "u5", "image", json!({"url": "https://evil.example/x"}))).await;
    let contacts = rig.intake.contacts();
    let kinds: Vec<&Value> = contacts.iter().map(|contact| &contact.details["kind"]).collect();
    assert_eq!(kinds, ["image", "button", "reaction", "unknown", "image"]);
    assert_eq!((contacts[0].attachments.len(), contacts[4].attachments.len()), (1, 0));
    assert!(contacts[3].raw.is_some() && contacts[1].body.text == "Billing");
    assert!(rig.api.calls("/v3/media/x")[0].authorization.as_deref().unwrap().starts_with("Bearer ey"));
}

#[tokio::test]
async fn a_form_of_the_older_text_messages_is_believed_by_its_keyed_hash() {
    let rig = Rig::new("vonage-messages", Value::Null).await;
    let time = rig.context.clock.now().as_second();
    let unsigned =
        format!("messageId=0A1&msisdn=14155550134&text=help&timestamp={time}&to=18885550190&type=text");
    let fields = unsigned.split('&').map(|field| format!("&{field}")).collect::<String>();
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"signing");
    let signature = data_encoding::HEXLOWER.encode(hmac::sign(&key, fields.as_bytes()).as_ref());
    let post = async |body: String| {
        let request = Request::post("/hooks/page").header("content-type", FORM);
        rig.ask(request.body(Body::from(body)).unwrap()).await.0
    };
    assert_eq!(post(format!("{unsigned}&sig={signature}")).await, StatusCode::OK);
    assert_eq!(rig.intake.contacts()[0].body.text, "help");
    assert_eq!(
        post(format!("{}&sig={signature}", unsigned.replace("help", "evil"))).await,
        StatusCode::UNAUTHORIZED
    );
    rig.clock.advance(SignedDuration::from_secs(301));
    assert_eq!(post(format!("{unsigned}&sig={signature}")).await, StatusCode::UNAUTHORIZED, "too old");
}
