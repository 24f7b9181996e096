//! Who may open a chat: visitors whom the website vouches for (H03), and nobody any more whose access was taken back (T07).

use anyhow::{Context, Result};
use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use lodge_e2e::{Chat, House, Plan, Store, clock};
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};

on_both_stores!(
    h03_only_a_fresh_token_for_this_inbox_is_believed,
    t07_access_that_is_taken_back_opens_nothing_and_is_nowhere_written,
);

const OLD: &[u8] = b"the first secret of the website";
const NEW: &[u8] = b"the second secret of the website";

/// The chat's tables with these identity secrets, files beside the configuration.
fn inbox(secrets: &str) -> String {
    format!("[inbox.website.chat]\norigins = [\"https://www.acme.example\"]\nidentity_secret = {secrets}\n")
}

fn token(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let signed = format!("{}.{}", encode(header), encode(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    format!("{signed}.{}", BASE64URL_NOPAD.encode(tag.as_ref()))
}

/// What a good token claims, with a change.
fn claims(change: &Value) -> Value {
    let mut claims =
        json!({"sub": "u-7", "exp": clock::now().as_second() + 900, "aud": "website", "name": "Ann Lee"});
    for (key, value) in change.as_object().into_iter().flatten() {
        claims[key] = value.clone();
    }
    claims
}

async fn h03_only_a_fresh_token_for_this_inbox_is_believed(store: Store) -> Result<()> {
    let both = "{ old = \"file:old.key\", new = \"file:new.key\" }";
    let Some(mut house) = House::build(Plan::on(store).extra(&inbox(both))).await? else { return Ok(()) };
    fs::write(house.folder().join("old.key"), OLD)?;
    fs::write(house.folder().join("new.key"), NEW)?;
    let gateway = house.run().await?;
    let public = gateway.public.clone();
    let say = async |token: String, hello: Value| {
        let mut hello = hello;
        hello["identity"] = json!(token);
        Chat::open(&public, "website", hello).await
    };
    let (new, old) = (json!({"alg": "HS256", "kid": "new"}), json!({"alg": "HS256", "kid": "old"}));
    let mut chat = say(token(&new, &claims(&json!({})), NEW), json!({})).await?;
    let first = chat.say("m-1", "Where is my order?").await?;
    house.exactly(1, 20).await?;
    let from = house.core.contacts().remove(0)["from"].clone();
    assert_eq!(
        (&from["kind"], &from["handle"], &from["name"]),
        (&json!("account"), &json!("u-7"), &json!("Ann Lee"))
    );
    assert_eq!((&from["assurance"], &from["evidence"]), (&json!("authenticated"), &json!(["jwt=pass"])));
    // The same person elsewhere, with the token of the other secret: the same conversation.
    let mut elsewhere = say(token(&old, &claims(&json!({})), OLD), json!({})).await?;
    let told = elsewhere.until(|frame| frame["t"] == "message" && frame["id"] == "m-1").await?;
    assert_eq!(told["text"], "Where is my order?");
    assert_eq!(elsewhere.say("m-2", "And here?").await?["reference"], first["reference"]);
    let now = clock::now().as_second();
    for (header, claims, secret, words) in [
        (&new, claims(&json!({"exp": now - 1})), NEW, "the token expired"),
        (&new, claims(&json!({"exp": now + 90_000})), NEW, "`exp` is more than a day ahead"),
        (&new, claims(&json!({"exp": null})), NEW, "the claims `sub`, `exp` and `aud`"),
        (&new, claims(&json!({"aud": "shop"})), NEW, "`aud` is not this inbox"),
        (&json!({"alg": "HS256", "kid": "newest"}), claims(&json!({})), NEW, "`kid` names no secret"),
        (&new, claims(&json!({})), OLD, "the signature does not fit"),
        (&json!({"alg": "none"}), claims(&json!({})), NEW, "the algorithm must be HS256"),
    ] {
        let refused =
            say(token(header, &claims, secret), json!({})).await.err().context("refused")?.to_string();
        assert!(refused.contains("identity_refused") && refused.contains(words), "{words}: {refused}");
    }
    // The rotation is over: the first secret is worth nothing, the session it opened still is theirs.
    gateway.kill()?;
    house.plan.extra = inbox("{ new = \"file:new.key\" }");
    house.configure()?;
    let gateway = house.run().await?;
    assert_eq!(gateway.public, public);
    let refused = say(token(&old, &claims(&json!({})), OLD), json!({})).await.err().context("refused")?;
    assert!(refused.to_string().contains("`kid` names no secret"), "{refused}");
    let mut again =
        say(token(&new, &claims(&json!({})), NEW), json!({"session": chat.session, "after": 1})).await?;
    assert_eq!(again.welcome["resumed"], true);
    assert_eq!(again.say("m-3", "Still me").await?["reference"], first["reference"]);
    house.exactly(3, 20).await?;
    // Somebody else's token opens nobody's session.
    let stranger = token(&new, &claims(&json!({"sub": "u-8"})), NEW);
    let refused = say(stranger, json!({"session": chat.session})).await.err().context("refused")?;
    assert!(refused.to_string().contains("session_unknown"), "{refused}");
    Ok(())
}

async fn t07_access_that_is_taken_back_opens_nothing_and_is_nowhere_written(store: Store) -> Result<()> {
    let plan = Plan {
        log: "debug",
        ..Plan::on(store).extra("[inbox.website.chat]\norigins = [\"https://www.acme.example\"]\n")
    };
    let Some(house) = House::build(plan).await? else { return Ok(()) };
    let gateway = house.run().await?;
    let mut chat = Chat::open(&gateway.public, "website", json!({})).await?;
    let session = chat.session.clone();
    let accepted = chat.say("m-1", "Hello").await?;
    house.exactly(1, 20).await?;
    let upload = async || {
        let url = format!("{}/chat/website/uploads?name=shot.png", gateway.public);
        let post = reqwest::Client::new().post(url).bearer_auth(&session).body("\u{89}PNG picture");
        anyhow::Ok(post.send().await?.status().as_u16())
    };
    assert_eq!(upload().await?, 201);
    let path = format!("/v1/conversations/{}/revoke", accepted["reference"].as_str().unwrap_or_default());
    let heard = house.desk()?.post(&path, &Value::Null, &[]).await?;
    assert_eq!(heard.status, 204, "{}", heard.body);
    let revoked = Instant::now();
    let end = loop {
        if let Err(end) = chat.next().await {
            break end.to_string();
        }
    };
    assert!(revoked.elapsed() < Duration::from_secs(2) && end.contains("1008"), "{end}");
    let refused = Chat::open(&gateway.public, "website", json!({"session": session, "after": 0})).await;
    assert!(refused.err().context("refused")?.to_string().contains("session_unknown"));
    assert_eq!(upload().await?, 401);
    let mut anew = Chat::open(&gateway.public, "website", json!({})).await?;
    assert_ne!(
        anew.say("m-1", "Hello again").await?["reference"],
        accepted["reference"],
        "a conversation of its own"
    );
    house.exactly(2, 20).await?;
    let log = house.log_text();
    assert!(!log.contains(&session) && !log.contains(&anew.session), "a session's secret is in the log");
    let unknown = house.desk()?.post("/v1/conversations/0000000000/revoke", &Value::Null, &[]).await?;
    assert_eq!(unknown.status, 404);
    Ok(())
}
