//! The mailbox reader against a real Dovecot: nothing lost, nothing twice, and nothing touched before it is a ticket.

mod rig;

use lodge_channel::door::Door;
use lodge_domain::ports::DeadLetters;
use lodge_domain::ports::InboxState;
use lodge_domain::{BrandName, Flag};
use rig::dovecot::Dovecot;
use rig::house::House;
use rig::mail::{big_letter, letter};
use rig::trap::Trap;
use rig::until;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

fn subjects(numbers: impl IntoIterator<Item = u32>) -> Vec<String> {
    let mut all: Vec<String> = numbers.into_iter().map(|n| format!("letter {n}")).collect();
    all.sort();
    all
}

fn moving(value: &mut Value) {
    value["imap"]["after"] = json!("move:Done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a01_a07_a_mail_is_a_ticket_at_once_whoever_read_it_before() {
    let dovecot = Dovecot::start();
    dovecot.make("ann", "");
    let house = House::new(dovecot.port, "ann", |value| value["imap"]["poll"] = json!("60s"));
    let open = house.open();
    until("the first sync", || open.synced()).await;
    let delivered = Instant::now();
    dovecot.deliver("ann", "", &letter(1), "");
    dovecot.deliver("ann", "", &letter(2), "S");
    until("both", || house.tickets().len() == 2).await;
    assert!(delivered.elapsed() < Duration::from_secs(5), "IDLE tells at once: {:?}", delivered.elapsed());
    open.close().await;
    assert_eq!(house.tickets(), subjects([1, 2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a02_without_idle_the_poll_finds_it() {
    let dovecot = Dovecot::start();
    dovecot.make("ann", "");
    let house = House::new(dovecot.port, "ann", |value| value["imap"]["idle"] = json!(false));
    let open = house.open();
    until("the first sync", || open.synced()).await;
    dovecot.deliver("ann", "", &letter(1), "");
    until("the mail", || house.tickets().len() == 1).await;
    open.close().await;
}

/// Crashes at step after step of filing three mails, and counts the steps; after each crash another process goes on.
async fn crash_at_every_step(after: &str, settled: impl Fn(&Dovecot, &str) -> bool) {
    let dovecot = Dovecot::start();
    let mut crashes = 0;
    for step in 1.. {
        let user = format!("user{step}");
        (1..=3).for_each(|n| dovecot.deliver(&user, "", &letter(n), ""));
        let house = House::new(dovecot.port, &user, |value| value["imap"]["after"] = json!(after));
        let trap = Trap::at(step);
        let first = house.open_as("one", &trap);
        until("a crash, or the end", || trap.is_shut() || settled(&dovecot, &user) && first.synced()).await;
        let crashed = trap.is_shut();
        first.crash().await;
        if !crashed {
            break;
        }
        crashes += 1;
        let second = house.open();
        until(&format!("the end after a crash at step {step}"), || {
            settled(&dovecot, &user) && second.synced()
        })
        .await;
        second.close().await;
        assert_eq!(house.tickets(), subjects(1..=3), "after a crash at step {step}");
        assert!(dovecot.mails(&user, ".Done").len() <= 3, "doubled by a crash at step {step}");
    }
    assert!(crashes >= 20, "only {crashes} steps were tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn a04_a_crash_at_any_step_of_moving_loses_nothing_and_doubles_nothing() {
    crash_at_every_step("move:Done", |dovecot, user| {
        dovecot.mails(user, "").is_empty() && dovecot.mails(user, ".Done").len() >= 3
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a04_a_crash_at_any_step_of_deleting_loses_nothing_and_doubles_nothing() {
    crash_at_every_step("delete", |dovecot, user| dovecot.mails(user, "").is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a05_a_replaced_folder_is_told_apart_by_content() {
    let dovecot = Dovecot::start();
    (1..=5).for_each(|n| dovecot.deliver("ann", "", &letter(n), ""));
    let house = House::new(dovecot.port, "ann", |_| ());
    let open = house.open();
    until("the first five", || house.tickets().len() == 5).await;
    open.close().await;
    tokio::time::sleep(Duration::from_millis(1100)).await; // UIDVALIDITY counts seconds.
    dovecot.forget_uids("ann");
    dovecot.deliver("ann", "", &letter(6), "");
    let open = house.open();
    until("all six again", || house.filed().len() >= 11).await;
    until("the sync", || open.synced()).await;
    open.close().await;
    assert_eq!(house.tickets(), subjects(1..=6));
}

#[tokio::test(flavor = "multi_thread")]
async fn a08_a09_each_policy_does_what_it_says_and_only_after_accept() {
    let dovecot = Dovecot::start();
    for (user, after) in
        [("keep", "keep"), ("seen", "seen"), ("move", "move:Done & über"), ("delete", "delete")]
    {
        (1..=2).for_each(|n| dovecot.deliver(user, "", &letter(n), ""));
        let house = House::new(dovecot.port, user, |value| value["imap"]["after"] = json!(after));
        let before = dovecot.mails(user, "");
        house.hallway.refusals.store(3, std::sync::atomic::Ordering::SeqCst);
        let open = house.open();
        until("refusals", || house.hallway.refusals.load(std::sync::atomic::Ordering::SeqCst) == 0).await;
        if house.tickets().is_empty() {
            let untouched =
                dovecot.mails(user, "").iter().all(|name| !name.contains(":2,S") && !name.contains(":2,a"));
            assert!(
                untouched && dovecot.mails(user, "").len() == before.len(),
                "{user}: touched before accept"
            );
        }
        until("the sync", || house.tickets().len() == 2 && open.synced()).await;
        open.close().await;
        let (inbox, done) = (dovecot.mails(user, ""), dovecot.mails(user, ".Done &- &APw-ber"));
        let keywords = std::fs::read_to_string(dovecot.maildir(user, "dovecot-keywords")).unwrap_or_default();
        match user {
            "keep" => {
                assert!(inbox.iter().all(|name| name.ends_with(":2,a")), "{inbox:?}");
                assert!(keywords.contains("$LodgeDone"), "{keywords}");
            }
            "seen" => assert!(inbox.iter().all(|name| name.ends_with(":2,Sa")), "{inbox:?}"),
            "move" => assert!(inbox.is_empty() && done.len() == 2, "{inbox:?} {done:?}"),
            _ => assert!(inbox.is_empty() && done.is_empty(), "{inbox:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a12_a_mail_that_ends_the_process_each_time_is_quarantined_and_the_next_goes_on() {
    let dovecot = Dovecot::start();
    dovecot.make("ann", "");
    let house = House::new(dovecot.port, "ann", |_| ());
    let open = house.open();
    until("the first sync", || open.synced()).await;
    open.close().await;
    let cursor = house.store.load(&House::inbox(), "imap/INBOX").await.unwrap().unwrap();
    let cursor: Value = serde_json::from_slice(&cursor.value).unwrap();
    // As three crashes in the middle of understanding it would leave it.
    let tries = json!({ "tries": { format!("INBOX/{}/1", cursor["uid_validity"]): 3 } });
    let saved = house.store.save(&House::inbox(), "mail-attempts", 0, tries.to_string().into()).await;
    assert_eq!(saved, Ok(Some(1)));
    (1..=2).for_each(|n| dovecot.deliver("ann", "", &letter(n), ""));
    let open = house.open();
    until("both", || house.tickets().len() == 2 && open.synced()).await;
    open.close().await;
    let unparsed = house.flagged(Flag::Unparsed);
    assert_eq!(unparsed.len(), 1);
    assert_eq!(unparsed[0].subject.as_deref(), Some("letter 1"));
    let dead = house.store.page(&BrandName::unbranded(), None, 10).await.unwrap();
    assert_eq!((dead.len(), &dead[0].work.subject), (1, &unparsed[0].raw.as_ref().unwrap().sha256));
    let keywords = std::fs::read_to_string(dovecot.maildir("ann", "dovecot-keywords")).unwrap();
    assert!(keywords.contains("$LodgeFailed") && keywords.contains("$LodgeDone"), "{keywords}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a14_two_gateways_share_a_mailbox_and_one_takes_over() {
    let dovecot = Dovecot::start();
    (1..=10).for_each(|n| dovecot.deliver("ann", "", &letter(n), ""));
    let house = House::new(dovecot.port, "ann", moving);
    let (one, two) = (house.open_as("one", &Trap::at(0)), house.open_as("two", &Trap::at(0)));
    until("the first ten", || house.tickets().len() == 10 && (one.synced() || two.synced())).await;
    assert!(one.synced() != two.synced(), "exactly one holds the lease");
    let (holder, waiter) = if one.synced() { (one, two) } else { (two, one) };
    holder.close().await;
    (11..=20).for_each(|n| dovecot.deliver("ann", "", &letter(n), ""));
    until("the other ten", || house.tickets().len() == 20).await;
    waiter.close().await;
    assert_eq!((house.tickets(), house.filed().len()), (subjects(1..=20), 20), "nobody did anything twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a14_two_readers_at_once_are_harmless() {
    let dovecot = Dovecot::start();
    (1..=30).for_each(|n| dovecot.deliver("ann", "", &letter(n), ""));
    let house = House::new(dovecot.port, "ann", |_| ());
    // The same node twice: both have the lease, as after a partition.
    let (one, two) = (house.open(), house.open());
    until("all", || house.tickets().len() == 30).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    one.close().await;
    two.close().await;
    assert_eq!(house.tickets(), subjects(1..=30));
}

#[tokio::test(flavor = "multi_thread")]
async fn a17_by_default_only_what_comes_after_the_first_connection_is_read() {
    let dovecot = Dovecot::start();
    (1..=3).for_each(|n| dovecot.deliver("ann", "", &letter(n), ""));
    dovecot.age("ann", Duration::from_secs(25 * 3600));
    let house = House::new(dovecot.port, "ann", |value| value["imap"]["start"] = json!("now"));
    let open = house.open();
    until("the first sync", || open.synced()).await;
    dovecot.deliver("ann", "", &letter(4), "");
    until("the new one", || house.tickets().len() == 1).await;
    open.close().await;
    assert_eq!(house.tickets(), subjects([4]));
    assert!(house.filed().iter().all(|(contact, _)| !contact.backfill));
    // The operator changes his mind: the old ones come too, as backfill.
    let mut house = house;
    house.settings.imap.as_mut().unwrap().start = lodge_channel_email::config::StartPoint::All;
    let open = house.open();
    until("the old ones", || house.tickets().len() == 4).await;
    open.close().await;
    let backfill = house.filed().iter().filter(|(contact, _)| contact.backfill).count();
    assert_eq!(backfill, 3, "letter 4 came after the first connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn a18_folders_with_any_name_are_read() {
    let dovecot = Dovecot::start();
    dovecot.deliver("ann", ".Entw&APw-rfe & mehr".replace(" & ", " &- ").as_str(), &letter(1), "");
    let house = House::new(dovecot.port, "ann", |value| value["imap"]["folder"] = json!("Entwürfe & mehr"));
    let open = house.open();
    until("the mail", || house.tickets().len() == 1).await;
    open.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a11_big_mails_come_in_slices_and_giants_as_their_beginning() {
    let dovecot = Dovecot::start();
    let (big, giant) = (big_letter(1, 3_500_000), big_letter(2, 36 * 1024 * 1024));
    dovecot.deliver("ann", "", &big, "");
    dovecot.deliver("ann", "", &giant, "");
    let house = House::new(dovecot.port, "ann", moving);
    let open = house.open();
    until("both", || house.tickets().len() == 2 && open.synced()).await;
    open.close().await;
    let filed = house.filed();
    let size = |subject: &str| {
        let contact =
            filed.iter().map(|(contact, _)| contact).find(|c| c.subject.as_deref() == Some(subject));
        contact.and_then(|contact| contact.raw.as_ref()).map(|raw| raw.size)
    };
    assert_eq!(size("letter 1"), Some(big.len() as u64));
    assert_eq!(size("letter 2"), Some(giant.len() as u64), "the whole original is kept");
    assert_eq!(
        house.flagged(Flag::Truncated).iter().filter(|c| c.subject.as_deref() == Some("letter 2")).count(),
        1
    );
    assert!(dovecot.mails("ann", "").is_empty(), "both are kept whole, so both are moved");
}

#[tokio::test(flavor = "multi_thread")]
async fn t61_t62_tls_in_both_ways_and_never_with_a_strange_authority() {
    let dovecot = Dovecot::start_with_tls();
    let (ca, port, tls_port) = (dovecot.ca_file(), dovecot.port, dovecot.tls_port);
    for (n, tls, port) in [(1, "starttls", port), (2, "implicit", tls_port)] {
        let user = format!("user{n}");
        dovecot.deliver(&user, "", &letter(n), "");
        let house = House::new(port, &user, |value| {
            value["imap"]["tls"] = json!(tls);
            value["imap"]["host"] = json!("localhost");
            value["imap"]["ca_file"] = json!(ca);
        });
        let open = house.open();
        until(&format!("the mail over {tls}"), || house.tickets().len() == 1).await;
        open.close().await;
        // The right authority, but another name.
        let wrong = House::new(port, &user, |value| {
            value["imap"]["tls"] = json!(tls);
            value["imap"]["ca_file"] = json!(ca);
        });
        let open = wrong.open();
        until("a refusal", || {
            open.failing().is_some_and(|reason| reason.contains("no trustworthy encryption"))
        })
        .await;
        open.close().await;
        assert!(wrong.tickets().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_says_what_is_wrong() {
    let dovecot = Dovecot::start();
    dovecot.make("ann", "");
    type Change = fn(&mut Value);
    let cases: [(Change, Result<&str, &str>); 3] = [
        (|_| (), Ok("keeps our keyword")),
        (|value| value["imap"]["folder"] = json!("Nowhere"), Err("imap.folder")),
        (|value| value["imap"]["port"] = json!(1), Err("imap.host")),
    ];
    for (change, expected) in cases {
        let house = House::new(dovecot.port, "ann", change);
        let context = house.context("one", &Trap::at(0), &CancellationToken::new());
        let probes = house.settings.probe(&context).await;
        match (&probes[0].result, expected) {
            (Ok(facts), Ok(part)) => assert!(facts.contains(part), "{facts}"),
            (Err(problem), Err(key)) => assert_eq!(problem.key, key, "{problem:?}"),
            (result, expected) => panic!("{result:?}, not {expected:?}"),
        }
    }
}
