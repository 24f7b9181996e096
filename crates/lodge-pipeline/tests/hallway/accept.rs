//! Accept and triage: what becomes durable, what the core gets, what is masked.

use crate::house::{House, anyone, hours};
use lodge_domain::delivery::{OutboundState, RecipientState};
use lodge_domain::ports::{Clock, Lookup, Outcome, Refusal};
use lodge_domain::{
    BlobRef, BrandName, DeliveryReport, Inbound, OriginClass, OutboundId, Placement, ThreadKeyValue,
};
use lodge_pipeline::{Settings, founding_envelope, preview};
use lodge_testkit::sample_contact;

fn brand() -> BrandName {
    BrandName::unbranded()
}

#[tokio::test]
async fn a_contact_becomes_one_event_with_queue_and_reasons() {
    let house = House::new();
    let receipt = house.take(sample_contact().subject("Invoice 7")).await;
    let event = house.event(&receipt);
    assert_eq!(event["type"], "contact.accepted");
    assert_eq!(event["ticket"]["placement"], "new");
    assert_eq!(event["decision"]["queue"], "billing");
    assert_eq!(event["decision"]["reasons"][0]["rule"], "invoices");
    assert_eq!(house.core.received.lock().unwrap().len(), 1);
    let conversation = house.pipeline.commands().history(&receipt.reference).await.unwrap().conversation;
    assert_eq!(conversation.queue.as_deref(), Some("billing"));
}

#[tokio::test]
async fn j01_an_appended_contact_stays_in_its_conversations_queue() {
    let house = House::new();
    house.take(sample_contact().id("<1@x>").subject("Invoice")).await;
    let second =
        house.take(sample_contact().id("<2@x>").in_reply_to("<1@x>").subject("Something else")).await;
    assert_eq!(second.placement, Placement::Appended);
    let event = house.event(&second);
    assert_eq!((&event["decision"]["queue"], &event["ticket"]["sequence"]), (&"billing".into(), &2.into()));
    assert_eq!(event["decision"]["reasons"][0]["rule"], "inherited");
}

#[tokio::test]
async fn a_conversation_is_found_by_its_own_names() {
    let house = House::new();
    let first = house.take(sample_contact().id("<1@x>")).await;
    for (namespace, name) in
        [("conversation", first.conversation.to_string()), ("reference", first.reference.to_string())]
    {
        let value = ThreadKeyValue::new(namespace, &name).unwrap();
        let key = lodge_domain::ThreadKey {
            value,
            condition: lodge_domain::JoinCondition::Always,
            label: "named".to_owned(),
        };
        let again =
            sample_contact().id(&format!("<{namespace}@x>")).with(|contact| contact.thread_keys = vec![key]);
        assert_eq!(house.take(again).await.conversation, first.conversation, "{namespace}");
    }
}

#[tokio::test]
async fn the_same_contact_again_is_the_same_receipt_and_no_second_event() {
    let house = House::new();
    let first = house.take(sample_contact()).await;
    let again = house.take(sample_contact().inbox("sales")).await;
    assert_eq!((again.placement, again.envelope), (Placement::Duplicate, first.envelope.clone()));
    assert_eq!(house.events().len(), 1);
    let journal = house.pipeline.commands().history(&first.reference).await.unwrap().journal;
    assert!(
        journal.iter().any(|line| line.step == "seen again" && line.text.contains("sales")),
        "{journal:?}"
    );
}

#[tokio::test]
async fn a_full_hallway_refuses_and_keeps_nothing() {
    let house = House::with(Settings::default(), |parts| parts.limits.accepts = 1);
    let intake = house.pipeline.intake();
    let contact = |n: u32| vec![Inbound::Contact(Box::new(sample_contact().id(&format!("<{n}@x>")).build()))];
    let calls: Vec<_> = (0..50)
        .map(|n| {
            let intake = intake.clone();
            let batch = contact(n);
            tokio::spawn(async move { intake.accept(batch).await })
        })
        .collect();
    let mut accepted = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => accepted += 1,
            Err(refusal) => assert!(matches!(refusal, Refusal::Busy { .. }), "{refusal:?}"),
        }
    }
    assert!(accepted >= 1);
    house.work_off().await;
    assert_eq!(house.events().len(), accepted);
}

#[tokio::test]
async fn cards_are_masked_everywhere_and_the_raw_original_is_not_linked() {
    let raw = BlobRef { sha256: "ab".repeat(32), size: 9 };
    let sample = || {
        sample_contact()
            .subject("Invoice 4111111111111111")
            .text("Take 4111 1111 1111 1111 now")
            .raw(raw.clone())
            .with(|contact| contact.body.html = Some("<p>4111<b>1111</b>11111111</p>".to_owned()))
    };
    let house = House::new();
    let receipt = house.take(sample()).await;
    let event = house.event(&receipt);
    let text = event.to_string();
    assert!(!text.contains("4111 1111") && !text.contains("4111111"), "{text}");
    assert_eq!(event["body"]["text"], "Take **** **** **** 1111 now");
    assert_eq!(
        (&event["body"]["html"], &event["raw"]["href"]),
        (&serde_json::Value::Null, &serde_json::Value::Null)
    );
    assert_eq!(event["raw"]["size"], 9);

    let open = House::with(Settings { mask_cards: false, ..Settings::default() }, |_| {});
    let receipt = open.take(sample()).await;
    let event = open.event(&receipt);
    assert_eq!(event["body"]["text"], "Take 4111 1111 1111 1111 now");
    assert!(
        event["raw"]["href"]
            .as_str()
            .unwrap()
            .starts_with("https://help.example.com/blobs/abababab/raw?until=")
    );
}

#[tokio::test]
async fn reports_about_what_we_sent_are_told_and_others_are_contacts() {
    let house = House::new();
    let first = house.take(sample_contact()).await;
    let bounce = |about: OutboundId, state| {
        let recipients = vec![RecipientState {
            handle: "ann@example.com".to_owned(),
            state,
            text: Some("550 5.1.1 no".to_owned()),
        }];
        let contact =
            sample_contact().id("<bounce@mx>").automated(OriginClass::Bounce).at(house.clock.now()).build();
        Inbound::Report(Box::new(DeliveryReport {
            about,
            recipients,
            inbox: contact.inbox.clone(),
            contact: Some(contact),
        }))
    };
    let about = OutboundId::acknowledgment_of(&first.envelope);
    let intake = house.pipeline.intake();
    let news = bounce(about.clone(), OutboundState::Bounced);
    let outcomes = intake.accept(vec![news.clone(), news]).await.unwrap();
    let Outcome::Reported(event) = &outcomes[0] else { panic!("{outcomes:?}") };
    assert_eq!(outcomes[1], Outcome::Reported(event.clone()), "told once");
    house.work_off().await;
    let told: Vec<_> =
        house.events().into_iter().filter(|event| event["type"] == "acknowledgment.updated").collect();
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0]["id"], &told[0]["state"]), (&event.to_string().into(), &"bounced".into()));
    assert_eq!(
        (&told[0]["of"], &told[0]["ticket"]["sequence"]),
        (&first.envelope.to_string().into(), &2.into())
    );

    let stranger = OutboundId::acknowledgment_of(event);
    let outcomes = intake.accept(vec![bounce(stranger, OutboundState::Bounced)]).await.unwrap();
    assert!(matches!(&outcomes[0], Outcome::Accepted(receipt) if receipt.placement == Placement::New));
}

#[tokio::test]
async fn a_preview_is_what_an_empty_house_would_say() {
    let house = House::with(anyone(), |_| {});
    let sample = || sample_contact().subject("Invoice").unverified();
    let receipt = house.take(sample()).await;
    let envelope = founding_envelope(sample().at(house.clock.now()).build(), house.clock.now()).unwrap();
    let shown = preview(&house.pipeline.live(), &crate::house::PlainLinks, envelope, None);
    assert_eq!(serde_json::to_value(&shown).unwrap(), house.event(&receipt));
    let old =
        founding_envelope(sample().at(house.clock.now() - hours(30)).build(), house.clock.now()).unwrap();
    let shown =
        serde_json::to_value(preview(&house.pipeline.live(), &crate::house::PlainLinks, old, None)).unwrap();
    assert_eq!(shown["acknowledgment"]["reason"], "older than 24 h");
}

#[tokio::test]
async fn triage_keeps_its_decision_and_its_reasons() {
    let house = House::new();
    let receipt = house.take(sample_contact().subject("invoice")).await;
    use lodge_domain::ports::Ledger;
    let found = house.store.find(&brand(), Lookup::Envelope(receipt.envelope.clone())).await.unwrap();
    assert_eq!(found[0].decision.as_ref().unwrap().queue, "billing");
    let journal = house.store.journal(&brand(), &[receipt.envelope.to_string()]).await.unwrap();
    let steps: Vec<&str> = journal.iter().map(|line| line.step.as_str()).collect();
    for step in ["placed", "triaged", "queue", "acknowledgment queued", "forwarded", "acknowledgment sent"] {
        assert!(steps.contains(&step), "{step} is missing in {steps:?}");
    }
}
