//! Files in replies: handed over, fetched by a link, refused with the reason, or a link among the words; never left out.

use crate::rig::{Rig, messenger};
use axum::http::StatusCode;
use lodge_domain::Disposition;
use lodge_domain::delivery::{OutboundAttachment, OutboundMessage};
use serde_json::{Value, json};

/// A reply to the last contact, with one file.
async fn with_file(rig: &Rig, name: &str, media_type: &str, size: usize) -> OutboundMessage {
    let mut reply = rig.reply("k", "see the file");
    let blob = rig.context.blobs.put(vec![7; size].into()).await.unwrap();
    reply.attachments =
        vec![OutboundAttachment { name: name.to_owned(), media_type: media_type.to_owned(), blob }];
    reply
}

async fn slack() -> Rig {
    let rig = Rig::new("slack", Value::Null).await;
    let event = json!({"type": "message", "channel": "C1", "user": "U1", "text": "hi", "ts": "1795291190.1"});
    rig.take(&json!({"type": "event_callback", "team_id": "T", "event": event})).await;
    rig
}

#[tokio::test]
async fn f01_slack_is_handed_a_file_in_three_steps_and_nowhere_else() {
    let rig = slack().await;
    let reply = with_file(&rig, "a.pdf", "application/pdf", 5).await;
    let place =
        json!({"ok": true, "file_id": "F1", "upload_url": format!("{}/upload/v1/abc?x=1", rig.api.base)});
    rig.api.tell("getUploadURLExternal", 200, place.to_string());
    rig.replier.send(&reply).await.unwrap();
    let asked = rig.api.calls("getUploadURLExternal").pop().unwrap();
    assert_eq!(asked.body, "filename=a.pdf&length=5");
    let upload = rig.api.calls("/upload/v1/abc?x=1").pop().unwrap();
    assert_eq!((&upload.body[..], upload.authorization), (&[7_u8; 5][..], None), "the address is enough");
    let shown = rig.api.calls("completeUploadExternal").pop().unwrap().json();
    assert_eq!(
        shown,
        json!({"files": [{"id": "F1", "title": "a.pdf"}], "channel_id": "C1", "thread_ts": "1795291190.1"})
    );
    rig.replier.send(&reply).await.unwrap();
    assert_eq!(rig.api.calls("completeUploadExternal").len(), 1, "the same again goes out once");

    let rig = slack().await;
    let reply = with_file(&rig, "a.pdf", "application/pdf", 5).await;
    rig.api.tell(
        "getUploadURLExternal",
        200,
        r#"{"ok":true,"file_id":"F1","upload_url":"http://127.0.0.1:1/x"}"#,
    );
    let error = rig.replier.send(&reply).await.unwrap_err();
    assert!(matches!(error.disposition, Disposition::Later { .. }) && !error.in_doubt, "{error}");
}

#[tokio::test]
async fn f01_discord_is_handed_a_file_with_the_message() {
    let rig = Rig::new("discord", Value::Null).await;
    let command = json!({"application_id": "8", "channel_id": "6", "id": "1", "token": "tok", "type": 2,
        "user": {"id": "5"}, "data": {"name": "ticket", "type": 1, "options": [{"name": "text", "type": 3, "value": "x"}]}});
    let (status, _) = rig.post(command.to_string(), "application/json").await;
    assert_eq!(status, StatusCode::OK);
    rig.replier.send(&with_file(&rig, "a.pdf", "application/pdf", 5).await).await.unwrap();
    let body = rig.api.calls("/webhooks/8/tok").pop().unwrap().body;
    let body = String::from_utf8_lossy(&body).into_owned();
    assert!(
        body.contains("name=\"payload_json\"") && body.contains("name=\"files[0]\"; filename=\"a.pdf\""),
        "{body}"
    );
    let mut large = with_file(&rig, "b.zip", "application/zip", 11 * 1024 * 1024).await;
    large.id = rig.reply("k2", "").id;
    let error = rig.replier.send(&large).await.unwrap_err();
    assert!(error.disposition == Disposition::Never && error.to_string().contains("10 MiB"), "{error}");
}

#[tokio::test]
async fn f01_line_and_viber_fetch_what_they_take_by_a_link() {
    let rig = Rig::new("line", Value::Null).await;
    let event = json!({"type": "message", "webhookEventId": "01", "timestamp": 1_795_291_190_000_i64, "mode": "active",
        "source": {"type": "user", "userId": "U1"}, "message": {"id": "5", "type": "text", "text": "hi"}});
    rig.take(&json!({"destination": "U0", "events": [event]})).await;
    rig.replier.send(&with_file(&rig, "a.png", "image/png", 5).await).await.unwrap();
    let href = "https://gw.example.test/files/a.png";
    let pushed = rig.api.calls("message/push")[1].json();
    let picture = json!({"type": "image", "originalContentUrl": href, "previewImageUrl": href});
    assert_eq!(pushed["messages"], json!([picture]));

    let rig = Rig::new("viber", Value::Null).await;
    let message = json!({"event": "message", "timestamp": 1_795_291_190_000_i64, "message_token": 5,
        "sender": {"id": "A=", "name": "Ivan"}, "message": {"type": "text", "text": "hi"}});
    rig.take(&message).await;
    rig.replier.send(&with_file(&rig, "a.pdf", "application/pdf", 5).await).await.unwrap();
    let sent = rig.api.calls("send_message")[1].json();
    assert_eq!(
        (&sent["type"], &sent["file_name"], &sent["size"]),
        (&json!("file"), &json!("a.pdf"), &json!(5))
    );
}

#[tokio::test]
async fn f01_text_messages_carry_a_link_that_the_carrier_fetches() {
    let rig = Rig::new("twilio-messaging", Value::Null).await;
    let form = "MessageSid=SM1&From=%2B14155550134&To=%2B18885550190&Body=hi&NumMedia=0";
    rig.post(form, "application/x-www-form-urlencoded").await;
    rig.replier.send(&with_file(&rig, "a.png", "image/png", 5).await).await.unwrap();
    let body = String::from_utf8_lossy(&rig.api.calls("Messages.json")[1].body).into_owned();
    assert!(
        body.contains("MediaUrl=https%3A%2F%2Fgw.example.test%2Ffiles%2Fa.png") && !body.contains("Body="),
        "{body}"
    );

    let rig = Rig::new("telnyx-messaging", Value::Null).await;
    let payload = json!({"id": "1", "from": {"phone_number": "+14155550134"}, "to": [{"phone_number": "+18885550190"}], "text": "hi"});
    rig.take(&json!({"data": {"id": "e1", "event_type": "message.received", "occurred_at": "2026-11-21T19:59:50Z", "payload": payload}})).await;
    rig.replier.send(&with_file(&rig, "a.png", "image/png", 5).await).await.unwrap();
    let sent = rig.api.calls("v2/messages")[1].json();
    assert_eq!(sent["media_urls"], json!(["https://gw.example.test/files/a.png"]));
}

#[tokio::test]
async fn f01_a_file_without_a_way_is_refused_or_becomes_a_link_and_is_never_left_out() {
    let change = json!({"field": "feed", "value": {"item": "comment", "verb": "add", "post_id": "10_1", "comment_id": "1_2",
        "parent_id": "1_1", "message": "me too", "from": {"id": "71", "name": "N"}, "created_time": 1_795_291_190}});
    let comment =
        json!({"object": "page", "entry": [{"id": "10", "time": 1_795_291_190, "changes": [change]}]});
    let rig = Rig::new("facebook", Value::Null).await;
    rig.take(&comment).await;
    let error = rig.replier.send(&with_file(&rig, "a.pdf", "application/pdf", 5).await).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Never);
    assert!(error.to_string().contains("takes none") && rig.api.calls("/comments").is_empty(), "{error}");

    let rig =
        Rig::with("facebook", Value::Null, json!({"unsendable_files": "link"}), Default::default()).await;
    rig.take(&comment).await;
    rig.replier.send(&with_file(&rig, "a.pdf", "application/pdf", 5).await).await.unwrap();
    let said = String::from_utf8_lossy(&rig.api.calls("/comments")[0].body).into_owned();
    assert!(said.contains("files") && said.contains("a.pdf"), "{said}");

    let rig = Rig::new("messenger", Value::Null).await;
    rig.take(&messenger("m_1", "hello")).await;
    rig.replier.send(&with_file(&rig, "a.pdf", "application/pdf", 5).await).await.unwrap();
    assert_eq!(rig.api.calls("/messages").len(), 2, "the words, then the file itself");
}
