//! The process dies at every labelled point (crash points C1–C25): afterwards the core has exactly one event a contact, in
//! order, and nobody has two acknowledgments (A04, D01, F1 of the fault matrix).

use crate::support::{assert_at_most_one_each, sent_to, ticket};
use anyhow::{Context, Result, bail};
use lodge_e2e::{House, Mail, Plan, Store};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use tokio::task::JoinSet;

on_both_stores!(a04_a_crash_at_any_point_loses_and_doubles_nothing);

/// A point, and on which of its passes the process dies.
type Point = (&'static str, u32);

const EVERYWHERE: &[Point] = &[
    ("c1-mail-fetched", 1),
    ("c4-mail-parsing", 1),
    ("c29-blob-written", 1),
    ("c29-mail-blobs-put", 1),
    ("c3-mail-parsed", 1),
    ("c12-mail-accepted", 1),
    ("c12b-mail-cursor-saved", 1),
    ("c13-mail-flagged", 1),
    ("c17-forward-before-send", 2),
    ("c18-forward-sent", 1),
    ("c18-forward-sent", 4),
    ("c19-forward-before-settle", 1),
    ("c22-acknowledgment-marked", 1),
    ("c23-acknowledgment-sent", 2),
];
const EMBEDDED: &[Point] = &[
    ("c2-accept-before-commit", 1),
    ("c7-accept-after-commit", 1),
    ("c25-settle-before-commit", 1),
    ("c25-settle-before-commit", 3),
    ("c20-settle-after-commit", 1),
    ("c20-settle-after-commit", 4),
];
const REDIS: &[Point] = &[
    ("c5-accept-before-script", 1),
    ("c6-accept-after-script", 1),
    ("c25-settle-before-script", 1),
    ("c25-settle-before-script", 3),
    ("c20-settle-after-script", 1),
    ("c20-settle-after-script", 4),
];

/// How many houses stand at a time: nearly all of it is waiting for the leases of the dead to end.
const TOGETHER: usize = 20;

/// People who write, one of them three times.
const PEOPLE: usize = 5;
const CONTACTS: usize = PEOPLE + 2;

async fn a04_a_crash_at_any_point_loses_and_doubles_nothing(store: Store) -> Result<()> {
    let own = if store == Store::Embedded { EMBEDDED } else { REDIS };
    let mut waiting: Vec<Point> = [EVERYWHERE, own].concat();
    let mut running = JoinSet::new();
    let mut faults = Vec::new();
    while !waiting.is_empty() || !running.is_empty() {
        while running.len() < TOGETHER
            && let Some(point) = waiting.pop()
        {
            running.spawn(async move {
                crash(store, point).await.with_context(|| format!("{}={}", point.0, point.1))
            });
        }
        match running.join_next().await {
            Some(Ok(Ok(()))) | None => {}
            Some(Ok(Err(fault))) => faults.push(format!("{fault:#}")),
            Some(Err(panic)) => faults.push(panic.to_string()),
        }
    }
    assert!(faults.is_empty(), "{} points: {}", faults.len(), faults.join("\n---\n"));
    Ok(())
}

async fn crash(store: Store, (name, pass): Point) -> Result<()> {
    let mut plan = Plan::on(store);
    if name == "c13-mail-flagged" {
        plan.after = "move:Done";
    }
    let Some(house) = House::build(plan).await? else { return Ok(()) };
    house.move_in().await?;
    deliver(&house)?;
    let mut gateway = house.launch(&format!("{name}={pass}*exit"))?;
    gateway.wait(Duration::from_secs(60)).await.context("the point was never passed")?;
    drop(gateway);

    let mut gateway = house.run().await?;
    house.exactly(CONTACTS, 180).await?;
    house.until("word of every acknowledgment", 180, || heard_of(&house).len() >= PEOPLE).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_at_most_one_each(&house);
    check_order(&house)?;
    if gateway.has_ended()? {
        bail!("the second run did not survive: {}", house.log_text());
    }
    Ok(())
}

/// Who has an acknowledgment, or of whom the core was told that theirs may have been under way when the process died:
/// such a one is never repeated.
fn heard_of(house: &House) -> BTreeSet<String> {
    let doubtful = house.core.events_of("acknowledgment.updated");
    let senders = house.core.contacts().into_iter().filter(|contact| {
        doubtful.iter().any(|update| update["of"] == contact["id"] && update["state"] == "in_doubt")
    });
    let senders = senders.filter_map(|contact| contact["from"]["handle"].as_str().map(ToOwned::to_owned));
    house.sink.taken().into_iter().flat_map(|mail| mail.to).chain(senders).collect()
}

fn deliver(house: &House) -> Result<()> {
    let first = Mail::authenticated("ann@example.com").subject("Ann 1");
    house.dovecot.deliver("support", &first)?;
    for number in 1..PEOPLE {
        let from = format!("person{number}@example.com");
        house.dovecot.deliver("support", &Mail::authenticated(&from).subject(&format!("Person {number}")))?;
    }
    for number in [2, 3] {
        let more =
            Mail::authenticated("ann@example.com").subject(&format!("Ann {number}")).answering(first.id());
        house.dovecot.deliver("support", &more)?;
    }
    Ok(())
}

/// Ann's three are one conversation, in the order in which they were accepted; the core checked the order of arrival.
fn check_order(house: &House) -> Result<()> {
    let of_ann: Vec<_> = house
        .core
        .contacts()
        .into_iter()
        .filter(|event| event["from"]["handle"] == "ann@example.com")
        .collect();
    let mut conversations: Vec<_> = of_ann.iter().map(|event| ticket(event, "conversation")).collect();
    conversations.dedup();
    if conversations.len() != 1 || of_ann.len() != 3 {
        bail!("Ann's mails are {} in conversations {conversations:?}", of_ann.len());
    }
    let sequences: Vec<_> = of_ann.iter().filter_map(|event| event["ticket"]["sequence"].as_u64()).collect();
    if !sequences.is_sorted() || sequences.first() != Some(&1) {
        bail!("Ann's mails came as {sequences:?}");
    }
    if sent_to(house, "ann@example.com").len() > 1 {
        bail!("Ann has two acknowledgments");
    }
    house.core.audit()
}

/// Points whose crash the doors' own tests play: copying happens only on servers without MOVE, and news that are asked for
/// are accepted before their mark is kept (there the mark is put back, which is what such a death leaves).
const ELSEWHERE: &[&str] = &["c14-mail-copied", "c12-news-accepted"];

#[test]
fn every_point_in_the_code_is_died_at() -> Result<()> {
    let mut files = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates")];
    let played: Vec<&str> = [EVERYWHERE, EMBEDDED, REDIS]
        .concat()
        .iter()
        .map(|(name, _)| *name)
        .chain(ELSEWHERE.iter().copied())
        .collect();
    let mut found = BTreeSet::new();
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(&path)?.filter_map(|entry| entry.ok().map(|entry| entry.path())));
        } else if path.extension().is_some_and(|ending| ending == "rs")
            && path.components().any(|part| part.as_os_str() == "src")
        {
            let text = std::fs::read_to_string(&path)?;
            for call in ["failpoint::pass(\"", "failpoint::fails_at(\"", "pass(\"c", "fails_at(\"c"] {
                let names = text.split(call).skip(1).filter_map(|rest| rest.split('"').next());
                found.extend(
                    names.map(|name| if call.ends_with('c') { format!("c{name}") } else { name.to_owned() }),
                );
            }
        }
    }
    let forgotten: Vec<_> = found.iter().filter(|name| !played.contains(&name.as_str())).collect();
    assert!(forgotten.is_empty(), "nobody dies at {forgotten:?}");
    assert!(found.len() >= 15, "{found:?}");
    Ok(())
}
