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

const HREF: &str = "https://gw.example.test/files/a.png";

/// Sends a picture by the inbox, and something that it takes by no way: refused before anything goes out.
async fn picture_alone(rig: &Rig, path: &str, refused: (&str, &str, usize)) -> Vec<Value> {
    let (name, media_type, size) = refused;
    let mut other = with_file(rig, name, media_type, size).await;
    other.id = rig.reply("other", "").id;
    let error = rig.replier.send(&other).await.unwrap_err();
    assert!(
        error.disposition == Disposition::Never && error.to_string().contains("this provider takes"),
        "{error}"
    );
    assert!(rig.api.calls(path).is_empty(), "known before anything goes out");
    rig.replier.send(&with_file(rig, "a.png", "image/png", 5).await).await.unwrap();
    rig.api.calls(path).iter().map(crate::rig::Call::json).collect()
}

fn wall() -> Value {
    let change = json!({"field": "feed", "value": {"item": "comment", "verb": "add", "post_id": "10_1", "comment_id": "1_2",
        "parent_id": "1_1", "message": "me too", "from": {"id": "71", "name": "N"}, "created_time": 1_795_291_190}});
    json!({"object": "page", "entry": [{"id": "10", "time": 1_795_291_190, "changes": [change]}]})
}

#[tokio::test]
async fn f01_instagram_and_facebook_fetch_what_they_take_by_a_link() {
    let rig = Rig::new("instagram", Value::Null).await;
    let mut message = messenger("m_1", "hello");
    message["object"] = json!("instagram");
    rig.take(&message).await;
    let sent = picture_alone(&rig, "/10/messages", ("a.zip", "application/zip", 5)).await;
    let attachment = json!({"type": "image", "payload": {"url": HREF}});
    assert_eq!((&sent[1]["message"]["attachment"], &sent[1]["recipient"]["id"]), (&attachment, &json!("71")));
    let change = json!({"field": "comments", "value": {"id": "1_2", "text": "nice", "from": {"id": "71", "username": "n"},
        "media": {"id": "9"}}});
    rig.take(
        &json!({"object": "instagram", "entry": [{"id": "10", "time": 1_795_291_190, "changes": [change]}]}),
    )
    .await;
    let error = rig.replier.send(&with_file(&rig, "a.png", "image/png", 5).await).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Never, "comments are words");

    let rig = Rig::new("facebook", Value::Null).await;
    rig.take(&wall()).await;
    let sent = picture_alone(&rig, "/comments", ("a.png", "image/png", 4_000_001)).await;
    assert_eq!(sent[1], json!({"attachment_url": HREF}));
}

#[tokio::test]
async fn f01_teams_shows_a_picture_by_a_link() {
    let rig = Rig::new("teams", Value::Null).await;
    let activity = json!({"type": "message", "id": "1", "timestamp": "2026-11-21T19:59:50Z", "channelId": "msteams",
        "serviceUrl": rig.api.base, "text": "hi", "from": {"id": "29:1", "name": "Ana"}, "recipient": {"id": "28:bot"},
        "conversation": {"id": "a:1", "conversationType": "personal"}});
    rig.take(&activity).await;
    let sent = picture_alone(&rig, "/activities", ("a.pdf", "application/pdf", 5)).await;
    let picture = json!({"contentType": "image/png", "contentUrl": HREF, "name": "a.png"});
    assert_eq!((&sent[1]["attachments"], &sent[1]["text"]), (&json!([picture]), &json!("")));
}

#[tokio::test]
async fn f01_x_is_handed_a_picture_and_shows_it_where_it_is_answered() {
    let rig = Rig::new("x", Value::Null).await;
    let message = json!({"type": "message_create", "id": "208", "created_timestamp": "1795291190000",
        "message_create": {"target": {"recipient_id": "1"}, "sender_id": "2", "message_data": {"text": "hi"}}});
    let payload = json!({"direct_message_events": [message]});
    let event = |kind: &str, payload: Value| json!({"data": {"event_uuid": "-685", "filter": {"user_id": "1"}, "event_type": kind, "payload": payload}});
    rig.take(&event("dm.received", payload)).await;
    let uploaded = r#"{"data":{"id":"1880","media_key":"3_1880","expires_after_secs":86400}}"#;
    rig.api.tell("/2/media/upload", 200, uploaded);
    let sent = picture_alone(&rig, "/2/dm_conversations", ("a.mp4", "video/mp4", 5)).await;
    assert_eq!(sent[1], json!({"attachments": [{"media_id": "1880"}]}));
    let upload = rig.api.calls("/2/media/upload").pop().unwrap();
    let body = String::from_utf8_lossy(&upload.body).into_owned();
    assert!(upload.authorization.as_deref() == Some("Bearer access") && body.contains("dm_image"), "{body}");
    assert!(body.contains("name=\"media\"; filename=\"a.png\""), "{body}");

    let mention = json!({"id": "21", "author_id": "2", "conversation_id": "20", "text": "hey", "created_at": "2026-11-21T19:59:50Z"});
    rig.take(&event("post.mention.create", mention)).await;
    let mut reply = with_file(&rig, "a.png", "image/png", 5).await;
    reply.id = rig.reply("post", "").id;
    rig.api.tell("/2/media/upload", 503, "");
    let error = rig.replier.send(&reply).await.unwrap_err();
    assert!(matches!(error.disposition, Disposition::Later { .. }) && !error.in_doubt, "{error}");
    rig.api.tell("/2/media/upload", 200, uploaded);
    rig.replier.send(&reply).await.unwrap();
    let posts = rig.api.calls("/2/tweets");
    assert_eq!(posts.len(), 2, "the words once, then the picture");
    let picture = json!({"reply": {"in_reply_to_tweet_id": "21"}, "media": {"media_ids": ["1880"]}});
    assert_eq!(posts[1].json(), picture);
}

#[tokio::test]
async fn f01_vonage_and_plivo_fetch_what_a_channel_takes_by_a_link() {
    let rig = Rig::new("vonage-messages", Value::Null).await;
    let said = |channel: &str, id: &str| {
        json!({"channel": channel, "message_uuid": id, "to": "18885550190", "from": "4915112345678",
        "timestamp": "2026-11-21T19:59:50Z", "message_type": "text", "text": "hi"})
    };
    rig.take(&said("sms", "u1")).await;
    let error = rig.replier.send(&with_file(&rig, "a.png", "image/png", 5).await).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Never, "a text message has no pictures");
    rig.take(&said("mms", "u2")).await;
    let sent = picture_alone(&rig, "/v1/messages", ("a.pdf", "application/pdf", 5)).await;
    assert_eq!(
        (&sent[1]["message_type"], &sent[1]["image"], &sent[1]["channel"]),
        (&json!("image"), &json!({"url": HREF}), &json!("mms"))
    );
    rig.take(&said("whatsapp", "u3")).await;
    let mut reply = with_file(&rig, "a.pdf", "application/pdf", 5).await;
    reply.id = rig.reply("document", "").id;
    rig.replier.send(&reply).await.unwrap();
    let sent = rig.api.calls("/v1/messages").pop().unwrap().json();
    let file = json!({"url": "https://gw.example.test/files/a.pdf", "name": "a.pdf"});
    assert_eq!((&sent["message_type"], &sent["file"]), (&json!("file"), &file));

    let rig = Rig::new("plivo-messaging", Value::Null).await;
    let form = "From=4915112345678&To=18885550190&Type=whatsapp&MessageUUID=w1&Text=hi";
    rig.post(form, "application/x-www-form-urlencoded").await;
    let sent = picture_alone(&rig, "/Message/", ("a.zip", "application/zip", 5)).await;
    assert_eq!((&sent[1]["media_urls"], &sent[1]["type"]), (&json!([HREF]), &json!("whatsapp")));
}

#[tokio::test]
async fn f01_a_file_without_a_way_is_refused_or_becomes_a_link_and_is_never_left_out() {
    let comment = wall();
    let rig = Rig::new("facebook", Value::Null).await;
    rig.take(&comment).await;
    let error = rig.replier.send(&with_file(&rig, "a.pdf", "application/pdf", 5).await).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Never);
    assert!(error.to_string().contains("takes pictures") && rig.api.calls("/comments").is_empty(), "{error}");

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
