//! A core that cannot be called fetches its events by long poll (contract section 5).

use anyhow::{Context, Result};
use lodge_e2e::{House, Mail, Plan, Store};
use std::time::{Duration, Instant};

on_both_stores!(events_are_fetched_by_long_poll);

async fn events_are_fetched_by_long_poll(store: Store) -> Result<()> {
    let mut plan = Plan::on(store);
    plan.core = false;
    let Some(house) = House::build(plan).await? else { return Ok(()) };
    let _gateway = house.run().await?;
    let desk = house.desk()?;
    assert_eq!(desk.look("/v1/events").await?.status, 401, "unsigned");
    let empty = desk.get("/v1/events").await?;
    assert_eq!((empty.status, &empty.body["events"]), (200, &serde_json::json!([])));
    let start = empty.body["cursor"].as_str().context("a cursor, even without events")?.to_owned();

    let path = format!("/v1/events?after={start}&wait=20s");
    let asked = Instant::now();
    let (heard, delivered) = tokio::join!(desk.get(&path), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        for number in 0..3 {
            let mail = Mail::authenticated(&format!("person{number}@example.com"))
                .subject(&format!("Feed {number}"));
            house.dovecot.deliver("support", &mail)?;
        }
        anyhow::Ok(())
    });
    delivered?;
    let heard = heard?;
    let took = asked.elapsed();
    assert!(
        took > Duration::from_millis(400) && took < Duration::from_secs(15),
        "woken by the event, not before: {took:?}"
    );
    let first = heard.body["events"].as_array().context("events")?.clone();
    assert!(!first.is_empty(), "{}", heard.body);

    let mut seen = first;
    let mut cursor = heard.body["cursor"].as_str().context("a cursor")?.to_owned();
    while seen.len() < 3 {
        let more = desk.get(&format!("/v1/events?after={cursor}&wait=10s")).await?;
        let events = more.body["events"].as_array().context("events")?.clone();
        assert!(!events.is_empty(), "the others never came: {}", more.body);
        seen.extend(events);
        more.body["cursor"].as_str().context("a cursor")?.clone_into(&mut cursor);
    }
    assert_eq!(seen.len(), 3);
    assert!(
        seen.iter()
            .all(|event| event["schema"] == "lodge.ticket-event.v1" && event["type"] == "contact.accepted")
    );
    let again = desk.get(&format!("/v1/events?after={start}")).await?;
    assert_eq!(
        again.body["events"].as_array().context("events")?.first(),
        seen.first(),
        "asked again, the same again"
    );
    let whole = desk.get("/v1/events").await?;
    assert_eq!(whole.body["events"].as_array().map(Vec::len), Some(3), "without a cursor from the oldest");
    Ok(())
}
