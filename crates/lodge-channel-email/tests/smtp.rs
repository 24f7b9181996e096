//! Sending against a scripted relay: what each failure means, and that a doubt is known as one.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

mod rig;

use bytes::Bytes;
use lodge_channel::Arrival;
use lodge_channel::door::{Context, Door};
use lodge_domain::delivery::{OutboundKind, OutboundMessage, OutboundState};
use lodge_domain::ports::Replier;
use lodge_domain::{
    BrandName, ConversationId, DeliveryError, Disposition, EnvelopeId, Inbound, OutboundId, Reference,
    ReturnPath,
};
use rig::house::House;
use rig::mail::letter;
use rig::smtp::{FakeSmtp, Fault};
use rig::trap::Trap;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

const LATER: Disposition = Disposition::Later { after: None };

fn house(port: u16, change: impl FnOnce(&mut Value)) -> House {
    House::new(1, "ann", |value| {
        value["smtp"] = json!({ "host": "127.0.0.1", "port": port, "tls": "none", "timeout": "300ms" });
        change(value);
    })
}

fn context(house: &House) -> Context {
    house.context("one", &Trap::at(0), &CancellationToken::new())
}

fn replier(house: &House) -> Arc<dyn Replier> {
    house.settings.build(context(house)).unwrap().replier.unwrap()
}

/// A reply to a letter, made as the house would make it.
async fn reply(house: &House, number: u32) -> OutboundMessage {
    let importer = house.settings.importer(context(house)).unwrap().unwrap();
    let arrival = Arrival { received_at: None, backfill: false };
    let inbound = importer.read(Bytes::from(letter(number)), arrival).await.unwrap();
    let Inbound::Contact(contact) = inbound else { panic!("a contact") };
    let return_path: ReturnPath = contact.return_path.unwrap();
    let conversation = ConversationId::founded_by(&EnvelopeId::of_contact(&[7; 32]));
    OutboundMessage {
        id: OutboundId::reply(&conversation, &number.to_string()),
        kind: OutboundKind::Reply,
        brand: BrandName::unbranded(),
        inbox: House::inbox().name,
        reference: Reference::derive(&conversation, 0),
        conversation,
        return_path,
        subject: None,
        text: "Please pour water on it.\n.\nBest wishes\n".to_owned(),
        html: None,
        attachments: Vec::new(),
        author: Some("Bob".to_owned()),
    }
}

async fn failure(server: &FakeSmtp, phase: &'static str, fault: Fault) -> DeliveryError {
    server.fault(phase, fault);
    let house = house(server.port, |_| ());
    replier(&house).send(&reply(&house, 1).await).await.expect_err("a failure")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_goes_out_once_as_announced_over_one_connection() {
    let server = FakeSmtp::start().await;
    let house = house(server.port, |_| ());
    let replier = replier(&house);
    for number in 1..=3 {
        let message = reply(&house, number).await;
        let announced = replier.announce(&message);
        let sent = replier.send(&message).await.unwrap();
        assert_eq!(sent.recipients[0].state, OutboundState::Sent);
        assert_eq!(sent.recipients[0].handle, format!("ann{number}@customer.example"));
        assert!(sent.recipients[0].text.as_deref().unwrap_or_default().contains("queued as 4XYZ"));
        let mail = server.mails().pop().unwrap();
        assert!(mail.contains(&announced.traces[0].0), "the announced id is in the mail: {mail}");
        assert!(mail.starts_with("MAIL FROM:<support@acme.example>"), "{mail}");
    }
    assert_eq!((server.mails().len(), server.connections()), (3, 1));
    assert!(!replier.is_idempotent());
}

#[tokio::test(flavor = "multi_thread")]
async fn f36_refusals_mean_what_their_phase_makes_of_them() {
    for (phase, line, expected) in [
        ("banner", "421 too busy", LATER),
        ("banner", "554 go away", Disposition::Misconfigured),
        ("MAIL", "451 later", LATER),
        ("MAIL", "530 5.7.0 log in first", Disposition::Misconfigured),
        ("RCPT", "450 greylisted", LATER),
        ("RCPT", "550 5.1.1 no such user", Disposition::Never),
        ("DATA", "451 later", LATER),
        (".", "554 5.7.1 spam", Disposition::Never),
        (".", "452 disk full", LATER),
    ] {
        let server = FakeSmtp::start().await;
        let error = failure(&server, phase, Fault::Say(line)).await;
        assert_eq!(error.disposition, expected, "{phase} {line}: {error}");
        assert!(error.answered && !error.in_doubt, "{phase} {line}: {error:?}");
        let words = line.split_once(' ').map(|(_, words)| words).unwrap();
        assert!(error.detail.as_deref().unwrap_or_default().contains(words), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f37_before_the_final_dot_nothing_went_out() {
    for phase in ["banner", "EHLO", "MAIL", "RCPT", "DATA"] {
        for fault in [Fault::Hang, Fault::Reset] {
            let server = FakeSmtp::start().await;
            let error = failure(&server, phase, fault).await;
            assert_eq!(error.disposition, LATER, "{phase} {fault:?}: {error}");
            assert!(!error.in_doubt && !error.answered, "{phase} {fault:?}: {error:?}");
            assert!(server.mails().is_empty());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f37_after_the_final_dot_it_is_in_doubt() {
    let server = FakeSmtp::start().await;
    let error = failure(&server, ".", Fault::Reset).await;
    assert!(error.in_doubt, "{error:?}");
    assert_eq!(server.mails().len(), 1, "the relay did take it");
    let server = FakeSmtp::start().await;
    let error = failure(&server, ".", Fault::Say("garbage")).await;
    assert!(error.in_doubt, "an answer that says nothing is no answer: {error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f39_a_connection_that_went_stale_is_replaced_without_an_error() {
    let server = FakeSmtp::start().await;
    let house = house(server.port, |_| ());
    let replier = replier(&house);
    replier.send(&reply(&house, 1).await).await.unwrap();
    server.fault("MAIL", Fault::Reset);
    replier.send(&reply(&house, 2).await).await.unwrap();
    assert_eq!((server.mails().len(), server.connections()), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledgments_have_the_null_sender_or_the_one_that_is_configured() {
    for (configured, expected) in
        [("null", "MAIL FROM:<>"), ("bounces@acme.example", "MAIL FROM:<bounces@acme.example>")]
    {
        let server = FakeSmtp::start().await;
        let house = house(server.port, |value| value["smtp"]["envelope_from"] = json!(configured));
        let mut message = reply(&house, 1).await;
        message.kind = OutboundKind::Acknowledgment;
        replier(&house).send(&message).await.unwrap();
        assert!(server.mails()[0].starts_with(expected), "{:?}", server.mails());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_refuses_our_password_is_a_matter_of_settings() {
    let server = FakeSmtp::start().await;
    server.offer(&["AUTH PLAIN LOGIN"], "");
    let log_in = |value: &mut Value| {
        value["smtp"]["username"] = json!("ann");
        value["smtp"]["password"] = json!("env:P");
    };
    let house = house(server.port, log_in);
    server.fault("AUTH", Fault::Say("535 5.7.8 bad credentials"));
    let error = replier(&house).send(&reply(&house, 1).await).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Misconfigured, "{error}");
    assert!(!format!("{error:?}").contains("secret"));
    replier(&house).send(&reply(&house, 1).await).await.unwrap();
    // A relay that offers no log-in at all gets no password.
    server.offer(&[], "");
    let error = replier(&house).send(&reply(&house, 1).await).await.unwrap_err();
    assert_eq!(error.disposition, Disposition::Misconfigured, "{error}");
    assert_eq!(server.commands("AUTH").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn t62_no_mail_without_the_encryption_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), rig::smtp::certificates().0).unwrap();
    let injected = "250-fake\r\n250 HELP";
    for (extensions, injected) in [(&[][..], ""), (&["STARTTLS"][..], injected)] {
        let server = FakeSmtp::start().await;
        server.offer(extensions, injected);
        let mut house = house(server.port, |value| {
            value["smtp"]["tls"] = json!("starttls");
            value["smtp"]["ca_file"] = json!("ca.pem");
        });
        house.folder = Path::new(folder.path()).to_owned();
        let error = replier(&house).send(&reply(&house, 1).await).await.unwrap_err();
        assert_eq!(error.disposition, Disposition::Misconfigured, "{error}");
        assert!(server.commands("MAIL").is_empty() && server.mails().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t35_dots_and_line_ends_make_one_mail_of_one_mail() {
    let server = FakeSmtp::start().await;
    let house = house(server.port, |_| ());
    let mut message = reply(&house, 1).await;
    message.text = "one\n.\nMAIL FROM:<evil@example.org>\r.\rtwo\r\n.\r\nthree\n.\r\nfour".to_owned();
    replier(&house).send(&message).await.unwrap();
    assert_eq!((server.mails().len(), server.commands("MAIL").len()), (1, 1), "{:?}", server.mails());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_relay_burns_no_attempt() {
    let house = house(rig::dovecot::free_port(), |_| ());
    let error = replier(&house).send(&reply(&house, 1).await).await.unwrap_err();
    assert!(error.disposition == LATER && !error.answered && !error.in_doubt, "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_another_relay_is_no_key() {
    let server = FakeSmtp::start().await;
    server.answer("250 Ok 0102018f7e5d1c2a-1b2c3d4e-0000-4000-8000-aabbccddeeff-000000");
    let house = house(server.port, |_| ());
    let sent = replier(&house).send(&reply(&house, 1).await).await.unwrap();
    assert!(sent.keys.is_empty(), "only Amazon's relays give such ids");
    assert!(sent.recipients[0].text.as_deref().unwrap_or_default().contains("0102018f7e5d1c2a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_relay_there_is_no_way_back() {
    let house = House::new(1, "ann", |_| ());
    assert!(house.settings.build(context(&house)).unwrap().replier.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_asks_whether_answers_would_arrive_and_sends_nothing() {
    let server = FakeSmtp::start().await;
    let house = house(server.port, |value| value["reply_address"] = json!("support+{token}@acme.example"));
    let context = context(&house);
    let probes = house.settings.probe(&context).await;
    assert_eq!(probes[1].result, Ok("takes mail from us".to_owned()));
    server.fault("RCPT", Fault::Say("550 5.1.1 no plus addressing here"));
    let probes = house.settings.probe(&context).await;
    assert_eq!(probes[1].result.as_ref().unwrap_err().key, "reply_address");
    server.fault("MAIL", Fault::Say("550 5.7.1 not your address"));
    let probes = house.settings.probe(&context).await;
    assert_eq!(probes[1].result.as_ref().unwrap_err().key, "smtp");
    assert!(server.mails().is_empty() && server.commands("DATA").is_empty());
}
