//! A Discord application: an interaction is answered at once and for its person alone, and replies follow up on it while its
//! token lives.

use crate::rig::Rig;
use axum::http::StatusCode;
use lodge_domain::{Disposition, HandleKind, PartyHandle, SignedDuration};
use serde_json::{Value, json};

/// A slash command in a server (`guild`) or to the bot alone.
fn command(id: &str, guild: Option<&str>, words: &str) -> Value {
    let user = json!({"id": "53908232506183680", "username": "mason", "global_name": "Mason"});
    let mut command = json!({"application_id": "845027738276462632", "channel_id": "645027906669510667", "id": id,
        "token": "aW50ZXJhY3Rpb24", "type": 2, "version": 1,
        "data": {"id": "1", "name": "ticket", "type": 1, "options": [{"name": "text", "type": 3, "value": words}]}});
    match guild {
        Some(guild) => {
            command["guild_id"] = json!(guild);
            command["member"] = json!({"user": user});
        }
        None => command["user"] = user,
    }
    command
}

async fn asked(guild: Option<&str>, extra: Value) -> (Rig, Value) {
    let rig = Rig::new("discord", extra).await;
    let (status, answer) = rig
        .post(command("1305566778899001122", guild, "cannot log in").to_string(), "application/json")
        .await;
    assert_eq!(status, StatusCode::OK);
    (rig, serde_json::from_slice(&answer).unwrap())
}

#[tokio::test]
async fn f03_f06_a_command_is_answered_with_its_reference_and_followed_up_while_its_token_lives() {
    let (rig, answer) = asked(Some("290926798626357999"), Value::Null).await;
    let contact = rig.intake.contacts().pop().unwrap();
    assert_eq!((contact.body.text.as_str(), contact.from.name.as_deref()), ("cannot log in", Some("Mason")));
    assert!(contact.acknowledges_inline, "the answer tells the reference: nothing else does");
    assert_eq!((&answer["type"], &answer["data"]["flags"]), (&json!(4), &json!(64)), "to them alone");
    let words = answer["data"]["content"].as_str().unwrap();
    let digits = words.chars().filter(char::is_ascii_digit).count();
    assert_eq!(digits, 10, "{words}");

    let reply = rig.reply("k", "We are on it, @everyone");
    let sent = rig.replier.send(&reply).await.unwrap();
    assert_eq!(sent.keys.len(), 1, "an answer to it finds its way home");
    let call = rig.api.calls("/webhooks/845027738276462632/aW50ZXJhY3Rpb24").pop().unwrap();
    assert_eq!(call.authorization, None, "the token in the path is enough");
    assert_eq!(
        (&call.json()["content"], &call.json()["flags"]),
        (&json!("We are on it, @everyone"), &json!(64))
    );
    assert_eq!(call.json()["allowed_mentions"], json!({"parse": []}), "nobody is called by an agent's words");
    rig.replier.send(&reply).await.unwrap();
    assert_eq!(rig.api.calls("/webhooks/").len(), 1, "the same again goes out once");

    rig.clock.advance(SignedDuration::from_mins(15));
    rig.replier.send(&rig.reply("k2", "Solved")).await.unwrap();
    assert_eq!(rig.api.calls("/webhooks/").len(), 1, "the token is known to be dead");
    let call = rig.api.calls("/channels/645027906669510667/messages").pop().unwrap();
    assert_eq!(call.authorization.as_deref(), Some("Bot bot"));
    assert_eq!(call.json()["content"], json!("<@53908232506183680> Solved"));
    assert_eq!(call.json()["allowed_mentions"], json!({"users": ["53908232506183680"]}));
    assert_eq!(call.json()["enforce_nonce"], json!(true));
    assert!(call.json()["nonce"].as_str().unwrap().len() <= 25);
}

#[tokio::test]
async fn a_token_that_died_early_is_no_loss_and_late_replies_may_go_to_the_person_alone() {
    let (rig, _) = asked(None, Value::Null).await;
    rig.api.tell("/webhooks/", 404, r#"{"code":10015,"message":"Unknown Webhook"}"#);
    rig.replier.send(&rig.reply("k", "hello")).await.unwrap();
    let call = rig.api.calls("/channels/645027906669510667/messages").pop().unwrap();
    assert_eq!(call.json()["content"], json!("hello"), "nobody else reads a direct message");

    let (rig, _) = asked(Some("29"), json!({"late_replies": "direct"})).await;
    rig.clock.advance(SignedDuration::from_mins(20));
    rig.api.tell("/users/@me/channels", 200, r#"{"id":"77"}"#);
    rig.replier.send(&rig.reply("k", "your password is new")).await.unwrap();
    assert_eq!(rig.api.calls("/users/@me/channels")[0].json()["recipient_id"], json!("53908232506183680"));
    assert_eq!(rig.api.calls("/channels/77/messages")[0].json()["content"], json!("your password is new"));
    assert!(rig.api.calls("/channels/645027906669510667/").is_empty());
    let party = PartyHandle::new(HandleKind::Account, "53908232506183680");
    assert!(rig.replier.path_to(&party, None).is_some(), "an account is a way to a direct message");
}

#[tokio::test]
async fn f05_f07_long_texts_are_split_and_every_refusal_is_understood() {
    let (rig, _) = asked(None, Value::Null).await;
    rig.replier.send(&rig.reply("long", &"many words and more ".repeat(250))).await.unwrap();
    let calls = rig.api.calls("/webhooks/");
    assert_eq!(calls.len(), 3);
    assert!(calls.iter().all(|call| call.json()["content"].as_str().unwrap().encode_utf16().count() <= 2000));

    rig.clock.advance(SignedDuration::from_mins(20));
    rig.api.tell("/messages", 403, r#"{"code":50007,"message":"Cannot send messages to this user"}"#);
    let error = rig.replier.send(&rig.reply("a", "a")).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Never);
    assert!(error.to_string().contains("50007") && rig.health[0].report().failing.is_none(), "{error}");
    rig.api.tell("/messages", 401, r#"{"code":0,"message":"401: Unauthorized"}"#);
    let error = rig.replier.send(&rig.reply("b", "b")).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Misconfigured);
    assert!(rig.health[0].report().failing.is_some(), "loud");
    rig.api.tell("/messages", 429, r#"{"message":"You are being rate limited.","retry_after":1.336}"#);
    let error = rig.replier.send(&rig.reply("c", "c")).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Later { after: Some(SignedDuration::from_secs(2)) });
    let before = rig.api.calls("/messages").len();
    assert!(rig.replier.send(&rig.reply("d", "d")).await.is_err());
    assert_eq!(rig.api.calls("/messages").len(), before, "it is not even asked");
}

#[tokio::test]
async fn g03_g06_unknown_kinds_are_filed_the_blocked_are_told_so_and_typing_is_nothing() {
    let rig =
        Rig::with("discord", Value::Null, json!({"blocked": ["53908232506183680"]}), Default::default())
            .await;
    let (status, answer) = rig.post(command("1", None, "spam").to_string(), "application/json").await;
    assert_eq!(status, StatusCode::OK, "no answer at all would be shown as our failure");
    assert!(
        String::from_utf8_lossy(&answer).contains("could not be taken") && rig.intake.contacts().is_empty()
    );

    let rig = Rig::new("discord", Value::Null).await;
    rig.take(&json!({"type": 99, "id": "5", "token": "t"})).await;
    assert!(rig.intake.contacts()[0].raw.is_some());
    let (_, answer) =
        rig.post(json!({"type": 4, "id": "6", "token": "t"}).to_string(), "application/json").await;
    assert_eq!(
        serde_json::from_slice::<Value>(&answer).unwrap(),
        json!({"type": 8, "data": {"choices": []}})
    );
    let event =
        json!({"version": 1, "application_id": "8", "type": 1, "event": {"type": "APPLICATION_AUTHORIZED"}});
    assert_eq!(rig.post(event.to_string(), "application/json").await.0, StatusCode::NO_CONTENT);
    assert_eq!(rig.intake.contacts().len(), 1);
}

#[tokio::test]
async fn the_command_and_the_address_are_set_up_by_the_api() {
    use lodge_channel::door::Door;
    let rig = Rig::new("discord", json!({"command": "help"})).await;
    let registrar = rig.settings.registrar(&rig.context).unwrap().unwrap();
    rig.api.tell("applications/@me", 200, r#"{"id":"845"}"#);
    registrar.register("https://gw.example.test/hooks/page").await.unwrap();
    let body = rig.api.calls("applications/@me")[0].json();
    assert_eq!(body, json!({"interactions_endpoint_url": "https://gw.example.test/hooks/page"}));
    assert_eq!(rig.api.calls("applications/845/commands")[0].json()["name"], json!("help"));
    let told = r#"{"name":"Desk","interactions_endpoint_url":"https://gw.example.test/hooks/page"}"#;
    rig.api.tell("applications/@me", 200, told);
    assert_eq!(registrar.status().await.unwrap().len(), 2);
    rig.api.tell("applications/@me", 401, r#"{"message":"401: Unauthorized"}"#);
    let problem = registrar.register("https://gw.example.test/hooks/page").await.unwrap_err();
    assert!(problem.reason.contains("Unauthorized"), "{problem:?}");
}
