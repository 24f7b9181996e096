//! Who joins a conversation (contract section 6): answers to what we sent do, guesses do not (C01–C06, T02, T03).

use crate::support::{contact, sent_to, ticket};
use anyhow::{Context, Result};
use lodge_e2e::{House, Mail, Plan, Store};

on_both_stores!(
    c01_answers_to_acknowledgments_and_agents_land_in_their_conversation,
    c02_a_forged_reference_never_joins,
    c04_empty_ids_match_nothing,
    c06_a_closed_conversation_reopens_within_its_window,
);

/// A house in which Ann has written and has her acknowledgment; and that mail, the reference, and the acknowledgment's id.
async fn with_ann(store: Store) -> Result<Option<(House, lodge_e2e::Gateway, Mail, String, String)>> {
    let Some(house) = House::build(Plan::on(store)).await? else { return Ok(None) };
    let gateway = house.run().await?;
    let first = Mail::authenticated("ann@example.com").subject("Broken lamp");
    house.dovecot.deliver("support", &first)?;
    house.exactly(1, 20).await?;
    house.until("the acknowledgment", 20, || !sent_to(&house, "ann@example.com").is_empty()).await?;
    let reference = ticket(&contact(&house, "Broken lamp")?, "reference").to_owned();
    let sent = sent_to(&house, "ann@example.com");
    let id = sent.first().and_then(|mail| mail.header("Message-ID")).context("the acknowledgment's id")?;
    Ok(Some((house, gateway, first, reference, id)))
}

async fn c01_answers_to_acknowledgments_and_agents_land_in_their_conversation(store: Store) -> Result<()> {
    let Some((house, _gateway, _, reference, acknowledgment)) = with_ann(store).await? else { return Ok(()) };
    let answer =
        Mail::authenticated("ann@example.com").subject("AW: it is urgent").answering(&acknowledgment);
    house.dovecot.deliver("support", &answer)?;
    house.exactly(2, 20).await?;
    let event = contact(&house, "AW: it is urgent")?;
    assert_eq!((ticket(&event, "reference"), ticket(&event, "placement")), (reference.as_str(), "appended"));

    let heard = house.desk()?.reply(&reference, "We send a new one.", "key-1").await?;
    assert_eq!(heard.status, 202, "{}", heard.body);
    house.until("the agent's reply", 20, || sent_to(&house, "ann@example.com").len() >= 2).await?;
    let sent = sent_to(&house, "ann@example.com");
    let reply = sent.last().and_then(|mail| mail.header("Message-ID")).context("the reply's id")?;
    // From another address of hers: the id that we signed is enough, and the newcomer is pointed out.
    let other = Mail::authenticated("ann.private@example.net").subject("Re: thanks").answering(&reply);
    house.dovecot.deliver("support", &other)?;
    house.exactly(3, 20).await?;
    let event = contact(&house, "Re: thanks")?;
    assert_eq!(ticket(&event, "reference"), reference);
    assert!(
        event["flags"].as_array().is_some_and(|flags| flags.contains(&"new_participant".into())),
        "{event}"
    );
    assert_eq!(sent_to(&house, "ann@example.com").len(), 2, "one acknowledgment a conversation");
    Ok(())
}

async fn c02_a_forged_reference_never_joins(store: Store) -> Result<()> {
    let Some((house, _gateway, first, reference, signed)) = with_ann(store).await? else { return Ok(()) };
    // One letter of the signature changed: the id is ours no longer (T03, C10).
    let bent = bend(&signed);
    let strangers = [
        ("t03 a bent id of ours", Mail::authenticated("eve@example.net").answering(&bent)),
        ("c02 a known id", Mail::authenticated("eve@example.net").answering(first.id())),
        (
            "t02 spoofed sender",
            Mail::unverified("ann@example.com").answering(first.id()).header("Cc", "eve@example.net"),
        ),
        (
            "t02 failed sender",
            Mail::unverified("ann@example.com")
                .header("Authentication-Results", "mx.acme.example; dmarc=fail header.from=example.com")
                .answering(first.id()),
        ),
    ];
    for (subject, mail) in &strangers {
        house.dovecot.deliver("support", &mail.clone().subject(subject))?;
    }
    let by_subject = format!("c03 [#{reference}] a reference alone");
    house.dovecot.deliver("support", &Mail::authenticated("eve@example.net").subject(&by_subject))?;
    house.exactly(6, 30).await?;
    let subjects = strangers.iter().map(|(subject, _)| *subject).chain([by_subject.as_str()]);
    for subject in subjects {
        let event = contact(&house, subject)?;
        assert_ne!(ticket(&event, "reference"), reference, "{subject} joined");
        assert_eq!(ticket(&event, "placement"), "new", "{subject}");
    }
    for subject in ["c02 a known id", by_subject.as_str(), "t02 failed sender"] {
        let event = contact(&house, subject)?;
        assert_eq!(ticket(&event, "suggested_parent"), reference, "{subject}: {}", event["ticket"]);
    }
    // The spoofed mail's Cc brought nobody in: Eve still is a stranger.
    let again = format!("Re: [#{reference}] now I am in copy");
    house.dovecot.deliver("support", &Mail::authenticated("eve@example.net").subject(&again))?;
    house.exactly(7, 20).await?;
    assert_ne!(ticket(&contact(&house, &again)?, "reference"), reference);
    // Ann herself, whose sender is vouched for, joins by either.
    let hers = format!("Re: [#{reference}] by its number");
    house.dovecot.deliver("support", &Mail::authenticated("ann@example.com").subject(&hers))?;
    house.dovecot.deliver(
        "support",
        &Mail::authenticated("ann@example.com").subject("by its id").answering(first.id()),
    )?;
    house.exactly(9, 20).await?;
    assert_eq!(ticket(&contact(&house, &hers)?, "reference"), reference);
    assert_eq!(ticket(&contact(&house, "by its id")?, "reference"), reference);
    Ok(())
}

async fn c04_empty_ids_match_nothing(store: Store) -> Result<()> {
    let Some(house) = House::build(Plan::on(store)).await? else { return Ok(()) };
    let _gateway = house.run().await?;
    for (number, id) in ["<>", "< >", "<@>", "", "<>"].into_iter().enumerate() {
        let mail = Mail::authenticated("ann@example.com").subject(&format!("Empty {number}"));
        house.dovecot.deliver("support", &mail.message_id(id).answering(id))?;
    }
    house.exactly(5, 30).await?;
    let mut references: Vec<_> =
        house.core.contacts().iter().map(|event| ticket(event, "reference").to_owned()).collect();
    references.sort();
    references.dedup();
    assert_eq!(references.len(), 5, "five mails, five conversations");
    Ok(())
}

async fn c06_a_closed_conversation_reopens_within_its_window(store: Store) -> Result<()> {
    let Some((house, _gateway, _, reference, acknowledgment)) = with_ann(store).await? else { return Ok(()) };
    let path = format!("/v1/conversations/{reference}/status");
    let heard = house.desk()?.put(&path, &serde_json::json!({"status": "closed", "ticket": "T-1"})).await?;
    assert!((200..300).contains(&heard.status), "{} {}", heard.status, heard.body);
    let machine = Mail::authenticated("ann@example.com").subject("I am away").answering(&acknowledgment);
    house.dovecot.deliver("support", &machine.header("Auto-Submitted", "auto-replied"))?;
    house.exactly(2, 20).await?;
    assert_eq!(contact(&house, "I am away")?["ticket"]["reopens"], false, "a machine never reopens");
    let person = Mail::authenticated("ann@example.com").subject("Still broken").answering(&acknowledgment);
    house.dovecot.deliver("support", &person)?;
    house.exactly(3, 20).await?;
    let event = contact(&house, "Still broken")?;
    assert_eq!(
        (ticket(&event, "reference"), &event["ticket"]["reopens"]),
        (reference.as_str(), &true.into())
    );
    Ok(())
}

/// `<token@host>` with one letter in the middle of the token changed.
fn bend(id: &str) -> String {
    let token_length = id.find('@').unwrap_or(id.len());
    let mut letters: Vec<char> = id.chars().collect();
    if let Some(letter) = letters.get_mut(token_length / 2) {
        *letter = if *letter == 'b' { 'c' } else { 'b' };
    }
    letters.into_iter().collect()
}
