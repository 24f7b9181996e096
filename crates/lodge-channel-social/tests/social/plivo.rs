//! Numbers at Plivo: text messages and WhatsApp, signed in an old way and a new one.

use crate::rig::{PUBLIC_URL, Rig, reports};
use aws_lc_rs::hmac;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use data_encoding::BASE64;
use lodge_domain::delivery::OutboundState;
use lodge_domain::{Disposition, SignedDuration};
use serde_json::{Value, json};

const FORM: &str = "application/x-www-form-urlencoded";

fn plivo_said(id: &str, words: &str) -> String {
    format!("From=14155550134&To=18885550191&Text={words}&Type=sms&MessageUUID={id}")
}

#[tokio::test]
async fn f03_f06_f07_plivo_answers_and_its_states_come_home_by_the_whole_messages_id() {
    let rig = Rig::new("plivo-messaging", Value::Null).await;
    let (status, answer) = rig.post(plivo_said("m1", "help"), FORM).await;
    assert_eq!(status, StatusCode::OK);
    assert!(answer.ends_with(b"<Response/>"), "nothing that would be sent to the customer");
    rig.api.tell("/v1/Account/MA1/Message/", 202, r#"{"message_uuid":["out-1"]}"#);
    let reply = rig.reply("k", "We are on it");
    rig.replier.send(&reply).await.unwrap();
    let calls = rig.api.calls("/Message/");
    assert_eq!(calls[0].authorization.as_deref(), Some("Basic TUExOmF1dGg="));
    let body = calls[0].json();
    assert_eq!((&body["src"], &body["dst"]), (&json!("18885550191"), &json!("14155550134")));
    assert_eq!(body["url"], json!(format!("{PUBLIC_URL}/hooks/page?about={}", reply.id)));
    for (id, state) in [("out-1", "delivered"), ("part-2", "sent"), ("part-2", "undelivered")] {
        let form = format!(
            "From=18885550191&To=14155550134&MessageUUID={id}&ParentMessageUUID=out-1&Status={state}&ErrorCode=450"
        );
        rig.post(form, FORM).await;
    }
    let id = reply.id.to_string();
    let states = [OutboundState::Delivered, OutboundState::Sent, OutboundState::Bounced];
    assert_eq!(reports(&rig), states.map(|state| (id.clone(), state)));
    rig.api.tell("/Message/", 400, r#"{"error":"dst parameter is not valid"}"#);
    let error = rig.replier.send(&rig.reply("a", "a")).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Never);
    rig.api.tell("/Message/", 401, "");
    let error = rig.replier.send(&rig.reply("b", "b")).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Misconfigured);
    rig.api.tell_later("/Message/", 429, Some(9), "{}");
    let error = rig.replier.send(&rig.reply("c", "c")).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Later { after: Some(SignedDuration::from_secs(9)) });
}

#[tokio::test]
async fn f06_news_that_overtake_the_answer_find_what_they_are_about_by_the_address_they_come_to() {
    let rig = Rig::new("plivo-messaging", Value::Null).await;
    rig.post(plivo_said("m1", "help"), FORM).await;
    let reply = rig.reply("k", "hello");
    let post = async |query: &str, signed: &str| {
        let form = "From=18885550191&MessageUUID=unheard-of&Status=delivered&To=14155550134";
        let fields = "From18885550191MessageUUIDunheard-ofStatusdeliveredTo14155550134";
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"auth");
        let text = format!("{PUBLIC_URL}/hooks/page?{signed}.{fields}.9");
        let signature = BASE64.encode(hmac::sign(&key, text.as_bytes()).as_ref());
        let request = Request::post(format!("/hooks/page?{query}")).header("content-type", FORM);
        let request =
            request.header("x-plivo-signature-v3", signature).header("x-plivo-signature-v3-nonce", "9");
        rig.ask(request.body(Body::from(form)).unwrap()).await.0
    };
    let about = format!("about={}", reply.id);
    assert_eq!(post(&about, "about=rpl_other").await, StatusCode::UNAUTHORIZED, "the query is signed");
    assert_eq!(post(&about, &about).await, StatusCode::OK);
    assert_eq!(reports(&rig), [(reply.id.to_string(), OutboundState::Delivered)]);
    assert_eq!(post("about=nothing-of-ours", "about=nothing-of-ours").await, StatusCode::OK);
    assert_eq!(reports(&rig).len(), 1, "what we did not send is no news of ours");
}

#[tokio::test]
async fn t16_a_signature_that_covers_no_body_is_good_for_one_body() {
    let rig = Rig::new("plivo-messaging", Value::Null).await;
    let post = async |nonce: &str, body: String| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"auth");
        let text = format!("{PUBLIC_URL}/hooks/page{nonce}");
        let signature = BASE64.encode(hmac::sign(&key, text.as_bytes()).as_ref());
        let request = Request::post("/hooks/page").header("content-type", FORM);
        let request =
            request.header("x-plivo-signature-v2", signature).header("x-plivo-signature-v2-nonce", nonce);
        rig.ask(request.body(Body::from(body)).unwrap()).await.0
    };
    assert_eq!(post("77", plivo_said("m1", "hi")).await, StatusCode::OK);
    assert_eq!(post("77", plivo_said("m1", "hi")).await, StatusCode::OK, "the provider's own repeat");
    assert_eq!(post("77", plivo_said("m2", "evil")).await, StatusCode::UNAUTHORIZED);
    assert_eq!(post("78", plivo_said("m2", "fine")).await, StatusCode::OK);
    assert_eq!(rig.intake.contacts().len(), 2);
}

#[tokio::test]
async fn f04_g04_plivos_whatsapp_has_a_window_and_its_files_are_fetched() {
    let rig = Rig::new("plivo-messaging", Value::Null).await;
    rig.api.tell("/media/1", 200, b"%PDF-1.7".as_slice());
    let address: String =
        url::form_urlencoded::byte_serialize(format!("{}/media/1", rig.api.base).as_bytes()).collect();
    let form = format!("From=4915112345678&To=18885550190&Type=whatsapp&MessageUUID=w1&Media0={address}");
    rig.post(form, FORM).await;
    let contact = rig.intake.contacts().pop().unwrap();
    assert_eq!((contact.attachments.len(), contact.body.text.as_str()), (1, "[file]"));
    rig.api.tell("/Message/", 202, r#"{"message_uuid":["out-1"]}"#);
    rig.replier.send(&rig.reply("k", "hello")).await.unwrap();
    assert_eq!(rig.api.calls("/Message/")[0].json()["type"], json!("whatsapp"));
    rig.clock.advance(SignedDuration::from_hours(25));
    let error = rig.replier.send(&rig.reply("late", "late")).await.unwrap_err();
    assert!(error.to_string().contains("window") && error.disposition == Disposition::Never, "{error}");
}
