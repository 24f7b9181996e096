//! The guide in front of a chat: it says that it is a bot, answers from articles without a ticket, and hands over to a person
//! with one ticket of everything that was said.

use anyhow::{Context, Result};
use lodge_e2e::{Chat, House, Plan, Store};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

on_both_stores!(a_guide_answers_or_hands_over_with_one_ticket);

const INBOX: &str = "[inbox.website.chat]\norigins = [\"https://www.acme.example\"]\nguide = \"website\"\n\
                     articles = \"articles\"\n";

/// Puts the shipped guide and articles beside the configuration.
fn furnish(folder: &Path) -> Result<()> {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    fs::create_dir_all(folder.join("guides"))?;
    fs::copy(shipped.join("guides/website.toml"), folder.join("guides/website.toml"))?;
    for language in ["en", "de"] {
        let to = folder.join("articles").join(language);
        fs::create_dir_all(&to)?;
        for file in fs::read_dir(shipped.join("articles").join(language))? {
            let file = file?;
            fs::copy(file.path(), to.join(file.file_name()))?;
        }
    }
    Ok(())
}

fn from_bot(frame: &Value) -> bool {
    frame["t"] == "message" && frame["from"] == "bot"
}

async fn a_guide_answers_or_hands_over_with_one_ticket(store: Store) -> Result<()> {
    let Some(house) = House::build(Plan::on(store).extra(INBOX)).await? else { return Ok(()) };
    furnish(house.folder())?;
    let gateway = house.run().await?;
    let mut chat = Chat::open(&gateway.public, "website", json!({"language": "en"})).await?;
    chat.send(&json!({"t": "message", "id": "m-1", "text": "My lamp flickers"})).await?;
    let accepted = chat.until(|frame| frame["t"] == "accepted").await?;
    assert_eq!((&accepted["seq"], &accepted["reference"]), (&json!(1), &Value::Null), "no ticket yet");
    let line = chat.until(from_bot).await?;
    assert!(
        line["text"].as_str().unwrap_or_default().to_lowercase().contains("bot"),
        "it says what it is: {line}"
    );
    chat.send(&json!({"t": "message", "id": "m-1", "text": "My lamp flickers"})).await?;
    assert_eq!(chat.until(|frame| frame["t"] == "accepted").await?["seq"], 1, "a resend is answered alike");
    let session = chat.session.clone();
    gateway.kill()?;
    let gateway = house.run().await?;
    let mut chat = Chat::open(&gateway.public, "website", json!({"session": session, "after": 0})).await?;
    chat.send(&json!({"t": "message", "id": "m-2", "text": "I want to talk to a human"})).await?;
    let handed = chat.until(|frame| frame["t"] == "accepted" && frame["id"] == "m-2").await?;
    let reference = handed["reference"].as_str().context("a ticket now")?.to_owned();
    house.exactly(1, 20).await?;
    let contact = house.core.contacts().remove(0);
    assert_eq!(contact["ticket"]["reference"], json!(reference));
    let text = contact["body"]["text"].as_str().unwrap_or_default();
    assert!(text.contains("My lamp flickers") && text.contains("human"), "{text}");
    assert_eq!(contact["details"]["guide"]["reason"], "asked_for_a_person");
    let after = chat.say("m-3", "Are you there?").await?;
    assert_eq!(after["reference"], json!(reference));
    house.exactly(2, 20).await?;
    let mut seqs = Vec::new();
    let mut all = Chat::open(&gateway.public, "website", json!({"session": session, "after": 0})).await?;
    let last = all.welcome["seq"].as_u64().context("a number")?;
    while seqs.len() < usize::try_from(last)? {
        seqs.push(all.until(|frame| frame["t"] == "message").await?["seq"].as_u64().unwrap_or_default());
    }
    assert_eq!(seqs, (1..=last).collect::<Vec<_>>(), "everything once, in order");
    Ok(())
}
