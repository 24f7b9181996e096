//! Calls that end early, or without anybody saying so, and callers who are nobody's number.

use super::phone::{Phone, phones};
use super::rig::{House, Plan};
use lodge_domain::{Assurance, HandleKind, Inbound, SignedDuration};
use serde_json::json;

#[tokio::test]
async fn i03_every_hang_up_files_what_was_learned_once() {
    for phone in phones() {
        for steps in 0..4 {
            let house = House::of(&phone);
            if steps > 0 {
                let menu = house.rings().await;
                if steps > 1 {
                    let record = house.presses("2", &menu).await;
                    if steps > 2 {
                        hang_up_while_recording(&house, &record).await;
                    }
                }
            }
            house.told(if steps == 0 { "missed" } else { "completed" }, &[]).await;
            let contacts = house.contacts();
            let name = format!("{} {steps}", phone.provider);
            assert_eq!(contacts.len(), 1, "{name}");
            let outcome = contacts[0].details["outcome"].as_str().unwrap();
            let left = if tells_of_recordings(&phone) { "voicemail" } else { "abandoned" };
            assert_eq!(outcome, ["missed", "abandoned", "abandoned", left][steps], "{name}");
            assert!(!contacts[0].acknowledges_inline, "{name}: nobody was told anything");
            let path = contacts[0].details["path"].as_array().unwrap();
            assert_eq!(path.len(), usize::from(steps > 1), "{name}");
        }
    }
}

fn tells_of_recordings(phone: &Phone) -> bool {
    phone.has("gone_recording") || phone.has("recording")
}

/// Some providers tell of that as of a turn, others only of the recording, and where words are written down, none does.
async fn hang_up_while_recording(house: &House, record: &super::reading::Reading) {
    let phone = house.phone();
    if phone.has("gone_recording") {
        let answer = house.goes_on("gone_recording", &[("recording", "RE1")], Some(record)).await;
        assert!(answer.said(phone).is_empty(), "{}: who is gone hears nothing", phone.provider);
    } else if tells_of_recordings(phone) {
        let values = [("recording", "RE1"), ("url", "https://elsewhere.example/RE1")];
        house.told("recording", &values).await;
    }
}

const TWO_MESSAGES: &str = r#"
start = "message"
languages = ["en"]
[step.message.record]
say = { en = "Leave a message." }
next = "more"
[step.more.record]
say = { en = "Anything else?" }
next = "end"
[step.end.goodbye]
"#;

#[tokio::test]
async fn i03_whoever_left_a_message_and_hangs_up_left_a_message() {
    for phone in phones() {
        let house = Plan::of(&phone).dialogue(TWO_MESSAGES).extra(json!({"abandoned": false})).build();
        let asks = house.rings().await;
        house.recorded(&asks).await;
        if phone.has("recording") {
            house.told("recording", &[("recording", "RE1"), ("url", "https://elsewhere.example/RE1")]).await;
        }
        house.told("completed", &[]).await;
        let contacts = house.contacts();
        assert_eq!(contacts.len(), 1, "{}: nothing of a message is lost", phone.provider);
        assert_eq!(contacts[0].details["outcome"], "voicemail", "{}", phone.provider);
    }
}

#[tokio::test]
async fn i03_a_message_that_is_told_of_after_the_end_makes_the_ticket_that_the_call_was_not() {
    for phone in phones().iter().filter(|phone| phone.has("recording")) {
        let house = Plan::of(phone).dialogue(TWO_MESSAGES).extra(json!({"abandoned": false})).build();
        house.rings().await;
        house.told("completed", &[]).await;
        assert!(house.contacts().is_empty(), "{}", phone.provider);
        house.told("recording", &[("recording", "RE1"), ("url", "https://elsewhere.example/RE1")]).await;
        let contacts = house.contacts();
        assert_eq!(contacts.len(), 1, "{}: nothing of a message is lost", phone.provider);
        assert_eq!(contacts[0].details["outcome"], "voicemail", "{}", phone.provider);
        assert_eq!(contacts[0].details["recording"]["recording_id"], "RE1", "{}", phone.provider);
    }
}

#[tokio::test]
async fn i03_a_message_told_of_with_the_hang_up_is_one_though_the_end_was_told_first() {
    for phone in phones().iter().filter(|phone| phone.has("gone_recording")) {
        let house = Plan::of(phone).extra(json!({"abandoned": false})).build();
        let menu = house.rings().await;
        let record = house.presses("2", &menu).await;
        house.told("completed", &[]).await;
        assert!(house.contacts().is_empty(), "{}", phone.provider);
        let values = [("recording", "RE1")];
        for _ in 0..2 {
            house.goes_on("gone_recording", &values, Some(&record)).await;
        }
        let contacts = house.contacts();
        assert_eq!(contacts.len(), 1, "{}: nothing of a message is lost", phone.provider);
        assert_eq!(contacts[0].details["outcome"], "voicemail", "{}", phone.provider);
        assert!(!contacts[0].acknowledges_inline, "{}: nobody was told anything", phone.provider);
    }
}

fn withheld(phone: &Phone) -> Vec<String> {
    let all = phone.value["withheld"].as_array().unwrap();
    all.iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn i03_withheld_numbers_are_anonymous_and_settings_say_what_becomes_a_ticket() {
    for phone in phones() {
        for number in withheld(&phone) {
            let name = format!("{} {number:?}", phone.provider);
            let from = phone.calling_from(&number);
            let missed = phone.says_also("missed", &[], &from);
            let house = House::of(&phone);
            house.tell_saying(&missed, None).await;
            let contact = house.contacts().remove(0);
            let party = (contact.from.handle.kind, contact.from.assurance);
            assert_eq!(party, (HandleKind::Anonymous, Assurance::Unverified), "{name}");
            assert!(contact.return_path.is_none(), "{name}");
            let strict = Plan::of(&phone).extra(json!({"anonymous": false})).build();
            strict.tell_saying(&missed, None).await;
            let taken = strict.shared.intake.taken();
            assert!(strict.contacts().is_empty() && matches!(taken[0], Inbound::Skipped { .. }), "{name}");
        }
        let house = Plan::of(&phone).extra(json!({"missed": false})).build();
        house.told("missed", &[]).await;
        assert!(house.contacts().is_empty() && house.supplements().is_empty(), "{}", phone.provider);
        let house = Plan::of(&phone).extra(json!({"abandoned": false})).build();
        house.rings().await;
        house.told("completed", &[]).await;
        assert!(house.contacts().is_empty() && house.supplements().is_empty(), "{}", phone.provider);
    }
}

#[tokio::test]
async fn i03_a_call_whose_end_was_never_told_is_filed_and_then_forgotten() {
    for phone in phones() {
        let house = House::of(&phone);
        let clock = &house.shared.clock;
        let swept = async || (house.works.desk.sweep().await.unwrap(), house.contacts().len());
        let menu = house.rings().await;
        clock.advance(SignedDuration::from_mins(5));
        house.presses("1", &menu).await;
        clock.advance(SignedDuration::from_mins(29));
        assert_eq!(swept().await, (0, 0), "{}", phone.provider);
        clock.advance(SignedDuration::from_mins(2));
        assert_eq!(swept().await, (1, 1), "{}", phone.provider);
        clock.advance(SignedDuration::from_mins(31));
        assert_eq!(swept().await, (0, 1), "{}", phone.provider);
        assert!(house.kept("").await.is_empty(), "{}: neither the call nor a note is left", phone.provider);
        // Forgotten here, and still the same contact.
        house.told("completed", &[]).await;
        assert_eq!(house.contacts().len(), 1, "{}", phone.provider);
        assert_eq!(house.supplements().len(), 1, "{}: its state is told all the same", phone.provider);
    }
}

#[tokio::test]
async fn a_sweep_looks_at_what_is_due_alone() {
    let phone = &phones()[0];
    let house = House::of(phone);
    house.rings().await;
    let notes = house.kept("due-call/").await;
    assert_eq!(notes.len(), 1, "one note a call: {notes:?}");
    let menu = house.rings().await;
    house.presses("1", &menu).await;
    assert_eq!(house.kept("due-call/").await, notes, "and none for a turn");
    assert!(house.works.desk.calls.due().await.unwrap().is_empty(), "nothing is due");
    house.shared.clock.advance(SignedDuration::from_mins(31));
    assert_eq!(house.works.desk.calls.due().await.unwrap().len(), 1);
}

const TEXTING: &str = r#"
start = "consent"
languages = ["en"]
[step.consent.consent]
about = "text-message"
say = { en = "For a text message press 1." }
next = "confirm"
[step.confirm.confirm]
say = { en = "It is {reference}." }
next = "end"
[step.end.goodbye]
"#;

#[tokio::test]
async fn i05_a_text_message_needs_a_number_to_go_to() {
    for phone in phones() {
        for (number, texted) in [("+14155550134", true), ("anonymous", false)] {
            let house = Plan::of(&phone).dialogue(TEXTING).build();
            let rings = phone.says_also("rings", &[], &phone.calling_from(number));
            let (_, asks) = house.tell_saying(&rings, None).await;
            house.presses("1", &super::reading::Reading::of(&phone, &asks)).await;
            let contact = house.contacts().remove(0);
            let texted = texted && !phone.value["texted"].is_null();
            assert_eq!(contact.acknowledges_inline, !texted, "{} {number}", phone.provider);
            assert!(contact.no_acknowledgment.is_empty(), "{} {number}", phone.provider);
        }
    }
}
