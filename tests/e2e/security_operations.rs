//! Attacks on the listeners and on secrets, at the process level (T13, T20, T56, T58).

use crate::support::{contact, ticket};
use anyhow::{Context, Result};
use lodge_e2e::{Answer, House, Mail, Phase, Plan, Say, Store, clock, core, dovecot};
use reqwest::Method;
use serde_json::json;

async fn with_ann(plan: Plan) -> Result<Option<(House, lodge_e2e::Gateway, String)>> {
    let Some(house) = House::build(plan).await? else { return Ok(None) };
    let gateway = house.run().await?;
    house.dovecot.deliver("support", &Mail::authenticated("ann@example.com").subject("Hello"))?;
    house.exactly(1, 20).await?;
    let reference = ticket(&contact(&house, "Hello")?, "reference").to_owned();
    Ok(Some((house, gateway, reference)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t13_t20_calls_of_the_core_need_its_signature() -> Result<()> {
    let Some((house, _gateway, reference)) = with_ann(Plan::on(Store::Embedded)).await? else {
        return Ok(());
    };
    let desk = house.desk()?;
    let path = format!("/v1/conversations/{reference}/replies");
    let body = br#"{"text":"We never said that"}"#;
    let at = clock::now().as_second();
    let (now, old) = (at.to_string(), (at - 3600).to_string());
    let good = core::sign(core::SECRET, "msg_good", at, body);
    let late = core::sign(core::SECRET, "msg_late", at - 3600, body);
    let other = core::sign("whsec_b3RoZXItc2VjcmV0LW90aGVyLXNlY3JldC1vdGhlcg==", "msg_other", at, body);
    let own_id = contact(&house, "Hello")?["id"].as_str().context("an id")?.to_owned();
    let own = core::sign(core::SECRET, &own_id, at, body);
    let cases: [(&str, Vec<(&str, &str)>); 8] = [
        ("none", vec![]),
        ("empty", vec![("webhook-id", "msg_a"), ("webhook-timestamp", &now), ("webhook-signature", "")]),
        (
            "another secret's",
            vec![("webhook-id", "msg_other"), ("webhook-timestamp", &now), ("webhook-signature", &other)],
        ),
        (
            "an old one",
            vec![("webhook-id", "msg_late"), ("webhook-timestamp", &old), ("webhook-signature", &late)],
        ),
        (
            "another id",
            vec![("webhook-id", "msg_bad"), ("webhook-timestamp", &now), ("webhook-signature", &good)],
        ),
        (
            "an id of ours",
            vec![("webhook-id", &own_id), ("webhook-timestamp", &now), ("webhook-signature", &own)],
        ),
        ("a wrong token", vec![("authorization", "Bearer core-token-canary-93c1d7a4e3")]),
        ("an empty token", vec![("authorization", "Bearer ")]),
    ];
    for (what, mut headers) in cases {
        headers.push(("idempotency-key", "forged"));
        headers.push(("content-type", "application/json"));
        let heard = desk.raw(Method::POST, &path, body, &headers).await?;
        assert_eq!(heard.status, 401, "{what}: {}", heard.body);
        let unknown = desk.raw(Method::POST, "/v1/conversations/4829136057/replies", body, &headers).await?;
        assert_eq!(unknown.status, 401, "{what}: what is unknown is not told to strangers");
    }
    // A good one; then the same id for another body, and for another path.
    let headers = [
        ("webhook-id", "msg_good"),
        ("webhook-timestamp", now.as_str()),
        ("webhook-signature", good.as_str()),
        ("idempotency-key", "good"),
        ("content-type", "application/json"),
    ];
    assert_eq!(desk.raw(Method::POST, &path, body, &headers).await?.status, 202);
    let merge = format!("/v1/conversations/{reference}/merge");
    let moved = desk.raw(Method::POST, &merge, body, &headers).await?;
    assert!([401, 409].contains(&moved.status), "an id is good for one path: {}", moved.status);
    let resigned = core::sign(core::SECRET, "msg_good", at, b"{}");
    let mut changed = headers;
    changed[2] = ("webhook-signature", resigned.as_str());
    let changed = desk.raw(Method::POST, &path, b"{}", &changed).await?;
    assert!([401, 409].contains(&changed.status), "an id is good for one body: {}", changed.status);
    let token = format!("Bearer {}", core::TOKEN);
    let by_token = [("authorization", token.as_str())];
    assert_eq!(
        desk.raw(Method::GET, &format!("/v1/conversations/{reference}"), b"", &by_token).await?.status,
        200
    );
    let mails = house.sink.taken();
    let said =
        mails.iter().filter(|mail| String::from_utf8_lossy(&mail.raw).contains("We never said that")).count();
    assert!(said <= 1, "only the well signed one went out");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t56_nothing_internal_is_on_the_public_listener() -> Result<()> {
    let Some((house, _gateway, reference)) = with_ann(Plan::on(Store::Embedded)).await? else {
        return Ok(());
    };
    let public = lodge_e2e::Desk::new(&house.public())?;
    let paths = [
        "/",
        "/metrics",
        "/readyz",
        "/healthz",
        "/openapi.json",
        "/docs",
        "/v1/events",
        "/sandbox",
        "/debug",
    ];
    for path in paths {
        assert_eq!(public.get(path).await?.status, 404, "{path}");
    }
    let replies = format!("/v1/conversations/{reference}/replies");
    assert_eq!(public.post(&replies, &json!({"text": "x"}), &[("idempotency-key", "k")]).await?.status, 404);
    for token in ["x", "../../lodge.toml", "AAAA", "%00"] {
        assert_eq!(public.look(&format!("/blobs/{token}")).await?.status, 404, "{token}");
    }
    assert_eq!(public.post("/hooks/nobody", &json!({}), &[]).await?.status, 404);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t58_secrets_are_nowhere_to_be_read() -> Result<()> {
    let mut plan = Plan::on(Store::Embedded);
    plan.log = "trace";
    let Some((house, gateway, reference)) = with_ann(plan).await? else { return Ok(()) };
    // Through as many troubles as there are: errors are where secrets like to hide.
    house.core.next(&Answer::Refuse(401), 1);
    house.core.next(&Answer::Reset, 2);
    house.sink.next(Phase::Mail, Say::Reply("535 5.7.8 no"), 1);
    house.dovecot.deliver("support", &Mail::authenticated("bob@example.com").subject("Trouble"))?;
    house.exactly(2, 90).await?;
    let desk = house.desk()?;
    desk.reply(&reference, "Words", "key-1").await?;
    let bad = [("authorization", "Bearer nothing"), ("content-type", "application/json")];
    desk.raw(Method::POST, "/v1/conversations/1/replies", b"{", &bad).await?;
    let mut seen = house.log_text();
    for path in ["/metrics", "/readyz", "/healthz", "/", "/openapi.json"] {
        seen.push_str(&desk.look(path).await?.body.to_string());
    }
    gateway.kill()?;
    for arguments in [
        &["check", "--online"][..],
        &["check", "--online", "--json"],
        &["dead-letters", "list", "--json"],
        &["store", "inspect"],
    ] {
        let output = house.command(arguments, b"").await?;
        seen.push_str(&output.stdout);
        seen.push_str(&output.stderr);
    }
    let secret = core::SECRET.trim_start_matches("whsec_");
    for canary in [secret, core::TOKEN, dovecot::PASSWORD] {
        let at = seen.lines().find(|line| line.contains(canary));
        assert!(at.is_none(), "a secret can be read in: {at:?}");
    }
    assert!(seen.contains("TRACE") || seen.contains("trace"), "the log was at its most talkative");
    Ok(())
}
