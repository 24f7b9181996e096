//! A bad configuration prints every problem with file, line, reason and remedy; what is wrong outside is said clearly,
//! without a panic, and recovers by itself once its cause is gone (J15, T56).

use anyhow::Result;
use lodge_e2e::{House, Mail, Plan, Store, house::OTHER_PASSWORD};
use std::fs;
use std::time::Duration;

async fn embedded() -> Result<Option<House>> {
    House::build(Plan::on(Store::Embedded)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_problem_is_told_at_once() -> Result<()> {
    let Some(house) = embedded().await? else { return Ok(()) };
    let bad = house
        .settings()
        .replace("after = \"keep\"", "after = \"burn\"")
        .replace("env:IMAP_PASSWORD", "env:NOT_SET_ANYWHERE")
        .replace("fallback = true", "fallback = false");
    let bad = format!(
        "{bad}\n[queue.second]\n\n[acknowledgement]\nto = \"anyone\"\n\n[[rules]]\nname = \"x\"\nwhen = {{ subject = \"(\" }}\n"
    );
    fs::write(house.config(), &bad)?;
    for command in ["check", "run"] {
        let output = house.command(&[command], b"").await?;
        assert_eq!(output.code, 2, "{}", output.stderr);
        assert!(output.stdout.is_empty(), "talk goes to standard error");
        for part in ["after", "NOT_SET_ANYWHERE", "fallback", "acknowledgement", "lodge.toml:"] {
            assert!(output.stderr.contains(part), "{command} does not tell of {part}: {}", output.stderr);
        }
        let remedies = output.stderr.matches("remedy:").count();
        assert!(remedies >= 5, "{remedies} remedies: {}", output.stderr);
        assert!(!output.stderr.contains("panicked"));
    }
    let line = bad.lines().position(|line| line.contains("[acknowledgement]")).unwrap_or_default() + 1;
    let json = house.command(&["check", "--json"], b"").await?.json()?;
    let problems = json["problems"].as_array().cloned().unwrap_or_default();
    let typo = problems.iter().find(|problem| problem.to_string().contains("acknowledgement"));
    assert_eq!(typo.map(|problem| &problem["line"]), Some(&line.into()), "{json}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t56_unsafe_settings_are_refused() -> Result<()> {
    let Some(house) = embedded().await? else { return Ok(()) };
    let good = house.settings();
    let internal = good.lines().find(|line| line.starts_with("internal")).unwrap_or_default().to_owned();
    let cases = [
        ("operator_token", good.replace(&internal, &internal.replace("127.0.0.1", "0.0.0.0"))),
        ("tls", good.replacen("host = \"127.0.0.1\"", "host = \"imap.acme.example\"", 1)),
        ("secret", good.replace("env:LODGE_CORE_SECRET", "whsec_bG9kZ2UtY29yZS1jYW5hcnktc2VjcmV0")),
        ("secret", good.replace("secret = \"env:LODGE_CORE_SECRET\"\n", "")),
    ];
    for (what, settings) in cases {
        fs::write(house.config(), &settings)?;
        let output = house.command(&["check"], b"").await?;
        assert_eq!(output.code, 2, "{what} was accepted: {}", output.stderr);
        assert!(output.stderr.contains(what), "{what}: {}", output.stderr);
        assert!(
            !output.stderr.contains("bG9kZ2UtY29yZS1jYW5hcnktc2VjcmV0"),
            "a secret is not repeated: {}",
            output.stderr
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_told_and_heals_by_itself() -> Result<()> {
    let Some(mut house) = embedded().await? else { return Ok(()) };
    house.dovecot.mailbox("sales")?;
    let other = house.inbox("sales", "sales@acme.example", "sales");
    house.plan.extra = other.replace("env:IMAP_PASSWORD", "env:OTHER_PASSWORD");
    house.configure()?;
    let _gateway = house.run().await?;
    let failing = |body: &serde_json::Value| {
        let inboxes = body["inboxes"].as_array().cloned().unwrap_or_default();
        inboxes.into_iter().find(|inbox| inbox["inbox"] == "sales" && inbox["healthy"] == false)
    };
    let desk = house.desk()?;
    let mut told = None;
    for _ in 0..200 {
        told = failing(&desk.look("/readyz").await?.body);
        if told.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    house.dovecot.accept("sales", OTHER_PASSWORD)?;
    let told = told.map(|inbox| inbox.to_string()).unwrap_or_default();
    assert!(told.contains("password"), "the failing inbox is named, and what to do: {told}");
    assert!(!told.contains(OTHER_PASSWORD) && !house.log_text().contains("panicked"));
    house.dovecot.deliver("support", &Mail::unverified("ann@example.com").subject("Fine"))?;
    house.exactly(1, 20).await?;
    house
        .dovecot
        .deliver("sales", &Mail::unverified("bob@example.com").subject("Sold").to("sales@acme.example"))?;
    house.exactly(2, 120).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j15_a_bad_reload_is_refused_and_the_old_configuration_stays() -> Result<()> {
    let Some(house) = embedded().await? else { return Ok(()) };
    let mut gateway = house.run().await?;
    fs::write(house.config(), "[server\nlisten = 1\n")?;
    gateway.signal("HUP")?;
    tokio::time::sleep(Duration::from_millis(700)).await;
    house.dovecot.deliver("support", &Mail::unverified("ann@example.com").subject("Still here"))?;
    house.exactly(1, 20).await?;
    assert!(!gateway.has_ended()?);
    assert!(house.log_text().contains("lodge.toml"), "the refusal is logged: {}", house.log_text());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_redis_is_told_and_awaited() -> Result<()> {
    let Some(mut house) = House::build(Plan::on(Store::Redis)).await? else { return Ok(()) };
    if let Some(redis) = &mut house.redis {
        redis.kill()?;
    }
    let online = house.command(&["check", "--online"], b"").await?;
    assert_eq!(online.code, 1, "{}{}", online.stdout, online.stderr);
    let told = format!("{}{}", online.stdout, online.stderr).to_lowercase();
    assert!(told.contains("store") && told.contains("remedy"), "{told}");
    let pipe =
        house.command(&["pipe", "--inbox", "support"], &Mail::unverified("ann@example.com").bytes()).await?;
    assert_eq!(pipe.code, 75, "a mail server keeps the mail: {}", pipe.stderr);
    let mut gateway = house.launch("")?;
    let ended = gateway.wait(Duration::from_secs(3)).await;
    assert!(!house.log_text().contains("panicked"), "{}", house.log_text());
    if let Some(redis) = &mut house.redis {
        redis.revive().await?;
    }
    // It may wait for its store or leave with a clear message for whoever supervises it; both come back.
    let mut gateway = if ended.is_ok() { house.run().await? } else { gateway };
    gateway.ready().await?;
    house.dovecot.deliver("support", &Mail::unverified("ann@example.com").subject("After all"))?;
    house.exactly(1, 60).await
}
