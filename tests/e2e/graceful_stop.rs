//! SIGTERM stops softly within 30 s, a second one at once; what was under way is there after the next start (J17).

use crate::support::{assert_at_most_one_each, assert_no_gaps};
use anyhow::Result;
use lodge_e2e::{Answer, House, Mail, Plan, Store};
use std::time::{Duration, Instant};

on_both_stores!(j17_a_soft_stop_under_load_loses_nothing, j17_a_second_signal_stops_at_once);

fn write(house: &House, numbers: std::ops::Range<usize>) -> Result<()> {
    for number in numbers {
        let mail =
            Mail::authenticated(&format!("person{number}@example.com")).subject(&format!("Stop {number}"));
        house.dovecot.deliver("support", &mail)?;
    }
    Ok(())
}

async fn j17_a_soft_stop_under_load_loses_nothing(store: Store) -> Result<()> {
    let Some(house) = House::build(Plan::on(store)).await? else { return Ok(()) };
    let mut gateway = house.run().await?;
    write(&house, 0..60)?;
    house.until("some contacts", 20, || house.core.contacts().len() > 5).await?;
    let asked = Instant::now();
    gateway.signal("TERM")?;
    let status = gateway.wait(Duration::from_secs(32)).await?;
    assert_eq!(status.code(), Some(0), "{}", house.log_text());
    println!("stopped softly after {:?}", asked.elapsed());
    write(&house, 60..80)?;
    let _gateway = house.run().await?;
    house.exactly(80, 90).await?;
    house.until("the acknowledgments", 90, || house.sink.taken().len() >= 80).await?;
    assert_at_most_one_each(&house);
    assert_no_gaps(&house);
    Ok(())
}

async fn j17_a_second_signal_stops_at_once(store: Store) -> Result<()> {
    let Some(house) = House::build(Plan::on(store)).await? else { return Ok(()) };
    let mut gateway = house.run().await?;
    house.core.always(Answer::Slow(Duration::from_secs(8)));
    write(&house, 0..3)?;
    house.until("an attempt", 20, || !house.core.attempts().is_empty()).await?;
    gateway.signal("TERM")?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!gateway.has_ended()?, "the first signal waits for what is under way");
    let asked = Instant::now();
    gateway.signal("TERM")?;
    gateway.wait(Duration::from_secs(5)).await?;
    assert!(asked.elapsed() < Duration::from_secs(3), "took {:?}", asked.elapsed());
    house.core.relent();
    let _gateway = house.run().await?;
    house.exactly(3, 200).await
}
