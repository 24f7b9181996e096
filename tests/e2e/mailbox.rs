//! What Lodge does to a mailbox, and what a mailbox may do to Lodge (A05, A07, A08, A09, A12, A13, A17).

use crate::support::contact;
use anyhow::Result;
use lodge_e2e::{House, Mail, Plan, Store};
use std::time::{Duration, Instant};

on_both_stores!(a05_a_new_uidvalidity_doubles_nothing, a12_a_poison_mail_stops_nobody);

async fn a05_a_new_uidvalidity_doubles_nothing(store: Store) -> Result<()> {
    let Some(mut house) = House::build(Plan::on(store)).await? else { return Ok(()) };
    let _gateway = house.run().await?;
    for number in 0..5 {
        house
            .dovecot
            .deliver("support", &Mail::unverified("ann@example.com").subject(&format!("Old {number}")))?;
    }
    house.exactly(5, 30).await?;
    house.dovecot.kill()?;
    house.dovecot.forget_uids("support")?;
    house.dovecot.deliver("support", &Mail::unverified("ann@example.com").subject("New"))?;
    house.dovecot.revive().await?;
    house.exactly(6, 120).await?;
    assert!(contact(&house, "New").is_ok());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a07_a_mail_read_by_somebody_else_still_is_a_contact() -> Result<()> {
    let Some(house) = House::build(Plan::on(Store::Embedded)).await? else { return Ok(()) };
    house.dovecot.deliver("support", &Mail::unverified("ann@example.com").subject("Seen"))?;
    let maildir = house.dovecot.maildir("support");
    for entry in std::fs::read_dir(maildir.join("new"))? {
        let entry = entry?;
        let seen = format!("{}:2,S", entry.file_name().to_string_lossy());
        std::fs::rename(entry.path(), maildir.join("cur").join(seen))?;
    }
    let _gateway = house.run().await?;
    house.exactly(1, 20).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a09_each_after_policy_does_what_it_says() -> Result<()> {
    for after in ["keep", "seen", "move:Done", "delete"] {
        let mut plan = Plan::on(Store::Embedded);
        plan.after = after;
        let Some(house) = House::build(plan).await? else { return Ok(()) };
        let _gateway = house.run().await?;
        for number in 0..3 {
            house.dovecot.deliver(
                "support",
                &Mail::unverified("ann@example.com").subject(&format!("After {number}")),
            )?;
        }
        house.exactly(3, 20).await?;
        let maildir = house.dovecot.maildir("support");
        let moved =
            || ["new", "cur"].iter().map(|part| count(&maildir.join(".Done").join(part))).sum::<usize>();
        let (left, seen) = (
            || house.dovecot.mails("support").unwrap_or_default(),
            |name: &str| name.contains(":2,") && name.ends_with('S'),
        );
        let done = || match after {
            "keep" => left().len() == 3,
            "seen" => left().iter().filter(|(name, _)| flags(name).contains('S')).count() == 3,
            "delete" => left().is_empty(),
            _ => left().is_empty() && moved() == 3,
        };
        house.until(&format!("after = {after}"), 20, done).await?;
        if after == "keep" {
            assert!(left().iter().all(|(name, _)| !seen(name)), "keep leaves mails unread");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a17_a_first_start_takes_nothing_old() -> Result<()> {
    let mut plan = Plan::on(Store::Embedded);
    plan.start = "now";
    let Some(house) = House::build(plan).await? else { return Ok(()) };
    house.dovecot.deliver("support", &Mail::authenticated("ann@example.com").subject("Old"))?;
    let gateway = house.run().await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    house.dovecot.deliver("support", &Mail::authenticated("ann@example.com").subject("New"))?;
    house.exactly(1, 20).await?;
    assert!(contact(&house, "New").is_ok());
    // What arrives while it is down is not old.
    gateway.kill()?;
    house.dovecot.deliver("support", &Mail::authenticated("bob@example.com").subject("Meanwhile"))?;
    let _gateway = house.run().await?;
    house.exactly(2, 90).await
}

async fn a12_a_poison_mail_stops_nobody(store: Store) -> Result<()> {
    let Some(house) = House::build(Plan::on(store)).await? else { return Ok(()) };
    let _gateway = house.run().await?;
    let mut nested = Vec::new();
    for _ in 0..20_000 {
        nested.extend_from_slice(b"Content-Type: message/rfc822\r\n\r\n");
    }
    let poison: [&[u8]; 4] = [&[0; 4096], b"\r\n\r\n", b"\xff\xfe\xfd no mail at all", &nested];
    for raw in poison {
        house.dovecot.deliver_bytes("support", raw)?;
    }
    house.dovecot.deliver("support", &Mail::unverified("ann@example.com").subject("Behind the poison"))?;
    house.exactly(5, 90).await?;
    assert!(contact(&house, "Behind the poison").is_ok());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a13_a_mailbox_that_is_down_is_its_own_trouble() -> Result<()> {
    let Some(mut house) = House::build(Plan::on(Store::Embedded)).await? else { return Ok(()) };
    house.dovecot.mailbox("sales")?;
    let hung = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    let other = house.inbox("sales", "sales@acme.example", "sales");
    let imap = format!("port = {}\ntls = \"none\"\nusername = \"sales\"", house.dovecot.port());
    let port = hung.local_addr()?.port();
    house.plan.extra = other.replace(&imap, &format!("port = {port}\ntls = \"none\"\nusername = \"sales\""));
    house.configure()?;
    let _gateway = house.run().await?;
    house.dovecot.deliver("support", &Mail::unverified("ann@example.com").subject("Unaffected"))?;
    house.exactly(1, 20).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a14_two_gateways_share_a_mailbox_and_one_takes_over() -> Result<()> {
    let Some(house) = House::build(Plan::on(Store::Redis)).await? else { return Ok(()) };
    let first = house.run().await?;
    let mut second = house.run_second().await?;
    for number in 0..20 {
        house
            .dovecot
            .deliver("support", &Mail::unverified("ann@example.com").subject(&format!("Shared {number}")))?;
    }
    house.exactly(20, 30).await?;
    first.kill()?;
    house.dovecot.deliver("support", &Mail::unverified("ann@example.com").subject("After the first died"))?;
    let died = Instant::now();
    house.until("the second takes over", 75, || house.core.contact("After the first died").is_some()).await?;
    assert!(died.elapsed() < Duration::from_secs(60), "took {:?}", died.elapsed());
    house.exactly(21, 10).await?;
    assert!(!second.has_ended()?);
    Ok(())
}

fn count(folder: &std::path::Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

fn flags(name: &str) -> &str {
    name.split_once(":2,").map_or("", |(_, flags)| flags)
}
