//! The other commands, beside a running gateway and without one (contract section 2).

use crate::support::{contact, sent_to, ticket};
use anyhow::{Context, Result};
use lodge_e2e::{Answer, House, Mail, Plan, Store};
use std::fs;

on_both_stores!(
    a19_a_pipe_is_durable_when_it_ends,
    an_archive_is_ingested_once_and_unanswered,
    j09_a_trace_tells_all
);

async fn a19_a_pipe_is_durable_when_it_ends(store: Store) -> Result<()> {
    let Some(house) = House::build(Plan::on(store)).await? else { return Ok(()) };
    let mail = Mail::authenticated("ann@example.com").subject("Piped");
    let piped = house.command(&["pipe", "--inbox", "support"], &mail.bytes()).await?;
    assert_eq!((piped.code, piped.stdout.as_str()), (0, ""), "{}", piped.stderr);
    let again = house.command(&["pipe", "--inbox", "support"], &mail.bytes()).await?;
    assert_eq!(again.code, 0, "a repeat is as good: {}", again.stderr);
    assert_eq!(house.command(&["pipe", "--inbox", "nobody"], &mail.bytes()).await?.code, 2);
    assert_eq!(house.command(&["pipe"], b"").await?.code, 2);
    let _gateway = house.run().await?;
    house.exactly(1, 30).await?;
    let beside = Mail::authenticated("bob@example.com").subject("Beside");
    assert_eq!(house.command(&["pipe", "--inbox", "support"], &beside.bytes()).await?.code, 0);
    house.exactly(2, 15).await?;
    // The same mail in the mailbox is the same contact.
    house.dovecot.deliver("support", &mail)?;
    house.dovecot.deliver("support", &Mail::unverified("cid@example.com").subject("Another"))?;
    house.exactly(3, 20).await
}

async fn an_archive_is_ingested_once_and_unanswered(store: Store) -> Result<()> {
    let Some(house) = House::build(Plan::on(store)).await? else { return Ok(()) };
    let archive = house.folder().join("archive");
    fs::create_dir_all(&archive)?;
    for number in 0..20 {
        let mail = Mail::authenticated(&format!("person{number}@example.com"))
            .subject(&format!("Archived {number}"));
        fs::write(archive.join(format!("{number:02}.eml")), mail.bytes())?;
    }
    let mbox = house.folder().join("old.mbox");
    let letter = Mail::authenticated("mbox@example.com").subject("From an mbox").bytes();
    fs::write(&mbox, [b"From mbox@example.com Sat Nov 21 09:00:00 2026\n", letter.as_slice()].concat())?;
    let _gateway = house.run().await?;
    let paths = [archive.to_string_lossy().into_owned(), mbox.to_string_lossy().into_owned()];
    let arguments = ["ingest", "--inbox", "support", paths[0].as_str(), paths[1].as_str()];
    for _ in 0..2 {
        let output = house.command(&arguments, b"").await?;
        assert_eq!(output.code, 0, "{}", output.stderr);
    }
    house.exactly(21, 40).await?;
    assert!(house.sink.taken().is_empty(), "an archive is not answered (E09)");
    assert_eq!(contact(&house, "Archived 7")?["acknowledgment"]["decision"], "suppress");
    Ok(())
}

async fn j09_a_trace_tells_all(store: Store) -> Result<()> {
    let Some(house) = House::build(Plan::on(store)).await? else { return Ok(()) };
    let gateway = house.run().await?;
    let mail = Mail::authenticated("ann@example.com").subject("Traced");
    house.dovecot.deliver("support", &mail)?;
    house.exactly(1, 20).await?;
    house.until("the acknowledgment", 20, || !sent_to(&house, "ann@example.com").is_empty()).await?;
    let event = contact(&house, "Traced")?;
    let id = event["id"].as_str().context("an id")?;
    let grouped = ticket(&event, "reference").to_owned();
    for key in [grouped.as_str(), id, mail.id(), mail.id().trim_matches(['<', '>'])] {
        let text = house.command(&["trace", key], b"").await?;
        assert_eq!(text.code, 0, "{key}: {}", text.stderr);
        assert!(text.stdout.contains(id), "{key}: {}", text.stdout);
        assert!(house.command(&["trace", key, "--json"], b"").await?.json()?.to_string().contains(id));
    }
    let history = house.desk()?.get(&format!("/v1/conversations/{grouped}")).await?;
    assert_eq!(history.status, 200, "{}", history.body);
    assert!(history.body.to_string().contains(id), "{}", history.body);
    drop(gateway);
    assert_eq!(house.command(&["trace", id], b"").await?.code, 0, "without a running gateway");
    assert_eq!(house.command(&["trace", "nothing-like-it"], b"").await?.code, 1);
    let inspect = house.command(&["store", "inspect", "--json"], b"").await?;
    assert_eq!(inspect.code, 0, "{}", inspect.stderr);
    inspect.json().map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn normalize_prints_events_in_order_and_stores_nothing() -> Result<()> {
    let Some(house) = House::build(Plan::on(Store::Embedded)).await? else { return Ok(()) };
    let first = Mail::authenticated("ann@example.com").subject("First");
    let second = Mail::authenticated("ann@example.com").subject("Second").answering(first.id());
    let one = house.command(&["normalize", "--channel", "email", "-"], &first.bytes()).await?;
    assert_eq!(one.code, 0, "{}", one.stderr);
    assert_eq!(one.json()?["subject"], "First");
    let mut list = String::new();
    for (name, mail) in [("1.eml", &first), ("2.eml", &second)] {
        let path = house.folder().join(name);
        fs::write(&path, mail.bytes())?;
        list.push_str(&format!("{}\n", path.display()));
    }
    for (arguments, placement) in [(&["--batch"][..], "new"), (&["--batch", "--together"][..], "appended")] {
        let output = house
            .command(&[&["normalize", "--channel", "email"], arguments].concat(), list.as_bytes())
            .await?;
        assert_eq!(output.code, 0, "{}", output.stderr);
        let events: Vec<serde_json::Value> =
            output.stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        let subjects: Vec<_> =
            events.iter().map(|event| event["subject"].as_str().unwrap_or_default()).collect();
        assert_eq!(subjects, ["First", "Second"]);
        assert_eq!(events[1]["ticket"]["placement"], placement, "{arguments:?}");
        assert_eq!(events[0]["id"], one.json()?["id"], "ids are derived");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemas_and_reference_are_printed_and_every_command_has_help() -> Result<()> {
    let Some(house) = House::build(Plan::on(Store::Embedded)).await? else { return Ok(()) };
    for what in ["ticket-event", "config"] {
        assert!(house.command(&["schema", what], b"").await?.json()?.is_object());
    }
    assert!(house.command(&["config-reference"], b"").await?.stdout.contains("imap"));
    let commands =
        ["demo", "run", "check", "normalize", "ingest", "pipe", "trace", "dead-letters", "schema", "store"];
    for command in commands {
        let help = house.command(&[command, "--help"], b"").await?;
        assert_eq!(help.code, 0, "{command}");
        assert!(help.stdout.contains("Example"), "{command} --help has no example: {}", help.stdout);
    }
    assert_eq!(house.command(&["no-such-command"], b"").await?.code, 2);
    assert_eq!(house.command(&["run", "--config", "missing.toml"], b"").await?.code, 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_run_on_one_embedded_store_is_refused() -> Result<()> {
    let Some(house) = House::build(Plan::on(Store::Embedded)).await? else { return Ok(()) };
    let mut gateway = house.run().await?;
    house.core.always(Answer::Take);
    let second = house.command(&["run"], b"").await?;
    assert_ne!(second.code, 0);
    assert!(!second.stderr.contains("panicked"), "{}", second.stderr);
    assert!(!gateway.has_ended()?, "the first goes on");
    Ok(())
}
