//! Floods of one sender: everything is kept and accounted for, the core hears of it once a window, nobody else notices.

use crate::house::{House, hours};
use lodge_domain::ports::{BudgetVerdict, Clock, Ledger, Lookup};
use lodge_domain::{
    BlobRef, BrandName, Contact, HandleKind, Inbound, InboxName, JoinCondition, Judgement, Lane, OriginClass,
    PartyHandle, Placement, Reference, Suspicion,
};
use lodge_pipeline::{InboxFacts, Settings};
use lodge_testkit::{SampleContact, sample_contact};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Ten contacts in ten minutes, by people and by programs.
fn strict() -> Settings {
    let mut settings = Settings::default();
    (settings.allowances.burst, settings.allowances.burst_automated) = (10, 10);
    settings
}

fn mail(number: usize) -> SampleContact {
    sample_contact().id(&format!("<{number}@example.com>")).text(&format!("number {number}"))
}

fn bursts(events: &[Value]) -> Vec<&Value> {
    let burst = Value::from("burst");
    events.iter().filter(|event| event["flags"].as_array().is_some_and(|all| all.contains(&burst))).collect()
}

/// What the core can account for: contacts told one by one, and those that summaries stand for.
fn accounted(house: &House) -> u64 {
    let events = house.events();
    let counts =
        bursts(&events).iter().map(|event| event["details"]["burst"]["count"].as_u64().unwrap()).sum::<u64>();
    let contacts = events.iter().filter(|event| event["type"] == "contact.accepted").count();
    (contacts - bursts(&events).len()) as u64 + counts
}

/// Each conversation's numbers run from 1 without gaps.
fn assert_no_gaps(house: &House) {
    let mut seen: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
    for event in house.events() {
        let last = seen.entry(event["ticket"]["reference"].as_str().unwrap().to_owned()).or_default();
        assert_eq!(event["ticket"]["sequence"].as_u64(), Some(*last + 1), "{event}");
        *last += 1;
    }
}

#[tokio::test]
async fn t76_a_flood_of_one_sender_is_all_accounted_for_in_few_events() {
    let house = House::new();
    const MANY: usize = 2_000;
    for batch in (0..MANY).collect::<Vec<_>>().chunks(200) {
        let contact =
            |number: &usize| Inbound::Contact(Box::new(mail(*number).at(house.clock.now()).build()));
        house.pipeline.intake().accept(batch.iter().map(contact).collect()).await.unwrap();
    }
    house.work_off().await;
    assert_eq!(house.events().len(), 200, "the window is still open");
    house.clock.advance_secs(600);
    house.work_off().await;
    let events = house.events();
    assert_eq!((events.len(), bursts(&events).len()), (201, 1));
    let told = bursts(&events)[0];
    assert_eq!(told["details"]["burst"]["count"], MANY - 200);
    assert_eq!(told["acknowledgment"]["decision"], "suppress");
    assert_eq!((&told["ticket"]["sequence"], &told["ticket"]["placement"]), (&1.into(), &"new".into()));
    assert!(told["body"]["text"].as_str().unwrap().contains("number 200"), "the first of them is shown");
    assert_eq!(accounted(&house), MANY as u64);
    assert_no_gaps(&house);
    // All of them are found, whole, by the reference that the event names.
    let reference = Reference::parse(told["details"]["burst"]["reference"].as_str().unwrap()).unwrap();
    let brand = BrandName::unbranded();
    let held = house.store.find(&brand, Lookup::Reference(reference.clone())).await.unwrap();
    let texts: BTreeSet<_> = held.iter().map(|one| one.contact.body.text.clone()).collect();
    assert_eq!((held.len(), texts.len()), (MANY - 200, MANY - 200));
    let one = held.iter().find(|one| one.contact.body.text == "number 777").unwrap();
    let journal = house.store.journal(&brand, &[one.receipt.envelope.to_string()]).await.unwrap();
    assert_eq!(journal[0].step, "collapsed");
    assert!(journal[0].text.starts_with("more than 200 contacts of one sender in 10m: kept"), "{journal:?}");
}

#[tokio::test]
async fn t76_others_are_not_touched_and_nobody_uses_up_the_allowance_of_somebody_else() {
    let house = House::with(strict(), |_| {});
    for number in 0..100 {
        house.accept(mail(number).unverified()).await;
    }
    // The flood claimed to be Ann; Ann herself writes as always, and so does everybody else.
    let ann = house.accept(mail(1000)).await;
    let bob = house.accept(mail(1001).from("bob@example.com")).await;
    house.work_off().await;
    for receipt in [&ann, &bob] {
        assert_eq!(house.event(receipt)["flags"], serde_json::json!([]));
    }
    assert_eq!(house.events().len(), 12);
    house.clock.advance_secs(600);
    house.work_off().await;
    assert_eq!((house.events().len(), accounted(&house)), (13, 102));
    // The next window is a new one.
    let later = house.take(mail(2000).unverified()).await;
    assert_eq!(house.event(&later)["flags"], serde_json::json!([]));
}

#[tokio::test]
async fn t76_a_flood_into_one_conversation_is_held_back_too_and_leaves_no_gap() {
    let house = House::with(strict(), |_| {});
    let first = house.take(mail(0).registers("the thread")).await;
    for number in 1..60 {
        house.accept(mail(number).thread_key(JoinCondition::Always, "the thread")).await;
    }
    house.work_off().await;
    house.clock.advance_secs(601);
    let after = house.take(mail(99).thread_key(JoinCondition::Always, "the thread")).await;
    assert_eq!((&after.reference, after.sequence), (&first.reference, 11), "goes on where it was");
    assert_no_gaps(&house);
    assert_eq!(accounted(&house), 61);
    let events = house.events();
    let told = bursts(&events)[0];
    assert_eq!(
        told["ticket"]["suggested_parent"],
        first.reference.as_str(),
        "says where they would have gone"
    );
    // An answer to what stands for them has the next number of its own conversation.
    let reference = Reference::parse(told["ticket"]["reference"].as_str().unwrap()).unwrap();
    house.reply(&reference, "k", "Please stop.").await.unwrap();
    house.work_off().await;
    assert_no_gaps(&house);
    assert_eq!(house.replier.sent().last().unwrap().text, "Please stop.");
}

#[tokio::test]
async fn t76_repeats_are_not_counted_and_get_their_first_receipt() {
    let house = House::with(strict(), |_| {});
    let first = house.accept(mail(0)).await;
    for _ in 0..50 {
        let again = house.accept(mail(0)).await;
        assert_eq!((again.placement, &again.envelope), (Placement::Duplicate, &first.envelope));
    }
    for number in 1..10 {
        house.accept(mail(number)).await;
    }
    // Another process has seen nothing of them; the store has.
    let next = house.restarted();
    next.pipeline.ask_always();
    for number in 0..10 {
        assert_eq!(next.accept(mail(number)).await.placement, Placement::Duplicate);
    }
    house.work_off().await;
    assert_eq!((house.events().len(), bursts(&house.events()).len()), (10, 0), "ten are not too many");
    let held = house.accept(mail(10)).await;
    let again = house.accept(mail(10)).await;
    assert_eq!((again.placement, again.reference), (Placement::Duplicate, held.reference));
    house.clock.advance_secs(601);
    house.work_off().await;
    assert_eq!(house.accept(mail(10)).await.placement, Placement::Duplicate, "in the next window too");
    house.work_off().await;
    assert_eq!((accounted(&house), house.events().len()), (11, 11));
}

#[tokio::test]
async fn t76_a_process_for_one_contact_counts_with_the_others() {
    let house = House::with(strict(), |_| {});
    for number in 0..30 {
        let process = House::over_again(&house, strict());
        process.pipeline.ask_always();
        process.accept(mail(number)).await;
    }
    house.work_off().await;
    house.clock.advance_secs(601);
    house.work_off().await;
    assert_eq!((house.events().len(), accounted(&house)), (11, 30));
}

#[tokio::test]
async fn t76_crashes_while_a_burst_is_told_double_and_lose_nothing() {
    let house = House::with(strict(), |_| {});
    for number in 0..40 {
        house.accept(mail(number)).await;
    }
    house.work_off().await;
    house.clock.advance_secs(601);
    // The summary is accepted, and its founder's work is not settled: it comes back when its lease ends.
    house.work.settle.store(true, Ordering::SeqCst);
    house.pipeline.drain_due(&Lane::Triage).await.unwrap();
    house.work.settle.store(false, Ordering::SeqCst);
    house.clock.advance_secs(61);
    house.work_off().await;
    assert_eq!((house.events().len(), bursts(&house.events()).len(), accounted(&house)), (11, 1, 40));
    assert_no_gaps(&house);
    assert!(house.dead_letters().await.is_empty());
}

/// Accepted when the summary was made already: a store that was slow. They are told by a further one.
#[tokio::test]
async fn t76_stragglers_are_told_as_well() {
    let house = House::with(strict(), |_| {});
    for number in 0..20 {
        house.accept(mail(number)).await;
    }
    house.work_off().await;
    house.clock.advance_secs(601);
    house.work_off().await;
    assert_eq!(accounted(&house), 20);
    let brand = BrandName::unbranded();
    let events = house.events();
    let reference = bursts(&events)[0]["details"]["burst"]["reference"].as_str().unwrap().to_owned();
    let held =
        house.store.find(&brand, Lookup::Reference(Reference::parse(&reference).unwrap())).await.unwrap();
    for number in 0..3 {
        let like = held[0].contact.clone();
        let fresh = mail(500 + number).at(house.clock.now()).build();
        let late = Contact { dedupe: fresh.dedupe, body: fresh.body, ..like };
        let candidate = lodge_domain::Candidate::new(&late, house.clock.now()).unwrap();
        house.store.accept(vec![candidate]).await.unwrap();
    }
    house.work_off().await;
    assert_eq!((accounted(&house), bursts(&house.events()).len()), (23, 2));
}

#[tokio::test]
async fn t76_programs_have_their_own_limit_inboxes_too_and_archives_none() {
    let mut settings = strict();
    settings.allowances.burst_automated = 0;
    let inbox = |name: &str| InboxName::parse(name).unwrap();
    settings.inboxes.insert(inbox("support"), InboxFacts { burst: Some(5), ..InboxFacts::default() });
    let house = House::with(settings, |_| {});
    for number in 0..50 {
        house.accept(mail(number).automated(OriginClass::Notification)).await;
    }
    house.work_off().await;
    assert_eq!(house.events().len(), 50, "monitoring may send what it likes");
    for number in 50..60 {
        house.accept(mail(number)).await;
    }
    for number in 60..90 {
        house.accept(mail(number).from("archive@example.com").with(|contact| contact.backfill = true)).await;
    }
    house.work_off().await;
    assert_eq!(house.events().len(), 50 + 5 + 30);
    house.clock.advance_secs(601);
    house.work_off().await;
    assert_eq!(accounted(&house), 90);
}

/// Who has no address is not a new sender each time.
#[tokio::test]
async fn t76_nameless_senders_share_one_allowance() {
    let house = House::with(strict(), |_| {});
    for number in 0..40 {
        let mut contact = mail(number).unverified().at(house.clock.now()).build();
        contact.from.handle = PartyHandle::new(HandleKind::Anonymous, format!("mail-{number}"));
        contact.return_path = None;
        house.pipeline.intake().accept(vec![Inbound::Contact(Box::new(contact))]).await.unwrap();
    }
    house.work_off().await;
    house.clock.advance_secs(601);
    house.work_off().await;
    assert_eq!((house.events().len(), accounted(&house)), (11, 40));
}

fn big(number: usize, house: &House) -> Contact {
    mail(number).at(house.clock.now()).build()
}

#[tokio::test]
async fn t32_bytes_are_granted_to_a_sender_and_a_brand_within_a_window() {
    const MIB: u64 = 1 << 20;
    let mut settings = Settings::default();
    (settings.allowances.sender_bytes, settings.allowances.brand_bytes) = (100 * MIB, 250 * MIB);
    let house = House::with(settings, |_| {});
    let intake = house.pipeline.intake();
    let granted =
        async |contact: &Contact, mib: u64| intake.grant(contact, mib * MIB).await == BudgetVerdict::Granted;
    for number in 0..4 {
        assert!(granted(&big(number, &house), 25).await, "{number}");
    }
    let fifth = big(4, &house);
    let BudgetVerdict::Exhausted { label, until } = intake.grant(&fifth, 25 * MIB).await else { panic!() };
    assert_eq!(label, "more than 100 MiB of one sender in 24h");
    assert_eq!(until, house.clock.now() + hours(24));
    assert!(!granted(&fifth, 25).await, "asked again, the answer is the same");
    // Only claiming to be her uses up nothing of hers, and others have their own.
    assert!(
        granted(
            &Contact {
                from: lodge_domain::Party {
                    assurance: lodge_domain::Assurance::Unverified,
                    ..fifth.from.clone()
                },
                ..big(5, &house)
            },
            25
        )
        .await
    );
    for number in 0..4 {
        let bob = sample_contact().from("bob@example.com").id(&format!("<b{number}@x>")).build();
        assert!(granted(&bob, 25).await);
    }
    let carol = sample_contact().from("carol@example.com").id("<c@x>").build();
    assert!(!granted(&carol, 30).await, "the brand has no room for so much");
    assert!(granted(&carol, 25).await, "for less it has");
    let other = sample_contact().brand("other").id("<o@x>").build();
    assert!(granted(&other, 90).await, "brands have their own");
    assert!(
        granted(&sample_contact().id("<a@x>").with(|contact| contact.backfill = true).build(), 5_000).await,
        "archives are the owner's wish"
    );
    house.clock.advance_secs(24 * 3600);
    assert!(granted(&fifth, 100).await);
}

#[tokio::test]
async fn t32_what_is_known_already_costs_nothing_and_small_mail_is_counted_too() {
    const MIB: u64 = 1 << 20;
    let mut settings = Settings::default();
    settings.allowances.sender_bytes = 10 * MIB;
    let house = House::with(settings, |_| {});
    house.take(mail(0)).await;
    let intake = house.pipeline.intake();
    let known = big(0, &house);
    for _ in 0..10 {
        assert_eq!(intake.grant(&known, 9 * MIB).await, BudgetVerdict::Granted, "read again and again");
    }
    let mut granted = 0;
    for number in 1..1_000 {
        granted += u64::from(intake.grant(&big(number, &house), 100 * 1024).await == BudgetVerdict::Granted);
    }
    assert_eq!(granted, 102, "ten MiB in pieces of 100 KiB");
}

#[tokio::test]
async fn t48_a_file_under_quarantine_is_named_with_its_reasons_and_linked_as_bytes() {
    struct Typed;
    impl lodge_pipeline::Links for Typed {
        fn blob(
            &self,
            _: &BlobRef,
            name: Option<&str>,
            media_type: &str,
            _: lodge_domain::Timestamp,
        ) -> Option<String> {
            Some(format!("{}#{media_type}", name.unwrap_or("raw")))
        }
    }
    let contact = |house: &House| {
        let blob = || BlobRef { sha256: "ab".repeat(32), size: 9 };
        let files = [
            ("a.png", "image/png"),
            ("b.html", "text/html"),
            ("c.exe", "image/png"),
            ("d.txt", "text/plain"),
        ];
        let sample =
            files.into_iter().fold(mail(1), |sample, (name, kind)| sample.attachment(name, kind, blob()));
        let mut contact = sample.at(house.clock.now()).build();
        let judged = |sniffed: Option<&str>, suspicions: &[Suspicion]| {
            Some(Judgement {
                sniffed: sniffed.map(str::to_owned),
                suspicions: suspicions.iter().copied().collect(),
            })
        };
        contact.attachments[0].judgement = judged(Some("image/png"), &[]);
        contact.attachments[1].judgement = judged(Some("text/html"), &[Suspicion::ActiveContent]);
        contact.attachments[2].judgement =
            judged(Some("application/x-executable"), &[Suspicion::TypeMismatch, Suspicion::Executable]);
        contact
    };
    let attachments = async |settings: Settings| {
        let house = House::with(settings, |parts| parts.links = Arc::new(Typed));
        house.pipeline.intake().accept(vec![Inbound::Contact(Box::new(contact(&house)))]).await.unwrap();
        house.work_off().await;
        house.events()[0]["attachments"].clone()
    };
    let files = attachments(Settings::default()).await;
    assert_eq!((&files[0]["policy"], &files[0]["href"]), (&"ok".into(), &"a.png#image/png".into()));
    assert_eq!(
        (&files[1]["policy"], &files[1]["href"]),
        (&"quarantine".into(), &"b.html#application/octet-stream".into())
    );
    assert_eq!(files[2]["policy_reasons"], serde_json::json!(["executable", "type-mismatch"]));
    assert_eq!(
        (&files[2]["declared"], &files[2]["sniffed"]),
        (&"image/png".into(), &"application/x-executable".into())
    );
    assert_eq!(
        (&files[2]["media_type"], &files[2]["href"]),
        (&"image/png".into(), &"c.exe#application/octet-stream".into())
    );
    assert!(files[3]["policy"].is_null(), "nobody looked at it");
    // A desk of web developers wants its HTML.
    let mut relaxed = Settings::default();
    relaxed.quarantines.remove(&Suspicion::ActiveContent);
    let files = attachments(relaxed).await;
    assert_eq!((&files[1]["policy"], &files[1]["href"]), (&"ok".into(), &"b.html#text/html".into()));
    assert_eq!(files[2]["policy"], "quarantine");
}
