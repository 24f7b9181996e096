//! A bot in Microsoft Teams: keys and tokens come and go, and answers reach the service that was vouched for.

use crate::rig::{Rig, jwk, now, token};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use lodge_domain::ticket::SupplementKind;
use lodge_domain::{Disposition, Inbound, SignedDuration, Timestamp};
use serde_json::{Value, json};

fn activity(rig: &Rig, id: &str, words: &str) -> Value {
    json!({"type": "message", "id": id, "timestamp": "2026-11-21T19:59:50Z", "channelId": "msteams",
        "serviceUrl": format!("{}/emea/", rig.api.base), "text": words,
        "from": {"id": "29:1XJK", "name": "Megan", "aadObjectId": "b1f9"}, "recipient": {"id": "28:bot", "name": "Helpdesk"},
        "conversation": {"conversationType": "personal", "tenantId": "72f9", "id": "a:17I0kl9"}})
}

async fn asked() -> Rig {
    let rig = Rig::new("teams", Value::Null).await;
    rig.take(&activity(&rig, "1", "VPN is down")).await;
    rig
}

/// Posts with a token by the key `kid`.
async fn post_by(rig: &Rig, kid: &str, other: &str, at: Timestamp) -> StatusCode {
    let body = activity(rig, &format!("{kid}{other}{at}"), "hi");
    let token = token(kid, other, &body["serviceUrl"], at);
    let request = Request::post("/hooks/page").header("content-type", "application/json");
    let request = request.header("authorization", format!("Bearer {token}"));
    rig.ask(request.body(Body::from(body.to_string())).unwrap()).await.0
}

#[tokio::test]
async fn f03_a_reply_goes_to_the_vouched_service_with_a_token_that_is_kept_until_it_expires() {
    let rig = asked().await;
    assert_eq!(rig.intake.contacts()[0].from.name.as_deref(), Some("Megan"));
    let reply = rig.reply("k", "We are on it");
    let sent = rig.replier.send(&reply).await.unwrap();
    assert_eq!(sent.keys.len(), 1);
    let asked = &rig.api.calls("/botframework.com/oauth2/v2.0/token")[0];
    let form = String::from_utf8_lossy(&asked.body).into_owned();
    for part in [
        "grant_type=client_credentials",
        "client_secret=password",
        "scope=https%3A%2F%2Fapi.botframework.com",
    ] {
        assert!(form.contains(part), "{form}");
    }
    let calls = rig.api.calls("/emea/v3/conversations/a%3A17I0kl9/activities");
    assert_eq!(calls.len(), 1);
    assert!(calls[0].authorization.as_deref().unwrap().starts_with("Bearer granted"));
    let body = calls[0].json();
    assert_eq!((&body["text"], &body["textFormat"]), (&json!("We are on it"), &json!("plain")));
    assert_eq!((&body["recipient"]["id"], &body["replyToId"]), (&json!("29:1XJK"), &json!("1")));
    rig.replier.send(&reply).await.unwrap();
    assert_eq!(rig.api.calls("/activities").len(), 1, "the same again goes out once");
    rig.replier.send(&rig.reply("k2", "still")).await.unwrap();
    assert_eq!(rig.api.calls("/oauth2/").len(), 1, "the token is kept");
    rig.clock.advance(SignedDuration::from_mins(56));
    rig.replier.send(&rig.reply("k3", "and now")).await.unwrap();
    assert_eq!(rig.api.calls("/oauth2/").len(), 2, "and replaced before it expires");
}

#[tokio::test]
async fn f07_every_refusal_of_service_and_issuer_is_understood() {
    let rig = asked().await;
    rig.api.tell("/activities", 401, "{}");
    rig.replier.send(&rig.reply("a", "a")).await.unwrap();
    assert_eq!(
        (rig.api.calls("/oauth2/").len(), rig.api.calls("/activities").len()),
        (2, 2),
        "a second token is asked for"
    );
    rig.api.tell("/activities", 401, "{}");
    rig.api.tell("/activities", 401, r#"{"error":{"message":"Authorization has been denied"}}"#);
    let error = rig.replier.send(&rig.reply("b", "b")).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Misconfigured);
    assert!(rig.health[0].report().failing.is_some(), "loud");
    rig.api.tell(
        "/activities",
        403,
        r#"{"error":{"code":"BotDisabledByAdmin","message":"The bot was removed"}}"#,
    );
    let error = rig.replier.send(&rig.reply("c", "c")).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Never);
    assert!(error.to_string().contains("removed"), "{error}");
    rig.api.tell_later("/activities", 429, Some(20), "{}");
    let error = rig.replier.send(&rig.reply("d", "d")).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Later { after: Some(SignedDuration::from_secs(20)) });
    rig.clock.advance(SignedDuration::from_hours(2));
    rig.api.tell("/oauth2/", 503, "");
    let error = rig.replier.send(&rig.reply("e", "e")).await.unwrap_err();
    assert!(matches!(error.disposition, Disposition::Later { .. }) && !error.in_doubt, "{error}");
    rig.api.tell(
        "/oauth2/",
        401,
        r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret"}"#,
    );
    let error = rig.replier.send(&rig.reply("f", "f")).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Misconfigured);
    assert!(error.to_string().contains("Invalid client secret"), "{error}");
    rig.replier.send(&rig.reply("f", "f")).await.unwrap();
    assert!(rig.health[0].report().failing.is_none(), "it works again");
}

#[tokio::test]
async fn t06_keys_are_kept_for_a_day_and_asked_for_again_at_most_once_an_hour() {
    let rig = asked().await;
    let asked = || rig.api.calls("/.well-known/keys").len();
    assert_eq!(post_by(&rig, "kid-1", "", now()).await, StatusCode::OK);
    assert_eq!(asked(), 1, "known keys are not asked for");
    // The framework changes to a new key.
    for _ in 0..3 {
        assert_eq!(post_by(&rig, "kid-2", "x", now()).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(asked(), 1, "no stranger makes us ask");
    rig.clock.advance(SignedDuration::from_hours(1));
    let later = rig.context.clock.now();
    rig.api.tell(
        "/.well-known/keys",
        200,
        json!({"keys": [jwk("kid-1", ""), jwk("kid-2", "x")]}).to_string(),
    );
    assert_eq!(post_by(&rig, "kid-2", "x", later).await, StatusCode::OK);
    assert_eq!(post_by(&rig, "kid-1", "", later).await, StatusCode::OK, "the old one lives beside it");
    assert_eq!(post_by(&rig, "kid-1", "x", later).await, StatusCode::UNAUTHORIZED, "each signs for itself");
    assert_eq!(asked(), 2);
    // A day later they are not to be had: the old ones stay good.
    rig.clock.advance(SignedDuration::from_hours(25));
    let later = rig.context.clock.now();
    rig.api.tell("openidconfiguration", 503, "");
    assert_eq!(post_by(&rig, "kid-1", "", later).await, StatusCode::OK);
    assert_eq!(rig.api.calls("openidconfiguration").len(), 3);
}

#[tokio::test]
async fn t06_without_any_key_the_framework_is_asked_to_come_back() {
    let rig = Rig::new("teams", Value::Null).await;
    rig.api.tell("openidconfiguration", 503, "");
    assert_eq!(post_by(&rig, "kid-1", "", now()).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(post_by(&rig, "kid-1", "", now()).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        (rig.api.calls("openidconfiguration").len(), rig.intake.calls()),
        (1, 0),
        "with a pause between"
    );
    rig.clock.advance(SignedDuration::from_secs(11));
    assert_eq!(post_by(&rig, "kid-1", "", rig.context.clock.now()).await, StatusCode::OK);
}

#[tokio::test]
async fn edits_and_deletions_change_what_was_said_and_files_are_fetched_with_what_they_ask_for() {
    let rig = asked().await;
    let mut edit = activity(&rig, "1", "VPN is down again");
    edit["type"] = json!("messageUpdate");
    edit["channelData"] = json!({"eventType": "editMessage"});
    rig.take(&edit).await;
    edit["type"] = json!("messageDelete");
    edit["channelData"] = json!({"eventType": "softDeleteMessage"});
    rig.take(&edit).await;
    let kinds: Vec<SupplementKind> = rig
        .intake
        .taken()
        .into_iter()
        .filter_map(|item| match item {
            Inbound::Supplement(supplement) => Some(supplement.kind),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, [SupplementKind::Edit, SupplementKind::Deletion]);

    let base = rig.api.base.clone();
    let mut with_files = activity(&rig, "2", "");
    with_files["attachments"] = json!([
        {"contentType": "image/*", "contentUrl": format!("{base}/emea/v3/attachments/0-x/views/original")},
        {"contentType": "application/vnd.microsoft.teams.file.download.info", "name": "x.pdf",
            "content": {"downloadUrl": format!("{base}/files/x?tempauth=1"), "uniqueId": "1150"}},
        {"contentType": "image/*", "contentUrl": "https://evil.example/v3/attachments/steal"},
    ]);
    rig.api.tell("/attachments/", 200, b"\x89PNG\r\n\x1a\nx".as_slice());
    rig.api.tell("/files/x", 200, b"%PDF-1.7".as_slice());
    rig.take(&with_files).await;
    let contact = rig.intake.contacts().pop().unwrap();
    let states: Vec<&Value> =
        contact.details["media"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["stored", "stored", "refused"]);
    assert_eq!(contact.attachments.len(), 2);
    assert!(
        rig.api.calls("/attachments/")[0].authorization.as_deref().unwrap().starts_with("Bearer granted")
    );
    assert_eq!(rig.api.calls("/files/x")[0].authorization, None, "its address is enough");
}

#[tokio::test]
async fn g03_our_own_words_are_no_contact_and_unknown_kinds_stop_nothing() {
    let rig = asked().await;
    let mut own = activity(&rig, "3", "We are on it");
    own["from"]["id"] = json!("28:bot");
    rig.take(&own).await;
    let mut typing = activity(&rig, "4", "");
    typing["type"] = json!("typing");
    rig.take(&typing).await;
    assert_eq!(rig.intake.contacts().len(), 1);
    typing["type"] = json!("somethingNew");
    rig.take(&typing).await;
    let strange = rig.intake.contacts().pop().unwrap();
    assert!(strange.raw.is_some() && rig.intake.contacts().len() == 2);
    let mut invoke = activity(&rig, "5", "");
    invoke["type"] = json!("invoke");
    invoke["name"] = json!("adaptiveCard/action");
    invoke["value"] = json!({"action": {"verb": "reopen"}});
    let (status, answer) = rig.post(invoke.to_string(), "application/json").await;
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(
        (status, &answer["statusCode"]),
        (StatusCode::OK, &json!(200)),
        "a button waits for its answer"
    );
}
