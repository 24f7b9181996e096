//! The gateway is killed between a message and its acknowledgment, by webhook and where it asks for news: afterwards there is
//! one ticket, its sender was told at most once, and the core knows where it is not sure (A04, D01).

use crate::social_rows::{Row, rows};
use crate::social_stage::Stage;
use crate::support::assert_no_gaps;
use anyhow::{Context, Result, ensure};
use futures_util::future::join_all;
use lodge_e2e::{Gateway, Store};
use serde_json::json;

on_both_stores!(a04_killed_once_the_messages_are_taken, a04_killed_while_the_acknowledgments_are_under_way,);

/// A webhook whose sends can be repeated by accident, one whose API knows a repeat by its key, and one that is asked for news.
const KILLED: [&str; 3] = ["whatsapp", "line", "bluesky"];

async fn stage(store: Store) -> Result<Option<Stage>> {
    let some = rows().into_iter().filter(|row| KILLED.contains(&row.inbox)).collect();
    Stage::build(store, some).await
}

/// Waits for something of every row; the one that fails is named.
async fn each(stage: &Stage, what: &str, is_so: impl Fn(&Row) -> bool) -> Result<()> {
    let all = stage.rows.iter().map(|row| {
        let is_so = &is_so;
        async move { stage.house.until(&format!("{}: {what}", row.inbox), 180, || is_so(row)).await }
    });
    join_all(all).await.into_iter().collect()
}

async fn a04_killed_once_the_messages_are_taken(store: Store) -> Result<()> {
    let Some(stage) = stage(store).await? else { return Ok(()) };
    let gateway = stage.house.run().await?;
    // What is asked for comes in by itself: the webhooks go in once that was shown, and the end follows at once.
    let messages: Vec<_> = stage.rows.iter().map(|row| (row.message)()).collect();
    for calls in [false, true] {
        for (row, message) in stage.rows.iter().zip(&messages).filter(|(row, _)| row.calls == calls) {
            stage.deliver(row, message).await.with_context(|| format!("{}: the message", row.inbox))?;
        }
        each(&stage, "is asked", |row| row.calls || stage.was_asked(row)).await?;
    }
    afterwards(&stage, gateway, &messages).await
}

async fn a04_killed_while_the_acknowledgments_are_under_way(store: Store) -> Result<()> {
    let Some(stage) = stage(store).await? else { return Ok(()) };
    let gateway = stage.house.run().await?;
    stage.rows.iter().for_each(|row| stage.hold(row, true));
    let messages: Vec<_> = stage.rows.iter().map(|row| (row.message)()).collect();
    for (row, message) in stage.rows.iter().zip(&messages) {
        stage.deliver(row, message).await.with_context(|| format!("{}: the message", row.inbox))?;
    }
    each(&stage, "the acknowledgment is under way", |row| stage.sent(row).len() == 1).await?;
    afterwards(&stage, gateway, &messages).await?;
    // They took it over and could not say so: it is not sent again, and nobody pretends to know.
    for row in &stage.rows {
        ensure!(in_doubt(&stage, row), "{}: the core was not told of the doubt", row.inbox);
    }
    Ok(())
}

/// Kills it, starts it again, and lets the providers repeat everything.
async fn afterwards(stage: &Stage, gateway: Gateway, messages: &[crate::social_rows::Body]) -> Result<()> {
    gateway.kill()?;
    stage.rows.iter().for_each(|row| stage.hold(row, false));
    let mut gateway = stage.house.run().await?;
    for (row, message) in stage.rows.iter().zip(messages) {
        stage.deliver(row, message).await.with_context(|| format!("{}: the retry", row.inbox))?;
    }
    each(stage, "a ticket", |row| !stage.contacts(row).is_empty()).await?;
    let known = |row: &Row| answered(stage, row) || in_doubt(stage, row);
    each(stage, "an acknowledgment, or word that it is in doubt", known).await?;
    // As long as another look takes, and a second try would.
    stage.settle(3000).await;
    for row in &stage.rows {
        let (tickets, told) = (stage.contacts(row).len(), stage.sent(row).len());
        ensure!(tickets == 1, "{}: {tickets} tickets instead of one", row.inbox);
        ensure!(told <= 1, "{}: told {told} times", row.inbox);
    }
    ensure!(!gateway.has_ended()?, "the second run did not survive: {}", stage.house.log_text());
    assert_no_gaps(&stage.house);
    stage.audit()
}

/// Whether the API said that it took the acknowledgment over.
fn answered(stage: &Stage, row: &Row) -> bool {
    stage.sent(row).iter().any(|call| !call.answer.is_null())
}

/// Whether the core was told that nobody knows.
fn in_doubt(stage: &Stage, row: &Row) -> bool {
    let updates = stage.house.core.events_of("acknowledgment.updated");
    let mut contacts = stage.contacts(row).into_iter();
    contacts.any(|contact| {
        updates.iter().any(|update| update["of"] == contact["id"] && update["state"] == json!("in_doubt"))
    })
}
