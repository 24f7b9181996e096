//! A Mastodon account: what a look finds is filed once, however the looks are broken off, and answers go below what they
//! answer.

use crate::rig::{Call, Rig};
use lodge_channel_social::{Next, WatchError};
use lodge_domain::delivery::OutboundAttachment;
use lodge_domain::ports::Refusal;
use lodge_domain::ticket::SupplementKind;
use lodge_domain::{Disposition, HandleKind, Inbound, PartyHandle, SignedDuration};
use serde_json::{Value, json};
use std::time::Duration;

fn mention(id: u64, at: &str, visibility: &str, words: &str) -> Value {
    json!({"id": id.to_string(), "type": "mention", "created_at": at, "account": {"acct": "ana@example.social", "display_name": "Ana"},
        "status": {"id": (id + 1000).to_string(), "created_at": at, "visibility": visibility, "content": format!("<p>@help {words}</p>"),
            "account": {"acct": "ana@example.social"}}})
}

/// What the next look is told: pages of it.
fn tell(rig: &Rig, pages: &[Value]) {
    for page in pages {
        rig.api.tell("/api/v1/notifications", 200, page.to_string());
    }
}

const JUST_NOW: &str = "2026-11-21T19:59:50Z";

async fn conversation(visibility: &str) -> Rig {
    let rig = Rig::new("mastodon", Value::Null).await;
    tell(&rig, &[json!([mention(7, JUST_NOW, visibility, "my order is late")]), json!([])]);
    rig.look().await.unwrap();
    rig
}

fn texts(rig: &Rig) -> Vec<String> {
    rig.intake.contacts().into_iter().map(|contact| contact.body.text).collect()
}

#[tokio::test]
async fn f03_a_direct_mention_is_filed_once_and_answered_below_it_for_them_alone() {
    let rig = conversation("direct").await;
    let contact = rig.intake.contacts().pop().unwrap();
    assert_eq!(
        (contact.from.name.as_deref(), contact.details["public"].clone()),
        (Some("Ana"), json!(false))
    );
    assert!(contact.no_acknowledgment.is_empty() && !contact.backfill);
    let calls = rig.api.calls("/api/v1/notifications");
    assert!(
        calls[0].path.contains("types%5B%5D=mention") && calls[1].path.contains("&max_id=7"),
        "{calls:?}"
    );
    assert_eq!(calls[0].authorization.as_deref(), Some("Bearer access"));

    rig.api.tell("/api/v1/statuses", 503, "");
    rig.api.tell("/api/v1/statuses", 200, r#"{"id":"2001"}"#);
    let reply = rig.reply("k", "We are on it");
    assert!(rig.replier.send(&reply).await.is_err());
    let sent = rig.replier.send(&reply).await.unwrap();
    let calls = rig.api.calls("/api/v1/statuses");
    assert_eq!(
        calls[1].json(),
        json!({"status": "@ana@example.social We are on it", "visibility": "direct",
        "media_ids": [], "in_reply_to_id": "1007"})
    );
    assert!(calls[0].retry_key.is_some() && calls[0].retry_key == calls[1].retry_key, "one key for one part");
    assert_eq!(sent.traces[0].0, "2001");

    // Their answer to ours finds the conversation by it.
    let mut answer = mention(8, JUST_NOW, "direct", "thanks");
    answer["status"]["in_reply_to_id"] = json!("2001");
    tell(&rig, &[json!([answer])]);
    assert_eq!(rig.look().await.unwrap(), Next::AtOnce);
    let contact = rig.intake.contacts().pop().unwrap();
    assert!(contact.thread_keys.iter().any(|key| sent.keys.contains(&key.value)));
    let party = PartyHandle::new(HandleKind::Account, "ana@example.social");
    assert!(rig.replier.path_to(&party, None).is_some(), "a name is a way to a direct message");
}

#[tokio::test]
async fn public_mentions_are_answered_where_they_are_and_followers_words_to_them_alone() {
    for (theirs, ours) in [("public", "public"), ("unlisted", "unlisted"), ("private", "direct")] {
        let rig = conversation(theirs).await;
        let contact = rig.intake.contacts().pop().unwrap();
        assert_eq!((contact.details["public"].clone(), contact.no_acknowledgment.len()), (json!(true), 1));
        rig.replier.send(&rig.reply("k", "hello")).await.unwrap();
        assert_eq!(rig.api.calls("/api/v1/statuses")[0].json()["visibility"], json!(ours));
    }
}

#[tokio::test]
async fn a_restart_between_looks_neither_loses_nor_doubles() {
    let rig = conversation("direct").await;
    // Two come while nobody looks; the hallway is closed at first, and then we stop before the mark is written.
    let page = json!([mention(9, JUST_NOW, "public", "third"), mention(8, JUST_NOW, "direct", "second")]);
    tell(&rig, std::slice::from_ref(&page));
    rig.intake.refuse(Some(Refusal::Closing));
    assert!(matches!(rig.look().await, Err(WatchError::Refused(Refusal::Closing))));
    rig.intake.refuse(None);
    let mark = rig.context.state.load(&rig.context.inbox, "watch").await.unwrap().unwrap();
    tell(&rig, std::slice::from_ref(&page));
    assert_eq!(rig.look().await.unwrap(), Next::AtOnce, "there may be more");
    assert!(rig.api.calls("&min_id=7").len() == 2 && texts(&rig).len() == 3);
    rig.context.state.remove(&rig.context.inbox, "watch").await.unwrap();
    rig.context.state.save(&rig.context.inbox, "watch", 0, mark.value).await.unwrap();
    tell(&rig, &[page, json!([])]);
    rig.look().await.unwrap();
    assert_eq!(rig.look().await.unwrap(), Next::Wait(None));
    assert_eq!(rig.api.calls("&min_id=9").len(), 1, "the mark moved on after the hallway had it");
    assert_eq!(texts(&rig), ["@help my order is late", "@help second", "@help third"], "in order, each once");
}

#[tokio::test]
async fn the_first_look_goes_back_a_week_and_acknowledges_what_is_of_today() {
    let rig = Rig::new("mastodon", Value::Null).await;
    let page = json!([
        mention(9, "2026-11-21T10:00:00Z", "direct", "today"),
        mention(8, "2026-11-18T10:00:00Z", "direct", "older")
    ]);
    let older = json!([mention(3, "2026-11-02T10:00:00Z", "direct", "long ago")]);
    tell(&rig, &[page, older]);
    rig.look().await.unwrap();
    let found: Vec<(String, bool)> =
        rig.intake.contacts().into_iter().map(|contact| (contact.body.text, contact.backfill)).collect();
    assert_eq!(found, [("@help older".to_owned(), true), ("@help today".to_owned(), false)]);
    assert_eq!(rig.api.calls("/api/v1/notifications").len(), 2, "no further back than needed");
}

#[tokio::test]
async fn what_is_changed_or_taken_back_is_seen_when_it_is_looked_at_again() {
    let rig = conversation("public").await;
    let look = async |status: u16, body: &str| {
        rig.clock.advance(SignedDuration::from_mins(4));
        tell(&rig, &[json!([])]);
        rig.api.tell("/api/v1/statuses/1007", status, body);
        rig.look().await.map(drop)
    };
    let supplements = || {
        let of = |item: Inbound| match item {
            Inbound::Supplement(one) => Some((one.kind, one.details.get("text").cloned())),
            _ => None,
        };
        rig.intake.taken().into_iter().filter_map(of).collect::<Vec<_>>()
    };
    look(200, r#"{"id":"1007","edited_at":null}"#).await.unwrap();
    assert!(supplements().is_empty(), "it stands as it did");
    let edited = r#"{"id":"1007","edited_at":"2026-11-21T20:01:00Z","visibility":"public","content":"<p>it came</p>",
        "account":{"acct":"ana@example.social"},"created_at":"2026-11-21T19:59:50Z"}"#;
    look(200, edited).await.unwrap();
    look(200, edited).await.unwrap();
    assert_eq!(supplements(), [(SupplementKind::Edit, Some(json!("it came")))], "one change is told once");
    assert!(
        look(404, "<html>being moved</html>").await.is_err(),
        "a page of the server is no word about a post"
    );
    look(404, r#"{"error":"Record not found"}"#).await.unwrap();
    assert_eq!(supplements().last().unwrap().0, SupplementKind::Deletion);
    let calls = rig.api.calls("/api/v1/statuses/1007").len();
    rig.clock.advance(SignedDuration::from_mins(4));
    tell(&rig, &[json!([])]);
    rig.look().await.unwrap();
    assert_eq!(rig.api.calls("/api/v1/statuses/1007").len(), calls, "what is gone is not asked for again");
    assert_eq!(rig.intake.contacts().len(), 1);
}

#[tokio::test]
async fn f07_limits_of_the_server_are_kept_while_it_is_asked() {
    let rig = conversation("direct").await;
    let reset = ("x-ratelimit-reset", "2026-11-21T20:02:00.5Z".to_owned());
    let few = vec![("x-ratelimit-remaining", "3".to_owned()), reset.clone()];
    rig.api.tell_with(
        "/api/v1/notifications",
        200,
        few,
        json!([mention(8, JUST_NOW, "direct", "x")]).to_string(),
    );
    let Next::Wait(Some(rest)) = rig.look().await.unwrap() else { panic!("it is to be left alone") };
    assert_eq!(rest.as_secs(), 120, "until its limit ends, though there may be more");
    rig.api.tell_with("/api/v1/notifications", 429, vec![reset], r#"{"error":"Too many requests"}"#);
    let Err(WatchError::Provider(error)) = rig.look().await else { panic!("too many") };
    assert!(matches!(error.disposition, Disposition::Later { after: Some(after) } if after.as_secs() == 120));
    rig.api.tell("/api/v1/statuses", 422, r#"{"error":"Validation failed: Text character limit exceeded"}"#);
    let error = rig.replier.send(&rig.reply("k", "a")).await.unwrap_err();
    assert!(error.disposition == Disposition::Never && error.to_string().contains("limit"), "{error}");
}

#[tokio::test]
async fn f05_f01_long_answers_are_split_with_the_mention_and_files_go_along() {
    let rig = conversation("direct").await;
    let mut reply = rig.reply("k", &"many words and more ".repeat(45));
    let bytes = bytes::Bytes::from_static(b"\x89PNG\r\n\x1a\nx");
    let blob = rig.context.blobs.put(bytes).await.unwrap();
    reply.attachments =
        vec![OutboundAttachment { name: "a.png".to_owned(), media_type: "image/png".to_owned(), blob }];
    rig.api.tell("/api/v2/media", 202, r#"{"id":"55"}"#);
    rig.api.tell("/api/v1/media/55", 200, r#"{"id":"55"}"#);
    rig.replier.send(&reply).await.unwrap();
    let posts: Vec<Value> = rig.api.calls("/api/v1/statuses").iter().map(Call::json).collect();
    assert_eq!(posts.len(), 3);
    for post in &posts {
        let words = post["status"].as_str().unwrap();
        assert!(words.starts_with("@ana@example.social") && words.chars().count() <= 500, "{words}");
    }
    assert_eq!(posts[2]["media_ids"], json!(["55"]));
    assert!(rig.api.calls("/api/v2/media")[0].body.windows(4).any(|part| part == b"PNG\r"));
}

#[tokio::test]
async fn a_refused_token_is_loud_and_the_door_serves_no_address() {
    let rig = Rig::new("mastodon", Value::Null).await;
    let (status, _) = rig.post("{}", "application/json").await;
    assert_eq!(status, axum::http::StatusCode::NOT_FOUND, "nobody calls, nobody is served (t13)");
    rig.api.tell("/api/v1/notifications", 401, r#"{"error":"The access token is invalid"}"#);
    let task = tokio::spawn(rig.tasks[1].start());
    let failing = async {
        loop {
            if let Some((_, why)) = rig.health[1].report().failing {
                return why;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let why = tokio::time::timeout(Duration::from_secs(10), failing).await.unwrap();
    assert!(why.contains("access token is invalid") && why.contains("check"), "{why}");
    rig.context.shutdown.cancel();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn one_gateway_looks_and_the_next_takes_over_when_it_stops() {
    use lodge_channel::door::Door;
    let rig = Rig::new("mastodon", json!({"poll_seconds": 1})).await;
    for _ in 0..100 {
        tell(&rig, &[json!([])]);
    }
    let mut other = rig.context.clone();
    other.node = lodge_domain::NodeName::parse("b").unwrap();
    other.shutdown = Default::default();
    let parts = rig.settings.build(other.clone()).unwrap();
    let worked = async |health: &lodge_channel::Health| {
        for _ in 0..300 {
            if health.report().last_success.is_some() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    };
    let first = tokio::spawn(rig.tasks[1].start());
    assert!(worked(&rig.health[1]).await);
    let second = tokio::spawn(parts.tasks[1].start());
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(parts.health[1].report().last_success.is_none(), "one looks, the other waits");
    rig.context.shutdown.cancel();
    first.await.unwrap().unwrap();
    let next = rig.settings.build(other.clone()).unwrap();
    let third = tokio::spawn(next.tasks[1].start());
    assert!(worked(&next.health[1]).await, "what was given back is free at once");
    other.shutdown.cancel();
    second.await.unwrap().unwrap();
    third.await.unwrap().unwrap();
}
