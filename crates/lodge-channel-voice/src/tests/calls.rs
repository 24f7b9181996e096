//! Whole calls: one contact each, whatever comes, goes missing or comes twice. Every scenario is every provider's.

use super::phone::{Phone, phones};
use super::reading::Reading;
use super::rig::{House, Plan, inbox};
use axum::http::StatusCode;
use lodge_domain::ports::Refusal;
use lodge_domain::ticket::SupplementKind;
use lodge_domain::{HandleKind, Reference, SignedDuration};
use proptest::prelude::*;
use serde_json::json;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// The reference that an answer speaks, in the one text that has its digits.
fn spoken(answer: &Reading, phone: &Phone) -> Option<Reference> {
    let digits = |text: &&str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let said = answer.said(phone).into_iter().map(|text| digits(&text)).find(|digits| digits.len() == 10)?;
    Reference::parse(&said)
}

#[tokio::test]
async fn i01_a_call_is_one_contact_and_hears_its_reference() {
    for phone in phones() {
        let house = House::of(&phone);
        let name = &phone.provider;
        let menu = house.rings().await;
        assert!(menu.does(&phone, "listens") && !menu.said(&phone).is_empty(), "{name}: {menu:?}");
        let record = house.presses("1", &menu).await;
        assert!(record.does(&phone, "records"), "{name}: {record:?}");
        assert!(house.contacts().is_empty(), "{name}: nothing is filed before the end");
        let confirm = house.recorded(&record).await;
        assert!(spoken(&confirm, &phone).is_some(), "{name}: {confirm:?}");
        assert!(confirm.does(&phone, "hangs_up") && !confirm.does(&phone, "listens"), "{name}: {confirm:?}");
        let contacts = house.contacts();
        let [contact] = contacts.as_slice() else { panic!("{name}: {contacts:?}") };
        let details = &contact.details;
        assert_eq!(details["path"], json!(["technical"]), "{name}");
        let said = (details["call_id"].as_str(), details["outcome"].as_str());
        assert_eq!(said, (Some(phone.call_id()), Some("confirmed")), "{name}");
        let handle = &contact.from.handle;
        assert_eq!((handle.kind, handle.value.as_str()), (HandleKind::Phone, "+14155550134"), "{name}");
        assert_eq!(contact.address.to_string(), format!("voice/{}", phone.table()));
        assert!(contact.acknowledges_inline && contact.body.text.contains("technical"), "{name}");
        house.told("completed", &[]).await;
        assert_eq!(house.contacts().len(), 1, "{name}");
        let told = house.supplements();
        assert_eq!((told.len(), told[0].kind), (1, SupplementKind::Status), "{name}: {told:?}");
        assert_eq!(told[0].details["duration"], phone.value["seconds"], "{name}");
    }
}

#[tokio::test]
async fn i01_the_same_callback_gets_the_same_bytes_from_any_gateway() {
    for phone in phones() {
        let house = House::of(&phone);
        let menu = house.rings().await;
        let other = house.neighbour();
        assert_eq!(other.rings().await.whole, menu.whole, "{}", phone.provider);
        let record = other.presses("2", &menu).await;
        assert_eq!(house.presses("2", &menu).await.whole, record.whole, "{}", phone.provider);
        let confirm = house.recorded(&record).await;
        assert_eq!(other.recorded(&record).await.whole, confirm.whole, "{}", phone.provider);
        assert_eq!(house.presses("2", &menu).await.whole, record.whole, "{}: long after", phone.provider);
        assert_eq!(house.contacts().len(), 1, "{}", phone.provider);
    }
}

#[tokio::test]
async fn i01_callbacks_at_the_same_time_are_one_step() {
    for phone in phones() {
        let house = House::of(&phone);
        let other = house.neighbour();
        let menu = house.rings().await;
        let (a, b, c) =
            tokio::join!(house.presses("3", &menu), other.presses("3", &menu), house.presses("3", &menu));
        assert!(a.whole == b.whole && b.whole == c.whole, "{}", phone.provider);
    }
}

#[tokio::test]
async fn i02_keys_and_words_choose_and_nonsense_is_asked_again_and_then_goes_on() {
    for phone in phones() {
        let silent: (&str, Vec<(&str, &str)>) = ("silent", vec![]);
        let mut said = vec![
            (("presses", vec![("keys", "2")]), vec!["billing"]),
            (("presses", vec![("keys", "7")]), vec![]),
            (silent, vec![]),
        ];
        if phone.has("says") {
            said.push((("says", vec![("words", "My INVOICE, please!")]), vec!["billing"]));
            said.push((("says", vec![("words", "a problem with my invoice")]), vec![]));
        }
        for ((event, values), path) in said {
            let house = House::of(&phone);
            let mut answer = house.rings().await;
            for _ in 0..3 {
                if answer.does(&phone, "listens") {
                    answer = house.goes_on(event, &values, Some(&answer)).await;
                }
            }
            let name = format!("{}: {event} {values:?}", phone.provider);
            assert!(answer.does(&phone, "records"), "{name}: {answer:?}");
            house.recorded(&answer).await;
            assert_eq!(house.contacts()[0].details["path"], json!(path), "{name}");
        }
    }
}

#[tokio::test]
async fn i01_recordings_words_and_ends_in_any_order_are_supplements_of_one_contact() {
    let late: [(&str, &[(&str, &str)]); 4] = [
        ("recording", &[("recording", "RE1"), ("url", "https://elsewhere.example/RE1")]),
        ("recording_lost", &[("recording", "RE2")]),
        ("transcript", &[("recording", "RE1"), ("words", "my router is broken")]),
        ("completed", &[]),
    ];
    for phone in phones() {
        for first in 0..late.len() {
            let house = House::of(&phone);
            let menu = house.rings().await;
            let record = house.presses("1", &menu).await;
            house.recorded(&record).await;
            for (event, values) in late.iter().cycle().skip(first).take(late.len()) {
                if phone.has(event) {
                    house.told(event, values).await;
                }
            }
            while house.works.recordings.round().await.unwrap() > 0 {}
            assert_eq!(house.contacts().len(), 1, "{} {first}", phone.provider);
            let told = house.supplements();
            let own = crate::contact::envelope(&inbox(), phone.call_id());
            assert!(told.iter().all(|one| one.of == own), "{} {first}: {told:?}", phone.provider);
            // Told of twice is one supplement: what it is about is its name.
            let of = |kind| {
                let of_kind = told.iter().filter(|one| one.kind == kind);
                of_kind.map(|one| one.source.as_str()).collect::<BTreeSet<_>>().len()
            };
            let recordings = [phone.has("recording"), phone.has("recording_lost"), phone.uploads()];
            let recordings = recordings.into_iter().filter(|so| *so).count();
            assert_eq!(of(SupplementKind::Recording), recordings, "{} {first}: {told:?}", phone.provider);
            assert_eq!(of(SupplementKind::Status), 1, "{} {first}: {told:?}", phone.provider);
        }
    }
}

#[tokio::test]
async fn a_hallway_that_is_busy_is_asked_again_and_nothing_is_lost() {
    for phone in phones() {
        let house = House::of(&phone);
        let menu = house.rings().await;
        let record = house.presses("1", &menu).await;
        house.shared.intake.refuse(Some(Refusal::Busy { retry_after: Duration::from_secs(1) }));
        let (status, _) = house.tell("recorded", &[("recording", "RE1")], Some(&record)).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{}", phone.provider);
        house.shared.intake.refuse(None);
        let confirm = house.recorded(&record).await;
        assert!(spoken(&confirm, &phone).is_some(), "{}: {confirm:?}", phone.provider);
        assert_eq!(house.contacts().len(), 1, "{}", phone.provider);
    }
}

const OPERATED: &str = r#"
start = "operator"
languages = ["en"]
[step.operator.operator]
say = { en = "One moment." }
number = "+493012345"
next = "end"
otherwise = "message"
[step.message.record]
say = { en = "Nobody is there. Leave a message." }
next = "end"
[step.end.goodbye]
say = { en = "Goodbye." }
"#;

#[tokio::test]
async fn an_operator_is_called_and_who_is_not_answered_may_leave_a_message() {
    for phone in phones().iter().filter(|phone| phone.has("connected")) {
        for (event, answered) in [("connected", true), ("unconnected", false)] {
            let house = Plan::of(phone).dialogue(OPERATED).build();
            let dial = house.rings().await;
            let name = format!("{} {event}: {}", phone.provider, dial.whole);
            assert!(dial.does(phone, "dials") && dial.whole.contains("493012345"), "{name}");
            let after = house.goes_on(event, &[], Some(&dial)).await;
            assert_eq!(after.does(phone, "records"), !answered, "{name}: {after:?}");
            house.told("completed", &[]).await;
            assert_eq!(house.contacts()[0].details["operator"], json!(answered), "{name}");
        }
    }
}

/// The place, where it is a fixed one, the event and its values.
type Act = (Option<&'static str>, &'static str, &'static [(&'static str, &'static str)]);

/// What a provider may send of one call.
const SCRIPT: [Act; 10] = [
    (Some(""), "rings", &[]),
    (Some("turn/1"), "presses", &[("keys", "1")]),
    (Some("turn/1"), "presses", &[("keys", "9")]),
    (Some("turn/2"), "recorded", &[("recording", "RE1")]),
    (Some("turn/2/none"), "silent", &[]),
    (Some("turn/3"), "recorded", &[("recording", "RE1")]),
    (None, "news", &[]),
    (None, "completed", &[]),
    (None, "recording_lost", &[("recording", "RE1")]),
    (None, "transcript", &[("recording", "RE1"), ("words", "hello")]),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn i01_reordered_repeated_and_missing_callbacks_make_one_contact(order in prop::collection::vec(0..10usize, 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for phone in phones() {
            let order: Vec<usize> = order.iter().copied().filter(|at| phone.has(SCRIPT[*at].1)).collect();
            runtime.block_on(async {
                let house = House::of(&phone);
                let other = house.neighbour();
                let mut answers = HashMap::new();
                for (n, at) in order.iter().enumerate() {
                    let (below, event, values) = SCRIPT[*at];
                    let gateway = if n % 2 == 0 { &house } else { &other };
                    let mut saying = phone.says(event, values);
                    saying.place = below.map_or(saying.place, ToOwned::to_owned);
                    let (status, answer) = gateway.tell_saying(&saying, None).await;
                    prop_assert!(status.is_success(), "{} {event} {status}", phone.provider);
                    if status == StatusCode::OK {
                        let before = answers.entry(*at).or_insert_with(|| answer.clone());
                        prop_assert_eq!(&*before, &answer, "the same callback, the same answer");
                    }
                }
                house.shared.clock.advance(SignedDuration::from_hours(1));
                house.works.desk.sweep().await.unwrap();
                let called = order.iter().any(|at| *at < 6 || *at == 7);
                prop_assert_eq!(house.contacts().len(), usize::from(called), "{}", &phone.provider);
                let of: BTreeSet<_> = house.supplements().into_iter().map(|one| one.of).collect();
                prop_assert!(of.len() <= 1);
                prop_assert!(of.into_iter().all(|of| of == crate::contact::envelope(&inbox(), phone.call_id())));
                Ok(())
            })?;
        }
    }
}
