//! The core is down, slow, refuses, or dies after having processed: nothing is lost, nothing doubled, doors and
//! acknowledgments do not notice, and the operator can see it (D06, E10, F28–F32, J05).

use crate::support::{assert_no_gaps, contact};
use anyhow::Result;
use lodge_e2e::{Answer, House, Mail, Plan, Store};
use std::time::Duration;

on_both_stores!(
    an_outage_delays_tickets_and_nothing_else,
    a_refused_signature_pauses_forwarding_loudly,
    one_bad_event_holds_up_nobody_else,
);

fn write(house: &House, person: &str, subject: &str) -> Result<()> {
    house.dovecot.deliver("support", &Mail::authenticated(&format!("{person}@example.com")).subject(subject))
}

async fn an_outage_delays_tickets_and_nothing_else(store: Store) -> Result<()> {
    let Some(house) = House::build(Plan::on(store)).await? else { return Ok(()) };
    let _gateway = house.run().await?;
    let ways = [
        Answer::Reset,
        Answer::Refuse(500),
        Answer::RetryAfter(503, 1),
        Answer::TakeAndReset,
        Answer::Slow(Duration::from_secs(2)),
    ];
    for (number, way) in ways.iter().enumerate() {
        house.core.next(way, 2);
        write(&house, &format!("person{number}"), &format!("Outage {number}"))?;
    }
    house.exactly(ways.len(), 60).await?;
    house.core.always(Answer::Reset);
    for number in 0..5 {
        write(&house, &format!("later{number}"), &format!("Down {number}"))?;
    }
    house
        .until("acknowledgments in spite of the outage", 30, || house.sink.taken().len() >= ways.len() + 5)
        .await?;
    assert_eq!(house.core.contacts().len(), ways.len());
    house.core.relent();
    house.exactly(ways.len() + 5, 60).await?;
    let letters = house.command(&["dead-letters", "list", "--json"], b"").await?;
    assert_eq!(letters.json()?, serde_json::json!([]), "an outage makes no dead letters");
    assert_no_gaps(&house);
    Ok(())
}

async fn a_refused_signature_pauses_forwarding_loudly(store: Store) -> Result<()> {
    let Some(house) = House::build(Plan::on(store)).await? else { return Ok(()) };
    let _gateway = house.run().await?;
    house.core.always(Answer::Refuse(401));
    write(&house, "ann", "Wrong secret")?;
    house.until("an attempt", 20, || !house.core.attempts().is_empty()).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let desk = house.desk()?;
    let ready = desk.look("/readyz").await?;
    assert_eq!(ready.status, 200, "contacts are still accepted: {}", ready.body);
    assert!(ready.body.to_string().contains("forward"), "the paused lane is named: {}", ready.body);
    let metrics = desk.look("/metrics").await?.body.as_str().unwrap_or_default().to_owned();
    let parked = metrics.lines().find(|line| line.contains("lane_parked") && line.contains("forward"));
    assert!(parked.is_some_and(|line| line.trim_end().ends_with(" 1")), "{parked:?}");
    house.core.relent();
    house.exactly(1, 60).await
}

async fn one_bad_event_holds_up_nobody_else(store: Store) -> Result<()> {
    let Some(house) = House::build(Plan::on(store)).await? else { return Ok(()) };
    let _gateway = house.run().await?;
    house.core.whenever("Poisonous subject", Answer::Refuse(500));
    write(&house, "eve", "Poisonous subject")?;
    for number in 0..10 {
        write(&house, &format!("person{number}"), &format!("Fine {number}"))?;
    }
    house.until("the others", 30, || house.core.contacts().len() >= 10).await?;
    assert!(house.core.contact("Poisonous subject").is_none());
    house.core.relent();
    house.exactly(11, 60).await?;
    let event = contact(&house, "Poisonous subject")?;
    let attempts =
        house.core.attempts().into_iter().filter(|attempt| event["id"] == attempt.id.as_str()).count();
    assert!((2..12).contains(&attempts), "{attempts} attempts: neither given up nor hammered");
    Ok(())
}
