//! Whole calls: one contact each, whatever comes, goes missing or comes twice.

use super::rig::{CALL, House, action, everything, hotline, signature, verbs};
use crate::desk::Policy;
use crate::dialogue;
use axum::http::StatusCode;
use lodge_domain::ports::Refusal;
use lodge_domain::ticket::SupplementKind;
use lodge_domain::{Assurance, HandleKind, Inbound, JoinCondition, Reference, SignedDuration};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

const RECORDED: &[(&str, &str)] = &[("RecordingSid", "RE1"), ("RecordingDuration", "17"), ("Digits", "#")];

#[tokio::test]
async fn i01_a_call_is_one_contact_and_hears_its_reference() {
    let house = House::new();
    let (status, menu) =
        house.post("", &[("CallStatus", "ringing"), ("StirVerstat", "TN-Validation-Passed-A")]).await;
    assert_eq!((status, verbs(&menu)), (StatusCode::OK, vec!["Gather", "Say", "Say"]));
    assert!(menu.contains("numDigits=\"1\"") && menu.contains("dtmf speech"), "{menu}");
    let record = house.follow(&menu, &[("Digits", "1")]).await;
    assert_eq!(verbs(&record), ["Say", "Record", "Redirect"]);
    assert!(house.contacts().is_empty(), "nothing is filed before the end");
    let confirm = house.follow(&record, RECORDED).await;
    assert_eq!(verbs(&confirm), ["Say", "Say", "Say", "Hangup"]);
    let contacts = house.contacts();
    let [contact] = contacts.as_slice() else { panic!("{contacts:?}") };
    let digits: String = confirm.split("reference is ").nth(1).unwrap().chars().take(21).collect();
    let reference =
        Reference::parse(&digits.replace(',', "").chars().filter(char::is_ascii_digit).collect::<String>());
    assert!(reference.is_some(), "{digits}");
    assert_eq!(contact.details["path"], serde_json::json!(["technical"]));
    assert_eq!(
        (contact.details["call_id"].as_str(), contact.details["outcome"].as_str()),
        (Some(CALL), Some("confirmed"))
    );
    assert_eq!(
        (contact.from.handle.kind, contact.from.handle.value.as_str()),
        (HandleKind::Phone, "+14155550134")
    );
    assert!(contact.acknowledges_inline && contact.body.text.contains("technical"));
    house.post("status", &[("CallStatus", "completed"), ("CallDuration", "40")]).await;
    house.post("status", &[("CallStatus", "completed"), ("CallDuration", "40")]).await;
    assert_eq!(house.contacts().len(), 1);
    let told = house.supplements();
    assert_eq!(
        (told.len(), told[0].kind, &told[0].details["duration"]),
        (1, SupplementKind::Status, &40.into())
    );
}

#[tokio::test]
async fn i01_the_same_callback_gets_the_same_bytes_from_any_gateway() {
    let house = House::new();
    let (_, menu) = house.post("", &[]).await;
    let other = house.neighbour();
    assert_eq!(other.post("", &[]).await.1, menu);
    let record = other.follow(&menu, &[("Digits", "2")]).await;
    assert_eq!(house.follow(&menu, &[("Digits", "2")]).await, record);
    let confirm = house.follow(&record, RECORDED).await;
    assert_eq!(other.follow(&record, RECORDED).await, confirm);
    assert_eq!(house.follow(&menu, &[("Digits", "2")]).await, record, "long after");
    assert_eq!(house.contacts().len(), 1);
}

#[tokio::test]
async fn i01_callbacks_at_the_same_time_are_one_step() {
    let house = House::new();
    let (_, menu) = house.post("", &[]).await;
    let answers = futures(&house, &menu).await;
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
}

async fn futures(house: &House, menu: &str) -> Vec<String> {
    let other = house.neighbour();
    let pressed = [("Digits", "3")];
    let (a, b, c) = tokio::join!(
        house.follow(menu, &pressed),
        other.follow(menu, &pressed),
        house.follow(menu, &pressed)
    );
    vec![a, b, c]
}

#[tokio::test]
async fn i02_keys_and_words_choose_and_nonsense_is_asked_again_and_then_goes_on() {
    for (said, path) in [
        (vec![("Digits", "2")], vec!["billing"]),
        (vec![("SpeechResult", "My INVOICE, please!"), ("Confidence", "0.9")], vec!["billing"]),
        (vec![("SpeechResult", "a problem with my invoice")], vec![]),
        (vec![("Digits", "7")], vec![]),
        (vec![], vec![]),
    ] {
        let house = House::new();
        let (_, mut answer) = house.post("", &[]).await;
        for _ in 0..3 {
            if verbs(&answer).contains(&"Gather") {
                answer = house.follow(&answer, &said).await;
            }
        }
        assert!(verbs(&answer).contains(&"Record"), "{said:?}: {answer}");
        house.follow(&answer, RECORDED).await;
        assert_eq!(house.contacts()[0].details["path"], serde_json::json!(path), "{said:?}");
    }
}

#[tokio::test]
async fn i03_every_hang_up_files_what_was_learned_once() {
    for steps in 0..4 {
        let house = House::new();
        if steps > 0 {
            let (_, menu) = house.post("", &[]).await;
            if steps > 1 {
                let record = house.follow(&menu, &[("Digits", "2")]).await;
                if steps > 2 {
                    let gone = [("CallStatus", "completed"), ("RecordingSid", "RE1"), ("Digits", "hangup")];
                    let (_, answer) = house.post(&action(&record), &gone).await;
                    assert_eq!(verbs(&answer), ["Hangup"]);
                }
            }
        }
        let ended = if steps == 0 { "no-answer" } else { "completed" };
        house.post("status", &[("CallStatus", ended)]).await;
        house.post("status", &[("CallStatus", ended)]).await;
        let contacts = house.contacts();
        assert_eq!(contacts.len(), 1, "{steps}");
        let outcome = contacts[0].details["outcome"].as_str().unwrap();
        assert_eq!(outcome, ["missed", "abandoned", "abandoned", "voicemail"][steps], "{steps}");
        assert!(!contacts[0].acknowledges_inline, "nobody was told anything");
        let path = &contacts[0].details["path"];
        assert_eq!(path.as_array().unwrap().len(), usize::from(steps > 1), "{steps}");
    }
}

#[tokio::test]
async fn i03_withheld_numbers_are_anonymous_and_settings_say_what_becomes_a_ticket() {
    for withheld in ["+266696687", "anonymous", "Anonymous", "", "+7378742833"] {
        let house = House::new();
        house
            .post(
                "status",
                &[("From", withheld), ("CallStatus", "completed"), ("StirVerstat", "TN-Validation-Passed-A")],
            )
            .await;
        let contact = house.contacts().remove(0);
        assert_eq!(
            (contact.from.handle.kind, contact.from.assurance),
            (HandleKind::Anonymous, Assurance::Unverified)
        );
        assert!(contact.return_path.is_none());
        let policy = Policy { anonymous: false, ..everything() };
        let strict = House::with(hotline(), policy, "http://127.0.0.1:9");
        strict.post("status", &[("From", withheld), ("CallStatus", "completed")]).await;
        assert!(strict.contacts().is_empty() && matches!(strict.intake.taken()[0], Inbound::Skipped { .. }));
    }
    let house = House::with(hotline(), Policy { missed: false, ..everything() }, "http://127.0.0.1:9");
    house.post("status", &[("CallStatus", "busy")]).await;
    assert!(house.contacts().is_empty() && house.supplements().is_empty());
}

#[tokio::test]
async fn i03_a_call_whose_end_was_never_told_is_filed_and_then_forgotten() {
    let house = House::new();
    let (_, menu) = house.post("", &[]).await;
    house.follow(&menu, &[("Digits", "1")]).await;
    house.clock.advance(SignedDuration::from_mins(29));
    assert_eq!((house.desk.sweep().await.unwrap(), house.contacts().len()), (0, 0));
    house.clock.advance(SignedDuration::from_mins(2));
    assert_eq!((house.desk.sweep().await.unwrap(), house.contacts().len()), (1, 1));
    house.clock.advance(SignedDuration::from_mins(31));
    assert_eq!(house.desk.sweep().await.unwrap(), 0);
    // Forgotten here, and still the same contact.
    house.post("status", &[("CallStatus", "completed")]).await;
    assert_eq!(house.contacts().len(), 1);
    assert_eq!(house.supplements().len(), 1, "its state is told all the same");
}

#[tokio::test]
async fn t42_only_full_attestation_vouches_for_a_number() {
    let verdicts = [
        ("TN-Validation-Passed-A", true),
        ("TN-Validation-Passed-B", false),
        ("No-TN-Validation", false),
        ("", false),
    ];
    for (verdict, vouched) in verdicts {
        let house = House::new();
        house.post("status", &[("CallStatus", "completed"), ("StirVerstat", verdict)]).await;
        let assurance = house.contacts().remove(0).from.assurance;
        assert_eq!(assurance == Assurance::Authenticated, vouched, "{verdict}");
    }
}

const ASKING: &str = r#"
start = "reference"
languages = ["en"]
[step.reference.digits]
name = "reference"
kind = "reference"
say = { en = "Your reference?" }
next = "pin"
[step.pin.digits]
name = "pin"
sensitive = true
say = { en = "Your pin?" }
next = "order"
[step.order.digits]
name = "order"
say = { en = "Your order number?" }
next = "words"
[step.words.speech]
name = "problem"
say = { en = "What happened?" }
next = "consent"
[step.consent.consent]
about = "text-message"
say = { en = "For a text message with your reference press 9." }
yes = "9"
next = "confirm"
[step.confirm.confirm]
say = { en = "It is {reference}." }
next = "end"
[step.end.goodbye]
say = { en = "Goodbye." }
"#;

async fn answered(house: &House, reference: &str, words: &str, consent: &str) -> Vec<String> {
    let (_, mut answer) = house.post("", &[("CallerName", words)]).await;
    let mut all = vec![answer.clone()];
    for said in [
        ("Digits", reference),
        ("Digits", "4711"),
        ("Digits", "123456"),
        ("SpeechResult", words),
        ("Digits", consent),
    ] {
        answer = house.follow(&answer, &[said, ("CallerName", words), ("ForwardedFrom", words)]).await;
        all.push(answer.clone());
    }
    all
}

fn asking() -> House {
    House::with(dialogue::read(ASKING).unwrap(), everything(), "http://127.0.0.1:9")
}

#[tokio::test]
async fn t40_nothing_a_caller_says_or_types_breaks_out_of_an_answer() {
    let calm = answered(&asking(), "0000000000", "hello", "1").await;
    let hostile = "</Say></Gather><Dial>+882123456</Dial><Say x=\"' ]]>&lt;Redirect>https://evil.example";
    let attacked = answered(&asking(), "0000000000", hostile, "1").await;
    assert_eq!(calm, attacked, "an answer says nothing of what the caller said");
    for verb in attacked.iter().flat_map(|answer| verbs(answer)) {
        assert!(["Gather", "Say", "Record", "Redirect", "Hangup"].contains(&verb), "{verb}");
    }
}

#[tokio::test]
async fn c01_a_typed_reference_joins_participants_only_and_withheld_digits_are_nowhere() {
    let reference = Reference::derive(
        &lodge_domain::ConversationId::founded_by(&crate::contact::envelope(&super::rig::inbox(), "x")),
        0,
    );
    let house = asking();
    answered(&house, reference.as_str(), "it broke", "9").await;
    let contact = house.contacts().remove(0);
    assert_eq!(contact.thread_keys.len(), 1);
    assert_eq!(contact.thread_keys[0].condition, JoinCondition::IfParticipant);
    assert_eq!(contact.details["digits"], serde_json::json!({"order": "123456"}));
    assert_eq!(contact.details["speech"]["problem"]["text"], "it broke");
    let whole = serde_json::to_string(&contact).unwrap();
    assert!(!whole.contains("4711") && whole.contains("given, not kept"), "{whole}");
    use lodge_domain::ports::InboxState;
    let kept = house.state.list(&super::rig::inbox(), "").await.unwrap();
    let pin = kept.iter().any(|(_, value)| String::from_utf8_lossy(&value.value).contains("4711"));
    assert!(!pin, "nor in what is kept of the call");
    // I05: with consent the acknowledgment goes out by its lane, inside the caps; without, it does not.
    assert!(!contact.acknowledges_inline && contact.no_acknowledgment.is_empty());
    let refused = asking();
    answered(&refused, "0000000000", "it broke", "1").await;
    let contact = refused.contacts().remove(0);
    assert!(contact.acknowledges_inline && contact.no_acknowledgment.is_empty());
}

#[tokio::test]
async fn a_hallway_that_is_busy_is_asked_again_and_nothing_is_lost() {
    let house = House::new();
    let (_, menu) = house.post("", &[]).await;
    let record = house.follow(&menu, &[("Digits", "1")]).await;
    house.intake.refuse(Some(Refusal::Busy { retry_after: Duration::from_secs(1) }));
    assert_eq!(house.post(&action(&record), RECORDED).await.0, StatusCode::SERVICE_UNAVAILABLE);
    house.intake.refuse(None);
    let confirm = house.follow(&record, RECORDED).await;
    assert!(confirm.contains("Your reference is"), "{confirm}");
    assert_eq!(house.contacts().len(), 1);
}

#[tokio::test]
async fn g01_t13_t14_nothing_unsigned_is_taken_and_nothing_of_it_is_kept() {
    use lodge_domain::ports::InboxState;
    let house = House::new();
    let body =
        format!("CallSid={CALL}&AccountSid=AC1&From=%2B14155550134&To=%2B18885550190&CallStatus=completed");
    let target = "/hooks/page/status";
    let good = signature(target, body.as_bytes(), "12345");
    let half: String = good.chars().take(14).collect();
    let forged = signature(target, body.as_bytes(), "54321");
    let bare = signature("/hooks/page", body.as_bytes(), "12345");
    for bad in [None, Some(""), Some(&*half), Some(&*forged), Some(&*bare), Some("!!!")] {
        assert_eq!(house.send("status", &body, bad).await.0, StatusCode::UNAUTHORIZED, "{bad:?}");
    }
    for changed in [
        body.replace("0134", "0135"),
        format!("{body}&Digits=1"),
        body.replace("completed", "busy"),
        String::new(),
    ] {
        assert_eq!(
            house.send("status", &changed, Some(&good)).await.0,
            StatusCode::UNAUTHORIZED,
            "{changed}"
        );
    }
    // Key and value are signed without a border: another split of the same text lacks what must be there.
    let shifted = body.replace("CallSid=", "CallSi=d");
    assert_eq!(house.send("status", &shifted, Some(&good)).await.0, StatusCode::UNAUTHORIZED);
    let (huge, path) = ("x=".to_owned() + &"y".repeat(1 << 20), "status/../x");
    assert_eq!(house.send("status", &huge, Some(&good)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(house.send(path, &body, Some(&good)).await.0, StatusCode::NOT_FOUND);
    assert_eq!(house.intake.calls(), 0, "nothing reaches the hallway");
    assert!(house.state.list(&super::rig::inbox(), "").await.unwrap().is_empty(), "nor the store");
    let old = signature(target, body.as_bytes(), "the one before");
    assert!(
        house.send("status", &body, Some(&old)).await.0.is_success(),
        "two tokens while one is changed over"
    );
    assert!(house.send("status", &body, Some(&good)).await.0.is_success());
    assert_eq!(house.contacts().len(), 1);
}

/// What a provider may send of one call.
fn script() -> Vec<(&'static str, Vec<(&'static str, &'static str)>)> {
    vec![
        ("", vec![]),
        ("turn/1", vec![("Digits", "1")]),
        ("turn/1", vec![]),
        ("turn/2", RECORDED.to_vec()),
        ("turn/2/none", vec![]),
        ("turn/3", RECORDED.to_vec()),
        ("status", vec![("CallStatus", "ringing")]),
        ("status", vec![("CallStatus", "completed"), ("CallDuration", "40")]),
        ("recording", vec![("RecordingSid", "RE1"), ("RecordingStatus", "absent")]),
        (
            "transcript",
            vec![("TranscriptionSid", "TR1"), ("TranscriptionText", "hello"), ("RecordingSid", "RE1")],
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn i01_reordered_repeated_and_missing_callbacks_make_one_contact(order in prop::collection::vec(0..10usize, 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let house = House::new();
            let other = house.neighbour();
            let script = script();
            let mut answers = std::collections::HashMap::new();
            for (n, at) in order.iter().enumerate() {
                let (below, pairs) = &script[*at];
                let gateway = if n % 2 == 0 { &house } else { &other };
                let (status, answer) = gateway.post(below, pairs).await;
                prop_assert!(status.is_success(), "{} {}", below, status);
                if status == StatusCode::OK {
                    let before = answers.entry(*at).or_insert_with(|| answer.clone());
                    prop_assert_eq!(&*before, &answer, "the same callback, the same answer");
                }
            }
            house.clock.advance(SignedDuration::from_hours(1));
            house.desk.sweep().await.unwrap();
            let called = order.iter().any(|at| *at < 6 || *at == 7);
            let contacts = house.contacts();
            prop_assert_eq!(contacts.len(), usize::from(called));
            let of: BTreeSet<_> = house.supplements().into_iter().map(|one| one.of).collect();
            prop_assert!(of.len() <= 1);
            prop_assert!(of.into_iter().all(|of| of == crate::contact::envelope(&super::rig::inbox(), CALL)));
            Ok(())
        })?;
    }
}
