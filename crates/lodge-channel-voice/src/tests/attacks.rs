//! What strangers may try with any provider: forged, changed, stale and hostile callbacks.

use super::phone::{Phone, folder, phones};
use super::reading::{Reading, Verb};
use super::rig::{House, PUBLIC, Plan, Shared, inbox};
use super::sign::{Callback, sign};
use axum::http::StatusCode;
use lodge_domain::ports::Clock;
use lodge_domain::{JoinCondition, Reference, Timestamp};
use lodge_testkit::conformance::webhook::{self, WebhookCase};
use lodge_testkit::{MemoryBlobs, ModelStore, SeededEntropy};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

#[tokio::test]
async fn g01_t13_t14_t16_t17_t18_every_provider_refuses_what_every_provider_has_to_refuse() {
    for phone in phones() {
        let now = Timestamp::from_second(1_795_291_200).unwrap();
        let body = phone.says("missed", &[]).body;
        let signed = |secret: String| {
            let scheme = phone.text("signs").to_owned();
            move |body: &[u8], at| {
                sign(&scheme, &Callback { url: &format!("{PUBLIC}/hooks/page"), body, secret: &secret, at })
            }
        };
        let own = phone.text("signing").to_lowercase();
        let media_type = if phone.text("media_type") == "application/json" {
            "application/json"
        } else {
            "application/x-www-form-urlencoded"
        };
        let case = WebhookCase {
            provider: Arc::clone(&House::of(&phone).works.desk) as _,
            media_type,
            body: body.into(),
            sign: Box::new(signed(own)),
            forge: Box::new(signed("another".to_owned())),
            hints: false,
            covers_body: phone.is("covers_body"),
            covers_bytes: phone.is("covers_bytes"),
            timed: phone.is("timed"),
            now,
        };
        webhook::all_made(&case, &|intake, clock| {
            let manual = lodge_testkit::ManualClock::new();
            manual.set(clock.now());
            let manual = Arc::new(manual);
            let shared: Arc<dyn Clock> = manual.clone();
            let shared = Shared {
                state: Arc::new(ModelStore::new(Arc::clone(&shared), Arc::new(SeededEntropy::new(3)))),
                blobs: Arc::new(MemoryBlobs::new(shared)),
                intake,
                clock: manual,
            };
            Plan::of(&phone).over(&shared).works.desk as _
        })
        .await;
    }
}

#[tokio::test]
async fn t71_a_call_of_an_endless_name_is_kept_nowhere() {
    for phone in phones() {
        let house = House::of(&phone);
        // As it stands in JSON, and in a form.
        let form = url::form_urlencoded::byte_serialize(phone.call_id().as_bytes()).collect();
        let names: [String; 2] = [phone.call_id().to_owned(), form];
        for event in ["rings", "missed"] {
            let says = phone.says(event, &[]);
            let body = String::from_utf8(says.body).unwrap();
            let body = names.iter().fold(body, |body, name| body.replace(name, &"x".repeat(100_000)));
            assert!(body.len() > 100_000, "{}: {event}", phone.provider);
            house.post(&says.place, body.as_bytes()).await;
            let kept = house.kept("").await;
            let bytes: usize = kept.iter().map(|(key, value)| key.len() + value.len()).sum();
            let named = json!(house.contacts().first().map(|contact| &contact.details)).to_string().len();
            assert!(bytes < 16_384 && named < 16_384, "{} {event}: {bytes} {named}", phone.provider);
        }
    }
}

#[tokio::test]
async fn t13_nothing_of_what_is_refused_is_kept_and_only_places_of_ours_are_served() {
    for phone in phones() {
        let house = House::of(&phone);
        for event in
            ["rings", "completed", "presses", "recorded", "recording", "recording_lost", "transcript"]
        {
            if !phone.has(event) {
                continue;
            }
            let values = [("keys", "1"), ("recording", "RE1"), ("url", "https://a.example/"), ("words", "x")];
            let saying = phone.says(event, &values);
            let below = match saying.place.as_str() {
                "turn" | "none" => "turn/1",
                place => place,
            };
            let (status, _) = house.send(below, &saying.body, &Vec::new()).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{} {event}", phone.provider);
            for strange in ["status/../x", "turn/x", "turn/1/none/more", "audio"] {
                let (status, _) = house.post(strange, &saying.body).await;
                assert_eq!(status, StatusCode::NOT_FOUND, "{} {strange}", phone.provider);
            }
        }
        assert_eq!(house.shared.intake.calls(), 0, "{}", phone.provider);
        assert!(house.kept("").await.is_empty(), "{}", phone.provider);
    }
}

#[tokio::test]
async fn two_secrets_live_while_one_is_changed_over() {
    for phone in phones().iter().filter(|phone| !phone.is("one_secret")) {
        let signing = phone.text("signing");
        let key = phone.text("signing_key");
        let both = json!({key: [format!("env:{signing}"), format!("env:{signing}_OLD")]});
        let house = Plan::of(phone).extra(both).build();
        let body = phone.says("missed", &[]).body;
        let old = format!("{}_old", signing.to_lowercase());
        for secret in [&old, &signing.to_lowercase()] {
            let url = format!("{PUBLIC}/hooks/page/status");
            let at = house.shared.clock.now();
            let headers = sign(phone.text("signs"), &Callback { url: &url, body: &body, secret, at });
            assert!(
                house.send("status", &body, &headers).await.0.is_success(),
                "{} {secret}",
                phone.provider
            );
        }
        assert_eq!(house.contacts().len(), 1, "{}", phone.provider);
    }
}

#[tokio::test]
async fn t58_passwords_that_go_out_with_an_answer_are_not_kept_with_it() {
    for phone in phones().iter().filter(|phone| !phone.value["sealed"].is_null()) {
        let sealed = phone.text("sealed");
        let house = House::of(phone);
        let menu = house.rings().await;
        assert!(menu.whole.contains(sealed), "{}: {}", phone.provider, menu.whole);
        let kept = house.kept("").await;
        assert!(!kept.is_empty(), "{}", phone.provider);
        let told = kept.iter().any(|(_, value)| String::from_utf8_lossy(value).contains(sealed));
        assert!(!told, "{}: {kept:?}", phone.provider);
    }
}

/// A dialogue that asks for everything that the provider can hear.
fn asking(phone: &Phone) -> String {
    let words =
        "[step.words.speech]\nname = \"problem\"\nsay = { en = \"What happened?\" }\nnext = \"consent\"\n";
    let (after, words) = if phone.has("says") { ("words", words) } else { ("consent", "") };
    format!(
        r#"
start = "reference"
languages = ["en"]
[step.reference.digits]
name = "reference"
kind = "reference"
say = {{ en = "Your reference?" }}
next = "pin"
[step.pin.digits]
name = "pin"
sensitive = true
say = {{ en = "Your pin?" }}
next = "order"
[step.order.digits]
name = "order"
say = {{ en = "Your order number?" }}
next = "{after}"
{words}
[step.consent.consent]
about = "text-message"
say = {{ en = "For a text message with your reference press 9." }}
yes = "9"
next = "confirm"
[step.confirm.confirm]
say = {{ en = "It is {{reference}}." }}
next = "end"
[step.end.goodbye]
say = {{ en = "Goodbye." }}
"#
    )
}

/// Puts the words into every field.
fn everywhere(value: &mut Value, words: &str) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|value| everywhere(value, words)),
        value => *value = json!(words),
    }
}

/// Answers everything, with `words` wherever a caller or their network can put some.
async fn answered(house: &House, reference: &str, words: &str, consent: &str) -> Vec<Reading> {
    let phone = house.phone();
    let mut also = phone.value["strangers"].clone();
    everywhere(&mut also, words);
    let (status, body) = house.tell_saying(&phone.says_also("rings", &[], &also), None).await;
    assert_eq!(status, StatusCode::OK, "{}: {body}", phone.provider);
    let mut all = vec![Reading::of(phone, &body)];
    let mut said = vec![("presses", reference), ("presses", "4711"), ("presses", "123456")];
    if phone.has("says") {
        said.push(("says", words));
    }
    said.push(("presses", consent));
    for (event, value) in said {
        let saying = phone.says_also(event, &[("keys", value), ("words", value)], &also);
        let (status, body) = house.tell_saying(&saying, all.last()).await;
        assert_eq!(status, StatusCode::OK, "{} {event}: {body}", phone.provider);
        all.push(Reading::of(phone, &body));
    }
    all
}

fn shapes(all: &[Reading]) -> Vec<Vec<Verb>> {
    all.iter().map(|answer| answer.verbs.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn t40_nothing_that_a_caller_says_or_is_called_changes_an_answer(
        words in prop_oneof![
            "\\PC{1,60}",
            Just("</Say></Gather><Dial>+882123456</Dial><Say x=\"' ]]>&lt;Redirect>https://evil.example".to_owned()),
            Just("\"}],{\"action\":\"connect\"}]\u{0}\u{1b}\u{202e}".to_owned()),
        ],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        prop_assume!(!words.trim().is_empty());
        for phone in phones() {
            runtime.block_on(async {
                let house = || Plan::of(&phone).dialogue(&asking(&phone)).build();
                let calm = answered(&house(), "0000000000", "hello", "1").await;
                let attacked = answered(&house(), "0000000000", &words, "1").await;
                prop_assert_eq!(shapes(&calm), shapes(&attacked), "{}", &phone.provider);
                Ok(())
            })?;
        }
    }
}

#[tokio::test]
async fn c01_t43_a_typed_reference_joins_participants_only_and_withheld_digits_are_nowhere() {
    let envelope = crate::contact::envelope(&inbox(), "x");
    let reference = Reference::derive(&lodge_domain::ConversationId::founded_by(&envelope), 0);
    for phone in phones() {
        let house = Plan::of(&phone).dialogue(&asking(&phone)).build();
        answered(&house, reference.as_str(), "it broke", "9").await;
        let contact = house.contacts().remove(0);
        assert_eq!(contact.thread_keys.len(), 1, "{}", phone.provider);
        assert_eq!(contact.thread_keys[0].condition, JoinCondition::IfParticipant);
        assert_eq!(contact.details["digits"], json!({"order": "123456"}), "{}", phone.provider);
        if phone.has("says") {
            assert_eq!(contact.details["speech"]["problem"]["text"], "it broke", "{}", phone.provider);
        }
        let whole = serde_json::to_string(&contact).unwrap();
        assert!(!whole.contains("4711") && whole.contains("given, not kept"), "{whole}");
        let kept = house.kept("").await;
        let pin = kept.iter().any(|(_, value)| String::from_utf8_lossy(value).contains("4711"));
        assert!(!pin, "{}: nor in what is kept of the call", phone.provider);
        // I05: with consent the acknowledgment goes out by its lane, inside the caps; without, it does not.
        let spoken = phone.value["texted"].is_null();
        assert!(contact.acknowledges_inline == spoken && contact.no_acknowledgment.is_empty());
        let refused = Plan::of(&phone).dialogue(&asking(&phone)).build();
        answered(&refused, "0000000000", "it broke", "1").await;
        let contact = refused.contacts().remove(0);
        assert!(contact.acknowledges_inline && contact.no_acknowledgment.is_empty());
    }
}

#[tokio::test]
async fn t42_only_the_networks_highest_attestation_vouches_for_a_number() {
    use lodge_domain::Assurance;
    for phone in phones() {
        for case in phone.value["attested"].as_array().unwrap() {
            let house = House::of(&phone);
            house.tell_saying(&phone.says_also("missed", &[], &case[0]), None).await;
            let assurance = house.contacts().remove(0).from.assurance;
            assert_eq!(
                assurance == Assurance::Authenticated,
                case[1] == json!(true),
                "{} {case}",
                phone.provider
            );
        }
    }
}

#[test]
fn every_provider_has_its_fixtures() {
    for phone in phones() {
        assert!(folder(&phone.provider).join("answers").is_dir(), "{}", phone.provider);
    }
}
