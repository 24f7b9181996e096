//! The guide in front of a chat: it says that it is a bot, answers from articles without a ticket, and hands over to a person
//! with one ticket of everything that was said.

use anyhow::{Context, Result};
use lodge_e2e::{Chat, House, Plan, Store};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

on_both_stores!(
    a_guide_answers_or_hands_over_with_one_ticket,
    what_an_article_answered_is_told_as_such_and_is_no_ticket,
);

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

/// Says `text`, which a guide answers and no ticket is made of, and waits for the end of what the guide says.
async fn tell_the_guide(chat: &mut Chat, id: &str, text: &str) -> Result<Value> {
    chat.send(&json!({"t": "message", "id": id, "text": text})).await?;
    let accepted = chat.until(|frame| frame["t"] == "accepted" && frame["id"] == id).await?;
    assert_eq!(accepted["reference"], Value::Null, "no ticket: {accepted}");
    let asks = |frame: &Value| from_bot(frame) && frame["seq"].as_u64() > accepted["seq"].as_u64();
    chat.until(asks).await
}

async fn what_an_article_answered_is_told_as_such_and_is_no_ticket(store: Store) -> Result<()> {
    let Some(house) = House::build(Plan::on(store).extra(INBOX)).await? else { return Ok(()) };
    furnish(house.folder())?;
    let gateway = house.run().await?;
    let mut chat = Chat::open(&gateway.public, "website", json!({"language": "en"})).await?;
    let forgot = "I forgot my password and cannot log in";
    tell_the_guide(&mut chat, "m-1", forgot).await?;
    let shown = chat.until(|frame| {
        from_bot(frame) && frame["text"].as_str().unwrap_or_default().contains("Forgot your password?")
    });
    shown.await.context("the article is shown")?;
    tell_the_guide(&mut chat, "m-2", "Yes").await?;
    let desk = house.desk()?;
    let answered = async || anyhow::Ok(desk.get("/v1/answered").await?.body["answered"].clone());
    let lines = answered().await?;
    let today = lodge_e2e::clock::now().strftime("%Y-%m-%d").to_string();
    assert_eq!(lines.as_array().map(Vec::len), Some(1), "{lines}");
    assert_eq!((&lines[0]["inbox"], &lines[0]["count"]), (&json!("website"), &json!(1)), "{lines}");
    let article = lines[0]["article"].as_str().context("an article")?.to_owned();
    assert!(article.contains("account"), "{article}");
    assert!(lines[0]["day"].as_str().unwrap_or_default() <= today.as_str());
    let metrics = reqwest::get(format!("{}/metrics", house.internal())).await?.text().await?;
    let line = format!("lodge_questions_answered_total{{inbox=\"website\",article=\"{article}\"}} 1");
    assert!(metrics.contains(&line), "{line}");
    assert!(!metrics.contains("password"), "nothing of what was asked (T57)");
    // Sent again, over a kill: the same answer, counted once.
    gateway.kill()?;
    let gateway = house.run().await?;
    let hello = json!({"session": chat.session, "after": 0});
    let mut again = Chat::open(&gateway.public, "website", hello).await?;
    again.send(&json!({"t": "message", "id": "m-2", "text": "Yes"})).await?;
    let accepted = again.until(|frame| frame["t"] == "accepted" && frame["id"] == "m-2").await?;
    assert_eq!(accepted["reference"], Value::Null);
    assert_eq!(answered().await?[0]["count"], 1);
    assert_eq!(desk.get("/v1/answered?since=2999-01-01").await?.body["answered"], json!([]));
    house.exactly(0, 5).await?;
    assert!(house.core.events().is_empty(), "no ticket, and nothing else either");
    // What they ask for later is a ticket, and says what was answered before.
    again.send(&json!({"t": "message", "id": "m-3", "text": "I want to talk to a human"})).await?;
    let handed = again.until(|frame| frame["t"] == "accepted" && frame["id"] == "m-3").await?;
    assert!(handed["reference"].is_string(), "{handed}");
    house.exactly(1, 20).await?;
    let contact = house.core.contacts().remove(0);
    assert_eq!(contact["details"]["guide"]["offered"][0]["accepted"], true);
    Ok(())
}
