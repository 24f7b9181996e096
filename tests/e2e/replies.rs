//! An agent's reply: durable before 202, sent once, in the right thread, with a state to ask for (F01–F03, C11).

use crate::support::{contact, sent_to, ticket};
use anyhow::{Context, Result};
use lodge_e2e::{Gateway, House, Mail, Phase, Plan, Say, Store};
use std::time::Duration;

on_both_stores!(
    f01_a_reply_is_durable_before_202_and_sent_once,
    c11_a_reply_is_in_its_thread,
    f03_the_same_key_never_sends_twice,
);

async fn with_ann(store: Store) -> Result<Option<(House, Gateway, Mail, String)>> {
    let Some(house) = House::build(Plan::on(store)).await? else { return Ok(None) };
    let gateway = house.run().await?;
    let mail = Mail::authenticated("ann@example.com").subject("Broken lamp");
    house.dovecot.deliver("support", &mail)?;
    house.exactly(1, 20).await?;
    house.until("the acknowledgment", 20, || sent_to(&house, "ann@example.com").len() == 1).await?;
    let reference = ticket(&contact(&house, "Broken lamp")?, "reference").to_owned();
    Ok(Some((house, gateway, mail, reference)))
}

async fn f01_a_reply_is_durable_before_202_and_sent_once(store: Store) -> Result<()> {
    let Some((house, gateway, _, reference)) = with_ann(store).await? else { return Ok(()) };
    house.sink.always(Phase::Rcpt, Say::Reply("451 4.3.0 later"));
    let heard = house.desk()?.reply(&reference, "Durable words", "key-1").await?;
    assert_eq!(heard.status, 202, "{}", heard.body);
    assert_eq!(heard.body["state"], "queued");
    // Mostly between two tries, where nothing is in doubt.
    house.until("a refusal", 20, || house.sink.refused() > 0).await?;
    tokio::time::sleep(Duration::from_millis(50)).await;
    gateway.kill()?;
    house.sink.relent();
    let _gateway = house.run().await?;
    // Sent once; or, where the process died in the middle of trying, told as in doubt and not repeated.
    let id = heard.body["id"].as_str().context("the reply's id")?;
    let path = format!("/v1/replies/{id}");
    let desk = house.desk()?;
    for _ in 0..2000 {
        let state = desk.get(&path).await?;
        assert_eq!(state.status, 200, "what was answered with 202 is known: {}", state.body);
        let sent = sent_to(&house, "ann@example.com").len();
        if state.body["state"] == "sent" {
            assert_eq!((sent, &state.body["in_doubt"]), (2, &false.into()), "{}", state.body);
            let words = state.body["recipients"].to_string();
            assert!(words.contains("ann@example.com") && words.contains("queued as SINK"), "{words}");
            return Ok(());
        }
        if state.body["state"] == "failed" {
            assert_eq!((sent, &state.body["in_doubt"]), (1, &true.into()), "{}", state.body);
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("it neither was sent nor told as in doubt")
}

async fn c11_a_reply_is_in_its_thread(store: Store) -> Result<()> {
    let Some((house, _gateway, mail, reference)) = with_ann(store).await? else { return Ok(()) };
    let heard = house.desk()?.reply(&reference, "Grüße aus der Werkstatt", "key-1").await?;
    assert_eq!(heard.status, 202, "{}", heard.body);
    house.until("the reply", 20, || sent_to(&house, "ann@example.com").len() == 2).await?;
    let sent = sent_to(&house, "ann@example.com");
    let reply = sent.last().context("the reply")?;
    assert_eq!(reply.header("In-Reply-To").as_deref(), Some(mail.id()));
    assert!(reply.header("References").unwrap_or_default().contains(mail.id()));
    let subject = reply.header("Subject").unwrap_or_default();
    assert!(subject.contains("Broken lamp"), "{subject}");
    assert_ne!(reply.header("Auto-Submitted").as_deref(), Some("auto-replied"), "an agent is no machine");
    house.until("its report", 20, || !house.core.events_of("reply.updated").is_empty()).await?;
    let report = house.core.events_of("reply.updated").remove(0);
    assert_eq!(report["reply"]["state"], "sent", "{report}");
    house.core.audit()
}

async fn f03_the_same_key_never_sends_twice(store: Store) -> Result<()> {
    let Some((house, _gateway, _, reference)) = with_ann(store).await? else { return Ok(()) };
    let desk = house.desk()?;
    let first = desk.reply(&reference, "Once", "key-1").await?;
    let second = desk.reply(&reference, "Once", "key-1").await?;
    assert_eq!((first.status, second.status), (202, 202), "{}", second.body);
    assert_eq!(first.body["id"], second.body["id"]);
    assert_eq!(desk.reply(&reference, "Something else", "key-1").await?.status, 409);
    let path = format!("/v1/conversations/{reference}/replies");
    let without = desk.post(&path, &serde_json::json!({"text": "No key"}), &[]).await?;
    assert_eq!(without.status, 400);
    let kind = without.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    assert!(kind.starts_with("application/problem+json"), "RFC 9457: {kind}");
    assert_eq!(desk.reply("4829136057", "To nobody", "key-2").await?.status, 404);
    house.until("the reply", 20, || sent_to(&house, "ann@example.com").len() >= 2).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(sent_to(&house, "ann@example.com").len(), 2, "the acknowledgment and one reply");
    Ok(())
}
