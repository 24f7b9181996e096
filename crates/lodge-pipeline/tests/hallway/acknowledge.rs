//! Who is told that we have it, and why not (E01–E10, T36, T37).

use crate::house::{House, anyone, hours, seconds};
use async_trait::async_trait;
use lodge_domain::delivery::{OutboundState, RecipientState};
use lodge_domain::ports::{BudgetVerdict, Budgets, Clock, StoreError, Tally};
use lodge_domain::{
    BrandName, Channel, DeliveryError, DeliveryReport, Disposition, Flag, Inbound, OriginClass, OutboundId,
    Receipt,
};
use lodge_pipeline::{InboxFacts, Settings, Templates};
use lodge_testkit::{SampleContact, sample_contact};
use std::sync::Arc;

/// What the core was told about the acknowledgment of a contact.
async fn told(house: &House, sample: SampleContact) -> (String, Option<String>) {
    let receipt = house.take(sample).await;
    said(house, &receipt)
}

fn said(house: &House, receipt: &Receipt) -> (String, Option<String>) {
    let event = house.event(receipt);
    let word = |field: &str| event["acknowledgment"][field].as_str().map(ToOwned::to_owned);
    (word("decision").unwrap(), word("reason"))
}

fn suppressed(reason: &str) -> (String, Option<String>) {
    ("suppress".to_owned(), Some(reason.to_owned()))
}

#[tokio::test]
async fn a_first_letter_is_acknowledged_once_and_its_answers_are_not() {
    let house = House::new();
    let receipt = house.take(sample_contact().id("<1@x>")).await;
    assert_eq!(said(&house, &receipt), ("send".to_owned(), None));
    let sent = house.replier.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].subject.as_deref(), Some(format!("Re: Parcel [#{}]", receipt.reference).as_str()));
    assert!(sent[0].text.contains(&receipt.reference.grouped()) && sent[0].text.starts_with("Hello Ann,\n"));
    assert!(sent[0].html.as_ref().unwrap().starts_with("<p>Hello Ann,</p>\n"));
    let answer = house.take(sample_contact().id("<2@x>").in_reply_to("<1@x>").text("more")).await;
    assert_eq!(said(&house, &answer), suppressed("continues a conversation"));
    assert_eq!(house.replier.sent().len(), 1);
    assert!(
        house.events().iter().all(|event| event["type"] == "contact.accepted"),
        "nothing else is reported"
    );
}

#[tokio::test]
async fn e01_every_ground_suppresses_with_its_reason() {
    let house = House::with(anyone(), |_| {});
    let sample = |n: u32| sample_contact().id(&format!("<{n}@x>")).from(&format!("p{n}@example.com"));
    let cases = [
        (sample(1).with(|c| c.no_acknowledgment = vec!["list-id: <a.b>".to_owned()]), "list-id: <a.b>"),
        (sample(2).automated(OriginClass::AutoReply), "sent by a program"),
        (sample(3).ours(), "sent by ourselves"),
        (sample(4).flag(Flag::Unparsed), "could not be understood"),
        (sample(5).flag(Flag::Verification), "looks like a verification"),
        (sample(6).with(|c| c.backfill = true), "brought in from an archive"),
        (sample(7).failed(), "sender authentication failed"),
        (sample(8).without_return_path(), "there is no way back"),
        (sample(9).with(|c| c.recipients = vec![c.recipients[0].clone(); 51]), "addressed to very many"),
        (
            sample(10).with(|c| {
                c.return_path.as_mut().unwrap().inbox = lodge_domain::InboxName::parse("mute").unwrap();
            }),
            "the inbox cannot send",
        ),
        (sample(11).unverified().door(Channel::Form, "form"), "the address was typed in and is not proven"),
    ];
    for (sample, reason) in cases {
        assert_eq!(told(&house, sample).await, suppressed(reason));
    }
    assert!(house.replier.sent().is_empty());
    let metrics = lodge_telemetry::catalogue::metrics().expose().unwrap();
    assert!(
        metrics.contains("lodge_acknowledgments_suppressed_total{inbox=\"support\",reason=\"list-id\"} 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn inline_doors_tell_the_party_themselves() {
    let house = House::new();
    let inline = sample_contact().with(|contact| contact.acknowledges_inline = true);
    assert_eq!(told(&house, inline).await, ("inline".to_owned(), None));
    assert!(house.replier.sent().is_empty());
}

#[tokio::test]
async fn by_default_only_authenticated_senders_are_answered_and_nothing_is_echoed_to_others() {
    let house = House::new();
    assert_eq!(told(&house, sample_contact().unverified()).await, suppressed("sender not authenticated"));
    let house = House::with(anyone(), |_| {});
    let sample = sample_contact().unverified().subject("BUY http://evil.example").name("evil.example");
    assert_eq!(told(&house, sample).await.0, "send");
    let sent = &house.replier.sent()[0];
    let all = format!("{:?}{}{:?}", sent.subject, sent.text, sent.html);
    assert!(!all.contains("evil") && !all.contains("BUY"), "{all}");
}

#[tokio::test]
async fn a_chat_is_answered_in_its_own_session() {
    let house = House::new();
    let sample = sample_contact().from("visitor").unverified().door(Channel::Chat, "chat");
    assert_eq!(told(&house, sample).await.0, "send");
}

#[tokio::test]
async fn e04_the_caps_of_an_address_hold() {
    let house = House::new();
    let mut told_so = Vec::new();
    for n in 0..30 {
        let sample = sample_contact().id(&format!("<{n}@x>")).text(&format!("letter {n}"));
        told_so.push(told(&house, sample).await);
        house.clock.advance_secs(600);
    }
    // Five hours: three in each, and no more than ten in the day.
    assert_eq!(house.replier.sent().len(), 10);
    assert!(told_so.contains(&suppressed("more than 3 an hour to one address")));
    assert_eq!(told_so.last().unwrap(), &suppressed("more than 10 a day to one address"));
    house.clock.advance(hours(24));
    assert_eq!(told(&house, sample_contact().id("<next@x>").text("next day")).await.0, "send");
}

#[tokio::test]
async fn t36_forged_contacts_to_one_victim_or_to_many() {
    let forged = |n: u32, whom: &str| {
        sample_contact().id(&format!("<{n}@evil>")).from(whom).unverified().text(&n.to_string())
    };
    let house = House::new();
    for n in 0..200 {
        house.accept(forged(n, "victim@example.org")).await;
    }
    house.work_off().await;
    assert_eq!(house.replier.sent().len(), 0, "by default none");
    let house = House::with(anyone(), |_| {});
    for n in 0..200 {
        house.accept(forged(n, "Victim@example.org")).await;
    }
    house.work_off().await;
    assert_eq!(house.replier.sent().len(), 3, "one victim");
    let mut settings = anyone();
    settings.acknowledgment.unverified_per_hour = 50;
    let house = House::with(settings, |_| {});
    for n in 0..200 {
        house.accept(forged(n, &format!("victim{n}@example.org"))).await;
    }
    house.work_off().await;
    assert_eq!(house.replier.sent().len(), 50, "many victims");
    assert_eq!(house.events().len(), 200, "every contact is a ticket all the same");
}

#[tokio::test]
async fn e05_two_houses_that_answer_each_other_stop_with_all_headers_stripped() {
    let houses = [House::with(anyone(), |_| {}), House::with(anyone(), |_| {})];
    let addresses = ["desk@one.example", "desk@two.example"];
    houses[0].take(sample_contact().id("<start@x>").from(addresses[1]).unverified().subject("Hello")).await;
    let mut seen = [0, 0];
    for round in 0..50 {
        let from = round % 2;
        let sent = houses[from].replier.sent();
        let new = sent.get(seen[from]..).unwrap_or_default().to_vec();
        seen[from] = sent.len();
        for (n, letter) in new.into_iter().enumerate() {
            let stripped = sample_contact()
                .id(&format!("<{round}.{n}@loop>"))
                .from(addresses[from])
                .unverified()
                .subject(&letter.subject.unwrap())
                .text(&letter.text);
            houses[1 - from].take(stripped).await;
        }
    }
    for house in &houses {
        assert!(house.replier.sent().len() <= 2, "{} acknowledgments", house.replier.sent().len());
    }
}

#[tokio::test]
async fn e06_a_hard_bounce_stops_acknowledgments_to_an_address_and_a_soft_one_does_not() {
    let house = House::new();
    let report = |receipt: &Receipt, state| {
        let recipients = vec![RecipientState { handle: "ANN@example.com".to_owned(), state, text: None }];
        let contact =
            sample_contact().id("<b@mx>").automated(OriginClass::Bounce).at(house.clock.now()).build();
        let about = OutboundId::acknowledgment_of(&receipt.envelope);
        vec![Inbound::Report(Box::new(DeliveryReport {
            about,
            recipients,
            inbox: contact.inbox.clone(),
            contact: Some(contact),
        }))]
    };
    let first = house.take(sample_contact().id("<1@x>").text("1")).await;
    house.pipeline.intake().accept(report(&first, OutboundState::Deferred)).await.unwrap();
    let second = house.take(sample_contact().id("<2@x>").text("2")).await;
    assert_eq!(said(&house, &second).0, "send");
    house.pipeline.intake().accept(report(&second, OutboundState::Bounced)).await.unwrap();
    let third = told(&house, sample_contact().id("<3@x>").text("3")).await;
    assert_eq!(third, suppressed("mail to this address came back"));
    assert_eq!(told(&house, sample_contact().id("<4@x>").from("bob@example.com")).await.0, "send");
}

#[tokio::test]
async fn e07_the_text_is_in_the_senders_language_and_templates_never_hold_it_up() {
    let mut settings = Settings::default();
    settings.inboxes.insert(
        lodge_domain::InboxName::parse("support").unwrap(),
        InboxFacts { language: Some("fr".to_owned()), ..InboxFacts::default() },
    );
    let own = [(
        "de.txt".to_owned(),
        "Eingang {{ number }}\n\nHallo {{ name|upper }} ({{ subject[5000] }})".to_owned(),
    )];
    let house = House::with(settings, |parts| {
        parts.live.templates =
            Templates::new([("es.txt".to_owned(), "Recibido {{ number }}\n\nHola".to_owned())]).unwrap();
    });
    let problems = Templates::new(own).unwrap_err();
    assert_eq!(problems[0].name, "de.txt", "what fails on a trial is refused when loaded");
    let speaks = |n: u32, language: Option<&str>| {
        let language = language.map(ToOwned::to_owned);
        sample_contact()
            .id(&format!("<{n}@x>"))
            .from(&format!("p{n}@example.com"))
            .with(|c| c.body.language = language)
    };
    for (n, (language, words)) in
        [(Some("de-AT"), "vielen Dank"), (Some("es"), "Hola"), (Some("xx"), "merci"), (None, "merci")]
            .into_iter()
            .enumerate()
    {
        house.take(speaks(u32::try_from(n).unwrap(), language)).await;
        let sent = house.replier.sent();
        assert!(sent.last().unwrap().text.contains(words), "{language:?}: {}", sent.last().unwrap().text);
    }
}

#[tokio::test]
async fn e08_without_a_way_to_send_there_is_a_ticket_all_the_same() {
    let house = House::without_replier(Settings::default(), |_| {});
    assert_eq!(told(&house, sample_contact()).await, suppressed("the inbox cannot send"));
    assert_eq!(house.events().len(), 1);
}

#[tokio::test]
async fn e09_old_contacts_and_replays_are_not_acknowledged() {
    let house = House::new();
    let old = house.accept_aged(sample_contact(), hours(25)).await.unwrap();
    house.work_off().await;
    assert_eq!(said(&house, &old), suppressed("older than 24 h"));
    let asked = sample_contact().id("<2@x>").with(|contact| contact.backfill = false);
    assert_eq!(told(&house, asked).await.0, "send");
    house.take(sample_contact().id("<2@x>")).await;
    assert_eq!(house.replier.sent().len(), 1, "the same contact again says nothing");
}

#[tokio::test]
async fn e10_an_acknowledgment_that_fails_neither_delays_nor_fails_the_ticket() {
    let house = House::new();
    house.replier.answer_next(Err(DeliveryError::new(Disposition::Never, "send").detail("550 no such user")));
    let receipt = house.take(sample_contact()).await;
    assert_eq!(house.event(&receipt)["acknowledgment"]["decision"], "send");
    let told: Vec<_> =
        house.events().into_iter().filter(|event| event["type"] == "acknowledgment.updated").collect();
    assert_eq!((told.len(), &told[0]["state"]), (1, &"failed".into()));
    assert!(told[0]["reason"].as_str().unwrap().contains("550 no such user"));
}

#[tokio::test]
async fn an_acknowledgment_that_cannot_go_out_for_a_day_is_suppressed_and_told() {
    let house = House::new();
    for _ in 0..1000 {
        house.replier.answer_next(Err(DeliveryError::later("connect").unanswered()));
    }
    let receipt = house.take(sample_contact()).await;
    house.pass(hours(30), seconds(120)).await;
    let told: Vec<_> =
        house.events().into_iter().filter(|event| event["type"] == "acknowledgment.updated").collect();
    assert_eq!((told.len(), &told[0]["state"]), (1, &"suppressed".into()), "{}", receipt.envelope);
}

/// Budgets of a store that does not answer.
struct Silent;

#[async_trait]
impl Budgets for Silent {
    async fn take(&self, _: &BrandName, _: &[Tally]) -> Result<BudgetVerdict, StoreError> {
        Err(StoreError::Unavailable("timed out".to_owned()))
    }
}

#[tokio::test]
async fn budgets_that_cannot_be_asked_mean_no() {
    let house = House::with(Settings::default(), |parts| parts.store.budgets = Arc::new(Silent));
    assert_eq!(told(&house, sample_contact()).await, suppressed("the store did not answer"));
}
