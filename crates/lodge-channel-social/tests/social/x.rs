//! An account on X: direct messages and mentions, each answered where it was said.

use crate::rig::{Rig, reports, sign};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use lodge_channel::door::Door;
use lodge_domain::delivery::OutboundState;
use lodge_domain::ticket::SupplementKind;
use lodge_domain::{Disposition, Inbound, SignedDuration};
use serde_json::{Value, json};

const OURS: &str = "1111111111111111111";
const THEIRS: &str = "2222222222222222222";

fn event(kind: &str, payload: impl Into<Value>) -> Value {
    let payload = payload.into();
    json!({"data": {"event_uuid": "-685", "filter": {"user_id": OURS}, "event_type": kind, "payload": payload}})
}

fn direct(kind: &str, id: &str, from: &str, to: &str, words: &str) -> Value {
    let message = json!({"type": "message_create", "id": id, "created_timestamp": "1795291190000",
        "message_create": {"target": {"recipient_id": to}, "sender_id": from, "message_data": {"text": words}}});
    let users = json!({THEIRS: {"data": {"id": THEIRS, "username": "ana_r", "name": "Ana"}}});
    event(kind, json!({"direct_message_events": [message], "users": users}))
}

fn post(id: &str, author: &str, words: &str) -> Value {
    event(
        "post.mention.create",
        json!({"id": id, "author_id": author, "conversation_id": "20", "text": words,
        "created_at": "2026-11-21T19:59:50Z"}),
    )
}

async fn asked() -> Rig {
    let rig = Rig::new("x", Value::Null).await;
    rig.take(&direct("dm.received", "208", THEIRS, OURS, "order 4711 is late")).await;
    rig
}

#[tokio::test]
async fn f03_f06_a_direct_message_is_answered_and_its_echo_and_receipt_come_home() {
    let rig = asked().await;
    let contact = rig.intake.contacts().pop().unwrap();
    assert_eq!((contact.from.name.as_deref(), &contact.details["public"]), (Some("Ana"), &json!(false)));
    rig.api.tell("/messages", 201, r#"{"data":{"dm_conversation_id":"1-2","dm_event_id":"209"}}"#);
    let reply = rig.reply("k", "we look into it");
    rig.replier.send(&reply).await.unwrap();
    rig.replier.send(&reply).await.unwrap();
    let calls = rig.api.calls("/2/dm_conversations/with/2222222222222222222/messages");
    assert_eq!(calls.len(), 1, "the same again goes out once");
    assert_eq!(calls[0].authorization.as_deref(), Some("Bearer access"));
    assert_eq!(calls[0].json(), json!({"text": "we look into it"}));
    rig.take(&direct("dm.sent", "209", OURS, THEIRS, "we look into it")).await;
    let mut unnamed = direct("dm.sent", "301", OURS, THEIRS, "told without our id");
    unnamed["data"]["filter"] = json!({});
    rig.take(&unnamed).await;
    rig.take(&direct("dm.sent", "300", OURS, THEIRS, "by somebody else of the account")).await;
    let read = json!({"direct_message_mark_read_events": [{"created_timestamp": "1795291200000", "sender_id": THEIRS,
        "target": {"recipient_id": OURS}, "last_read_event_id": "209"}]});
    rig.take(&event("dm.read", read)).await;
    let id = reply.id.to_string();
    assert_eq!(reports(&rig), [(id.clone(), OutboundState::Sent), (id, OutboundState::Delivered)]);
    assert_eq!(rig.intake.contacts().len(), 1, "no echo is a contact");
}

#[tokio::test]
async fn f05_a_mention_is_public_and_answered_below_itself_in_posts_that_fit() {
    let rig = Rig::new("x", Value::Null).await;
    rig.take(&post("21", THEIRS, "hey @acme where is my order")).await;
    rig.take(&post("22", "3333333333333333333", "@acme mine too")).await;
    let [ann, bob] = rig.intake.contacts().try_into().unwrap();
    assert!(ann.details["public"] == json!(true) && !ann.no_acknowledgment.is_empty());
    assert!(ann.rebinds.iter().all(|key| !bob.rebinds.contains(key)), "nobody joins another's conversation");
    rig.replier.send(&rig.reply("k", &"many words and 日本 https://t.co/a ".repeat(20))).await.unwrap();
    let calls = rig.api.calls("/2/tweets");
    assert!(calls.len() > 3);
    for call in &calls {
        assert_eq!(call.json()["reply"]["in_reply_to_tweet_id"], json!("22"));
        let text = call.json()["text"].as_str().unwrap().to_owned();
        let weight: usize = text
            .split_whitespace()
            .map(|word| match word.contains("://") {
                true => 23,
                false => word.chars().map(|c| if u32::from(c) > 0x10ff { 2 } else { 1 }).sum(),
            })
            .sum::<usize>();
        assert!(weight + text.split_whitespace().count() - 1 <= 280, "{weight}: {text}");
    }
    rig.take(&event("post.delete", json!({"id": "21"}))).await;
    let deleted = rig
        .intake
        .taken()
        .into_iter()
        .any(|item| matches!(item, Inbound::Supplement(one) if one.kind == SupplementKind::Deletion));
    assert!(deleted, "what was taken back is erased");
    rig.take(&post("23", OURS, "our own answer")).await;
    let mut repost = post("24", THEIRS, "RT @acme: hi");
    repost["data"]["payload"]["referenced_tweets"] = json!([{"type": "retweeted", "id": "9"}]);
    rig.take(&repost).await;
    assert_eq!(rig.intake.contacts().len(), 2);
}

#[tokio::test]
async fn f07_limits_delay_this_account_and_every_refusal_is_understood() {
    let rig = asked().await;
    let reset = rig.context.clock.now().as_second() + 90;
    rig.api.tell_with(
        "/messages",
        429,
        vec![("x-rate-limit-reset", reset.to_string())],
        r#"{"title":"Too Many Requests"}"#,
    );
    let error = rig.replier.send(&rig.reply("a", "a")).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Later { after: Some(SignedDuration::from_secs(90)) });
    assert!(rig.replier.send(&rig.reply("b", "b")).await.is_err());
    assert_eq!(rig.api.calls("/messages").len(), 1, "it is not even asked");
    rig.clock.advance(SignedDuration::from_secs(91));
    rig.api.tell("/messages", 403, r#"{"detail":"You cannot send messages to this user."}"#);
    let error = rig.replier.send(&rig.reply("b", "b")).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Never);
    assert!(rig.health[0].report().failing.is_none(), "that is about one person");
    rig.api.tell(
        "/messages",
        403,
        r#"{"type":"https://api.twitter.com/2/problems/client-forbidden","detail":"x"}"#,
    );
    let error = rig.replier.send(&rig.reply("c", "c")).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Misconfigured);
    assert!(rig.health[0].report().failing.is_some(), "loud");
    rig.api.tell("/messages", 503, "");
    let error = rig.replier.send(&rig.reply("d", "d")).await.unwrap_err();
    assert!(matches!(error.disposition, Disposition::Later { .. }), "{error}");
}

#[tokio::test]
async fn an_access_token_of_the_older_kind_signs_every_call_and_what_is_private_is_fetched_so() {
    let rig = Rig::new("x", json!({"access_token_secret": "env:TOKENSECRET"})).await;
    let mut message = direct("dm.received", "210", THEIRS, OURS, "look");
    let picture = json!({"type": "photo", "id_str": "9", "media_url_https": format!("{}/1.1/ton/data/dm/9.jpg", rig.api.base)});
    message["data"]["payload"]["direct_message_events"][0]["message_create"]["message_data"]["attachment"] =
        json!({"type": "media", "media": picture});
    rig.api.tell("/ton/", 200, b"\xff\xd8\xffx".as_slice());
    rig.take(&message).await;
    assert_eq!(rig.intake.contacts()[0].attachments.len(), 1);
    let call = rig.api.calls("/ton/").pop().unwrap();
    assert!(call.authorization.unwrap().starts_with("OAuth oauth_consumer_key=\"ck\""));
    rig.replier.send(&rig.reply("k", "thanks")).await.unwrap();
    let authorization = rig.api.calls("/2/dm_conversations/").pop().unwrap().authorization.unwrap();
    assert!(authorization.contains("oauth_token=\"access\"") && authorization.contains("oauth_signature="));
}

#[tokio::test]
async fn t19_the_handshake_signs_no_webhook_for_strangers() {
    let rig = Rig::new("x", Value::Null).await;
    let ask = async |token: &str| {
        let escaped: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
        let request = Request::get(format!("/hooks/page?crc_token={escaped}")).body(Body::empty()).unwrap();
        rig.ask(request).await
    };
    let (status, answer) = ask("9b4507b3-9040-4669-9ca3-6b94edb50553").await;
    assert!(status == StatusCode::OK && answer.starts_with(b"{\"response_token\":\"sha256="));
    let forged = direct("dm.received", "666", THEIRS, OURS, "forged").to_string();
    for body in [forged.as_str(), "{}", "[]"] {
        assert_eq!(ask(body).await.0, StatusCode::BAD_REQUEST, "{body}");
    }
    // What it does sign is no webhook, even with that very signature.
    for body in ["42", "true", "null"] {
        let (status, answer) = ask(body).await;
        assert_eq!(status, StatusCode::OK);
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let signature = answer["response_token"].as_str().unwrap();
        assert_eq!(
            signature,
            sign("x", body.as_bytes(), rig.context.clock.now())[0].1,
            "the same secret, the same way"
        );
        let request = Request::post("/hooks/page").header("content-type", "application/json");
        let request = request.header("x-twitter-webhooks-signature", signature);
        let (status, _) = rig.ask(request.body(Body::from(body)).unwrap()).await;
        assert_eq!((status, rig.intake.calls()), (StatusCode::UNAUTHORIZED, 0), "{body}");
    }
}

#[tokio::test]
async fn g03_what_nobody_can_read_is_filed_and_stops_nothing() {
    let rig = Rig::new("x", Value::Null).await;
    for kind in ["chat.received", "something.new"] {
        rig.take(&event(kind, json!({"conversation_id": kind}))).await;
    }
    rig.take(&event("like.create", json!({}))).await;
    rig.take(&event("dm.indicate_typing", json!({}))).await;
    let contacts = rig.intake.contacts();
    assert!(!contacts.is_empty() && contacts.iter().all(|contact| contact.raw.is_some()));
    rig.take(&direct("dm.received", "211", THEIRS, OURS, "still here")).await;
    assert_eq!(rig.intake.contacts().last().unwrap().body.text, "still here");
}

#[tokio::test]
async fn the_webhook_is_set_up_by_the_app_and_what_it_is_told_of_by_the_account() {
    let rig = Rig::new("x", Value::Null).await;
    let registrar = rig.settings.registrar(&rig.context).unwrap().unwrap();
    let url = "https://gw.example.test/hooks/page";
    rig.api.tell("/2/webhooks", 200, r#"{"data":[{"id":"5","url":"https://old.example/x","valid":true}]}"#);
    rig.api.tell("/2/webhooks", 200, r#"{"data":{"id":"6","valid":true}}"#);
    rig.api.tell("/2/users/me", 200, r#"{"data":{"id":"1111111111111111111"}}"#);
    let said = registrar.register(url).await.unwrap();
    assert!(said.contains("webhook 6") && said.contains("post.mention.create"), "{said}");
    let granted = &rig.api.calls("/oauth2/token")[0];
    assert_eq!(granted.authorization.as_deref(), Some("Basic Y2s6YXBw"));
    let calls = rig.api.calls("/2/webhooks");
    assert_eq!(calls[1].json(), json!({"url": url}));
    assert!(calls[1].authorization.as_deref().unwrap().starts_with("Bearer granted"), "the app's own token");
    let subscribed = rig.api.calls("/2/activity/subscriptions");
    assert_eq!(subscribed[0].authorization.as_deref(), Some("Bearer access"), "the account's token");
    assert_eq!(subscribed[0].json()["filter"], json!({"user_id": OURS}));
    assert_eq!(subscribed[0].json()["webhook_id"], json!("6"));

    rig.api.tell("/2/webhooks", 200, json!({"data": [{"id": "6", "url": url, "valid": false}]}).to_string());
    rig.api.tell("/2/activity/subscriptions", 200, r#"{"data":[{"event_type":"dm.received"}]}"#);
    let state = registrar.status().await.unwrap();
    assert!(state[0].1.contains("not valid") && state[1].1 == "dm.received", "{state:?}");
    rig.api.tell("/2/webhooks", 401, r#"{"title":"Unauthorized"}"#);
    assert!(registrar.register(url).await.unwrap_err().reason.contains("Unauthorized"));
}
