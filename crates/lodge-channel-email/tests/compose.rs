//! Outgoing mail: exactly our headers, one recipient, no second mail, whatever strangers wrote (T34, T35, E03, C11).
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail it")]

use bytes::Bytes;
use lodge_channel_email::compose::{Composed, MailReturn, SenderIdentity, compose, outgoing_message_id};
use lodge_channel_email::tokens::{self, ReplyAddress};
use lodge_domain::delivery::{OutboundKind, OutboundMessage};
use lodge_domain::{
    BrandName, ConversationId, EnvelopeId, InboxName, KeyRing, OutboundId, Reference, ReturnPath, Timestamp,
};
use proptest::prelude::*;

fn keys() -> KeyRing {
    KeyRing::new(&[(3, vec![5; 32])]).unwrap()
}

fn sender() -> SenderIdentity {
    SenderIdentity {
        name: Some("Acme Support".to_owned()),
        address: "support@acme.example".to_owned(),
        reply_address: Some(ReplyAddress::plus("support@acme.example").unwrap()),
        message_id_domain: "acme.example".to_owned(),
        instance: "gw".to_owned(),
    }
}

fn back() -> MailReturn {
    MailReturn {
        to: "ann@example.com".to_owned(),
        reply_to: None,
        alias: Some("support@acme.example".to_owned()),
        message_id: Some("m1@example.com".to_owned()),
        references: vec!["m0@example.com".to_owned()],
        subject: Some("Cannot log in".to_owned()),
        language: None,
        authenticated: true,
    }
}

fn message(kind: OutboundKind, back: &MailReturn) -> OutboundMessage {
    let envelope = EnvelopeId::of_contact(&[1; 32]);
    let conversation = ConversationId::founded_by(&envelope);
    OutboundMessage {
        id: OutboundId::acknowledgment_of(&envelope),
        kind,
        brand: BrandName::unbranded(),
        inbox: InboxName::parse("support").unwrap(),
        reference: Reference::derive(&conversation, 0),
        conversation,
        return_path: ReturnPath {
            inbox: InboxName::parse("support").unwrap(),
            sealed: serde_json::to_value(back).unwrap(),
        },
        subject: None,
        text: "We have it.".to_owned(),
        html: None,
        attachments: Vec::new(),
        author: None,
    }
}

fn now() -> Timestamp {
    "2026-11-21T09:00:00Z".parse().unwrap()
}

fn write(message: &OutboundMessage, blobs: &[(String, String, Bytes)]) -> Composed {
    compose(message, &sender(), &keys(), blobs, now()).unwrap()
}

/// The header fields in order, folded ones joined.
fn fields(mail: &Composed) -> Vec<(String, String)> {
    let text = String::from_utf8(mail.bytes.clone()).unwrap();
    let head = text.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ").replace("\r\n\t", " ");
    head.split("\r\n")
        .map(|line| {
            line.split_once(": ")
                .map_or((line.to_owned(), String::new()), |(n, v)| (n.to_owned(), v.to_owned()))
        })
        .collect()
}

fn value(mail: &Composed, name: &str) -> String {
    let found: Vec<String> = fields(mail).into_iter().filter(|(n, _)| n == name).map(|(_, v)| v).collect();
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    found[0].clone()
}

fn names(mail: &Composed) -> Vec<String> {
    let mut all: Vec<String> = fields(mail).into_iter().map(|(n, _)| n).collect();
    all.sort();
    all
}

fn no_bare_line_ends(bytes: &[u8]) -> bool {
    bytes.iter().enumerate().all(|(at, b)| match b {
        b'\n' => at > 0 && bytes[at - 1] == b'\r',
        b'\r' => bytes.get(at + 1) == Some(&b'\n'),
        _ => true,
    })
}

#[test]
fn e03_acknowledgments_carry_what_stops_loops() {
    let message = message(OutboundKind::Acknowledgment, &back());
    let mail = write(&message, &[]);
    assert_eq!((mail.envelope_from.clone(), mail.to.clone()), (None, vec!["ann@example.com".to_owned()]));
    for (name, want) in [
        ("Auto-Submitted", "auto-replied"),
        ("X-Auto-Response-Suppress", "All"),
        ("Precedence", "bulk"),
        ("X-Lodge-Loop", "gw;1"),
        ("In-Reply-To", "<m1@example.com>"),
        ("References", "<m0@example.com> <m1@example.com>"),
        ("To", "ann@example.com"),
        ("Date", "Sat, 21 Nov 2026 09:00:00 +0000"),
    ] {
        assert_eq!(value(&mail, name), want, "{name}");
    }
    assert_eq!(value(&mail, "From"), "\"Acme Support\" <support@acme.example>");
    assert_eq!(value(&mail, "Subject"), format!("Re: Cannot log in [#{}]", message.reference));
    let own = tokens::read_message_id(&keys(), &BrandName::unbranded(), &value(&mail, "Message-ID")).unwrap();
    assert_eq!(own.outbound, message.id);
    assert_eq!(mail.message_id, outgoing_message_id(&message, &sender(), &keys()));
    let token = sender().reply_address.unwrap().token_in(&value(&mail, "Reply-To")).unwrap();
    assert_eq!(
        tokens::read_address_token(&keys(), &BrandName::unbranded(), &token),
        Some(message.reference.clone())
    );
    assert_eq!(mail, write(&message, &[]), "another attempt writes the same bytes");
}

#[test]
fn c11_replies_keep_the_thread() {
    let mut back = back();
    back.references = (0..40).map(|n| format!("r{n}@example.com")).collect();
    back.subject = Some("AW: Größe".to_owned());
    back.reply_to = Some("team@example.com".to_owned());
    let mut message = message(OutboundKind::Reply, &back);
    message.author = Some("Bo".to_owned());
    message.html = Some("<p>We have it.</p>".to_owned());
    let mail = write(
        &message,
        &[("a\"b\r\n.txt".to_owned(), "text/plain".to_owned(), Bytes::from_static(b"one\ntwo\r.\r\n"))],
    );
    assert_eq!(
        (mail.envelope_from.as_deref(), mail.to.as_slice()),
        (Some("support@acme.example"), &["team@example.com".to_owned()][..])
    );
    let references: Vec<String> = value(&mail, "References").split_whitespace().map(str::to_owned).collect();
    assert_eq!(
        (references.len(), references[0].as_str(), references[19].as_str()),
        (20, "<r0@example.com>", "<m1@example.com>")
    );
    assert_eq!(references[1], "<r22@example.com>");
    assert_eq!(value(&mail, "From"), "\"Bo via Acme Support\" <support@acme.example>");
    assert!(!names(&mail).iter().any(|n| n == "Auto-Submitted" || n == "Precedence"));
    let text = String::from_utf8(mail.bytes.clone()).unwrap();
    assert!(
        text.contains("multipart/mixed")
            && text.contains("multipart/alternative")
            && no_bare_line_ends(&mail.bytes)
    );
    assert!(text.lines().all(|line| line.len() <= 998));
}

#[test]
fn t35_bare_line_ends_and_lone_dots_go_out_as_text() {
    for text in ["a\n.\nb", "a\r.\rb", "a\n.\r\nb", "a\r\n.\r\nb\0", "é\r.\r"] {
        let mut message = message(OutboundKind::Reply, &back());
        message.text = text.to_owned();
        message.html = Some(text.to_owned());
        assert!(no_bare_line_ends(&write(&message, &[]).bytes), "{text:?}");
    }
}

#[test]
fn t63_addresses_that_are_not_plain_are_refused() {
    for to in [
        "",
        "ann",
        "-ann@example.com",
        "\"<v@v>\"@c.example",
        "ann@[127.0.0.1]",
        "a@b.c\r\nRCPT TO:<x@y.z>",
        "a b@c.example",
        "a@b@c.example",
    ] {
        let back = MailReturn { to: to.to_owned(), ..back() };
        assert!(
            compose(&message(OutboundKind::Acknowledgment, &back), &sender(), &keys(), &[], now()).is_err(),
            "{to:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any words of a stranger: exactly our header set and one recipient.
    #[test]
    fn t34_strangers_write_no_headers(
        subject in any::<String>(), id in any::<String>(), reference in any::<String>(), author in any::<String>(), text in any::<String>(),
        injected in prop_oneof![Just("\r\nBcc: v@x.example"), Just("\nX: y"), Just("\r\n\r\nbody"), Just("\u{85}Bcc: v"), Just("\u{2028}x"), Just("")],
    ) {
        let back = MailReturn {
            message_id: Some(format!("{id}@{injected}")),
            references: vec![format!("{reference}{injected}@x"), "ok@example.com".to_owned()],
            subject: Some(format!("{subject}{injected}")),
            ..back()
        };
        let mut message = message(OutboundKind::Reply, &back);
        message.author = Some(format!("{author}{injected}"));
        message.text = text;
        let mail = write(&message, &[]);
        prop_assert_eq!(&mail.to, &vec!["ann@example.com".to_owned()]);
        prop_assert!(no_bare_line_ends(&mail.bytes));
        let mut seen = names(&mail);
        seen.retain(|n| n != "In-Reply-To");
        prop_assert_eq!(seen, ["Content-Transfer-Encoding", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "References", "Reply-To", "Subject", "To"]);
    }
}
