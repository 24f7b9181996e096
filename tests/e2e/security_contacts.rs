//! Attacks through contacts, at the process level: acknowledgments as a weapon (T36), canaries in metrics (T57).
//! Attacks on threading (T02, T03) are in `threading.rs`.

use crate::support::{contact, sent_to};
use anyhow::Result;
use lodge_e2e::{House, Mail, Plan, Store};
use std::time::Duration;

on_both_stores!(t36_acknowledgments_are_no_weapon);

async fn t36_acknowledgments_are_no_weapon(store: Store) -> Result<()> {
    let mut plan = Plan::on(store);
    plan.acknowledge_anyone = true;
    let Some(house) = House::build(plan).await? else { return Ok(()) };
    let _gateway = house.run().await?;
    for number in 0..8 {
        let bomb = Mail::unverified("victim@example.net")
            .subject(&format!("BUY-PILLS-{number} http://evil.example"));
        house.dovecot.deliver("support", &bomb.text("Visit http://evil.example now"))?;
    }
    let failed = Mail::unverified("forged@example.net").subject("Forged");
    let verdict = "mx.acme.example; dmarc=fail header.from=example.net";
    house.dovecot.deliver("support", &failed.header("Authentication-Results", verdict))?;
    house.exactly(9, 30).await?;
    house.until("the first acknowledgments", 20, || sent_to(&house, "victim@example.net").len() >= 3).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let sent = sent_to(&house, "victim@example.net");
    assert_eq!(sent.len(), 3, "three an hour an address");
    for mail in &sent {
        let text = String::from_utf8_lossy(&mail.raw);
        assert!(
            !text.contains("PILLS") && !text.contains("evil.example"),
            "an unverified sender's words: {text}"
        );
    }
    assert!(sent_to(&house, "forged@example.net").is_empty(), "a failed sender is never answered");
    let reasons: Vec<String> =
        house.core.contacts().iter().map(|event| event["acknowledgment"]["reason"].to_string()).collect();
    assert_eq!(reasons.iter().filter(|reason| *reason != "null").count(), 6, "{reasons:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t57_what_strangers_write_is_in_no_metric_and_no_log() -> Result<()> {
    let Some(house) = House::build(Plan::on(Store::Embedded)).await? else { return Ok(()) };
    let _gateway = house.run().await?;
    let desk = house.desk()?;
    let mut sizes = Vec::new();
    for round in 0..2 {
        for number in 0..20 {
            let mail = Mail::authenticated(&format!("canaryperson{round}x{number}@canary.example"));
            let mail = mail
                .subject(&format!("canarysubject {round} {number}"))
                .text("canarytext")
                .header("X-Any", "canaryheader");
            house.dovecot.deliver("support", &mail)?;
        }
        house.exactly(20 * (round + 1), 30).await?;
        let due = 20 * (round + 1);
        house.until("the acknowledgments", 30, || house.sink.taken().len() >= due).await?;
        let metrics = desk.look("/metrics").await?.body.as_str().unwrap_or_default().to_owned();
        assert!(!metrics.contains("canary"), "{metrics}");
        assert!(metrics.contains("lodge_"), "{metrics}");
        sizes.push(metrics.lines().count());
    }
    assert_eq!(sizes.first(), sizes.last(), "more contacts make no more series");
    let log = house.log_text();
    for canary in ["canaryperson", "canarysubject", "canarytext", "canaryheader"] {
        assert!(!log.contains(canary), "{canary} is in the log");
    }
    let ready = desk.look("/readyz").await?.body.to_string() + &desk.look("/healthz").await?.body.to_string();
    assert!(!ready.contains("canary"), "{ready}");
    assert!(contact(&house, "canarysubject 0 0").is_ok());
    Ok(())
}
