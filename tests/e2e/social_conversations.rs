//! Every provider of messages from end to end, all of them in one running gateway: a message becomes one ticket, its sender
//! is told so once, a retry changes nothing, the agent's reply goes out and its fate comes home, and nothing of our own comes
//! back as a customer's words (G01, D02, F06, T13, T16). What differs between them stands in `social_rows.rs`.

use crate::social_rows::{Row, Told, rows};
use crate::social_stage::{Stage, digits};
use crate::support::{assert_no_gaps, ticket};
use anyhow::{Context, Result, ensure};
use futures_util::future::join_all;
use lodge_e2e::Store;
use lodge_e2e::signing::Signer;
use serde_json::Value;

on_both_stores!(g01_f06_every_provider_from_message_to_receipt);

const REPLY: &str = "We look into it";

async fn g01_f06_every_provider_from_message_to_receipt(store: Store) -> Result<()> {
    let Some(stage) = Stage::build(store, rows()).await? else { return Ok(()) };
    let _gateway = stage.house.run().await?;
    nobody_else_is_heard(&stage).await?;
    let all = stage.rows.iter().map(|row| async {
        converse(&stage, row).await.with_context(|| format!("{}: failed to play", row.inbox))
    });
    let faults: Vec<String> = join_all(all)
        .await
        .into_iter()
        .filter_map(|end| end.err().map(|error| format!("{error:#}")))
        .collect();
    assert!(faults.is_empty(), "{} of {} rows: {}", faults.len(), stage.rows.len(), faults.join("\n---\n"));
    // Looks and late retries have had their time: still each once.
    stage.settle(2500).await;
    for row in &stage.rows {
        let expected = if row.told == Told::Message { 2 } else { 1 };
        assert_eq!(stage.sent(row).len(), expected, "{}: sent", row.inbox);
        assert_eq!(stage.contacts(row).len(), 1, "{}: contacts", row.inbox);
    }
    assert_no_gaps(&stage.house);
    stage.audit()
}

/// Webhooks that somebody else signed, or nobody, are refused, and nothing comes of them.
async fn nobody_else_is_heard(stage: &Stage) -> Result<()> {
    let stranger = Signer::new("-of-a-stranger");
    for row in stage.rows.iter().filter(|row| row.calls) {
        for (how, signer) in [("forged", Some(&stranger)), ("unsigned", None)] {
            let status = stage.forge(row, &(row.message)(), signer).await?;
            ensure!(status == 401, "{}: {how}: answered {status}", row.inbox);
        }
    }
    stage.settle(1500).await;
    for row in &stage.rows {
        ensure!(stage.contacts(row).is_empty(), "{}: forged: became a ticket", row.inbox);
        ensure!(stage.sent(row).is_empty(), "{}: forged: was answered", row.inbox);
    }
    Ok(())
}

/// One conversation; the step that fails is named.
async fn converse(stage: &Stage, row: &Row) -> Result<()> {
    let message = (row.message)();
    let answer = stage.deliver(row, &message).await.context("the message")?;
    let contact = stage.ticket(row, 30).await.context("the message")?;
    understood(row, &contact).context("the ticket")?;
    told(stage, row, &contact, &answer).await.context("the acknowledgment")?;

    let again = stage.deliver(row, &message).await.context("the retry")?;
    ensure!(again == answer, "the retry: answered {again} instead of {answer}");

    let (call, id) = replied(stage, row, &contact).await.context("the reply")?;
    let sent = Stage::reply(row, &call, &id);
    for news in row.news {
        // Providers repeat these, too.
        for _ in 0..2 {
            stage.tell(row, &call, &(news.body)(&sent)).await.with_context(|| news.what.to_owned())?;
        }
    }
    let states = || stage.states(&id);
    let complete = || states().len() >= row.states.len();
    stage.house.until("word of the reply", 30, complete).await.context("the receipts")?;
    if let Some(echo) = row.echo {
        stage.deliver(row, &echo(&sent)).await.context("the echo")?;
    }
    stage.settle(1000).await;
    ensure!(states() == row.states, "the receipts: {:?} instead of {:?}", states(), row.states);
    let contacts = stage.contacts(row).len();
    ensure!(contacts == 1, "the retry and the echo: {contacts} contacts instead of one");
    Ok(())
}

/// The core sees who wrote and what.
fn understood(row: &Row, contact: &Value) -> Result<()> {
    ensure!(contact["channel"] == "social" && contact["provider"] == row.provider, "of {contact}");
    ensure!(contact["from"]["handle"] == row.handle, "from {}", contact["from"]);
    ensure!(contact["from"]["assurance"] == "authenticated", "believed {}", contact["from"]);
    let words = contact["body"]["text"].as_str().unwrap_or_default();
    ensure!(words.contains(row.words), "it says {words:?}");
    ensure!(ticket(contact, "placement") == "new", "placed {}", contact["ticket"]);
    let public = row.told == Told::Not;
    ensure!(contact["details"]["public"] == public, "public {}", contact["details"]);
    Ok(())
}

/// Who wrote is told the reference once, where that is not for everybody to read.
async fn told(stage: &Stage, row: &Row, contact: &Value, answer: &str) -> Result<()> {
    let decision = contact["acknowledgment"]["decision"].as_str().unwrap_or_default();
    let expected = match row.told {
        Told::Message => "send",
        Told::Answer => "inline",
        Told::Not => "suppress",
    };
    ensure!(decision == expected, "decided {}", contact["acknowledgment"]);
    if row.told == Told::Answer {
        let reference = ticket(contact, "reference");
        ensure!(digits(answer).contains(reference), "the answer says {answer}");
    }
    if row.told == Told::Message {
        stage.house.until("it", 30, || !stage.sent(row).is_empty()).await?;
        let call = &stage.sent(row)[0];
        ensure!(Stage::names(row, call, contact), "it says {}", call.text);
        ensure!(Stage::goes_to_them(row, call), "it goes to {} {}", call.path, call.text);
    }
    Ok(())
}

/// The agent's reply goes out by the provider's API, to the person who wrote; the call, and our id of it.
async fn replied(stage: &Stage, row: &Row, contact: &Value) -> Result<(lodge_e2e::provider::Call, String)> {
    let reference = ticket(contact, "reference");
    let heard = stage.house.desk()?.reply(reference, REPLY, &format!("reply to {}", row.inbox)).await?;
    ensure!(heard.status == 202, "answered {} {}", heard.status, heard.body);
    let id = heard.body["id"].as_str().context("it has no id")?.to_owned();
    let ours = |call: &lodge_e2e::provider::Call| {
        call.field(row.sends.words).is_some_and(|words| words.ends_with(REPLY)) && !call.answer.is_null()
    };
    stage.house.until("it", 30, || stage.sent(row).iter().any(ours)).await?;
    let call = stage.sent(row).into_iter().find(ours).context("it is gone")?;
    ensure!(Stage::goes_to_them(row, &call), "it goes to {} {}", call.path, call.text);
    stage.house.until("word that it is sent", 30, || !stage.states(&id).is_empty()).await?;
    Ok((call, id))
}
