//! What strangers write and what the core asks for by guessing: data stays data, and what is not there is not there.

use crate::house::{House, anyone};
use lodge_domain::ports::{CommandError, StatusChange};
use lodge_domain::{BrandName, ConversationId, ConversationStatus, EnvelopeId, OutboundId, Reference};
use lodge_pipeline::{Settings, Templates};
use lodge_testkit::sample_contact;

/// What template languages, shells and format strings would run.
const INJECTIONS: [&str; 10] = [
    "{{1234*4321}}",
    "{{ config }}",
    "{% include 'en.txt' %}",
    "{% extends 'de.txt' %}",
    "{# comment #}",
    "${1234*4321}",
    "#{1234*4321}",
    "<%= 1234*4321 %>",
    "%n%n%s%x",
    "{{ ''.__class__.__mro__ }}",
];

#[tokio::test]
async fn t39_names_and_subjects_are_shown_and_never_run() {
    let own = || {
        let text = "Your letter {{ subject }} [#{{ number }}]\n\nDear {{ name }},\nwe have it.".to_owned();
        let html = "<p>Dear {{ name }}</p>".to_owned();
        Templates::new([("en.txt".to_owned(), text), ("en.html".to_owned(), html)]).unwrap()
    };
    for templates in [Templates::default as fn() -> Templates, own as fn() -> Templates] {
        let house = House::with(Settings::default(), |parts| parts.live.templates = templates());
        for (number, injection) in INJECTIONS.into_iter().enumerate() {
            let sample = sample_contact()
                .id(&format!("<{number}@x>"))
                .from(&format!("p{number}@example.com"))
                .name(injection)
                .subject(injection);
            house.take(sample).await;
            let sent = house.replier.sent();
            assert_eq!(sent.len(), number + 1, "{injection}: acknowledged");
            let letter = &sent[number];
            let subject = letter.subject.as_deref().unwrap();
            assert!(
                letter.text.contains(injection) && subject.contains(injection),
                "{injection}: {letter:?}"
            );
            let all = format!("{subject}{}{}", letter.text, letter.html.as_deref().unwrap());
            assert!(!all.contains("5332114"), "{all}");
            assert!(!letter.html.as_deref().unwrap().contains("<%="), "{all}");
        }
    }
}

#[tokio::test]
async fn t39_a_name_of_a_megabyte_and_one_with_markup_stay_small_and_plain() {
    let house = House::with(anyone(), |_| {});
    let markup = "<script>alert(1)</script><img src=x onerror=alert(1)>";
    for (number, name) in
        [&*"x".repeat(1_000_000), markup, "a\r\nBcc: eve@evil.example\r\n\r\n"].iter().enumerate()
    {
        let sample = sample_contact().id(&format!("<{number}@x>")).from(&format!("p{number}@example.com"));
        house.take(sample.name(name).subject(name)).await;
        let letter = house.replier.sent().pop().unwrap();
        assert!(letter.text.len() < 2_000 && letter.html.as_ref().unwrap().len() < 4_000);
        let html = letter.html.as_deref().unwrap();
        assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
        assert!(!letter.subject.as_deref().unwrap().contains(['\r', '\n']));
        assert!(!letter.text.contains("\nBcc:"), "{}", letter.text);
    }
    let sample = sample_contact().id("<u@x>").from("u@example.com").unverified();
    house.take(sample.name("{{7*7}}").subject("{{7*7}}")).await;
    let letter = house.replier.sent().pop().unwrap();
    let all = format!("{:?}{}{:?}", letter.subject, letter.text, letter.html);
    assert!(!all.contains("7*7"), "of strangers nothing is shown at all: {all}");
}

#[tokio::test]
async fn t05_what_the_core_does_not_know_is_unknown_to_every_command() {
    let house = House::new();
    let known = house.take(sample_contact()).await;
    let other = ConversationId::founded_by(&EnvelopeId::of_contact(&[9; 32]));
    let never = Reference::derive(&other, 0);
    let commands = house.pipeline.commands();
    let events = house.events().len();
    let unknown = Err(CommandError::Unknown("conversation"));
    let change =
        || StatusChange { status: ConversationStatus::Closed, ticket: Some("X-1".to_owned()), note: None };
    assert_eq!(house.reply(&never, "key", "text").await.map(|_| ()), unknown);
    assert_eq!(commands.status(&never, change()).await, unknown);
    assert_eq!(commands.history(&never).await.map(|_| ()), unknown);
    assert_eq!(commands.merge(&never, &known.reference).await, unknown);
    assert_eq!(commands.merge(&known.reference, &never).await, unknown);
    let no_reply = Err(CommandError::Unknown("reply"));
    // A reply's id follows from conversation and key: guessing it well does not make it one that was sent.
    for id in [OutboundId::reply(&other, "key"), OutboundId::reply(&known.conversation, "another key")] {
        assert_eq!(commands.reply_state(&id).await.map(|_| ()), no_reply);
        assert_eq!(commands.resend(&id).await.map(|_| ()), no_reply);
    }
    house.work_off().await;
    assert_eq!((house.events().len(), house.replier.sent().len()), (events, 1), "nothing was begun");
    let after = commands.history(&known.reference).await.unwrap().conversation;
    assert_eq!((after.status, after.merged_into), (ConversationStatus::Open, None));
}

/// One core speaks for the whole house, but what belongs to one brand is never found in another.
#[tokio::test]
async fn t05_a_merge_never_crosses_brands() {
    let house = House::new();
    let ours = house.take(sample_contact()).await;
    let theirs = house.take(sample_contact().id("<2@x>").brand("other")).await;
    let commands = house.pipeline.commands();
    assert!(commands.merge(&ours.reference, &theirs.reference).await.is_err());
    let other = BrandName::parse("other").unwrap();
    let history = commands.history(&theirs.reference).await.unwrap();
    assert_eq!((history.conversation.brand, history.envelopes.len()), (other, 1));
    assert_eq!(commands.history(&ours.reference).await.unwrap().conversation.merged_into, None);
}
