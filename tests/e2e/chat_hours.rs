//! Nobody is there (H04): the chat says so and asks for an address, what is written is a ticket all the same, and the answer
//! goes by mail, in which the visitor goes on.

use anyhow::{Context, Result};
use lodge_e2e::{Chat, House, Plan, Store, clock};
use serde_json::{Value, json};

on_both_stores!(h04_out_of_hours_a_message_is_a_ticket_and_its_answer_a_mail);

/// The chat's tables, with hours on the day after tomorrow alone.
fn inbox() -> String {
    let today = clock::now().to_zoned(jiff::tz::TimeZone::UTC).weekday();
    let day = format!("{:?}", today.wrapping_add(2)).to_lowercase();
    format!(
        "[inbox.website.chat]\norigins = [\"https://www.acme.example\"]\ncontinue_by = \"support\"\ncontinue_after = 10\n\
         hours = \"office\"\nask = [\"name\", \"email\"]\n\n\
         [hours.office]\ntimezone = \"UTC\"\n{day} = [\"09:00-17:00\"]\n"
    )
}

async fn h04_out_of_hours_a_message_is_a_ticket_and_its_answer_a_mail(store: Store) -> Result<()> {
    let Some(house) = House::build(Plan::on(store).extra(&inbox())).await? else { return Ok(()) };
    let gateway = house.run().await?;
    let mut chat = Chat::open(&gateway.public, "website", json!({})).await?;
    let Value::Object(welcome) = &chat.welcome else { anyhow::bail!("{}", chat.welcome) };
    assert_eq!((&welcome["open"], &welcome["continued_by_mail"]), (&json!(false), &json!(true)));
    assert_eq!(welcome["ask"], json!(["name", "email"]));
    let opens: jiff::Timestamp = welcome["opens_at"].as_str().context("a time")?.parse()?;
    let hours = opens.duration_since(clock::now()).as_hours();
    assert!((9..=65).contains(&hours), "opens in {hours} h");
    // The form: the same hello, with what was typed.
    let (session, profile) = (chat.session.clone(), json!({"name": "Ann", "email": "ann@example.com"}));
    chat.hello(json!({"session": session, "after": 0, "profile": profile})).await?;
    let accepted = chat.say("m-1", "My lamp is broken").await?;
    let reference = accepted["reference"].as_str().context("a reference")?.to_owned();
    house.exactly(1, 20).await?;
    let contact = house.core.contacts().remove(0);
    assert_eq!(contact["from"]["name"], "Ann");
    assert_eq!(contact["details"]["claimed_email"], "ann@example.com");
    assert_eq!(contact["from"]["assurance"], "unverified", "what is typed proves nothing");
    drop(chat);
    assert!(house.sink.taken().is_empty(), "nothing goes to an address that only was typed (T36)");
    let heard = house.desk()?.reply(&reference, "Please send us a photo.", "k1").await?;
    assert_eq!(heard.status, 202, "{}", heard.body);
    house.until("the mail", 40, || !house.sink.taken().is_empty()).await?;
    let mail = house.sink.taken().remove(0);
    assert_eq!(mail.to, ["ann@example.com"]);
    assert!(String::from_utf8_lossy(&mail.raw).contains("Please send us a photo."));
    let id = mail.header("Message-ID").context("its id")?;
    let answer = lodge_e2e::Mail::authenticated("ann@example.com")
        .subject("Re: lamp")
        .answering(id.trim_matches(|c| c == '<' || c == '>'));
    house.dovecot.deliver("support", &answer)?;
    house.exactly(2, 30).await?;
    let contacts = house.core.contacts();
    let last = contacts.last().context("the answer")?;
    assert_eq!((&last["channel"], &last["ticket"]["reference"]), (&json!("email"), &json!(reference)));
    // Back in the chat, the answer stands there as well.
    let mut back = Chat::open(&gateway.public, "website", json!({"session": session, "after": 1})).await?;
    let told = back.until(|frame| frame["t"] == "message" && frame["from"] == "agent").await?;
    assert_eq!(told["text"], "Please send us a photo.");
    // The chat is shut although the conversation went on by mail (T07).
    let revoke = format!("/v1/conversations/{reference}/revoke");
    assert_eq!(house.desk()?.post(&revoke, &Value::Null, &[]).await?.status, 204);
    let refused = Chat::open(&gateway.public, "website", json!({"session": session})).await.err();
    assert!(refused.context("refused")?.to_string().contains("session_unknown"));
    Ok(())
}
