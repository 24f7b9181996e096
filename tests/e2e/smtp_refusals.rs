//! The mail server refuses, hangs or dies at each phase: tickets do not notice, what can be repeated is, and what may have
//! gone out is never sent twice (E06, E10, F02, F36–F38).

use crate::support::{contact, sent_to, ticket};
use anyhow::{Context, Result};
use lodge_e2e::{House, Mail, Phase, Plan, Say, Store};
use std::time::Duration;

on_both_stores!(
    f36_temporary_refusals_are_tried_again,
    f36_a_rejected_mailbox_is_given_up_and_reported,
    f37_what_may_have_gone_out_is_never_repeated,
    e10_tickets_do_not_wait_for_the_mail_server,
);

async fn with_mail_of_ann(
    store: Store,
    phase: Phase,
    say: Say,
    times: usize,
) -> Result<Option<(House, lodge_e2e::Gateway)>> {
    let Some(house) = House::build(Plan::on(store)).await? else { return Ok(None) };
    house.sink.next(phase, say, times);
    let gateway = house.run().await?;
    house.dovecot.deliver("support", &Mail::authenticated("ann@example.com").subject("Hello"))?;
    house.until("the contact", 20, || house.core.contact("Hello").is_some()).await?;
    Ok(Some((house, gateway)))
}

async fn f36_temporary_refusals_are_tried_again(store: Store) -> Result<()> {
    let ways = [
        (Phase::Banner, Say::Reply("421 4.3.2 not now")),
        (Phase::Rcpt, Say::Reply("451 4.7.1 greylisted")),
        (Phase::Data, Say::Reset),
        (Phase::Dot, Say::Reply("452 4.3.1 full")),
    ];
    for (phase, say) in ways {
        let Some((house, _gateway)) = with_mail_of_ann(store, phase, say.clone(), 1).await? else {
            return Ok(());
        };
        let what = format!("the acknowledgment after {say:?} at {phase:?}");
        house.until(&what, 45, || sent_to(&house, "ann@example.com").len() == 1).await?;
        assert_eq!(house.sink.refused(), 1);
        house.core.audit()?;
    }
    Ok(())
}

async fn f36_a_rejected_mailbox_is_given_up_and_reported(store: Store) -> Result<()> {
    let say = Say::Reply("550 5.1.1 no such user");
    let Some((house, _gateway)) = with_mail_of_ann(store, Phase::Rcpt, say, 50).await? else { return Ok(()) };
    house.until("the report", 30, || !house.core.events_of("acknowledgment.updated").is_empty()).await?;
    let reports = house.core.events_of("acknowledgment.updated");
    let report = reports.first().context("a report")?;
    assert_eq!(report["state"], "failed", "{report}");
    assert_eq!(report["of"], contact(&house, "Hello")?["id"]);
    assert!(report["reason"].as_str().is_some_and(|reason| reason.contains("5.1.1")), "{report}");
    assert_eq!(house.sink.refused(), 1, "a rejected mailbox is asked once");
    Ok(())
}

async fn f37_what_may_have_gone_out_is_never_repeated(store: Store) -> Result<()> {
    let Some((house, _gateway)) = with_mail_of_ann(store, Phase::Dot, Say::ResetTaken, 1).await? else {
        return Ok(());
    };
    house.until("the report", 30, || !house.core.events_of("acknowledgment.updated").is_empty()).await?;
    let reports = house.core.events_of("acknowledgment.updated");
    assert_eq!(reports.first().context("a report")?["state"], "in_doubt", "{reports:?}");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(sent_to(&house, "ann@example.com").len(), 1, "silence, not a second one");

    // An agent's reply in the same trouble: reported as in doubt, and sent again only because the core says so.
    let reference = ticket(&contact(&house, "Hello")?, "reference").to_owned();
    house.sink.next(Phase::Dot, Say::ResetTaken, 1);
    let desk = house.desk()?;
    let id =
        desk.reply(&reference, "An answer", "key-1").await?.body["id"].as_str().context("an id")?.to_owned();
    house.until("the reply's report", 30, || !house.core.events_of("reply.updated").is_empty()).await?;
    let state = desk.get(&format!("/v1/replies/{id}")).await?.body;
    assert_eq!((&state["state"], &state["in_doubt"]), (&"failed".into(), &true.into()), "{state}");
    assert_eq!(sent_to(&house, "ann@example.com").len(), 2);
    let again = desk.post(&format!("/v1/replies/{id}/resend"), &serde_json::json!({}), &[]).await?;
    assert!((200..300).contains(&again.status), "{} {}", again.status, again.body);
    house.until("the reply once more", 30, || sent_to(&house, "ann@example.com").len() == 3).await?;
    Ok(())
}

async fn e10_tickets_do_not_wait_for_the_mail_server(store: Store) -> Result<()> {
    let Some(house) = House::build(Plan::on(store)).await? else { return Ok(()) };
    house.sink.always(Phase::Banner, Say::Hang(Duration::from_secs(600)));
    let _gateway = house.run().await?;
    for number in 0..20 {
        let mail =
            Mail::authenticated(&format!("person{number}@example.com")).subject(&format!("Hang {number}"));
        house.dovecot.deliver("support", &mail)?;
    }
    house.exactly(20, 20).await?;
    assert!(house.sink.taken().is_empty());
    Ok(())
}
