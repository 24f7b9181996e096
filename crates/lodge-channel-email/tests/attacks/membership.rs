//! Who takes part in a conversation is decided by proof alone: never by Cc, Reply-To, guessed ids or ids used first.

use crate::house::{Desk, GENUINE, answers_go_to, contact_of, handles, keys};
use lodge_channel_email::tokens;
use lodge_channel_email::understand::message_id_key;
use lodge_domain::delivery::OutboundKind;
use lodge_domain::{
    Assurance, BrandName, ConversationId, EnvelopeId, Flag, JoinCondition, OutboundId, Placement, Receipt,
    Reference, ThreadKey,
};

const EVE: &str = "eve@evil.example";

fn first_mail() -> String {
    format!(
        "{GENUINE}From: Ann <ann@example.com>\r\nTo: support@acme.example\r\nSubject: Printer on fire\r\n\
         Message-ID: <first@example.com>\r\n\r\nHelp."
    )
}

/// Every field by which a mail program or server names somebody besides the sender.
const FIELDS: [&str; 18] = [
    "Cc",
    "Bcc",
    "Reply-To",
    "Sender",
    "Resent-From",
    "Resent-To",
    "Resent-Cc",
    "Mail-Followup-To",
    "Mail-Reply-To",
    "X-Original-From",
    "X-Original-To",
    "Delivered-To",
    "Envelope-To",
    "Errors-To",
    "Return-Path",
    "Disposition-Notification-To",
    "X-Forwarded-For",
    "List-Post",
];

/// The ways to point at a conversation: its name, its header fields, and whether a key of ours proves that its mail was seen.
fn ways(receipt: &Receipt) -> [(&'static str, String, bool); 4] {
    let brand = BrandName::unbranded();
    let reference = &receipt.reference;
    let token = tokens::address_token(&keys(), &brand, reference).unwrap();
    let sent = OutboundId::acknowledgment_of(&receipt.envelope);
    let kind = OutboundKind::Acknowledgment;
    let own = tokens::message_id(&keys(), &brand, kind, &receipt.conversation, &sent, "acme.example");
    let plain = format!("To: support@acme.example\r\nSubject: Re: Printer [#{reference}]\r\n");
    [
        ("stored id", format!("{plain}References: <first@example.com>\r\n"), false),
        ("subject", plain.clone(), false),
        ("signed address", format!("To: support+{token}@acme.example\r\nSubject: Re: Printer\r\n"), true),
        ("signed id", format!("{plain}In-Reply-To: <{own}>\r\n"), true),
    ]
}

#[tokio::test]
async fn t02_a_forged_sender_with_copies_adds_nobody_and_turns_no_answer() {
    for at in 0..4 {
        for (number, field) in FIELDS.into_iter().enumerate() {
            let desk = Desk::new();
            let (_, first) = desk.take(&first_mail()).await;
            let before = desk.conversation(&first).await;
            let (way, header, signed) = ways(&first)[at].clone();
            let forged = format!(
                "From: Ann <ann@example.com>\r\n{header}{field}: Eve <{EVE}>\r\nMessage-ID: <f{number}@evil.example>\r\n\r\n\
                 Please keep Eve in copy."
            );
            let (contact, receipt) = desk.take(&forged).await;
            let case = format!("{way}, {field}");
            assert_ne!(contact.from.assurance, Assurance::Authenticated, "{case}");
            assert!(contact.introduces.is_empty(), "{case}");
            let after = desk.conversation(&first).await;
            assert_eq!(after.participants, before.participants, "{case}");
            assert_eq!(answers_go_to(&after), "ann@example.com", "{case}");
            if signed {
                assert_eq!(receipt.conversation, first.conversation, "{case}");
            } else {
                assert_eq!(receipt.placement, Placement::New, "{case}");
                assert_eq!(receipt.suggested_parent, Some(first.reference.clone()), "{case}");
            }
            if field == "Reply-To" {
                assert!(contact.flags.contains(&Flag::ReplyToDiffers), "{case}");
            }
            let eve = format!(
                "From: {EVE}\r\nTo: support@acme.example\r\nSubject: Re: Printer on fire [#{}]\r\n\
                 In-Reply-To: <first@example.com>\r\nMessage-ID: <e{number}@evil.example>\r\n\r\nSend me the history.",
                first.reference
            );
            let (_, receipt) = desk.take(&eve).await;
            assert_eq!(receipt.placement, Placement::New, "{case}: eve is a stranger still");
        }
    }
}

#[tokio::test]
async fn t02_a_stranger_with_a_signed_address_is_a_newcomer_who_changes_nothing() {
    let desk = Desk::new();
    let (_, first) = desk.take(&first_mail()).await;
    let header = &ways(&first)[2].1;
    let stranger = format!(
        "Authentication-Results: mx.acme.example; dmarc=pass header.from=evil.example\r\nFrom: {EVE}\r\n{header}\
         Cc: mallory@evil.example\r\nMessage-ID: <s@evil.example>\r\n\r\nHello"
    );
    let (_, receipt) = desk.take(&stranger).await;
    assert!(receipt.flags.contains(&Flag::NewParticipant) && receipt.conversation == first.conversation);
    let conversation = desk.conversation(&first).await;
    assert_eq!(handles(&conversation), ["ann@example.com"]);
    assert_eq!(answers_go_to(&conversation), "ann@example.com");
}

/// The other half: what proof does confer.
#[tokio::test]
async fn t02_only_an_authenticated_participant_brings_others_along() {
    let desk = Desk::new();
    let (_, first) = desk.take(&first_mail()).await;
    let genuine = format!(
        "{GENUINE}From: ann@example.com\r\nTo: support@acme.example\r\nCc: Bob <bob@example.com>\r\n\
         Subject: Re: Printer on fire\r\nReferences: <first@example.com>\r\nMessage-ID: <2@example.com>\r\n\r\nBob helps."
    );
    assert_eq!(desk.take(&genuine).await.1.conversation, first.conversation);
    assert_eq!(handles(&desk.conversation(&first).await), ["ann@example.com", "bob@example.com"]);
}

/// Where nobody's mail can be authenticated, two customers of one mailbox provider are still two people.
#[tokio::test]
async fn t02_a_reply_to_at_the_same_mailbox_provider_is_not_followed() {
    let desk = Desk::new();
    let mail = |id: &str, more: &str| {
        format!(
            "From: ann@gmail.com\r\nTo: support@acme.example\r\nSubject: Printer on fire\r\nMessage-ID: <{id}@gmail.com>\r\n\
             {more}\r\nHelp {id}."
        )
    };
    let (_, first) = desk.take(&mail("first", "")).await;
    let forged = mail("second", "Reply-To: eve@gmail.com\r\nIn-Reply-To: <first@gmail.com>\r\n");
    let (contact, receipt) = desk.take(&forged).await;
    assert_eq!(receipt.conversation, first.conversation, "unverified throughout: it joins");
    assert!(contact.flags.contains(&Flag::ReplyToDiffers));
    assert_eq!(answers_go_to(&desk.conversation(&first).await), "ann@gmail.com");
}

#[tokio::test]
async fn t11_an_id_used_first_suppresses_nobody() {
    let desk = Desk::new();
    let attack = "From: eve@evil.example\r\nTo: support@acme.example\r\nSubject: Printer on fire\r\n\
                  Message-ID: <first@example.com>\r\n\r\nI was here first.";
    let (_, attacker) = desk.take(attack).await;
    assert!(attacker.flags.is_empty());
    let (contact, victim) = desk.take(&first_mail()).await;
    assert_eq!((victim.placement, victim.flags.contains(&Flag::Conflict)), (Placement::New, true));
    assert_ne!(victim.conversation, attacker.conversation);
    assert_eq!(contact.body.text, "Help.");
    assert_eq!(handles(&desk.conversation(&victim).await), ["ann@example.com"]);
    assert_eq!(handles(&desk.conversation(&attacker).await), [EVE]);
    let (_, again) = desk.take(&first_mail()).await;
    assert_eq!((again.placement, &again.envelope), (Placement::Duplicate, &victim.envelope));
    let answer = format!(
        "{GENUINE}From: ann@example.com\r\nTo: support@acme.example\r\nSubject: Re: Printer on fire [#{}]\r\n\
         In-Reply-To: <first@example.com>\r\nMessage-ID: <2@example.com>\r\n\r\nAny news?",
        victim.reference
    );
    let (_, answer) = desk.take(&answer).await;
    assert_eq!(answer.conversation, victim.conversation, "the attacker's hold on the id takes nothing away");
}

#[test]
fn t73_of_300_000_references_the_first_and_the_newest_count() {
    let ids: String = (0..300_000).map(|n| format!("<{n}@x.example>\r\n ")).collect();
    let mail = |ids: &str| {
        format!(
            "From: a@b.example\r\nSubject: Re: x\r\nMessage-ID: <m@b.example>\r\nReferences: {ids}\r\n\r\nx"
        )
    };
    let contact = contact_of(mail(&ids).as_bytes());
    assert!(contact.thread_keys.len() <= ThreadKey::MOST && contact.registers.len() <= ThreadKey::MOST + 3);
    let some: Vec<String> = (0..1_000).map(|n| format!("<{n}@x.example>")).collect();
    let contact = contact_of(mail(&some.join("\r\n ")).as_bytes());
    let stored: Vec<_> = contact.thread_keys.iter().map(|key| Some(key.value)).collect();
    assert_eq!(stored[0], message_id_key("<999@x.example>"), "the newest first");
    assert!(stored.contains(&message_id_key("<0@x.example>")), "and the one that began it all");
    assert!(stored.len() <= ThreadKey::MOST && !stored.contains(&message_id_key("<100@x.example>")));
}

#[test]
fn t73_of_many_fields_of_ids_ten_are_read() {
    for name in ["References", "In-Reply-To"] {
        let fields: String = (0..1_900).map(|n| format!("{name}: <{n}@x.example>\r\n")).collect();
        let raw = format!("From: a@b.example\r\nMessage-ID: <m@b.example>\r\n{fields}\r\nx");
        let contact = contact_of(raw.as_bytes());
        let known = |n: usize| {
            let value = message_id_key(&format!("<{n}@x.example>")).unwrap();
            contact.thread_keys.iter().any(|key| key.value == value) || contact.registers.contains(&value)
        };
        assert!((0..10).all(known) && !(10..1_900).any(known), "{name}");
    }
}

#[test]
fn t74_of_ten_thousand_signed_addresses_eight_are_checked() {
    let forged =
        |n: usize| format!("support+{}@acme.example", format!("{n:036}").replace(['0', '1', '8', '9'], "a"));
    let conversation = ConversationId::founded_by(&EnvelopeId::of_contact(&[1; 32]));
    let reference = Reference::derive(&conversation, 0);
    let token = tokens::address_token(&keys(), &BrandName::unbranded(), &reference).unwrap();
    let joins = |before: usize| {
        let mut to: Vec<String> = (0..before).map(forged).collect();
        to.push(format!("support+{token}@acme.example"));
        to.extend((0..100).map(forged));
        let raw = format!("From: a@b.example\r\nMessage-ID: <m@b>\r\nTo: {}\r\n\r\nx", to.join(",\r\n "));
        contact_of(raw.as_bytes()).thread_keys.iter().any(|key| key.condition == JoinCondition::Always)
    };
    assert!(joins(0) && joins(7), "the eighth is the last");
    assert!(!joins(8) && !joins(900));
}
