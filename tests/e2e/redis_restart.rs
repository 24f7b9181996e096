//! The store's server dies under load and comes back: doors wait meanwhile, nothing is lost or doubled (F12), and the
//! gateway recovers by itself.

use crate::support::{assert_at_most_one_each, assert_no_gaps};
use anyhow::Result;
use lodge_e2e::{House, Mail, Plan, RedisServer, Store};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_restarts_under_load() -> Result<()> {
    let Some(mut house) = House::build(Plan::on(Store::Redis)).await? else { return Ok(()) };
    let mut gateway = house.run().await?;
    for number in 0..120 {
        let mail =
            Mail::authenticated(&format!("person{number}@example.com")).subject(&format!("Restart {number}"));
        house.dovecot.deliver("support", &mail)?;
        if number == 40 || number == 80 {
            if let Some(redis) = &mut house.redis {
                redis.kill()?;
            }
            not_ready(&house).await?;
            if let Some(redis) = &mut house.redis {
                redis.revive().await?;
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    house.exactly(120, 120).await?;
    assert!(!gateway.has_ended()?, "it survived");
    house.until("the acknowledgments", 120, || house.sink.taken().len() >= 100).await?;
    assert_at_most_one_each(&house);
    assert_no_gaps(&house);
    Ok(())
}

async fn not_ready(house: &House) -> Result<()> {
    for _ in 0..200 {
        let heard = house.desk()?.look("/readyz").await?;
        if heard.status == 503 {
            assert!(!heard.body.to_string().is_empty(), "it says why");
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("it still says that it can accept")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f19_an_evicting_redis_is_refused_at_the_start() -> Result<()> {
    let Some(mut house) = House::build(Plan::on(Store::Redis)).await? else { return Ok(()) };
    let folder = house.folder().join("evicting");
    house.redis = Some(
        RedisServer::start(&folder, &["--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"]).await?,
    );
    house.configure()?;
    let mut gateway = house.launch("")?;
    let status = gateway.wait(Duration::from_secs(20)).await?;
    assert!(!status.success());
    let log = house.log_text();
    assert!(log.contains("noeviction"), "it says what to set: {log}");
    assert!(!log.contains("panicked"), "{log}");
    Ok(())
}
