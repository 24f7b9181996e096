//! Mails for which an allowance of bytes has no room become stubs and stay where they are (T32).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod rig;

use data_encoding::BASE64_MIME;
use lodge_channel::Arrival;
use lodge_channel::door::Door;
use lodge_domain::ports::Blobs;
use lodge_domain::{Flag, Inbound, Placement};
use rig::house::House;
use rig::imap::{FakeImap, Script};
use rig::mail::{big_letter, letter};
use rig::trap::Trap;
use rig::until;
use serde_json::json;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio_util::sync::CancellationToken;

const MIB: usize = 1 << 20;

/// A letter with an attachment of `size` bytes, unlike any other.
fn with_file(n: u32, size: usize) -> Vec<u8> {
    static SEED: AtomicU8 = AtomicU8::new(1);
    let file = vec![SEED.fetch_add(1, Ordering::SeqCst); size];
    let head = String::from_utf8(letter(n)).unwrap();
    let (head, text) = head.split_once("\r\n\r\n").unwrap();
    format!(
        "{head}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\n{text}\r\n--b\r\nContent-Type: application/pdf\r\n\
         Content-Disposition: attachment; filename=\"plan {n}.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--b--\r\n",
        BASE64_MIME.encode(&file)
    )
    .into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn t32_mails_over_the_allowance_become_stubs_and_stay_in_the_mailbox() {
    // One that is small and six of 2 MiB; there is room for two of them, original and attachment each.
    let big = (2..=7).map(|n| with_file(n, 3 * MIB / 2));
    let mails = std::iter::once(letter(1)).chain(big).collect();
    let server = FakeImap::start(Script::default(), mails).await;
    let house = House::new(server.port, "ann", |value| value["imap"]["after"] = json!("delete"));
    *house.hallway.allowance.lock().unwrap() = (8 * MIB) as u64;
    let open = house.open();
    until("all of them", || house.tickets().len() == 7 && open.synced()).await;
    open.close().await;
    let stubs = house.flagged(Flag::Truncated);
    assert_eq!(stubs.len(), 4);
    let stub = &stubs[0];
    assert_eq!(stub.subject.as_deref(), Some("letter 4"));
    assert_eq!(stub.from.handle.value, "ann4@customer.example");
    for words in ["more than is left", "INBOX/42/4", "1 attachments", "My printer number 4 is on fire."] {
        assert!(stub.body.text.contains(words), "{words}: {}", stub.body.text);
    }
    assert!(stub.attachments.is_empty());
    assert_eq!(stub.details["left_at"], "INBOX/42/4");
    assert!(stub.details["full_size"].as_u64().unwrap() > 2_000_000);
    // What is kept of it is its beginning, and nothing else.
    let raw = stub.raw.as_ref().unwrap();
    assert_eq!(raw.size, 64 * 1024);
    assert!(house.blobs.read(raw).await.unwrap().starts_with(b"Return-Path: <ann4@"));
    // The others are gone as `after` says; these stay, and are not read again.
    assert_eq!((1..=7).filter(|uid| !server.flags(*uid).is_empty()).collect::<Vec<_>>(), [4, 5, 6, 7]);
    for uid in 4..=7 {
        assert!(server.flags(uid).contains("$LodgeDone") && !server.flags(uid).contains("\\Deleted"));
    }
    let again = house.open();
    until("nothing new", || again.synced()).await;
    again.close().await;
    assert_eq!(house.filed().len(), 7);
}

/// The stub has the identity of the whole mail: read again when there is room, it is the same contact and no second one.
#[tokio::test(flavor = "multi_thread")]
async fn t32_a_stub_and_the_whole_mail_are_one_contact() {
    for (first, then) in [(0, u64::MAX), (u64::MAX, 0)] {
        let server = FakeImap::start(Script::default(), vec![with_file(1, 2 * MIB)]).await;
        let house = House::new(server.port, "ann", |_| ());
        *house.hallway.allowance.lock().unwrap() = first;
        // Crashes right after accept, before the cursor is written.
        let open = house.open();
        until("filed", || house.filed().len() == 1).await;
        open.close().await;
        let trap = Trap::at(0);
        *house.hallway.allowance.lock().unwrap() = then;
        server.state.lock().unwrap().mails.get_mut(&1).unwrap().flags.clear();
        let raw = server.state.lock().unwrap().mails[&1].raw.clone();
        let importer =
            house.settings.importer(house.context("one", &trap, &CancellationToken::new())).unwrap().unwrap();
        let arrival = Arrival { received_at: None, backfill: true };
        let whole = importer.read(raw.into(), arrival).await.unwrap();
        let Inbound::Contact(whole) = whole else { panic!("a contact") };
        let (filed, _) = &house.filed()[0];
        assert_eq!(filed.flags.contains(&Flag::Truncated), first == 0);
        assert_eq!(filed.dedupe, whole.dedupe);
        assert_eq!(filed.registers, whole.registers, "answers find both");
        let intake: &dyn lodge_domain::ports::Intake = &*house.hallway;
        intake.accept(vec![Inbound::Contact(whole)]).await.unwrap();
        assert_eq!(house.filed()[1].1.placement, Placement::Duplicate);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t32_giants_are_not_even_fetched_whole() {
    let server = FakeImap::start(Script::default(), vec![big_letter(1, 40 * MIB), letter(2)]).await;
    let house = House::new(server.port, "ann", |value| value["imap"]["after"] = json!("move:Done"));
    *house.hallway.allowance.lock().unwrap() = (10 * MIB) as u64;
    let open = house.open();
    until("both", || house.tickets().len() == 2 && open.synced()).await;
    open.close().await;
    let stubs = house.flagged(Flag::Truncated);
    assert_eq!(stubs.len(), 1);
    assert!(stubs[0].raw.as_ref().unwrap().size <= 256 * 1024);
    let slices =
        server.commands("UID FETCH 1 ").into_iter().filter(|line| line.contains("BODY.PEEK[]")).count();
    assert_eq!(slices, 1, "the first slice says whose it is");
    assert!(server.flags(1).contains("$LodgeDone"), "it stays");
    assert_eq!(server.state.lock().unwrap().folders["Done"].len(), 1);
}

/// Without a mailbox to stay in, the mail server keeps it: it is told to try again.
#[tokio::test(flavor = "multi_thread")]
async fn t32_a_piped_mail_over_the_allowance_is_left_to_the_mail_server() {
    let house = House::new(1, "ann", |_| ());
    *house.hallway.allowance.lock().unwrap() = 0;
    let context = house.context("one", &Trap::at(0), &CancellationToken::new());
    let importer = house.settings.importer(context).unwrap().unwrap();
    let now = Arrival { received_at: None, backfill: false };
    let error = importer.read(with_file(1, MIB).into(), now).await.unwrap_err();
    assert!(error.to_string().contains("an allowance is used up: more than is left"), "{error}");
    let archive = Arrival { backfill: true, ..now };
    assert!(importer.read(with_file(1, MIB).into(), archive).await.is_ok());
}
