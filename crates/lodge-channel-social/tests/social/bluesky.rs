//! A Bluesky account: posts and conversations are filed once, however the looks are broken off, and each is answered in its
//! own way.

use crate::rig::{Call, Rig};
use lodge_channel_social::{Next, WatchError};
use lodge_domain::delivery::OutboundAttachment;
use lodge_domain::ports::Refusal;
use lodge_domain::ticket::SupplementKind;
use lodge_domain::{Disposition, HandleKind, Inbound, PartyHandle, SignedDuration};
use serde_json::{Value, json};
use std::time::Duration;

const JUST_NOW: &str = "2026-11-21T19:59:50Z";
const POST: &str = "at://did:plc:abc/app.bsky.feed.post/3kxyz";

fn mention(key: &str, at: &str, words: &str) -> Value {
    json!({"uri": format!("at://did:plc:abc/app.bsky.feed.post/{key}"), "cid": format!("bafy{key}"), "reason": "mention",
        "author": {"did": "did:plc:abc", "handle": "ana.bsky.social", "displayName": "Ana"}, "indexedAt": at,
        "record": {"$type": "app.bsky.feed.post", "text": words, "createdAt": at}})
}

fn message(id: &str, sender: &str, words: &str) -> Value {
    json!({"$type": "chat.bsky.convo.defs#logCreateMessage", "rev": id, "convoId": "3kconv",
        "message": {"id": id, "rev": id, "text": words, "sender": {"did": sender}, "sentAt": JUST_NOW}})
}

/// What the next look is told.
fn tell(rig: &Rig, notifications: &[Value], log: &[Value], cursor: &str) {
    rig.api.tell("listNotifications", 200, json!({"notifications": notifications}).to_string());
    rig.api.tell("getLog", 200, json!({"logs": log, "cursor": cursor}).to_string());
}

async fn rig() -> Rig {
    let rig = Rig::new("bluesky", Value::Null).await;
    rig.api.tell("listConvos", 200, r#"{"convos":[]}"#);
    rig
}

fn texts(rig: &Rig) -> Vec<String> {
    rig.intake.contacts().into_iter().map(|contact| contact.body.text).collect()
}

#[tokio::test]
async fn f03_a_mention_is_answered_in_public_below_it_and_once() {
    let rig = rig().await;
    tell(&rig, &[mention("3kxyz", JUST_NOW, "@acme.example help")], &[], "1");
    rig.look().await.unwrap();
    let contact = rig.intake.contacts().pop().unwrap();
    assert_eq!((contact.from.name.as_deref(), contact.details["public"].clone()), (Some("Ana"), json!(true)));
    let session = rig.api.calls("createSession").pop().unwrap().json();
    assert_eq!(session, json!({"identifier": "acme.example", "password": "password"}));

    rig.api.tell("putRecord", 500, r#"{"error":"InternalServerError"}"#);
    rig.api.tell("putRecord", 200, r#"{"uri":"at://did:plc:me/app.bsky.feed.post/3kours","cid":"bafyours"}"#);
    let reply = rig.reply("k", "Grüße, see https://acme.example/status.");
    assert!(matches!(rig.replier.send(&reply).await.unwrap_err().disposition, Disposition::Later { .. }));
    let sent = rig.replier.send(&reply).await.unwrap();
    let bodies: Vec<Value> = rig.api.calls("putRecord").iter().map(Call::json).collect();
    assert_eq!(
        (bodies.len(), &bodies[0]["rkey"]),
        (2, &bodies[1]["rkey"]),
        "tried again, it is the same post"
    );
    assert_eq!(bodies[1]["rkey"].as_str().unwrap().len(), 13);
    let above = json!({"uri": POST, "cid": "bafy3kxyz"});
    assert_eq!(bodies[1]["record"]["reply"], json!({"root": above, "parent": above}));
    assert_eq!(
        (&bodies[1]["repo"], &bodies[1]["collection"]),
        (&json!("did:plc:me"), &json!("app.bsky.feed.post"))
    );
    let facet = &bodies[1]["record"]["facets"][0];
    assert_eq!(facet["index"], json!({"byteStart": 13, "byteEnd": 40}), "counted in bytes");
    assert_eq!(rig.api.calls("createSession").len(), 2, "one session of the look, one of the replier");

    // Their answer to ours finds the conversation, and ours to that stays below the first post.
    let mut answer = mention("3kmore", JUST_NOW, "thanks");
    answer["reason"] = json!("reply");
    let ours = json!({"uri": "at://did:plc:me/app.bsky.feed.post/3kours", "cid": "bafyours"});
    answer["record"]["reply"] = json!({"root": above, "parent": ours});
    tell(&rig, &[answer], &[], "1");
    rig.look().await.unwrap();
    let contact = rig.intake.contacts().pop().unwrap();
    assert!(contact.thread_keys.iter().any(|key| sent.keys.contains(&key.value)));
    rig.replier.send(&rig.reply("k2", "welcome")).await.unwrap();
    let body = rig.api.calls("putRecord").pop().unwrap().json();
    assert_eq!(body["record"]["reply"]["root"], above);
    assert_eq!(body["record"]["reply"]["parent"]["cid"], json!("bafy3kmore"));
}

#[tokio::test]
async fn conversations_are_private_and_what_is_taken_back_there_is_told() {
    let rig = rig().await;
    rig.api.tell("getProfile", 200, r#"{"displayName":"Ana","handle":"ana.bsky.social"}"#);
    tell(
        &rig,
        &[],
        &[message("3km1", "did:plc:abc", "my order 5 is late"), message("3km2", "did:plc:me", "hello")],
        "10",
    );
    rig.look().await.unwrap();
    let contact = rig.intake.contacts().pop().unwrap();
    assert_eq!(
        (contact.from.name.as_deref(), contact.details["public"].clone()),
        (Some("Ana"), json!(false))
    );
    assert_eq!(
        (rig.intake.contacts().len(), contact.no_acknowledgment.len()),
        (1, 0),
        "our own words are no contact"
    );
    rig.api.tell("sendMessage", 200, r#"{"id":"3km3","rev":"11"}"#);
    let sent = rig.replier.send(&rig.reply("k", "We look into it")).await.unwrap();
    let body = rig.api.calls("sendMessage")[0].json();
    assert_eq!(body, json!({"convoId": "3kconv", "message": {"text": "We look into it", "facets": []}}));
    assert_eq!(sent.traces[0].0, "3kconv/3km3");

    let mut gone = message("3km1", "did:plc:abc", "");
    gone["$type"] = json!("chat.bsky.convo.defs#logDeleteMessage");
    let mut unknown = gone.clone();
    unknown["message"]["id"] = json!("3kbefore");
    tell(
        &rig,
        &[],
        &[
            gone,
            unknown,
            json!({"$type": "chat.bsky.convo.defs#logReadMessage", "rev": "14", "convoId": "3kconv"}),
        ],
        "14",
    );
    assert_eq!(rig.look().await.unwrap(), Next::AtOnce);
    assert!(rig.api.calls("getLog").pop().unwrap().path.contains("cursor=10"));
    let deleted =
        |item: &Inbound| matches!(item, Inbound::Supplement(one) if one.kind == SupplementKind::Deletion);
    assert_eq!(rig.intake.taken().iter().filter(|item| deleted(item)).count(), 1);

    let party = PartyHandle::new(HandleKind::Account, "did:plc:zed");
    let mut first = rig.reply("k2", "may we ask you something?");
    first.return_path = rig.replier.path_to(&party, None).unwrap();
    rig.api.tell("getConvoForMembers", 200, r#"{"convo":{"id":"3kother"}}"#);
    rig.replier.send(&first).await.unwrap();
    assert_eq!(rig.api.calls("sendMessage")[1].json()["convoId"], json!("3kother"));
}

#[tokio::test]
async fn a_restart_between_looks_neither_loses_nor_doubles() {
    let rig = rig().await;
    tell(&rig, &[mention("3k1", JUST_NOW, "one")], &[message("3km1", "did:plc:abc", "two")], "10");
    rig.look().await.unwrap();
    let mark = rig.context.state.load(&rig.context.inbox, "watch").await.unwrap().unwrap();
    let news = [mention("3k3", "2026-11-21T19:59:58Z", "three"), mention("3k1", JUST_NOW, "one")];
    let log = [message("3km2", "did:plc:abc", "four")];
    tell(&rig, &news, &log, "11");
    rig.intake.refuse(Some(Refusal::Closing));
    assert!(matches!(rig.look().await, Err(WatchError::Refused(Refusal::Closing))));
    rig.intake.refuse(None);
    tell(&rig, &news, &log, "11");
    rig.look().await.unwrap();
    // Stopped before the mark was written: the same is found again.
    rig.context.state.remove(&rig.context.inbox, "watch").await.unwrap();
    rig.context.state.save(&rig.context.inbox, "watch", 0, mark.value).await.unwrap();
    tell(&rig, &news, &log, "11");
    rig.look().await.unwrap();
    tell(&rig, &news, &[], "11");
    assert_eq!(rig.look().await.unwrap(), Next::Wait(None));
    assert_eq!(texts(&rig), ["one", "two", "three", "four"], "each once");
}

#[tokio::test]
async fn the_first_look_reads_pages_back_to_a_week_and_what_nobody_has_read() {
    let rig = Rig::new("bluesky", Value::Null).await;
    let page = json!({"cursor": "p2", "notifications": [mention("3k9", "2026-11-21T12:00:00Z", "today")]});
    rig.api.tell("listNotifications", 200, page.to_string());
    let page = json!({"cursor": "p3", "notifications":
        [mention("3k8", "2026-11-18T12:00:00Z", "older"), mention("3k1", "2026-10-01T12:00:00Z", "long ago")]});
    rig.api.tell("listNotifications", 200, page.to_string());
    rig.api.tell(
        "getLog",
        200,
        json!({"logs": [message("3km1", "did:plc:abc", "hi")], "cursor": "9"}).to_string(),
    );
    rig.api.tell(
        "listConvos",
        200,
        r#"{"convos":[{"id":"3kconv","unreadCount":2},{"id":"3kread","unreadCount":0}]}"#,
    );
    let line = |id: &str, words: &str| json!({"id": id, "rev": id, "text": words, "sender": {"did": "did:plc:abc"}, "sentAt": JUST_NOW});
    let messages = json!({"messages": [line("3km1", "hi"), line("3km0", "anybody there?"), line("3kold", "read before")]});
    rig.api.tell("getMessages", 200, messages.to_string());
    rig.look().await.unwrap();
    let found: Vec<(String, bool)> =
        rig.intake.contacts().into_iter().map(|contact| (contact.body.text, contact.backfill)).collect();
    let found: Vec<(&str, bool)> = found.iter().map(|(text, backfill)| (text.as_str(), *backfill)).collect();
    assert_eq!(found, [("older", true), ("today", false), ("anybody there?", false), ("hi", false)]);
    assert_eq!(rig.api.calls("listNotifications").len(), 2);
    assert!(rig.api.calls("listNotifications")[1].path.contains("cursor=p2"));
}

#[tokio::test]
async fn an_expired_token_is_refreshed_and_what_was_asked_is_asked_again() {
    let rig = rig().await;
    let watcher = rig.watcher().unwrap();
    tell(&rig, &[], &[], "1");
    watcher.round().await.unwrap();
    rig.clock.advance(SignedDuration::from_hours(2));
    rig.api.tell("listNotifications", 400, r#"{"error":"ExpiredToken","message":"Token has expired"}"#);
    tell(&rig, &[mention("3k1", "2026-11-21T21:59:50Z", "still there?")], &[], "1");
    watcher.round().await.unwrap();
    let before = rig.api.calls("listNotifications")[0].authorization.clone().unwrap();
    let refreshed = rig.api.calls("refreshSession").pop().unwrap().authorization.unwrap();
    assert_eq!(refreshed.replace("refresh", "access"), before, "by the token that came with it");
    assert_eq!((rig.api.calls("createSession").len(), texts(&rig).len()), (1, 1));
    // A refresh token that has expired too costs a new session.
    rig.clock.advance(SignedDuration::from_hours(24 * 90));
    rig.api.tell("listNotifications", 401, r#"{"error":"InvalidToken"}"#);
    rig.api.tell("refreshSession", 400, r#"{"error":"ExpiredToken"}"#);
    tell(&rig, &[], &[], "1");
    // What may be looked at again by then is a week old at most: nothing.
    watcher.round().await.unwrap();
    assert_eq!(rig.api.calls("createSession").len(), 2);
}

#[tokio::test]
async fn f05_f07_texts_are_split_by_where_they_go_and_refusals_are_understood() {
    let rig = rig().await;
    tell(&rig, &[mention("3kxyz", JUST_NOW, "help")], &[], "1");
    rig.look().await.unwrap();
    rig.replier.send(&rig.reply("long", &"many words 😡 more ".repeat(40))).await.unwrap();
    let posts = rig.api.calls("putRecord");
    assert_eq!(posts.len(), 3);
    let keys: Vec<String> =
        posts.iter().map(|post| post.json()["rkey"].as_str().unwrap().to_owned()).collect();
    assert!(keys.is_sorted() && keys[0] != keys[1], "in order: {keys:?}");
    assert!(posts.iter().all(|post| post.json()["record"]["text"].as_str().unwrap().chars().count() <= 300));
    let reset = vec![("ratelimit-reset", "1795291260".to_owned())];
    rig.api.tell_with(
        "putRecord",
        429,
        reset,
        r#"{"error":"RateLimitExceeded","message":"Rate Limit Exceeded"}"#,
    );
    let error = rig.replier.send(&rig.reply("a", "a")).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Later { after: Some(SignedDuration::from_secs(60)) });
    let before = rig.api.calls("putRecord").len();
    assert!(rig.replier.send(&rig.reply("b", "b")).await.is_err());
    assert_eq!(rig.api.calls("putRecord").len(), before, "it is not even asked");
}

#[tokio::test]
async fn f01_a_picture_goes_along_with_a_post() {
    let rig = rig().await;
    tell(&rig, &[mention("3kxyz", JUST_NOW, "help")], &[message("3km1", "did:plc:abc", "hi")], "1");
    rig.look().await.unwrap();
    let mut reply = rig.reply("k", "");
    let bytes = bytes::Bytes::from_static(b"\x89PNG\r\n\x1a\nx");
    let blob = rig.context.blobs.put(bytes.clone()).await.unwrap();
    reply.attachments =
        vec![OutboundAttachment { name: "a.png".to_owned(), media_type: "image/png".to_owned(), blob }];
    let error = rig.replier.send(&reply).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Never, "conversations carry none: {error}");
    reply.return_path = rig.intake.contacts()[0].return_path.clone().unwrap();
    rig.api.tell(
        "uploadBlob",
        200,
        r#"{"blob":{"$type":"blob","ref":{"$link":"bafkrei"},"mimeType":"image/png","size":9}}"#,
    );
    rig.replier.send(&reply).await.unwrap();
    assert_eq!(rig.api.calls("uploadBlob")[0].body, bytes);
    let record = rig.api.calls("putRecord")[0].json()["record"].clone();
    assert_eq!(record["embed"]["images"][0]["image"]["ref"]["$link"], json!("bafkrei"));
}

#[tokio::test]
async fn a_post_that_is_gone_is_erased_and_an_account_that_is_away_is_not() {
    let rig = rig().await;
    tell(&rig, &[mention("3kxyz", JUST_NOW, "my number is 5")], &[], "1");
    rig.look().await.unwrap();
    let look = async |status: u16, body: &str| {
        rig.clock.advance(SignedDuration::from_mins(4));
        tell(&rig, &[], &[], "1");
        rig.api.tell("getRecord", status, body);
        rig.look().await.unwrap();
        rig.intake.taken().len()
    };
    assert_eq!(look(200, r#"{"uri":"at://did:plc:abc/app.bsky.feed.post/3kxyz","value":{}}"#).await, 1);
    assert_eq!(look(400, r#"{"error":"RepoDeactivated"}"#).await, 1);
    assert_eq!(look(400, r#"{"error":"RecordNotFound"}"#).await, 2);
    assert!(
        rig.api.calls("getRecord")[0].path.contains("repo=did%3Aplc%3Aabc"),
        "{:?}",
        rig.api.calls("getRecord")
    );
    assert!(
        matches!(rig.intake.taken().pop(), Some(Inbound::Supplement(one)) if one.kind == SupplementKind::Deletion)
    );
}

#[tokio::test]
async fn a_refused_password_is_loud_and_conversations_can_be_left_out() {
    let rig = Rig::new("bluesky", Value::Null).await;
    rig.api.tell(
        "createSession",
        401,
        r#"{"error":"AuthenticationRequired","message":"Invalid identifier or password"}"#,
    );
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
    assert!(why.contains("Invalid identifier or password") && !why.contains("\"password"), "{why}");
    rig.context.shutdown.cancel();
    task.await.unwrap().unwrap();

    let rig = Rig::new("bluesky", Value::Null).await;
    rig.api.tell("listNotifications", 200, r#"{"notifications":[]}"#);
    rig.api.tell("getLog", 401, r#"{"error":"InvalidToken","message":"Bad token method"}"#);
    let Err(WatchError::Provider(error)) = rig.look().await else { panic!("no access to messages") };
    assert!(
        error.disposition == Disposition::Misconfigured && error.to_string().contains("chat = false"),
        "{error}"
    );
    let rig = Rig::new("bluesky", json!({"chat": false})).await;
    rig.api.tell("listNotifications", 200, r#"{"notifications":[]}"#);
    rig.look().await.unwrap();
    assert!(rig.api.calls("getLog").is_empty());
}
