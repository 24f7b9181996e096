//! The way back: within limits, within windows, each part once, and every word of the provider understood.

use crate::rig::{Rig, item, messenger, reports, value, whatsapp};
use axum::http::StatusCode;
use lodge_channel::Door;
use lodge_domain::delivery::OutboundState;
use lodge_domain::{Disposition, HandleKind, NodeName, PartyHandle, SignedDuration};
use serde_json::{Value, json};

async fn conversation() -> Rig {
    let rig = Rig::new("messenger", Value::Null).await;
    rig.take(&messenger("m_1", "hello")).await;
    rig
}

#[tokio::test]
async fn f03_a_reply_goes_out_once_with_our_mark_and_its_echo_and_receipts_find_it() {
    let rig = conversation().await;
    let reply = rig.reply("k1", "We are on it");
    let sent = rig.replier.send(&reply).await.unwrap();
    let calls = rig.api.calls("/10/messages");
    assert_eq!(calls.len(), 1);
    let body = calls[0].json();
    assert_eq!((&body["recipient"]["id"], &body["message"]["text"]), (&json!("71"), &json!("We are on it")));
    assert_eq!(body["message"]["metadata"], json!(reply.id.as_str()));
    assert_eq!(calls[0].authorization.as_deref(), Some("Bearer access"));
    let mid = sent.traces[0].0.clone();
    assert_eq!((sent.keys.len(), sent.recipients[0].text.as_deref()), (1, Some(mid.as_str())));
    // Somebody else's words for the account, ours, what was delivered, and what was read.
    let mut echo =
        item(json!({"message": {"mid": "m_other", "is_echo": true, "text": "from the page's own app"}}));
    echo["entry"][0]["messaging"][0]["sender"] = json!({"id": "10"});
    echo["entry"][0]["messaging"][0]["recipient"] = json!({"id": "71"});
    rig.take(&echo).await;
    assert!(reports(&rig).is_empty() && rig.intake.contacts().len() == 1, "no echo is a contact");
    echo["entry"][0]["messaging"][0]["message"] =
        json!({"mid": mid, "is_echo": true, "metadata": reply.id.as_str(), "text": "We are on it"});
    rig.take(&echo).await;
    rig.take(&item(json!({"delivery": {"mids": [mid], "watermark": 1}}))).await;
    rig.take(&item(json!({"read": {"watermark": 1_795_291_300_000_i64}}))).await;
    let id = reply.id.to_string();
    let expected = [OutboundState::Sent, OutboundState::Delivered, OutboundState::Delivered];
    assert_eq!(reports(&rig), expected.map(|state| (id.clone(), state)));
    assert_eq!(rig.intake.contacts().len(), 1, "no echo is a contact (F06)");
    // The same again, after a crash before it was settled: nothing goes out twice.
    rig.replier.send(&reply).await.unwrap();
    assert_eq!(rig.api.calls("/10/messages").len(), 1);
}

#[tokio::test]
async fn f04_outside_of_the_window_is_refused_with_its_end_and_what_is_allowed() {
    let rig = conversation().await;
    let end = rig.way().sealed["window_ends_at"].as_str().unwrap().to_owned();
    assert_eq!(end, "2026-11-22T19:59:50Z");
    rig.clock.advance(SignedDuration::from_hours(24));
    let error = rig.replier.send(&rig.reply("k", "late")).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Never);
    let words = error.to_string();
    assert!(
        words.contains("window") && words.contains(&end) && words.contains("allowed templates"),
        "{words}"
    );
    assert!(rig.api.calls("/messages").is_empty(), "known before anything is sent");

    let rig = Rig::new("messenger", json!({"human_agent": true})).await;
    rig.take(&messenger("m_1", "hello")).await;
    rig.clock.advance(SignedDuration::from_hours(48));
    rig.replier.send(&rig.reply("k", "late, by a person")).await.unwrap();
    let body = rig.api.calls("/messages")[0].json();
    assert_eq!((&body["messaging_type"], &body["tag"]), (&json!("MESSAGE_TAG"), &json!("HUMAN_AGENT")));
    rig.clock.advance(SignedDuration::from_hours(24 * 6));
    assert!(rig.replier.send(&rig.reply("k2", "too late")).await.is_err());

    let rig = Rig::new("whatsapp", json!({"templates": ["order_update"]})).await;
    rig.take(&whatsapp(json!({"from": "49151", "id": "wamid.1", "type": "text", "text": {"body": "hi"}})))
        .await;
    rig.clock.advance(SignedDuration::from_hours(25));
    let error = rig.replier.send(&rig.reply("k", "late")).await.unwrap_err();
    assert!(error.to_string().contains("allowed templates: order_update"), "{error}");
}

#[tokio::test]
async fn f05_long_text_is_split_or_refused_and_goes_on_where_it_stopped() {
    let rig = conversation().await;
    let text = "many words and more ".repeat(250);
    rig.api.tell("/messages", 200, r#"{"message_id":"m_a"}"#);
    rig.api.tell("/messages", 503, "");
    let reply = rig.reply("k", &text);
    let error = rig.replier.send(&reply).await.unwrap_err();
    assert!(matches!(error.disposition, Disposition::Later { .. }), "{error}");
    rig.replier.send(&reply).await.unwrap();
    let calls = rig.api.calls("/messages");
    let texts: Vec<String> =
        calls.iter().map(|call| call.json()["message"]["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(texts.len(), 4, "three parts, one of them twice because its first try failed");
    assert_eq!(texts[1], texts[2]);
    assert!(texts.iter().all(|text| text.chars().count() <= 2000));
    let whole = [&texts[0], &texts[2], &texts[3]].map(String::as_str).join(" ");
    assert_eq!(whole.split_whitespace().count(), text.split_whitespace().count(), "nothing is cut");

    let rig = Rig::with("messenger", Value::Null, json!({"long_text": "refuse"}), Default::default()).await;
    rig.take(&messenger("m_1", "hello")).await;
    let error = rig.replier.send(&rig.reply("k", &text)).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Never);
    assert!(error.to_string().contains("2000"), "{error}");
    assert!(rig.api.calls("/messages").is_empty());
}

#[tokio::test]
async fn f07_too_fast_delays_this_account_and_a_bad_token_is_loud() {
    let rig = conversation().await;
    rig.api.tell_later("/messages", 429, Some(30), r#"{"error":{"code":613,"message":"slow down"}}"#);
    let error = rig.replier.send(&rig.reply("k", "a")).await.unwrap_err();
    let half_a_minute = Disposition::Later { after: Some(SignedDuration::from_secs(30)) };
    assert_eq!(error.disposition, half_a_minute, "{error}");
    let error = rig.replier.send(&rig.reply("k2", "b")).await.unwrap_err();
    assert_eq!(
        (error.disposition, rig.api.calls("/messages").len()),
        (half_a_minute, 1),
        "it is not even asked"
    );
    rig.clock.advance(SignedDuration::from_secs(31));
    rig.replier.send(&rig.reply("k", "a")).await.unwrap();
    assert!(rig.health[0].report().failing.is_none());
    rig.api.tell("/messages", 400, r#"{"error":{"code":190,"message":"Error validating access token"}}"#);
    let error = rig.replier.send(&rig.reply("k3", "c")).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Misconfigured);
    let (_, why) = rig.health[0].report().failing.unwrap();
    assert!(why.contains("access token") && why.contains("check"), "{why}");
    rig.replier.send(&rig.reply("k4", "d")).await.unwrap();
    assert!(rig.health[0].report().failing.is_none(), "it works again");
}

#[tokio::test]
async fn f07_nobody_is_written_to_faster_than_the_provider_takes_it_and_others_go_on() {
    let rig = Rig::new("telegram", Value::Null).await;
    let message = |chat: u64| {
        json!({"update_id": chat, "message": {"message_id": 5, "date": 1_795_291_190, "text": "help",
        "from": {"id": chat, "first_name": "Ana"}, "chat": {"id": chat, "type": "private"}}})
    };
    rig.take(&message(7)).await;
    for count in 0..7 {
        rig.replier.send(&rig.reply(&format!("k{count}"), "hi")).await.unwrap();
    }
    let late = rig.reply("late", "hi");
    let error = rig.replier.send(&late).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Later { after: Some(SignedDuration::from_secs(3)) });
    assert_eq!(rig.api.calls("sendMessage").len(), 7, "nobody had to tell us");
    rig.take(&message(8)).await;
    rig.replier.send(&rig.reply("other", "hi")).await.unwrap();
    rig.clock.advance(SignedDuration::from_secs(3));
    rig.replier.send(&late).await.unwrap();
}

#[tokio::test]
async fn f07_two_gateways_of_one_store_keep_one_pace() {
    let rig = Rig::new("x", Value::Null).await;
    let mut other = rig.context.clone();
    other.node = NodeName::parse("b").unwrap();
    let other = rig.settings.build(other).unwrap().replier.unwrap();
    let to = |count: u32| {
        let party = PartyHandle::new(HandleKind::Account, (1000 + count).to_string());
        let return_path = rig.replier.path_to(&party, None).unwrap();
        rig.reply_by(return_path, &format!("k{count}"), "hi")
    };
    for count in 0..15 {
        let replier = if count % 2 == 0 { &rig.replier } else { &other };
        replier.send(&to(count)).await.unwrap();
    }
    for replier in [&rig.replier, &other] {
        let error = replier.send(&to(15)).await.unwrap_err();
        assert_eq!(error.disposition, Disposition::Later { after: Some(SignedDuration::from_secs(900)) });
        assert!(error.detail.unwrap().contains("15 within 900 s to everybody"));
    }
    assert_eq!(rig.api.calls("/messages").len(), 15, "nobody had to tell them");
    rig.clock.advance(SignedDuration::from_secs(900));
    other.send(&to(15)).await.unwrap();
}

#[tokio::test]
async fn f06_statuses_in_any_order_are_news_of_what_was_sent() {
    let rig = Rig::new("whatsapp", Value::Null).await;
    rig.take(&whatsapp(json!({"from": "49151", "id": "wamid.1", "type": "text", "text": {"body": "hi"}})))
        .await;
    let reply = rig.reply("k", "hello");
    let sent = rig.replier.send(&reply).await.unwrap();
    let body = rig.api.calls("/messages")[0].json();
    assert_eq!(
        (&body["to"], &body["biz_opaque_callback_data"]),
        (&json!("49151"), &json!(reply.id.as_str()))
    );
    let status = |word: &str, mark: Option<&str>| {
        let status = json!({"id": sent.traces[0].0, "status": word, "recipient_id": "49151",
            "timestamp": "1795291250", "biz_opaque_callback_data": mark});
        value(json!({"statuses": [status]}))
    };
    rig.take(&status("read", Some(reply.id.as_str()))).await;
    rig.take(&status("delivered", None)).await;
    rig.take(&status("failed", None)).await;
    let states: Vec<OutboundState> = reports(&rig).into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, [OutboundState::Delivered, OutboundState::Delivered, OutboundState::Bounced]);
}

#[tokio::test]
async fn a_telegram_group_that_moved_is_followed_and_a_blocked_bot_is_final() {
    let rig = Rig::new("telegram", Value::Null).await;
    let message = json!({"update_id": 1, "message": {"message_id": 5, "date": 1_795_291_190, "text": "help",
        "from": {"id": 7, "first_name": "Ana"}, "chat": {"id": -100, "type": "group"}}});
    rig.take(&message).await;
    let moved = r#"{"ok":false,"error_code":400,"parameters":{"migrate_to_chat_id":-1009}}"#;
    rig.api.tell("sendMessage", 400, moved);
    let sent = rig.replier.send(&rig.reply("k", "hi")).await.unwrap();
    assert!(sent.traces[0].0.starts_with("-1009:"), "{:?}", sent.traces);
    rig.api.tell(
        "sendMessage",
        403,
        r#"{"ok":false,"description":"Forbidden: bot was blocked by the user"}"#,
    );
    let error = rig.replier.send(&rig.reply("k2", "hi")).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Never);
    assert!(error.to_string().contains("blocked") && !error.to_string().contains("/bot"), "{error}");
}

#[tokio::test]
async fn f03_a_push_that_is_tried_again_has_the_same_key_and_taken_over_before_is_success() {
    let rig = Rig::new("line", Value::Null).await;
    let event = json!({"type": "message", "webhookEventId": "01", "timestamp": 1_795_291_190_000_i64, "mode": "active",
        "source": {"type": "user", "userId": "U1"}, "message": {"id": "5", "type": "text", "text": "hi"}});
    rig.take(&json!({"destination": "U0", "events": [event]})).await;
    rig.api.tell("message/push", 500, "{}");
    rig.api.tell("message/push", 409, r#"{"message":"The retry key is already accepted"}"#);
    let reply = rig.reply("k", "hello");
    assert!(matches!(rig.replier.send(&reply).await.unwrap_err().disposition, Disposition::Later { .. }));
    rig.replier.send(&reply).await.unwrap();
    let keys: Vec<Option<String>> =
        rig.api.calls("message/push").into_iter().map(|call| call.retry_key).collect();
    assert!(keys[0].is_some() && keys[0] == keys[1], "{keys:?}");
}

#[tokio::test]
async fn a_viber_error_hides_behind_200() {
    let rig = Rig::new("viber", Value::Null).await;
    let message = json!({"event": "message", "timestamp": 1_795_291_190_000_i64, "message_token": 5,
        "sender": {"id": "A=", "name": "Ivan"}, "message": {"type": "text", "text": "hi"}});
    rig.take(&message).await;
    rig.api.tell("send_message", 200, r#"{"status":6,"status_message":"receiver not subscribed"}"#);
    let error = rig.replier.send(&rig.reply("k", "a")).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Never);
    let reply = rig.reply("k2", "b");
    rig.replier.send(&reply).await.unwrap();
    rig.take(&json!({"event": "seen", "timestamp": 1, "message_token": 4_912_661_846_655_238_148_u64, "user_id": "A="})).await;
    assert_eq!(reports(&rig), [(reply.id.to_string(), OutboundState::Delivered)]);
}

#[tokio::test]
async fn a_webhook_is_registered_where_the_provider_has_an_api_for_it() {
    use lodge_channel::door::Door;
    let rig = Rig::new("telegram", Value::Null).await;
    let registrar = rig.settings.registrar(&rig.context).unwrap().unwrap();
    registrar.register("https://gw.example.test/hooks/page").await.unwrap();
    let body = rig.api.calls("setWebhook")[0].json();
    assert_eq!(
        (&body["url"], &body["secret_token"]),
        (&json!("https://gw.example.test/hooks/page"), &json!("token"))
    );
    let info =
        r#"{"ok":true,"result":{"url":"https://gw.example.test/hooks/page","pending_update_count":3}}"#;
    rig.api.tell("getWebhookInfo", 200, info);
    let state = registrar.status().await.unwrap();
    assert!(state.contains(&("pending_update_count".to_owned(), "3".to_owned())), "{state:?}");
    rig.api.tell("setWebhook", 401, r#"{"ok":false,"description":"Unauthorized"}"#);
    let problem = registrar.register("https://gw.example.test/hooks/page").await.unwrap_err();
    assert!(problem.reason.contains("Unauthorized") && !problem.reason.contains("/bot"), "{problem:?}");
    let rig = Rig::new("messenger", Value::Null).await;
    assert!(rig.settings.registrar(&rig.context).unwrap().is_none());
}

#[tokio::test]
async fn f05_f06_a_text_message_is_split_sent_with_basic_auth_and_its_statuses_come_home() {
    let rig = Rig::new("twilio-messaging", Value::Null).await;
    let form = "MessageSid=SM1&From=%2B14155550134&To=%2B18885550190&Body=hi&NumMedia=0";
    let (status, answer) = rig.post(form, "application/x-www-form-urlencoded").await;
    assert_eq!(status, StatusCode::OK);
    assert!(answer.ends_with(b"<Response/>"), "a plain text would be sent to the customer");
    rig.api.tell("/Accounts/AC1/Messages.json", 201, r#"{"sid":"SMout1"}"#);
    rig.api.tell("/Accounts/AC1/Messages.json", 201, r#"{"sid":"SMout2"}"#);
    let reply = rig.reply("k", &"words and more ".repeat(150));
    rig.replier.send(&reply).await.unwrap();
    let calls = rig.api.calls("Messages.json");
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].authorization.as_deref(), Some("Basic QUMxOmF1dGg="));
    let sent = String::from_utf8_lossy(&calls[0].body).into_owned();
    assert!(
        sent.contains("To=%2B14155550134")
            && sent.contains("StatusCallback=https%3A%2F%2Fgw.example.test%2Fhooks%2Fpage")
    );
    let status =
        "MessageSid=SMout2&MessageStatus=undelivered&ErrorCode=30007&To=%2B14155550134&From=%2B18885550190";
    rig.post(status, "application/x-www-form-urlencoded").await;
    assert_eq!(reports(&rig), [(reply.id.to_string(), OutboundState::Bounced)]);
    rig.api.tell(
        "Messages.json",
        400,
        r#"{"code":21610,"message":"Attempt to send to unsubscribed recipient"}"#,
    );
    let error = rig.replier.send(&rig.reply("k2", "a")).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Never);
    let party = PartyHandle::new(HandleKind::Phone, "+14155550134");
    assert!(rig.replier.path_to(&party, None).is_some(), "a number alone is a way there");
}
