//! The main job: 500 mails delivered while the gateway runs are 500 contacts at the core, and each sender who is to have
//! an acknowledgment has one (A01, A07, E01, E03).

use crate::support::{assert_at_most_one_each, assert_no_gaps, contact, sent_to};
use anyhow::{Context, Result};
use lodge_e2e::{House, Mail, Plan, Store};
use std::time::{Duration, Instant};

on_both_stores!(a01_five_hundred_mails_are_five_hundred_contacts, one_mail_end_to_end);

/// The kinds of mail in the flood, each with whether its sender is acknowledged.
fn mail(number: usize) -> (Mail, bool) {
    let from = format!("person{number}@example.com");
    let mail = match number % 10 {
        0 => Mail::unverified(&from),
        1 => Mail::unverified(&from).header("Authentication-Results", "mx.acme.example; dmarc=fail"),
        2 => Mail::authenticated(&from).header("Auto-Submitted", "auto-replied"),
        3 => Mail::authenticated(&from).header("List-Id", "<news.example.com>"),
        // What a stranger's server claims is not believed.
        4 => Mail::unverified(&from).header("Authentication-Results", "mx.evil.example; dmarc=pass"),
        _ => Mail::authenticated(&from),
    };
    (mail.subject(&format!("Flood {number}")), number % 10 > 4)
}

async fn a01_five_hundred_mails_are_five_hundred_contacts(store: Store) -> Result<()> {
    let Some(house) = House::build(Plan::on(store)).await? else { return Ok(()) };
    let _gateway = house.run().await?;
    for number in 0..500 {
        house.dovecot.deliver("support", &mail(number).0)?;
        if number % 50 == 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    house.exactly(500, 90).await?;
    let due = (0..500).filter(|number| mail(*number).1).count();
    house.until("every acknowledgment", 90, || house.sink.taken().len() >= due).await?;
    assert_eq!(house.sink.taken().len(), due);
    assert_at_most_one_each(&house);
    assert_no_gaps(&house);
    for number in 0..500 {
        let event = contact(&house, &format!("Flood {number}"))?;
        let expected = if mail(number).1 { "send" } else { "suppress" };
        assert_eq!(event["acknowledgment"]["decision"], expected, "{number}: {}", event["acknowledgment"]);
        assert_eq!(
            event["acknowledgment"]["reason"].is_null(),
            mail(number).1,
            "a suppression has its reason"
        );
    }
    Ok(())
}

async fn one_mail_end_to_end(store: Store) -> Result<()> {
    let Some(house) = House::build(Plan::on(store)).await? else { return Ok(()) };
    let _gateway = house.run().await?;
    // Let the door settle into waiting for news, so that what is measured is the waking.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mail = Mail::authenticated("ann@example.com").subject("Cannot log in");
    let delivered = Instant::now();
    house.dovecot.deliver("support", &mail)?;
    house.exactly(1, 20).await?;
    assert!(delivered.elapsed() < Duration::from_secs(5), "took {:?}", delivered.elapsed());
    let event = contact(&house, "Cannot log in")?;
    assert_eq!(event["inbox"], "support");
    assert_eq!((&event["channel"], &event["provider"]), (&"email".into(), &"imap".into()));
    assert_eq!(event["from"]["handle"], "ann@example.com");
    assert_eq!(event["from"]["assurance"], "authenticated");
    assert_eq!(event["ticket"]["placement"], "new");
    assert_eq!(event["decision"]["queue"], "general");
    assert_eq!(event["details"]["message_id"], mail.id());
    let raw = event["raw"]["href"].as_str().context("a link to the raw original")?;
    let original = reqwest::get(raw).await?.bytes().await?;
    assert_eq!(original, mail.bytes(), "the raw original is what was delivered");

    house.until("the acknowledgment", 20, || !sent_to(&house, "ann@example.com").is_empty()).await?;
    let sent = sent_to(&house, "ann@example.com");
    let acknowledgment = sent.first().context("an acknowledgment")?;
    assert_eq!(acknowledgment.from, "", "the null sender (RFC 3834)");
    assert_eq!(acknowledgment.header("Auto-Submitted").as_deref(), Some("auto-replied"));
    assert_eq!(acknowledgment.header("X-Auto-Response-Suppress").as_deref(), Some("All"));
    assert_eq!(acknowledgment.header("In-Reply-To").as_deref(), Some(mail.id()));
    let reference = event["ticket"]["reference"].as_str().context("a reference")?;
    let subject = acknowledgment.header("Subject").unwrap_or_default();
    assert!(subject.contains(&format!("[#{reference}]")), "{subject}");
    Ok(())
}
