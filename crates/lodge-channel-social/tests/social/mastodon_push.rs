//! What Mastodon's server pushes: believed by its encryption, and a reason to look at once; nothing comes in twice, and
//! nothing is lost where a push is.

use crate::rig::{Rig, push};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use lodge_channel::door::Door;
use lodge_domain::NodeName;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ADDRESS: &str = "https://gw.example.test/hooks/page";

/// What the server says in a push.
fn words(id: u64) -> String {
    json!({"access_token": "x", "preferred_locale": "en", "notification_id": id, "notification_type": "mention",
        "icon": "https://m.example.test/a.png", "title": "Ana mentioned you", "body": "@help my order is late"})
    .to_string()
}

fn mention(id: u64) -> Value {
    let account = json!({"acct": "ana@example.social", "display_name": "Ana"});
    let status = json!({"id": (1000 + id).to_string(), "created_at": "2026-11-21T19:59:50Z", "visibility": "direct",
        "content": format!("<p>number {id}</p>"), "account": account});
    json!({"id": id.to_string(), "type": "mention", "created_at": "2026-11-21T19:59:50Z", "account": account, "status": status})
}

/// An inbox whose server may push and which is hardly ever asked, and the keys that the server was told.
async fn subscribed() -> (Rig, Value) {
    let rig = Rig::new("mastodon", json!({"push": true, "poll_seconds": 3600})).await;
    let keys = subscribe(&rig).await;
    (rig, keys)
}

async fn subscribe(rig: &Rig) -> Value {
    let registrar = rig.settings.registrar(&rig.context).unwrap().unwrap();
    let alerts = json!({"mention": true, "quote": true, "follow": false});
    let answer =
        json!({"id": 1, "endpoint": ADDRESS, "standard": true, "alerts": alerts, "server_key": "BA"});
    rig.api.tell("/api/v1/push/subscription", 200, answer.to_string());
    assert_eq!(registrar.register(ADDRESS).await.unwrap(), "pushed to for mention, quote");
    let asked = rig.api.calls("/api/v1/push/subscription").pop().unwrap();
    assert_eq!(asked.authorization.as_deref(), Some("Bearer access"));
    let asked = asked.json();
    assert_eq!(
        (&asked["subscription"]["endpoint"], &asked["subscription"]["standard"]),
        (&json!(ADDRESS), &json!(true))
    );
    assert_eq!(asked["data"]["alerts"], json!({"mention": true, "quote": true}));
    asked["subscription"]["keys"].clone()
}

async fn pushed(
    rig: &Rig,
    encoding: &str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
) -> StatusCode {
    let mut request = Request::post("/hooks/page").header("content-type", "application/octet-stream");
    request = request.header("content-encoding", encoding).header("ttl", "172800");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    rig.ask(request.body(Body::from(body)).unwrap()).await.0
}

fn pages(rig: &Rig, pages: &[Value]) {
    for page in pages {
        rig.api.tell("/api/v1/notifications", 200, page.to_string());
    }
}

async fn until(what: &str, so: impl Fn() -> bool) {
    for _ in 0..1000 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

fn texts(rig: &Rig) -> Vec<String> {
    rig.intake.contacts().into_iter().map(|contact| contact.body.text).collect()
}

#[tokio::test]
async fn a_push_makes_us_look_at_once_and_what_it_is_about_comes_in_once() {
    let (rig, keys) = subscribed().await;
    pages(&rig, &[json!([mention(1)]), json!([]), json!([mention(2)]), json!([mention(3)]), json!([])]);
    let task = tokio::spawn(rig.tasks[1].start());
    until("the first look", || rig.intake.contacts().len() == 1).await;
    for older in [false, true] {
        let (headers, body) = push(&keys, &words(2), older);
        let encoding = if older { "aesgcm" } else { "aes128gcm" };
        assert_eq!(pushed(&rig, encoding, headers, body).await, StatusCode::OK, "{encoding}");
    }
    until("what was pushed for", || rig.intake.contacts().len() == 3).await;
    assert_eq!(
        texts(&rig),
        ["number 1", "number 2", "number 3"],
        "in order, each once, an hour before the next look"
    );
    let (headers, mut body) = push(&keys, &words(4), false);
    *body.last_mut().unwrap() ^= 1;
    let calls = rig.intake.calls();
    assert_eq!(pushed(&rig, "aes128gcm", headers, body).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(rig.intake.calls(), calls, "what was not encrypted for us has no effect (t13)");
    rig.context.shutdown.cancel();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn whoever_is_told_looks_even_where_another_gateway_holds_the_account() {
    let (rig, keys) = subscribed().await;
    pages(&rig, &[json!([]), json!([mention(2)]), json!([])]);
    let mut other = rig.context.clone();
    other.node = NodeName::parse("b").unwrap();
    let parts = rig.settings.build(other).unwrap();
    let holder = tokio::spawn(parts.tasks[1].start());
    until("the first look", || parts.health[1].report().last_success.is_some()).await;
    let told = tokio::spawn(rig.tasks[1].start());
    let (headers, body) = push(&keys, &words(2), false);
    assert_eq!(pushed(&rig, "aes128gcm", headers, body).await, StatusCode::OK);
    until("what was pushed for", || rig.intake.contacts().len() == 1).await;
    rig.context.shutdown.cancel();
    holder.await.unwrap().unwrap();
    told.await.unwrap().unwrap();
}

#[tokio::test]
async fn f07_pushes_do_not_hurry_us_while_the_server_wants_to_be_left_alone() {
    // Longer than we would wait anyway, and shorter than that.
    for wait in [7200, 600] {
        let (rig, keys) = subscribed().await;
        rig.api.tell_later("/api/v1/notifications", 429, Some(wait), r#"{"error":"Too many requests"}"#);
        let task = tokio::spawn(rig.tasks[1].start());
        until("the first look", || rig.api.calls("/api/v1/notifications").len() == 1).await;
        for _ in 0..20 {
            let (headers, body) = push(&keys, &words(2), false);
            assert_eq!(pushed(&rig, "aes128gcm", headers, body).await, StatusCode::OK);
        }
        tokio::time::sleep(Duration::from_millis(2300)).await;
        assert_eq!(rig.api.calls("/api/v1/notifications").len(), 1, "{wait}");
        rig.context.shutdown.cancel();
        task.await.unwrap().unwrap();
    }
}

/// A stranger who mentions the account without end may not use up the calls that replies need.
#[tokio::test]
async fn f07_pushes_without_end_make_us_look_now_and_then() {
    let (rig, keys) = subscribed().await;
    pages(&rig, &[json!([]), json!([]), json!([]), json!([]), json!([])]);
    let task = tokio::spawn(rig.tasks[1].start());
    until("the first look", || rig.api.calls("/api/v1/notifications").len() == 1).await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        let (headers, body) = push(&keys, &words(2), false);
        assert_eq!(pushed(&rig, "aes128gcm", headers, body).await, StatusCode::OK);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let most = 1 + (began.elapsed().as_millis() + 500) / 2000;
    let looks = rig.api.calls("/api/v1/notifications").len();
    assert!(looks > 1 && looks as u128 <= most, "{looks} of {most} in {:?}", began.elapsed());
    rig.context.shutdown.cancel();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_subscription_is_shown_and_refused_without_the_right() {
    let (rig, _) = subscribed().await;
    let registrar = rig.settings.registrar(&rig.context).unwrap().unwrap();
    let shown = json!({"id": 1, "endpoint": ADDRESS, "standard": false, "alerts": {"mention": true}});
    rig.api.tell("/api/v1/push/subscription", 200, shown.to_string());
    let state = registrar.status().await.unwrap();
    assert!(state.contains(&("subscription".to_owned(), ADDRESS.to_owned())), "{state:?}");
    assert!(state.contains(&("told of".to_owned(), "mention".to_owned())), "{state:?}");
    rig.api.tell(
        "/api/v1/push/subscription",
        403,
        r#"{"error":"This action is outside the authorized scopes"}"#,
    );
    let problem = registrar.register(ADDRESS).await.unwrap_err();
    assert!(problem.reason.contains("scopes") && problem.remedy.contains("`push`"), "{problem:?}");
    let off = Rig::new("mastodon", Value::Null).await;
    assert!(off.settings.registrar(&off.context).unwrap().is_none(), "nobody is asked to push");
}

/// A server takes any 4xx but two for the end of the subscription.
#[tokio::test]
async fn a_push_for_another_token_is_not_believed_and_ends_no_subscription() {
    let (rig, before) = subscribed().await;
    let other = [("ACCESS".to_owned(), "another".to_owned())].into();
    let other = Rig::with("mastodon", json!({"push": true}), Value::Null, other).await;
    for older in [false, true] {
        let (headers, body) = push(&before, &words(1), older);
        let encoding = if older { "aesgcm" } else { "aes128gcm" };
        let status = pushed(&other, encoding, headers, body).await;
        assert_eq!((status, other.intake.calls()), (StatusCode::SERVICE_UNAVAILABLE, 0), "{encoding}");
    }
    pages(&other, &[json!([mention(1)]), json!([])]);
    other.look().await.unwrap();
    assert_eq!(texts(&other), ["number 1"], "the look finds what it was about");
    // Who the token belongs to now has no subscription, and the operator is told what to do.
    let registrar = other.settings.registrar(&other.context).unwrap().unwrap();
    other.api.tell("/api/v1/push/subscription", 404, r#"{"error":"Record not found"}"#);
    let said = registrar.status().await.unwrap();
    assert!(said[0].1.starts_with("none for this token: `lodge webhook register`"), "{said:?}");
    // Where the API is said to be is no part of the keys.
    let (headers, body) = push(&before, &words(1), false);
    let moved = Rig::new("mastodon", json!({"push": true})).await;
    assert_ne!(moved.api.base, rig.api.base);
    assert_eq!(pushed(&moved, "aes128gcm", headers, body).await, StatusCode::OK);
}

#[tokio::test]
async fn the_server_is_named_and_its_api_may_be_elsewhere() {
    let settings =
        |table: Value| serde_json::from_value::<lodge_channel_social::SocialSettings>(table).unwrap();
    let secrets = crate::rig::Secrets(Default::default());
    let named = settings(json!({"mastodon": {"server": "https://m.example", "access_token": "env:ACCESS"}}));
    assert!(named.check(&secrets).is_empty());
    let unnamed = settings(json!({"mastodon": {"access_token": "env:ACCESS"}}));
    assert_eq!(unnamed.check(&secrets)[0].key, "mastodon.server");
    let rig = Rig::new("mastodon", json!({"server": "https://m.example"})).await;
    pages(&rig, &[json!([mention(1)]), json!([])]);
    rig.look().await.unwrap();
    assert_eq!(texts(&rig), ["number 1"], "where the API is");
}
