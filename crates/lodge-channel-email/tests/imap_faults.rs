//! The mailbox reader against a server that misbehaves: whatever it does, no mail is lost, no mail is doubled, and nothing
//! of a hostile server's making does harm.

mod rig;

use lodge_domain::Flag;
use rig::house::House;
use rig::imap::{FakeImap, Script};
use rig::mail::letter;
use rig::until;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn letters(count: u32) -> Vec<Vec<u8>> {
    (1..=count).map(letter).collect()
}

fn subjects(count: u32) -> Vec<String> {
    (1..=count).map(|n| format!("letter {n}")).collect()
}

fn moving(value: &mut Value) {
    value["imap"]["after"] = json!("move:Done");
}

fn script(change: impl FnOnce(&mut Script)) -> Script {
    let mut script = Script::default();
    change(&mut script);
    script
}

#[tokio::test(flavor = "multi_thread")]
async fn f40_a_connection_cut_at_any_byte_loses_nothing() {
    // How much the server says in one whole session.
    let whole = 3_000;
    let cut_at = |cut: usize| async move {
        let server = FakeImap::start(script(|s| s.cuts = vec![cut]), letters(3)).await;
        let house = House::new(server.port, "ann", |_| ());
        let open = house.open();
        until(&format!("all mail after a cut at {cut}"), || house.tickets().len() == 3 && open.synced())
            .await;
        open.close().await;
        assert_eq!(house.tickets(), subjects(3), "cut at {cut}");
        assert!((1..=3).all(|uid| server.flags(uid).contains("$LodgeDone")), "cut at {cut}");
    };
    let cuts: Vec<usize> = (1..whole).step_by(23).collect();
    for some in cuts.chunks(33) {
        futures_util::future::join_all(some.iter().map(|cut| cut_at(*cut))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a12_f43_a_mail_that_ends_every_session_is_given_up_and_the_others_go_on() {
    let server = FakeImap::start(script(|s| s.deadly = [2].into()), letters(4)).await;
    let house = House::new(server.port, "ann", moving);
    let open = house.open();
    until("the healthy ones", || house.tickets().len() >= 3).await;
    until("the stand-in", || house.tickets().len() == 4 && open.synced()).await;
    open.close().await;
    let unparsed = house.flagged(Flag::Unparsed);
    assert_eq!(unparsed.len(), 1);
    assert!(unparsed[0].body.text.contains("INBOX/42/2"), "{}", unparsed[0].body.text);
    assert!(server.flags(2).contains("$LodgeFailed"), "it stays, and says why");
    assert_eq!(server.state.lock().unwrap().folders["Done"].len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn f41_what_was_not_returned_is_asked_for_again() {
    let server = FakeImap::start(script(|s| s.withheld = [(2, 2)].into()), letters(3)).await;
    let house = House::new(server.port, "ann", |_| ());
    let open = house.open();
    until("all", || house.tickets().len() == 3 && open.synced()).await;
    open.close().await;
    assert_eq!((house.tickets(), house.filed().len()), (subjects(3), 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn f41_what_is_never_returned_is_filed_as_a_stand_in() {
    let server = FakeImap::start(script(|s| s.withheld = [(2, u32::MAX)].into()), letters(3)).await;
    let house = House::new(server.port, "ann", |_| ());
    let open = house.open();
    until("all", || house.tickets().len() == 3 && open.synced()).await;
    open.close().await;
    let unparsed = house.flagged(Flag::Unparsed);
    assert!(unparsed.len() == 1 && unparsed[0].body.text.contains("INBOX/42/2"), "{unparsed:?}");
    assert!(server.flags(2).contains("$LodgeFailed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn f45_a_mail_that_vanishes_between_search_and_fetch_leaves_a_trace() {
    let server = FakeImap::start(script(|s| s.vanishing = [2].into()), letters(3)).await;
    let house = House::new(server.port, "ann", |_| ());
    let open = house.open();
    until("a trace", || !house.skipped().is_empty() && open.synced()).await;
    open.close().await;
    assert_eq!(house.tickets(), ["letter 1", "letter 3"]);
    assert_eq!(house.skipped(), ["vanished from the mailbox before it could be fetched"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn f44_without_move_and_keywords_it_copies_deletes_and_expunges_only_its_own() {
    let server = FakeImap::start(
        script(|s| {
            s.capabilities = "IMAP4rev1 AUTH=PLAIN UIDPLUS";
            s.keywords = false;
        }),
        letters(2),
    )
    .await;
    let house = House::new(server.port, "ann", moving);
    let open = house.open();
    until("both moved", || server.state.lock().unwrap().mails.is_empty()).await;
    until("the sync", || open.synced()).await;
    open.close().await;
    assert_eq!(house.tickets(), subjects(2));
    let order: Vec<String> = server
        .commands("UID")
        .into_iter()
        .filter(|c| !c.contains("SEARCH") && !c.contains("FETCH"))
        .collect();
    assert_eq!(
        order,
        ["UID COPY 1:2 \"Done\"", "UID STORE 1:2 +FLAGS.SILENT (\\Deleted)", "UID EXPUNGE 1:2"]
    );
    assert!(server.commands("EXPUNGE").is_empty(), "never a plain EXPUNGE");
    assert!(
        server.commands("UID FETCH").iter().all(|c| !c.contains("BODY[") && !c.contains("ENVELOPE")),
        "A07: only PEEK"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a09_a_folder_that_refuses_the_move_is_reported_and_mail_goes_on() {
    let server = FakeImap::start(script(|s| s.refused = ["UID MOVE", "CREATE"].into()), letters(2)).await;
    let house = House::new(server.port, "ann", moving);
    let open = house.open();
    until("both", || house.tickets().len() == 2).await;
    until("a report", || open.failing().is_some_and(|reason| reason.contains("cannot be flagged or moved")))
        .await;
    open.close().await;
    // It works again: the next session makes it good without filing anything twice.
    server.state.lock().unwrap().script.refused.clear();
    let open = house.open();
    until("the move", || server.state.lock().unwrap().mails.is_empty() && open.synced()).await;
    open.close().await;
    assert_eq!((house.tickets(), house.filed().len()), (subjects(2), 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a13_a_silent_server_is_noticed_at_every_command() {
    for mute_at in ["CAPABILITY", "AUTHENTICATE", "SELECT", "UID SEARCH", "UID FETCH", "UID STORE"] {
        let server = FakeImap::start(script(|s| s.mute_at = Some(mute_at)), letters(1)).await;
        let house = House::new(server.port, "ann", |value| value["imap"]["timeout"] = json!("300ms"));
        let open = house.open();
        until(&format!("a word about {mute_at}"), || {
            open.failing().is_some_and(|r| r.contains("no answer within"))
        })
        .await;
        server.state.lock().unwrap().script.mute_at = None;
        until(&format!("the mail after {mute_at}"), || {
            house.tickets().len() == 1 && open.synced() && open.failing().is_none()
        })
        .await;
        open.close().await;
    }
    // All mail is read by then: nothing to report, but another session is needed.
    let server = FakeImap::start(script(|s| s.mute_at = Some("IDLE")), letters(1)).await;
    let house = House::new(server.port, "ann", |value| value["imap"]["timeout"] = json!("300ms"));
    let open = house.open();
    until("another session", || server.commands("SELECT").len() >= 2 && house.tickets().len() == 1).await;
    open.close().await;
    let server = FakeImap::start(script(|s| s.greeting = None), letters(1)).await;
    let house = House::new(server.port, "ann", |value| value["imap"]["timeout"] = json!("300ms"));
    let open = house.open();
    until("a word about the greeting", || open.failing().is_some_and(|r| r.contains("no answer within")))
        .await;
    open.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t31_what_was_not_asked_for_is_not_read() {
    for instead in [
        &b"* 1 FETCH (UID 1 BODY[] {536870912}\r\n"[..],
        b"* 1 FETCH (UID 1 BODY[] {99999999999}\r\n",
        b"not imap at all, but a customer's secret words\r\n",
        b"* BYE enough\r\n",
    ] {
        let server = FakeImap::start(script(|s| s.instead = Some(instead)), letters(1)).await;
        let house = House::new(server.port, "ann", |_| ());
        let open = house.open();
        let started = Instant::now();
        until("a failure", || open.failing().is_some()).await;
        assert!(started.elapsed() < Duration::from_secs(10));
        let reason = open.failing().unwrap_or_default();
        assert!(!reason.contains("secret"), "{reason}");
        server.state.lock().unwrap().script.instead = None;
        until("the mail", || house.tickets().len() == 1).await;
        open.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t31_bodies_of_other_mails_and_doubled_ones_are_ignored() {
    let instead = b"* 9 FETCH (UID 9 BODY[] {3}\r\nabc)\r\n* 1 FETCH (UID 1 BODY[] {47}\r\nFrom: ann@customer.example\r\nSubject: letter 1\r\n)\r\n\
        * 1 FETCH (UID 1 BODY[] {3}\r\nabc)\r\n* 1 FETCH (FLAGS (\\Seen))\r\n* 1 EXPUNGE\r\n";
    let server = FakeImap::start(script(|s| s.instead = Some(instead)), letters(1)).await;
    let house = House::new(server.port, "ann", |_| ());
    let open = house.open();
    until("the mail", || house.tickets().len() == 1 && open.synced()).await;
    open.close().await;
    assert_eq!(house.tickets(), subjects(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn t62_no_password_without_the_encryption_that_was_asked_for() {
    type Change = fn(&mut Script);
    let cases: [(Change, &str); 4] = [
        (|s| s.capabilities = "IMAP4rev1 AUTH=PLAIN", "no STARTTLS"),
        (|s| s.greeting = Some("* PREAUTH welcome"), "PREAUTH"),
        (
            |s| {
                s.capabilities = "IMAP4rev1 STARTTLS";
                s.injected = "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nL3 OK go on\r\n";
            },
            "no trustworthy encryption",
        ),
        (
            |s| {
                s.capabilities = "IMAP4rev1 STARTTLS";
                s.refused = ["STARTTLS"].into();
            },
            "STARTTLS",
        ),
    ];
    for (change, expected) in cases {
        let server = FakeImap::start(script(change), letters(1)).await;
        let (ca, _, _) = rig::smtp::certificates();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), ca).unwrap();
        let mut house = House::new(server.port, "ann", |value| {
            value["imap"]["tls"] = json!("starttls");
            value["imap"]["ca_file"] = json!("ca.pem");
        });
        house.folder = folder.path().to_owned();
        let open = house.open();
        until(expected, || open.failing().is_some_and(|reason| reason.contains(expected))).await;
        open.close().await;
        let said = server.state.lock().unwrap().log.clone();
        assert!(
            said.iter().all(|line| !line.contains("LOGIN") && !line.contains("AUTHENTICATE")),
            "{said:?}"
        );
        assert!(house.tickets().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t77_a_refused_log_in_is_reported_and_not_hammered() {
    let server = FakeImap::start(script(|s| s.refused = ["AUTHENTICATE"].into()), letters(1)).await;
    let house = House::new(server.port, "ann", |_| ());
    let open = house.open();
    until("a report", || open.failing().is_some_and(|reason| reason.contains("check username and password")))
        .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(server.commands("AUTHENTICATE").len(), 1, "the next try is far away");
    open.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_that_is_refused_is_replaced_by_polling() {
    let server = FakeImap::start(script(|s| s.refused = ["IDLE"].into()), letters(1)).await;
    let house = House::new(server.port, "ann", |_| ());
    let open = house.open();
    until("the first", || house.tickets().len() == 1 && open.synced()).await;
    server.state.lock().unwrap().mails.insert(2, rig::imap::Stored { raw: letter(2), ..Default::default() });
    until("the second", || house.tickets().len() == 2).await;
    open.close().await;
    assert_eq!(server.commands("IDLE").len(), 1, "asked once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_becomes_visible_late_is_found() {
    let server = FakeImap::start(Script::default(), letters(3)).await;
    let hidden = server.state.lock().unwrap().mails.remove(&2).unwrap();
    let house = House::new(server.port, "ann", |_| ());
    let open = house.open();
    until("the visible ones", || house.tickets().len() == 2 && open.synced()).await;
    open.close().await;
    server.state.lock().unwrap().mails.insert(2, hidden);
    let open = house.open();
    until("the late one", || house.tickets().len() == 3).await;
    open.close().await;
    assert_eq!(
        (house.tickets(), house.filed().len()),
        (subjects(3), 3),
        "and the others were not read again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn f43_a_mail_whose_size_nobody_understands_is_given_up_and_the_others_go_on() {
    let server = FakeImap::start(script(|s| s.garbled = [2].into()), letters(3)).await;
    let house = House::new(server.port, "ann", |_| ());
    let open = house.open();
    until("all", || house.tickets().len() == 3 && open.synced()).await;
    open.close().await;
    assert_eq!(house.flagged(Flag::Unparsed).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a11_a_mail_too_big_to_keep_is_filed_and_stays_where_it_is() {
    // The size is a lie that costs nothing: what matters is what it leads to.
    let server = FakeImap::start(script(|s| s.sizes = [(1, 300 * 1024 * 1024)].into()), letters(2)).await;
    let house = House::new(server.port, "ann", moving);
    let open = house.open();
    until("both", || house.tickets().len() == 2 && open.synced()).await;
    open.close().await;
    assert_eq!(house.flagged(Flag::Truncated).len(), 1);
    assert!(server.flags(1).contains("$LodgeDone"), "it stays, flagged");
    assert_eq!(server.state.lock().unwrap().folders["Done"].len(), 1);
    let bodies = server.commands("UID FETCH 1 (UID BODY");
    assert_eq!(bodies, ["UID FETCH 1 (UID BODY.PEEK[]<0.262144>)"], "only its beginning was read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_size_that_is_too_small_is_only_a_hint() {
    let big = rig::mail::big_letter(1, 2_000_000);
    let server =
        FakeImap::start(script(|s| s.sizes = [(1, 10), (2, 5_000_000)].into()), vec![big.clone(), letter(2)])
            .await;
    let house = House::new(server.port, "ann", |_| ());
    let open = house.open();
    until("both", || house.tickets().len() == 2).await;
    open.close().await;
    let sizes: Vec<u64> =
        house.filed().iter().filter_map(|(contact, _)| contact.raw.as_ref()).map(|raw| raw.size).collect();
    assert!(sizes.contains(&(big.len() as u64)), "{sizes:?}");
    assert!(house.flagged(Flag::Unparsed).is_empty());
}
